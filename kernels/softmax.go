package kernels

import "fmt"

// Softmax normalises the middle axis of x[Outer, Len, Inner]:
//
//	y_i = exp(x_i - m)/Σ_j exp(x_j - m),  or with Log  y_i = x_i - m - log Σ_j exp(x_j - m),  m = max_j x_j
//
// A line of nothing but -Inf, or with +Inf or NaN in it, gives NaN all along (0/0), as the formula does.
//
// F16 and BF16 are computed in f32 and rounded once.
//
// Operands: x, y.
type Softmax struct {
	Type              DType // F32, F64, F16 or BF16
	Outer, Len, Inner int
	Log               bool
}

// SoftmaxAlong is the softmax of a tensor along one axis (negative: counted from the end).
func SoftmaxAlong(t DType, shape []int, axis int, log bool) (Softmax, error) {
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) {
		return Softmax{}, fmt.Errorf("softmax: axis %d of a tensor of %d axes", axis, len(shape))
	}
	k := Softmax{t, Elems(shape[:axis]), shape[axis], Elems(shape[axis+1:]), log}
	return k, k.Validate()
}

func (k Softmax) shape() []int { return []int{k.Outer, k.Len, k.Inner} }

// Family is "softmax".
func (k Softmax) Family() string { return "softmax" }

// Operands lists x, y.
func (k Softmax) Operands() []Operand {
	return []Operand{{"x", In, k.Type, k.shape()}, {"y", Out, k.Type, k.shape()}}
}

// Validate checks the type and the extents.
func (k Softmax) Validate() error {
	if err := checkFloat("softmax", k.Type); err != nil {
		return err
	}
	return CheckShape("softmax", k.shape(), 0)
}

// Cost counts maximum, subtraction, exponential, sum and quotient.
func (k Softmax) Cost() Cost { return Traffic(k, 5*int64(Elems(k.shape()))) }

// MayAlias allows y over x.
func (k Softmax) MayAlias(out, in int) bool { return out == 1 && in == 0 }

// Tolerance bounds each probability relative to itself, since the largest is at least 1/Len; logarithms also by the size of the
// largest of them.
func (k Softmax) Tolerance() Tolerance {
	e := accumulator(k.Type).Epsilon()
	if k.Log {
		return roundedTo(k.Type, Tolerance{Abs: 16 * e, Rel: 16 * e, Norm: 4 * e})
	}
	return roundedTo(k.Type, Tolerance{Abs: tiny(k.Type), Rel: 64 * e, Norm: 16 * e})
}

// tiny is below which results may be flushed to zero.
func tiny(t DType) float64 {
	if t == F64 {
		return 0x1p-1022
	}
	return 0x1p-126
}

func (k Softmax) String() string { return k.name("softmax") }

func (k Softmax) name(family string) string {
	if k.Log {
		family += " log"
	}
	return fmt.Sprintf("%s %s %s", family, k.Type, dims(k.shape()))
}

// SoftmaxBackward is the gradient of a Softmax, from its output:
//
//	dx_i = y_i·(dy_i - Σ_j y_j·dy_j),  or with Log  dx_i = dy_i - exp(y_i)·Σ_j dy_j
//
// Operands: y, dy, dx.
type SoftmaxBackward struct {
	Of Softmax
}

// Family is "softmax_backward".
func (k SoftmaxBackward) Family() string { return "softmax_backward" }

// Operands lists y, dy, dx.
func (k SoftmaxBackward) Operands() []Operand {
	s := k.Of.shape()
	return []Operand{{"y", In, k.Of.Type, s}, {"dy", In, k.Of.Type, s}, {"dx", Out, k.Of.Type, s}}
}

// Validate checks the softmax.
func (k SoftmaxBackward) Validate() error {
	if err := k.Of.Validate(); err != nil {
		return fmt.Errorf("backward of %w", err)
	}
	return nil
}

// Cost counts the sum, the difference and the product.
func (k SoftmaxBackward) Cost() Cost { return Traffic(k, 4*int64(Elems(k.Of.shape()))) }

// MayAlias allows dx over dy or y.
func (k SoftmaxBackward) MayAlias(out, in int) bool { return out == 2 && in < 2 }

// Tolerance follows the sum, which may cancel.
func (k SoftmaxBackward) Tolerance() Tolerance {
	e := accumulator(k.Of.Type).Epsilon()
	return roundedTo(k.Of.Type, Tolerance{Abs: e * 0x1p-20, Rel: 32 * e, Norm: 64 * e})
}

func (k SoftmaxBackward) String() string { return k.Of.name("softmax_backward") }
