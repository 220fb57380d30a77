package sim

import (
	"math"
	"math/bits"

	"palladio/cuda/sim/ptx"
)

type integer interface {
	int32 | uint32 | int64 | uint64
}

// The loops over 32- and 64-bit integers.

func addLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] + y[i]
	}
}

func subLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] - y[i]
	}
}

func mulLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] * y[i]
	}
}

func madLanes[T integer](d, a, b, c *reg) {
	z, x, y, w := as[T](d), as[T](a), as[T](b), as[T](c)
	for i := range z {
		z[i] = x[i]*y[i] + w[i]
	}
}

func minLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = min(x[i], y[i])
	}
}

func maxLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = max(x[i], y[i])
	}
}

func negLanes[T integer](d, a, _, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		z[i] = -x[i]
	}
}

func absLanes[T integer](d, a, _, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		z[i] = max(x[i], -x[i]) // the least number stays itself
	}
}

func divLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		if y[i] == 0 {
			z[i] = ^T(0)
		} else {
			z[i] = x[i] / y[i]
		}
	}
}

func remLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		if y[i] == 0 {
			z[i] = x[i]
		} else {
			z[i] = x[i] % y[i]
		}
	}
}

func sadLanes[T integer](d, a, b, c *reg) {
	z, x, y, w := as[T](d), as[T](a), as[T](b), as[T](c)
	for i := range z {
		z[i] = w[i] + max(x[i], y[i]) - min(x[i], y[i])
	}
}

func mulWideU32(d, a, b, _ *reg) {
	z := d.u64()
	for i := range z {
		z[i] = uint64(a[i]) * uint64(b[i])
	}
}

func mulWideS32(d, a, b, _ *reg) {
	z, x, y := d.s64(), a.s32(), b.s32()
	for i := range z {
		z[i] = int64(x[i]) * int64(y[i])
	}
}

func madWideU32(d, a, b, c *reg) {
	z, w := d.u64(), c.u64()
	for i := range z {
		z[i] = uint64(a[i])*uint64(b[i]) + w[i]
	}
}

func madWideS32(d, a, b, c *reg) {
	z, x, y, w := d.s64(), a.s32(), b.s32(), c.s64()
	for i := range z {
		z[i] = int64(x[i])*int64(y[i]) + w[i]
	}
}

// The high halves of products.

func mulHiU32(x, y uint32) uint32 { return uint32(uint64(x) * uint64(y) >> 32) }
func mulHiS32(x, y uint32) uint32 {
	return uint32(uint64(int64(int32(x))*int64(int32(y))) >> 32)
}

func mulHiU64(x, y uint64) uint64 {
	hi, _ := bits.Mul64(x, y)
	return hi
}

func mulHiS64(x, y uint64) uint64 {
	hi, _ := bits.Mul64(x, y)
	return hi - uint64(int64(x)>>63)&y - uint64(int64(y)>>63)&x
}

// saturate32 is v brought into the range of 32-bit integers.
func saturate32(v int64) uint32 {
	return uint32(max(math.MinInt32, min(math.MaxInt32, v)))
}

// addSub is add and sub, of every type.
func addSub(in *ptx.Instr) alu {
	t, sub := in.Type(0), in.Op == "sub"
	switch {
	case t.Float():
		return floatAdd(in)
	case in.Has("cc"):
		return carryAdd(in)
	case in.Has("sat"):
		if t != ptx.S32 {
			return alu{}
		}
		sign := int64(1)
		if sub {
			sign = -1
		}
		return lane2(each32(func(a, b, _ uint32) uint32 { return saturate32(int64(int32(a)) + sign*int64(int32(b))) }), t, t)
	}
	add := func(a, b, _ uint32) uint32 { return a + b }
	if sub {
		add = func(a, b, _ uint32) uint32 { return a - b }
	}
	switch t {
	case ptx.U16, ptx.S16:
		return lane2(each16(false, add), t, t)
	case ptx.U16x2, ptx.S16x2:
		return lane2(each2x16(false, add), t, t)
	}
	if sub {
		return lane2(pick(t, subLanes[uint32], subLanes[uint32], subLanes[uint64], subLanes[uint64]), t, t)
	}
	return lane2(pick(t, addLanes[uint32], addLanes[uint32], addLanes[uint64], addLanes[uint64]), t, t)
}

