package vision

import (
	"context"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"palladio/engine"
	"palladio/engine/data"
	"palladio/engine/nn"
)

// evaluationBatch is how many images are classified at a time.
const evaluationBatch = 200

// Evaluator classifies one set with an inference plan.
type Evaluator struct {
	params *nn.Params
	loader *data.Loader
	vm     *engine.Machine
	x      []float32
	logits gorgonia.Value
	batch  int
}

// NewEvaluator compiles net for inference on a set, normalised as the training images were.
func NewEvaluator(net nn.Module, params *nn.Params, set *data.Images, mean, std []float32, opts ...engine.Option) (*Evaluator, error) {
	batch := min(evaluationBatch, set.N)
	loader, err := data.NewLoader(set, data.LoaderOptions{Batch: batch, Mean: mean, Std: std})
	if err != nil {
		return nil, err
	}
	e := &Evaluator{params: params.Clone(), loader: loader, batch: batch}
	b := e.params.Build(gorgonia.NewGraph())
	x := b.Input("x", batch, set.H, set.W, set.C)
	e.x = x.Value().Data().([]float32)
	logits := net.Forward(b, x)
	if err := checkLogits(b, logits, len(set.Classes)); err != nil {
		return nil, err
	}
	read := gorgonia.Read(logits, &e.logits)
	var weights gorgonia.Nodes
	for _, p := range e.params.All() {
		weights = append(weights, b.ParamNode(p.Name))
	}
	e.vm = engine.New(b.Graph(), append([]engine.Option{engine.Inference(), engine.Outputs(read), engine.Resident(weights...)}, opts...)...)
	return e, nil
}

// Close frees the plan.
func (e *Evaluator) Close() error { return e.vm.Close() }

// Evaluate gives the share of images classified right and the mean cross-entropy, with the values of params.
func (e *Evaluator) Evaluate(ctx context.Context, params *nn.Params) (accuracy, loss float64, err error) {
	if err := e.params.CopyFrom(params); err != nil {
		return 0, 0, err
	}
	e.vm.Push()
	right, images := 0, 0
	for b, err := range e.loader.Epoch(ctx, 0) {
		if err != nil {
			return 0, 0, err
		}
		clear(e.x[copy(e.x, b.X):])
		if err := e.vm.RunAll(); err != nil {
			return 0, 0, err
		}
		logits := e.logits.Data().([]float32)
		classes := len(logits) / e.batch
		for i := range b.N {
			row := logits[i*classes : (i+1)*classes]
			best, l := judge(row, int(b.Y[i]))
			if math.IsNaN(l) {
				return 0, 0, fmt.Errorf("evaluate: the logits of image %d are %v", images+i, row)
			}
			if best == int(b.Y[i]) {
				right++
			}
			loss += l
		}
		images += b.N
	}
	return float64(right) / float64(images), loss / float64(images), nil
}

// judge finds the largest logit and the cross-entropy of the right one.
func judge(logits []float32, label int) (best int, loss float64) {
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - logits[best]))
	}
	return best, math.Log(sum) + float64(logits[best]-logits[label])
}
