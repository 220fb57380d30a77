package sim

import (
	"math/bits"
	"unsafe"
)

// warp is 32 threads and their registers.
type warp struct {
	file unsafe.Pointer // the register file: offsets of operands are bytes from here
	code []inst

	// The group of lanes that runs.
	mask  uint32
	pc    int32
	depth int32
	calls *callNode

	others   []group // lanes that diverged from it, or wait
	pinned   int32   // control instructions for which the group keeps running whatever its place
	patience int32   // control instructions until a group that is not first in order gets a turn
	turn     uint32  // stamps turns, for fairness
	polled   int32   // what the group's looks at shared state have taken of its patience

	nodes []*callNode // the latest way back of each call

	alive uint32 // lanes that have not exited
	index int32  // in the block

	issued   int64 // warp instructions of a launch
	before   int64 // of them, in earlier blocks
	threads  int64 // thread instructions
	tick     int64 // value of issued at which to look up
	blk      *block
	obs      blockObserver
	request  request        // that the observer is told of
	local    unsafe.Pointer // local memory: localStride bytes a lane
	addr     [lanes]uint64  // of the access that runs: offsets from its base
	extent   extent         // of it
	saved    [64]reg        // of inactive lanes, while an operation writes all
	operands [maxOperands]*reg
	memory   []uint32 // what file points into
	localMem []byte
	rows     [lanes]matrixRow // of ldmatrix, stmatrix and cp.async, by lane
}

// at is the register at an offset.
func (w *warp) at(off uint32) *reg { return (*reg)(unsafe.Add(w.file, uintptr(off))) }

// pred is the predicate at an offset.
func (w *warp) pred(off uint32) *uint32 { return (*uint32)(unsafe.Add(w.file, uintptr(off))) }

// group is lanes that run together.
type group struct {
	mask  uint32
	pc    int32
	depth int32
	calls *callNode
	state groupState
	turn  uint32 // when it last ran
	id    uint32 // of the barrier that it waits at
	need  uint32 // lanes that its .sync instruction waits for
}

type groupState uint8

const (
	ready     groupState = iota
	atBarrier            // until the block's barrier opens
	atSync               // until all lanes of the member mask are there
)

// status says whether and why a warp stopped running.
type status uint8

const (
	goesOn  status = iota // it has not stopped
	yielded               // it may go on later
	blocked               // all its lanes wait
	finished
	faulted
)

// run executes until all lanes wait or are done, or for a while.
func (w *warp) run() status {
	code := w.code
	pc := w.pc
	start := pc
	for {
		in := &code[pc]
		if w.obs != nil {
			w.obs.exec(w, int(pc), w.guarded(in))
		}
		switch in.kind {
		case laneKind:
			if w.mask == fullMask {
				in.lane(w.at(in.d), w.at(in.a), w.at(in.b), w.at(in.c))
			} else {
				w.partialLane(in, w.mask)
			}
		case compareKind:
			w.compare(in, w.mask)
		case guardedKind:
			m := w.mask & (*w.pred(in.guard) ^ in.invert)
			if m != 0 && !w.step(in, m) {
				w.pc = pc
				w.count(pc - start)
				return faulted
			}
		case selfKind:
			if !in.run(w, in, w.mask) {
				w.pc = pc
				w.count(pc - start)
				return faulted
			}
		case multiKind:
			w.multi(in, w.mask)
		case jumpKind:
			w.count(pc - start + int32(in.imm))
			pc = in.target
			start = pc
			if len(w.others) > 0 || w.issued >= w.tick {
				w.pc = pc
				if s := w.look(); s != goesOn {
					return s
				}
				pc, start = w.pc, w.pc
			}
			continue
		case branchKind:
			w.count(pc + 1 - start)
			p := *w.pred(in.guard) ^ in.invert
			taken := w.mask & p
			if w.obs != nil {
				w.obs.branch(w, int(pc), taken, w.mask&^taken)
			}
			switch taken {
			case w.mask:
				pc = in.target
			case 0:
				pc = in.other
			default:
				pc = w.diverge(in, taken)
			}
			start = pc
			if len(w.others) > 0 || w.issued >= w.tick {
				w.pc = pc
				if s := w.look(); s != goesOn {
					return s
				}
				pc, start = w.pc, w.pc
			}
			continue
		case joinKind:
			w.count(pc - start)
			pc++
			start = pc
			if len(w.others) > 0 {
				w.pc = pc
				if s := w.look(); s != goesOn {
					return s
				}
				pc, start = w.pc, w.pc
			}
			continue
		default: // controlKind: it sets w.pc
			w.count(pc + 1 - start)
			w.pc = pc
			if s := in.control(w, in); s != goesOn {
				return s
			}
			pc, start = w.pc, w.pc
			continue
		}
		pc++
	}
}

