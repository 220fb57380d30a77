package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// graphCase builds a small graph of some built-in operators. The builder's variables have values from a fixed seed, so that two calls make equal graphs.
type graphCase struct {
	name  string
	build func(b *graph) *G.Node
	// ungraded marks graphs that gorgonia cannot differentiate.
	ungraded bool
	// direct marks operators that the tape machine gets wrong; they are compared with their own Do on the variables.
	direct bool
}

// graph is a graph under construction.
type graph struct {
	*G.ExprGraph
	t    *testing.T
	rng  *rand.Rand
	dt   tensor.Dtype
	vars G.Nodes
}

func newGraph(t *testing.T, dt tensor.Dtype) *graph {
	return &graph{ExprGraph: G.NewGraph(), t: t, rng: rand.New(rand.NewPCG(1, 2)), dt: dt}
}

// values makes a tensor of numbers from lo to hi.
func (g *graph) values(lo, hi float64, shape ...int) *tensor.Dense {
	n := kernels.Elems(shape)
	if g.dt == G.Float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(lo + (hi-lo)*g.rng.Float64())
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(s))
	}
	s := make([]float64, n)
	for i := range s {
		s[i] = lo + (hi-lo)*g.rng.Float64()
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(s))
}

// integers makes a variable of whole numbers.
func (g *graph) integers(shape ...int) *G.Node {
	n := g.variable(-2, 2, shape...)
	raw, err := rawBytes(n.Value())
	if err != nil {
		g.t.Fatal(err)
	}
	for i := range kernels.Elems(shape) {
		dtypeOf(g.dt).SetValue(raw, i, math.Floor(dtypeOf(g.dt).Value(raw, i)))
	}
	return n
}

// variable makes a variable with values from lo to hi; no extents make a scalar.
func (g *graph) variable(lo, hi float64, shape ...int) *G.Node {
	name := G.WithName(fmt.Sprintf("v%d", len(g.vars)))
	var n *G.Node
	switch {
	case len(shape) > 0:
		n = G.NewTensor(g.ExprGraph, g.dt, len(shape), G.WithShape(shape...), name, G.WithValue(g.values(lo, hi, shape...)))
	case g.dt == G.Float32:
		n = G.NewScalar(g.ExprGraph, g.dt, name, G.WithValue(float32(lo+(hi-lo)*g.rng.Float64())))
	default:
		n = G.NewScalar(g.ExprGraph, g.dt, name, G.WithValue(lo+(hi-lo)*g.rng.Float64()))
	}
	g.vars = append(g.vars, n)
	return n
}

func (g *graph) x(shape ...int) *G.Node { return g.variable(-2, 2, shape...) }

// must unwraps an operator's result.
func (g *graph) must(n *G.Node, err error) *G.Node {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// constant makes a constant of the graph's type.
func (g *graph) constant(v float64) *G.Node {
	if g.dt == G.Float32 {
		return G.NewConstant(float32(v))
	}
	return G.NewConstant(v)
}

// cost makes a scalar of a node: a weighted sum, so that each element's gradient differs.
func (g *graph) cost(n *G.Node) *G.Node {
	if n.IsScalar() {
		return g.must(G.Mul(n, g.constant(1.25)))
	}
	w := G.NewTensor(g.ExprGraph, g.dt, n.Dims(), G.WithShape(n.Shape()...), G.WithName("weights"), G.WithValue(g.values(0.5, 1.5, n.Shape()...)))
	return g.must(G.Sum(g.must(G.HadamardProd(n, w))))
}

// expected is what gorgonia computes.
func (c graphCase) expected(t *testing.T, dt tensor.Dtype) []G.Value {
	t.Helper()
	if !c.direct {
		return c.results(t, dt, tape)
	}
	n := c.build(newGraph(t, dt))
	var in []G.Value
	for _, ch := range children(n) {
		in = append(in, ch.Value())
	}
	v, err := n.Op().Do(in...)
	if err != nil {
		t.Fatal(err)
	}
	return []G.Value{v}
}

// results runs a case and returns the values of its node, its cost and the gradients.
func (c graphCase) results(t *testing.T, dt tensor.Dtype, machine func(g *graph, keep ...*G.Node) G.VM) []G.Value {
	t.Helper()
	g := newGraph(t, dt)
	n := c.build(g)
	if n == nil {
		t.Fatal("no node")
	}
	var read G.Value // the tape machine overwrites values that gradients are made of, so look while they are there
	G.Read(n, &read)
	look := G.Nodes{}
	if !c.ungraded {
		cost := g.cost(n)
		look = append(look, cost)
		if _, err := G.Grad(cost, g.vars...); err != nil {
			t.Fatal(err)
		}
	}
	vm := machine(g, look...)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	vs := []G.Value{read}
	for _, n := range look {
		vs = append(vs, n.Value())
	}
	if !c.ungraded {
		for _, v := range g.vars {
			d, err := v.Grad()
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, d)
		}
	}
	return vs
}

func tape(g *graph, _ ...*G.Node) G.VM { return G.NewTapeMachine(g.ExprGraph) }

// reference is a machine on the plain reference.
func reference(opts ...Option) func(g *graph, keep ...*G.Node) G.VM {
	return func(g *graph, keep ...*G.Node) G.VM {
		return New(g.ExprGraph, append([]Option{On(ref.New()), Keep(keep...)}, opts...)...)
	}
}

// compare fails unless two values are equal to within tol, relative to the largest element.
func compare(t *testing.T, what string, got, want G.Value, tol float64) {
	t.Helper()
	if got == nil || want == nil {
		t.Errorf("%s: got %v, want %v", what, got, want)
		return
	}
	a, b := elements(t, got), elements(t, want)
	if len(a) != len(b) {
		t.Errorf("%s: got shape %v, want %v", what, got.Shape(), want.Shape())
		return
	}
	norm := 1e-30
	for _, v := range b {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			norm = max(norm, math.Abs(v))
		}
	}
	for i := range a {
		if a[i] == b[i] || math.IsNaN(a[i]) && math.IsNaN(b[i]) {
			continue
		}
		if d := math.Abs(a[i] - b[i]); !(d <= tol*norm) {
			t.Errorf("%s: element %d is %v, want %v", what, i, a[i], b[i])
			return
		}
	}
}

func elements(t *testing.T, v G.Value) []float64 {
	t.Helper()
	dt := dtypeOf(v.Dtype())
	n := kernels.Elems([]int(v.Shape()))
	b, err := hostBytes(v, dt, n)
	if err != nil {
		t.Fatal(err)
	}
	s := make([]float64, n)
	for i := range s {
		s[i] = dt.Value(b, i)
	}
	return s
}

func tolerance(dt tensor.Dtype) float64 {
	if dt == G.Float32 {
		return 2e-5
	}
	return 1e-11
}

// TestBuiltinOperators runs each of gorgonia's operators under its tape machine and under this one.
func TestBuiltinOperators(t *testing.T) {
	for _, c := range builtinCases() {
		for _, dt := range []tensor.Dtype{G.Float64, G.Float32} {
			t.Run(fmt.Sprintf("%s/%v", c.name, dt), func(t *testing.T) {
				want := c.expected(t, dt)
				for _, m := range []struct {
					name    string
					machine func(g *graph, keep ...*G.Node) G.VM
				}{{"plain", reference(NoOptimisation())}, {"optimised", reference()}} {
					got := c.results(t, dt, m.machine)
					for i := range want {
						compare(t, fmt.Sprintf("%s: value %d", m.name, i), got[i], want[i], tolerance(dt))
					}
				}
			})
		}
	}
}
