package op

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// The functions of one tensor, element by element.

// Neg is -x.
func Neg(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Neg, x) }

// Abs is |x|; its gradient at 0 is 0.
func Abs(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Abs, x) }

// Sign is -1, 0 or 1; its gradient is zero.
func Sign(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Sign, x) }

// Square is x².
func Square(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Square, x) }

// Cube is x³.
func Cube(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Cube, x) }

// Sqrt is the square root.
func Sqrt(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Sqrt, x) }

// Rsqrt is 1/√x.
func Rsqrt(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Rsqrt, x) }

// Reciprocal is 1/x.
func Reciprocal(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Recip, x) }

// Floor is the integer below; its gradient is zero.
func Floor(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Floor, x) }

// Ceil is the integer above; its gradient is zero.
func Ceil(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Ceil, x) }

// Round is the nearest integer, half to even; its gradient is zero.
func Round(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Round, x) }

// Exp is eˣ.
func Exp(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Exp, x) }

// Exp2 is 2ˣ.
func Exp2(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Exp2, x) }

// Expm1 is eˣ-1, exact near 0.
func Expm1(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Expm1, x) }

// Log is the natural logarithm.
func Log(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Log, x) }

// Log2 is the logarithm to base 2.
func Log2(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Log2, x) }

// Log1p is log(1+x), exact near 0.
func Log1p(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Log1p, x) }

// Sin is sin x.
func Sin(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Sin, x) }

// Cos is cos x.
func Cos(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Cos, x) }

// Tan is tan x.
func Tan(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Tan, x) }

// Tanh is tanh x.
func Tanh(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Tanh, x) }

// Erf is the error function.
func Erf(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Erf, x) }

// Sigmoid is 1/(1+e⁻ˣ).
func Sigmoid(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Sigmoid, x) }

// Softplus is log(1+eˣ), without overflow.
func Softplus(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Softplus, x) }

// ReLU is max(x, 0); its gradient at 0 is 0.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.ReLU, x) }

// GELU is x Φ(x) (Hendrycks and Gimpel, 2016).
func GELU(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.GELU, x) }

// GELUTanh is GELU's tanh form.
func GELUTanh(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.GELUTanh, x) }

// SiLU is x σ(x), also called Swish.
func SiLU(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.SiLU, x) }

// HardSwish is x min(max(x+3, 0), 6)/6 (Howard et al., 2019).
func HardSwish(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.HardSwish, x) }

// Not is 1 where x is 0, else 0.
func Not(x *gorgonia.Node) (*gorgonia.Node, error) { return unary(kernels.Not, x) }

// The functions of two tensors, element by element, with NumPy broadcasting.

// Add is a + b.
func Add(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Add, a, b) }

// Sub is a - b.
func Sub(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Sub, a, b) }

// Mul is a · b.
func Mul(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Mul, a, b) }

// Div is a / b.
func Div(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Div, a, b) }

// Pow is aᵇ; its gradient by b is 0 where a is not positive.
func Pow(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Pow, a, b) }

// Maximum is the larger of a and b; a tie's gradient goes to a.
func Maximum(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Max, a, b) }

// Minimum is the smaller of a and b; a tie's gradient goes to a.
func Minimum(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Min, a, b) }

// Mod is the remainder of a / b.
func Mod(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Mod, a, b) }

// Lt is 1 where a < b, else 0.
func Lt(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Lt, a, b) }

// Le is 1 where a ≤ b, else 0.
func Le(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Le, a, b) }

// Gt is 1 where a > b, else 0.
func Gt(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Gt, a, b) }

// Ge is 1 where a ≥ b, else 0.
func Ge(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Ge, a, b) }

// Eq is 1 where a = b, else 0.
func Eq(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Eq, a, b) }

// Ne is 1 where a ≠ b, else 0.
func Ne(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Ne, a, b) }

// And is 1 where both are other than 0, else 0.
func And(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.And, a, b) }

