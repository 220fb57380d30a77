package sim

import (
	"math"

	"palladio/cuda/sim/ptx"
)

// The loops over floats, rounded to nearest.

// canonical is x, or the one NaN that operations give.
func canonical(x float32) float32 {
	if x != x {
		return nan32
	}
	return x
}

func addF32(d, a, b, _ *reg) {
	z, x, y := d.f32(), a.f32(), b.f32()
	for i := range z {
		z[i] = canonical(x[i] + y[i])
	}
}

func subF32(d, a, b, _ *reg) {
	z, x, y := d.f32(), a.f32(), b.f32()
	for i := range z {
		z[i] = canonical(x[i] - y[i])
	}
}

func mulF32(d, a, b, _ *reg) {
	z, x, y := d.f32(), a.f32(), b.f32()
	for i := range z {
		z[i] = canonical(x[i] * y[i])
	}
}

func divF32(d, a, b, _ *reg) {
	z, x, y := d.f32(), a.f32(), b.f32()
	for i := range z {
		z[i] = canonical(x[i] / y[i])
	}
}

func fmaF32(d, a, b, c *reg) {
	z, x, y, w := d.f32(), a.f32(), b.f32(), c.f32()
	for i := range z {
		z[i] = canonical(fmaNearest(float64(x[i])*float64(y[i]), float64(w[i])))
	}
}

func addF64(d, a, b, _ *reg) {
	z, x, y := d.f64(), a.f64(), b.f64()
	for i := range z {
		z[i] = x[i] + y[i]
	}
}

func subF64(d, a, b, _ *reg) {
	z, x, y := d.f64(), a.f64(), b.f64()
	for i := range z {
		z[i] = x[i] - y[i]
	}
}

func mulF64(d, a, b, _ *reg) {
	z, x, y := d.f64(), a.f64(), b.f64()
	for i := range z {
		z[i] = x[i] * y[i]
	}
}

func divF64(d, a, b, _ *reg) {
	z, x, y := d.f64(), a.f64(), b.f64()
	for i := range z {
		z[i] = x[i] / y[i]
	}
}

func fmaF64(d, a, b, c *reg) {
	z, x, y, w := d.f64(), a.f64(), b.f64(), c.f64()
	for i := range z {
		z[i] = math.FMA(x[i], y[i], w[i])
	}
}

// eachF32 applies f, which rounds by itself, with what .ftz and .sat ask for.
func eachF32(in *ptx.Instr, f func(x, y, z float32) float32) laneOp {
	ftz, sat := in.Has("ftz"), in.Has("sat")
	return func(d, a, b, c *reg) {
		for i := range d {
			var v float32
			if ftz {
				v = f(flush32(a[i]), flush32(b[i]), flush32(c[i]))
				v = flush32(math.Float32bits(v))
			} else {
				v = f(math.Float32frombits(a[i]), math.Float32frombits(b[i]), math.Float32frombits(c[i]))
			}
			if sat {
				v = saturate(v)
			}
			d[i] = math.Float32bits(canonical(v))
		}
	}
}

// eachF64 applies f.
func eachF64(f func(x, y, z float64) float64) laneOp {
	return func(d, a, b, c *reg) {
		w, x, y, z := d.f64(), a.f64(), b.f64(), c.f64()
		for i := range w {
			w[i] = f(x[i], y[i], z[i])
		}
	}
}

// plainFloat says whether a float instruction rounds to nearest and asks for nothing else.
func plainFloat(in *ptx.Instr) bool {
	return roundingOf(in) == nearestEven && !in.Has("ftz") && !in.Has("sat")
}

// floatAdd is add and sub of floats.
func floatAdd(in *ptx.Instr) alu {
	t, r, sign := in.Type(0), roundingOf(in), float32(1)
	sub := in.Op == "sub"
	if sub {
		sign = -1
	}
	var op laneOp
	switch {
	case len(in.Types) == 2 && t == ptx.F32 && isHalf(in.Type(1)):
		return mixedAdd(in)
	case isHalf(t):
		op = halfLanes(in, t, func(x, y, _ float64) float64 { return addOdd(x, float64(sign)*y) })
	case t == ptx.F32 && plainFloat(in):
		op = choose(sub, subF32, addF32)
	case t == ptx.F32:
		op = eachF32(in, func(x, y, _ float32) float32 { return add32(x, sign*y, r) })
	case t == ptx.F64 && r == nearestEven:
		op = choose(sub, subF64, addF64)
	case t == ptx.F64:
		op = eachF64(func(x, y, _ float64) float64 { return fma64(x, 1, float64(sign)*y, r) })
	}
	return lane2(op, t, t)
}

// mixedAdd is add and sub of a half, a, and a float, b.
func mixedAdd(in *ptx.Instr) alu {
	r, load, sub := roundingOf(in), widener(in.Type(1), false), in.Op == "sub"
	sat := in.Has("sat")
	return alu{dst: []ptx.Type{ptx.F32}, src: []ptx.Type{in.Type(1), ptx.F32}, lane: func(d, a, b, _ *reg) {
		y := b.f32()
		for i := range d {
			v := y[i]
			if sub {
				v = -v
			}
			if v = add32(load(a[i]), v, r); sat {
				v = saturate(v)
			}
			d[i] = math.Float32bits(canonical(v))
		}
	}}
}

