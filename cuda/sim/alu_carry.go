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

// dotProduct is dp4a, a sum of products of bytes, and dp2a, of half-words of a with bytes of b.
func dotProduct(in *ptx.Instr) alu {
	ta, tb := in.Type(0), in.Type(1)
	byteOf := func(v uint32, i int, signed bool) uint32 {
		if v = v >> (8 * i) & 0xff; signed {
			v = uint32(int32(int8(v)))
		}
		return v
	}
	whole := func(t ptx.Type) bool { return t == ptx.U32 || t == ptx.S32 }
	if !whole(ta) || !whole(tb) || (in.Op == "dp2a") != (in.Has("lo") != in.Has("hi")) {
		return alu{}
	}
	sa, sb := ta.Signed(), tb.Signed()
	first := 0
	if in.Has("hi") {
		first = 2
	}
	d := ptx.U32
	if sa || sb {
		d = ptx.S32
	}
	op := alu{dst: []ptx.Type{d}, src: []ptx.Type{ta, tb, d}}
	if in.Op == "dp4a" {
		op.lane = each32(func(a, b, c uint32) uint32 {
			for i := range 4 {
				c += byteOf(a, i, sa) * byteOf(b, i, sb)
			}
			return c
		})
		return op
	}
	op.lane = each32(func(a, b, c uint32) uint32 {
		for i := range 2 {
			h := a >> (16 * i) & 0xffff
			if sa {
				h = sext16(h)
			}
			c += h * byteOf(b, first+i, sb)
		}
		return c
	})
	return op
}
