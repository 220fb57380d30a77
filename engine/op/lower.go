package op

import (
	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Operator is a graph operator that becomes kernel calls.
type Operator interface {
	gorgonia.Op
	// Lower emits the calls that compute the operator's outputs from its inputs. It may be called for each plan
	// that the operator is compiled into.
	Lower(l Lowering) error
}

// Part is implemented by operators that compute several tensors at once, such as a normalisation's output and statistics, or all
// the gradients of one backward pass. Gorgonia's operators have one output each; nodes with equal Group and equal
// inputs are lowered together, once, each being one output of the whole.
type Part interface {
	Operator
	// Part returns the group's identity, which output of it this operator is, and how many there are.
	Part() (group string, index, outputs int)
	// PartShape is the type and shape of output i of the group, for inputs of the given shapes.
	PartShape(i int, inputs []Tensor) (kernels.DType, []int, error)
}

// Tensor names a value of the plan under construction. Views of one value share its ID.
type Tensor struct {
	ID    int
	Type  kernels.DType
	Shape []int
}

// Elems is the number of elements.
func (t Tensor) Elems() int { return kernels.Elems(t.Shape) }

// Reshape sees the same elements in another shape of equal size.
func (t Tensor) Reshape(shape ...int) Tensor { t.Shape = shape; return t }

// Lowering is the machine's side of Lower.
type Lowering interface {
	// Training says whether the plan is for training (dropout drops, batch normalisation uses and updates statistics).
	Training() bool
	// In is input i of the operator.
	In(i int) Tensor
	// Inputs is the number of inputs.
	Inputs() int
	// Out is output i: 0, but for operators that are a Part.
	Out(i int) Tensor
	// Used says whether anything reads output i. An unused output may still be passed to a call.
	Used(i int) bool
	// Temp makes an intermediate tensor.
	Temp(t kernels.DType, shape ...int) Tensor
	// Const makes a tensor of constants, converted to type t.
	Const(t kernels.DType, shape []int, values []float64) Tensor
	// Counter is the random counter: a U64[2] tensor of the run's seed and the number of the step, which the machine advances with
	// every run. Kernels that draw random numbers take it as an operand, beside a stream number of their own.
	Counter() Tensor
	// Emit appends a call of k. Each tensor is written by one call only, but for In tensors passed as InOut operands: those
	// are state (running statistics, weights) and are updated in place.
	Emit(k kernels.Kernel, args ...Tensor)
	// Alias makes output i the same memory as t, reshaped.
	Alias(i int, t Tensor)
}
