package nn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/op"
)

// values copies a float32 node's value.
func values(n nn.Node) []float32 { return slices.Clone(n.Value().Data().([]float32)) }

// run trains from machine step first up to step last.
func (k *task) run(t testing.TB, opt *nn.Optimizer, first, last int) {
	t.Helper()
	vm := engine.New(k.b.Graph(), engine.WithUpdate(opt), engine.Seed(5))
	defer vm.Close()
	vm.SetStep(uint64(first))
	for i := first; i < last; i++ {
		stripes(k.x, k.y, uint32(i))
		opt.Step(3e-3)
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckpoint stops a training, goes on from its checkpoint in new objects, and wants the same bits as without the stop.
func TestCheckpoint(t *testing.T) {
	build := func() (*nn.Params, *task, *nn.Optimizer) {
		params := nn.NewParams(3)
		k := newTask(t, params, smallNet(), 16)
		opt, err := nn.NewOptimizer(k.b, k.cost, nn.AdamW(0.01), nn.Average(0.9))
		if err != nil {
			t.Fatal(err)
		}
		return params, k, opt
	}
	path := filepath.Join(t.TempDir(), "net.safetensors")
	whole, k, opt := build()
	k.run(t, opt, 0, 12)
	half, k, opt := build()
	k.run(t, opt, 0, 7)
	if err := nn.SaveCheckpoint(path, half, opt, map[string]string{"task": "stripes"}); err != nil {
		t.Fatal(err)
	}
	resumed, k, opt := build()
	meta, err := nn.LoadCheckpoint(path, resumed, opt)
	if err != nil {
		t.Fatal(err)
	}
	if meta["task"] != "stripes" || opt.Steps() != 7 {
		t.Errorf("metadata %v, %d steps; want the task and 7 steps", meta, opt.Steps())
	}
	k.run(t, opt, opt.Steps(), 12)
	for _, p := range whole.All() {
		if got := resumed.Get(p.Name).Value.Data().([]float32); !slices.Equal(got, p.Value.Data().([]float32)) {
			t.Errorf("%s differs after resuming", p.Name)
		}
	}

	weights := nn.NewParams(4)
	newTask(t, weights, smallNet(), 1)
	if _, err := nn.LoadCheckpoint(path, weights, nil); err != nil {
		t.Errorf("weights alone: %v", err)
	}
	for _, p := range half.All() {
		if !slices.Equal(weights.Get(p.Name).Value.Data().([]float32), p.Value.Data().([]float32)) {
			t.Errorf("%s differs after loading", p.Name)
		}
	}
	other := nn.NewParams(3)
	b := other.Build(gorgonia.NewGraph())
	nn.Sequential{nn.Linear{Out: 3}}.Forward(b, b.Input("x", 1, 2))
	before := slices.Clone(other.All()[0].Value.Data().([]float32))
	if _, err := nn.LoadCheckpoint(path, other, nil); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a checkpoint of another network: %v", err)
	}
	if !slices.Equal(before, other.All()[0].Value.Data().([]float32)) {
		t.Error("a refused checkpoint changed a parameter")
	}
	if _, err := nn.LoadCheckpoint(path+"x", weights, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestInferenceSharesWeights compares inference of one batch size with another's, and with the training graph compiled for inference.
func TestInferenceSharesWeights(t *testing.T) {
	params := nn.NewParams(3)
	k := newTask(t, params, smallNet(), 16)
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.SGD(0.9, false, 0))
	if err != nil {
		t.Fatal(err)
	}
	k.run(t, opt, 0, 20)
	infer := func(k *task) []float32 {
		vm := engine.New(k.b.Graph(), engine.Inference(), engine.Outputs(k.logits))
		defer vm.Close()
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		return values(k.logits)
	}
	state := slices.Clone(params.Get("0.norm.running_mean").Value.Data().([]float32))
	if !slices.ContainsFunc(state, func(v float32) bool { return v != 0 }) {
		t.Error("training did not move the running means")
	}
	all := infer(k)
	one := newTask(t, params, smallNet(), 1)
	for n := range 16 {
		copy(one.x, k.x[n*64:n*64+64])
		for c, v := range infer(one) {
			if d := math.Abs(float64(v - all[n*4+c])); d > 1e-4*(1+math.Abs(float64(v))) {
				t.Fatalf("sample %d, class %d: %v alone, %v in the batch", n, c, v, all[n*4+c])
			}
		}
	}
	if !slices.Equal(state, params.Get("0.norm.running_mean").Value.Data().([]float32)) {
		t.Error("inference moved the running means")
	}
}

// TestSteadyState wants a training step that allocates nothing.
func TestSteadyState(t *testing.T) {
	k := newTask(t, nn.NewParams(1), smallNet(), 8)
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.AdamW(0.01), nn.ClipNorm(1), nn.Average(0.9))
	if err != nil {
		t.Fatal(err)
	}
	vm := engine.New(k.b.Graph(), engine.WithUpdate(opt))
	defer vm.Close()
	stripes(k.x, k.y, 1)
	step := func() {
		opt.Step(1e-3)
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(20, step); n > 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

// TestClipSkipsNaN wants parameters untouched by a step whose gradient is not finite.
func TestClipSkipsNaN(t *testing.T) {
	params := nn.NewParams(1)
	k := newTask(t, params, nn.Sequential{nn.Flatten{}, nn.Linear{Out: 4}}, 4)
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.Adam(0), nn.ClipNorm(1))
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(params.Get("1.weight").Value.Data().([]float32))
	vm := engine.New(k.b.Graph(), engine.WithUpdate(opt))
	defer vm.Close()
	k.x[3] = float32(math.NaN())
	opt.Step(1)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, params.Get("1.weight").Value.Data().([]float32)) {
		t.Error("a NaN reached the parameters")
	}
	k.x[3] = 1
	opt.Step(1)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(before, params.Get("1.weight").Value.Data().([]float32)) {
		t.Error("the next step changed nothing")
	}
}

// TestTransformer trains an encoder to say whether the first and the last of eight tokens are equal, and checks that a causal one does not look ahead.
func TestTransformer(t *testing.T) {
	const batch, length, kinds = 32, 8, 3
	params := nn.NewParams(2)
	b := params.Build(gorgonia.NewGraph())
	tokens, y := b.Labels("tokens", batch, length), b.Labels("y", batch)
	x := b.Apply("tokens", nn.Embedding{Rows: kinds, Width: 16, Init: nn.Normal(1)}, tokens)
	x = nn.TransformerEncoder{Layers: 2, Heads: 2, Hidden: 32}.Forward(b, x)
	x = b.Do(func() (nn.Node, error) { return op.Mean(x, false, 1) }, x)
	cost := b.CrossEntropy(b.Apply("classifier", nn.Linear{Out: 2}, x), y, op.CrossEntropyOptions{})
	opt, err := nn.NewOptimizer(b, cost, nn.AdamW(0))
	if err != nil {
		t.Fatal(err)
	}
	vm := engine.New(b.Graph(), engine.WithUpdate(opt))
	defer vm.Close()
	ids, labels := tokens.Value().Data().([]int32), y.Value().Data().([]int32)
	state := uint32(1)
	var last float64
	const steps = 300
	for i := range steps {
		for n := range batch {
			for j := range length {
				state = state*1664525 + 1013904223
				ids[n*length+j] = int32(state>>16) % kinds
			}
			labels[n] = 0
			if ids[n*length] == ids[n*length+length-1] {
				labels[n] = 1
			}
		}
		opt.Step(5e-3)
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		if i >= steps-20 {
			last += scalar(t, cost) / 20
		}
	}
	if last > 0.2 { // knowing only how often they are equal gives 0.64
		t.Errorf("loss %v, want at most 0.2", last)
	}

	b = nn.NewParams(2).Build(gorgonia.NewGraph())
	in := b.Input("x", 1, 5, 8)
	out := nn.TransformerEncoder{Layers: 2, Heads: 2, Hidden: 8, Causal: true}.Forward(b, in)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	causal := engine.New(b.Graph(), engine.Inference())
	defer causal.Close()
	data := in.Value().Data().([]float32)
	for i := range data {
		data[i] = float32(i%7) - 3
	}
	var results [2][]float32
	for i := range results {
		data[3*8] = float32(i) // position 3
		if err := causal.RunAll(); err != nil {
			t.Fatal(err)
		}
		results[i] = values(out)
	}
	if !slices.Equal(results[0][:24], results[1][:24]) || slices.Equal(results[0][24:], results[1][24:]) {
		t.Errorf("a change at position 3 changes %v to %v", results[0], results[1])
	}
}

func TestMixupCrossEntropy(t *testing.T) {
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	logits, first, second, lambda := b.Input("x", 2, 3), b.Labels("a", 2), b.Labels("b", 2), b.Input("lambda", 2)
	copy(logits.Value().Data().([]float32), []float32{1, 2, 3, -1, 0, 1})
	copy(first.Value().Data().([]int32), []int32{0, 2})
	copy(second.Value().Data().([]int32), []int32{1, 2})
	copy(lambda.Value().Data().([]float32), []float32{0.25, 0.5})
	cost := b.MixupCrossEntropy(logits, first, second, lambda, op.CrossEntropyOptions{})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	vm := engine.New(b.Graph())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	lse := math.Log(math.Exp(-2) + math.Exp(-1) + 1) // of both rows, from their largest
	want := (0.25*(lse+2) + 0.75*(lse+1) + lse) / 2
	if got := scalar(t, cost); math.Abs(got-want) > 1e-6 {
		t.Errorf("loss %v, want %v", got, want)
	}
}

func TestSummary(t *testing.T) {
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	nn.Sequential{
		nn.Named{Name: "conv", Module: nn.Conv{Filters: 8, Kernel: []int{3}}}, nn.Named{Name: "norm", Module: nn.BatchNorm{}}, nn.GlobalAvgPool{},
		nn.Named{Name: "out", Module: nn.Linear{Out: 10}},
	}.Forward(b, b.Input("x", 2, 4, 4, 3))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	s := b.Summary()
	if s.Params != 3*9*8+8+16+90 || s.State != 16 || s.MACs != 16*9*3*8+80 || len(s.Layers) != 3 {
		t.Errorf("summary %+v", s)
	}
	if l := s.Layers[0]; l.Params != 224 || l.MACs != 3456 || !slices.Equal(l.Output, []int{2, 4, 4, 8}) || !slices.Equal(l.Kernel, []int{3, 3}) {
		t.Errorf("first layer %+v", l)
	}
	var text bytes.Buffer
	if _, err := s.WriteTo(&text); err != nil || !strings.Contains(text.String(), "3,456") || !strings.Contains(text.String(), "[2 4 4 8]") {
		t.Errorf("%v:\n%s", err, &text)
	}
	j, err := s.JSON()
	var back nn.Summary
	if err == nil {
		err = json.Unmarshal(j, &back)
	}
	if err != nil || back.Params != s.Params || len(back.Layers) != 3 {
		t.Errorf("%s: %v", j, err)
	}
}

// TestErrors wants errors that say which layer is wrong.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		m     nn.Module
		shape []int
		want  string
	}{
		{nn.Sequential{nn.Flatten{}, nn.Named{Name: "stem", Module: nn.Conv{Filters: 4, Kernel: []int{3}}}}, []int{2, 4, 4, 1}, "stem"},
		{nn.Conv{Filters: 4, Kernel: []int{3}, Groups: 2}, []int{1, 4, 4, 3}, "groups"},
		{nn.Conv{Filters: 4, Kernel: []int{9}, Valid: true}, []int{1, 4, 4, 3}, "fit"},
		{nn.Activation("rulu"), []int{1, 4}, "gelu"},
		{nn.Residual{Body: nn.Linear{Out: 3}}, []int{1, 4}, "differ"},
		{nn.Attention{Heads: 3}, []int{1, 5, 4}, "heads"},
		{nn.MBConv{Out: 4, Kernel: 3}, []int{1, 4, 4, 4}, "expansion"},
		{nn.GroupNorm{Groups: 3}, []int{1, 4, 4, 4}, "groups"},
		{nn.Dropout{P: 1.5}, []int{1, 4}, "1.5"},
		{nn.Sequential{nn.Linear{Out: 2}, nn.Named{Name: "0", Module: nn.Linear{Out: 3}}}, []int{1, 4}, "different names"},
		{nn.MaxPool{Window: []int{5}}, []int{1, 4, 4, 1}, "pool"},
	} {
		b := nn.NewParams(1).Build(gorgonia.NewGraph())
		if y := c.m.Forward(b, b.Input("x", c.shape...)); b.Err() == nil || y != nil || !strings.Contains(b.Err().Error(), c.want) {
			t.Errorf("%#v: node %v, error %v; want an error with %q", c.m, y, b.Err(), c.want)
		}
	}
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	x := b.Input("x", 2, 3)
	cost := b.CrossEntropy(x, b.Labels("y", 2), op.CrossEntropyOptions{})
	if _, err := nn.NewOptimizer(b, cost, nn.Adam(0)); err == nil || !strings.Contains(err.Error(), "no parameters") {
		t.Errorf("a network without parameters: %v", err)
	}
}

