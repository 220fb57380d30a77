package sim

import (
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// carryAdd is add.cc, sub.cc, addc and subc. The carry flags of the lanes are a predicate after the operands.
func carryAdd(in *ptx.Instr) alu {
	t := in.Type(0)
	sub := in.Op == "sub" || in.Op == "subc"
	reads, writes := in.Op == "addc" || in.Op == "subc", in.Has("cc")
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, t}, usesCarry: true}
	switch t.Bits() {
	case 32:
		op.multi = func(r []*reg) {
			flags, out := r[3][0], uint32(0)
			if !reads {
				flags = 0
			}
			for i := range r[0] {
				var v, c uint32
				if sub {
					v, c = bits.Sub32(r[1][i], r[2][i], flags>>i&1)
				} else {
					v, c = bits.Add32(r[1][i], r[2][i], flags>>i&1)
				}
				r[0][i] = v
				out |= c << i
			}
			if writes {
				r[3][0] = out
			}
		}
	case 64:
		op.multi = func(r []*reg) {
			flags, out := r[3][0], uint32(0)
			if !reads {
				flags = 0
			}
			z, x, y := r[0].u64(), r[1].u64(), r[2].u64()
			for i := range z {
				var v, c uint64
				if sub {
					v, c = bits.Sub64(x[i], y[i], uint64(flags>>i&1))
				} else {
					v, c = bits.Add64(x[i], y[i], uint64(flags>>i&1))
				}
				z[i] = v
				out |= uint32(c) << i
			}
			if writes {
				r[3][0] = out
			}
		}
	}
	return op
}

// carryMultiply is mad.cc and madc.
func carryMultiply(in *ptx.Instr) alu {
	t := in.Type(0)
	signed, high := t.Signed(), in.Has("hi")
	reads, writes := in.Op == "madc", in.Has("cc")
	if !high && !in.Has("lo") {
		return alu{}
	}
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, t, t}, usesCarry: true}
	var run func(r []*reg, flags uint32) (out uint32)
	switch t.Bits() {
	case 32:
		run = func(r []*reg, flags uint32) (out uint32) {
			for i := range r[0] {
				p := r[1][i] * r[2][i]
				if high && signed {
					p = mulHiS32(r[1][i], r[2][i])
				} else if high {
					p = mulHiU32(r[1][i], r[2][i])
				}
				v, c := bits.Add32(p, r[3][i], flags>>i&1)
				r[0][i] = v
				out |= c << i
			}
			return out
		}
	case 64:
		run = func(r []*reg, flags uint32) (out uint32) {
			z, x, y, w := r[0].u64(), r[1].u64(), r[2].u64(), r[3].u64()
			for i := range z {
				p := x[i] * y[i]
				if high && signed {
					p = mulHiS64(x[i], y[i])
				} else if high {
					p = mulHiU64(x[i], y[i])
				}
				v, c := bits.Add64(p, w[i], uint64(flags>>i&1))
				z[i] = v
				out |= uint32(c) << i
			}
			return out
		}
	default:
		return alu{}
	}
	op.multi = func(r []*reg) {
		flags := uint32(0)
		if reads {
			flags = r[4][0]
		}
		if out := run(r, flags); writes {
			r[4][0] = out
		}
	}
	return op
}
