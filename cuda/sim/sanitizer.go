package sim

import (
	"fmt"
	"math/bits"
	"sync"

	"palladio/cuda/sim/ptx"
)

// sanitizer runs the checks on a launch.
type sanitizer struct {
	gpu    *GPU
	prog   *program
	files  []ptx.File
	stamp  uint32 // number of the launch
	static *checkedCode

	mu   sync.Mutex
	idle []*blockChecks // of blocks that have ended
}

// checkedCode is what the checks know of a program before it runs.
type checkedCode struct {
	instr     []checkedInstr      // by pc
	base      map[*ptx.Func]int32 // number of a function's first register
	registers int                 // of all functions
	granule   int                 // bytes of shared memory that are watched together: no access is smaller
	calls     bool
}

// checkedInstr is the registers of an instruction, numbered over all functions of the program. As values may be computed that nobody then takes (compilers
// move arithmetic up over conditions), undefined ones are followed through arithmetic and reported where something depends on them: a store, an address, a
// guard, a product of matrices.
type checkedInstr struct {
	guard int32 // of the instruction, or -1; it has to be defined in all lanes that come here
	at    int32 // pc of the instruction that has the guard: a branch around a guarded instruction comes before it
	defs  []int32
	sinks []int32 // sources that have to be defined
	flows []int32 // sources that make the destinations undefined where they are
	kind  flowKind
	// divides is the bits of the divisor of a division of integers, else 0.
	divides int
}

// flowKind is how undefined lanes flow through an instruction.
type flowKind uint8

const (
	anySource flowKind = iota // any undefined source makes the result undefined
	copied                    // part by part
	exchanged                 // from other lanes
	selected                  // from the one of two sources that the predicate chooses
	conjunct                  // and of predicates: a false source decides
	disjunct                  // or of predicates: a true source decides
)

// checkCode prepares the checks of a program.
func checkCode(p *program) *checkedCode {
	c := &checkedCode{instr: make([]checkedInstr, len(p.code)), base: map[*ptx.Func]int32{}, granule: 16}
	for pc := range p.code {
		in, fn := p.code[pc].src, p.code[pc].fn
		ci := &c.instr[pc]
		ci.guard, ci.at = -1, int32(pc)
		if _, ok := c.base[fn]; !ok && fn != nil {
			c.base[fn] = int32(c.registers)
			c.registers += len(fn.Regs)
		}
		if in == nil && p.code[pc].kind == branchKind {
			ci.at++
			ci.guard = c.base[fn] + p.code[ci.at].src.Guard
		}
		if in == nil || fn == nil {
			continue
		}
		ci.fill(in)
		for _, list := range [][]int32{ci.defs, ci.sinks, ci.flows} {
			for i := range list {
				list[i] += c.base[fn]
			}
		}
		if in.Guard != ptx.NoReg {
			ci.guard = c.base[fn] + in.Guard
		}
		c.calls = c.calls || in.Op == "call"
		if m := p.code[pc].mem; m != nil && (m.space == sharedSpace || m.space == genericSpace) {
			c.granule = min(c.granule, elementBytes(in, int(m.size)))
		}
	}
	return c
}

// fill sorts the registers of an instruction but its guard, numbered as in its function.
func (ci *checkedInstr) fill(in *ptx.Instr) {
	if t := in.Type(0); (in.Op == "div" || in.Op == "rem") && !t.Float() {
		ci.divides = t.Bits()
	}
	first := destinations(in)
	depends := first == 0 || dependsOnSources(in.Op)
	for i := range in.Operands {
		o := &in.Operands[i]
		if i < first {
			ci.defs, ci.sinks = operandRegisters(o, true, ci.defs, ci.sinks)
			continue
		}
		if depends || o.Kind == ptx.Address || in.Op == "shfl" && i != first {
			_, ci.sinks = operandRegisters(o, false, nil, ci.sinks)
		} else {
			_, ci.flows = operandRegisters(o, false, nil, ci.flows)
		}
	}
	two := len(ci.flows) == 2 && in.Type(0) == ptx.Pred && in.Guard == ptx.NoReg
	switch {
	case in.Op == "shfl":
		ci.kind = exchanged
	case (in.Op == "mov" || in.Op == "cvt" && !in.Type(0).Float() && !in.Type(1).Float()) && len(in.Operands) == 2:
		ci.kind = copied
	case in.Op == "selp" && len(in.Operands) == 4:
		ci.kind = selected
	case in.Op == "and" && two:
		ci.kind = conjunct
	case in.Op == "or" && two:
		ci.kind = disjunct
	}
}

// dependsOnSources says whether what an instruction does, beside its result, depends on its sources.
func dependsOnSources(op string) bool {
	switch op {
	case "atom", "mma", "vote", "match", "redux", "bar", "barrier", "call", "movmatrix":
		return true
	}
	return false
}