func TestParamsCopies(t *testing.T) {
	p := nn.NewParams(1)
	b := p.Build(gorgonia.NewGraph())
	nn.Linear{Out: 2}.Forward(b, b.Input("x", 1, 3))
	if p.Count() != 8 || len(p.All()) != 2 {
		t.Fatalf("%d values in %d tensors", p.Count(), len(p.All()))
	}
	c := p.Clone()
	w := p.Get("weight").Value.Data().([]float32)
	w[0] = 77
	if c.Get("weight").Value.Data().([]float32)[0] == 77 {
		t.Error("a clone shares memory")
	}
	if err := c.CopyFrom(p); err != nil || c.Get("weight").Value.Data().([]float32)[0] != 77 {
		t.Errorf("copy: %v", err)
	}
	if err := c.CopyFrom(nn.NewParams(1)); err == nil {
		t.Error("copied from a collection without parameters")
	}
	var _ *tensor.Dense = p.Get("bias").Value
}

// TestSwitchedBranches trains a network with two branches of which one is taken, under a global norm: only the parameters on the path move.
func TestSwitchedBranches(t *testing.T) {
	params := nn.NewParams(1)
	b := params.Build(gorgonia.NewGraph())
	x, y := b.Input("x", 8, 6), b.Labels("y", 8)
	selector := gorgonia.NewScalar(b.Graph(), tensor.Int, gorgonia.WithName("selector"))
	h := b.Apply("stem", nn.Linear{Out: 5}, x)
	left, right := b.Apply("left", nn.Linear{Out: 3}, h), b.Apply("right", nn.Linear{Out: 3}, h)
	z := b.Do(func() (nn.Node, error) { return op.Switch(selector, left, right) }, left, right)
	cost := b.CrossEntropy(z, y, op.CrossEntropyOptions{})
	opt, err := nn.NewOptimizer(b, cost, nn.Adam(0), nn.ClipNorm(1), nn.Average(0.5))
	if err != nil {
		t.Fatal(err)
	}
	vm := engine.New(b.Graph(), engine.WithUpdate(opt))
	defer vm.Close()
	for i, v := 0, x.Value().Data().([]float32); i < len(v); i++ {
		v[i] = float32(i%5) - 2
	}
	for taken, moved := range [][]string{{"stem", "left"}, {"stem", "right"}} {
		before := params.Clone()
		if err := gorgonia.Let(selector, taken); err != nil {
			t.Fatal(err)
		}
		opt.Step(0.1)
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		for _, p := range params.All() {
			scope, _, _ := strings.Cut(p.Name, ".")
			same := slices.Equal(p.Value.Data().([]float32), before.Get(p.Name).Value.Data().([]float32))
			if want := !slices.Contains(moved, scope); same != want {
				t.Errorf("branch %d: %s stays as it is: %v, want %v", taken, p.Name, same, want)
			}
		}
	}
}

