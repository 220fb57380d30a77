package cuda

import (
	"fmt"
	"math"

	"palladio/kernels"
)

// arithmetic emits operations on registers of one floating-point type.
type arithmetic struct {
	*emitter
	t kernels.DType // F32 or F64
}

// f is the PTX type of a register.
func (a arithmetic) f() string { return a.t.String() }

// constant is a number as PTX writes it: its bits.
func (a arithmetic) constant(v float64) string {
	if a.t == kernels.F32 {
		return fmt.Sprintf("0f%08X", math.Float32bits(float32(v)))
	}
	return fmt.Sprintf("0d%016X", math.Float64bits(v))
}

// test sets a new predicate.
func (a arithmetic) test(condition, x, y string) string {
	p := a.temp("pred")
	a.op("setp."+condition+"."+a.f(), p, x, y)
	return p
}

// pick is p ? x : y.
func (a arithmetic) pick(dst, p, x, y string) { a.op("selp."+a.f(), dst, x, y, p) }

// truth is 1 or 0.
func (a arithmetic) truth(dst, p string) { a.pick(dst, p, a.constant(1), a.constant(0)) }

// unaryInstructions are the operations that are one instruction. Products and sums are never joined by the assembler (.rn): the emitter
// has joined those that may be.
var unaryInstructions = map[kernels.EltOp]string{
	kernels.Copy: "mov.", kernels.Neg: "neg.", kernels.Abs: "abs.", kernels.Sqrt: "sqrt.rn.", kernels.Recip: "rcp.rn.",
}

var binaryInstructions = map[kernels.EltOp]string{
	kernels.Add: "add.rn.", kernels.Sub: "sub.rn.", kernels.Mul: "mul.rn.", kernels.Div: "div.rn.",
}

var roundings = map[kernels.EltOp]string{kernels.Floor: "cvt.rmi.", kernels.Ceil: "cvt.rpi.", kernels.Round: "cvt.rni."}

// comparisons are false for NaN, but for inequality.
var comparisons = map[kernels.EltOp]string{
	kernels.Lt: "lt", kernels.Le: "le", kernels.Gt: "gt", kernels.Ge: "ge", kernels.Eq: "eq", kernels.Ne: "neu",
}

// mathCalls are the operations that functions of kernels/math compute.
var mathCalls = map[kernels.EltOp]string{
	kernels.Exp: "exp", kernels.Exp2: "exp2", kernels.Expm1: "expm1", kernels.Log: "log", kernels.Log2: "log2", kernels.Log1p: "log1p",
	kernels.Sin: "sin", kernels.Cos: "cos", kernels.Tan: "tan", kernels.Tanh: "tanh", kernels.Erf: "erf", kernels.Sigmoid: "sigmoid",
	kernels.Softplus: "softplus", kernels.GELU: "gelu", kernels.GELUTanh: "gelu_tanh", kernels.SiLU: "silu", kernels.Pow: "pow", kernels.Mod: "mod",
}

// apply emits dst = op(x[0], x[1], x[2]).
func (a arithmetic) apply(op kernels.EltOp, dst string, x ...string) error {
	f := a.f()
	if name, ok := mathCalls[op]; ok {
		return a.call(name+"_"+f, dst, x...)
	}
	if i, ok := unaryInstructions[op]; ok {
		a.op(i+f, dst, x[0])
		return nil
	}
	if i, ok := binaryInstructions[op]; ok {
		a.op(i+f, dst, x[0], x[1])
		return nil
	}
	if i, ok := roundings[op]; ok {
		a.op(i+f+"."+f, dst, x[0])
		return nil
	}
	if c, ok := comparisons[op]; ok {
		a.truth(dst, a.test(c, x[0], x[1]))
		return nil
	}
	switch op {
	case kernels.Sign:
		s := a.temp(f)
		a.pick(s, a.test("lt", x[0], a.constant(0)), a.constant(-1), x[0])
		a.pick(dst, a.test("gt", x[0], a.constant(0)), a.constant(1), s)
	case kernels.Square:
		a.op("mul.rn."+f, dst, x[0], x[0])
	case kernels.Cube:
		s := a.temp(f)
		a.op("mul.rn."+f, s, x[0], x[0])
		a.op("mul.rn."+f, dst, s, x[0])
	case kernels.Rsqrt:
		s := a.temp(f)
		a.op("sqrt.rn."+f, s, x[0])
		a.op("rcp.rn."+f, dst, s)
	case kernels.ReLU:
		a.pick(dst, a.test("lt", x[0], a.constant(0)), a.constant(0), x[0])
	case kernels.HardSwish:
		a.hardSwish(dst, x[0])
	case kernels.Not:
		a.truth(dst, a.test("eq", x[0], a.constant(0)))
	case kernels.Max:
		a.extreme("max", "gt", dst, x[0], x[1])
	case kernels.Min:
		a.extreme("min", "lt", dst, x[0], x[1])
	case kernels.And, kernels.Or:
		p, q := a.test("neu", x[0], a.constant(0)), a.test("neu", x[1], a.constant(0))
		a.op(op.String()+".pred", p, p, q)
		a.truth(dst, p)
	case kernels.FMA:
		a.op("fma.rn."+f, dst, x[0], x[1], x[2])
	case kernels.Select:
		a.pick(dst, a.test("neu", x[0], a.constant(0)), x[1], x[2])
	case kernels.Clamp:
		s := a.temp(f)
		a.extreme("max", "gt", s, x[0], x[1])
		a.extreme("min", "lt", dst, s, x[2])
	default:
		return fmt.Errorf("cuda: no instructions for element operation %s", op)
	}
	return nil
}

