package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/fallback"
	"palladio/fallback/ref"
	"palladio/kernels"
)

// randomGraph makes a graph of random operators, with a cost, gradients, and some nodes that keep their values.
func randomGraph(t *testing.T, seed uint64, dt tensor.Dtype, switches bool) (g *graph, look, keep G.Nodes, selectors []*G.Node) {
	t.Helper()
	g = newGraph(t, dt)
	g.rng = rand.New(rand.NewPCG(seed, 7))
	const rows, cols = 3, 4
	pool := G.Nodes{g.x(rows, cols), g.x(rows, cols), g.x(rows, cols)}
	pick := func() *G.Node { return pool[max(0, len(pool)-1-g.rng.IntN(6))] }
	unary := []func(*G.Node) (*G.Node, error){G.Tanh, G.Sin, G.Sigmoid, G.Cos, G.Neg, G.Rectify, G.Softplus}
	binary := []binaryFunc{G.Add, G.Sub, G.HadamardProd, G.Add}
	for range 12 + g.rng.IntN(25) {
		var n *G.Node
		switch g.rng.IntN(13) {
		case 0, 1, 2:
			n = g.must(unary[g.rng.IntN(len(unary))](pick()))
		case 3, 4, 5:
			n = g.must(binary[g.rng.IntN(len(binary))](pick(), pick()))
		case 6:
			n = g.must(G.BroadcastAdd(pick(), g.x(1, cols), nil, []byte{0}))
		case 7:
			n = g.must(G.BroadcastHadamardProd(pick(), g.x(rows, 1), nil, []byte{1}))
		case 8:
			n = g.must(G.Mul(pick(), g.variable(-0.7, 0.7, cols, cols)))
		case 9:
			n = g.must(G.Tanh(g.must(G.BroadcastAdd(g.must(G.Mul(pick(), g.variable(-0.7, 0.7, cols, cols))), g.x(1, cols), nil, []byte{0}))))
		case 10: // the mean over an axis, subtracted
			x := pick()
			n = g.must(G.BroadcastSub(x, g.must(G.Mean(x, 1)), nil, []byte{1}))
		case 11:
			x := g.must(G.Reshape(pick(), tensor.Shape{cols, rows}))
			n = g.must(G.Transpose(g.must(G.HadamardProd(x, g.constant(0.5)))))
		case 12:
			at := 1 + g.rng.IntN(rows-2)
			top, rest := g.must(G.Slice(pick(), G.S(0, at+1))), g.must(G.Slice(pick(), G.S(1, rows)))
			n = g.must(G.Concat(0, top, g.must(G.Reshape(g.must(G.Slice(rest, G.S(0))), tensor.Shape{1, cols}))))
		}
		if switches && g.rng.IntN(6) == 0 {
			s := G.NewScalar(g.ExprGraph, tensor.Int, G.WithName(fmt.Sprintf("s%d", len(selectors))), G.WithValue(0))
			selectors = append(selectors, s)
			var err error
			if n, err = op.Switch(s, n, g.must(G.Tanh(pick())), pick()); err != nil {
				t.Fatal(err)
			}
		}
		if !n.Shape().Eq(tensor.Shape{rows, cols}) {
			t.Fatalf("node of shape %v", n.Shape())
		}
		pool = append(pool, n)
		if g.rng.IntN(5) == 0 {
			keep = append(keep, n)
		}
	}
	last := pool[len(pool)-1]
	cost := g.must(G.Sum(g.must(G.Square(g.must(G.Tanh(g.must(G.Add(last, pick()))))))))
	if cost.Op() == nil {
		t.Fatal("no cost")
	}
	// gorgonia refuses gradients by variables that the cost does not depend on
	var params G.Nodes
	reached := map[*G.Node]bool{}
	for _, n := range depthFirst(G.Nodes{cost}) {
		reached[n] = true
	}
	for _, v := range g.vars {
		if reached[v] {
			params = append(params, v)
		}
	}
	if _, err := G.Grad(cost, params...); err != nil {
		t.Fatal(err)
	}
	look = append(look, cost)
	for _, n := range keep {
		if n.Op() != nil {
			look = append(look, n)
		}
	}
	for _, p := range params {
		if d := p.Deriv(); d.Op() != nil {
			look = append(look, d)
		}
	}
	return g, look, keep, selectors
}

// TestRandomGraphs compares optimised plans with plain ones, on the reference and on the CPU.
func TestRandomGraphs(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 20
	}
	for seed := range uint64(n) {
		randomGraphCase(t, seed)
	}
}

