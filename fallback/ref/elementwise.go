package ref

import (
	"math"

	"palladio/kernels"
)

// elementwise runs the program element by element: each step in float64, rounded to the kernel's type.
func elementwise(k kernels.Elementwise) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		v := make([]float64, len(k.Inputs)+len(k.Code))
		each(k.Shape, func(flat int, index []int) {
			for i, in := range k.Inputs {
				v[i] = roundTo(k.Type, strided(t[i], in.Strides, index))
			}
			for i, c := range k.Code {
				args := [3]float64{c.Imm}
				for j, from := range []int{c.A, c.B, c.C}[:c.Op.Arity()] {
					args[j] = v[from]
				}
				v[len(k.Inputs)+i] = roundTo(k.Type, Apply(c.Op, args[0], args[1], args[2]))
			}
			for i, o := range k.Outputs {
				t[len(k.Inputs)+i].set(flat, convert(o.Type, v[o.Value]))
			}
		})
	})
}

// strided reads the element at an index of a tensor with the given strides, whatever the tensor's own shape.
func strided(t tensor, strides, index []int) float64 { return t.at(offset(index, strides)) }

func roundTo(t kernels.DType, v float64) float64 {
	if t == kernels.F32 {
		return float64(float32(v))
	}
	return v
}

// convert brings a number into the range of an integer type: towards zero, saturating, NaN to 0.
func convert(t kernels.DType, v float64) float64 {
	switch t {
	case kernels.I32:
		return saturate(v, math.MinInt32, math.MaxInt32)
	case kernels.I64:
		return saturate(v, math.MinInt64, 0x1p63-1024) // the float64 below 2⁶³
	case kernels.U8:
		return saturate(v, 0, 255)
	}
	return v
}

func saturate(v, lo, hi float64) float64 {
	if v != v {
		return 0
	}
	return math.Trunc(min(max(v, lo), hi))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// logarithm is math.Log, whose assembly for amd64 takes denormal numbers for normal ones.
func logarithm(a float64) float64 {
	if a > 0 && a < 0x1p-1022 {
		return math.Log(a*0x1p52) - 52*math.Ln2
	}
	return math.Log(a)
}

// Apply computes one element operation in float64. An Imm finds its constant in a.
func Apply(op kernels.EltOp, a, b, c float64) float64 {
	switch op {
	case kernels.Imm, kernels.Copy, kernels.NoOp:
		return a
	case kernels.Neg:
		return -a
	case kernels.Abs:
		return math.Abs(a)
	case kernels.Sign:
		if a > 0 {
			return 1
		} else if a < 0 {
			return -1
		}
		return a // zeros and NaN
	case kernels.Square:
		return a * a
	case kernels.Cube:
		return a * a * a
	case kernels.Sqrt:
		return math.Sqrt(a)
	case kernels.Rsqrt:
		return 1 / math.Sqrt(a)
	case kernels.Recip:
		return 1 / a
	case kernels.Floor:
		return math.Floor(a)
	case kernels.Ceil:
		return math.Ceil(a)
	case kernels.Round:
		return math.RoundToEven(a)
	case kernels.Exp:
		return math.Exp(a)
	case kernels.Exp2:
		return math.Exp2(a)
	case kernels.Expm1:
		return math.Expm1(a)
	case kernels.Log:
		return logarithm(a)
	case kernels.Log2:
		return math.Log2(a)
	case kernels.Log1p:
		return math.Log1p(a)
	case kernels.Sin:
		return math.Sin(a)
	case kernels.Cos:
		return math.Cos(a)
	case kernels.Tan:
		return math.Tan(a)
	case kernels.Tanh:
		return math.Tanh(a)
	case kernels.Erf:
		return math.Erf(a)
	case kernels.Sigmoid:
		return 1 / (1 + math.Exp(-a))
	case kernels.Softplus:
		return max(a, 0) + math.Log1p(math.Exp(-math.Abs(a)))
	case kernels.ReLU:
		return max(a, 0)
	case kernels.GELU:
		return a / 2 * math.Erfc(-a/math.Sqrt2) // 1+erf(x) = erfc(-x)
	case kernels.GELUTanh:
		return a / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(a+0.044715*a*a*a)))
	case kernels.SiLU:
		return a / (1 + math.Exp(-a))
	case kernels.HardSwish:
		return a * (min(max(a+3, 0), 6) / 6)
	case kernels.Not:
		return truth(a == 0)
	case kernels.Add:
		return a + b
	case kernels.Sub:
		return a - b
	case kernels.Mul:
		return a * b
	case kernels.Div:
		return a / b
	case kernels.Pow:
		return math.Pow(a, b)
	case kernels.Max:
		return max(a, b)
	case kernels.Min:
		return min(a, b)
	case kernels.Mod:
		return math.Mod(a, b)
	case kernels.Lt:
		return truth(a < b)
	case kernels.Le:
		return truth(a <= b)
	case kernels.Gt:
		return truth(a > b)
	case kernels.Ge:
		return truth(a >= b)
	case kernels.Eq:
		return truth(a == b)
	case kernels.Ne:
		return truth(a != b)
	case kernels.And:
		return truth(a != 0 && b != 0)
	case kernels.Or:
		return truth(a != 0 || b != 0)
	case kernels.FMA:
		return math.FMA(a, b, c)
	case kernels.Select:
		if a != 0 {
			return b
		}
		return c
	case kernels.Clamp:
		return min(max(a, b), c)
	}
	panic("ref: no element operation " + op.String())
}