// multiply is mul, of every type.
func multiply(in *ptx.Instr) alu {
	t := in.Type(0)
	signed := t.Signed()
	if t.Float() {
		return floatMultiply(in)
	}
	switch {
	case in.Has("lo"):
		if t.Bits() == 16 {
			return lane2(each16(false, func(a, b, _ uint32) uint32 { return a * b }), t, t)
		}
		return lane2(pick(t, mulLanes[uint32], mulLanes[uint32], mulLanes[uint64], mulLanes[uint64]), t, t)
	case in.Has("hi"):
		return lane2(mulHigh(t), t, t)
	case in.Has("wide"):
		switch t {
		case ptx.U16, ptx.S16:
			return lane2(wide16(signed, false), wider(t), t)
		case ptx.U32, ptx.B32:
			return lane2(mulWideU32, wider(t), t)
		case ptx.S32:
			return lane2(mulWideS32, wider(t), t)
		}
	}
	return alu{}
}

// wider is the type of twice the bits.
func wider(t ptx.Type) ptx.Type {
	switch t {
	case ptx.U16:
		return ptx.U32
	case ptx.S16:
		return ptx.S32
	case ptx.S32:
		return ptx.S64
	}
	return ptx.U64
}

// wide16 is the 32-bit product of 16-bit values, plus a 32-bit value if add is set.
func wide16(signed, add bool) laneOp {
	return func(d, a, b, c *reg) {
		for i := range d {
			x, y := a[i]&0xffff, b[i]&0xffff
			if signed {
				x, y = sext16(x), sext16(y)
			}
			if p := x * y; add {
				d[i] = p + c[i]
			} else {
				d[i] = p
			}
		}
	}
}

// mulHigh is the high half of the product.
func mulHigh(t ptx.Type) laneOp {
	if t.Bits() == 16 {
		return each16(t.Signed(), func(a, b, _ uint32) uint32 { return a * b >> 16 })
	}
	return pick(t,
		each32(func(a, b, _ uint32) uint32 { return mulHiU32(a, b) }), each32(func(a, b, _ uint32) uint32 { return mulHiS32(a, b) }),
		each64(func(a, b, _ uint64) uint64 { return mulHiU64(a, b) }), each64(func(a, b, _ uint64) uint64 { return mulHiS64(a, b) }))
}

// multiplyAdd is mad, of every type.
func multiplyAdd(in *ptx.Instr) alu {
	t := in.Type(0)
	switch {
	case t.Float():
		return fused(in)
	case in.Has("cc"):
		return carryMultiply(in)
	case in.Has("sat"):
		if t != ptx.S32 || !in.Has("hi") {
			return alu{}
		}
		return lane3(each32(func(a, b, c uint32) uint32 {
			return saturate32(int64(int32(mulHiS32(a, b))) + int64(int32(c)))
		}), t, t)
	case in.Has("lo"):
		if t.Bits() == 16 {
			return lane3(each16(false, func(a, b, c uint32) uint32 { return a*b + c }), t, t)
		}
		return lane3(pick(t, madLanes[uint32], madLanes[uint32], madLanes[uint64], madLanes[uint64]), t, t)
	case in.Has("hi"):
		if t.Bits() == 16 {
			return lane3(each16(t.Signed(), func(a, b, c uint32) uint32 { return a*b>>16 + c }), t, t)
		}
		return lane3(pick(t,
			each32(func(a, b, c uint32) uint32 { return mulHiU32(a, b) + c }), each32(func(a, b, c uint32) uint32 { return mulHiS32(a, b) + c }),
			each64(func(a, b, c uint64) uint64 { return mulHiU64(a, b) + c }), each64(func(a, b, c uint64) uint64 { return mulHiS64(a, b) + c })), t, t)
	case in.Has("wide"):
		op := alu{dst: []ptx.Type{wider(t)}, src: []ptx.Type{t, t, wider(t)}}
		switch t {
		case ptx.U16, ptx.S16:
			op.lane = wide16(t.Signed(), true)
		case ptx.U32:
			op.lane = madWideU32
		case ptx.S32:
			op.lane = madWideS32
		}
		return op
	}
	return alu{}
}

// multiply24 is mul24 and mad24: products of the low 24 bits, of which lo is the low 32 bits and hi bits 16 to 47.
func multiply24(in *ptx.Instr) alu {
	t, shift, add, sat := in.Type(0), 0, in.Op == "mad24", in.Has("sat")
	if t != ptx.U32 && t != ptx.S32 || in.Has("lo") == in.Has("hi") {
		return alu{}
	}
	if in.Has("hi") {
		shift = 16
	}
	f := func(a, b, c uint32) uint32 {
		x, y := int64(a&0xffffff), int64(b&0xffffff)
		if t == ptx.S32 {
			x, y = int64(int32(a<<8)>>8), int64(int32(b<<8)>>8)
		}
		p := uint32(x * y >> shift)
		switch {
		case sat:
			return saturate32(int64(int32(p)) + int64(int32(c)))
		case add:
			return p + c
		}
		return p
	}
	if add {
		return lane3(each32(f), t, t)
	}
	return lane2(each32(f), t, t)
}

