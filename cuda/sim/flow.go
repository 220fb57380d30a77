package sim

import (
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// registersOf appends the registers that an instruction writes and reads: destinations first in the instruction, addresses, sources, guard.
func registersOf(in *ptx.Instr, defs, uses []int32) (d, u []int32) {
	if in.Guard != ptx.NoReg {
		uses = append(uses, in.Guard)
	}
	for i := range in.Operands {
		defs, uses = operandRegisters(&in.Operands[i], i < destinations(in), defs, uses)
	}
	return defs, uses
}

func operandRegisters(o *ptx.Operand, written bool, defs, uses []int32) (d, u []int32) {
	switch {
	case o.Kind == ptx.Address && o.Reg != ptx.NoReg:
		uses = append(uses, o.Reg)
	case o.Kind == ptx.Register && written:
		defs = append(defs, o.Reg)
	case o.Kind == ptx.Register:
		uses = append(uses, o.Reg)
	}
	if o.Kind == ptx.Address {
		written = false
	}
	for i := range o.Elems {
		defs, uses = operandRegisters(&o.Elems[i], written, defs, uses)
	}
	return defs, uses
}

// destinations is the number of leading operands that an instruction writes.
func destinations(in *ptx.Instr) int {
	switch in.Op {
	case "st", "red", "bra", "brx", "ret", "exit", "trap", "brkpt", "membar", "fence", "prefetch", "prefetchu", "cp", "stmatrix", "nanosleep", "discard", "applypriority", "pmevent":
		return 0
	case "bar", "barrier":
		if in.Has("red") {
			return 1
		}
		return 0
	}
	return 1
}

// flow is the control flow of a function: basic blocks in order of their first instruction.
type flow struct {
	f      *ptx.Func
	blocks []basicBlock
	of     []int32 // block of each instruction
}

type basicBlock struct {
	first, end int // instructions [first, end)
	next       []int32
}

// flowOf finds the basic blocks of a function.
func flowOf(f *ptx.Func) *flow {
	n := len(f.Body)
	leader := make([]bool, n+1)
	for _, l := range f.Labels {
		leader[min(max(l.At, 0), n)] = true
	}
	for i := range f.Body {
		if endsBlock(&f.Body[i]) {
			leader[i+1] = true
		}
	}
	g := &flow{f: f, of: make([]int32, n)}
	for i := 0; i < n; {
		end := i + 1
		for end < n && !leader[end] {
			end++
		}
		for j := i; j < end; j++ {
			g.of[j] = int32(len(g.blocks))
		}
		g.blocks = append(g.blocks, basicBlock{first: i, end: end})
		i = end
	}
	for b := range g.blocks {
		g.link(&g.blocks[b])
	}
	return g
}

func endsBlock(in *ptx.Instr) bool {
	switch in.Op {
	case "bra", "brx", "ret", "exit", "trap":
		return true
	}
	return false
}

// link finds the successors of a block.
func (g *flow) link(b *basicBlock) {
	to := func(at int) {
		if at >= 0 && at < len(g.of) {
			b.next = append(b.next, g.of[at])
		}
	}
	last := &g.f.Body[b.end-1]
	switch last.Op {
	case "bra":
		for _, o := range last.Operands {
			if o.Kind == ptx.LabelName {
				to(g.f.Labels[o.Label].At)
			}
		}
	case "brx":
		for _, o := range last.Operands {
			if o.Kind == ptx.TableName {
				for _, l := range g.f.Tables[o.Table].Labels {
					to(g.f.Labels[l].At)
				}
			}
		}
	}
	if !endsBlock(last) || last.Guard != ptx.NoReg {
		to(b.end)
	}
}

// bitset is a set of small integers.
type bitset []uint64

func newBitset(n int) bitset      { return make(bitset, (n+63)/64) }
func (s bitset) has(i int32) bool { return s[i>>6]>>(i&63)&1 != 0 }
func (s bitset) add(i int32)      { s[i>>6] |= 1 << (i & 63) }
func (s bitset) remove(i int32)   { s[i>>6] &^= 1 << (i & 63) }
func (s bitset) each(f func(i int32)) {
	for w, x := range s {
		for ; x != 0; x &= x - 1 {
			f(int32(w*64 + bits.TrailingZeros64(x)))
		}
	}
}

// The limits on the analysis of liveness, beyond which there is none: bits of a set of registers for each block, and words that it looks at.
const (
	maxLiveBits = 1 << 28
	maxLiveWork = 1 << 31
)

// liveIn is the registers that are live at the start of each block; false where they are too many to tell.
func (g *flow) liveIn() ([]bitset, bool) {
	n := len(g.f.Regs)
	if len(g.blocks)*n > maxLiveBits {
		return nil, false
	}
	in := make([]bitset, len(g.blocks))
	gen, kill := make([]bitset, len(g.blocks)), make([]bitset, len(g.blocks))
	var defs, uses []int32
	for b := range g.blocks {
		in[b], gen[b], kill[b] = newBitset(n), newBitset(n), newBitset(n)
		for i := g.blocks[b].first; i < g.blocks[b].end; i++ {
			instr := &g.f.Body[i]
			defs, uses = registersOf(instr, defs[:0], uses[:0])
			for _, r := range uses {
				if !kill[b].has(r) {
					gen[b].add(r)
				}
			}
			if instr.Guard == ptx.NoReg {
				for _, r := range defs {
					kill[b].add(r)
				}
			}
		}
	}
	out := newBitset(n)
	order, work := g.postorder(), 0
	for changed := true; changed; {
		changed = false
		for _, b := range order {
			if work += len(out) * (2 + len(g.blocks[b].next)); work > maxLiveWork {
				return nil, false
			}
			clear(out)
			for _, s := range g.blocks[b].next {
				union(out, in[s])
			}
			for w := range out {
				if x := gen[b][w] | out[w]&^kill[b][w]; x != in[b][w] {
					in[b][w] = x
					changed = true
				}
			}
		}
	}
	return in, true
}

// postorder lists the blocks that can be reached, each after those that it leads to but for the ends of loops: what flows against the control passes
// through the list about as often as loops are nested.
func (g *flow) postorder() []int32 {
	list := make([]int32, 0, len(g.blocks))
	if len(g.blocks) == 0 {
		return list
	}
	type visit struct{ block, edge int32 }
	seen := make([]bool, len(g.blocks))
	seen[0] = true
	for stack := []visit{{0, 0}}; len(stack) > 0; {
		v := &stack[len(stack)-1]
		next := g.blocks[v.block].next
		if int(v.edge) == len(next) {
			list = append(list, v.block)
			stack = stack[:len(stack)-1]
			continue
		}
		to := next[v.edge]
		v.edge++
		if !seen[to] {
			seen[to] = true
			stack = append(stack, visit{to, 0})
		}
	}
	return list
}

func union(a, b bitset) {
	for i := range a {
		a[i] |= b[i]
	}
}
