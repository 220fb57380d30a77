package sim

import (
	"cmp"
	"slices"

	"palladio/cuda/sim/ptx"
)

// Virtual registers are many (an unrolled loop has thousands), and a warp's registers should stay in the first-level cache. So instructions
// are first decoded with numbers of virtual registers in place of offsets; then those that are never live together share places, by a
// linear scan over the code (Poletto and Sarkar, Linear Scan Register Allocation, 1999). That threads diverge does not matter: a
// thread writes its own lane only.

// virtualBase is the first offset that stands for a virtual register.
const virtualBase = 1 << 30

// codeSpan is the code of a basic block.
type codeSpan struct{ block, from, to int32 }

// interval is where a register is live: positions are twice the index of an instruction, plus one for what it writes.
type interval struct {
	reg      int32
	from, to int32
}

// assign gives the virtual registers of a function their places.
func (d *decoder) assign(f *ptx.Func) {
	list := d.intervals(f)
	slices.SortFunc(list, func(a, b interval) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.reg, b.reg)) })
	ends := slices.SortedFunc(slices.Values(list), func(a, b interval) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.reg, b.reg)) })
	var free [2][]uint32 // by shape
	place := make([]uint32, len(f.Regs))
	for _, iv := range list {
		for ; ends[0].to < iv.from; ends = ends[1:] {
			s := shapeOf(f.Regs[ends[0].reg].Type)
			free[s] = append(free[s], place[ends[0].reg])
		}
		s := shapeOf(f.Regs[iv.reg].Type)
		if n := len(free[s]); n > 0 {
			place[iv.reg], free[s] = free[s][n-1], free[s][:n-1]
			continue
		}
		place[iv.reg] = d.take([...]uint32{narrow: 4 * lanes, wide: 8 * lanes}[s])
	}
	for r := range f.Regs {
		if s := shapeOf(f.Regs[r].Type); s != predicate {
			if place[r] == 0 {
				place[r] = d.sinks[s]
			}
			d.places[d.regs[f][r]-virtualBase] = place[r]
			d.regs[f][r] = place[r]
		}
	}
}

// intervals finds where each register of a function is live.
func (d *decoder) intervals(f *ptx.Func) []interval {
	g, spans := d.flows[f], d.spans[f]
	list := make([]interval, len(f.Regs))
	first, last := int32(-1), int32(-1)
	for _, s := range spans {
		if first < 0 {
			first = 2 * s.from
		}
		last = 2*s.to + 1
	}
	for r := range list {
		list[r] = interval{int32(r), -1, -1}
	}
	extend := func(r, at int32) {
		iv := &list[r]
		if iv.from < 0 || at < iv.from {
			iv.from = at
		}
		iv.to = max(iv.to, at)
	}
	for _, v := range slices.Concat(f.Returns, f.Params) {
		if v.Register {
			extend(v.Reg, first)
			extend(v.Reg, last)
		}
	}
	if live, ok := g.liveIn(); !ok { // every register has its own place
		for r := range list {
			list[r].from, list[r].to = first, last
			d.maybeUnset(f, int32(r))
		}
	} else if len(g.blocks) > 0 {
		d.liveRanges(f, g, live, spans, extend)
	}
	return slices.DeleteFunc(list, func(iv interval) bool { return iv.from < 0 || f.Regs[iv.reg].Type == ptx.Pred })
}

// maybeUnset notes a register that may be read before it is written.
func (d *decoder) maybeUnset(f *ptx.Func, r int32) {
	if f.Regs[r].Type != ptx.Pred {
		d.unset = append(d.unset, d.regs[f][r])
	}
}

// liveRanges extends the intervals of registers over the places where they are live, written or read; in is those that are live where blocks begin.
func (d *decoder) liveRanges(f *ptx.Func, g *flow, in []bitset, spans []codeSpan, extend func(r, at int32)) {
	in[0].each(func(r int32) { d.maybeUnset(f, r) })
	var defs, uses []int32
	for _, s := range spans {
		in[s.block].each(func(r int32) { extend(r, 2*s.from) })
		for _, next := range g.blocks[s.block].next {
			in[next].each(func(r int32) { extend(r, 2*s.to+1) })
		}
		for p := s.from; p < s.to; p++ {
			code := &d.prog.code[p]
			if code.src == nil {
				continue
			}
			defs, uses = registersOf(code.src, defs[:0], uses[:0])
			for _, r := range uses {
				extend(r, 2*p)
			}
			at := 2 * p // other operations may write a result before they have read all sources
			if code.kind == laneKind || code.kind == guardedKind && code.under == laneKind {
				at++
			}
			for _, r := range defs {
				extend(r, at)
				extend(r, 2*p+1)
			}
		}
	}
}

