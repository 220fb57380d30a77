package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// moved makes the node of a move and, for floating-point types, its gradient: back is the adjoint of the move.
func moved(k kernels.Move, err error, x *gorgonia.Node, back func(dy *gorgonia.Node) (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	if err != nil {
		return nil, err
	}
	var wrt []bool
	if k.Type.Float() {
		wrt = all(1)
	}
	return call(k, k.Dst.Shape, wrt, func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := back(dy)
		return gorgonia.Nodes{d}, err
	}, x)
}

// Transpose permutes the axes: axis i of the result is axis perm[i] of x. Without perm the axes are reversed.
func Transpose(x *gorgonia.Node, perm ...int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("transpose: %w", err)
	}
	if len(perm) == 0 {
		for i := range in.shape {
			perm = append(perm, len(in.shape)-1-i)
		}
	}
	perm = slices.Clone(perm)
	k, err := kernels.Transpose(in.typ, in.shape, perm)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) {
		inverse := make([]int, len(perm))
		for i, p := range perm {
			inverse[p] = i
		}
		return Transpose(dy, inverse...)
	})
}

// ToNHWC moves the channels of x [N, C, spatial…] to the end, which is how every operator of this package wants them.
func ToNHWC(x *gorgonia.Node) (*gorgonia.Node, error) {
	n := x.Dims()
	if n < 3 {
		return nil, fmt.Errorf("to channels-last: shape %v: want [N, C, spatial…]", x.Shape())
	}
	perm := []int{0}
	for i := 2; i < n; i++ {
		perm = append(perm, i)
	}
	return Transpose(x, append(perm, 1)...)
}

// ToNCHW moves the channels of x [N, spatial…, C] to the second place.
func ToNCHW(x *gorgonia.Node) (*gorgonia.Node, error) {
	n := x.Dims()
	if n < 3 {
		return nil, fmt.Errorf("to channels-first: shape %v: want [N, spatial…, C]", x.Shape())
	}
	perm := []int{0, n - 1}
	for i := 1; i < n-1; i++ {
		perm = append(perm, i)
	}
	return Transpose(x, perm...)
}

// Range selects the elements Start, Start+Step, … of an axis, Count of them; Step may be negative.
type Range = kernels.Range

// Slice takes a range of every axis.
func Slice(x *gorgonia.Node, ranges ...Range) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("slice: %w", err)
	}
	ranges = slices.Clone(ranges)
	k, err := kernels.Sliced(in.typ, in.shape, ranges)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) { return unslice(dy, in.shape, ranges) })
}

// unslice puts x into the given ranges of a tensor of zeros.
func unslice(x *gorgonia.Node, shape []int, ranges []Range) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, err
	}
	k, err := kernels.Unslice(in.typ, shape, ranges)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) { return Slice(dy, ranges...) })
}

// whole is the ranges that select all of a shape.
func whole(shape []int) []Range {
	r := make([]Range, len(shape))
	for i, n := range shape {
		r[i] = Range{Count: n, Step: 1}
	}
	return r
}

// SliceAxis takes the elements from up to, but without, to along one axis.
func SliceAxis(x *gorgonia.Node, axis, from, to int) (*gorgonia.Node, error) {
	s := x.Shape()
	axis, err := normalAxis("slice", axis, len(s))
	if err != nil {
		return nil, err
	}
	if from < 0 || to < from || to > s[axis] {
		return nil, fmt.Errorf("slice: elements %d to %d of axis %d of shape %v", from, to, axis, s)
	}
	r := whole(s)
	r[axis] = Range{Start: from, Count: to - from, Step: 1}
	return Slice(x, r...)
}

// Split cuts x along an axis into parts of the given extents, which together are the whole axis.
func Split(x *gorgonia.Node, axis int, extents ...int) (gorgonia.Nodes, error) {
	s := x.Shape()
	axis, err := normalAxis("split", axis, len(s))
	if err != nil {
		return nil, err
	}
	parts := make(gorgonia.Nodes, len(extents))
	at := 0
	for i, n := range extents {
		if parts[i], err = SliceAxis(x, axis, at, at+n); err != nil {
			return nil, fmt.Errorf("split %v: part %d: %w", extents, i, err)
		}
		at += n
	}
	if at != s[axis] {
		return nil, fmt.Errorf("split: parts %v make %d, axis %d of %v has %d", extents, at, axis, s, s[axis])
	}
	return parts, nil
}