// elementBytes is the smallest part of an access that another access may touch alone.
func elementBytes(in *ptx.Instr, size int) int {
	if in.Op == "cp" || in.Op == "ldmatrix" || in.Op == "stmatrix" {
		return min(size, 4)
	}
	return min(size, max(1, size/in.Width()))
}

func (s *sanitizer) block(b *block) blockObserver {
	k := s.take(b)
	for i := range k.undefined {
		k.undefined[i] = undefined{fullMask, fullMask, fullMask, fullMask}
	}
	k.shared.reset()
	clear(k.local)
	return k
}

// take gets the checks of a block that has ended, or new ones.
func (s *sanitizer) take(b *block) *blockChecks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		k := s.idle[n-1]
		s.idle = s.idle[:n-1]
		k.b = b
		return k
	}
	k := &blockChecks{s: s, b: b, undefined: make([]undefined, s.static.registers*len(b.warps))}
	k.shared.init(k, int(b.sharedEnd-sharedBase), len(b.warps))
	if n := b.prog.localBytes(); n > 0 && !s.static.calls {
		k.local = make([]bitset, len(b.warps)*lanes)
	}
	return k
}

// blockChecks runs the checks on a block.
type blockChecks struct {
	s         *sanitizer
	b         *block
	undefined []undefined // by warp and register
	shared    sharedChecks
	local     []bitset    // by thread: bytes of local memory that are written; nil where they are not checked
	last      *allocation // that an access met
}

func (k *blockChecks) done() {
	k.shared.done()
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.idle = append(k.s.idle, k)
}

func (k *blockChecks) branch(w *warp, pc int, taken, notTaken uint32) {}

// report notes a finding of a lane.
func (k *blockChecks) report(w *warp, pc int, lane int, check Check, kind string, addr uint64, what func() string) {
	in := k.b.prog.code[pc].src
	k.s.gpu.findings.add(findingKey{in, check, kind}, func() Finding {
		f := Finding{Kernel: k.b.prog.name, Block: k.b.id, Thread: w.thread(lane), Addr: addr, What: kind + ": " + what()}
		if in != nil {
			f.Line, f.Instr, f.Source = in.Line, in.Name, sourceOf(k.s.files, in)
		}
		return f
	})
}

// undefined is the lanes for which nothing wrote the 16-bit parts of a register, lowest part first. Instructions but moves and conversions of
// integers take a register as a whole.
type undefined [4]uint32

// any is the lanes for which some part is undefined.
func (u *undefined) any() uint32 { return u[0] | u[1] | u[2] | u[3] }

// set makes all parts of the lanes of mask undefined where lanes says so.
func (u *undefined) set(lanes, mask uint32) {
	for i := range u {
		u[i] = u[i]&^mask | lanes&mask
	}
}

// exec finds registers that something depends on before anything wrote them.
func (k *blockChecks) exec(w *warp, pc int, mask uint32) {
	ci := &k.s.static.instr[pc]
	regs := k.undefined[int(w.index)*k.s.static.registers:][:k.s.static.registers]
	if ci.guard >= 0 {
		k.defined(w, int(ci.at), ci.guard, w.mask, regs)
	}
	for _, r := range ci.sinks {
		k.defined(w, pc, r, mask, regs)
	}
	if ci.divides > 0 {
		k.divisor(w, pc, mask, ci.divides)
	}
	flow := uint32(0)
	for _, r := range ci.flows {
		flow |= regs[r].any()
	}
	if flow &= mask; flow != 0 {
		if ci.kind == copied {
			k.copied(pc, mask, regs)
			return
		}
		flow = k.flow(w, pc, flow, mask, regs)
	}
	for _, r := range ci.defs {
		regs[r].set(flow, mask)
	}
}

// defined reports a register that an instruction depends on in lanes of mask for which it is undefined.
func (k *blockChecks) defined(w *warp, pc int, r int32, mask uint32, regs []undefined) {
	bad := regs[r].any() & mask
	if bad == 0 {
		return
	}
	k.report(w, pc, bits.TrailingZeros32(bad), InitCheck, "undefined register", 0, func() string {
		fn := k.b.prog.code[pc].fn
		return fn.Regs[r-k.s.static.base[fn]].Name + " is used, and nothing wrote it, or what it is computed from, on the way here"
	})
	regs[r].set(0, bad) // once is enough
}

// divisor reports a division of integers by zero.
func (k *blockChecks) divisor(w *warp, pc int, mask uint32, width int) {
	off := k.b.prog.code[pc].b
	s := shape(narrow)
	if width == 64 {
		s = wide
	}
	values := w.values(off, s)
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		if extend(values[lane], 64-width, false) == 0 {
			k.report(w, pc, lane, MathCheck, "division by zero", 0, func() string { return "the ISA leaves open what comes of it" })
			return
		}
	}
}

