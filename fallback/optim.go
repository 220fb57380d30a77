package fallback

import (
	"math"

	"palladio/kernels"
)

// optimBlock is the number of parameters of one part. LAMB adds up its norms block by block, so that they do not depend on the threads.
const optimBlock = 8192

// The constants of a step, as optimState.c holds them; the assembly knows their order.
const (
	cScale  = iota // of the gradient
	cDecay         // weight decay, added to the gradient
	cRate          // learning rate, with what it may be multiplied by beforehand
	cMu            // momentum
	cDamp          // 1 - dampening
	cFirst         // 1 - the decay of the first average
	cSecond        // 1 - the decay of the second average
	cEps
	cCorr1 // bias corrections 1/(1-beta^t)
	cCorr2
	cKeep // what decoupled weight decay leaves of a parameter
	numConsts
)

// optimState is a range of parameters and what a rule needs to update them. The assembly knows its layout for float32.
type optimState[T real] struct {
	grad, param, state0, state1, state2 *T

	n    int
	c    [numConsts + 1]T // the last is padding
	sums [2]T             // of LAMB: Σ w², Σ r²
}

// optimArgs is what the assembly takes.
type optimArgs = optimState[float32]

// optimRules are the update rules at one level. The assembly's comments give their formulas in terms of the constants.
type optimRules[T real] struct {
	sgd, sgdMomentum, sgdNesterov, adam, lambMoments, lambApply, adaDelta, ema func(p *optimState[T])

	rmsProp [4]func(p *optimState[T]) // 1: centred, 2: with momentum
}

// optimExec is one optimiser's step.
type optimExec[T real] struct {
	pool       *pool
	n, bytes   int
	constants  func(c *[numConsts + 1]T, rate, step, scale float64)
	rule, then func(p *optimState[T]) // then: LAMB's second pass
	phase      func(p *optimState[T]) // the pass that is under way
	args       []kernels.Arg
	state      []optimState[T] // by worker
	c          [numConsts + 1]T
	sums       [][2]float64 // by part
}

func (d *Device) prepareOptim(k kernels.Kernel) (kernels.Exec, error) {
	if k.Operands()[0].Type == kernels.F64 {
		return newOptim(d, k, genericOptimRules[float64]()), nil
	}
	return newOptim(d, k, newOptimRules(d.level)), nil
}

func newOptim[T real](d *Device, k kernels.Kernel, rules optimRules[T]) *optimExec[T] {
	e := &optimExec[T]{pool: d.pool, state: make([]optimState[T], d.pool.threads), bytes: int(k.Cost().Bytes())}
	switch k := k.(type) {
	case kernels.SGD:
		e.n = k.N
		switch {
		case k.Nesterov:
			e.rule = rules.sgdNesterov
		case k.Momentum != 0:
			e.rule = rules.sgdMomentum
		default:
			e.rule = rules.sgd
		}
		e.constants = func(c *[numConsts + 1]T, rate, _, scale float64) {
			c[cScale], c[cDecay], c[cRate], c[cMu], c[cDamp] = T(scale), T(k.WeightDecay), T(rate), T(k.Momentum), T(1-k.Dampening)
		}
	case kernels.Adam:
		e.n, e.rule = k.N, rules.adam
		e.constants = func(c *[numConsts + 1]T, rate, step, scale float64) {
			c[cFirst], c[cSecond], c[cEps] = T(1-k.Beta1), T(1-k.Beta2), T(k.Eps)
			c[cScale], c[cDecay], c[cKeep] = T(scale), T(k.WeightDecay), 1
			if k.Decoupled {
				c[cDecay], c[cKeep] = 0, T(1-rate*k.WeightDecay)
			}
			c[cRate], c[cCorr2] = T(rate/(1-math.Pow(k.Beta1, step))), T(1/(1-math.Pow(k.Beta2, step)))
		}
	case kernels.LAMB:
		e.n, e.rule, e.then = k.N, rules.lambMoments, rules.lambApply
		e.sums = make([][2]float64, e.parts())
		e.constants = func(c *[numConsts + 1]T, rate, step, scale float64) {
			c[cFirst], c[cSecond], c[cEps] = T(1-k.Beta1), T(1-k.Beta2), T(k.Eps)
			c[cScale], c[cDecay], c[cRate] = T(scale), T(k.WeightDecay), T(rate)
			c[cCorr1], c[cCorr2] = T(1/(1-math.Pow(k.Beta1, step))), T(1/(1-math.Pow(k.Beta2, step)))
		}
	case kernels.AdaDelta:
		e.n, e.rule = k.N, rules.adaDelta
		e.constants = func(c *[numConsts + 1]T, rate, _, scale float64) {
			c[cScale], c[cDecay], c[cRate], c[cFirst], c[cEps] = T(scale), T(k.WeightDecay), T(rate), T(1-k.Rho), T(k.Eps)
		}
	case kernels.RMSProp:
		variant := 0
		if k.Centered {
			variant = 1
		}
		if k.Momentum != 0 {
			variant += 2
		}
		e.n, e.rule = k.N, rules.rmsProp[variant]
		e.constants = func(c *[numConsts + 1]T, rate, _, scale float64) {
			c[cScale], c[cDecay], c[cRate], c[cMu], c[cFirst], c[cEps] = T(scale), T(k.WeightDecay), T(rate), T(k.Momentum), T(1-k.Rho), T(k.Eps)
		}
	}
	return e
}

func (e *optimExec[T]) parts() int { return (e.n + optimBlock - 1) / optimBlock }