// settle puts the places of registers into the code.
func (d *decoder) settle() {
	for _, f := range d.funcs {
		d.assign(f)
	}
	for i := range d.prog.code {
		in := &d.prog.code[i]
		d.rename(in)
		if in.from != nil {
			d.rename(in.from)
		}
	}
	for _, v := range d.unset {
		s := shape(narrow)
		if d.isWide[v-virtualBase] {
			s = wide
		}
		d.prog.unset = append(d.prog.unset, constant{d.places[v-virtualBase], s, 0})
	}
}

// rename replaces the numbers of virtual registers in an instruction.
func (d *decoder) rename(in *inst) {
	for _, p := range []*uint32{&in.d, &in.a, &in.b, &in.c, &in.d2, &in.members} {
		if *p >= virtualBase {
			*p = d.places[*p-virtualBase]
		}
	}
	if in.table {
		return
	}
	for i, off := range in.x {
		if off >= virtualBase {
			in.x[i] = d.places[off-virtualBase]
		}
	}
}

// estimateRegisters guesses the registers a thread of an entry point needs, from the most virtual registers that are live at once. The
// assembler reschedules, so the true figure differs by a fifth either way.
func estimateRegisters(g *flow) int {
	const reserve = 4 // addresses, what rescheduling keeps alive
	weight := registerWeights(g.f)
	in, ok := g.liveIn()
	if !ok {
		return 255
	}
	peak := 0
	var defs, uses []int32
	live := newBitset(len(g.f.Regs))
	for b := range g.blocks {
		clear(live)
		for _, s := range g.blocks[b].next {
			union(live, in[s])
		}
		for i := g.blocks[b].end - 1; i >= g.blocks[b].first; i-- {
			instr := &g.f.Body[i]
			defs, uses = registersOf(instr, defs[:0], uses[:0])
			if instr.Guard == ptx.NoReg {
				for _, r := range defs {
					live.remove(r)
				}
			}
			for _, r := range uses {
				live.add(r)
			}
			sum := 0
			live.each(func(r int32) { sum += weight[r] })
			peak = max(peak, sum)
		}
	}
	n := max(16, peak+reserve)
	if m := g.f.Perf.MaxRegs; m > 0 {
		n = min(n, m)
	}
	if p := g.f.Perf; p.MinBlocks > 0 && p.MaxThreads[0] > 0 { // the assembler keeps to it
		warps := ceilDiv(product(p.MaxThreads), 32)
		n = min(n, 65536/32/warps/p.MinBlocks/8*8)
	}
	return min(max(n, 16), 255)
}

// registerWeights is the 32-bit registers that each virtual register takes: none for predicates, and for parameters and what only
// renames them, which machine code reads from the constant bank, or for constants, which it has in its instructions.
func registerWeights(f *ptx.Func) []int {
	weight := make([]int, len(f.Regs))
	for i, r := range f.Regs {
		if r.Type != ptx.Pred {
			weight[i] = max(1, r.Type.Bits()/32)
		}
	}
	constant := make([]int8, len(f.Regs)) // 0 unknown, 1 yes, -1 no
	var defs, uses []int32
	for i := range f.Body {
		in := &f.Body[i]
		defs, uses = registersOf(in, defs[:0], uses[:0])
		is := int8(-1)
		copied := (in.Op == "cvta" || in.Op == "mov") && len(defs) == 1
		if in.Op == "ld" && in.Space() == ptx.Param || copied && len(uses) == 0 || copied && len(uses) == 1 && constant[uses[0]] == 1 {
			is = 1
		}
		for _, r := range defs {
			if constant[r] >= 0 {
				constant[r] = is
			}
		}
	}
	for r, is := range constant {
		if is == 1 {
			weight[r] = 0
		}
	}
	return weight
}
