package kernels

import "fmt"

// NoIndex is the index that stands for no row: padding in a sequence, a label to be ignored. Every other index outside
// [0, extent) is an error: Run returns it (on devices with a queue, Sync), naming position and value; outputs are then undefined.
const NoIndex = -1

// IndexError is the error for an index out of range.
func IndexError(k Kernel, position, value, extent int) error {
	return fmt.Errorf("%s: index %d at position %d: want 0 to %d, or %d for none", k.Family(), value, position, extent-1, NoIndex)
}

func checkIndexed(what string, t, index DType, shape ...int) error {
	if t.Size() == 0 {
		return fmt.Errorf("%s: elements of type %s", what, t)
	}
	if index != I32 && index != I64 {
		return fmt.Errorf("%s: indices of type %s: want i32 or i64", what, index)
	}
	return CheckShape(what, shape, 0)
}

// Gather picks rows along an axis:
//
//	out[o, n, i] = src[o, index[n], i]      (index[o, n] if Batched)
//
// with o over the extents before the axis and i over those after it. NoIndex gives zeros. An embedding is a Gather with Outer = 1
// of a table's rows; taking along the last axis (np.take_along_axis) is a Batched one with Inner = 1. Its gradient is a ScatterAdd.
//
// Operands: index [Count] or [Outer, Count], src [Outer, Extent, Inner], out [Outer, Count, Inner].
type Gather struct {
	Type, Index          DType // Index is I32 or I64
	Outer, Extent, Inner int
	Count                int
	Batched              bool
}

// Embedding picks count rows of a table of rows × width.
func Embedding(t, index DType, rows, width, count int) Gather {
	return Gather{Type: t, Index: index, Outer: 1, Extent: rows, Inner: width, Count: count}
}

// Family is "gather".
func (k Gather) Family() string { return "gather" }

// Operands lists index, src and out.
func (k Gather) Operands() []Operand {
	return []Operand{
		{"index", In, k.Index, indexShape(k.Batched, k.Outer, k.Count)},
		{"src", In, k.Type, []int{k.Outer, k.Extent, k.Inner}},
		{"out", Out, k.Type, []int{k.Outer, k.Count, k.Inner}},
	}
}

func indexShape(batched bool, outer, count int) []int {
	if batched {
		return []int{outer, count}
	}
	return []int{count}
}

// Validate checks types and extents.
func (k Gather) Validate() error {
	if err := checkIndexed("gather", k.Type, k.Index, k.Outer, k.Extent, k.Inner); err != nil {
		return err
	}
	return CheckShape("gather", []int{k.Outer, k.Count, k.Inner}, 0)
}

// Cost counts the rows that are read and written.
func (k Gather) Cost() Cost {
	out := int64(k.Outer * k.Count * k.Inner * k.Type.Size())
	return Cost{Read: out + int64(k.Operands()[0].Bytes()), Written: out}
}

// Tolerance asks for equal bits.
func (k Gather) Tolerance() Tolerance { return Tolerance{} }

func (k Gather) String() string {
	return fmt.Sprintf("gather %s by %s %dx%dx%d count %d batched %t", k.Type, k.Index, k.Outer, k.Extent, k.Inner, k.Count, k.Batched)
}

// ScatterAdd adds rows to the places that indices name, always in ascending order of n, so that its result does not depend on the device's
// parallelism:
//
//	out[o, index[n], i] += src[o, n, i]      (index[o, n] if Batched)
//
// starting from zeros, or from out's value if Into is set. NoIndex drops its row. It is the gradient of Gather; its own is a Gather.
//
// Operands: index [Count] or [Outer, Count], src [Outer, Count, Inner], out [Outer, Extent, Inner] (InOut if Into).
type ScatterAdd struct {
	Type, Index          DType // Type is F32 or F64
	Outer, Extent, Inner int
	Count                int
	Batched              bool
	Into                 bool
}

// Family is "scatter_add".
func (k ScatterAdd) Family() string { return "scatter_add" }

// Operands lists index, src and out.
func (k ScatterAdd) Operands() []Operand {
	dir := Out
	if k.Into {
		dir = InOut
	}
	return []Operand{
		{"index", In, k.Index, indexShape(k.Batched, k.Outer, k.Count)},
		{"src", In, k.Type, []int{k.Outer, k.Count, k.Inner}},
		{"out", dir, k.Type, []int{k.Outer, k.Extent, k.Inner}},
	}
}

// Validate checks types and extents.
func (k ScatterAdd) Validate() error {
	if k.Type != F32 && k.Type != F64 {
		return fmt.Errorf("scatter-add: adds f32 or f64, not %s", k.Type)
	}
	if err := checkIndexed("scatter-add", k.Type, k.Index, k.Outer, k.Extent, k.Inner); err != nil {
		return err
	}
	return CheckShape("scatter-add", []int{k.Outer, k.Count, k.Inner}, 0)
}

// Cost counts an addition an element of src; a start from zeros writes the whole of out besides.
func (k ScatterAdd) Cost() Cost {
	n := int64(k.Outer * k.Count * k.Inner)
	b := n * int64(k.Type.Size())
	c := Cost{FLOPs: n, Read: 2*b + int64(k.Operands()[0].Bytes()), Written: b}
	if !k.Into {
		c.Written += int64(k.Operands()[2].Bytes())
	}
	return c
}

// Tolerance covers sums of Count numbers of unit scale.
func (k ScatterAdd) Tolerance() Tolerance {
	e := k.Type.Epsilon()
	return Tolerance{Abs: e * float64(4+k.Count), Rel: 4 * e}
}

func (k ScatterAdd) String() string {
	return fmt.Sprintf("scatter_add %s by %s %dx%dx%d count %d batched %t into %t", k.Type, k.Index, k.Outer, k.Extent, k.Inner, k.Count, k.Batched, k.Into)
}

// OneHot writes On at each label's place in a row and Off elsewhere:
//
//	out[n, c] = c == index[n] ? On : Off
//
// NoIndex gives a row of Off. Smoothed labels are a matter of On and Off.
//
// Operands: index [Count], out [Count, Classes].
type OneHot struct {
	Type, Index    DType
	Count, Classes int
	On, Off        float64
}

// Family is "one_hot".
func (k OneHot) Family() string { return "one_hot" }

// Operands lists index and out.
func (k OneHot) Operands() []Operand {
	return []Operand{{"index", In, k.Index, []int{k.Count}}, {"out", Out, k.Type, []int{k.Count, k.Classes}}}
}

// Validate checks types and extents.
func (k OneHot) Validate() error {
	return checkIndexed("one-hot", k.Type, k.Index, k.Count, k.Classes)
}

// Cost counts the rows written.
func (k OneHot) Cost() Cost { return Traffic(k, 0) }

// Tolerance asks for equal bits.
func (k OneHot) Tolerance() Tolerance { return Tolerance{} }

func (k OneHot) String() string {
	return fmt.Sprintf("one_hot %s by %s %dx%d on %v off %v", k.Type, k.Index, k.Count, k.Classes, k.On, k.Off)
}