// extreme is the larger or smaller of two, NaN if either is.
func (a arithmetic) extreme(name, condition, dst, x, y string) {
	if a.t == kernels.F32 {
		a.op(name+".NaN.f32", dst, x, y)
		return
	}
	s := a.temp("f64") // y where x is NaN
	a.pick(s, a.test(condition, x, y), x, y)
	a.pick(dst, a.test("nan", x, x), x, s)
}

// hardSwish is x clamp(x+3, 0, 6)/6: NaN becomes a number in the clamp, and NaN again in the product.
func (a arithmetic) hardSwish(dst, x string) {
	f := a.f()
	s := a.temp(f)
	a.op("add.rn."+f, s, x, a.constant(3))
	a.op("max."+f, s, s, a.constant(0))
	a.op("min."+f, s, s, a.constant(6))
	a.op("div.rn."+f, s, s, a.constant(6))
	a.op("mul.rn."+f, dst, x, s)
}

// raw is the PTX type of the register that an element of t is loaded to; bytes come in 32-bit registers.
func raw(t kernels.DType) string {
	switch t {
	case kernels.F32, kernels.F64:
		return t.String()
	case kernels.F16, kernels.BF16:
		return "b16"
	case kernels.I64:
		return "b64"
	}
	return "b32"
}

// cell is the PTX type of an element in memory.
func cell(t kernels.DType) string {
	if t.Size() == 1 {
		return "u8"
	}
	return raw(t)
}

// widen emits dst = x, an element of type t as it was loaded, rounded to the arithmetic's type.
func (a arithmetic) widen(t kernels.DType, dst, x string) {
	source := map[kernels.DType]string{kernels.I32: "s32", kernels.I64: "s64", kernels.U8: "u32", kernels.Bool: "u32"}[t]
	switch {
	case t == a.t:
		a.op("mov."+a.f(), dst, x)
	case t == kernels.F32 || t == kernels.F16: // exact
		a.op("cvt."+a.f()+"."+t.String(), dst, x)
	case t == kernels.F64:
		a.op("cvt.rn.f32.f64", dst, x)
	case t == kernels.BF16: // the upper half of an f32
		zero, bits := a.temp("b16"), a.temp("b32")
		a.op("mov.b16", zero, "0")
		a.op("mov.b32", bits, vector([]string{zero, x}))
		if a.t == kernels.F32 {
			a.op("mov.b32", dst, bits)
			return
		}
		f := a.temp("f32")
		a.op("mov.b32", f, bits)
		a.op("cvt.f64.f32", dst, f)
	default:
		a.op("cvt.rn."+a.f()+"."+source, dst, x)
	}
}

// narrow gives a value as an element of type t in a register for a store: halves by the nearest, integers towards zero and saturated, NaN as 0.
func (a arithmetic) narrow(t kernels.DType, x string) string {
	if t == a.t {
		return x
	}
	dst := a.temp(raw(t))
	switch t {
	case kernels.F32, kernels.F16:
		a.op("cvt.rn."+t.String()+"."+a.f(), dst, x)
	case kernels.F64:
		a.op("cvt.f64.f32", dst, x)
	case kernels.BF16:
		if a.t == kernels.F64 {
			f := a.temp("f32")
			a.op("cvt.rn.f32.f64", f, x)
			x = f
		}
		a.op("cvt.rn.bf16.f32", dst, x)
	case kernels.Bool:
		a.op("selp.b32", dst, "1", "0", a.test("neu", x, a.constant(0)))
	default:
		to := map[kernels.DType]string{kernels.I32: "s32", kernels.I64: "s64", kernels.U8: "u32"}[t]
		a.op("cvt.rzi."+to+"."+a.f(), dst, x) // saturates
		if t == kernels.U8 {
			a.op("min.u32", dst, dst, "255")
		}
		a.op("selp."+raw(t), dst, "0", dst, a.test("nan", x, x))
	}
	return dst
}
