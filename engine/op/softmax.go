package op

import (
	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Softmax is exp(x)/Σ exp(x) along one axis (negative: counted from the end).
func Softmax(x *gorgonia.Node, axis int) (*gorgonia.Node, error) { return softmax(x, axis, false) }

// LogSoftmax is the logarithm of Softmax, without overflow or cancellation.
func LogSoftmax(x *gorgonia.Node, axis int) (*gorgonia.Node, error) { return softmax(x, axis, true) }

func softmax(x *gorgonia.Node, axis int, log bool) (*gorgonia.Node, error) {
	ks, err := floats("softmax", x)
	if err != nil {
		return nil, err
	}
	if axis, err = normalAxis("softmax", axis, len(ks[0].shape)); err != nil {
		return nil, err
	}
	k, err := kernels.SoftmaxAlong(ks[0].typ, ks[0].shape, axis, log)
	if err != nil {
		return nil, err
	}
	return call(k, ks[0].shape, all(1), func(_ gorgonia.Nodes, y, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
		d, err := softmaxBackward(k, axis, y, dy)
		return gorgonia.Nodes{d}, err
	}, x)
}

// softmaxBackward is differentiable itself: with g its own output's gradient,
//
//	softmax: dx = y (dy - s), s = Σ y dy:  d dy = y (g - Σ y g),  d y = g (dy - s) - dy Σ g y
//	log:     dx = dy - exp(y) s, s = Σ dy: d dy = g - Σ g exp(y), d y = -g exp(y) s
func softmaxBackward(k kernels.Softmax, axis int, y, dy *gorgonia.Node) (*gorgonia.Node, error) {
	b := kernels.SoftmaxBackward{Of: k}
	return call(b, y.Shape(), all(2), func(x gorgonia.Nodes, _, g *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		y, dy := x[0], x[1]
		weight := y
		if k.Log {
			var err error
			if weight, err = Exp(y); err != nil {
				return nil, err
			}
		}
		gy, err := Mul(g, weight)
		if err != nil {
			return nil, err
		}
		sg, err := Sum(gy, true, axis)
		if err != nil {
			return nil, err
		}
		ds := make(gorgonia.Nodes, 2)
		if need[1] {
			if k.Log {
				ds[1], err = Sub(g, sg)
			} else {
				ds[1], err = softmaxBackward(k, axis, y, g)
			}
			if err != nil {
				return nil, err
			}
		}
		if !need[0] {
			return ds, nil
		}
		s := dy
		if !k.Log {
			if s, err = Mul(y, dy); err != nil {
				return nil, err
			}
		}
		if s, err = Sum(s, true, axis); err != nil {
			return nil, err
		}
		if k.Log {
			ds[0], err = Chain("dlogsoftmax", []kernels.Instr{{Op: kernels.Mul, B: 1}, {Op: kernels.Neg, A: 2}}, gy, s)
		} else {
			ds[0], err = Chain("dsoftmax", []kernels.Instr{ // g (dy - s) - dy sg
				{Op: kernels.Sub, A: 1, B: 2}, {Op: kernels.Mul, A: 0, B: 4}, {Op: kernels.Mul, A: 1, B: 3}, {Op: kernels.Sub, A: 5, B: 6},
			}, g, dy, s, sg)
		}
		return ds, err
	}, y, dy)
}
