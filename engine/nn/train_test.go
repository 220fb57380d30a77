package nn_test

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/op"
)

// stripes is a task that a small network learns at once: 8x8 images with a horizontal or a vertical stripe, or both, or none, in noise.
func stripes(x []float32, y []int32, seed uint32) {
	state := seed*2654435761 + 1
	random := func() float32 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		return float32(state>>8) / (1 << 24)
	}
	for n := range y {
		image := x[n*64 : n*64+64]
		for i := range image {
			image[i] = random() - 0.5
		}
		y[n] = int32(random() * 4)
		row, column := int(random()*8), int(random()*8)
		for i := range 8 {
			if y[n]&1 != 0 {
				image[row*8+i] += 1.5
			}
			if y[n]&2 != 0 {
				image[i*8+column] += 1.5
			}
		}
	}
}

// smallNet is a convolutional network with everything that has a state or draws random numbers.
func smallNet() nn.Module {
	return nn.Sequential{
		nn.ConvNormAct{Conv: nn.Conv{Filters: 8, Kernel: []int{3}}, Act: "relu"},
		nn.MaxPool{Window: []int{2}},
		nn.MBConv{Out: 8, Kernel: 3, Expand: 2, SqueezeExcite: 0.5, Act: "silu"},
		nn.ConvNormAct{Conv: nn.Conv{Filters: 16, Kernel: []int{3}}, Act: "relu"},
		nn.GlobalMaxPool{},
		nn.Dropout{P: 0.1},
		nn.Named{Name: "classifier", Module: nn.Linear{Out: 4}},
	}
}

// task is a training graph of a network with its inputs' memory.
type task struct {
	b      *nn.Builder
	x      []float32
	y      []int32
	logits nn.Node
	cost   nn.Node
}

func newTask(t testing.TB, params *nn.Params, m nn.Module, batch int) *task {
	t.Helper()
	b := params.Build(gorgonia.NewGraph())
	x, y := b.Input("x", batch, 8, 8, 1), b.Labels("y", batch)
	k := &task{b: b, x: x.Value().Data().([]float32), y: y.Value().Data().([]int32)}
	k.logits = m.Forward(b, x)
	k.cost = b.CrossEntropy(k.logits, y, op.CrossEntropyOptions{})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return k
}

func scalar(t testing.TB, n nn.Node) float64 {
	t.Helper()
	switch v := n.Value().Data().(type) {
	case float32:
		return float64(v)
	case []float32:
		return float64(v[0])
	}
	t.Fatalf("%s is %T", n.Name(), n.Value().Data())
	return 0
}

// train runs steps and returns the mean loss of the last ten.
func (k *task) train(t testing.TB, opt *nn.Optimizer, lr nn.Schedule, steps int, machine ...engine.Option) float64 {
	t.Helper()
	vm := engine.New(k.b.Graph(), append(machine, engine.WithUpdate(opt), engine.Seed(5), engine.Keep(k.cost))...)
	defer vm.Close()
	var last float64
	for i := range steps {
		stripes(k.x, k.y, uint32(i))
		opt.Step(lr(i))
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		l := scalar(t, k.cost)
		if math.IsNaN(l) {
			t.Fatalf("loss is NaN at step %d", i)
		}
		if i >= steps-10 {
			last += l / 10
		}
	}
	return last
}

// accuracy is the share of right answers of the inference plan.
func accuracy(t *testing.T, params *nn.Params, m nn.Module) float64 {
	const batch = 200
	k := newTask(t, params, m, batch)
	stripes(k.x, k.y, 1<<20)
	vm := engine.New(k.b.Graph(), engine.Inference(), engine.Outputs(k.logits))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	logits := k.logits.Value().(*tensor.Dense).Data().([]float32)
	right := 0
	for n := range batch {
		best := 0
		for c := range 4 {
			if logits[n*4+c] > logits[n*4+best] {
				best = c
			}
		}
		if best == int(k.y[n]) {
			right++
		}
	}
	return float64(right) / batch
}