// divide is div, of every type.
func divide(in *ptx.Instr) alu {
	t := in.Type(0)
	switch {
	case t.Float():
		return floatDivide(in)
	case t == ptx.S16, t == ptx.U16:
		return lane2(each16(t.Signed(), func(a, b, _ uint32) uint32 {
			if b == 0 {
				return 0xffff
			}
			return uint32(int32(a) / int32(b)) // 16-bit values of either kind are right as int32
		}), t, t)
	}
	return lane2(pick(t, divLanes[uint32], divLanes[int32], divLanes[uint64], divLanes[int64]), t, t)
}

// remainder is rem.
func remainder(in *ptx.Instr) alu {
	t := in.Type(0)
	if t == ptx.S16 || t == ptx.U16 {
		return lane2(each16(t.Signed(), func(a, b, _ uint32) uint32 {
			if b == 0 {
				return a
			}
			return uint32(int32(a) % int32(b))
		}), t, t)
	}
	return lane2(pick(t, remLanes[uint32], remLanes[int32], remLanes[uint64], remLanes[int64]), t, t)
}

// absolute is abs, of every type.
func absolute(in *ptx.Instr) alu {
	t := in.Type(0)
	switch {
	case t.Float():
		return floatSign(in)
	case t == ptx.S16:
		return lane1(each16(true, func(a, _, _ uint32) uint32 { return uint32(max(int32(a), -int32(a))) }), t, t)
	case t == ptx.S32:
		return lane1(absLanes[int32], t, t)
	case t == ptx.S64:
		return lane1(absLanes[int64], t, t)
	}
	return alu{}
}

// negate is neg, of every type.
func negate(in *ptx.Instr) alu {
	t := in.Type(0)
	switch {
	case t.Float():
		return floatSign(in)
	case t == ptx.S16:
		return lane1(each16(false, func(a, _, _ uint32) uint32 { return -a }), t, t)
	}
	return lane1(pick(t, nil, negLanes[int32], nil, negLanes[int64]), t, t)
}

// minMax is min and max, of every type.
func minMax(in *ptx.Instr) alu {
	t, least := in.Type(0), in.Op == "min"
	if t.Float() {
		return floatMinMax(in)
	}
	extreme := func(a, b, _ uint32) uint32 { return uint32(max(int32(a), int32(b))) }
	if least {
		extreme = func(a, b, _ uint32) uint32 { return uint32(min(int32(a), int32(b))) }
	}
	var op laneOp
	switch {
	case t == ptx.U16 || t == ptx.S16:
		op = each16(t.Signed(), extreme)
	case t == ptx.U16x2 || t == ptx.S16x2:
		op = each2x16(t.Signed(), extreme)
	case least:
		op = pick(t, minLanes[uint32], minLanes[int32], minLanes[uint64], minLanes[int64])
	default:
		op = pick(t, maxLanes[uint32], maxLanes[int32], maxLanes[uint64], maxLanes[int64])
	}
	if in.Has("relu") && op != nil {
		return lane2(relu(op, t), t, t)
	}
	return lane2(op, t, t)
}

// relu is op with negative results replaced by 0.
func relu(op laneOp, t ptx.Type) laneOp {
	switch t {
	case ptx.S32:
		return func(d, a, b, c *reg) {
			op(d, a, b, c)
			for i, v := range d.s32() {
				d[i] = uint32(max(v, 0))
			}
		}
	case ptx.S16x2:
		return func(d, a, b, c *reg) {
			op(d, a, b, c)
			for i, v := range d {
				d[i] = v &^ (v >> 15 & 0x10001 * 0xffff)
			}
		}
	}
	return nil
}

// sumDifference is sad: c + |a - b|.
func sumDifference(in *ptx.Instr) alu {
	t := in.Type(0)
	if t == ptx.S16 || t == ptx.U16 {
		return lane3(each16(t.Signed(), func(a, b, c uint32) uint32 {
			return c + uint32(max(int32(a), int32(b))-min(int32(a), int32(b)))
		}), t, t)
	}
	return lane3(pick(t, sadLanes[uint32], sadLanes[int32], sadLanes[uint64], sadLanes[int64]), t, t)
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
