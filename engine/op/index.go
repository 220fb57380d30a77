package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// indices checks the type of an index tensor: int32, int or int64. The index -1 stands for none; any other outside the axis makes the run fail.
func indices(what string, index *gorgonia.Node) (kind, error) {
	k, err := kindOf(index)
	if err != nil {
		return k, fmt.Errorf("%s: index: %w", what, err)
	}
	if k.typ != kernels.I32 && k.typ != kernels.I64 {
		return k, fmt.Errorf("%s: index is %s; want int32, int or int64", what, k.typ)
	}
	return k, nil
}

// Gather picks rows of x along an axis: the result's shape is x's with the axis replaced by the index's shape. Index -1 gives zeros.
func Gather(x, index *gorgonia.Node, axis int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("gather: %w", err)
	}
	ix, err := indices("gather", index)
	if err != nil {
		return nil, err
	}
	if axis, err = normalAxis("gather", axis, len(in.shape)); err != nil {
		return nil, err
	}
	k := kernels.Gather{Type: in.typ, Index: ix.typ, Outer: kernels.Elems(in.shape[:axis]), Extent: in.shape[axis],
		Inner: kernels.Elems(in.shape[axis+1:]), Count: kernels.Elems(ix.shape)}
	shape := slices.Concat(in.shape[:axis], ix.shape, in.shape[axis+1:])
	return gather(k, index, x, in.shape, shape)
}

// Embedding picks rows of a table [rows, width]: the result's shape is the index's with the width behind it. Index -1 gives zeros.
func Embedding(table, index *gorgonia.Node) (*gorgonia.Node, error) {
	if table == nil || table.Dims() != 2 {
		return nil, fmt.Errorf("embedding: the table is %v; want a matrix [rows, width]", table)
	}
	return Gather(table, index, 0)
}

func gather(k kernels.Gather, index, x *gorgonia.Node, in, out []int) (*gorgonia.Node, error) {
	wrt := []bool{false, k.Type == kernels.F32 || k.Type == kernels.F64}
	return call(k, out, wrt, func(x gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		b := kernels.ScatterAdd{Type: k.Type, Index: k.Index, Outer: k.Outer, Extent: k.Extent, Inner: k.Inner, Count: k.Count, Batched: k.Batched}
		d, err := scatter(b, x[0], dy, out, in)
		return gorgonia.Nodes{nil, d}, err
	}, index, x)
}

func scatter(k kernels.ScatterAdd, index, x *gorgonia.Node, in, out []int) (*gorgonia.Node, error) {
	return call(k, out, []bool{false, true}, func(x gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		b := kernels.Gather{Type: k.Type, Index: k.Index, Outer: k.Outer, Extent: k.Extent, Inner: k.Inner, Count: k.Count, Batched: k.Batched}
		d, err := gather(b, x[0], dy, out, in)
		return gorgonia.Nodes{nil, d}, err
	}, index, x)
}

// ScatterAdd adds rows of x along an axis to the places of a tensor of zeros that index names; it is the gradient of Gather. The axes of
// the index's shape, at axis and behind, are replaced by one of the given extent. Index -1 drops its row.
func ScatterAdd(x, index *gorgonia.Node, axis, extent int) (*gorgonia.Node, error) {
	ks, err := floats("scatter-add", x)
	if err != nil {
		return nil, err
	}
	ix, err := indices("scatter-add", index)
	if err != nil {
		return nil, err
	}
	in := ks[0].shape
	end := axis + len(ix.shape)
	if axis < 0 || end > len(in) || !slices.Equal(in[axis:end], ix.shape) {
		return nil, fmt.Errorf("scatter-add: index %v does not match axes %d to %d of %v", ix.shape, axis, end-1, in)
	}
	k := kernels.ScatterAdd{Type: ks[0].typ, Index: ix.typ, Outer: kernels.Elems(in[:axis]), Extent: extent,
		Inner: kernels.Elems(in[end:]), Count: kernels.Elems(ix.shape)}
	return scatter(k, index, x, in, slices.Concat(in[:axis], []int{extent}, in[end:]))
}

// TakeAlong picks, in each line of x along an axis, the elements that the same line of index names, as NumPy's take_along_axis.
func TakeAlong(x, index *gorgonia.Node, axis int) (*gorgonia.Node, error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("take along: %w", err)
	}
	ix, err := indices("take along", index)
	if err != nil {
		return nil, err
	}
	if axis, err = normalAxis("take along", axis, len(in.shape)); err != nil {
		return nil, err
	}
	want := slices.Clone(ix.shape)
	if len(want) == len(in.shape) {
		want[axis] = in.shape[axis]
	}
	if !slices.Equal(want, in.shape) {
		return nil, fmt.Errorf("take along: index %v and input %v differ beside axis %d", ix.shape, in.shape, axis)
	}
	return alongLast(x, axis, func(x *gorgonia.Node) (*gorgonia.Node, error) {
		index, err := swapLast(index, axis)
		if err != nil {
			return nil, err
		}
		s, out := []int(x.Shape()), []int(index.Shape())
		k := kernels.Gather{Type: in.typ, Index: ix.typ, Outer: kernels.Elems(s[:len(s)-1]), Extent: s[len(s)-1], Inner: 1, Count: out[len(out)-1], Batched: true}
		return gather(k, index, x, s, out)
	})
}

