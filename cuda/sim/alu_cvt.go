package sim

import (
	"math"
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// conversion is a cvt: what it converts, and between registers of which width.
type conversion struct {
	to, from       ptx.Type
	dst, src       int // bits of the registers
	r              rounding
	integral       bool // .rni and the like: to a whole number
	sat, satfinite bool
	relu, ftz      bool
}

// convert is cvt.
func convert(f *ptx.Func, in *ptx.Instr) alu {
	if len(in.Types) < 2 || len(in.Operands) < 2 {
		return alu{}
	}
	c := conversion{
		to: in.Type(0), from: in.Type(1), r: roundingOf(in),
		integral: in.Has("rni") || in.Has("rzi") || in.Has("rmi") || in.Has("rpi"),
		sat:      in.Has("sat"), satfinite: in.Has("satfinite"), relu: in.Has("relu"), ftz: in.Has("ftz"),
	}
	c.dst, c.src = operandBits(f, in.Operands[0], c.to), operandBits(f, in.Operands[1], c.from)
	switch {
	case in.Has("pack"):
		return packIntegers(in)
	case c.to.Bits() == 0 || c.from.Bits() == 0 || c.from.Bits() > c.src && c.src != 0 || c.to.Bits() > 64:
		return alu{}
	case c.pair():
		return c.convertPair(in)
	}
	op := alu{dst: []ptx.Type{c.slot(c.to, c.dst)}, src: []ptx.Type{c.slot(c.from, c.src)}}
	if op.lane = c.common(); op.lane == nil {
		op.lane = c.general()
	}
	return op
}

// operandBits is the width of an operand's register; of a value of type t where it is none.
func operandBits(f *ptx.Func, o ptx.Operand, t ptx.Type) int {
	if o.Kind == ptx.Register {
		return f.Regs[o.Reg].Type.Bits()
	}
	return max(16, t.Bits())
}

// slot is the type of a register of the given width that has values of type t.
func (c *conversion) slot(t ptx.Type, width int) ptx.Type {
	if t.Bits() == width {
		return t
	}
	switch width {
	case 64:
		return ptx.B64
	case 32:
		return ptx.B32
	}
	return ptx.B16
}

// common finds the loops of the frequent conversions between registers of the types' own widths.
func (c *conversion) common() laneOp {
	if c.dst != max(16, c.to.Bits()) || c.src != max(16, c.from.Bits()) || c.sat || c.satfinite || c.relu || c.ftz {
		return nil
	}
	nearest, toward0 := c.r == nearestEven && !c.integral, c.r == towardZero && c.integral
	word := func(t ptx.Type) bool { return t == ptx.U32 || t == ptx.S32 }
	switch {
	case c.to.Bits() == 64 && c.from == ptx.U32 && !c.to.Float():
		return func(d, a, _, _ *reg) {
			z := d.u64()
			for i := range z {
				z[i] = uint64(a[i])
			}
		}
	case c.to.Bits() == 64 && c.from == ptx.S32 && !c.to.Float():
		return func(d, a, _, _ *reg) {
			z, x := d.s64(), a.s32()
			for i := range z {
				z[i] = int64(x[i])
			}
		}
	case word(c.to) && (c.from == ptx.U64 || c.from == ptx.S64):
		return func(d, a, _, _ *reg) {
			x := a.u64()
			for i := range d {
				d[i] = uint32(x[i])
			}
		}
	case word(c.to) && c.from == ptx.U16:
		return func(d, a, _, _ *reg) { *d = *a }
	case c.to == ptx.F32 && c.from == ptx.S32 && nearest:
		return func(d, a, _, _ *reg) {
			z, x := d.f32(), a.s32()
			for i := range z {
				z[i] = float32(x[i])
			}
		}
	case c.to == ptx.F32 && c.from == ptx.U32 && nearest:
		return func(d, a, _, _ *reg) {
			z := d.f32()
			for i := range z {
				z[i] = float32(int64(a[i]))
			}
		}
	case c.to == ptx.F64 && c.from == ptx.S32:
		return func(d, a, _, _ *reg) {
			z, x := d.f64(), a.s32()
			for i := range z {
				z[i] = float64(x[i])
			}
		}
	case c.to == ptx.F64 && c.from == ptx.F32 && !c.integral:
		return func(d, a, _, _ *reg) {
			z, x := d.f64(), a.f32()
			for i := range z {
				z[i] = float64(x[i])
			}
		}
	case c.to == ptx.F32 && c.from == ptx.F64 && nearest:
		return func(d, a, _, _ *reg) {
			z, x := d.f32(), a.f64()
			for i := range z {
				z[i] = canonical(float32(x[i]))
			}
		}
	case c.to == ptx.S32 && c.from == ptx.F32 && toward0:
		return func(d, a, _, _ *reg) {
			z, x := d.s32(), a.f32()
			for i := range z {
				switch v := x[i]; {
				case v >= 0x1p31:
					z[i] = math.MaxInt32
				case v >= -0x1p31:
					z[i] = int32(v)
				case v != v:
					z[i] = 0
				default:
					z[i] = math.MinInt32
				}
			}
		}
	case c.to == ptx.F32 && c.from == ptx.F16 && !c.integral:
		return func(d, a, _, _ *reg) {
			z := d.f32()
			for i := range z {
				z[i] = canonical(f16ToF32(a[i]))
			}
		}
	case c.to == ptx.F32 && c.from == ptx.BF16 && !c.integral:
		return func(d, a, _, _ *reg) {
			z := d.f32()
			for i := range z {
				z[i] = canonical(bf16ToF32(a[i]))
			}
		}
	case c.to == ptx.F16 && c.from == ptx.F32 && nearest:
		return func(d, a, _, _ *reg) {
			x := a.f32()
			for i := range d {
				d[i] = f32ToF16(x[i])
			}
		}
	case c.to == ptx.BF16 && c.from == ptx.F32 && nearest:
		return func(d, a, _, _ *reg) {
			x := a.f32()
			for i := range d {
				d[i] = f32ToBF16(x[i])
			}
		}
	}
	return nil
}

// general converts lane by lane, whatever the types.
func (c *conversion) general() laneOp {
	load, store := c.load(), c.store()
	if load == nil || store == nil {
		return nil
	}
	var one func(v uint64) uint64 // from the bits of a source, sign- or zero-extended, to those of a result
	toFloat, fromFloat := c.to.Float(), c.from.Float()
	if fromFloat && c.decoder() == nil || toFloat && c.encoder() == nil {
		return nil
	}
	switch {
	case fromFloat && toFloat:
		decode, encode := c.decoder(), c.encoder()
		one = func(v uint64) uint64 { return encode(c.whole(decode(uint32(v), v))) }
	case fromFloat:
		decode := c.decoder()
		one = func(v uint64) uint64 { return c.floatToInt(decode(uint32(v), v)) }
	case toFloat:
		encode, signed := c.encoder(), c.from.Signed()
		one = func(v uint64) uint64 {
			negative := signed && int64(v) < 0
			if negative {
				v = -v
			}
			if c.to == ptx.F64 {
				return math.Float64bits(c.clamp(roundInt(v, negative, c.r)))
			}
			return encode(oddInt(v, negative))
		}
	default:
		one = c.intToInt
	}
	return func(d, a, _, _ *reg) {
		for i := range lanes {
			store(d, i, one(load(a, i)))
		}
	}
}

// load reads a lane of the source: the low bits, extended as the type says.
func (c *conversion) load() func(a *reg, i int) uint64 {
	shift := 64 - c.from.Bits()
	signed := c.from.Signed()
	if c.src == 64 {
		return func(a *reg, i int) uint64 { return extend(a.u64()[i], shift, signed) }
	}
	return func(a *reg, i int) uint64 { return extend(uint64(a[i]), shift, signed) }
}

// extend keeps the low 64-shift bits of v and extends them.
func extend(v uint64, shift int, signed bool) uint64 {
	if signed {
		return uint64(int64(v<<shift) >> shift)
	}
	return v << shift >> shift
}

// store writes a lane of the result, extended to the width of the register as the type says.
func (c *conversion) store() func(d *reg, i int, v uint64) {
	shift := 64 - c.to.Bits()
	signed := c.to.Signed()
	switch c.dst {
	case 64:
		return func(d *reg, i int, v uint64) { d.u64()[i] = extend(v, shift, signed) }
	case 32:
		return func(d *reg, i int, v uint64) { d[i] = uint32(extend(v, shift, signed)) }
	case 16:
		return func(d *reg, i int, v uint64) { d[i] = uint32(extend(v, shift, signed)) & 0xffff }
	}
	return nil
}

// intToInt truncates, or saturates.
func (c *conversion) intToInt(v uint64) uint64 {
	if !c.sat {
		return v
	}
	lo, hi := limits(c.to)
	if c.from.Signed() {
		switch s := int64(v); {
		case s < lo:
			return uint64(lo)
		case s > 0 && v > hi:
			return hi
		}
		return v
	}
	return min(v, hi)
}

// limits is the range of an integer type.
func limits(t ptx.Type) (lo int64, hi uint64) {
	if n := t.Bits(); t.Signed() {
		return -1 << (n - 1), 1<<(n-1) - 1
	}
	return 0, math.MaxUint64 >> (64 - t.Bits())
}

// floatToInt rounds and saturates. No number becomes 0, or the least negative number, with the highest bit alone, where one of the types has 64 bits.
func (c *conversion) floatToInt(x float64) uint64 {
	lo, hi := limits(c.to)
	switch x = toInteger(x, c.r); {
	case x != x:
		if c.from == ptx.F64 || c.to.Bits() == 64 {
			return 1 << (c.to.Bits() - 1)
		}
		return 0
	case x <= float64(lo):
		return uint64(lo)
	case x >= float64(hi):
		return hi
	case x < 0:
		return uint64(int64(x))
	}
	return uint64(x)
}

// toInteger rounds to a whole number.
func toInteger(x float64, r rounding) float64 {
	switch r {
	case towardZero:
		return math.Trunc(x)
	case downward:
		return math.Floor(x)
	case upward:
		return math.Ceil(x)
	}
	return math.RoundToEven(x)
}

// whole rounds to a whole number where the conversion asks for it.
func (c *conversion) whole(x float64) float64 {
	if c.integral {
		return toInteger(x, c.r)
	}
	return x
}

// clamp applies .sat and .relu.
func (c *conversion) clamp(x float64) float64 {
	switch {
	case c.sat:
		return saturate(x)
	case c.relu && x <= 0: // -0 as well
		return 0
	}
	return x
}

// decoder is the value of a source's bits.
func (c *conversion) decoder() func(v uint32, wide uint64) float64 {
	switch c.from {
	case ptx.F64:
		return func(_ uint32, v uint64) float64 { return math.Float64frombits(v) }
	case ptx.F32:
		if c.ftz {
			return func(v uint32, _ uint64) float64 { return float64(flush32(v)) }
		}
		return func(v uint32, _ uint64) float64 { return float64(math.Float32frombits(v)) }
	case ptx.F16:
		return func(v uint32, _ uint64) float64 { return float64(f16ToF32(v)) }
	case ptx.BF16:
		return func(v uint32, _ uint64) float64 { return float64(bf16ToF32(v)) }
	case ptx.E4M3:
		return func(v uint32, _ uint64) float64 { return formatE4M3.decode(v) }
	case ptx.E5M2:
		return func(v uint32, _ uint64) float64 { return formatE5M2.decode(v) }
	}
	return nil
}

// encoder is the bits of a value in the format of the result.
func (c *conversion) encoder() func(x float64) uint64 {
	small := func(f format, shift int) func(x float64) uint64 {
		return func(x float64) uint64 {
			v := f.encode(c.clamp(x), c.r)
			if top := uint32(1)<<f.sign - 1; c.satfinite && x == x && v&top >= f.inf {
				v = v&^top | (f.inf - 1)
			}
			return uint64(v) << shift
		}
	}
	switch c.to {
	case ptx.F64:
		return func(x float64) uint64 { return math.Float64bits(c.clamp(x)) }
	case ptx.F32:
		return func(x float64) uint64 {
			v := canonical(to32(c.clamp(x), c.r))
			if c.ftz {
				v = flush32(math.Float32bits(v))
			}
			return uint64(math.Float32bits(v))
		}
	case ptx.F16:
		return small(formatF16, 0)
	case ptx.BF16:
		return small(formatBF16, 0)
	case ptx.TF32:
		return small(formatTF32, 13)
	case ptx.E4M3:
		return small(formatE4M3, 0)
	case ptx.E5M2:
		return small(formatE5M2, 0)
	}
	return nil
}

// oddInt is ±v, rounded to odd.
func oddInt(v uint64, negative bool) float64 {
	if n := bits.Len64(v) - 53; n > 0 {
		rest := v & (1<<n - 1)
		v >>= n
		if rest != 0 {
			v |= 1
		}
		v <<= n
	}
	if negative {
		return -float64(v)
	}
	return float64(v)
}

// roundInt is ±v, rounded to float64.
func roundInt(v uint64, negative bool, r rounding) float64 {
	x := float64(v)
	if r != nearestEven {
		up := r == upward && !negative || r == downward && negative
		n := max(0, bits.Len64(v)-53)
		kept := v >> n << n
		if x = float64(kept); up && kept != v {
			x = math.Nextafter(x, math.Inf(1))
		}
	}
	if negative {
		return -x
	}
	return x
}

// pair says whether two values are converted to a pair, or a pair to another.
func (c *conversion) pair() bool {
	two := func(t ptx.Type) bool { return element(t) != t }
	return two(c.to) || two(c.from)
}

// element is the type of the halves of a pair.
func element(t ptx.Type) ptx.Type {
	switch t {
	case ptx.E4M3x2:
		return ptx.E4M3
	case ptx.E5M2x2:
		return ptx.E5M2
	}
	return half(t)
}

// convertPair converts two floats to a pair, the first one to its high half, or a pair to a pair.
func (c *conversion) convertPair(in *ptx.Instr) alu {
	to, from := c.to, c.from
	c.to, c.from = element(to), element(from)
	decode, encode := c.decoder(), c.encoder()
	if decode == nil || encode == nil || to == c.to {
		return alu{}
	}
	high := c.to.Bits()
	if from == c.from {
		if from != ptx.F32 || len(in.Operands) != 3 {
			return alu{}
		}
		op := func(d, a, b, _ *reg) {
			for i := range d {
				hi, lo := encode(decode(a[i], 0)), encode(decode(b[i], 0))
				d[i] = uint32(hi)<<high | uint32(lo)
			}
		}
		if to == ptx.BF16x2 && c.r == nearestEven && !c.relu && !c.satfinite {
			op = func(d, a, b, _ *reg) {
				x, y := a.f32(), b.f32()
				for i := range d {
					d[i] = f32ToBF16(x[i])<<16 | f32ToBF16(y[i])
				}
			}
		}
		if to == ptx.F16x2 && c.r == nearestEven && !c.relu && !c.satfinite {
			op = func(d, a, b, _ *reg) {
				x, y := a.f32(), b.f32()
				for i := range d {
					d[i] = f32ToF16(x[i])<<16 | f32ToF16(y[i])
				}
			}
		}
		return lane2(op, to, from)
	}
	half := c.from.Bits()
	return lane1(func(d, a, _, _ *reg) {
		for i, v := range a {
			hi, lo := encode(decode(v>>half, 0)), encode(decode(v&(1<<half-1), 0))
			d[i] = uint32(hi)<<high | uint32(lo)
		}
	}, to, from)
}

// packIntegers is cvt.pack: two integers, saturated to narrow ones side by side, the first one higher, below the low bits of a third operand.
func packIntegers(in *ptx.Instr) alu {
	to, from := in.Type(0), in.Type(1)
	if from != ptx.S32 || !in.Has("sat") || to.Bits() > 16 || to.Bits() == 0 || to.Float() {
		return alu{}
	}
	lo, hi := limits(to)
	w := to.Bits()
	narrow := func(v uint32) uint32 {
		return uint32(max(lo, min(int64(hi), int64(int32(v))))) & (1<<w - 1)
	}
	op := alu{dst: []ptx.Type{ptx.B32}, src: []ptx.Type{from, from}}
	if len(in.Types) == 3 {
		op.src = append(op.src, ptx.B32)
		op.lane = each32(func(a, b, c uint32) uint32 { return c<<(2*w) | narrow(a)<<w | narrow(b) })
	} else {
		op.lane = each32(func(a, b, _ uint32) uint32 { return narrow(a)<<w | narrow(b) })
	}
	return op
}
