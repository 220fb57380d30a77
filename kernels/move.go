package kernels

import (
	"fmt"
	"math"
	"slices"
)

// View sees part of a dense tensor: element (i0, i1, …) of the view is element Offset + i0·Strides[0] + i1·Strides[1] + … of
// the tensor. Its extents are those of the Move that it belongs to.
type View struct {
	Shape   []int // of the whole tensor, the operand
	Offset  int
	Strides []int // in elements; a source's may be 0 (repeat) or negative (flip)
}

// Dense is the view of a whole tensor.
func Dense(shape []int) View { return View{Shape: shape, Strides: rowMajor(shape)} }

// rowMajor is DenseStrides without its zeros for extents of 1.
func rowMajor(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// Move copies the elements of one view to another, bit for bit:
//
//	dst[view i] = src[view i]  for all i in Shape
//
// Elements of dst outside its view become Fill, or keep their value where Keep is set. This one kernel is transposition, slicing
// with any steps, flipping, repeating, unfolding into windows, padding with a constant, and the gradient of slicing; Transpose,
// Sliced, Flip, Repeat, Tile, PadConstant and Unslice make it.
//
// Operands: src [Src.Shape], dst [Dst.Shape] (InOut with Keep).
type Move struct {
	Type     DType
	Shape    []int // the extents of both views
	Src, Dst View
	Fill     float64
	Keep     bool
}

// Family is "move".
func (k Move) Family() string { return "move" }

// Operands lists src and dst.
func (k Move) Operands() []Operand {
	dir := Out
	if k.Keep {
		dir = InOut
	}
	return []Operand{{"src", In, k.Type, k.Src.Shape}, {"dst", dir, k.Type, k.Dst.Shape}}
}

// Validate checks that both views lie inside their tensors and that no element of dst is written twice.
func (k Move) Validate() error {
	if k.Type.Size() == 0 {
		return fmt.Errorf("move: elements of type %s", k.Type)
	}
	if err := CheckShape("move", k.Shape, 0); err != nil {
		return err
	}
	for _, v := range []struct {
		name string
		View
	}{{"src", k.Src}, {"dst", k.Dst}} {
		if err := CheckShape("move: "+v.name, v.View.Shape, 0); err != nil {
			return err
		}
		if err := v.check(k.Shape); err != nil {
			return fmt.Errorf("move: %s: %w", v.name, err)
		}
	}
	if !k.Dst.injective(k.Shape) {
		return fmt.Errorf("move: dst strides %v with extents %v write an element twice", k.Dst.Strides, k.Shape)
	}
	return nil
}

// check says whether the view, with the given extents, lies inside its tensor.
func (v View) check(extents []int) error {
	if len(v.Strides) != len(extents) {
		return fmt.Errorf("%d strides for %d axes", len(v.Strides), len(extents))
	}
	if Elems(extents) == 0 {
		return nil
	}
	lo, hi, n := v.Offset, v.Offset, Elems(v.Shape)
	for i, s := range v.Strides {
		if s > n || s < -n {
			return fmt.Errorf("stride %d of axis %d is larger than the tensor (%v)", s, i, v.Shape)
		}
		if d := (extents[i] - 1) * s; d < 0 {
			lo += d
		} else {
			hi += d
		}
	}
	if lo < 0 || hi >= n {
		return fmt.Errorf("offset %d and strides %v with extents %v reach elements %d to %d of a tensor of %d", v.Offset, v.Strides, extents, lo, hi, n)
	}
	return nil
}

// injective says whether no two indices meet: sorted by size, each stride steps over all that the smaller ones reach.
func (v View) injective(extents []int) bool {
	if Elems(extents) == 0 {
		return true
	}
	type axis struct{ stride, extent int }
	var axes []axis
	for i, s := range v.Strides {
		if extents[i] > 1 {
			axes = append(axes, axis{max(s, -s), extents[i]})
		}
	}
	slices.SortFunc(axes, func(a, b axis) int { return a.stride - b.stride })
	reach := 0
	for _, a := range axes {
		if a.stride <= reach {
			return false
		}
		reach += a.stride * (a.extent - 1)
	}
	return true
}

// Covers says whether the view of dst holds every element, so that nothing is left to Fill.
func (k Move) Covers() bool { return Elems(k.Shape) == Elems(k.Dst.Shape) }

// Cost counts each moved element once in and once out, and the filled elements once.
func (k Move) Cost() Cost {
	moved := int64(Elems(k.Shape) * k.Type.Size())
	c := Cost{Read: min(moved, int64(k.Operands()[0].Bytes())), Written: moved}
	if !k.Keep {
		c.Written = int64(k.Operands()[1].Bytes())
	}
	return c
}

// Tolerance asks for equal bits.
func (k Move) Tolerance() Tolerance { return Tolerance{} }

func (k Move) String() string {
	s := fmt.Sprintf("move %s %s: %s+%d%v -> %s+%d%v", k.Type, dims(k.Shape),
		dims(k.Src.Shape), k.Src.Offset, k.Src.Strides, dims(k.Dst.Shape), k.Dst.Offset, k.Dst.Strides)
	switch {
	case k.Keep:
		s += " keep"
	case !k.Covers():
		s += fmt.Sprintf(" fill %v", k.Fill)
	}
	return s
}

// Transpose permutes the axes: axis i of the result is axis perm[i] of the source.
func Transpose(t DType, shape, perm []int) (Move, error) {
	seen := make([]bool, len(shape))
	if len(perm) != len(shape) {
		return Move{}, fmt.Errorf("transpose: permutation %v of %d axes", perm, len(shape))
	}
	src := Dense(shape)
	out, strides := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		if p < 0 || p >= len(shape) || seen[p] {
			return Move{}, fmt.Errorf("transpose: %v is no permutation of %d axes", perm, len(shape))
		}
		seen[p] = true
		out[i], strides[i] = shape[p], src.Strides[p]
	}
	src.Strides = strides
	return Move{Type: t, Shape: out, Src: src, Dst: Dense(out)}, nil
}