// choose is yes where c holds, else no.
func choose(c bool, yes, no laneOp) laneOp {
	if c {
		return yes
	}
	return no
}

// floatMultiply is mul of floats.
func floatMultiply(in *ptx.Instr) alu {
	t, r := in.Type(0), roundingOf(in)
	var op laneOp
	switch {
	case isHalf(t):
		op = halfLanes(in, t, func(x, y, _ float64) float64 { return x * y })
	case t == ptx.F32 && plainFloat(in):
		op = mulF32
	case t == ptx.F32:
		op = eachF32(in, func(x, y, _ float32) float32 { return mul32(x, y, r) })
	case t == ptx.F64 && r == nearestEven:
		op = mulF64
	case t == ptx.F64:
		op = eachF64(func(x, y, _ float64) float64 { return mul64(x, y, r) })
	}
	return lane2(op, t, t)
}

// fused is fma, and mad of floats, which is the same since compute capability 2.0.
func fused(in *ptx.Instr) alu {
	t, r := in.Type(0), roundingOf(in)
	var op laneOp
	switch {
	case len(in.Types) == 2 && t == ptx.F32 && isHalf(in.Type(1)):
		return mixedFused(in)
	case isHalf(t):
		op = halfLanes(in, t, func(x, y, z float64) float64 { return addOdd(x*y, z) })
	case t == ptx.F32 && plainFloat(in):
		op = fmaF32
	case t == ptx.F32:
		op = eachF32(in, func(x, y, z float32) float32 { return fma32(x, y, z, r) })
	case t == ptx.F64 && r == nearestEven:
		op = fmaF64
	case t == ptx.F64:
		op = eachF64(func(x, y, z float64) float64 { return fma64(x, y, z, r) })
	}
	return lane3(op, t, t)
}

// mixedFused is fma of halves a and b with a float c.
func mixedFused(in *ptx.Instr) alu {
	r, load, sat := roundingOf(in), widener(in.Type(1), false), in.Has("sat")
	t := in.Type(1)
	return alu{dst: []ptx.Type{ptx.F32}, src: []ptx.Type{t, t, ptx.F32}, lane: func(d, a, b, c *reg) {
		z := c.f32()
		for i := range d {
			v := fma32(load(a[i]), load(b[i]), z[i], r)
			if sat {
				v = saturate(v)
			}
			d[i] = math.Float32bits(canonical(v))
		}
	}}
}

// floatDivide is div of floats.
func floatDivide(in *ptx.Instr) alu {
	t, r := in.Type(0), roundingOf(in)
	var op laneOp
	switch {
	case t == ptx.F64 && r == nearestEven:
		op = divF64
	case t == ptx.F64:
		op = eachF64(func(x, y, _ float64) float64 { return div64(x, y, r) })
	case t != ptx.F32:
	case in.Has("approx"):
		op = eachF32(in, func(x, y, _ float32) float32 {
			if v := math.Abs(float64(y)); v > 0x1p126 && v < 0x1p128 { // the reciprocal is flushed to 0
				return x * float32(math.Copysign(0, float64(y)))
			}
			return x / y
		})
	case plainFloat(in):
		op = divF32
	default:
		op = eachF32(in, func(x, y, _ float32) float32 { return div32(x, y, r) })
	}
	return lane2(op, t, t)
}

// reciprocal is rcp.
func reciprocal(in *ptx.Instr) alu {
	t, r := in.Type(0), roundingOf(in)
	var op laneOp
	switch {
	case t == ptx.F64 && in.Has("approx"):
		op = eachF64(func(x, _, _ float64) float64 { return gross(1 / flush64(x)) })
	case t == ptx.F64:
		op = eachF64(func(x, _, _ float64) float64 { return div64(1, x, r) })
	case t == ptx.F32:
		op = eachF32(in, func(x, _, _ float32) float32 { return div32(1, x, r) })
	}
	return lane1(op, t, t)
}

// squareRoot is sqrt.
func squareRoot(in *ptx.Instr) alu {
	t, r := in.Type(0), roundingOf(in)
	var op laneOp
	switch t {
	case ptx.F64:
		op = eachF64(func(x, _, _ float64) float64 { return sqrt64(x, r) })
	case ptx.F32:
		op = eachF32(in, func(x, _, _ float32) float32 { return sqrt32(x, r) })
	}
	return lane1(op, t, t)
}

// flush64 replaces a number below the normal ones by a zero of its sign.
func flush64(x float64) float64 {
	if math.Abs(x) < 0x1p-1022 {
		return math.Copysign(0, x)
	}
	return x
}

// gross is x with the low word 0, as the approximations of float64 give it.
func gross(x float64) float64 {
	return flush64(math.Float64frombits(math.Float64bits(x) >> 32 << 32))
}

