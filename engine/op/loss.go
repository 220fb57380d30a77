package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Reduction says what becomes of the losses of single elements.
type Reduction = kernels.LossReduction

// The reductions.
const (
	PerElement = kernels.LossPerElement
	SumAll     = kernels.LossSum
	MeanAll    = kernels.LossMean
	BatchMean  = kernels.LossBatchMean // summed and divided by the first extent
)

// CrossEntropyOptions are the options of SoftmaxCrossEntropy.
type CrossEntropyOptions struct {
	Smoothing   float64 // in [0, 1): the share of the target that is spread over all classes
	Ignore      bool    // samples with label IgnoreIndex do not count
	IgnoreIndex int64
	PerSample   bool // the losses [N] instead of their mean
}

// SoftmaxCrossEntropy is the cross-entropy of the softmax of logits [N, C], or [..., C] seen so, against targets: class numbers [N] (int32,
// int, int64) or distributions [N, C] of the logits' type. The result is the mean over the samples that are not ignored, a scalar. A label outside
// the classes makes the run fail.
func SoftmaxCrossEntropy(logits, targets *gorgonia.Node, o CrossEntropyOptions) (*gorgonia.Node, error) {
	ks, err := floats("cross-entropy", logits)
	if err != nil {
		return nil, err
	}
	t, s := ks[0].typ, ks[0].shape
	target, err := kindOf(targets)
	if err != nil {
		return nil, fmt.Errorf("cross-entropy: targets: %w", err)
	}
	if len(s) < 1 {
		return nil, fmt.Errorf("cross-entropy: logits are a scalar; want [N, classes]")
	}
	want := s[:len(s)-1]
	if target.typ == t {
		want = s
	}
	if !slices.Equal(target.shape, want) {
		return nil, fmt.Errorf("cross-entropy: logits %v and targets %s%v: want class numbers %v or distributions %v of type %s",
			s, target.typ, target.shape, s[:len(s)-1], s, t)
	}
	k := kernels.CrossEntropy{Type: t, N: kernels.Elems(s[:len(s)-1]), C: s[len(s)-1], Labels: target.typ,
		Smoothing: o.Smoothing, Ignore: o.Ignore, IgnoreIndex: o.IgnoreIndex}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	var f *family
	gradient := func(perSample bool) gradient {
		return func(x gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			b := kernels.CrossEntropyBackward{Of: k, PerSample: perSample}
			d, err := call(b, s, []bool{true, false, false, true}, func(in gorgonia.Nodes, _, g *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
				ds, err := secondGradient(composeCrossEntropy(k, in[1], perSample), in[:1], in[3], 0, g, []bool{need[0], need[3]})
				if err != nil {
					return nil, err
				}
				return gorgonia.Nodes{ds[0], nil, nil, ds[1]}, nil
			}, x[0], x[1], f.node(2), dy)
			return gorgonia.Nodes{d, nil}, err
		}
	}
	by := []bool{true, false}
	f, err = applyFamily(operator{text: k.String(), lower: func(l Lowering) error {
		emit(l, k, l.In(0), l.In(1), l.Out(0), l.Out(1), l.Out(2))
		return nil
	}}, []output{
		{kind{t, s[:len(s)-1]}, by, gradient(true)}, {kind{t, nil}, by, gradient(false)}, {kind: kind{t, []int{k.N}}},
	}, logits, targets)
	if err != nil {
		return nil, err
	}
	if o.PerSample {
		return f.node(0), nil
	}
	return f.node(1), nil
}

// MSE is (x - target)².
func MSE(x, target *gorgonia.Node, r Reduction) (*gorgonia.Node, error) {
	return loss("mse", x, target, r, kernels.MSELoss)
}

// L1 is |x - target|; its gradient is 0 where they are equal.
func L1(x, target *gorgonia.Node, r Reduction) (*gorgonia.Node, error) {
	return loss("l1", x, target, r, kernels.L1Loss)
}

// Huber is (x - target)²/2 where |x - target| ≤ delta, else delta·(|x - target| - delta/2) (Huber, 1964).
func Huber(x, target *gorgonia.Node, delta float64, r Reduction) (*gorgonia.Node, error) {
	return loss("huber", x, target, r, func(t kernels.DType, shape []int, r Reduction) (kernels.Loss, error) {
		return kernels.HuberLoss(t, shape, delta, r)
	})
}

// KL is target·(log target - x), the Kullback-Leibler divergence of log-probabilities x from probabilities; 0 where the target is 0.
func KL(x, target *gorgonia.Node, r Reduction) (*gorgonia.Node, error) {
	return loss("kl", x, target, r, kernels.KLLoss)
}

// BCEWithLogits is the binary cross-entropy of σ(x) against targets in [0, 1], computed from the logit without overflow.
func BCEWithLogits(x, target *gorgonia.Node, r Reduction) (*gorgonia.Node, error) {
	return loss("bce_with_logits", x, target, r, kernels.BCEWithLogitsLoss)
}

// loss makes the operators of an element-wise loss: its values as one chain, then the reduction.
func loss(name string, x, target *gorgonia.Node, r Reduction, make func(kernels.DType, []int, Reduction) (kernels.Loss, error)) (*gorgonia.Node, error) {
	ks, err := floats(name, x, target)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(ks[0].shape, ks[1].shape) {
		return nil, fmt.Errorf("%s: prediction %v and target %v differ in shape", name, ks[0].shape, ks[1].shape)
	}
	k, err := make(ks[0].typ, ks[0].shape, PerElement)
	if err != nil {
		return nil, err
	}
	y, err := Chain(name, k.Values.Code, x, target)
	if err != nil {
		return nil, err
	}
	switch r {
	case PerElement:
		return y, nil
	case SumAll:
		return Sum(y, false)
	case MeanAll:
		return Mean(y, false)
	case BatchMean:
		if len(ks[0].shape) == 0 || ks[0].shape[0] == 0 {
			return nil, fmt.Errorf("%s: shape %v has no batch to average over", name, ks[0].shape)
		}
		if y, err = Sum(y, false); err != nil {
			return nil, err
		}
		return Scale(y, 1/float64(ks[0].shape[0]))
	}
	return nil, fmt.Errorf("%s: unknown reduction %d", name, r)
}
