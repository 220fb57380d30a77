package sim

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// update is what an atomic operation makes of the old value and its operands.
type update func(old, b, c uint64) uint64

// atomic decodes atom and red: [a], b{, c}. Blocks run in parallel, so memory is updated by compare-and-swap of the host's words.
func (d *decoder) atomic(in *ptx.Instr) (*inst, error) {
	ops := in.Operands
	var dst *ptx.Operand
	if in.Op == "atom" {
		if len(ops) < 1 {
			return nil, errOperands
		}
		dst, ops = &ops[0], ops[1:]
	}
	sources := 1
	if in.Has("cas") {
		sources = 2
	}
	if len(ops) < 1+sources || len(in.Types) != 1 || in.Width() != 1 {
		return nil, errors.New("want [address] and one scalar (or two, for cas) of one type")
	}
	t := in.Types[0]
	f, err := updateOf(in, t)
	if err != nil {
		return nil, err
	}
	out, err := d.accessTo(in, &ops[0], atomicAccess, t.Size())
	if err != nil {
		return nil, err
	}
	s := shapeOf(t)
	out.d = d.sinks[s]
	if dst != nil {
		if out.d, err = d.dst(dst, t); err != nil {
			return nil, err
		}
	}
	out.x, out.shapes = []uint32{out.d}, []shape{s}
	if out.b, err = d.source(&ops[1], t); err != nil {
		return nil, err
	}
	out.c = out.b
	if sources == 2 {
		if out.c, err = d.source(&ops[2], t); err != nil {
			return nil, err
		}
	}
	switch {
	case t == ptx.F32 && in.Has("add"):
		out.mem.move = atomicAddF32(atomicNarrow(f))
	case t.Size() == 8:
		out.mem.move = atomicWide(f)
	case t.Size() == 4:
		out.mem.move = atomicNarrow(f)
	default:
		out.mem.move = atomicHalf(f)
	}
	return out, nil
}

// atomicAddF32 is add in shared memory, and elsewhere add that flushes numbers below the normal ones to zeros, as the ISA says of global memory.
func atomicAddF32(add mover) mover {
	flushing := atomicNarrow(func(old, b, _ uint64) uint64 {
		sum := math.Float32bits(flush32(uint32(old)) + flush32(uint32(b)))
		return uint64(math.Float32bits(flush32(sum)))
	})
	return func(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
		if base == w.blk.shared {
			return add(w, in, base, mask)
		}
		return flushing(w, in, base, mask)
	}
}

// atomicNarrow updates 32-bit words.
func atomicNarrow(f update) mover {
	return func(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
		d, b, c := w.at(in.d), w.at(in.b), w.at(in.c)
		for rest := mask; rest != 0; rest &= rest - 1 {
			lane := bits.TrailingZeros32(rest)
			p := (*uint32)(unsafe.Add(base, w.addr[lane]))
			x, y := uint64(b[lane]), uint64(c[lane])
			for {
				old := atomic.LoadUint32(p)
				if atomic.CompareAndSwapUint32(p, old, uint32(f(uint64(old), x, y))) {
					d[lane] = old
					break
				}
			}
		}
		return true
	}
}

// atomicWide updates 64-bit words.
func atomicWide(f update) mover {
	return func(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
		d, b, c := w.at(in.d).u64(), w.at(in.b).u64(), w.at(in.c).u64()
		for rest := mask; rest != 0; rest &= rest - 1 {
			lane := bits.TrailingZeros32(rest)
			p := (*uint64)(unsafe.Add(base, w.addr[lane]))
			x, y := b[lane], c[lane]
			for {
				old := atomic.LoadUint64(p)
				if atomic.CompareAndSwapUint64(p, old, f(old, x, y)) {
					d[lane] = old
					break
				}
			}
		}
		return true
	}
}