// flow is the lanes of an instruction's result that are undefined; those of any source are given.
func (k *blockChecks) flow(w *warp, pc int, lanes, mask uint32, regs []undefined) uint32 {
	ci, in := &k.s.static.instr[pc], &k.b.prog.code[pc]
	switch ci.kind {
	case exchanged:
		if lanes != mask {
			return 0 // it may come from a lane where it is defined
		}
	case selected:
		return k.selected(w, pc, mask, regs)
	case conjunct, disjunct:
		a, b := *w.pred(in.a), *w.pred(in.b)
		if ci.kind == conjunct {
			a, b = ^a, ^b
		}
		decided := a&^regs[ci.flows[0]].any() | b&^regs[ci.flows[1]].any()
		return lanes &^ decided
	}
	return lanes
}

// selected is the undefined lanes of selp d, a, b, p.
func (k *blockChecks) selected(w *warp, pc int, mask uint32, regs []undefined) uint32 {
	ci, in := &k.s.static.instr[pc], &k.b.prog.code[pc]
	at := 0
	next := func(o ptx.Operand) uint32 {
		if o.Kind != ptx.Register {
			return 0
		}
		at++
		return regs[ci.flows[at-1]].any()
	}
	a, b := next(in.src.Operands[1]), next(in.src.Operands[2])
	p := *w.pred(in.c)
	return (a&p | b&^p | next(in.src.Operands[3])) & mask
}

// copied follows a move part by part: mov d, a; mov d, {a, b}; mov {d, e}, a; or a conversion between integers.
func (k *blockChecks) copied(pc int, mask uint32, regs []undefined) {
	ci, in := &k.s.static.instr[pc], k.b.prog.code[pc].src
	sources := operandParts(&in.Operands[1], in, ci.flows)
	var value undefined
	at := 0
	for _, e := range sources {
		for i := range e.parts {
			if at < len(value) && e.reg >= 0 {
				value[at] = regs[e.reg][i]
			}
			at++
		}
	}
	at = 0
	for _, e := range operandParts(&in.Operands[0], in, ci.defs) {
		var part undefined
		for i := range e.parts {
			if at < len(value) {
				part[i] = value[at]
			}
			at++
		}
		if e.reg < 0 {
			continue
		}
		for i := range part {
			regs[e.reg][i] = regs[e.reg][i]&^mask | part[i]&mask
		}
	}
}

// registerPart is an element of an operand that is copied: a register, or none for a constant, and its size in parts of 16 bits.
type registerPart struct {
	reg   int32
	parts int
}

// operandParts is the elements of an operand whose registers are numbered by numbers.
func operandParts(o *ptx.Operand, in *ptx.Instr, numbers []int32) []registerPart {
	elements, whole := []ptx.Operand{*o}, max(1, in.Type(0).Bits()/16)
	if o.Kind == ptx.Vector {
		elements = o.Elems
	} else if in.Op == "cvt" {
		whole = 4 // what it does not have is 0
	}
	var list []registerPart
	for _, e := range elements {
		p := registerPart{-1, max(1, whole/len(elements))}
		if e.Kind == ptx.Register && len(numbers) > 0 {
			p.reg, numbers = numbers[0], numbers[1:]
		}
		list = append(list, p)
	}
	return list
}

// access checks an access and gives the lanes for which it can be done.
func (k *blockChecks) access(w *warp, pc int, a *request) uint32 {
	mask := k.aligned(w, pc, a, a.mask)
	switch a.space {
	case globalSpace, constSpace:
		return k.global(w, pc, a, mask)
	case sharedSpace:
		mask = k.withinShared(w, pc, a, mask)
		k.shared.access(w, pc, a, mask)
	case localSpace:
		mask = k.withinLocal(w, pc, a, mask)
		k.localInit(w, pc, a, mask)
	}
	return mask
}

// aligned reports lanes whose address is no multiple of the size, and takes them out.
func (k *blockChecks) aligned(w *warp, pc int, a *request, mask uint32) uint32 {
	bad := uint32(0)
	if a.size&(a.size-1) != 0 {
		return mask // a part of an asynchronous copy
	}
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		if a.addr[lane]&uint64(a.size-1) != 0 {
			bad |= 1 << lane
		}
	}
	if bad != 0 {
		lane := bits.TrailingZeros32(bad)
		k.report(w, pc, lane, MemCheck, "misaligned", a.addr[lane], func() string {
			return fmt.Sprintf("%s %s of %d bytes at %#x: want a multiple of %d%s", a.space, a.kind, a.size, a.addr[lane], a.size, k.where(a.space, a.addr[lane]))
		})
	}
	return mask &^ bad
}

