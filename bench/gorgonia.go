package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// tapeMachine is gorgonia's own machine as a contender. It trains the networks that gorgonia's built-in operators can express.
type tapeMachine struct{}

func (tapeMachine) name() string { return "gorgonia" }
func (tapeMachine) close() error { return nil }

func (tapeMachine) measure(ctx context.Context, w workload, budget time.Duration) (seconds, checksum float64, err error) {
	t, ok := w.(trainWork)
	if !ok || t.gorgonia == nil {
		return 0, 0, errNotOffered
	}
	g, learnables, err := t.gorgonia(t.batch)
	if err != nil {
		return 0, 0, err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer vm.Close()
	solver := G.NewMomentum(G.WithLearnRate(0.001), G.WithMomentum(0.9))
	model := G.NodesToValueGrads(learnables)
	seconds, err = timeCalls(ctx, budget, func() error {
		if err := vm.RunAll(); err != nil {
			return err
		}
		if err := solver.Step(model); err != nil {
			return err
		}
		vm.Reset()
		return nil
	})
	return seconds, 0, err
}

// tapeNet builds a network of gorgonia's built-in operators, channels first.
type tapeNet struct {
	g          *G.ExprGraph
	learnables G.Nodes
	err        error
}

func (b *tapeNet) weight(shape ...int) *G.Node {
	n := G.NewTensor(b.g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprintf("w%d", len(b.learnables))), G.WithInit(G.GlorotN(1)))
	b.learnables = append(b.learnables, n)
	return n
}

// check keeps the first error.
func (b *tapeNet) check(n *G.Node, err error) *G.Node {
	if b.err == nil && err != nil {
		b.err = err
	}
	return n
}

// convBNReLU is a "same" convolution, batch normalisation and ReLU.
func (b *tapeNet) convBNReLU(x *G.Node, width, k, stride int) *G.Node {
	if b.err != nil {
		return x
	}
	x = b.check(G.Conv2d(x, b.weight(width, x.Shape()[1], k, k), tensor.Shape{k, k}, []int{k / 2, k / 2}, []int{stride, stride}, []int{1, 1}))
	if b.err != nil {
		return x
	}
	y, scale, bias, _, err := G.BatchNorm(x, nil, nil, 0.9, 1e-5)
	if b.check(y, err); b.err != nil {
		return x
	}
	b.learnables = append(b.learnables, scale, bias)
	return b.check(G.Rectify(y))
}

// tapeSimpleNet is SimpleNet from its compact string with gorgonia's operators, one training step's graph.
func tapeSimpleNet(widths string, side, channels int) func(batch int) (*G.ExprGraph, G.Nodes, error) {
	return func(batch int) (*G.ExprGraph, G.Nodes, error) {
		b := &tapeNet{g: G.NewGraph()}
		rng := rand.New(rand.NewPCG(1, 2))
		data := make([]float32, batch*channels*side*side)
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
		target := make([]float32, batch*10)
		for i := range batch {
			target[i*10+rng.IntN(10)] = 1
		}
		x := G.NewTensor(b.g, tensor.Float32, 4, G.WithShape(batch, channels, side, side), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(batch, channels, side, side), tensor.WithBacking(data))))
		y := G.NewMatrix(b.g, tensor.Float32, G.WithShape(batch, 10), G.WithName("y"), G.WithValue(tensor.New(tensor.WithShape(batch, 10), tensor.WithBacking(target))))
		for token := range strings.FieldsSeq(widths) {
			if token == "p" {
				if side := x.Shape()[2]; b.err == nil {
					x = b.check(G.MaxPool2D(x, tensor.Shape{2, 2}, []int{side % 2, side % 2}, []int{2, 2}))
				}
				continue
			}
			width, kernel, _ := strings.Cut(token, "k")
			w, err := strconv.Atoi(width)
			if err != nil {
				return nil, nil, err
			}
			k := 3
			if kernel != "" {
				k, _ = strconv.Atoi(kernel)
			}
			x = b.convBNReLU(x, w, k, 1)
		}
		if b.err != nil {
			return nil, nil, b.err
		}
		logits := b.head(x, batch)
		b.loss(logits, y)
		return b.g, b.learnables, b.err
	}
}

// head flattens and classifies.
func (b *tapeNet) head(x *G.Node, batch int) *G.Node {
	features := x.Shape().TotalSize() / batch
	x = b.check(G.Reshape(x, tensor.Shape{batch, features}))
	if b.err != nil {
		return x
	}
	return b.check(G.Mul(x, b.weight(features, 10)))
}

// loss is the mean cross-entropy and its gradients.
func (b *tapeNet) loss(logits, y *G.Node) {
	if b.err != nil {
		return
	}
	p := b.check(G.SoftMax(logits))
	l := b.check(G.Log(p))
	if b.err != nil {
		return
	}
	c := b.check(G.Neg(b.check(G.Mean(b.check(G.HadamardProd(l, y))))))
	if b.err == nil {
		_, b.err = G.Grad(c, b.learnables...)
	}
}