// Range selects the elements Start, Start+Step, … of an axis, Count of them. Step may be negative, but not 0.
type Range struct{ Start, Count, Step int }

// Sliced takes a range of every axis.
func Sliced(t DType, shape []int, r []Range) (Move, error) {
	v, out, err := sliceView(shape, r)
	if err != nil {
		return Move{}, fmt.Errorf("slice: %w", err)
	}
	return Move{Type: t, Shape: out, Src: v, Dst: Dense(out)}, nil
}

// Unslice is the gradient of a slice: a tensor of shape that holds the source in the given ranges, and 0 elsewhere.
func Unslice(t DType, shape []int, r []Range) (Move, error) {
	v, in, err := sliceView(shape, r)
	if err != nil {
		return Move{}, fmt.Errorf("unslice: %w", err)
	}
	return Move{Type: t, Shape: in, Src: Dense(in), Dst: v}, nil
}

func sliceView(shape []int, r []Range) (View, []int, error) {
	v := Dense(shape)
	if len(r) != len(shape) {
		return v, nil, fmt.Errorf("%d ranges for shape %v", len(r), shape)
	}
	extents := make([]int, len(r))
	for i, x := range r {
		last := x.Start + (x.Count-1)*x.Step
		if x.Step == 0 || x.Count < 0 || x.Count > 0 && (min(x.Start, last) < 0 || max(x.Start, last) >= shape[i]) {
			return v, nil, fmt.Errorf("axis %d of shape %v: range of %d from %d by %d", i, shape, x.Count, x.Start, x.Step)
		}
		extents[i] = x.Count
		if x.Count > 0 {
			v.Offset += x.Start * v.Strides[i]
		}
		v.Strides[i] *= x.Step
	}
	if Elems(extents) == 0 {
		v.Offset = 0
	}
	return v, extents, nil
}

// Flip reverses the given axes.
func Flip(t DType, shape []int, axes ...int) (Move, error) {
	r := make([]Range, len(shape))
	for i, n := range shape {
		r[i] = Range{0, n, 1}
	}
	for _, a := range axes {
		if a < 0 || a >= len(shape) {
			return Move{}, fmt.Errorf("flip: axis %d of shape %v", a, shape)
		}
		r[a] = Range{max(shape[a]-1, 0), shape[a], -1}
	}
	return Sliced(t, shape, r)
}

// Repeat repeats each element n times along an axis: [a b] becomes [a a b b]. The result's shape has that axis n times longer.
func Repeat(t DType, shape []int, axis, n int) (Move, error) { return repeat(t, shape, axis, n, 1) }

// Tile repeats the whole of an axis n times: [a b] becomes [a b a b].
func Tile(t DType, shape []int, axis, n int) (Move, error) { return repeat(t, shape, axis, n, 0) }

func repeat(t DType, shape []int, axis, n, inner int) (Move, error) {
	if axis < 0 || axis >= len(shape) || n < 0 {
		return Move{}, fmt.Errorf("repeat: %d times along axis %d of shape %v", n, axis, shape)
	}
	src := Dense(shape)
	view := slices.Insert(slices.Clone(shape), axis+inner, n)
	src.Strides = slices.Insert(src.Strides, axis+inner, 0)
	out := slices.Clone(shape)
	out[axis] *= n
	return Move{Type: t, Shape: view, Src: src, Dst: View{Shape: out, Strides: rowMajor(view)}}, nil
}

// PadConstant surrounds a tensor with before[i] and after[i] elements of a value along axis i. Its gradient is a Sliced.
func PadConstant(t DType, shape, before, after []int, value float64) (Move, error) {
	out, err := padded("pad", shape, before, after)
	if err != nil {
		return Move{}, err
	}
	dst := Dense(out)
	for i, b := range before {
		dst.Offset += b * dst.Strides[i]
	}
	return Move{Type: t, Shape: shape, Src: Dense(shape), Dst: dst, Fill: value}, nil
}

// padded is the shape after padding.
func padded(what string, shape, before, after []int) ([]int, error) {
	if len(before) != len(shape) || len(after) != len(shape) {
		return nil, fmt.Errorf("%s: %d and %d pads for shape %v", what, len(before), len(after), shape)
	}
	out := make([]int, len(shape))
	for i, n := range shape {
		if before[i] < 0 || after[i] < 0 || before[i] > math.MaxInt32 || after[i] > math.MaxInt32 {
			return nil, fmt.Errorf("%s: axis %d: pads %d and %d: want 0 or more (slice to make a tensor smaller)", what, i, before[i], after[i])
		}
		out[i] = before[i] + n + after[i]
	}
	return out, nil
}