// Workspace is none: LAMB computes its direction twice instead of keeping it.
func (e *optimExec[T]) Workspace() int { return 0 }

// Run updates parameters and state in place.
func (e *optimExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	hyper, scale := kernels.Slice[T](args[0]), kernels.Slice[T](args[1])
	if scale[0] == 0 || e.n == 0 {
		return nil
	}
	e.args, e.phase = args, e.rule
	e.constants(&e.c, float64(hyper[0]), float64(hyper[1]), float64(scale[0]))
	e.pool.inParts(e.parts(), e.bytes, e)
	if e.then != nil {
		var ww, rr float64
		for _, s := range e.sums {
			ww += s[0]
			rr += s[1]
		}
		if ww > 0 && rr > 0 {
			e.c[cRate] = T(float64(hyper[0]) * math.Sqrt(ww) / math.Sqrt(rr))
		}
		e.phase = e.then
		e.pool.inParts(e.parts(), e.bytes, e)
	}
	e.args = nil
	return nil
}

// part updates one block of parameters.
func (e *optimExec[T]) part(i, worker int) {
	p := &e.state[worker]
	lo, hi := i*optimBlock, min(e.n, (i+1)*optimBlock)
	p.n = hi - lo
	p.c = e.c
	p.grad, p.param = operandAt[T](e.args, 2, lo), operandAt[T](e.args, 3, lo)
	p.state0, p.state1, p.state2 = operandAt[T](e.args, 4, lo), operandAt[T](e.args, 5, lo), operandAt[T](e.args, 6, lo)
	e.phase(p)
	if e.sums != nil {
		e.sums[i] = [2]float64{float64(p.sums[0]), float64(p.sums[1])}
	}
}

// operandAt is the address of element i of an operand; nil if the rule has no such operand.
func operandAt[T real](args []kernels.Arg, operand, i int) *T {
	if operand >= len(args) {
		return nil
	}
	return &kernels.Slice[T](args[operand])[i]
}

// emaExec moves an average.
type emaExec[T real] struct {
	pool  *pool
	n     int
	bytes int
	rule  func(p *optimState[T])
	args  []kernels.Arg
	state []optimState[T]
}

func (d *Device) prepareEMA(k kernels.EMA) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newEMA(d, k, genericOptimRules[float64]().ema), nil
	}
	return newEMA(d, k, newOptimRules(d.level).ema), nil
}

func newEMA[T real](d *Device, k kernels.EMA, rule func(p *optimState[T])) *emaExec[T] {
	return &emaExec[T]{pool: d.pool, n: k.N, bytes: int(k.Cost().Bytes()), rule: rule, state: make([]optimState[T], d.pool.threads)}
}

// Workspace is none.
func (e *emaExec[T]) Workspace() int { return 0 }

// Run updates the average in place.
func (e *emaExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.args = args
	e.pool.inParts((e.n+optimBlock-1)/optimBlock, e.bytes, e)
	e.args = nil
	return nil
}

func (e *emaExec[T]) part(i, worker int) {
	p := &e.state[worker]
	lo, hi := i*optimBlock, min(e.n, (i+1)*optimBlock)
	p.n = hi - lo
	p.c[cFirst] = T(1 - float64(kernels.Slice[T](e.args[0])[0]))
	p.grad, p.state0 = operandAt[T](e.args, 1, lo), operandAt[T](e.args, 2, lo)
	e.rule(p)
}

// clipExec computes the global norm of gradients and the scale that clips it.
type clipExec[T real] struct{ k kernels.ClipScale }

func (d *Device) prepareClipScale(k kernels.ClipScale) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return clipExec[float64]{k}, nil
	}
	return clipExec[float32]{k}, nil
}

// Workspace is none.
func (e clipExec[T]) Workspace() int { return 0 }

// Run adds up the sums of squares in float64.
func (e clipExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	sum := 0.0
	for _, a := range args[:e.k.Count] {
		sum += float64(kernels.Slice[T](a)[0])
	}
	norm, scale := math.Sqrt(sum), 1.0
	switch {
	case math.IsNaN(norm) || math.IsInf(norm, 0):
		scale = 0
	case norm > e.k.MaxNorm:
		scale = e.k.MaxNorm / norm
	}
	kernels.Slice[T](args[e.k.Count])[0] = T(norm)
	kernels.Slice[T](args[e.k.Count+1])[0] = T(scale)
	return nil
}

// lossScaleExec takes a loss' factor out of the gradients and adapts it.
type lossScaleExec[T real] struct{ k kernels.LossScale }

func (d *Device) prepareLossScale(k kernels.LossScale) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return lossScaleExec[float64]{k}, nil
	}
	return lossScaleExec[float32]{k}, nil
}

// Workspace is none.
func (e lossScaleExec[T]) Workspace() int { return 0 }

// Run works on four numbers.
func (e lossScaleExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	norm := float64(kernels.Slice[T](args[0])[0])
	factor, steps, scale := &kernels.Slice[T](args[1])[0], &kernels.Slice[T](args[2])[0], &kernels.Slice[T](args[3])[0]
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		*scale, *factor, *steps = 0, max(*factor/2, 1), 0
		return nil
	}
	unscaled := 1 / float64(*factor)
	if n := norm * unscaled; e.k.MaxNorm > 0 && n > e.k.MaxNorm {
		unscaled *= e.k.MaxNorm / n
	}
	*scale = T(unscaled)
	*steps++
	if int(*steps) >= e.k.Interval {
		*factor, *steps = T(min(2*float64(*factor), e.k.Max)), 0
	}
	return nil
}