// where says what lies at a global address, for a message.
func (k *blockChecks) where(s space, addr uint64) string {
	if s != globalSpace && s != constSpace {
		return ""
	}
	if a := k.s.gpu.find(addr, 1); a != nil {
		return "; it is " + a.describe(addr)
	}
	return "; it is " + k.s.gpu.whereabouts(addr)
}

// withinShared reports lanes that leave the block's shared memory or fall between its variables, and takes them out.
func (k *blockChecks) withinShared(w *warp, pc int, a *request, mask uint32) uint32 {
	bad := uint32(0)
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		off := a.addr[lane]
		if off < sharedBase || off > k.b.sharedEnd || k.b.sharedEnd-off < uint64(a.size) || k.b.prog.betweenShared(off, uint64(a.size)) {
			bad |= 1 << lane
		}
	}
	if bad != 0 {
		lane := bits.TrailingZeros32(bad)
		off := a.addr[lane]
		k.report(w, pc, lane, MemCheck, "out of bounds", off, func() string {
			return fmt.Sprintf("shared %s of %d bytes at offset %#x: %s", a.kind, a.size, off, k.b.outside(sharedSpace, off, sharedBase, k.b.sharedEnd))
		})
	}
	return mask &^ bad
}

// sharedGap is the bytes that the checks leave free behind each shared variable.
const sharedGap = 64

// betweenShared says whether an access touches bytes between the static variables of shared memory, which belong to none. The dynamic part follows the last.
func (p *program) betweenShared(off, size uint64) bool {
	if len(p.sharedVars) == 0 || off >= sharedBase+uint64(p.sharedStatic) {
		return false
	}
	for _, v := range p.sharedVars {
		if off >= v.addr && off+size <= v.addr+v.size {
			return false
		}
	}
	return true
}

func (k *blockChecks) withinLocal(w *warp, pc int, a *request, mask uint32) uint32 {
	end := k.b.prog.localEnd
	bad := uint32(0)
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		if off := a.addr[lane]; off < localBase || off > end || end-off < uint64(a.size) {
			bad |= 1 << lane
		}
	}
	if bad != 0 {
		lane := bits.TrailingZeros32(bad)
		k.report(w, pc, lane, MemCheck, "out of bounds", a.addr[lane], func() string {
			return fmt.Sprintf("local %s of %d bytes at offset %#x: %s", a.kind, a.size, a.addr[lane], k.b.outside(localSpace, a.addr[lane], localBase, end))
		})
	}
	return mask &^ bad
}

// localInit finds reads of local memory that the thread never wrote.
func (k *blockChecks) localInit(w *warp, pc int, a *request, mask uint32) {
	if k.local == nil {
		return
	}
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		written := &k.local[int(w.index)*lanes+lane]
		if *written == nil {
			*written = newBitset(int(k.b.prog.localEnd))
		}
		for i := a.addr[lane]; i < a.addr[lane]+uint64(a.size); i++ {
			if a.kind == storeAccess {
				written.add(int32(i))
			} else if !written.has(int32(i)) {
				k.report(w, pc, lane, InitCheck, "uninitialised local memory", i, func() string {
					return fmt.Sprintf("load of %d bytes at offset %#x, of which nothing wrote byte %#x", a.size, a.addr[lane], i)
				})
				written.add(int32(i))
			}
		}
	}
}

// sync follows what orders accesses, and finds barriers that only a part of a warp reaches.
func (k *blockChecks) sync(w *warp, pc int, kind syncKind, mask uint32, id, count int) {
	switch kind {
	case barrierArrive:
		in := k.b.prog.code[pc].src
		if count%lanes != 0 {
			k.report(w, pc, bits.TrailingZeros32(mask), SyncCheck, "barrier count", 0, func() string {
				return fmt.Sprintf("barrier %d for %d threads: want a multiple of %d", id, count, lanes)
			})
		}
		if in != nil && mask != w.alive && (in.Op == "bar" || in.Has("aligned")) {
			k.report(w, pc, bits.TrailingZeros32(mask), SyncCheck, "divergent barrier", 0, func() string {
				return fmt.Sprintf("only lanes %#08x of warp %d come to barrier %d, and %#08x are left: all have to come together", mask, w.index, id, w.alive)
			})
		}
		k.shared.arrive(w, id)
	case barrierRelease:
		k.shared.release(id)
	case warpBarrier:
		k.shared.clock[w.index]++
	case copyCommit:
		k.shared.commit(w, mask)
	case copyWait:
		k.shared.wait(w, mask, count)
	}
}

func (k *blockChecks) badSync(w *warp, pc int, mask uint32, what string) {
	k.report(w, pc, bits.TrailingZeros32(mask|1<<31), SyncCheck, "synchronisation", 0, func() string { return what })
}