func randomGraphCase(t *testing.T, seed uint64) {
	t.Helper()
	dt := []tensor.Dtype{G.Float64, G.Float32}[seed%2]
	g, look, keep, selectors := randomGraph(t, seed, dt, seed%3 == 0)
	cpu, err := fallback.New(fallback.Threads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	type variant struct {
		name string
		opts []Option
	}
	variants := []variant{
		{"plain", []Option{On(ref.New()), NoOptimisation()}}, {"optimised", []Option{On(ref.New())}},
		{"kept", []Option{On(ref.New()), KeepAll()}}, {"recomputed", []Option{On(ref.New()), Recompute()}},
		{"cpu", []Option{On(cpu)}},
	}
	machines := make([]*Machine, len(variants))
	for i, v := range variants {
		machines[i] = New(g.ExprGraph, append(v.opts, Keep(keep...))...)
		defer machines[i].Close()
	}
	before := map[*G.Node][]float64{}
	for _, v := range g.vars {
		before[v] = elements(t, v.Value())
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	for range 1 + 3*min(len(selectors), 1) {
		for _, s := range selectors {
			if err := G.Let(s, rng.IntN(3)); err != nil {
				t.Fatal(err)
			}
		}
		var want [][]float64
		for i, v := range variants {
			if err := machines[i].RunAll(); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, v.name, err)
			}
			for j, n := range look {
				got := elements(t, n.Value())
				if i == 0 {
					want = append(want, got)
				} else if !near(got, want[j], tolerance(dt)) {
					p, _ := machines[i].Plan()
					t.Fatalf("seed %d: %s: node %s is %v, want %v\n%v", seed, v.name, n.Name(), got, want[j], p)
				}
			}
		}
	}
	for v, old := range before {
		if !near(elements(t, v.Value()), old, 0) {
			t.Fatalf("seed %d: variable %s was changed", seed, v.Name())
		}
	}
}

func near(a, b []float64, tol float64) bool {
	norm := 1.0
	for _, v := range b {
		norm = max(norm, math.Abs(v))
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= tol*norm) {
			return false
		}
	}
	return len(a) == len(b)
}

// TestRandomNodes draws new numbers each run, the same ones for the same seed.
func TestRandomNodes(t *testing.T) {
	draw := func(seed uint64) (first, second [][]float64) {
		g := G.NewGraph()
		nodes := G.Nodes{G.UniformRandomNode(g, G.Float64, 2, 3, 500), G.GaussianRandomNode(g, G.Float32, 1, 0.5, 20, 25), G.BinomialRandomNode(g, G.Float64, 10, 0.3, 500)}
		m := New(g, On(ref.New()), Seed(seed), Outputs(nodes...))
		defer m.Close()
		for run := range 2 {
			if err := m.RunAll(); err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				if v := elements(t, n.Value()); run == 0 {
					first = append(first, v)
				} else {
					second = append(second, v)
				}
			}
		}
		return first, second
	}
	a, b := draw(1)
	again, _ := draw(1)
	other, _ := draw(2)
	for i, want := range []struct{ mean, lo, hi float64 }{{2.5, 2, 3}, {1, -2, 4}, {2.5, 0, 10}} {
		sum := 0.0
		for _, v := range a[i] {
			sum += v
			if v < want.lo || v > want.hi {
				t.Errorf("node %d gives %v", i, v)
			}
		}
		if mean := sum / float64(len(a[i])); math.Abs(mean-want.mean) > 0.6 {
			t.Errorf("the mean of node %d is %v, want about %v", i, mean, want.mean)
		}
		if near(a[i], b[i], 0) || near(a[i], other[i], 0) {
			t.Errorf("node %d repeats itself", i)
		}
		if i < 2 && !near(a[i], again[i], 0) { // binomial numbers come from gorgonia, which seeds them by the clock
			t.Errorf("node %d differs with the same seed", i)
		}
	}
}

// TestDropout runs gorgonia's dropout in training and in inference.
func TestDropout(t *testing.T) {
	g := newGraph(t, G.Float64)
	x := g.variable(1, 2, 40, 50)
	y := g.must(G.Dropout(x, 0.25))
	cost := g.must(G.Sum(y))
	if _, err := G.Grad(cost, x); err != nil {
		t.Fatal(err)
	}
	train, infer := New(g.ExprGraph, On(ref.New()), Keep(y)), New(g.ExprGraph, On(ref.New()), Keep(y), Inference())
	defer train.Close()
	defer infer.Close()
	for range 2 { // two machines of different modes on one graph, in turn
		if err := train.RunAll(); err != nil {
			t.Fatal(err)
		}
		dropped, in, out := 0, elements(t, x.Value()), elements(t, y.Value())
		d, err := x.Grad()
		if err != nil {
			t.Fatal(err)
		}
		for i, dx := range elements(t, d) {
			if out[i] == 0 {
				dropped++
			}
			if (out[i] == 0) != (dx == 0) {
				t.Fatalf("element %d is %v, its gradient %v", i, out[i], dx)
			}
		}
		if dropped < 400 || dropped > 600 {
			t.Errorf("%d of 2000 dropped, want about 500", dropped)
		}
		if err := infer.RunAll(); err != nil {
			t.Fatal(err)
		}
		if !near(elements(t, y.Value()), in, 0) {
			t.Error("inference drops")
		}
	}
}

// TestInferenceLeavesGradientsOut compiles the forward part only.
func TestInferenceLeavesGradientsOut(t *testing.T) {
	g, _ := deepMLP(t, 3, 8)
	m := New(g, On(ref.New()), Inference())
	defer m.Close()
	p, err := m.Plan()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, k := range p.Kernels() {
		if _, ok := k.(kernels.GEMM); ok {
			count++
		}
	}
	if count != 3 || len(p.Calls) > 6 {
		t.Errorf("%d products and %d calls:\n%v", count, len(p.Calls), p)
	}
}
