package vision

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"palladio/engine/nn"
)

// counts builds a network and counts its parameters, those of normalisation apart.
func counts(t *testing.T, m nn.Module, shape ...int) (weights, norms int, s nn.Summary) {
	t.Helper()
	params := nn.NewParams(1)
	b := params.Build(gorgonia.NewGraph())
	m.Forward(b, b.Input("x", shape...))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	for _, p := range params.Trained() {
		if strings.Contains(p.Name, "norm") {
			norms += p.Value.DataSize()
		} else {
			weights += p.Value.DataSize()
		}
	}
	return weights, norms, b.Summary()
}

func TestSimpleNetPresets(t *testing.T) {
	for _, c := range []struct {
		name           string
		weights, norms int
		macs           float64 // millions, at 32x32
	}{
		{"full", 5489290, 3968, 652.1}, {"slim310k", 310506, 1856, 55.8}, {"slim460k", 454710, 1736, 0}, {"half-slim", 78458, 928, 14.4},
	} {
		m, err := SimpleNetPreset(c.name, 10)
		if err != nil {
			t.Fatal(err)
		}
		weights, norms, s := counts(t, m, 2, 32, 32, 3)
		if weights != c.weights || norms != c.norms {
			t.Errorf("%s: %d weights and %d of normalisation, want %d and %d", c.name, weights, norms, c.weights, c.norms)
		}
		if s.Params != weights+norms {
			t.Errorf("%s: the summary counts %d parameters, want %d", c.name, s.Params, weights+norms)
		}
		if got := float64(s.MACs) / 1e6; c.macs > 0 && (got < c.macs*0.99 || got > c.macs*1.01) {
			t.Errorf("%s: %.1f M multiply-adds, want %.1f", c.name, got, c.macs)
		}
		again, err := ParseSimpleNet(m.String(), 10)
		if err != nil || again.String() != m.String() {
			t.Errorf("%s: %q reads back as %v, %v", c.name, m, again, err)
		}
	}
}

// TestImageNetCounts compares with the published counts of the large networks: strides in the first convolutions, normalisation everywhere.
func TestImageNetCounts(t *testing.T) {
	for _, c := range []struct {
		genome string
		params int
	}{
		{"64s2 128s2 128s2 128 128 128 p 256 256 256 512 p 2048k1 256k1 256", 5752808},
		{"32s2 64s2 64s2 64 64 64 p 128 128 128 256 p 1024k1 128k1 128", 1506792},
		{"128s2 192s2 192s2 192 192 192 p 320 320 320 640 p 2560k1 320k1 320", 9508968},
	} {
		m, err := ParseSimpleNet(c.genome, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if weights, norms, _ := counts(t, m, 1, 224, 224, 3); weights+norms != c.params {
			t.Errorf("%s: %d parameters, want %d", c.genome, weights+norms, c.params)
		}
	}
}

func TestResNet20Counts(t *testing.T) {
	weights, norms, s := counts(t, ResNet20(10), 1, 32, 32, 3)
	if weights+norms != 272474 {
		t.Errorf("%d parameters, want 272,474", weights+norms)
	}
	if s.MACs < 40e6 || s.MACs > 42e6 {
		t.Errorf("%d multiply-adds, want some 41 million", s.MACs)
	}
}

// TestResNet50Counts compares with the counts of the published network.
func TestResNet50Counts(t *testing.T) {
	weights, norms, s := counts(t, ResNet50(1000), 1, 224, 224, 3)
	if weights+norms != 25557032 {
		t.Errorf("%d parameters, want 25,557,032", weights+norms)
	}
	if s.MACs < 4.05e9 || s.MACs > 4.15e9 {
		t.Errorf("%d multiply-adds, want some 4.1 billion", s.MACs)
	}
}

func TestParseSimpleNetErrors(t *testing.T) {
	for _, c := range []struct{ genome, want string }{
		{"64 x p", `"x" at position 3`}, {"", "no convolution"}, {"p 64", "pool before"}, {"64k2", "odd"}, {"64k", "kernel"}, {"0", "width"},
		{"64 128k3s9", "stride"}, {"-5", "width"}, {"064", "width"}, {strings.Repeat("64 ", 300), "more than 256"},
	} {
		if _, err := ParseSimpleNet(c.genome, 10); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want an error with %q", c.genome, err, c.want)
		}
	}
	m, err := ParseSimpleNet("8 p p p p", 10)
	if err != nil {
		t.Fatal(err)
	}
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	if m.Forward(b, b.Input("x", 1, 8, 8, 1)); b.Err() == nil || !strings.Contains(b.Err().Error(), "pool 4") {
		t.Errorf("8x8 images through four pools: %v; want an error that names the fourth", b.Err())
	}
}

func FuzzParseSimpleNet(f *testing.F) {
	for _, p := range simplePresets {
		f.Add(p.genome)
	}
	f.Add("64k1s2 p")
	f.Fuzz(func(t *testing.T, genome string) {
		s, err := ParseSimpleNet(genome, 10)
		if err != nil {
			return
		}
		again, err := ParseSimpleNet(s.String(), 10)
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q reads as %q, which reads as %v, %v", genome, s, again, err)
		}
	})
}
