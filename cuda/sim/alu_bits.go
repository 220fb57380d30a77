package sim

import (
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// The loops of the logical operations and shifts.

func andLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] & y[i]
	}
}

func orLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] | y[i]
	}
}

func xorLanes[T integer](d, a, b, _ *reg) {
	z, x, y := as[T](d), as[T](a), as[T](b)
	for i := range z {
		z[i] = x[i] ^ y[i]
	}
}

func notLanes[T integer](d, a, _, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		z[i] = ^x[i]
	}
}

func cnotLanes[T integer](d, a, _, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		if x[i] == 0 {
			z[i] = 1
		} else {
			z[i] = 0
		}
	}
}

// Shifts by the width or more shift everything out: Go's do as well.

func shlLanes[T integer](d, a, b, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		z[i] = x[i] << b[i]
	}
}

func shrLanes[T integer](d, a, b, _ *reg) {
	z, x := as[T](d), as[T](a)
	for i := range z {
		z[i] = x[i] >> b[i]
	}
}

// logic is and, or, xor, not and cnot.
func logic(in *ptx.Instr) alu {
	t := in.Type(0)
	unary := in.Op == "not" || in.Op == "cnot"
	if t == ptx.Pred {
		op := map[string]laneOp{
			"and": func(d, a, b, _ *reg) { d[0] = a[0] & b[0] },
			"or":  func(d, a, b, _ *reg) { d[0] = a[0] | b[0] },
			"xor": func(d, a, b, _ *reg) { d[0] = a[0] ^ b[0] },
			"not": func(d, a, _, _ *reg) { d[0] = ^a[0] },
		}[in.Op]
		if unary {
			return lane1(op, t, t)
		}
		return lane2(op, t, t)
	}
	var op32, op64 laneOp
	switch in.Op {
	case "and":
		op32, op64 = andLanes[uint32], andLanes[uint64]
	case "or":
		op32, op64 = orLanes[uint32], orLanes[uint64]
	case "xor":
		op32, op64 = xorLanes[uint32], xorLanes[uint64]
	case "not":
		op32, op64 = notLanes[uint32], notLanes[uint64]
	case "cnot":
		op32, op64 = cnotLanes[uint32], cnotLanes[uint64]
	}
	op := pick(t, op32, nil, op64, nil)
	if t == ptx.B16 {
		if op = op32; in.Op == "not" {
			op = each16(false, func(a, _, _ uint32) uint32 { return ^a })
		}
	}
	if unary {
		return lane1(op, t, t)
	}
	return lane2(op, t, t)
}

// shift is shl and shr, whose amounts are 32 bits wide and are clamped to the width.
func shift(in *ptx.Instr) alu {
	t := in.Type(0)
	left := in.Op == "shl"
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, ptx.U32}}
	switch {
	case t.Bits() == 16 && left:
		op.lane = func(d, a, b, _ *reg) {
			for i := range d {
				d[i] = a[i] << b[i] & 0xffff
			}
		}
	case t == ptx.S16:
		op.lane = func(d, a, b, _ *reg) {
			for i := range d {
				d[i] = uint32(int16(a[i])>>b[i]) & 0xffff
			}
		}
	case t.Bits() == 16:
		op.lane = shrLanes[uint32]
	case left:
		op.lane = pick(t, shlLanes[uint32], shlLanes[uint32], shlLanes[uint64], shlLanes[uint64])
	default:
		op.lane = pick(t, shrLanes[uint32], shrLanes[int32], shrLanes[uint64], shrLanes[int64])
	}
	return op
}

// lop3 is any logical function of three words, given by its table of truth. With .and or .or it also gives whether the result is not 0, combined with a
// predicate.
func lop3(_ *ptx.Func, in *ptx.Instr) alu {
	combined := len(in.Mods) == 1 && len(in.Operands) == 6 && in.Operands[0].Kind == ptx.Pair
	if !combined && (len(in.Mods) != 0 || len(in.Operands) != 5) || in.Type(0) != ptx.B32 || in.Operands[4].Kind != ptx.Immediate {
		return alu{}
	}
	op := lop3Lanes(in.Operands[4].Bits)
	if !combined {
		a := lane3(op, ptx.B32, ptx.B32)
		a.decoded = 1
		return a
	}
	combine := combiner(in)
	return alu{
		dst: []ptx.Type{ptx.B32, ptx.Pred}, src: []ptx.Type{ptx.B32, ptx.B32, ptx.B32, ptx.B32, ptx.Pred},
		multi: func(r []*reg) { // d, p, a, b, c, the table, q
			q, p := r[6][0], uint32(0)
			op(r[0], r[2], r[3], r[4])
			for i, v := range r[0] {
				p |= bit(v != 0) << i
			}
			r[1][0] = combine(p, q)
		},
	}
}

