package sim

import (
	"math"

	"palladio/cuda/sim/ptx"
)

type number interface {
	int32 | uint32 | int64 | uint64 | float32 | float64
}

// The comparisons of 32 lanes. With floats they are false where an operand is no number, but for ne, which is then true.

func eqLanes[T number](a, b *reg) (m uint32) {
	x, y := as[T](a), as[T](b)
	for i := range x {
		m |= bit(x[i] == y[i]) << i
	}
	return m
}

func neLanes[T number](a, b *reg) (m uint32) {
	x, y := as[T](a), as[T](b)
	for i := range x {
		m |= bit(x[i] != y[i]) << i
	}
	return m
}

func ltLanes[T number](a, b *reg) (m uint32) {
	x, y := as[T](a), as[T](b)
	for i := range x {
		m |= bit(x[i] < y[i]) << i
	}
	return m
}

func leLanes[T number](a, b *reg) (m uint32) {
	x, y := as[T](a), as[T](b)
	for i := range x {
		m |= bit(x[i] <= y[i]) << i
	}
	return m
}

func gtLanes[T number](a, b *reg) uint32 { return ltLanes[T](b, a) }
func geLanes[T number](a, b *reg) uint32 { return leLanes[T](b, a) }

// numLanes is the lanes where both are numbers.
func numLanes[T number](a, b *reg) uint32 { return eqLanes[T](a, a) & eqLanes[T](b, b) }

// bit is 1 where b is true.
func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// comparison finds a comparison by its name for registers of type T.
func comparison[T number](name string) compareOp {
	not := func(f compareOp) compareOp { return func(a, b *reg) uint32 { return ^f(a, b) } }
	switch name {
	case "eq":
		return eqLanes[T]
	case "ne":
		return neLanes[T]
	case "lt", "lo":
		return ltLanes[T]
	case "le", "ls":
		return leLanes[T]
	case "gt", "hi":
		return gtLanes[T]
	case "ge", "hs":
		return geLanes[T]
	case "neu":
		return neLanes[T]
	case "equ":
		return func(a, b *reg) uint32 { return eqLanes[T](a, b) | ^numLanes[T](a, b) }
	case "ltu":
		return not(geLanes[T])
	case "leu":
		return not(gtLanes[T])
	case "gtu":
		return not(leLanes[T])
	case "geu":
		return not(ltLanes[T])
	case "num":
		return numLanes[T]
	case "nan":
		return not(numLanes[T])
	}
	return nil
}

// floatComparison is comparison, but that ne wants numbers.
func floatComparison[T float32 | float64](name string) compareOp {
	if name == "ne" {
		return func(a, b *reg) uint32 { return neLanes[T](a, b) & numLanes[T](a, b) }
	}
	return comparison[T](name)
}

// compareFloats is a comparison of two values, by its name.
func compareFloats(name string) func(x, y float32) bool {
	nan := func(x, y float32) bool { return x != x || y != y }
	switch name {
	case "eq":
		return func(x, y float32) bool { return x == y }
	case "ne":
		return func(x, y float32) bool { return x < y || x > y }
	case "lt":
		return func(x, y float32) bool { return x < y }
	case "le":
		return func(x, y float32) bool { return x <= y }
	case "gt":
		return func(x, y float32) bool { return x > y }
	case "ge":
		return func(x, y float32) bool { return x >= y }
	case "equ":
		return func(x, y float32) bool { return x == y || nan(x, y) }
	case "neu":
		return func(x, y float32) bool { return x != y }
	case "ltu":
		return func(x, y float32) bool { return !(x >= y) }
	case "leu":
		return func(x, y float32) bool { return !(x > y) }
	case "gtu":
		return func(x, y float32) bool { return !(x <= y) }
	case "geu":
		return func(x, y float32) bool { return !(x < y) }
	case "num":
		return func(x, y float32) bool { return !nan(x, y) }
	case "nan":
		return nan
	}
	return nil
}

// comparing finds the comparison of an instruction for operands of type t.
func comparing(in *ptx.Instr, t ptx.Type) compareOp {
	if len(in.Mods) == 0 {
		return nil
	}
	name := in.Mods[0]
	if !t.Float() {
		switch name {
		case "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan":
			return nil
		case "lo", "ls", "hi", "hs": // of unsigned numbers
			if t.Signed() {
				return nil
			}
		}
	}
	switch t {
	case ptx.B32, ptx.U32:
		return comparison[uint32](name)
	case ptx.S32:
		return comparison[int32](name)
	case ptx.B64, ptx.U64:
		return comparison[uint64](name)
	case ptx.S64:
		return comparison[int64](name)
	case ptx.B16, ptx.U16: // zero-extended in their registers
		return comparison[uint32](name)
	case ptx.S16:
		return compareSigned16(name)
	case ptx.F64:
		return floatComparison[float64](name)
	case ptx.F32:
		if !in.Has("ftz") {
			return floatComparison[float32](name)
		}
		return compareEach(compareFloats(name), flush32, 0)
	case ptx.F16:
		return compareEach(compareFloats(name), widener(t, in.Has("ftz")), 0)
	case ptx.BF16:
		return compareEach(compareFloats(name), widener(t, false), 0)
	}
	return nil
}