// Flip reverses the given axes.
func Flip(x *gorgonia.Node, axes ...int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("flip: %w", err)
	}
	axes = slices.Clone(axes)
	k, err := kernels.Flip(in.typ, in.shape, axes...)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) { return Flip(dy, axes...) })
}

// Repeat repeats each element n times along an axis: [a b] becomes [a a b b].
func Repeat(x *gorgonia.Node, axis, n int) (*gorgonia.Node, error) {
	return repeated("repeat", x, axis, n, kernels.Repeat, 1)
}

// Tile repeats the whole of an axis n times: [a b] becomes [a b a b].
func Tile(x *gorgonia.Node, axis, n int) (*gorgonia.Node, error) {
	return repeated("tile", x, axis, n, kernels.Tile, 0)
}

// repeated is Repeat or Tile; the copies lie along an axis of their own, inner places behind the given one, which the gradient sums.
func repeated(what string, x *gorgonia.Node, axis, n int, make func(kernels.DType, []int, int, int) (kernels.Move, error), inner int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if axis, err = normalAxis(what, axis, len(in.shape)); err != nil {
		return nil, err
	}
	k, err := make(in.typ, in.shape, axis, n)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) {
		dy, err := Reshape(dy, slices.Insert(slices.Clone(in.shape), axis+inner, n)...)
		if err != nil {
			return nil, err
		}
		return Sum(dy, false, axis+inner)
	})
}

// Pad surrounds x with before[i] and after[i] elements of a value along axis i.
func Pad(x *gorgonia.Node, before, after []int, value float64) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("pad: %w", err)
	}
	k, err := kernels.PadConstant(in.typ, in.shape, before, after, value)
	return moved(k, err, x, func(dy *gorgonia.Node) (*gorgonia.Node, error) {
		r := whole(in.shape)
		for i, b := range before {
			r[i].Start = b
		}
		return Slice(dy, r...)
	})
}

// PadMode says where the elements of a border come from.
type PadMode = kernels.PadMode

// PadWith surrounds x with a border made of its own elements.
func PadWith(x *gorgonia.Node, mode PadMode, before, after []int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("pad: %w", err)
	}
	return padWith(kernels.Pad{Type: in.typ, Mode: mode, Shape: in.shape, Before: slices.Clone(before), After: slices.Clone(after)}, x)
}

func padWith(k kernels.Pad, x *gorgonia.Node) (*gorgonia.Node, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return call(k, k.OutShape(), all(1), func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := call(kernels.PadBackward{Pad: k}, k.Shape, all(1), func(_ gorgonia.Nodes, _, ddx *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := padWith(k, ddx)
			return gorgonia.Nodes{d}, err
		}, dy)
		return gorgonia.Nodes{d}, err
	}, x)
}

// Concat joins tensors along an axis.
func Concat(axis int, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(x) == 0 {
		return nil, fmt.Errorf("concat: nothing to join")
	}
	shapes := make([][]int, len(x))
	var t kernels.DType
	for i, n := range x {
		in, err := kindOf(n)
		if err != nil {
			return nil, fmt.Errorf("concat: part %d: %w", i, err)
		}
		if i > 0 && in.typ != t {
			return nil, fmt.Errorf("concat: part %d is %s, part 0 is %s", i, in.typ, t)
		}
		t, shapes[i] = in.typ, in.shape
	}
	axis, err := normalAxis("concat", axis, len(shapes[0]))
	if err != nil {
		return nil, err
	}
	k, err := kernels.NewConcat(t, axis, shapes...)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(shapes[0])
	shape[axis] = k.Total()
	var wrt []bool
	if t.Float() {
		wrt = all(len(x))
	}
	return call(k, shape, wrt, func(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		ds := make(gorgonia.Nodes, len(x))
		at := 0
		for i, n := range k.Parts {
			if need[i] {
				if ds[i], err = SliceAxis(dy, axis, at, at+n); err != nil {
					return nil, err
				}
			}
			at += n
		}
		return ds, nil
	}, x...)
}

// Stack joins tensors of one shape along a new axis.
func Stack(axis int, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	wide := make([]*gorgonia.Node, len(x))
	for i, n := range x {
		if n == nil {
			return nil, fmt.Errorf("stack: part %d is nil", i)
		}
		s := []int(n.Shape())
		if axis < 0 || axis > len(s) {
			return nil, fmt.Errorf("stack: new axis %d of shape %v: want 0 to %d", axis, s, len(s))
		}
		var err error
		if wide[i], err = Reshape(n, slices.Insert(slices.Clone(s), axis, 1)...); err != nil {
			return nil, err
		}
	}
	return Concat(axis, wide...)
}
