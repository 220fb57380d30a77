package vision

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/nn"
)

// clothes are a few of the embedded images, small enough for a test.
func clothes(t *testing.T, train, held, side int) (*data.Images, *data.Images) {
	t.Helper()
	a, b, err := data.Open(context.Background(), "fashion10k", [2]int{})
	if err != nil {
		t.Fatal(err)
	}
	cut := func(s *data.Images, n int) *data.Images {
		s, err := s.Range(0, n)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = s.Resize(side, side); err != nil {
			t.Fatal(err)
		}
		return s
	}
	return cut(a, train), cut(b, held)
}

func tinyNet(t *testing.T) *SimpleNet {
	t.Helper()
	net, err := ParseSimpleNet("8 p 16 p 32", 10)
	if err != nil {
		t.Fatal(err)
	}
	net.Dropout = 0.1
	return net
}

func tinyOptions() FitOptions {
	return FitOptions{Epochs: 3, Batch: 32, Rule: nn.AdamW(0.01), Rate: 0.01, Schedule: "cosine", Seed: 5, LabelSmoothing: 0.05, Clip: 5, Average: 0.9,
		Augment: data.Augment{Pad: 1, Flip: true, Cutout: 3}, Machine: []engine.Option{engine.Threads(1)}}
}

func TestFitLearns(t *testing.T) {
	train, held := clothes(t, 640, 200, 14)
	epochs, _, err := Fit(context.Background(), tinyNet(t), nn.NewParams(1), train, held, tinyOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(epochs) != 3 || !(epochs[2].Loss < epochs[0].Loss) || epochs[2].Accuracy < 0.5 {
		t.Errorf("%+v", epochs)
	}
	o := tinyOptions()
	o.Augment.Mixup = 0.4
	if epochs, _, err = Fit(context.Background(), tinyNet(t), nn.NewParams(1), train, held, o); err != nil || epochs[2].Accuracy < 0.4 {
		t.Errorf("with mixup: %+v, %v", epochs, err)
	}
}

// weights joins all parameters' bytes.
func weights(t *testing.T, p *nn.Params) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "w.safetensors")
	if err := nn.SaveCheckpoint(file, p, nil, nil); err != nil {
		t.Fatal(err)
	}
	tensors, _, err := nn.LoadSafetensors(file)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, r := range tensors {
		b = append(b, r.Data...)
	}
	return b
}

func TestFitResumes(t *testing.T) {
	train, held := clothes(t, 320, 100, 14)
	whole := nn.NewParams(1)
	_, best, err := Fit(context.Background(), tinyNet(t), whole, train, held, tinyOptions())
	if err != nil {
		t.Fatal(err)
	}
	o := tinyOptions()
	o.Checkpoint, o.Resume = filepath.Join(t.TempDir(), "state.safetensors"), true
	o.OnEpoch = func(Epoch, *nn.Params) error { return ErrStop }
	for range 3 { // one epoch a run
		parts := nn.NewParams(1)
		var again *nn.Params
		if _, again, err = Fit(context.Background(), tinyNet(t), parts, train, held, o); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(weights(t, again), weights(t, best)) {
			if !bytes.Equal(weights(t, parts), weights(t, whole)) {
				t.Error("the averages agree, the weights do not")
			}
			return
		}
	}
	t.Error("a training in three parts ends elsewhere than one in a single run")
}

func TestFitRefuses(t *testing.T) {
	train, held := clothes(t, 64, 50, 14)
	for want, change := range map[string]func(*FitOptions, **SimpleNet){
		"epochs":          func(o *FitOptions, _ **SimpleNet) { o.Epochs = 0 },
		"learning rate":   func(o *FitOptions, _ **SimpleNet) { o.Rate = 0 },
		"batch":           func(o *FitOptions, _ **SimpleNet) { o.Batch = 65 },
		"schedule":        func(o *FitOptions, _ **SimpleNet) { o.Schedule = "never" },
		"one a class":     func(_ *FitOptions, n **SimpleNet) { (*n).Classes = 9 },
		"the loss is NaN": func(o *FitOptions, _ **SimpleNet) { o.Rate, o.Rule, o.Clip = 1e30, nn.SGD(0, false, 0), 0 },
		"train in bf16": func(o *FitOptions, _ **SimpleNet) {
			o.Rate, o.Rule, o.Clip, o.Precision = 1e30, nn.SGD(0, false, 0), 0, engine.MixedF16
		},
	} {
		o, net := tinyOptions(), tinyNet(t)
		o.Average = 0
		change(&o, &net)
		_, _, err := Fit(context.Background(), net, nn.NewParams(1), train, held, o)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, "NaN")) {
			t.Errorf("error %v, want one about %q", err, want)
		}
	}
}

// TestLossScaleAtItsEnd: gradients that are not finite whatever the factor of the loss end the training, with the reason.
func TestLossScaleAtItsEnd(t *testing.T) {
	train, _ := clothes(t, 64, 50, 14)
	for _, c := range []struct {
		numerics      engine.Numerics
		factor, steps float32
		fails         bool
	}{{engine.MixedF16, 1, 0, true}, {engine.MixedF16, 1, 3, false}, {engine.MixedF16, 2, 0, false}, {engine.MixedBF16, 0, 0, false}} {
		o := tinyOptions()
		o.Precision = c.numerics
		f, err := newTrainer(tinyNet(t), nn.NewParams(1), train, o)
		if err != nil {
			t.Fatal(err)
		}
		defer f.vm.Close()
		if c.numerics == engine.MixedF16 {
			f.opt.State().Get("loss_scale").Value.Data().([]float32)[0] = c.factor
			f.opt.State().Get("loss_scale/steps").Value.Data().([]float32)[0] = c.steps
		}
		if err := f.checkScale(1); (err != nil) != c.fails || err != nil && !strings.Contains(err.Error(), "bf16") {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}

func TestTrainJob(t *testing.T) {
	out := filepath.Join(t.TempDir(), "net.safetensors")
	j := Job{Model: "simplenet", Genome: "8 p 16", Data: "fashion10k", Size: 14, Limit: 320, Output: out, Fit: tinyOptions()}
	j.Fit.Epochs = 1
	r, err := Train(context.Background(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Train != 320 || r.Held != 2000 || r.Params != 8*9+8+16+16*8*9+16+32+160+10 || len(r.Epochs) != 1 {
		t.Errorf("%+v", r)
	}
	if tensors, meta, err := nn.LoadSafetensors(out); err != nil || len(tensors) == 0 || meta["model"] != "simplenet 8 p 16" {
		t.Errorf("%d tensors, %v, %v", len(tensors), meta, err)
	}
	for _, bad := range []Job{{Model: "vgg"}, {Model: "simplenet", Genome: "x"}, {Model: "simplenet", Preset: "huge"}, {Model: "resnet20", Preset: "full"}} {
		bad.Data, bad.Fit = "fashion10k", tinyOptions()
		if _, err := Train(context.Background(), bad, nil); err == nil {
			t.Errorf("%+v: accepted", bad)
		}
	}
	for _, name := range RuleNames() {
		if _, err := NamedRule(name, 0.9, 0); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(ModelNames(), "resnet20") {
		t.Error("resnet20 is not listed")
	}
}
