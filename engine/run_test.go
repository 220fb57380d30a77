package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/fallback"
	"palladio/fallback/ref"
	"palladio/kernels"
)

// nothing is a device on which every kernel does nothing: what remains is the machine.
type nothing struct{ *ref.Device }

func (nothing) Prepare(kernels.Kernel) (kernels.Exec, error) { return idle{}, nil }

type idle struct{}

func (idle) Workspace() int                       { return 0 }
func (idle) Run([]kernels.Arg, kernels.Arg) error { return nil }

// TestSteadyStateAllocatesNothing runs a training graph on a device that allocates nothing itself.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	g, _ := deepMLP(t, 4, 8)
	m := New(g, On(nothing{ref.New()}))
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a step allocates %v times, want 0", n)
	}
}

// TestSteadyStateOnCPU is the same on the CPU device.
func TestSteadyStateOnCPU(t *testing.T) {
	dev, err := fallback.New()
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	g, _ := deepMLP(t, 4, 8)
	m := New(g, On(dev))
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a step allocates %v times, want 0", n)
	}
}

// BenchmarkCallOverhead measures the machine's own time for each call of a plan.
func BenchmarkCallOverhead(b *testing.B) {
	g, _ := deepMLP(b, 100, 8)
	m := New(g, On(nothing{ref.New()}))
	defer m.Close()
	if err := m.RunAll(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := m.RunAll(); err != nil {
			b.Fatal(err)
		}
	}
	calls := len(m.current.steps)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "ns/call")
	b.ReportMetric(float64(calls), "calls")
}

// supernet is y = Σ_k w_k·x for the chosen k, in two places, with a cost and gradients.
type supernet struct {
	g        *G.ExprGraph
	selector [2]*G.Node
	weights  [2][]*G.Node
	stem     *G.Node
	cost     *G.Node
}

