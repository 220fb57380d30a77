package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine"
	"palladio/fallback"
	"palladio/fallback/ref"
	"palladio/kernels"
)

// idle is a device on which calls do nothing, so that what is left is the machine's own time.
type idle struct{ *ref.Device }

type idleExec struct{}

func (idleExec) Workspace() int                           { return 0 }
func (idleExec) Run([]kernels.Arg, kernels.Arg) error     { return nil }
func (idle) Prepare(kernels.Kernel) (kernels.Exec, error) { return idleExec{}, nil }

// deepNet is a multilayer perceptron of gorgonia's operators with its gradients: some 16 nodes a layer.
func deepNet(layers, batch, width int) (*G.ExprGraph, error) {
	g := G.NewGraph()
	variable := func(name string, shape ...int) *G.Node {
		data := make([]float32, kernels.Elems(shape))
		for i := range data {
			data[i] = float32(noise(i, uint32(len(name))))
		}
		v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
	}
	x := variable("x", batch, width)
	var wrt G.Nodes
	for i := range layers {
		w := variable(fmt.Sprintf("w%d", i), width, width)
		wrt = append(wrt, w)
		y, err := G.Mul(x, w)
		if err != nil {
			return nil, err
		}
		if x, err = G.Tanh(y); err != nil {
			return nil, err
		}
	}
	cost, err := G.Sum(x)
	if err != nil {
		return nil, err
	}
	_, err = G.Grad(cost, wrt...)
	return g, err
}

// compileNodes is the size of the graph whose compilation is timed.
const compileNodes = 12800

// machineSuite measures the machine itself: compiling, the overhead of a call, allocations in a steady state.
func machineSuite(ctx context.Context, o *Options) ([]Table, []Bar, error) {
	o.Progress("machine: compile")
	layers := 100
	g, err := deepNet(layers, 4, 16)
	if err != nil {
		return nil, nil, err
	}
	layers = layers*(compileNodes+100)/len(g.AllNodes()) + 1
	if g, err = deepNet(layers, 4, 16); err != nil {
		return nil, nil, err
	}
	nodes := len(g.AllNodes())
	compile, err := repeat(ctx, o.Rounds, func() (float64, error) {
		start := time.Now()
		m := engine.New(g, engine.On(idle{ref.New()}))
		defer m.Close()
		_, err := m.Plan()
		return time.Since(start).Seconds(), err
	})
	if err != nil {
		return nil, nil, err
	}
	o.Progress("machine: overhead")
	overhead, err := callOverhead(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	allocs, err := stepAllocations()
	if err != nil {
		return nil, nil, err
	}
	t := Table{Name: "The machine", Threads: 1, unit: "ms", Contenders: []string{"palladio"}, Rows: []Row{
		{Case: fmt.Sprintf("compile a graph of %d nodes", nodes), Timings: map[string]Timing{"palladio": compile}},
		{Case: "overhead of a call", Timings: map[string]Timing{"palladio": overhead}},
	}}
	return []Table{t}, []Bar{
		{What: fmt.Sprintf("Compile of %d nodes, seconds", nodes), Want: 0.3, Got: compile.Seconds, Most: true},
		{What: "Overhead of a call, microseconds", Want: 1, Got: 1e6 * overhead.Seconds, Most: true},
		{What: "Allocations of a steady-state training step", Want: 0, Got: allocs, Most: true},
	}, nil
}

// repeat times f over several rounds.
func repeat(ctx context.Context, rounds int, f func() (float64, error)) (Timing, error) {
	var all []float64
	for range rounds {
		if err := ctx.Err(); err != nil {
			return Timing{}, err
		}
		s, err := f()
		if err != nil {
			return Timing{}, err
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return Timing{Seconds: median(all), Fastest: all[0], Slowest: all[len(all)-1]}, nil
}

// callOverhead is the machine's time a call: that of a plan whose calls do nothing, divided by their number.
func callOverhead(ctx context.Context, o *Options) (Timing, error) {
	g, err := deepNet(100, 4, 16)
	if err != nil {
		return Timing{}, err
	}
	m := engine.New(g, engine.On(idle{ref.New()}))
	defer m.Close()
	p, err := m.Plan()
	if err != nil {
		return Timing{}, err
	}
	calls := float64(len(p.Kernels()))
	return repeat(ctx, o.Rounds, func() (float64, error) {
		s, err := timeCalls(ctx, o.Budget, m.RunAll)
		return s / calls, err
	})
}

// stepAllocations counts what one training step of a deep network allocates once it has run a few times.
func stepAllocations() (float64, error) {
	g, err := deepNet(10, 32, 64)
	if err != nil {
		return 0, err
	}
	dev, err := fallback.New()
	if err != nil {
		return 0, err
	}
	defer dev.Close()
	m := engine.New(g, engine.On(dev))
	defer m.Close()
	const runs = 100
	var before, after runtime.MemStats
	for i := range runs + 10 {
		if i == 10 {
			runtime.ReadMemStats(&before)
		}
		if err := m.RunAll(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return math.Floor(float64(after.Mallocs-before.Mallocs) / runs), nil
}
