package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Kernels that compute a whole backward pass have no kernel for the gradient of that pass. Where it is asked for, as by Hessian products, the operator is
// composed again of simple operators, and these are differentiated twice.

// vjp is the product of a vector dy with the Jacobian of y by each needed x, where y was composed of the nodes x.
func vjp(y, dy *gorgonia.Node, x gorgonia.Nodes, need []bool) (gorgonia.Nodes, error) {
	b := &backward{depends: map[*gorgonia.Node]bool{}, grads: map[*gorgonia.Node]gorgonia.Nodes{y: {dy}}, leaves: map[*gorgonia.Node]bool{}}
	for i, n := range x {
		b.leaves[n] = true
		b.depends[n] = b.depends[n] || need[i]
	}
	b.visit(y)
	for i := len(b.order) - 1; i >= 0; i-- {
		if !b.leaves[b.order[i]] {
			if err := b.propagate(b.order[i]); err != nil {
				return nil, err
			}
		}
	}
	ds := make(gorgonia.Nodes, len(x))
	for i, n := range x {
		if !need[i] {
			continue
		}
		var err error
		if ds[i], err = b.sum(n); err != nil {
			return nil, err
		}
		if ds[i] == nil {
			if ds[i], err = Scale(n, 0); err != nil {
				return nil, err
			}
		}
	}
	return ds, nil
}

// composed is an operator spelled out in simple ones.
type composed func(x gorgonia.Nodes) (*gorgonia.Node, error)

// secondGradient is the gradient of the backward pass of f: of its output number out, the gradient by x[out], by the needed ones of x and, last, of dy.
func secondGradient(f composed, x gorgonia.Nodes, dy *gorgonia.Node, out int, g *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
	y, err := f(x)
	if err != nil {
		return nil, err
	}
	first := make([]bool, len(x))
	first[out] = true
	ds, err := vjp(y, dy, x, first)
	if err != nil {
		return nil, err
	}
	return vjp(ds[out], g, append(slices.Clone(x), dy), need)
}

// compose spells a normalisation out; x are its input and its affine parameters.
func (n *norm) compose(x gorgonia.Nodes) (*gorgonia.Node, error) {
	k := n.kernel
	if k.Kind == kernels.BatchInference {
		return nil, fmt.Errorf("norm: inference has no composition")
	}
	y, axes, err := n.grouped(x[0])
	if err != nil {
		return nil, err
	}
	if k.Kind != kernels.RMSNorm {
		mean, err := Mean(y, true, axes...)
		if err != nil {
			return nil, err
		}
		if y, err = Sub(y, mean); err != nil {
			return nil, err
		}
	}
	square, err := Square(y)
	if err != nil {
		return nil, err
	}
	variance, err := Mean(square, true, axes...)
	if err != nil {
		return nil, err
	}
	if y, err = Chain("standardise", []kernels.Instr{
		{Op: kernels.Imm, Imm: k.Eps}, {Op: kernels.Add, A: 1, B: 2}, {Op: kernels.Rsqrt, A: 3}, {Op: kernels.Mul, A: 0, B: 4},
	}, y, variance); err != nil {
		return nil, err
	}
	if y, err = Reshape(y, n.shape...); err != nil {
		return nil, err
	}
	next := 1
	if k.Scale {
		if y, err = Mul(y, x[next]); err != nil {
			return nil, err
		}
		next++
	}
	if k.Bias {
		if y, err = Add(y, x[next]); err != nil {
			return nil, err
		}
	}
	if k.Act == kernels.ReLU {
		return ReLU(y)
	}
	return y, nil
}

// grouped sees x so that the statistics are taken over whole axes.
func (n *norm) grouped(x *gorgonia.Node) (*gorgonia.Node, []int, error) {
	k := n.kernel
	shape, axes := []int{k.N, k.Spatial, 1, k.C}, []int{0, 1}
	switch k.Kind {
	case kernels.LayerNorm, kernels.RMSNorm:
		axes = []int{3}
	case kernels.GroupNorm:
		shape, axes = []int{k.N, k.Spatial, k.Groups, k.C / k.Groups}, []int{1, 3}
	case kernels.InstanceNorm:
		axes = []int{1}
	}
	y, err := Reshape(x, shape...)
	return y, axes, err
}