func newSupernet(t *testing.T, branches int) *supernet {
	t.Helper()
	g := newGraph(t, G.Float64)
	s := &supernet{g: g.ExprGraph}
	s.stem = g.variable(-1, 1, 4, 4)
	x := g.must(G.Mul(g.variable(-1, 1, 3, 4), s.stem))
	params := G.Nodes{s.stem}
	for i := range s.selector {
		s.selector[i] = G.NewScalar(g.ExprGraph, tensor.Int, G.WithName(fmt.Sprintf("selector%d", i)), G.WithValue(0))
		var outs []*G.Node
		for k := range branches {
			w := g.variable(-1, 1, 4, 4)
			s.weights[i] = append(s.weights[i], w)
			params = append(params, w)
			h := g.must(G.Tanh(g.must(G.Mul(x, w))))
			if k == 1 {
				h = g.must(G.Add(h, x)) // a branch with a residual: x has several gradients
			}
			outs = append(outs, h)
		}
		var err error
		if x, err = op.Switch(s.selector[i], outs...); err != nil {
			t.Fatal(err)
		}
	}
	s.cost = g.must(G.Sum(g.must(G.Square(x))))
	if _, err := G.Grad(s.cost, params...); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSwitch compares each path of a supernet with the path's own graph.
func TestSwitch(t *testing.T) {
	const branches = 3
	for _, opts := range [][]Option{{NoOptimisation()}, nil, {KeepAll()}} {
		s := newSupernet(t, branches)
		m := New(s.g, append(opts, On(ref.New()))...)
		defer m.Close()
		for round := range 2 * branches * branches {
			choice := [2]int{round % branches, round / branches % branches}
			nan := tensor.New(tensor.WithShape(4, 4), tensor.WithBacking([]float64{0: nanValue(), 15: 0}))
			saved := map[*G.Node]G.Value{}
			for i := range choice {
				if err := G.Let(s.selector[i], choice[i]); err != nil {
					t.Fatal(err)
				}
				for k, w := range s.weights[i] {
					if k != choice[i] { // what is not taken must not matter
						saved[w] = w.Value()
						if err := G.Let(w, nan); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if err := m.RunAll(); err != nil {
				t.Fatal(err)
			}
			for w, v := range saved {
				if err := G.Let(w, v); err != nil {
					t.Fatal(err)
				}
			}
			s.check(t, choice)
		}
		if len(m.paths) != branches*branches {
			t.Errorf("%d paths are cached, want %d", len(m.paths), branches*branches)
		}
	}
}

func nanValue() float64 { z := 0.0; return z / z }

// check compares the results with a graph that has the chosen path only.
func (s *supernet) check(t *testing.T, choice [2]int) {
	t.Helper()
	g := newGraph(t, G.Float64)
	stem := g.variable(-1, 1, 4, 4)
	x := g.must(G.Mul(g.variable(-1, 1, 3, 4), stem))
	params := G.Nodes{stem}
	for i, k := range choice {
		w := G.NewMatrix(g.ExprGraph, G.Float64, G.WithShape(4, 4), G.WithName(fmt.Sprintf("w%d", i)), G.WithValue(s.weights[i][k].Value()))
		params = append(params, w)
		h := g.must(G.Tanh(g.must(G.Mul(x, w))))
		if k == 1 {
			h = g.must(G.Add(h, x))
		}
		x = h
	}
	cost := g.must(G.Sum(g.must(G.Square(x))))
	if _, err := G.Grad(cost, params...); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g.ExprGraph, G.BindDualValues(params...))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	same := func(what string, a, b *G.Node) {
		da, err := a.Grad()
		if err != nil {
			t.Fatal(err)
		}
		db, err := b.Grad()
		if err != nil {
			t.Fatal(err)
		}
		compare(t, fmt.Sprintf("path %v: gradient of %s", choice, what), da, db, 1e-12)
	}
	compare(t, fmt.Sprintf("path %v: cost", choice), s.cost.Value(), cost.Value(), 1e-12)
	same("stem", s.stem, params[0])
	for i, k := range choice {
		for b, w := range s.weights[i] {
			if b == k {
				same("weight", w, params[1+i])
				continue
			}
			d, err := w.Grad()
			if err != nil || d == nil {
				continue // never present
			}
			for _, v := range elements(t, d) {
				if v != 0 {
					t.Errorf("path %v: gradient of an untaken branch is %v", choice, d)
					break
				}
			}
		}
	}
}

// TestSwitchRunsOneBranch counts calls.
func TestSwitchRunsOneBranch(t *testing.T) {
	calls := func(branches int) int {
		s := newSupernet(t, branches)
		m := New(s.g, On(ref.New()))
		defer m.Close()
		p, err := m.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Calls)
	}
	if one, many := calls(1), calls(8); many > one {
		t.Errorf("a path among 8 branches takes %d calls, a graph of that path alone %d", many, one)
	}
}

// TestSwitchErrors names what is wrong with a selector.
func TestSwitchErrors(t *testing.T) {
	s := newSupernet(t, 2)
	m := New(s.g, On(ref.New()))
	defer m.Close()
	if err := G.Let(s.selector[1], 2); err != nil {
		t.Fatal(err)
	}
	err := m.RunAll()
	if err == nil || !strings.Contains(err.Error(), "selector1 is 2: want 0 to 1") {
		t.Errorf("error is %v", err)
	}
}

// TestCheckNaN names the node that made the first NaN.
func TestCheckNaN(t *testing.T) {
	g := newGraph(t, G.Float32)
	x := g.x(4)
	if err := G.Let(x, tensor.New(tensor.WithShape(4), tensor.WithBacking([]float32{1, 2, -1, 3}))); err != nil {
		t.Fatal(err)
	}
	y := g.must(G.Log(x))
	g.must(G.Sum(g.must(G.Square(y))))
	m := New(g.ExprGraph, On(ref.New()), CheckNaN(), NoOptimisation())
	defer m.Close()
	err := m.RunAll()
	if err == nil || !strings.Contains(err.Error(), "element 2 of the result of node "+y.Name()) {
		t.Errorf("error is %v", err)
	}
}

// TestProfile measures two runs.
func TestProfile(t *testing.T) {
	g, _ := deepMLP(t, 3, 8)
	m := New(g, On(ref.New()), Profile())
	defer m.Close()
	for range 2 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	p := m.Profile()
	if p.Runs() != 2 || p.Total() <= 0 {
		t.Errorf("%d runs, %v", p.Runs(), p.Total())
	}
	var gemm *CallTime
	for _, f := range p.Families() {
		if f.Family == "gemm" {
			gemm = &f
		}
	}
	// forward, by weight and by input, but for the gradient of the data
	if want := int64(2 * (3 + 3 + 2)); gemm == nil || int64(gemm.Runs) != want || gemm.Cost.FLOPs != want*2*8*8*8 {
		t.Errorf("gemm is %+v, want %d runs", gemm, want)
	}
	var trace strings.Builder
	if err := p.WriteTrace(&trace); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		TraceEvents []struct {
			Ph      string
			Ts, Dur float64
		}
	}
	if err := json.Unmarshal([]byte(trace.String()), &doc); err != nil {
		t.Fatal(err)
	}
	plan, err := m.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.TraceEvents) != len(plan.Calls) {
		t.Errorf("the trace has %d events, the plan %d calls", len(doc.TraceEvents), len(plan.Calls))
	}
	for _, s := range []string{p.String(), plan.String(), plan.Dot()} {
		if !strings.Contains(s, "gemm") {
			t.Errorf("no gemm in\n%s", s)
		}
	}
}