// lop3Lanes is the function with the table of truth lut.
func lop3Lanes(lut uint64) laneOp {
	switch lut & 0xff {
	case 0x80:
		return each32(func(a, b, c uint32) uint32 { return a & b & c })
	case 0xfe:
		return each32(func(a, b, c uint32) uint32 { return a | b | c })
	case 0x96:
		return each32(func(a, b, c uint32) uint32 { return a ^ b ^ c })
	case 0xea:
		return each32(func(a, b, c uint32) uint32 { return a&b | c })
	}
	var term [8]uint32
	for i := range term {
		term[i] = -uint32(lut >> i & 1)
	}
	return each32(func(a, b, c uint32) uint32 {
		// Choose by c among four functions of a and b, bit by bit.
		lo := ^a&^b&term[0] | ^a&b&term[2] | a&^b&term[4] | a&b&term[6]
		hi := ^a&^b&term[1] | ^a&b&term[3] | a&^b&term[5] | a&b&term[7]
		return lo&^c | hi&c
	})
}

// funnel is shf: a shift of the 64 bits b:a by c, of which the left one keeps the high and the right one the low word.
func funnel(in *ptx.Instr) alu {
	amount := func(c uint32) uint32 { return c & 31 }
	if in.Has("clamp") {
		amount = func(c uint32) uint32 { return min(c, 32) }
	} else if !in.Has("wrap") {
		return alu{}
	}
	var op laneOp
	switch {
	case in.Has("l"):
		op = each32(func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) << amount(c) >> 32) })
	case in.Has("r"):
		op = each32(func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) >> amount(c)) })
	}
	return lane3(op, ptx.B32, ptx.B32)
}

// extract is bfe: n bits of a from bit pos, extended by their sign where it is signed. 32-bit fields take pos and n from the low bytes,
// 64-bit ones from the whole words.
func extract(in *ptx.Instr) alu {
	t := in.Type(0)
	signed := t.Signed()
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, ptx.U32, ptx.U32}}
	switch t.Bits() {
	case 32:
		op.lane = each32(func(a, pos, n uint32) uint32 { return uint32(bitField(uint64(a), pos&0xff, n&0xff, 32, signed)) })
	case 64:
		op.lane = func(d, a, b, c *reg) {
			z, x := d.u64(), a.u64()
			for i := range z {
				z[i] = bitField(x[i], b[i], c[i], 64, signed)
			}
		}
	}
	return op
}

// bitField is n bits of a, which has width bits, from bit pos.
func bitField(a uint64, pos, n uint32, width uint32, signed bool) uint64 {
	if n == 0 {
		return 0
	}
	sign := uint64(0) // what lies beyond the last bit
	if last := uint64(pos) + uint64(n) - 1; signed {
		sign = a >> min(last, uint64(width-1)) & 1
	}
	field := uint64(0)
	if pos < width {
		field = a >> pos
		n = min(n, width-pos)
	} else {
		n = 0
	}
	if n >= 64 {
		return field
	}
	mask := uint64(1)<<n - 1
	return field&mask | -sign&^mask
}

// insert is bfi: b with n of its bits from bit pos on replaced by the low bits of a.
func insert(in *ptx.Instr) alu {
	t := in.Type(0)
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, t, ptx.U32, ptx.U32}}
	switch t {
	case ptx.B32:
		op.multi = func(r []*reg) {
			for i := range r[0] {
				pos, n := r[3][i]&0xff, r[4][i]&0xff
				mask := uint32((uint64(1)<<min(n, 32) - 1) << pos)
				r[0][i] = r[2][i]&^mask | r[1][i]<<pos&mask
			}
		}
	case ptx.B64:
		op.multi = func(r []*reg) {
			z, x, y := r[0].u64(), r[1].u64(), r[2].u64()
			for i := range z {
				pos, n := r[3][i], r[4][i]
				mask := (uint64(1)<<n - 1) << pos // all ones for n of 64 or more
				z[i] = y[i]&^mask | x[i]<<pos&mask
			}
		}
	}
	return op
}

// findBit is bfind: the number of the highest bit that differs from the sign, or how far it is from the top.
func findBit(in *ptx.Instr) alu {
	t := in.Type(0)
	signed, width := t.Signed(), t.Bits()
	distance := in.Has("shiftamt")
	find := func(v uint64) uint32 {
		n := bits.Len64(v)
		switch {
		case n == 0:
			return ^uint32(0)
		case distance:
			return uint32(width - n)
		}
		return uint32(n - 1)
	}
	var op laneOp
	switch width {
	case 32:
		op = each32(func(a, _, _ uint32) uint32 {
			if signed {
				a ^= uint32(int32(a) >> 31)
			}
			return find(uint64(a))
		})
	case 64:
		op = func(d, a, _, _ *reg) {
			for i, v := range *a.u64() {
				if signed {
					v ^= uint64(int64(v) >> 63)
				}
				d[i] = find(v)
			}
		}
	}
	return lane1(op, ptx.U32, t)
}