// compareEach compares values that load makes of words shifted right.
func compareEach(f func(x, y float32) bool, load func(uint32) float32, shift int) compareOp {
	if f == nil {
		return nil
	}
	return func(a, b *reg) (m uint32) {
		for i := range a {
			m |= bit(f(load(a[i]>>shift), load(b[i]>>shift))) << i
		}
		return m
	}
}

// compareSigned16 compares the low half-words.
func compareSigned16(name string) compareOp {
	f := comparison[int32](name)
	if f == nil {
		return nil
	}
	g := compareFloats(name) // 16-bit integers are exact in float32
	return compareEach(g, func(v uint32) float32 { return float32(int16(v)) }, 0)
}

// flush32 is the float with the bits v; one below the normal range is a zero of its sign.
func flush32(v uint32) float32 {
	if v&0x7f800000 == 0 {
		v &= 1 << 31
	}
	return math.Float32frombits(v)
}

// setPredicate is setp.
func setPredicate(in *ptx.Instr) alu {
	t := in.Type(0)
	if t == ptx.F16x2 || t == ptx.BF16x2 {
		return setPair(in, t)
	}
	return alu{compare: comparing(in, t), dst: []ptx.Type{ptx.Pred}, src: []ptx.Type{t, t}}
}

// setPair is setp of two halves, each with its predicate.
func setPair(in *ptx.Instr, t ptx.Type) alu {
	if len(in.Mods) == 0 {
		return alu{}
	}
	f := compareFloats(in.Mods[0])
	load := widener(half(t), in.Has("ftz"))
	lo, hi := compareEach(f, load, 0), compareEach(f, load, 16)
	op := alu{dst: []ptx.Type{ptx.Pred, ptx.Pred}, src: []ptx.Type{t, t}}
	combine := combiner(in)
	if f == nil || len(in.Operands) == 0 || in.Operands[0].Kind != ptx.Pair {
		return op
	}
	if combine != nil {
		op.src = append(op.src, ptx.Pred)
	}
	op.multi = func(r []*reg) {
		p, q := lo(r[2], r[3]), hi(r[2], r[3])
		if combine != nil {
			c := r[4][0]
			p, q = combine(p, c), combine(q, c)
		}
		r[0][0], r[1][0] = p, q
	}
	return op
}

// combiner is the .and, .or or .xor of a comparison with a predicate, or nil.
func combiner(in *ptx.Instr) func(p, c uint32) uint32 {
	switch {
	case in.Has("and"):
		return func(p, c uint32) uint32 { return p & c }
	case in.Has("or"):
		return func(p, c uint32) uint32 { return p | c }
	case in.Has("xor"):
		return func(p, c uint32) uint32 { return p ^ c }
	}
	return nil
}

// setValue is set: all ones, or 1.0 in a floating-point type, where the comparison holds.
func setValue(in *ptx.Instr) alu {
	d, t := in.Type(0), in.Type(1)
	if t == ptx.F16x2 || t == ptx.BF16x2 {
		return setPairValue(in, d, t)
	}
	f, combine := comparing(in, t), combiner(in)
	yes := uint32(math.MaxUint32)
	switch d {
	case ptx.F32:
		yes = 0x3f800000
	case ptx.F16:
		yes = 0x3c00
	case ptx.BF16:
		yes = 0x3f80
	case ptx.U16, ptx.S16:
		yes = 0xffff
	case ptx.U32, ptx.S32:
	default:
		return alu{}
	}
	op := alu{dst: []ptx.Type{d}, src: []ptx.Type{t, t}}
	if combine != nil {
		op.src = append(op.src, ptx.Pred)
	}
	if f == nil {
		return alu{}
	}
	op.lane = func(d, a, b, c *reg) {
		m := f(a, b)
		if combine != nil {
			m = combine(m, c[0])
		}
		for i := range d {
			d[i] = -(m >> i & 1) & yes
		}
	}
	return op
}

