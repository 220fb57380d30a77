package kernels

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// ReduceOp is a way to reduce a set of numbers to one.
type ReduceOp uint8

// The reductions. The result over no elements is given in brackets.
const (
	ReduceSum       ReduceOp = iota // Σ x [0]
	ReduceMean                      // Σ x / n [NaN]
	ReduceMax                       // NaN if any is NaN [-Inf]
	ReduceMin                       // NaN if any is NaN [+Inf]
	ReduceProd                      // Π x [1]
	ReduceL1                        // Σ |x| [0]
	ReduceL2                        // sqrt(Σ x²) [0]
	ReduceSumSq                     // Σ x² [0]
	ReduceLogSumExp                 // m + log Σ exp(x-m), m = max x; without overflow [-Inf]
	numReduceOps
)

var reduceOps = [numReduceOps]string{"sum", "mean", "max", "min", "prod", "l1", "l2", "sumsq", "logsumexp"}

func (o ReduceOp) String() string {
	if o >= numReduceOps {
		return fmt.Sprintf("reduceop(%d)", uint8(o))
	}
	return reduceOps[o]
}

// Reduce reduces a tensor over a set of axes. The output is dense over the axes that are kept, in their order; whether a
// reduced axis stays as an extent of 1 is a matter of the caller's shapes. With no axis each element is reduced by itself.
//
// Sums are blocked: F32 lanes inside a block, F64 across blocks, in an order that depends on the shape alone, so that the
// error grows with the length of a block and not with that of the axis, and any number of threads gives equal bits. What overflows inside
// a block (squares from 1e19 on in F32) is infinite. Elements of F16 and BF16 are reduced as F32, and the result is rounded once.
//
// Operands: in [Shape], out [kept extents].
type Reduce struct {
	Op      ReduceOp
	Type    DType // of the input: F32, F64, F16 or BF16
	OutType DType // of the output: Invalid means Type; F32 is allowed with F16 and BF16 too
	Shape   []int
	Axes    []int // ascending
}

// ResultType is the type of the output.
func (k Reduce) ResultType() DType {
	if k.OutType == Invalid {
		return k.Type
	}
	return k.OutType
}

// Family is "reduce".
func (k Reduce) Family() string { return "reduce" }

// OutShape lists the kept extents.
func (k Reduce) OutShape() []int {
	out := []int{}
	for d, n := range k.Shape {
		if !slices.Contains(k.Axes, d) {
			out = append(out, n)
		}
	}
	return out
}

// Count is the number of elements that make one output.
func (k Reduce) Count() int {
	n := 1
	for _, d := range k.Axes {
		n *= k.Shape[d]
	}
	return n
}

// Operands lists in and out.
func (k Reduce) Operands() []Operand {
	return []Operand{{"in", In, k.Type, k.Shape}, {"out", Out, k.ResultType(), k.OutShape()}}
}

// Validate checks the types, the shape and the axes.
func (k Reduce) Validate() error {
	if k.Op >= numReduceOps {
		return fmt.Errorf("reduce: unknown operation %s", k.Op)
	}
	if err := checkFloat("reduce "+k.Op.String(), k.Type); err != nil {
		return err
	}
	if out := k.ResultType(); out != k.Type && out != accumulator(k.Type) {
		return fmt.Errorf("reduce %s: results of type %s from %s: want %s or %s", k.Op, out, k.Type, k.Type, accumulator(k.Type))
	}
	if err := CheckShape("reduce", k.Shape, 0); err != nil {
		return err
	}
	last := -1
	for _, d := range k.Axes {
		if d < 0 || d >= len(k.Shape) {
			return fmt.Errorf("reduce %s: axis %d of shape %v: want 0 to %d", k.Op, d, k.Shape, len(k.Shape)-1)
		}
		if d <= last {
			return fmt.Errorf("reduce %s: axes %v: want ascending, each once", k.Op, k.Axes)
		}
		last = d
	}
	return nil
}

// Cost counts one operation an element, two where it is squared or exponentiated first.
func (k Reduce) Cost() Cost {
	per := int64(1)
	switch k.Op {
	case ReduceL2, ReduceSumSq, ReduceLogSumExp:
		per = 2
	}
	return Traffic(k, per*int64(Elems(k.Shape)))
}

