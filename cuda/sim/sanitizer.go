package sim

import (
	"fmt"
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// sanitizer runs the checks on a launch.
type sanitizer struct {
	gpu    *GPU
	prog   *program
	files  []ptx.File
	stamp  uint32 // number of the launch
	static *checkedCode
}

// checkedCode is what the checks know of a program before it runs.
type checkedCode struct {
	instr     []checkedInstr // by pc
	registers int            // of all functions
	granule   int            // bytes of shared memory that are watched together: no access is smaller
	calls     bool
}

// checkedInstr is the registers of an instruction, numbered over all functions of the program.
type checkedInstr struct {
	defs, uses []int32
	move       bool // copies its source: what is undefined stays undefined, and is reported where it is used
}

// checkCode prepares the checks of a program.
func checkCode(p *program) *checkedCode {
	c := &checkedCode{instr: make([]checkedInstr, len(p.code)), granule: 16}
	base := map[*ptx.Func]int32{}
	for pc := range p.code {
		in, fn := p.code[pc].src, p.code[pc].fn
		if in == nil || fn == nil {
			continue
		}
		if _, ok := base[fn]; !ok {
			base[fn] = int32(c.registers)
			c.registers += len(fn.Regs)
		}
		ci := &c.instr[pc]
		ci.defs, ci.uses = registersOf(in, nil, nil)
		for _, list := range [][]int32{ci.defs, ci.uses} {
			for i := range list {
				list[i] += base[fn]
			}
		}
		ci.move = in.Op == "mov" && in.Guard == ptx.NoReg
		c.calls = c.calls || in.Op == "call"
		if m := p.code[pc].mem; m != nil && (m.space == sharedSpace || m.space == genericSpace) {
			c.granule = min(c.granule, elementBytes(in, int(m.size)))
		}
	}
	return c
}

// elementBytes is the smallest part of an access that another access may touch alone.
func elementBytes(in *ptx.Instr, size int) int {
	if in.Op == "cp" || in.Op == "ldmatrix" || in.Op == "stmatrix" {
		return min(size, 4)
	}
	return min(size, max(1, size/in.Width()))
}

func (s *sanitizer) block(b *block) blockObserver {
	k := &blockChecks{s: s, b: b, undefined: make([]uint32, s.static.registers*len(b.warps))}
	for i := range k.undefined {
		k.undefined[i] = fullMask
	}
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
	undefined []uint32 // by warp and register: lanes for which nothing wrote it
	shared    sharedChecks
	local     []bitset    // by thread: bytes of local memory that are written; nil where they are not checked
	last      *allocation // that an access met
}

func (k *blockChecks) done() { k.shared.done() }

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

// exec finds registers that are read before anything wrote them.
func (k *blockChecks) exec(w *warp, pc int, mask uint32) {
	ci := &k.s.static.instr[pc]
	undefined := k.undefined[int(w.index)*k.s.static.registers:][:k.s.static.registers]
	bad, which := uint32(0), int32(0)
	for _, r := range ci.uses {
		if m := undefined[r] & mask; m != 0 {
			bad |= m
			which = r
		}
	}
	if bad != 0 && !ci.move {
		k.report(w, pc, bits.TrailingZeros32(bad), InitCheck, "undefined register", 0, func() string {
			return k.registerName(pc, which) + " is read, and nothing wrote it on the way here"
		})
		bad = 0 // once is enough
	}
	for _, r := range ci.defs {
		undefined[r] = undefined[r]&^mask | bad&mask
	}
}

// registerName is the name of a register in the function of an instruction.
func (k *blockChecks) registerName(pc int, r int32) string {
	ci := &k.s.static.instr[pc]
	_, uses := registersOf(k.b.prog.code[pc].src, nil, nil)
	for i, u := range ci.uses {
		if u == r {
			return k.b.prog.code[pc].fn.Regs[uses[i]].Name
		}
	}
	return "a register"
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
	case warpBarrier, warpExchange:
		k.shared.clock[w.index]++
	case copyCommit:
		k.shared.commit(w)
	case copyWait:
		k.shared.wait(w, count)
	}
}

func (k *blockChecks) badSync(w *warp, pc int, mask uint32, what string) {
	k.report(w, pc, bits.TrailingZeros32(mask|1<<31), SyncCheck, "synchronisation", 0, func() string { return what })
}