// Or is 1 where one is other than 0, else 0.
func Or(a, b *gorgonia.Node) (*gorgonia.Node, error) { return binary(kernels.Or, a, b) }

// The functions of three tensors, element by element, with NumPy broadcasting.

// FMA is a·b + c.
func FMA(a, b, c *gorgonia.Node) (*gorgonia.Node, error) { return ternary(kernels.FMA, a, b, c) }

// Where is a where cond is other than 0, else b. cond may be of any element type.
func Where(cond, a, b *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats("where", a, b)
	if err != nil {
		return nil, err
	}
	return elementwise("where", program{3, []kernels.Instr{{Op: kernels.Select, B: 1, C: 2}}, 3}, ks[0].typ, cond, a, b)
}

// Clamp is min(max(x, lo), hi).
func Clamp(x, lo, hi *gorgonia.Node) (*gorgonia.Node, error) {
	return ternary(kernels.Clamp, x, lo, hi)
}

// The functions with constants.

// Scale is c·x.
func Scale(x *gorgonia.Node, c float64) (*gorgonia.Node, error) {
	return withConstant(kernels.Mul, x, c)
}

// Shift is x + c.
func Shift(x *gorgonia.Node, c float64) (*gorgonia.Node, error) {
	return withConstant(kernels.Add, x, c)
}

// PowConst is xᶜ.
func PowConst(x *gorgonia.Node, c float64) (*gorgonia.Node, error) {
	return withConstant(kernels.Pow, x, c)
}

// ClampConst is min(max(x, lo), hi); the gradient is 0 outside.
func ClampConst(x *gorgonia.Node, lo, hi float64) (*gorgonia.Node, error) {
	if !(lo <= hi) {
		return nil, fmt.Errorf("clamp: the interval [%v, %v] is empty", lo, hi)
	}
	return Chain(fmt.Sprintf("clamp[%v,%v]", lo, hi), []kernels.Instr{
		{Op: kernels.Imm, Imm: lo}, {Op: kernels.Imm, Imm: hi}, {Op: kernels.Clamp, A: 0, B: 1, C: 2},
	}, x)
}

// ReLU6 is min(max(x, 0), 6).
func ReLU6(x *gorgonia.Node) (*gorgonia.Node, error) { return ClampConst(x, 0, 6) }

// LeakyReLU is x where x > 0, else slope·x.
func LeakyReLU(x *gorgonia.Node, slope float64) (*gorgonia.Node, error) {
	return Chain("leaky_relu", []kernels.Instr{
		{Op: kernels.Imm, Imm: 0}, {Op: kernels.Gt, A: 0, B: 1},
		{Op: kernels.Imm, Imm: slope}, {Op: kernels.Mul, A: 0, B: 3}, {Op: kernels.Select, A: 2, B: 0, C: 4},
	}, x)
}

// ELU is x where x > 0, else alpha·(eˣ-1) (Clevert et al., 2016).
func ELU(x *gorgonia.Node, alpha float64) (*gorgonia.Node, error) {
	return Chain("elu", []kernels.Instr{
		{Op: kernels.Imm, Imm: 0}, {Op: kernels.Gt, A: 0, B: 1}, {Op: kernels.Min, A: 0, B: 1},
		{Op: kernels.Expm1, A: 3}, {Op: kernels.Imm, Imm: alpha}, {Op: kernels.Mul, A: 4, B: 5}, {Op: kernels.Select, A: 2, B: 0, C: 6},
	}, x)
}

// HardSigmoid is min(max(x/6 + 1/2, 0), 1).
func HardSigmoid(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Chain("hard_sigmoid", []kernels.Instr{
		{Op: kernels.Imm, Imm: 1.0 / 6}, {Op: kernels.Imm, Imm: 0.5}, {Op: kernels.FMA, A: 0, B: 1, C: 2},
		{Op: kernels.Imm, Imm: 0}, {Op: kernels.Imm, Imm: 1}, {Op: kernels.Clamp, A: 3, B: 4, C: 5},
	}, x)
}
