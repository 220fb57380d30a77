package kernels

import "fmt"

// LossReduction says what becomes of the losses of single elements.
type LossReduction uint8

// The reductions.
const (
	LossPerElement LossReduction = iota // kept
	LossSum                             // summed
	LossMean                            // averaged over all elements
	LossBatchMean                       // summed and divided by the first extent
)

// Loss is an element-wise loss as kernels: two fused programs and a reduction. Targets are constants: they get no gradient.
type Loss struct {
	Values   Elementwise // in0 prediction, in1 target; out0 the loss of each element
	Total    *Reduce     // from out0 to a scalar; nil for LossPerElement
	Gradient Elementwise // in0 prediction, in1 target, in2 the loss's gradient (a scalar where Total is); out0 the prediction's gradient
}

// MSELoss is (x - t)².
func MSELoss(t DType, shape []int, r LossReduction) (Loss, error) {
	return newLoss("mse", t, shape, r, func(p *program, x, y int) int {
		return p.add(Square, p.add(Sub, x, y))
	}, func(p *program, x, y int) int {
		return p.add(Mul, p.add(Sub, x, y), p.imm(2))
	})
}

// L1Loss is |x - t|, with gradient 0 where x = t.
func L1Loss(t DType, shape []int, r LossReduction) (Loss, error) {
	return newLoss("l1", t, shape, r, func(p *program, x, y int) int {
		return p.add(Abs, p.add(Sub, x, y))
	}, func(p *program, x, y int) int {
		return p.add(Sign, p.add(Sub, x, y))
	})
}

// HuberLoss is (x - t)²/2 where |x - t| ≤ delta, else delta·(|x - t| - delta/2) (Huber 1964). The smooth L1 loss is Huber's divided by delta.
func HuberLoss(t DType, shape []int, delta float64, r LossReduction) (Loss, error) {
	if !(delta > 0) {
		return Loss{}, fmt.Errorf("huber loss: delta %v, want a positive number", delta)
	}
	return newLoss("huber", t, shape, r, func(p *program, x, y int) int {
		a := p.add(Abs, p.add(Sub, x, y))
		c := p.add(Min, a, p.imm(delta)) // c·(a - c/2) is both branches
		return p.add(Mul, c, p.add(FMA, c, p.imm(-0.5), a))
	}, func(p *program, x, y int) int {
		return p.add(Clamp, p.add(Sub, x, y), p.imm(-delta), p.imm(delta))
	})
}

// KLLoss is the pointwise Kullback-Leibler divergence t·(log t - x) of log-probabilities x from probabilities t; 0 where t = 0. Its
// sum over the classes, LossBatchMean, is the divergence.
func KLLoss(t DType, shape []int, r LossReduction) (Loss, error) {
	return newLoss("kl", t, shape, r, func(p *program, x, y int) int {
		v := p.add(Mul, y, p.add(Sub, p.add(Log, y), x))
		return p.add(Select, y, v, p.imm(0))
	}, func(p *program, _, y int) int {
		return p.add(Neg, y)
	})
}

// BCEWithLogitsLoss is the binary cross-entropy -t·log σ(x) - (1-t)·log(1-σ(x)) of a logit, as max(x, 0) - x·t + log(1 + exp(-|x|)): it neither
// overflows for large logits nor cancels for confident right ones.
func BCEWithLogitsLoss(t DType, shape []int, r LossReduction) (Loss, error) {
	return newLoss("bce_with_logits", t, shape, r, func(p *program, x, y int) int {
		linear := p.add(Sub, p.add(ReLU, x), p.add(Mul, x, y))
		return p.add(Add, linear, p.add(Softplus, p.add(Neg, p.add(Abs, x))))
	}, func(p *program, x, y int) int {
		return p.add(Sub, p.add(Sigmoid, x), y)
	})
}

// newLoss makes the kernels of a loss from the programs of its value and its derivative.
func newLoss(name string, t DType, shape []int, r LossReduction, value, derivative func(p *program, x, y int) int) (Loss, error) {
	if r > LossBatchMean {
		return Loss{}, fmt.Errorf("%s loss: unknown reduction %d", name, r)
	}
	if r == LossBatchMean && len(shape) == 0 {
		return Loss{}, fmt.Errorf("%s loss: a scalar has no batch to average over", name)
	}
	scale := 1.0
	switch n := Elems(shape); {
	case r == LossMean && n > 0:
		scale = 1 / float64(n)
	case r == LossBatchMean && shape[0] > 0:
		scale = 1 / float64(shape[0])
	}

	dense := EltInput{t, DenseStrides(shape)}
	upstream := dense
	var total *Reduce
	if r != LossPerElement {
		upstream = EltInput{t, make([]int, len(shape))}
		total = &Reduce{Op: ReduceSum, Type: t, Shape: shape, Axes: make([]int, len(shape))}
		for d := range shape {
			total.Axes[d] = d
		}
		if r == LossMean {
			total.Op = ReduceMean
		}
	}

	v := program{inputs: 2}
	value(&v, 0, 1)
	if r == LossBatchMean {
		v.add(Mul, v.last(), v.imm(scale))
	}
	g := program{inputs: 3}
	derivative(&g, 0, 1)
	g.add(Mul, g.last(), 2)
	if scale != 1 {
		g.add(Mul, g.last(), g.imm(scale))
	}
	l := Loss{v.kernel(t, shape, dense, dense), total, g.kernel(t, shape, dense, dense, upstream)}
	if err := l.Values.Validate(); err != nil {
		return Loss{}, fmt.Errorf("%s loss: %w", name, err)
	}
	return l, nil
}

// program is an element-wise program in the making.
type program struct {
	inputs int
	code   []Instr
}

// add appends an operation on up to three values and returns the value that it makes.
func (p *program) add(op EltOp, args ...int) int {
	var a [3]int
	copy(a[:], args)
	p.code = append(p.code, Instr{Op: op, A: a[0], B: a[1], C: a[2]})
	return p.last()
}

func (p *program) imm(v float64) int {
	p.code = append(p.code, Instr{Op: Imm, Imm: v})
	return p.last()
}

func (p *program) last() int { return p.inputs + len(p.code) - 1 }

// kernel ends the program: its last value is the output.
func (p *program) kernel(t DType, shape []int, in ...EltInput) Elementwise {
	return Elementwise{Type: t, Shape: shape, Inputs: in, Code: p.code, Outputs: []EltOutput{{t, p.last()}}}
}
