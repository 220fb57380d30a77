package engine

import (
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"

	"palladio/engine/nn"
	"palladio/fallback/ref"
	"palladio/kernels"
)

// TestFoldNorms merges normalisations into convolutions for inference, and leaves training as it is.
func TestFoldNorms(t *testing.T) {
	params := nn.NewParams(3)
	b := params.Build(G.NewGraph())
	x := b.Input("x", 2, 6, 6, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	h := x
	for _, m := range []nn.Named{
		{Name: "a", Module: nn.ConvNormAct{Conv: nn.Conv{Filters: 4, Kernel: []int{3}}, Act: "relu"}},
		{Name: "b", Module: nn.ConvNormAct{Conv: nn.Conv{Filters: 5, Kernel: []int{1}}, Act: "identity"}},
	} {
		h = b.Apply(m.Name, m.Module, h)
	}
	check(t, b.Err())
	for _, p := range params.All() {
		v := p.Value.Data().([]float32)
		for i := range v {
			v[i] = float32(0.5 + rng.Float64()) // no statistic or scale is trivial
		}
	}
	for i, v := 0, x.Value().Data().([]float32); i < len(v); i++ {
		v[i] = float32(rng.NormFloat64())
	}
	plain, folded := New(b.Graph(), On(ref.New()), Inference(), NoOptimisation(), Outputs(h)), New(b.Graph(), On(ref.New()), Inference(), Outputs(h))
	defer plain.Close()
	defer folded.Close()
	check(t, plain.RunAll())
	want := elements(t, h.Value())
	check(t, folded.RunAll())
	if got := elements(t, h.Value()); !near(got, want, 1e-5) {
		t.Errorf("got %v, want %v", got, want)
	}
	p, err := folded.Plan()
	check(t, err)
	convs := 0
	for _, k := range p.Kernels() {
		switch k := k.(type) {
		case kernels.Norm:
			t.Errorf("%s is left", k)
		case kernels.Conv:
			if k.Epilogue.Bias && (convs == 0) == (k.Epilogue.Act.Op == kernels.ReLU) {
				convs++
			}
		}
	}
	if convs != 2 {
		t.Errorf("the convolutions are not what they should be:\n%v", p)
	}
}