// Tolerance supposes inputs of unit scale: a sum of n such numbers may cancel, and its error is then relative to the terms, not
// to the sum. The maximum and the minimum are exact.
func (k Reduce) Tolerance() Tolerance {
	if k.Op == ReduceMax || k.Op == ReduceMin {
		return Tolerance{Abs: math.SmallestNonzeroFloat64} // equal, but for the sign of a zero
	}
	return roundedTo(k.ResultType(), k.tolerance())
}

// tolerance is that of results in the type of the sums.
func (k Reduce) tolerance() Tolerance {
	e, n := accumulator(k.Type).Epsilon(), float64(max(k.Count(), 1))
	switch k.Op {
	case ReduceSum:
		return Tolerance{Abs: 8 * e * math.Sqrt(n), Rel: 16 * e}
	case ReduceMean:
		return Tolerance{Abs: 8 * e / math.Sqrt(n), Rel: 16 * e}
	case ReduceProd: // one rounding a factor
		return Tolerance{Rel: 4 * e * n}
	case ReduceLogSumExp: // the sum's relative error is the logarithm's absolute error
		return Tolerance{Abs: 16 * e, Rel: 16 * e}
	}
	return Tolerance{Abs: e * 0x1p-20, Rel: 4 * e * float64(8+bits.Len(uint(n)))}
}

func (k Reduce) String() string {
	to := ""
	if k.ResultType() != k.Type {
		to = " to " + k.OutType.String()
	}
	return fmt.Sprintf("reduce %s %s%s %s over %v", k.Op, k.Type, to, dims(k.Shape), k.Axes)
}

// ArgReduce finds, along one axis, the position of the maximum or the minimum. Among equal elements the first wins (+0 and
// -0 are equal). A NaN beats every number, as in NumPy: the position of the first NaN is the result.
// To search a whole tensor, give it a shape of one axis.
//
// Operands: in [Shape], out [Shape without Axis] of type Index.
type ArgReduce struct {
	Min   bool  // the minimum instead of the maximum
	Type  DType // of the input: F32, F64, F16 or BF16
	Index DType // of the output: I32 or I64
	Shape []int
	Axis  int
}

// Family is "argreduce".
func (k ArgReduce) Family() string { return "argreduce" }

// OutShape is Shape without Axis.
func (k ArgReduce) OutShape() []int {
	return slices.Delete(slices.Clone(k.Shape), k.Axis, k.Axis+1)
}

// Operands lists in and out.
func (k ArgReduce) Operands() []Operand {
	return []Operand{{"in", In, k.Type, k.Shape}, {"out", Out, k.Index, k.OutShape()}}
}

// Validate checks types, shape and axis. An axis of no elements has no largest one, so it is refused unless the output is empty.
func (k ArgReduce) Validate() error {
	if err := checkFloat(k.name(), k.Type); err != nil {
		return err
	}
	if k.Index != I32 && k.Index != I64 {
		return fmt.Errorf("%s: gives i32 or i64, not %s", k.name(), k.Index)
	}
	if err := CheckShape(k.name(), k.Shape, 0); err != nil {
		return err
	}
	if k.Axis < 0 || k.Axis >= len(k.Shape) {
		return fmt.Errorf("%s: axis %d of shape %v: want 0 to %d", k.name(), k.Axis, k.Shape, len(k.Shape)-1)
	}
	n := k.Shape[k.Axis]
	if n == 0 && Elems(k.OutShape()) > 0 {
		return fmt.Errorf("%s: axis %d of shape %v has no elements to choose from", k.name(), k.Axis, k.Shape)
	}
	if k.Index == I32 && n > math.MaxInt32 {
		return fmt.Errorf("%s: axis %d has %d elements, more than i32 can number: use i64", k.name(), k.Axis, n)
	}
	return nil
}

// Cost counts one comparison an element.
func (k ArgReduce) Cost() Cost { return Traffic(k, int64(Elems(k.Shape))) }

// Tolerance asks for the exact position.
func (k ArgReduce) Tolerance() Tolerance { return Tolerance{} }

func (k ArgReduce) name() string {
	if k.Min {
		return "argmin"
	}
	return "argmax"
}

func (k ArgReduce) String() string {
	return fmt.Sprintf("%s %s to %s %s over %d", k.name(), k.Type, k.Index, dims(k.Shape), k.Axis)
}
