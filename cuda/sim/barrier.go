package sim

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"palladio/cuda/sim/ptx"
)

// reduction is what bar.red computes.
type reduction uint8

const (
	noReduction reduction = iota
	countTrue
	allTrue
	anyTrue
)

// barrier decodes bar and barrier: sync, arrive, red, and bar.warp.sync.
func (d *decoder) barrier(in *ptx.Instr) (*inst, error) {
	switch {
	case in.Has("warp"):
		if len(in.Operands) != 1 {
			return nil, errOperands
		}
		members, err := d.source(&in.Operands[0], ptx.B32)
		return &inst{kind: controlKind, control: syncControl, run: warpSync, members: members}, err
	case in.Has("cluster"): // clusters of one block
		if in.Has("arrive") {
			return d.nothing(in)
		}
		return &inst{kind: controlKind, control: barrierControl, a: d.constant(narrow, 0), b: d.constant(narrow, 0)}, nil
	}
	out := &inst{kind: controlKind, control: barrierControl}
	ops := in.Operands
	if in.Has("red") {
		if len(ops) < 3 || len(in.Types) < 1 {
			return nil, errOperands
		}
		t := in.Types[len(in.Types)-1]
		out.shape = shapeOf(t)
		var err error
		if out.d, err = d.dst(&ops[0], t); err != nil {
			return nil, err
		}
		p := ops[len(ops)-1]
		if p.Kind != ptx.Register || d.regShape(p.Reg) != predicate {
			return nil, errors.New("the last operand is no predicate")
		}
		if out.c, err = d.source(&p, ptx.Pred); err != nil {
			return nil, err
		}
		ops = ops[1 : len(ops)-1]
		switch {
		case in.Has("popc"):
			out.reduces = countTrue
		case in.Has("and"):
			out.reduces = allTrue
		case in.Has("or"):
			out.reduces = anyTrue
		default:
			return nil, errors.New("want .popc, .and or .or")
		}
	}
	out.arrives = in.Has("arrive")
	if len(ops) < 1 || len(ops) > 2 || out.arrives && len(ops) != 2 {
		return nil, errOperands
	}
	var err error
	if out.a, err = d.source(&ops[0], ptx.U32); err != nil {
		return nil, err
	}
	out.b = d.constant(narrow, 0)
	if len(ops) == 2 {
		out.b, err = d.source(&ops[1], ptx.U32)
	}
	return out, err
}

// barrierControl lets the running group arrive at a barrier of the block.
func barrierControl(w *warp, in *inst) status {
	b := w.blk
	lane := bits.TrailingZeros32(w.mask)
	id, need := w.at(in.a)[lane], w.at(in.b)[lane]
	if id >= barriers {
		w.fail(in, lane, 0, fmt.Sprintf("barrier %d: want 0 to %d", id, barriers-1))
		return faulted
	}
	if need%lanes != 0 || need > 1024 {
		w.fail(in, lane, 0, fmt.Sprintf("barrier %d is for %d threads: want a multiple of %d, at most 1024", id, need, lanes))
		return faulted
	}
	r := &b.barriers[id]
	if w.obs != nil {
		w.obs.sync(w, int(w.pc), barrierArrive, w.mask, int(id), int(need))
		if need != uint32(r.need) && (r.count > 0 || !allZero(r.arrived)) {
			w.obs.badSync(w, int(w.pc), w.mask, fmt.Sprintf("barrier %d is for %s threads here, and for %s where others wait at it", id, threadCount(int(need)), threadCount(r.need)))
		}
		if r.arrived[w.index]&w.mask != 0 {
			w.obs.badSync(w, int(w.pc), w.mask, fmt.Sprintf("threads arrive at barrier %d twice", id))
		}
	}
	if in.reduces != noReduction {
		r.lanes += bits.OnesCount32(w.mask)
		r.ones += bits.OnesCount32(w.mask & *w.pred(in.c))
	}
	if !b.arrive(w, id, w.mask, int(need)) {
		if in.arrives {
			w.pc++
			return w.look()
		}
		return w.wait(group{state: atBarrier, id: id})
	}
	if w.obs != nil {
		w.obs.sync(w, int(w.pc), barrierRelease, w.mask, int(id), int(need))
	}
	if in.reduces != noReduction {
		r.result(w, in, w.mask)
	}
	b.open(id)
	w.pc++
	return w.look()
}

