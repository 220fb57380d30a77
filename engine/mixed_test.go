package engine_test

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/cuda"
	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/op"
	"palladio/kernels"
)

// mixedTraining is a training step in some numerics, on data of its own making.
type mixedTraining struct {
	vm   *engine.Machine
	opt  *nn.Optimizer
	cost gorgonia.Value
	fill func(step int)
}

func newMixedTraining(t *testing.T, network string, n engine.Numerics, opts ...engine.Option) *mixedTraining {
	t.Helper()
	b := nn.NewParams(3).Build(gorgonia.NewGraph())
	s := &mixedTraining{}
	var logits nn.Node
	const batch, classes = 16, 4
	y := b.Labels("y", batch)
	labels := y.Value().Data().([]int32)
	switch network {
	case "convnet":
		const side = 12
		x := b.Input("x", batch, side, side, 1)
		pixels := x.Value().Data().([]float32)
		logits = convNet(b, x)
		s.fill = func(step int) { // stripes, as wide as the class says
			for i := range pixels {
				n := i / (side * side)
				labels[n] = int32((n + step) % classes)
				pixels[i] = float32(math.Sin(float64(i%side)*(0.5+0.5*float64(labels[n]))) + 0.3*math.Cos(float64(i*(step+1))))
			}
		}
	case "transformer":
		const length, kinds = 8, 12
		x := b.Labels("x", batch, length)
		tokens := x.Value().Data().([]int32)
		h := b.Apply("embedding", nn.Embedding{Rows: kinds, Width: 32, Init: nn.Normal(1)}, x)
		h = nn.TransformerEncoder{Layers: 2, Heads: 2, Hidden: 64, Dropout: 0.1, Causal: true}.Forward(b, h)
		h = b.Do(func() (nn.Node, error) { return op.Mean(h, false, 1) }, h)
		logits = b.Apply("classifier", nn.Linear{Out: classes}, h)
		state := uint32(1)
		s.fill = func(int) { // the class is in the first token
			for i := range tokens {
				state = state*1664525 + 1013904223
				tokens[i] = int32(state>>16) % kinds
				labels[i/length] = tokens[i/length*length] % classes
			}
		}
	}
	cost := b.CrossEntropy(logits, y, op.CrossEntropyOptions{})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	read := gorgonia.Read(cost, &s.cost)
	var scale []nn.OptimizerOption
	if n == engine.MixedF16 {
		scale = append(scale, nn.ScaleLoss())
	}
	var err error
	if s.opt, err = nn.NewOptimizer(b, cost, nn.AdamW(0.01), scale...); err != nil {
		t.Fatal(err)
	}
	s.vm = engine.New(b.Graph(), append([]engine.Option{engine.WithUpdate(s.opt), engine.Outputs(read), engine.Seed(5), engine.Precision(n)}, opts...)...)
	t.Cleanup(func() {
		if err := s.vm.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// losses makes some steps.
func (s *mixedTraining) losses(t *testing.T, steps int) []float64 {
	t.Helper()
	var list []float64
	for i := range steps {
		s.fill(i)
		s.opt.Step(2e-3)
		if err := s.vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		list = append(list, float64(s.cost.Data().(float32)))
	}
	return list
}

// maxRoundings is how far from F32's a loss in half precision may lie, in roundings of the type. A step's roundings are as often up as down, and the loss
// is a mean over many of them; trainings that part company by more are wrong somewhere. (Below 1 when this was written.)
const maxRoundings = 4

// TestMixedTraining: a convnet and a transformer learn in half precision as they do in F32, on the CPU and, for the first steps, on the simulated GPU.
func TestMixedTraining(t *testing.T) {
	t.Setenv(cuda.EnvCache, t.TempDir())
	const steps = 60
	for _, network := range []string{"convnet", "transformer"} {
		want := newMixedTraining(t, network, engine.FullF32).losses(t, steps)
		if want[steps-1] > 0.8*want[0] {
			t.Errorf("%s does not learn in f32: %v", network, want)
		}
		for n, typ := range map[engine.Numerics]kernels.DType{engine.MixedBF16: kernels.BF16, engine.MixedF16: kernels.F16} {
			for device, steps := range map[string]int{"cpu": steps, "sim:h100": 2} {
				got := newMixedTraining(t, network, n, engine.On(device)).losses(t, steps)
				worst, at := 0.0, 0
				for i := range got {
					if d := math.Abs(got[i] - want[i]); !(d <= worst) {
						worst, at = d, i
					}
				}
				t.Logf("%s in %s on %s: from %.4f to %.4f (f32 %.4f), furthest from f32 at step %d by %.2g, %.2g roundings",
					network, n, device, got[0], got[steps-1], want[steps-1], at, worst, worst/typ.Epsilon())
				if !(worst <= maxRoundings*typ.Epsilon()) {
					t.Errorf("%s in %s on %s: loss %v at step %d, %v in f32", network, n, device, got[at], at, want[at])
				}
			}
		}
	}
}

// TestMixedPrecisionRoundsWeightsOnly: what a transformer's step converts are its weights, once each, and the little that enters or leaves the layers, in F16 the
// results of its normalisations, too, and the gradient of the last. All between is stored as halves, whoever makes it.
func TestMixedPrecisionRoundsWeightsOnly(t *testing.T) {
	for network, few := range map[string]map[engine.Numerics]int{
		"convnet": {engine.MixedBF16: 0, engine.MixedF16: 0}, "transformer": {engine.MixedBF16: 2, engine.MixedF16: 7}} {
		full, err := newMixedTraining(t, network, engine.FullF32).vm.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []engine.Numerics{engine.MixedBF16, engine.MixedF16} {
			p, err := newMixedTraining(t, network, n).vm.Plan()
			if err != nil {
				t.Fatal(err)
			}
			weights, others := 0, 0
			for _, c := range p.Calls {
				e, ok := c.Kernel.(kernels.Elementwise)
				switch {
				case !ok || len(e.Code) > 0 || e.Inputs[0].Type == e.Outputs[0].Type:
				case c.Operands[0].Where == "variable":
					weights++
				default:
					others++
					t.Logf("%s in %s: %s for %s", network, n, e, c.Node)
				}
			}
			t.Logf("%s in %s: %d calls (f32 %d), %d conversions of variables and %d others, %.0f %% of the bytes", network, n,
				len(p.Calls), len(full.Calls), weights, others, 100*float64(p.Cost().Bytes())/float64(full.Cost().Bytes()))
			if others > few[n] {
				t.Errorf("%s in %s: %d conversions, want at most %d:\n%s", network, n, others, few[n], p)
			}
		}
	}
}

// TestMixedPrecisionConvertsConstantsOnce: a constant that a product reads is stored as halves when the plan is built.
func TestMixedPrecisionConvertsConstantsOnce(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(3, 2), gorgonia.WithName("x"), gorgonia.WithInit(gorgonia.Ones()))
	k, err := op.Constant(g, tensor.Float32, []float64{1, 2, 3, 4, 5, 6.0625}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	y, err := op.MatMul(x, k, false, false)
	if err != nil {
		t.Fatal(err)
	}
	vm := engine.New(g, engine.Precision(engine.MixedBF16), engine.Keep(y))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if got := y.Value().Data().([]float32); got[0] != 5 || got[2] != 9.0625 {
		t.Errorf("x·k = %v, want 5, 7, 9.0625 in each row", got)
	}
	p, err := vm.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Calls) != 2 { // x is converted, and multiplied
		t.Errorf("%d calls, want 2:\n%s", len(p.Calls), p)
	}
}

// TestMixedPrecisionNormalisesLargeValues: what a normalisation brings into the range of F16 may come from beyond it.
func TestMixedPrecisionNormalisesLargeValues(t *testing.T) {
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	x := b.Input("x", 4, 8)
	y := nn.Sequential{nn.LayerNorm{}, nn.Linear{Out: 3}}.Forward(b, x)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	for i, v := range x.Value().Data().([]float32) {
		x.Value().Data().([]float32)[i] = v + 1e6*float32(math.Sin(float64(i)))
	}
	vm := engine.New(b.Graph(), engine.Precision(engine.MixedF16), engine.Keep(y))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, v := range y.Value().Data().([]float32) {
		if !(math.Abs(float64(v)) < 10) {
			t.Errorf("y[%d] is %v", i, v)
		}
	}
}
