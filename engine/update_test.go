package engine

import (
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/fallback/ref"
	"palladio/kernels"
)

// momentum is stochastic gradient descent with momentum and clipping by the global norm, as a program's own updater.
type momentum struct {
	nodes  G.Nodes // hyper, then parameter, gradient and state of each parameter
	params int
	clip   float64
}

func newMomentum(g *graph, params G.Nodes, clip float64) *momentum {
	value := func(name string, shape []int, vs ...float64) *G.Node {
		d := tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(shape...))
		copy(d.Data().([]float64), vs)
		return G.NewTensor(g.ExprGraph, tensor.Float64, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(d))
	}
	u := &momentum{nodes: G.Nodes{value("hyper", []int{2}, 0.1, 1)}, params: len(params), clip: clip}
	for _, p := range params {
		u.nodes = append(u.nodes, p, p.Deriv(), value(p.Name()+"_velocity", p.Shape()))
	}
	return u
}

func (u *momentum) Nodes() G.Nodes { return u.nodes }

func (u *momentum) Update(l op.Lowering) error {
	var sums []op.Tensor
	for i := range u.params {
		grad := l.In(2 + 3*i)
		s := l.Temp(kernels.F64, 1)
		l.Emit(kernels.Reduce{Op: kernels.ReduceSumSq, Type: kernels.F64, Shape: []int{grad.Elems()}, Axes: []int{0}}, grad, s)
		sums = append(sums, s)
	}
	scale := l.Temp(kernels.F64, 1)
	l.Emit(kernels.ClipScale{Type: kernels.F64, Count: u.params, MaxNorm: u.clip}, append(sums, l.Temp(kernels.F64, 1), scale)...)
	for i := range u.params {
		n := l.In(1 + 3*i).Elems()
		l.Emit(kernels.SGD{Step: kernels.Step{Type: kernels.F64, N: n}, Momentum: 0.9}, l.In(0), scale, l.In(2+3*i), l.In(1+3*i), l.In(3+3*i))
	}
	return nil
}

// TestUpdate trains a supernet with an optimiser in the plan: weights of untaken branches and their state stay as they are, and the others
// move as they do without the Switch.
func TestUpdate(t *testing.T) {
	for _, opts := range [][]Option{{NoOptimisation()}, nil, {Recompute()}} {
		s := newSupernet(t, 3)
		g := &graph{ExprGraph: s.g, t: t, dt: G.Float64}
		params := G.Nodes{s.stem}
		for i := range s.weights {
			params = append(params, s.weights[i]...)
		}
		u := newMomentum(g, params, 0.5)
		m := New(s.g, append(opts, On(ref.New()), WithUpdate(u))...)
		defer m.Close()
		state := func() [][]float64 {
			var vs [][]float64
			for i := range params {
				vs = append(vs, elements(t, u.nodes[1+3*i].Value()), elements(t, u.nodes[3+3*i].Value()))
			}
			return vs
		}
		var costs []float64
		for _, choice := range [][2]int{{0, 1}, {2, 2}, {0, 1}, {0, 1}} {
			for i, k := range choice {
				check(t, G.Let(s.selector[i], k))
			}
			before := state()
			check(t, m.RunAll())
			after := state()
			costs = append(costs, elements(t, s.cost.Value())[0])
			for p := range params {
				taken := p == 0 || p-1 == choice[0] || p-4 == choice[1]
				for j := range 2 {
					if changed := !near(after[2*p+j], before[2*p+j], 0); changed != taken {
						t.Errorf("path %v: parameter %d changed: %t, taken: %t", choice, p, changed, taken)
					}
				}
			}
		}
		if !(costs[3] < costs[2] && costs[2] < costs[0]) {
			t.Errorf("costs on one path: %v, want them to fall", costs)
		}
	}
}
