package engine

import (
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
)

// mixedNet is a small convnet with a loss, for training.
type mixedNet struct {
	g      *G.ExprGraph
	params G.Nodes
	cost   *G.Node
}

func newMixedNet(t *testing.T) *mixedNet {
	g := G.NewGraph()
	variable := func(name string, scale float64, shape ...int) *G.Node {
		d := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(shape...))
		for i, v := range d.Data().([]float32) {
			_ = v
			d.Data().([]float32)[i] = float32(scale * math.Sin(float64(7*i*i+len(name)*31+i)))
		}
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(d))
	}
	must := func(n *G.Node, err error) *G.Node {
		t.Helper()
		check(t, err)
		return n
	}
	x := variable("x", 1, 8, 10, 10, 8)
	w1, b1 := variable("w1", 0.2, 16, 3, 3, 8), variable("b1", 0.1, 16)
	w2 := variable("w2", 0.15, 16, 3, 3, 16)
	w3, b3 := variable("w3", 0.3, 16, 5), variable("b3", 0.1, 5)
	conv := func(x, w *G.Node) *G.Node {
		return must(op.Conv2D(x, w, nil, op.ConvOptions{Same: true}))
	}
	h := must(op.ReLU(must(op.Add(conv(x, w1), b1))))
	h = must(op.Add(must(op.SiLU(conv(h, w2))), h))
	h = must(op.Mean(h, false, 1, 2))
	logits := must(op.Add(must(op.MatMul(h, w3, false, false)), b3))
	cost := must(op.Mean(must(op.Mul(logits, must(op.Sub(logits, variable("target", 1, 8, 5))))), false))
	n := &mixedNet{g: g, params: G.Nodes{w1, b1, w2, w3, b3}, cost: cost}
	_, err := op.Grad(cost, n.params...)
	check(t, err)
	return n
}

// gradients runs the net and returns its cost and the gradients of its parameters.
func (n *mixedNet) gradients(t *testing.T, opts ...Option) (cost float64, grads [][]float64, plan *Plan) {
	m := New(n.g, append(opts, Keep(n.cost))...)
	defer m.Close()
	check(t, m.RunAll())
	plan, err := m.Plan()
	check(t, err)
	for _, p := range n.params {
		d, err := p.Grad()
		check(t, err)
		grads = append(grads, elements(t, d))
	}
	return elements(t, n.cost.Value())[0], grads, plan
}

// TestMixedPrecision compares gradients in every precision with those of F32: the products are of the right type, nothing that the user
// sees is, and the error is that of the type.
func TestMixedPrecision(t *testing.T) {
	_, want, _ := newMixedNet(t).gradients(t)
	for _, c := range []struct {
		n         Numerics
		plan      string
		tolerance float64
	}{{TF32, "conv tf32", 2e-3}, {MixedBF16, "conv bf16", 4e-2}, {MixedF16, "conv f16", 5e-3}} {
		for _, extra := range [][]Option{nil, {NoOptimisation()}} {
			cost, got, plan := newMixedNet(t).gradients(t, append(extra, Precision(c.n))...)
			if math.IsNaN(cost) {
				t.Errorf("%s: the cost is NaN", c.n)
			}
			if !strings.Contains(plan.String(), c.plan) {
				t.Errorf("%s: no call is a %s:\n%s", c.n, c.plan, plan)
			}
			for i := range want {
				norm, diff := 0.0, 0.0
				for j := range want[i] {
					norm, diff = norm+want[i][j]*want[i][j], diff+(got[i][j]-want[i][j])*(got[i][j]-want[i][j])
				}
				if e := math.Sqrt(diff / norm); !(e <= c.tolerance) || c.n != TF32 && e == 0 {
					t.Errorf("%s: gradient of %s is off by %.3g of its norm, want at most %g and not exactly 0", c.n, newMixedNet(t).params[i].Name(), e, c.tolerance)
				}
			}
		}
	}
}

// TestMixedPrecisionStoresHalves: what lies between the layers is stored in half precision, with few conversions.
func TestMixedPrecisionStoresHalves(t *testing.T) {
	_, _, full := newMixedNet(t).gradients(t)
	_, _, half := newMixedNet(t).gradients(t, Precision(MixedBF16))
	if f, h := full.Cost().Bytes(), half.Cost().Bytes(); float64(h) > 0.75*float64(f) {
		t.Errorf("%d bytes of traffic in bf16, %d in f32", h, f)
	}
	if f, h := len(full.Calls), len(half.Calls); h > f+8 {
		t.Errorf("%d calls in bf16, %d in f32:\n%s", h, f, half)
	}
}

func TestPrecisionErrors(t *testing.T) {
	if _, err := ParseNumerics("fp8"); err == nil || !strings.Contains(err.Error(), "want f32, tf32, bf16 or f16") {
		t.Errorf("got %v", err)
	}
	m := New(newMixedNet(t).g, Precision(9))
	defer m.Close()
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "Precision") {
		t.Errorf("got %v", err)
	}
}