// setPairValue is set of two halves.
func setPairValue(in *ptx.Instr, d, t ptx.Type) alu {
	if len(in.Mods) == 0 {
		return alu{}
	}
	f, combine := compareFloats(in.Mods[0]), combiner(in)
	load := widener(half(t), in.Has("ftz"))
	one := map[ptx.Type]uint32{ptx.F16x2: 0x3c00, ptx.BF16x2: 0x3f80, ptx.U32: 0xffff, ptx.S32: 0xffff}[d]
	if f == nil || one == 0 {
		return alu{}
	}
	lo, hi := compareEach(f, load, 0), compareEach(f, load, 16)
	op := alu{dst: []ptx.Type{d}, src: []ptx.Type{t, t}}
	if combine != nil {
		op.src = append(op.src, ptx.Pred)
	}
	op.lane = func(d, a, b, c *reg) {
		p, q := lo(a, b), hi(a, b)
		if combine != nil {
			p, q = combine(p, c[0]), combine(q, c[0])
		}
		for i := range d {
			d[i] = -(p>>i&1)&one | -(q>>i&1)&one<<16
		}
	}
	return op
}

func select32(d, a, b, c *reg) {
	m := c[0]
	for i := range d {
		k := -(m >> i & 1)
		d[i] = a[i]&k | b[i]&^k
	}
}

func select64(d, a, b, c *reg) {
	m := c[0]
	z, x, y := d.u64(), a.u64(), b.u64()
	for i := range z {
		k := -uint64(m >> i & 1)
		z[i] = x[i]&k | y[i]&^k
	}
}

// selectPredicate is selp: a where the predicate c holds, else b.
func selectPredicate(in *ptx.Instr) alu {
	t := in.Type(0)
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, t, ptx.Pred}, lane: select32}
	switch t.Bits() {
	case 16, 32:
	case 64:
		op.lane = select64
	default:
		return alu{}
	}
	return op
}

// selectSign is slct: a where c is at least 0, else b. A c that is no number chooses b.
func selectSign(in *ptx.Instr) alu {
	t, by := in.Type(0), in.Type(1)
	var mask func(c *reg) uint32
	switch {
	case by == ptx.S32:
		mask = func(c *reg) (m uint32) {
			for i, v := range c {
				m |= (^v >> 31) << i
			}
			return m
		}
	case by == ptx.F32:
		ftz := in.Has("ftz")
		mask = func(c *reg) (m uint32) {
			for i, v := range c {
				x := math.Float32frombits(v)
				if ftz {
					x = flush32(v)
				}
				m |= bit(x >= 0) << i
			}
			return m
		}
	default:
		return alu{}
	}
	op := alu{dst: []ptx.Type{t}, src: []ptx.Type{t, t, by}}
	switch t.Bits() {
	case 16, 32:
		op.lane = func(d, a, b, c *reg) {
			m := mask(c)
			for i := range d {
				k := -(m >> i & 1)
				d[i] = a[i]&k | b[i]&^k
			}
		}
	case 64:
		op.lane = func(d, a, b, c *reg) {
			m := mask(c)
			z, x, y := d.u64(), a.u64(), b.u64()
			for i := range z {
				k := -uint64(m >> i & 1)
				z[i] = x[i]&k | y[i]&^k
			}
		}
	}
	return op
}

// testProperty is testp.
func testProperty(in *ptx.Instr) alu {
	t := in.Type(0)
	op := alu{dst: []ptx.Type{ptx.Pred}, src: []ptx.Type{t}}
	if len(in.Mods) == 0 {
		return op
	}
	test := floatTest(in.Mods[0])
	switch {
	case test == nil:
	case t == ptx.F32:
		op.lane = func(d, a, _, _ *reg) {
			var m uint32
			for i, v := range a {
				m |= bit(test(uint64(v&0x7fffffff), 0x00800000, 0x7f800000)) << i
			}
			d[0] = m
		}
	case t == ptx.F64:
		op.lane = func(d, a, _, _ *reg) {
			var m uint32
			for i, v := range a.u64() {
				m |= bit(test(v&(1<<63-1), 1<<52, 0x7ff<<52)) << i
			}
			d[0] = m
		}
	}
	return op
}

// floatTest is a test of the bits of a magnitude, given those of the least normal number and of infinity.
func floatTest(name string) func(v, normal, inf uint64) bool {
	switch name {
	case "finite":
		return func(v, _, inf uint64) bool { return v < inf }
	case "infinite":
		return func(v, _, inf uint64) bool { return v == inf }
	case "number":
		return func(v, _, inf uint64) bool { return v <= inf }
	case "notanumber":
		return func(v, _, inf uint64) bool { return v > inf }
	case "normal":
		return func(v, normal, inf uint64) bool { return (v >= normal || v == 0) && v < inf }
	case "subnormal":
		return func(v, normal, _ uint64) bool { return v != 0 && v < normal }
	}
	return nil
}

// copySign is copysign: the magnitude of b with the sign of a.
func copySign(in *ptx.Instr) alu {
	t := in.Type(0)
	switch t {
	case ptx.F32:
		return lane2(each32(func(a, b, _ uint32) uint32 { return b&0x7fffffff | a&(1<<31) }), t, t)
	case ptx.F64:
		return lane2(each64(func(a, b, _ uint64) uint64 { return b&(1<<63-1) | a&(1<<63) }), t, t)
	}
	return alu{}
}
