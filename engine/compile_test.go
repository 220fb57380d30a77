package engine

import (
	"fmt"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/fallback/ref"
)

// deepMLP is a perceptron of the given depth with its gradients, trained with a squared error.
func deepMLP(tb testing.TB, layers, width int) (*G.ExprGraph, G.Nodes) {
	g := G.NewGraph()
	check := func(n *G.Node, err error) *G.Node {
		if err != nil {
			tb.Fatal(err)
		}
		return n
	}
	value := func(shape ...int) G.NodeConsOpt {
		n := 1
		for _, d := range shape {
			n *= d
		}
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(i%7-3) / float32(width)
		}
		return G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(s)))
	}
	x := G.NewMatrix(g, G.Float32, G.WithShape(8, width), G.WithName("x"), value(8, width))
	var params G.Nodes
	h := x
	for i := range layers {
		w := G.NewMatrix(g, G.Float32, G.WithShape(width, width), G.WithName(fmt.Sprintf("w%d", i)), value(width, width))
		b := G.NewMatrix(g, G.Float32, G.WithShape(1, width), G.WithName(fmt.Sprintf("b%d", i)), value(1, width))
		params = append(params, w, b)
		h = check(G.Tanh(check(G.BroadcastAdd(check(G.Mul(h, w)), b, nil, []byte{0}))))
	}
	cost := check(G.Mean(check(G.Square(h))))
	if _, err := G.Grad(cost, params...); err != nil {
		tb.Fatal(err)
	}
	return g, params
}

// BenchmarkCompile compiles a graph of about 12,800 nodes and lays out its plan, up to the point where it can run.
func BenchmarkCompile(b *testing.B) {
	g, _ := deepMLP(b, 850, 16)
	dev := nothing{ref.New()}
	b.ResetTimer()
	for range b.N {
		m := New(g, On(dev))
		if err := m.bindVariables(); err != nil {
			b.Fatal(err)
		}
		if err := m.selectPath(); err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(g.AllNodes())), "nodes")
}
