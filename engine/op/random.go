package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// The operators here draw from Philox streams: what they draw follows from the run's seed, the number of the step, the
// stream and the position alone. Give each operator of a graph a stream of its own; equal streams draw equal numbers.

// Dropout zeroes each element with probability p and scales the others by 1/(1-p) in training plans; elsewhere it changes nothing.
func Dropout(x *gorgonia.Node, p float64, stream uint32) (*gorgonia.Node, error) {
	return dropout(x, p, stream, func(s []int) (outer, middle, inner int) { return kernels.Elems(s), 1, 1 })
}

// SpatialDropout is Dropout of whole channels of x [N, …, C]: all positions of one sample share their fate.
func SpatialDropout(x *gorgonia.Node, p float64, stream uint32) (*gorgonia.Node, error) {
	return dropout(x, p, stream, func(s []int) (outer, middle, inner int) {
		return s[0], kernels.Elems(s[1 : len(s)-1]), s[len(s)-1]
	})
}

// DropPath is Dropout of whole samples of x [N, …], as stochastic depth wants of a residual branch (Huang et al., 2016).
func DropPath(x *gorgonia.Node, p float64, stream uint32) (*gorgonia.Node, error) {
	return dropout(x, p, stream, func(s []int) (outer, middle, inner int) { return s[0], kernels.Elems(s[1:]), 1 })
}

func dropout(x *gorgonia.Node, p float64, stream uint32, split func(shape []int) (outer, middle, inner int)) (*gorgonia.Node, error) {
	ks, err := floats("dropout", x)
	if err != nil {
		return nil, err
	}
	s := ks[0].shape
	if len(s) < 2 {
		s = append(slices.Repeat([]int{1}, 2-len(s)), s...)
	}
	k := kernels.Dropout{Type: ks[0].typ, P: p, Stream: stream}
	k.Outer, k.Middle, k.Inner = split(s)
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return masked(k, ks[0].shape, x)
}

// masked applies a dropout's mask; its gradient is the same mask on dy.
func masked(k kernels.Dropout, shape []int, x *gorgonia.Node) (*gorgonia.Node, error) {
	o := operator{text: k.String(), out: kind{k.Type, shape}, wrt: all(1), lower: func(l Lowering) error {
		if !l.Training() || k.P == 0 {
			l.Alias(0, l.In(0))
			return nil
		}
		emit(l, k, l.Counter(), l.In(0), l.Out(0))
		return nil
	}}
	o.diff = func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := masked(k, shape, dy)
		return gorgonia.Nodes{d}, err
	}
	return apply(o, x)
}

// RandomUniform draws uniformly from [lo, hi) in every step, in training and in inference.
func RandomUniform(g *gorgonia.ExprGraph, of tensor.Dtype, stream uint32, lo, hi float64, shape ...int) (*gorgonia.Node, error) {
	return random(g, kernels.DistUniform, of, stream, lo, hi, shape)
}

// RandomNormal draws from the normal distribution in every step.
func RandomNormal(g *gorgonia.ExprGraph, of tensor.Dtype, stream uint32, mean, deviation float64, shape ...int) (*gorgonia.Node, error) {
	return random(g, kernels.DistNormal, of, stream, mean, deviation, shape)
}

// RandomBernoulli draws 1 with probability p, else 0, in every step.
func RandomBernoulli(g *gorgonia.ExprGraph, of tensor.Dtype, stream uint32, p float64, shape ...int) (*gorgonia.Node, error) {
	return random(g, kernels.DistBernoulli, of, stream, p, 0, shape)
}

// RandomInteger draws one of the integers lo … hi-1 in every step; of is int32, int or int64.
func RandomInteger(g *gorgonia.ExprGraph, of tensor.Dtype, stream uint32, lo, hi int, shape ...int) (*gorgonia.Node, error) {
	return random(g, kernels.DistInteger, of, stream, float64(lo), float64(hi), shape)
}

func random(g *gorgonia.ExprGraph, d kernels.Dist, of tensor.Dtype, stream uint32, a, b float64, shape []int) (*gorgonia.Node, error) {
	t, ok := dtypes[of]
	if g == nil || !ok {
		return nil, fmt.Errorf("random %s: graph %p, element type %v: want a graph, and a type of the vocabulary", d, g, of)
	}
	if err := kernels.CheckShape("random", shape, 0); err != nil {
		return nil, err
	}
	shape = slices.Clone(shape)
	k := kernels.Random{Type: t, Dist: d, A: a, B: b, N: kernels.Elems(shape), Stream: stream}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return add(g, &operator{text: k.String(), out: kind{t, shape}, lower: func(l Lowering) error {
		emit(l, k, l.Counter(), l.Out(0))
		return nil
	}}, nil), nil
}
