package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// The reductions take the axes to reduce (negative: counted from the end; none: all of them). With keep, a reduced axis
// stays with extent 1.

// Sum is Σ x.
func Sum(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceSum, x, keep, axes)
}

// Mean is Σ x / n.
func Mean(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceMean, x, keep, axes)
}

// Max is the largest element; equal ones share the gradient.
func Max(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceMax, x, keep, axes)
}

// Min is the smallest element; equal ones share the gradient.
func Min(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceMin, x, keep, axes)
}

// Prod is Π x. Its gradient is exact where elements are zero; the gradient of that is not.
func Prod(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceProd, x, keep, axes)
}

// NormL1 is Σ |x|.
func NormL1(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceL1, x, keep, axes)
}

// NormL2 is √(Σ x²); its gradient at 0 is 0.
func NormL2(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceL2, x, keep, axes)
}

// SumSquares is Σ x².
func SumSquares(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceSumSq, x, keep, axes)
}

// LogSumExp is log Σ eˣ, without overflow.
func LogSumExp(x *gorgonia.Node, keep bool, axes ...int) (*gorgonia.Node, error) {
	return reduce(kernels.ReduceLogSumExp, x, keep, axes)
}

// ArgMax is the position along axis of the largest element, as int64; the first of equal ones.
func ArgMax(x *gorgonia.Node, axis int) (*gorgonia.Node, error) { return argReduce(false, x, axis) }

// ArgMin is the position along axis of the smallest element, as int64; the first of equal ones.
func ArgMin(x *gorgonia.Node, axis int) (*gorgonia.Node, error) { return argReduce(true, x, axis) }

func argReduce(least bool, x *gorgonia.Node, axis int) (*gorgonia.Node, error) {
	ks, err := floats("argreduce", x)
	if err != nil {
		return nil, err
	}
	k := kernels.ArgReduce{Min: least, Type: ks[0].typ, Index: kernels.I64, Shape: ks[0].shape}
	if k.Axis, err = normalAxis("argreduce", axis, len(k.Shape)); err != nil {
		return nil, err
	}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return call(k, k.OutShape(), nil, nil, x)
}

func reduce(o kernels.ReduceOp, x *gorgonia.Node, keep bool, axes []int) (*gorgonia.Node, error) {
	ks, err := floats(o.String(), x)
	if err != nil {
		return nil, err
	}
	shape := ks[0].shape
	if axes, err = normalAxes(o.String(), axes, len(shape)); err != nil {
		return nil, err
	}
	kept := slices.Clone(shape)
	for _, a := range axes {
		kept[a] = 1
	}
	k := kernels.Reduce{Op: o, Type: ks[0].typ, Shape: shape, Axes: axes}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if k.Count() == 0 && kernels.Elems(k.OutShape()) > 0 && o != kernels.ReduceSum && o != kernels.ReduceProd {
		return nil, fmt.Errorf("%s: no elements along axes %v of shape %v", o, axes, shape)
	}
	y, err := call(k, k.OutShape(), all(1), func(x gorgonia.Nodes, y, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := reduceGradient(k, kept, x[0], y, dy)
		return gorgonia.Nodes{d}, err
	}, x)
	if err != nil || !keep {
		return y, err
	}
	return Reshape(y, kept...)
}