// swapLast exchanges an axis with the last one.
func swapLast(x *gorgonia.Node, axis int) (*gorgonia.Node, error) {
	n := x.Dims()
	if axis == n-1 {
		return x, nil
	}
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[n-1] = n-1, axis
	return Transpose(x, perm...)
}

// alongLast runs f with an axis of x as the last one, and swaps the result's axes back.
func alongLast(x *gorgonia.Node, axis int, f func(*gorgonia.Node) (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	x, err := swapLast(x, axis)
	if err != nil {
		return nil, err
	}
	y, err := f(x)
	if err != nil {
		return nil, err
	}
	return swapLast(y, axis)
}

// OneHot writes on at each index's place along a new last axis of the given number of classes, and off elsewhere. Index -1 gives a row of off.
func OneHot(index *gorgonia.Node, classes int, of tensor.Dtype, on, off float64) (*gorgonia.Node, error) {
	ix, err := indices("one-hot", index)
	if err != nil {
		return nil, err
	}
	t, ok := dtypes[of]
	if !ok {
		return nil, fmt.Errorf("one-hot: no element type %v", of)
	}
	k := kernels.OneHot{Type: t, Index: ix.typ, Count: kernels.Elems(ix.shape), Classes: classes, On: on, Off: off}
	return call(k, append(slices.Clone(ix.shape), classes), nil, nil, index)
}

// Sort sorts x along an axis and says where each element came from (int64). NaNs count as the largest; equal elements keep their order.
func Sort(x *gorgonia.Node, axis int, descending bool) (values, positions *gorgonia.Node, err error) {
	return sorted("sort", x, axis, func(t kernels.DType, rows, cols int) (kernels.Kernel, int, error) {
		return kernels.Sort{Type: t, Index: kernels.I64, Rows: rows, Cols: cols, Descending: descending}, cols, nil
	})
}

// TopK gives the k largest elements along an axis in descending order, or the k smallest in ascending order, and their positions (int64).
func TopK(x *gorgonia.Node, axis, k int, smallest bool) (values, positions *gorgonia.Node, err error) {
	return sorted("topk", x, axis, func(t kernels.DType, rows, cols int) (kernels.Kernel, int, error) {
		if k < 0 || k > cols {
			return nil, 0, fmt.Errorf("topk: %d of the %d elements along axis %d", k, cols, axis)
		}
		return kernels.TopK{Type: t, Index: kernels.I64, Rows: rows, Cols: cols, K: k, Smallest: smallest}, k, nil
	})
}

func sorted(what string, x *gorgonia.Node, axis int, make func(t kernels.DType, rows, cols int) (kernels.Kernel, int, error)) (values, positions *gorgonia.Node, err error) {
	in, err := kindOf(x)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	if axis, err = normalAxis(what, axis, len(in.shape)); err != nil {
		return nil, nil, err
	}
	if x, err = swapLast(x, axis); err != nil {
		return nil, nil, err
	}
	s := []int(x.Shape())
	rows, cols := kernels.Elems(s[:len(s)-1]), s[len(s)-1]
	k, kept, err := make(in.typ, rows, cols)
	if err != nil {
		return nil, nil, err
	}
	if err := k.Validate(); err != nil {
		return nil, nil, err
	}
	out := append(slices.Clone(s[:len(s)-1]), kept)
	var f *family
	values0 := output{kind: kind{in.typ, out}}
	if in.typ.Float() {
		values0.wrt = all(1)
		values0.diff = func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			b := kernels.ScatterAdd{Type: in.typ, Index: kernels.I64, Outer: rows, Extent: cols, Inner: 1, Count: kept, Batched: true}
			d, err := scatter(b, f.node(1), dy, out, s)
			return gorgonia.Nodes{d}, err
		}
	}
	f, err = applyFamily(operator{text: k.String(), lower: func(l Lowering) error {
		emit(l, k, l.In(0), l.Out(0), l.Out(1))
		return nil
	}}, []output{values0, {kind: kind{kernels.I64, out}}}, x)
	if err != nil {
		return nil, nil, err
	}
	if values, err = swapLast(f.node(0), axis); err != nil {
		return nil, nil, err
	}
	positions, err = swapLast(f.node(1), axis)
	return values, positions, err
}