// floatSign is abs and neg of floats.
func floatSign(in *ptx.Instr) alu {
	t, abs := in.Type(0), in.Op == "abs"
	flip, keep := uint64(1)<<(t.Bits()-1), ^uint64(0)
	if t == ptx.F16x2 || t == ptx.BF16x2 {
		flip = 0x80008000
	}
	if abs {
		flip, keep = 0, ^flip
	}
	var op laneOp
	switch t.Bits() {
	case 64:
		op = each64(func(a, _, _ uint64) uint64 { return a&keep ^ flip })
	default:
		flip, keep := uint32(flip), uint32(keep)
		op = func(d, a, _, _ *reg) {
			for i := range d {
				d[i] = a[i]&keep ^ flip
			}
		}
	}
	if in.Has("ftz") {
		op = flushed(op, t)
	}
	return lane1(op, t, t)
}

// flushed is op of one operand, with results below the normal numbers flushed to zeros.
func flushed(op laneOp, t ptx.Type) laneOp {
	return func(d, a, b, c *reg) {
		op(d, a, b, c)
		for i, v := range d {
			switch half(t) {
			case ptx.F32:
				d[i] = math.Float32bits(flush32(v))
			case ptx.F16:
				if v&0x7c00 == 0 {
					v &^= 0x3ff
				}
				if v&0x7c000000 == 0 {
					v &^= 0x3ff0000
				}
				d[i] = v
			}
		}
	}
}

// floatMinMax is min and max of floats.
func floatMinMax(in *ptx.Instr) alu {
	t := in.Type(0)
	least := in.Op == "min"
	nan, xorsign := in.Has("NaN"), in.Has("xorsign")
	f := func(x, y float64) float64 { return extreme(x, y, least, nan, xorsign) }
	var op laneOp
	switch {
	case isHalf(t):
		op = halfLanes(in, t, func(x, y, _ float64) float64 { return f(x, y) })
	case t == ptx.F32 && !nan && !xorsign && !in.Has("ftz"):
		op = choose(least, minF32, maxF32)
	case t == ptx.F32:
		op = eachF32(in, func(x, y, _ float32) float32 { return float32(f(float64(x), float64(y))) })
	case t == ptx.F64:
		op = eachF64(func(x, y, _ float64) float64 { return f(x, y) })
	}
	return lane2(op, t, t)
}

// extreme is the lesser or greater number, -0 below +0; the number where the other is none, unless nan asks for NaN then. With xorsign it is that of the
// magnitudes, with the product of the signs.
func extreme(x, y float64, least, nan, xorsign bool) float64 {
	negative := math.Signbit(x) != math.Signbit(y)
	if xorsign {
		x, y = math.Abs(x), math.Abs(y)
	}
	var v float64
	switch {
	case x != x && y != y || nan && (x != x || y != y):
		return nan64
	case x != x:
		v = y
	case y != y:
		v = x
	case least:
		v = math.Min(x, y)
	default:
		v = math.Max(x, y)
	}
	if xorsign && negative {
		v = -v
	}
	return v
}

// order is a key of the float with the bits v that sorts as integers do, -0 below +0.
func order(v uint32) int32 { return int32(v ^ uint32(int32(v)>>31)>>1) }

// minF32 and maxF32 are extreme of float32, without .NaN and .xorsign.
var (
	minF32 = extremeF32(func(x, y int32) bool { return x < y })
	maxF32 = extremeF32(func(x, y int32) bool { return x > y })
)

// extremeF32 takes of two numbers the one whose key in order comes first.
func extremeF32(first func(x, y int32) bool) laneOp {
	return func(d, a, b, _ *reg) {
		for i := range d {
			x, y := a[i], b[i]
			switch {
			case x&0x7fffffff > 0x7f800000:
				x = y
			case y&0x7fffffff > 0x7f800000:
			case first(order(y), order(x)):
				x = y
			}
			if x&0x7fffffff > 0x7f800000 {
				x = 0x7fffffff
			}
			d[i] = x
		}
	}
}

// approximate is the functions that are approximations on hardware: computed in float64 here and rounded once.
func approximate(in *ptx.Instr) alu {
	t := in.Type(0)
	f := map[string]func(float64) float64{
		"rsqrt": func(x float64) float64 { return 1 / math.Sqrt(x) },
		"sin":   math.Sin,
		"cos":   math.Cos,
		"lg2":   math.Log2,
		"ex2":   math.Exp2,
		"tanh":  math.Tanh,
	}[in.Op]
	var op laneOp
	switch {
	case !in.Has("approx"):
	case t == ptx.F32:
		op = eachF32(in, func(x, _, _ float32) float32 { return float32(f(float64(x))) })
	case t == ptx.F64 && in.Op == "rsqrt":
		op = eachF64(func(x, _, _ float64) float64 { return gross(f(flush64(x))) })
	case isHalf(t) && (in.Op == "ex2" || in.Op == "tanh"):
		op = halfLanes(in, t, func(x, _, _ float64) float64 { return f(x) })
	}
	return lane1(op, t, t)
}