// countBits is brev, clz and popc.
func countBits(in *ptx.Instr) alu {
	t := in.Type(0)
	count := func(f32 func(uint32) int, f64 func(uint64) int) alu {
		var op laneOp
		switch t {
		case ptx.B32:
			op = each32(func(a, _, _ uint32) uint32 { return uint32(f32(a)) })
		case ptx.B64:
			op = func(d, a, _, _ *reg) {
				x := *a.u64()
				for i, v := range x {
					d[i] = uint32(f64(v))
				}
			}
		}
		return lane1(op, ptx.U32, t)
	}
	switch in.Op {
	case "popc":
		return count(bits.OnesCount32, bits.OnesCount64)
	case "clz":
		return count(bits.LeadingZeros32, bits.LeadingZeros64)
	}
	return lane1(pick(t,
		each32(func(a, _, _ uint32) uint32 { return bits.Reverse32(a) }), nil,
		each64(func(a, _, _ uint64) uint64 { return bits.Reverse64(a) }), nil), t, t)
}

// findNth is fns: the place of the n-th set bit of a mask counted from a base, upwards or, for negative n, downwards.
func findNth(in *ptx.Instr) alu {
	return lane3(each32(func(mask, base, offset uint32) uint32 {
		n, step := int32(offset), int32(1)
		if n == 0 {
			if mask>>base&1 == 1 {
				return base
			}
			return ^uint32(0)
		}
		if n < 0 {
			n, step = -n, -1
		}
		for at := int32(base); at >= 0 && at < 32; at += step {
			if mask>>at&1 == 1 {
				if n--; n == 0 {
					return uint32(at)
				}
			}
		}
		return ^uint32(0)
	}), ptx.B32, ptx.B32)
}

// permuteModes are the selectors of the modes of prmt, by the low two bits of c.
var permuteModes = map[string][4]uint32{
	"f4e":  {0x3210, 0x4321, 0x5432, 0x6543},
	"b4e":  {0x5670, 0x6701, 0x7012, 0x0123},
	"rc8":  {0x0000, 0x1111, 0x2222, 0x3333},
	"ecl":  {0x3210, 0x3211, 0x3222, 0x3333},
	"ecr":  {0x0000, 0x1110, 0x2210, 0x3210},
	"rc16": {0x1010, 0x3232, 0x1010, 0x3232},
}

// permute is prmt: four bytes chosen from the eight of b:a.
func permute(in *ptx.Instr) alu {
	op := each32(permuteBytes)
	if len(in.Mods) > 0 {
		mode, ok := permuteModes[in.Mods[0]]
		if !ok {
			return alu{}
		}
		op = each32(func(a, b, c uint32) uint32 { return permuteBytes(a, b, mode[c&3]) })
	}
	return lane3(op, ptx.B32, ptx.B32)
}

// permuteBytes puts together bytes of b:a, each chosen by 4 bits of c, of which the highest asks for the byte's sign in all its bits.
func permuteBytes(a, b, c uint32) uint32 {
	all := uint64(b)<<32 | uint64(a)
	var d uint32
	for i := range 4 {
		s := c >> (4 * i)
		v := uint32(all >> (8 * (s & 7)) & 0xff)
		if s&8 != 0 {
			v = v >> 7 * 0xff
		}
		d |= v << (8 * i)
	}
	return d
}

// bitMask is bmsk: n ones from bit pos.
func bitMask(in *ptx.Instr) alu {
	var op laneOp
	switch {
	case in.Has("clamp"):
		op = each32(func(pos, n, _ uint32) uint32 { return uint32((uint64(1)<<min(n, 32) - 1) << pos) })
	case in.Has("wrap"):
		op = each32(func(pos, n, _ uint32) uint32 { return (1<<(n&31) - 1) << (pos & 31) })
	}
	return lane2(op, ptx.B32, ptx.B32)
}

// signExtend is szext: the low n bits of a, extended by zeros or by their sign.
func signExtend(in *ptx.Instr) alu {
	t := in.Type(0)
	var amount func(n uint32) uint32
	switch {
	case in.Has("clamp"):
		amount = func(n uint32) uint32 { return min(n, 32) }
	case in.Has("wrap"):
		amount = func(n uint32) uint32 { return n & 31 }
	default:
		return alu{}
	}
	signed := t.Signed()
	if t != ptx.U32 && t != ptx.S32 {
		return alu{}
	}
	return alu{dst: []ptx.Type{t}, src: []ptx.Type{t, ptx.U32}, lane: each32(func(a, n, _ uint32) uint32 {
		n = amount(n)
		if n == 0 {
			return 0
		}
		if signed {
			return uint32(int32(a<<(32-n)) >> (32 - n))
		}
		return a << (32 - n) >> (32 - n)
	})}
}