// atomicHalf updates 16-bit halves of words; memory always ends with a whole word.
func atomicHalf(f update) mover {
	return func(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
		d, b, c := w.at(in.d), w.at(in.b), w.at(in.c)
		for rest := mask; rest != 0; rest &= rest - 1 {
			lane := bits.TrailingZeros32(rest)
			a := w.addr[lane]
			p, shift := (*uint32)(unsafe.Add(base, a&^3)), 8*(a&3)
			x, y := uint64(b[lane]), uint64(c[lane])
			for {
				word := atomic.LoadUint32(p)
				old := word >> shift & 0xffff
				if atomic.CompareAndSwapUint32(p, word, word&^(0xffff<<shift)|uint32(f(uint64(old), x, y)&0xffff)<<shift) {
					d[lane] = old
					break
				}
			}
		}
		return true
	}
}

// updateOf is the operation of an atom or a red.
func updateOf(in *ptx.Instr, t ptx.Type) (update, error) {
	n := t.Bits()
	switch {
	case n != 16 && n != 32 && n != 64:
	case in.Has("exch"):
		return func(_, b, _ uint64) uint64 { return b }, nil
	case in.Has("cas"):
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}, nil
	case t == ptx.F32 && in.Has("add"):
		return func(old, b, _ uint64) uint64 {
			return uint64(math.Float32bits(math.Float32frombits(uint32(old)) + math.Float32frombits(uint32(b))))
		}, nil
	case t == ptx.F64 && in.Has("add"):
		return func(old, b, _ uint64) uint64 {
			return math.Float64bits(math.Float64frombits(old) + math.Float64frombits(b))
		}, nil
	case t.Float():
		if f := halfUpdate(in, t); f != nil && t.Bits() < 64 {
			return f, nil
		}
	case n == 16:
	default:
		if f := integerUpdate(in, t); f != nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("no such atomic operation on %s", t)
}

// integerUpdate is the operation on integers of 32 or 64 bits.
func integerUpdate(in *ptx.Instr, t ptx.Type) update {
	narrow, signed := t.Bits() == 32, t.Signed()
	less := func(a, b uint64) bool {
		switch {
		case signed && narrow:
			return int32(a) < int32(b)
		case signed:
			return int64(a) < int64(b)
		}
		return a < b
	}
	switch {
	case in.Has("add"):
		return func(old, b, _ uint64) uint64 { return old + b }
	case in.Has("and"):
		return func(old, b, _ uint64) uint64 { return old & b }
	case in.Has("or"):
		return func(old, b, _ uint64) uint64 { return old | b }
	case in.Has("xor"):
		return func(old, b, _ uint64) uint64 { return old ^ b }
	case in.Has("min"):
		return func(old, b, _ uint64) uint64 {
			if less(b, old) {
				return b
			}
			return old
		}
	case in.Has("max"):
		return func(old, b, _ uint64) uint64 {
			if less(old, b) {
				return b
			}
			return old
		}
	case in.Has("inc"):
		return func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}
	case in.Has("dec"):
		return func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}
	}
	return nil
}

// halfUpdate is the operation on halves, or on both of a pair: sums in f32 rounded once more, which is exact enough to be the nearest half;
// minimum and maximum ignore a NaN.
func halfUpdate(in *ptx.Instr, t ptx.Type) update {
	load, store := f16ToF32, f32ToF16
	if half(t) == ptx.BF16 {
		load, store = bf16ToF32, f32ToBF16
	}
	var f func(x, y float32) float32
	switch {
	case !isHalf(t):
		return nil
	case in.Has("add"):
		f = func(x, y float32) float32 { return x + y }
	case in.Has("min"):
		f = func(x, y float32) float32 { return pickNumber(x, y, x < y || x == y && math.Signbit(float64(x))) }
	case in.Has("max"):
		f = func(x, y float32) float32 { return pickNumber(x, y, x > y || x == y && !math.Signbit(float64(x))) }
	default:
		return nil
	}
	return func(old, b, _ uint64) uint64 {
		out := uint64(store(f(load(uint32(old)&0xffff), load(uint32(b)&0xffff))))
		if t.Bits() == 32 {
			out |= uint64(store(f(load(uint32(old>>16)), load(uint32(b>>16))))) << 16
		}
		return out
	}
}

// pickNumber is x if it is to be taken, else y; the other one where it is no number.
func pickNumber(x, y float32, first bool) float32 {
	if x != x || first && y == y {
		if x != x {
			return y
		}
		return x
	}
	if y != y {
		return x
	}
	return y
}
