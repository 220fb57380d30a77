package bench

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"palladio/engine"
	"palladio/engine/nn"
	"palladio/engine/op"
	"palladio/engine/vision"
)

// trainModel is a network of the training suite; bench/peers/jax_peer.py defines the same ones.
type trainModel struct {
	build func() (nn.Module, error)
	input []int // of one sample
	vocab int   // above 0: the input is that many kinds of tokens
}

// The compact strings of SimpleNet; see vision.ParseSimpleNet.
const (
	slimGenome = "64 32 32 32 p 32 32 64 p 64 64 p 128 256k1 64k1 p 64 p"
	fullGenome = "64 128 128 128 p 128 128 256 p 256 256 p 512 2048k1 256k1 p 256 p"
)

var trainModels = map[string]trainModel{
	"simplenet-slim": {func() (nn.Module, error) { return vision.ParseSimpleNet(slimGenome, 10) }, []int{28, 28, 1}, 0},
	"simplenet":      {func() (nn.Module, error) { return vision.ParseSimpleNet(fullGenome, 10) }, []int{32, 32, 3}, 0},
	"transformer": {func() (nn.Module, error) {
		return nn.Sequential{nn.Embedding{Rows: 1000, Width: 256}, nn.TransformerEncoder{Layers: 4, Heads: 4, Hidden: 1024}, meanOverPositions, nn.Linear{Out: 10}}, nil
	}, []int{128}, 1000},
	"resnet50": {func() (nn.Module, error) { return vision.ResNet50(1000), nil }, []int{224, 224, 3}, 0},
	"resnet20": {func() (nn.Module, error) { return vision.ResNet20(10), nil }, []int{32, 32, 3}, 0},
}

// meanOverPositions makes [N, T, C] a matrix [N, C].
var meanOverPositions = nn.Func(func(b *nn.Builder, x nn.Node) nn.Node {
	return b.Do(func() (nn.Node, error) { return op.Mean(x, false, 1) }, x)
})

// trainStep is a compiled training step of a model on random data.
type trainStep struct {
	vm  *engine.Machine
	opt *nn.Optimizer
}

// newTrainStep compiles a step for a machine with the given options.
func newTrainStep(w trainWork, opts ...engine.Option) (*trainStep, error) {
	m, ok := trainModels[w.model]
	if !ok {
		return nil, fmt.Errorf("no model is called %q", w.model)
	}
	net, err := m.build()
	if err != nil {
		return nil, err
	}
	b := nn.NewParams(1).Build(gorgonia.NewGraph())
	rng := rand.New(rand.NewPCG(1, 1))
	shape := append([]int{w.batch}, m.input...)
	var x *gorgonia.Node
	if m.vocab > 0 {
		x = b.Labels("x", shape...)
		for i, v := 0, x.Value().Data().([]int32); i < len(v); i++ {
			v[i] = rng.Int32N(int32(m.vocab))
		}
	} else {
		x = b.Input("x", shape...)
		for i, v := 0, x.Value().Data().([]float32); i < len(v); i++ {
			v[i] = float32(rng.NormFloat64())
		}
	}
	y := b.Labels("y", w.batch)
	for i, v := 0, y.Value().Data().([]int32); i < len(v); i++ {
		v[i] = rng.Int32N(10)
	}
	cost := b.CrossEntropy(net.Forward(b, x), y, op.CrossEntropyOptions{})
	if b.Err() != nil {
		return nil, b.Err()
	}
	opt, err := nn.NewOptimizer(b, cost, nn.SGD(0.9, false, 0))
	if err != nil {
		return nil, err
	}
	return &trainStep{engine.New(b.Graph(), append(opts, engine.WithUpdate(opt), engine.Outputs(cost))...), opt}, nil
}

func (s *trainStep) run() error {
	s.opt.Step(0.001)
	return s.vm.RunAll()
}

func (s *trainStep) close() { _ = s.vm.Close() }
