package kernels

import (
	"fmt"
	"math"
	"strings"
)

// Kernel is one unit of work on tensors.
//
// String must be canonical: it spells every field that changes the result or the operands, so that equal strings mean
// equal work. The machine uses it to find common sub-expressions, devices to cache what they prepared.
type Kernel interface {
	fmt.Stringer
	// Family is the name of the kernel type in lower case, such as "gemm" or "conv_backward_data".
	Family() string
	// Operands lists the tensors in the order in which a call passes them. It may only be asked of a valid kernel.
	Operands() []Operand
	// Validate says what is wrong with the kernel's fields: what was given and what is allowed.
	Validate() error
	// Cost counts the arithmetic and the traffic of one call.
	Cost() Cost
	// Tolerance is how far a device's result may lie from the reference.
	Tolerance() Tolerance
}

// InPlace is implemented by kernels that may write an output over an input.
type InPlace interface {
	// MayAlias says whether output operand out may occupy exactly the memory of input operand in.
	MayAlias(out, in int) bool
}

// Dir says how a call uses an operand.
type Dir uint8

// The directions. An InOut operand is state that the call updates, such as a weight in an optimiser's step.
const (
	In Dir = iota
	Out
	InOut
)

func (d Dir) String() string { return [...]string{"in", "out", "inout"}[d] }

// Operand describes one tensor of a call.
type Operand struct {
	Name  string
	Dir   Dir
	Type  DType
	Shape []int // row-major; empty for a scalar
}

// Elems is the number of elements; 1 for a scalar.
func (o Operand) Elems() int { return Elems(o.Shape) }

// Bytes is the size of the operand.
func (o Operand) Bytes() int { return o.Elems() * o.Type.Size() }

func (o Operand) String() string { return fmt.Sprintf("%s %s%v", o.Name, o.Type, o.Shape) }

// Elems is the number of elements of a shape; 1 for the empty shape.
func Elems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// CheckShape returns an error unless every extent is at least min and the element count and its bytes fit in an int.
func CheckShape(what string, shape []int, min int) error {
	n := 1
	for i, d := range shape {
		if d < min {
			return fmt.Errorf("%s: extent %d of shape %v is %d, want at least %d", what, i, shape, d, min)
		}
		if d > 0 && n > math.MaxInt/16/d {
			return fmt.Errorf("%s: shape %v has too many elements", what, shape)
		}
		if d > 0 {
			n *= d
		}
	}
	return nil
}

// Cost is the work of one call by the standard count: a multiply-add is two operations, algorithmic savings
// (Winograd, recomputation) are not credited, and each operand crosses memory once.
type Cost struct {
	FLOPs   int64
	Read    int64 // bytes
	Written int64 // bytes
}

// Add returns the sum of two costs.
func (c Cost) Add(d Cost) Cost {
	return Cost{c.FLOPs + d.FLOPs, c.Read + d.Read, c.Written + d.Written}
}

// Bytes is the traffic in both directions.
func (c Cost) Bytes() int64 { return c.Read + c.Written }

// Traffic fills in the bytes that k's operands move, beside the given operation count.
func Traffic(k Kernel, flops int64) Cost {
	c := Cost{FLOPs: flops}
	for _, o := range k.Operands() {
		b := int64(o.Bytes())
		if o.Dir != Out {
			c.Read += b
		}
		if o.Dir != In {
			c.Written += b
		}
	}
	return c
}

// Tolerance bounds |got-want| of each element by Abs + Rel*|want| + Norm*max|want| (the maximum over the finite elements of the output).
// The zero Tolerance asks for equal bits (any NaN equals any NaN).
type Tolerance struct {
	Abs, Rel, Norm float64
}

// Within says whether got lies close enough to want, where norm is max|want| over the output.
func (t Tolerance) Within(got, want, norm float64) bool {
	if math.IsNaN(want) || math.IsNaN(got) {
		return math.IsNaN(want) && math.IsNaN(got)
	}
	if math.IsInf(want, 0) || math.IsInf(got, 0) {
		return got == want
	}
	return math.Abs(got-want) <= t.Abs+t.Rel*math.Abs(want)+t.Norm*norm
}

// dims writes a shape as 2x3x4 for canonical names; "1" for a scalar.
func dims(shape []int) string {
	if len(shape) == 0 {
		return "1"
	}
	var b strings.Builder
	for i, d := range shape {
		if i > 0 {
			b.WriteByte('x')
		}
		fmt.Fprint(&b, d)
	}
	return b.String()
}