// TestOptimizerScope restricts an optimiser to a part of the network, and hands its state on to a graph of another batch size.
func TestOptimizerScope(t *testing.T) {
	params := nn.NewParams(1)
	k := newTask(t, params, smallNet(), 8)
	classifier := nn.Only(func(p *nn.Param) bool { return strings.HasPrefix(p.Name, "classifier.") })
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.Adam(0), classifier)
	if err != nil {
		t.Fatal(err)
	}
	before := params.Clone()
	k.run(t, opt, 0, 3)
	for _, p := range params.Trained() {
		same := slices.Equal(p.Value.Data().([]float32), before.Get(p.Name).Value.Data().([]float32))
		if want := !strings.HasPrefix(p.Name, "classifier."); same != want {
			t.Errorf("%s stays as it is: %v, want %v", p.Name, same, want)
		}
	}
	moment := slices.Clone(opt.State().Get("classifier.weight/m").Value.Data().([]float32))
	larger := newTask(t, params, smallNet(), 16)
	next, err := nn.OptimizerWithState(larger.b, larger.cost, nn.Adam(0), opt, classifier)
	if err != nil {
		t.Fatal(err)
	}
	if next.Steps() != 3 || !slices.Equal(moment, next.State().Get("classifier.weight/m").Value.Data().([]float32)) {
		t.Errorf("after %d steps, the state was not handed on", next.Steps())
	}
	larger.run(t, next, 3, 4)
	if slices.Equal(moment, opt.State().Get("classifier.weight/m").Value.Data().([]float32)) {
		t.Error("the state is not shared")
	}
}
