package engine

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/fallback/ref"
)

// TestErrors asks for the impossible and reads the answers of RunAll and Plan.
func TestErrors(t *testing.T) {
	simple := func() *G.ExprGraph {
		g := newGraph(t, G.Float64)
		g.must(G.Square(g.x(3)))
		return g.ExprGraph
	}
	for _, c := range []struct {
		name string
		m    func() *Machine
		want string
	}{
		{"no graph", func() *Machine { return New(nil, On(ref.New())) }, "no graph"},
		{"unknown device", func() *Machine { return New(simple(), On("tpu:0")) }, `device "tpu:0": want cpu`},
		{"unknown level", func() *Machine { return New(simple(), On("cpu:mmx")) }, `CPU level "mmx"`},
		{"no device", func() *Machine { return New(simple(), On(3)) }, "On(3): want a kernels.Device"},
		{"no threads", func() *Machine { return New(simple(), Threads(-1)) }, "-1 threads"},
		{"strings", func() *Machine {
			g := G.NewGraph()
			x := G.NewVector(g, tensor.String, G.WithName("words"), G.WithShape(2))
			return New(g, On(ref.New()), Outputs(G.Must(G.ApplyOp(G.Iop{}, x))))
		}, "words has elements of type string"},
	} {
		m := c.m()
		for _, err := range []error{m.RunAll(), func() error { _, err := m.Plan(); return err }()} {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "engine: ") {
				t.Errorf("%s: error is %v, want one with %q", c.name, err, c.want)
			}
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: close: %v", c.name, err)
		}
	}
}

// TestClosed refuses to run after Close, which may be called twice; values stay readable.
func TestClosed(t *testing.T) {
	g := newGraph(t, G.Float64)
	y := g.must(G.Square(g.x(3)))
	m := New(g.ExprGraph)
	check(t, m.RunAll())
	check(t, m.Close())
	check(t, m.Close())
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("error is %v", err)
	}
	if v := elements(t, y.Value()); len(v) != 3 || v[0] <= 0 {
		t.Errorf("value is %v", v)
	}
}

// TestBindings binds scalars, views, column-major tensors and the plan's own results.
func TestBindings(t *testing.T) {
	g := newGraph(t, G.Float64)
	x := g.x(2, 3)
	y := g.must(G.HadamardProd(x, g.constant(2)))
	m := New(g.ExprGraph, On(ref.New()))
	defer m.Close()
	rows := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float64{1, 4, 2, 5, 3, 6}))
	check(t, rows.T())
	wide := tensor.New(tensor.WithShape(2, 4), tensor.WithBacking([]float64{1, 2, 3, 0, 4, 5, 6, 0}))
	view, err := wide.Slice(nil, G.S(0, 3))
	check(t, err)
	columns := tensor.New(tensor.WithShape(2, 3), tensor.AsFortran([]float64{1, 2, 3, 4, 5, 6}))
	for name, v := range map[string]tensor.Tensor{"transposed": rows, "view": view, "column-major": columns} {
		check(t, G.Let(x, v))
		check(t, m.RunAll())
		if got := elements(t, y.Value()); !near(got, []float64{2, 4, 6, 8, 10, 12}, 0) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	wide.Data().([]float64)[0] = 10 // the copy of a view follows what is written to it
	check(t, G.Let(x, view))
	check(t, m.RunAll())
	if got := elements(t, y.Value()); got[0] != 20 {
		t.Errorf("after a write: got %v", got)
	}
	check(t, G.Let(x, y.Value())) // doubles itself each run
	check(t, m.RunAll())
	check(t, m.RunAll())
	if got := elements(t, y.Value()); got[0] != 80 {
		t.Errorf("bound to its own result: got %v", got)
	}
}

// TestSliceIsChanged changes a slice's bounds between runs, which gorgonia.UnsafeLet allows.
func TestSliceIsChanged(t *testing.T) {
	g := newGraph(t, G.Float64)
	x := g.x(5, 2)
	y := g.must(G.Slice(x, G.S(1)))
	m := New(g.ExprGraph, On(ref.New()))
	defer m.Close()
	all := elements(t, x.Value())
	for _, row := range []int{1, 4, 0} {
		check(t, G.UnsafeLet(y, G.S(row)))
		check(t, m.RunAll())
		if got := elements(t, y.Value()); !near(got, all[2*row:2*row+2], 0) {
			t.Errorf("row %d is %v, want %v", row, got, all[2*row:2*row+2])
		}
	}
}