// reduceGradient is the gradient of a reduction; kept is x's shape with the reduced axes at extent 1.
func reduceGradient(k kernels.Reduce, kept []int, x, y, dy *gorgonia.Node) (*gorgonia.Node, error) {
	y, err := Reshape(y, kept...)
	if err != nil {
		return nil, err
	}
	if dy, err = Reshape(dy, kept...); err != nil {
		return nil, err
	}
	const vx, vy, vd = 0, 1, 2 // values of the chains below
	name := "d" + k.Op.String()
	switch k.Op {
	case kernels.ReduceSum:
		return BroadcastTo(dy, k.Shape...)
	case kernels.ReduceMean:
		if dy, err = Scale(dy, 1/float64(k.Count())); err != nil {
			return nil, err
		}
		return BroadcastTo(dy, k.Shape...)
	case kernels.ReduceMax, kernels.ReduceMin:
		mask, err := Eq(x, y)
		if err != nil {
			return nil, err
		}
		ties, err := Sum(mask, true, k.Axes...)
		if err != nil {
			return nil, err
		}
		return Chain(name, []kernels.Instr{{Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Div, A: 3, B: 2}}, mask, dy, ties)
	case kernels.ReduceProd:
		return prodGradient(k, x, dy)
	case kernels.ReduceL1:
		return Chain(name, []kernels.Instr{{Op: kernels.Sign, A: vx}, {Op: kernels.Mul, A: 2, B: 1}}, x, dy)
	case kernels.ReduceL2:
		return Chain(name, []kernels.Instr{{Op: kernels.Mul, A: vx, B: vd}, {Op: kernels.Div, A: 3, B: vy},
			{Op: kernels.Imm}, {Op: kernels.Gt, A: vy, B: 5}, {Op: kernels.Select, A: 6, B: 4, C: 5}}, x, y, dy)
	case kernels.ReduceSumSq:
		return Chain(name, []kernels.Instr{{Op: kernels.Imm, Imm: 2}, {Op: kernels.Mul, A: 0, B: 2}, {Op: kernels.Mul, A: 3, B: 1}}, x, dy)
	default: // log-sum-exp
		return Chain(name, []kernels.Instr{{Op: kernels.Sub, A: vx, B: vy}, {Op: kernels.Exp, A: 3}, {Op: kernels.Mul, A: 4, B: vd}}, x, y, dy)
	}
}

// prodGradient is, at each element, the product of all the others: with the product p of the elements other than 0 and the
// number of zeros c, it is p/x without zeros, p at the only zero, and 0 elsewhere.
func prodGradient(k kernels.Reduce, x, dy *gorgonia.Node) (*gorgonia.Node, error) {
	zeros, err := Not(x)
	if err != nil {
		return nil, err
	}
	nonzero, err := Add(x, zeros)
	if err != nil {
		return nil, err
	}
	p, err := Prod(nonzero, true, k.Axes...)
	if err != nil {
		return nil, err
	}
	c, err := Sum(zeros, true, k.Axes...)
	if err != nil {
		return nil, err
	}
	const vx, vz, vp, vc, vd, step = 0, 1, 2, 3, 4, 5
	return Chain("dprod", []kernels.Instr{
		{Op: kernels.Add, A: vx, B: vz},                             // x, 1 for zeros
		{Op: kernels.Div, A: vp, B: step},                           // p/x, p for zeros
		{Op: kernels.Eq, A: vc, B: vz},                              // no zeros, or the only one is here
		{Op: kernels.Imm},                                           // 0
		{Op: kernels.Select, A: step + 2, B: step + 1, C: step + 3}, // the product of the others
		{Op: kernels.Mul, A: step + 4, B: vd},
	}, x, zeros, p, c, dy)
}

// normalAxis counts a negative axis from the end.
func normalAxis(what string, axis, dims int) (int, error) {
	a := axis
	if a < 0 {
		a += dims
	}
	if a < 0 || a >= dims {
		return 0, fmt.Errorf("%s: axis %d of a tensor of %d axes: want %d to %d", what, axis, dims, -dims, dims-1)
	}
	return a, nil
}

// normalAxes makes axes non-negative and ascending; none means all.
func normalAxes(what string, axes []int, dims int) ([]int, error) {
	out := make([]int, 0, dims)
	if len(axes) == 0 {
		for i := range dims {
			out = append(out, i)
		}
		return out, nil
	}
	for _, a := range axes {
		a, err := normalAxis(what, a, dims)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, a) {
			return nil, fmt.Errorf("%s: axis %d given twice in %v", what, a, axes)
		}
		out = append(out, a)
	}
	slices.Sort(out)
	return out, nil
}