// TestMemory refuses a plan that does not fit, and says how much it takes.
func TestMemory(t *testing.T) {
	g, _ := deepMLP(t, 3, 64)
	m := New(g, On(ref.New()), MemoryLimit(10_000))
	defer m.Close()
	err := m.RunAll()
	if err == nil || !strings.Contains(err.Error(), "not enough memory") || !strings.Contains(err.Error(), "KiB") {
		t.Errorf("error is %v", err)
	}
}

// TestBadBinding explains what is wrong with a variable's value.
func TestBadBinding(t *testing.T) {
	g := newGraph(t, G.Float32)
	x := G.NewMatrix(g.ExprGraph, G.Float32, G.WithShape(2, 3), G.WithName("image"))
	g.must(G.Sum(x))
	m := New(g.ExprGraph, On(ref.New()))
	defer m.Close()
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "image has no value") {
		t.Errorf("without a value: %v", err)
	}
	if err := G.Let(x, tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Float32))); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	// gorgonia checks shapes in Let, but not that of a tensor that is reshaped afterwards
	if err := x.Value().(*tensor.Dense).Reshape(3, 2); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "shape (3, 2)") || !strings.Contains(err.Error(), "[2 3]") {
		t.Errorf("with another shape: %v", err)
	}
}

// TestRecompute trades calls for memory.
func TestRecompute(t *testing.T) {
	g, _ := deepMLP(t, 64, 32)
	plan := func(opts ...Option) *Plan {
		m := New(g, append(opts, On(ref.New()))...)
		defer m.Close()
		p, err := m.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	all, less := plan(), plan(Recompute())
	if 2*less.Arena > all.Arena || len(less.Calls) <= len(all.Calls) || len(less.Calls) > 2*len(all.Calls) {
		t.Errorf("recomputation takes %d bytes and %d calls; without it %d and %d", less.Arena, len(less.Calls), all.Arena, len(all.Calls))
	}
}

// TestBindDualValues accumulates gradients until somebody clears them, also those that two variables share or that are constant.
func TestBindDualValues(t *testing.T) {
	run := func(newVM vmMaker) []G.Value {
		g := newGraph(t, G.Float64)
		x, y, c := g.x(3), g.x(3), g.x()
		cost := g.must(G.Add(g.must(G.Sum(g.must(G.Square(g.must(G.Add(x, y)))))), c)) // x and y share a gradient, that of c is one
		if _, err := G.Grad(cost, x, y, c); err != nil {
			t.Fatal(err)
		}
		params := G.Nodes{x, y, c}
		vm := newVM(g.ExprGraph, nil, params, nil)
		defer vm.Close()
		var vs []G.Value
		for i := range 4 {
			check(t, vm.RunAll())
			for _, p := range params {
				d, err := p.Grad()
				check(t, err)
				vs = append(vs, clones(t, d)...)
			}
			if i%2 == 1 { // two runs a step
				check(t, G.NewVanillaSolver().Step(G.NodesToValueGrads(params)))
			}
			vm.Reset()
		}
		for _, p := range params {
			vs = append(vs, p.Value())
		}
		return vs
	}
	want, got := run(tapeVM), run(ourVM())
	for i := range want {
		compare(t, fmt.Sprintf("value %d", i), got[i], want[i], 1e-12)
	}
}

// TestSteadyStateWithSolver allocates nothing in the machine where gorgonia's solver steps on accumulated gradients.
func TestSteadyStateWithSolver(t *testing.T) {
	g, params := deepMLP(t, 3, 8)
	var cost G.Value
	for _, n := range g.AllNodes() {
		if isCost(n) {
			G.Read(n, &cost)
			break
		}
	}
	m := New(g, On(nothing{ref.New()}), BindDualValues(params...))
	defer m.Close()
	check(t, m.RunAll())
	if n := testing.AllocsPerRun(10, func() { _ = m.RunAll() }); n != 0 {
		t.Errorf("a run allocates %v times, want 0", n)
	}
	if cost == nil {
		t.Error("the cost was not read")
	}
}