// result writes what a bar.red gives.
func (r *barrier) result(w *warp, in *inst, mask uint32) {
	v := uint32(r.ones)
	switch in.reduces {
	case allTrue:
		v = truth(r.ones == r.lanes)
	case anyTrue:
		v = truth(r.ones > 0)
	}
	if in.shape == predicate {
		p := w.pred(in.d)
		*p = *p&^mask | v&mask
		return
	}
	d := w.at(in.d)
	for rest := mask; rest != 0; rest &= rest - 1 {
		d[bits.TrailingZeros32(rest)] = v
	}
}

// truth is a predicate of all lanes.
func truth(b bool) uint32 {
	if b {
		return fullMask
	}
	return 0
}

// warpSync is bar.warp.sync, once its lanes are there.
func warpSync(w *warp, in *inst, mask uint32) bool {
	if w.obs != nil {
		w.obs.sync(w, int(in.index), warpBarrier, mask, 0, 0)
	}
	return true
}

// syncControl executes an instruction that waits for the lanes of its member mask.
func syncControl(w *warp, in *inst) status {
	members := w.alive
	if in.members != 0 {
		lane := bits.TrailingZeros32(w.mask)
		members = w.at(in.members)[lane]
		if w.mask&^members != 0 {
			if w.obs != nil {
				w.obs.badSync(w, int(w.pc), w.mask, fmt.Sprintf("lanes %#08x execute it, but its member mask is %#08x", w.mask, members))
			}
			// The lanes that name themselves go first.
			same := uint32(0)
			for rest := w.mask; rest != 0; rest &= rest - 1 {
				l := bits.TrailingZeros32(rest)
				if m := w.at(in.members)[l]; m == members && m>>l&1 != 0 {
					same |= 1 << l
				}
			}
			if same == 0 {
				w.fail(in, lane, 0, fmt.Sprintf("the member mask %#08x does not have the thread's own lane %d", members, lane))
				return faulted
			}
			w.others = append(w.others, group{mask: w.mask &^ same, pc: w.pc, depth: w.depth, calls: w.calls, turn: w.turn})
			w.mask = same
			return w.sync(in, members)
		}
		if w.obs != nil && members&^w.alive != 0 {
			w.obs.badSync(w, int(w.pc), w.mask, fmt.Sprintf("the member mask %#08x has lanes that have exited or never were: %#08x are alive", members, w.alive))
		}
		members &= w.alive
	}
	return w.sync(in, members)
}

// sync executes the instruction when all of the lanes have come, and waits otherwise.
func (w *warp) sync(in *inst, members uint32) status {
	here := w.mask
	if members&^here != 0 {
		for i := range w.others {
			if g := &w.others[i]; g.state == atSync && g.pc == w.pc && g.depth == w.depth {
				here |= g.mask
			}
		}
		if members&^here != 0 {
			return w.wait(group{state: atSync, need: members})
		}
	}
	mine := w.mask
	w.mask = here
	ok := in.run(w, in, here)
	w.mask = mine
	if !ok {
		return faulted
	}
	if here != mine {
		for i := range w.others {
			if g := &w.others[i]; g.state == atSync && g.pc == w.pc && g.depth == w.depth {
				g.state, g.pc = ready, g.pc+1
			}
		}
	}
	w.pc++
	if len(w.others) > 0 {
		return w.look()
	}
	return goesOn
}

// settle wakes the groups that only waited for lanes that have exited.
func (w *warp) settle() {
	for i := range w.others {
		g := &w.others[i]
		if g.state != atSync {
			continue
		}
		here := uint32(0)
		for j := range w.others {
			if h := &w.others[j]; h.state == atSync && h.pc == g.pc && h.depth == g.depth {
				here |= h.mask
			}
		}
		if g.need&w.alive&^here == 0 {
			g.state = ready // it comes to the instruction again
		}
	}
}

// threadCount names a barrier's number of threads.
func threadCount(n int) string {
	if n == 0 {
		return "all"
	}
	return strconv.Itoa(n)
}

// allZero says whether no lane of any warp has arrived.
func allZero(arrived []uint32) bool {
	for _, lanes := range arrived {
		if lanes != 0 {
			return false
		}
	}
	return true
}