// second is the gradient of output out of the backward pass, whose inputs are x, dy, the affine parameters and then the statistics: what is computed from x is
// differentiated as such.
func (n *norm) second(out int) gradient {
	return func(in gorgonia.Nodes, _, g *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		params := n.parameters()
		x := append(gorgonia.Nodes{in[0]}, in[2:2+params]...)
		wanted := append([]bool{need[0]}, need[2:2+params]...)
		ds, err := secondGradient(n.compose, x, in[1], out, g, append(wanted, need[1]))
		if err != nil {
			return nil, err
		}
		all := make(gorgonia.Nodes, len(in))
		all[0], all[1] = ds[0], ds[len(ds)-1]
		copy(all[2:], ds[1:len(ds)-1])
		return all, nil
	}
}

// composeCrossEntropy spells the loss of each sample, or their mean, out; x are the logits, [N, C].
func composeCrossEntropy(k kernels.CrossEntropy, targets *gorgonia.Node, perSample bool) composed {
	return func(x gorgonia.Nodes) (*gorgonia.Node, error) {
		logits, err := Reshape(x[0], k.N, k.C)
		if err != nil {
			return nil, err
		}
		logs, err := LogSoftmax(logits, -1)
		if err != nil {
			return nil, err
		}
		q, count, err := distributions(k, targets)
		if err != nil {
			return nil, err
		}
		terms, err := Mul(q, logs)
		if err != nil {
			return nil, err
		}
		losses, err := Sum(terms, false, 1)
		if err != nil {
			return nil, err
		}
		if losses, err = Neg(losses); err != nil || perSample {
			return losses, err
		}
		if losses, err = Sum(losses, false); err != nil {
			return nil, err
		}
		return Div(losses, count)
	}
}

// distributions are the smoothed targets [N, C], with rows of zeros for ignored samples, and the number of the others (at least 1).
func distributions(k kernels.CrossEntropy, targets *gorgonia.Node) (q, count *gorgonia.Node, err error) {
	of := gorgoniaType(k.Type)
	if k.Labels == k.Type {
		if q, err = Reshape(targets, k.N, k.C); err != nil {
			return nil, nil, err
		}
	} else {
		labels, err := Reshape(targets, k.N)
		if err != nil {
			return nil, nil, err
		}
		if k.Ignore { // an ignored label becomes -1, which has no place in a one-hot row
			if labels, err = elementwise(fmt.Sprintf("ignore %d", k.IgnoreIndex), program{1, []kernels.Instr{
				{Op: kernels.Imm, Imm: float64(k.IgnoreIndex)}, {Op: kernels.Eq, A: 0, B: 1}, {Op: kernels.Imm, Imm: -1}, {Op: kernels.Select, A: 2, B: 3, C: 0},
			}, 4}, k.Labels, labels); err != nil {
				return nil, nil, err
			}
		}
		if q, err = OneHot(labels, k.C, of, 1, 0); err != nil {
			return nil, nil, err
		}
	}
	present, err := Sum(q, true, 1)
	if err != nil {
		return nil, nil, err
	}
	if k.Smoothing > 0 { // the uniform part is left out where the row is
		used := present
		if k.Labels == k.Type {
			if used, err = Constant(q.Graph(), of, []float64{1}, 1, 1); err != nil {
				return nil, nil, err
			}
		}
		if q, err = Chain("smooth", []kernels.Instr{
			{Op: kernels.Imm, Imm: 1 - k.Smoothing}, {Op: kernels.Mul, A: 0, B: 2}, {Op: kernels.Imm, Imm: k.Smoothing / float64(k.C)}, {Op: kernels.FMA, A: 1, B: 4, C: 3},
		}, q, used); err != nil {
			return nil, nil, err
		}
	}
	if k.Labels == k.Type {
		count, err = Constant(q.Graph(), of, []float64{float64(max(k.N, 1))})
		return q, count, err
	}
	if present, err = Sum(present, false); err != nil {
		return nil, nil, err
	}
	count, err = ClampConst(present, 1, float64(max(k.N, 1)))
	return q, count, err
}