// count adds instructions that the running group executed.
func (w *warp) count(n int32) {
	w.issued += int64(n)
	w.threads += int64(n) * int64(bits.OnesCount32(w.mask))
}

// guarded is the lanes that execute an instruction.
func (w *warp) guarded(in *inst) uint32 {
	if in.kind == guardedKind {
		return w.mask & (*w.pred(in.guard) ^ in.invert)
	}
	return w.mask
}

// step executes one instruction that is no control instruction for the lanes of mask.
func (w *warp) step(in *inst, mask uint32) bool {
	switch in.under {
	case laneKind:
		w.partialLane(in, mask)
	case compareKind:
		w.compare(in, mask)
	case multiKind:
		w.multi(in, mask)
	default:
		return in.run(w, in, mask)
	}
	return true
}

// partialLane computes all lanes and puts those outside the mask back.
func (w *warp) partialLane(in *inst, mask uint32) {
	d := w.at(in.d)
	switch in.shape {
	case narrow:
		old := *d
		in.lane(d, w.at(in.a), w.at(in.b), w.at(in.c))
		blend32(d, &old, mask)
	case wide:
		old := *d.u64()
		in.lane(d, w.at(in.a), w.at(in.b), w.at(in.c))
		blend64(d.u64(), &old, mask)
	default:
		old := d[0]
		in.lane(d, w.at(in.a), w.at(in.b), w.at(in.c))
		d[0] = d[0]&mask | old&^mask
	}
}

// blend32 takes the lanes outside the mask from old.
func blend32(d, old *reg, mask uint32) {
	if useAVX2 {
		blend32AVX2(d, old, mask)
		return
	}
	for i := range d {
		keep := uint32(int32(mask<<(31-i)) >> 31)
		d[i] = d[i]&keep | old[i]&^keep
	}
}

// blend64 takes the lanes outside the mask from old.
func blend64(d, old *[lanes]uint64, mask uint32) {
	if useAVX2 {
		blend64AVX2(d, old, mask)
		return
	}
	for i := range d {
		keep := uint64(int64(int32(mask<<(31-i)) >> 31))
		d[i] = d[i]&keep | old[i]&^keep
	}
}

// compare sets the predicates of a setp.
func (w *warp) compare(in *inst, mask uint32) {
	t := in.cmp(w.at(in.a), w.at(in.b))
	p, q := t, ^t
	if in.combine != noCombine {
		c := *w.pred(in.c) ^ in.imm32()
		switch in.combine {
		case combineAnd:
			p, q = p&c, q&c
		case combineOr:
			p, q = p|c, q|c
		default:
			p, q = p^c, q^c
		}
	}
	d := w.pred(in.d)
	*d = p&mask | *d&^mask
	if in.d2 != 0 {
		e := w.pred(in.d2)
		*e = q&mask | *e&^mask
	}
}

// imm32 is the low word of the immediate.
func (in *inst) imm32() uint32 { return uint32(in.imm) }

// multi runs an operation with any number of operands.
func (w *warp) multi(in *inst, mask uint32) {
	ops := w.operands[:len(in.x)]
	for i, off := range in.x {
		ops[i] = w.at(off)
	}
	if mask == fullMask {
		in.multi(ops)
		return
	}
	for i, s := range in.shapes { // of destinations
		switch s {
		case narrow:
			w.saved[2*i] = *ops[i]
		case wide:
			*w.saved[2*i].u64() = *ops[i].u64()
		default:
			w.saved[2*i][0] = ops[i][0]
		}
	}
	in.multi(ops)
	for i, s := range in.shapes {
		switch s {
		case narrow:
			blend32(ops[i], &w.saved[2*i], mask)
		case wide:
			blend64(ops[i].u64(), w.saved[2*i].u64(), mask)
		default:
			ops[i][0] = ops[i][0]&mask | w.saved[2*i][0]&^mask
		}
	}
}
