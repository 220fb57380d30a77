package sim

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// copyAsync decodes cp.async and what belongs to it. The copy happens when it is issued; that nobody reads it before it is waited for is
// the affair of the checks, which are told of both sides, of commits and of waits.
func (d *decoder) copyAsync(in *ptx.Instr) (*inst, error) {
	switch {
	case !in.Has("async") || in.Has("bulk") || in.Has("mbarrier") || in.Has("tensor"):
		return d.unknownInstr(in)
	case in.Has("commit_group"):
		return d.copySync(copyCommit, 0), nil
	case in.Has("wait_all"):
		return d.copySync(copyWait, -1), nil
	case in.Has("wait_group"):
		if len(in.Operands) != 1 || in.Operands[0].Kind != ptx.Immediate {
			return nil, errors.New("want the number of groups that may stay pending")
		}
		return d.copySync(copyWait, int(min(in.Operands[0].Bits, math.MaxInt32))), nil
	}
	if len(in.Operands) < 3 || in.Operands[2].Kind != ptx.Immediate {
		return nil, errors.New("want [to], [from] and a size")
	}
	size := in.Operands[2].Bits
	if size != 16 && (size != 4 && size != 8 || !in.Has("ca")) {
		return nil, fmt.Errorf("copies of %d bytes: want 4, 8 or 16 with .ca, 16 with .cg", size)
	}
	out, err := d.accessTo(in, &in.Operands[0], copyWrite, int(size))
	if err != nil {
		return nil, err
	}
	out.mem.space = sharedSpace // the name has both spaces
	if out.from, err = d.accessTo(in, &in.Operands[1], copyRead, int(size)); err != nil {
		return nil, err
	}
	out.from.src, out.from.mem.space, out.from.mem.move = in, globalSpace, loadPart
	out.mem.move, out.run = storePart, runCopy
	out.b = d.constant(narrow, size)
	if len(in.Operands) > 3 { // the bytes that are read, a predicate to read none, or a cache policy
		o := &in.Operands[3]
		switch {
		case o.Kind == ptx.Register && d.regShape(o.Reg) == predicate:
			out.c, err = d.source(o, ptx.Pred)
		case o.Kind == ptx.Register && d.regShape(o.Reg) == wide:
		default:
			out.b, err = d.source(o, ptx.U32)
		}
	}
	return out, err
}

// copySync makes a commit or a wait.
func (d *decoder) copySync(kind syncKind, groups int) *inst {
	return &inst{kind: selfKind, run: func(w *warp, in *inst, mask uint32) bool {
		if w.obs != nil {
			w.obs.sync(w, int(in.index), kind, mask, 0, groups)
		}
		return true
	}}
}

// loadPart reads the bytes of the copy.
func loadPart(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		p := unsafe.Add(base, w.addr[lane])
		switch in.mem.size {
		case 16:
			w.rows[lane] = *(*matrixRow)(p)
		case 8:
			*(*[2]uint32)(w.rows[lane][:]) = *(*[2]uint32)(p)
		default:
			w.rows[lane][0] = *(*uint32)(p)
		}
	}
	return true
}

// storePart writes the bytes of the copy.
func storePart(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		p := unsafe.Add(base, w.addr[lane])
		switch in.mem.size {
		case 16:
			*(*matrixRow)(p) = w.rows[lane]
		case 8:
			*(*[2]uint32)(p) = *(*[2]uint32)(w.rows[lane][:])
		default:
			*(*uint32)(p) = w.rows[lane][0]
		}
	}
	return true
}

// runCopy copies; bytes beyond the size of the source are zeros.
func runCopy(w *warp, in *inst, mask uint32) bool {
	clear(w.rows[:])
	sizes := w.at(in.b)
	skip := uint32(0)
	if in.c != 0 {
		skip = *w.pred(in.c)
	}
	whole := uint32(0)
	for rest := mask &^ skip; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		switch n := uint64(sizes[lane]); {
		case n == in.mem.size:
			whole |= 1 << lane
		case n > in.mem.size:
			return w.fail(in, lane, 0, fmt.Sprintf("a source of %d bytes for a copy of %d", n, in.mem.size))
		case n > 0 && !w.copyPart(in, lane, n):
			return false
		}
	}
	if whole != 0 && !runAccess(w, in.from, whole) {
		return false
	}
	return runAccess(w, in, mask)
}

// copyPart reads the first n bytes of a lane's source.
func (w *warp) copyPart(in *inst, lane int, n uint64) bool {
	w.addresses(in.from)
	a := w.addr[lane]
	if w.obs != nil && w.observe(in, request{globalSpace, copyRead, int(n), &w.addr, 1 << lane}) == 0 {
		return true
	}
	al := w.blk.launch.gpu.find(a, n)
	if al == nil {
		return w.fail(in, lane, a, fmt.Sprintf("global %s of %d bytes at %#x: %s", copyRead, n, a, w.blk.launch.gpu.whereabouts(a)))
	}
	row := unsafe.Slice((*byte)(unsafe.Pointer(&w.rows[lane])), unsafe.Sizeof(w.rows[lane]))
	copy(row[:n], al.data[a-al.addr:])
	return true
}