func TestTrainSmallNet(t *testing.T) {
	params := nn.NewParams(1)
	k := newTask(t, params, smallNet(), 32)
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.AdamW(0.01), nn.ClipNorm(5), nn.Average(0.98))
	if err != nil {
		t.Fatal(err)
	}
	const steps = 300
	loss := k.train(t, opt, nn.Cosine(5e-3, 0, steps), steps)
	if loss > 0.15 {
		t.Errorf("loss %v after %d steps, want at most 0.15", loss, steps)
	}
	if a := accuracy(t, params, smallNet()); a < 0.95 {
		t.Errorf("accuracy of the inference plan %v, want at least 0.95", a)
	}
	averaged, err := opt.Averaged()
	if err != nil {
		t.Fatal(err)
	}
	if a := accuracy(t, averaged, smallNet()); a < 0.95 {
		t.Errorf("accuracy with averaged weights %v, want at least 0.95", a)
	}
}

// TestRules checks that every optimiser lowers the loss.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		rule nn.Rule
		lr   float64
	}{
		{nn.SGD(0, false, 0), 0.1}, {nn.SGD(0.9, true, 1e-4), 0.05}, {nn.Adam(1e-4), 3e-3}, {nn.AdamW(0.01), 3e-3}, {nn.LAMB(0.01), 2e-2},
		{nn.AdaDelta(0.9, 1e-3, 0), 0.3}, {nn.RMSProp(0.99, 1e-8, 0, 0), 1e-3},
	} {
		params := nn.NewParams(1)
		k := newTask(t, params, smallNet(), 32)
		opt, err := nn.NewOptimizer(k.b, k.cost, c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if loss := k.train(t, opt, nn.ConstantRate(c.lr), 100); loss > 0.9 {
			t.Errorf("%s: loss %v after 100 steps, want at most 0.9 (chance is 1.39)", c.rule, loss)
		}
	}
}

// TestMixedPrecision trains in half precision as well as in F32.
func TestMixedPrecision(t *testing.T) {
	for _, c := range []struct {
		numerics engine.Numerics
		opts     []nn.OptimizerOption
	}{
		{engine.TF32, nil}, {engine.MixedBF16, nil}, {engine.MixedF16, []nn.OptimizerOption{nn.ScaleLoss()}},
		{engine.MixedF16, []nn.OptimizerOption{nn.ScaleLoss(), nn.ClipNorm(5)}},
	} {
		params := nn.NewParams(1)
		k := newTask(t, params, smallNet(), 32)
		opt, err := nn.NewOptimizer(k.b, k.cost, nn.AdamW(0.01), c.opts...)
		if err != nil {
			t.Fatal(err)
		}
		const steps = 300
		if loss := k.train(t, opt, nn.Cosine(5e-3, 0, steps), steps, engine.Precision(c.numerics)); loss > 0.2 {
			t.Errorf("%s: loss %v after %d steps, want at most 0.2", c.numerics, loss, steps)
		}
		if a := accuracy(t, params, smallNet()); a < 0.94 {
			t.Errorf("%s: accuracy of the inference plan %v, want at least 0.94", c.numerics, a)
		}
	}
}

// TestLossScaleAdapts starts with a factor that no F16 gradient stands: steps are skipped, the factor halved each time, until the gradients
// are finite; then the parameters move.
func TestLossScaleAdapts(t *testing.T) {
	params := nn.NewParams(1)
	k := newTask(t, params, smallNet(), 32)
	opt, err := nn.NewOptimizer(k.b, k.cost, nn.AdamW(0.01), nn.ScaleLoss())
	if err != nil {
		t.Fatal(err)
	}
	factor := opt.State().Get("loss_scale").Value.Data().([]float32)
	if factor[0] != 1<<16 {
		t.Errorf("the factor starts at %v, want 2^16", factor[0])
	}
	factor[0] = 1 << 30
	vm := engine.New(k.b.Graph(), engine.WithUpdate(opt), engine.Precision(engine.MixedF16))
	defer vm.Close()
	weight := params.Get("classifier.weight").Value.Data().([]float32)
	skipped := 0
	for i := range 40 {
		stripes(k.x, k.y, uint32(i))
		opt.Step(1e-3)
		was, before := weight[0], factor[0]
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		switch moved := weight[0] != was; {
		case factor[0] == before/2 && !moved:
			skipped++
		case factor[0] == before && moved:
		default:
			t.Fatalf("step %d: the factor went from %v to %v, the weight from %v to %v", i, before, factor[0], was, weight[0])
		}
	}
	if skipped < 5 || skipped > 30 {
		t.Errorf("%d of 40 steps were skipped; the factor is now %v", skipped, factor[0])
	}
}
