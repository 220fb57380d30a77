package kernels

import (
	"fmt"
	"math"
)

// Step is what all optimiser steps share: the type and the number of the parameters, updated in place together with the
// optimiser's state.
//
// What changes from step to step are operands. hyper holds the learning rate and the number of this step, from 1. scale multiplies the
// gradient before anything else (1, or what ClipScale says); a scale of 0 means that the step is skipped: parameters and state stay as
// they are, even where the gradient is NaN or infinite.
//
// The operands of every rule: hyper [2], scale [1], grad [N], param [N] (InOut), then the rule's state, each [N] (InOut) and
// zero before the first step. All have the type Type. In the formulas g is scale·grad, w a parameter, lr the learning rate, t the step.
type Step struct {
	Type DType // F32 or F64
	N    int
}

func (k Step) operands(state ...string) []Operand {
	ops := []Operand{
		{"hyper", In, k.Type, []int{2}}, {"scale", In, k.Type, []int{1}}, {"grad", In, k.Type, []int{k.N}},
		{"param", InOut, k.Type, []int{k.N}},
	}
	for _, s := range state {
		ops = append(ops, Operand{s, InOut, k.Type, []int{k.N}})
	}
	return ops
}

// validate checks what is shared, and that the named constants are sane.
func (k Step) validate(rule string, fields ...field) error {
	if k.Type != F32 && k.Type != F64 {
		return fmt.Errorf("%s: parameters in f32 or f64, not %s", rule, k.Type)
	}
	for _, f := range fields {
		if !(f.value >= 0) || f.value >= f.below {
			return fmt.Errorf("%s: %s is %v: want at least 0 and less than %v", rule, f.name, f.value, f.below)
		}
	}
	return CheckShape(rule, []int{k.N}, 0)
}

type field struct {
	name         string
	value, below float64
}

// Tolerance covers a chain of some ten roundings. An element's error is relative to what is subtracted to make it, so to
// the largest element.
func (k Step) Tolerance() Tolerance {
	e := k.Type.Epsilon()
	return Tolerance{Rel: 16 * e, Norm: 4 * e}
}

// SGD is stochastic gradient descent (Sutskever et al., ICML 2013, in the usual form without the learning rate in the buffer):
//
//	g += WeightDecay·w
//	m = Momentum·m + (1-Dampening)·g;  g = Nesterov ? g + Momentum·m : m      (only if Momentum is not 0)
//	w -= lr·g
//
// State: momentum, if Momentum is not 0.
type SGD struct {
	Step
	Momentum, Dampening, WeightDecay float64
	Nesterov                         bool
}

// Family is "sgd".
func (k SGD) Family() string { return "sgd" }

// Operands lists hyper, scale, grad, param and momentum.
func (k SGD) Operands() []Operand {
	if k.Momentum == 0 {
		return k.operands()
	}
	return k.operands("momentum")
}

// Validate checks the constants.
func (k SGD) Validate() error {
	if k.Nesterov && (k.Momentum == 0 || k.Dampening != 0) {
		return fmt.Errorf("sgd: Nesterov's step needs a momentum and no dampening (given %v, %v)", k.Momentum, k.Dampening)
	}
	return k.validate("sgd", field{"momentum", k.Momentum, math.Inf(1)}, field{"dampening", k.Dampening, math.Inf(1)}, field{"weight decay", k.WeightDecay, math.Inf(1)})
}

// Cost counts up to nine operations a parameter.
func (k SGD) Cost() Cost { return Traffic(k, 9*int64(k.N)) }

func (k SGD) String() string {
	return fmt.Sprintf("sgd %s %d momentum %v dampening %v decay %v nesterov %t", k.Type, k.N, k.Momentum, k.Dampening, k.WeightDecay, k.Nesterov)
}

// Adam is Adam (Kingma and Ba, ICLR 2015, algorithm 1), and AdamW (Loshchilov and Hutter, ICLR 2019, algorithm 2) if Decoupled:
//
//	Decoupled ? w -= lr·WeightDecay·w : g += WeightDecay·w
//	m = Beta1·m + (1-Beta1)·g;  v = Beta2·v + (1-Beta2)·g²
//	w -= lr · m/(1-Beta1^t) / (sqrt(v/(1-Beta2^t)) + Eps)
//
// State: m, v.
type Adam struct {
	Step
	Beta1, Beta2, Eps, WeightDecay float64
	Decoupled                      bool
}

// NewAdam is Adam with the paper's constants: 0.9, 0.999, 1e-8.
func NewAdam(t DType, n int) Adam {
	return Adam{Step: Step{t, n}, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
}

// NewAdamW is Adam with decoupled weight decay.
func NewAdamW(t DType, n int, weightDecay float64) Adam {
	k := NewAdam(t, n)
	k.WeightDecay, k.Decoupled = weightDecay, true
	return k
}

// Family is "adam".
func (k Adam) Family() string { return "adam" }

// Operands lists hyper, scale, grad, param, m and v.
func (k Adam) Operands() []Operand { return k.operands("m", "v") }

// Validate checks the constants.
func (k Adam) Validate() error {
	return k.validate("adam", field{"beta1", k.Beta1, 1}, field{"beta2", k.Beta2, 1}, field{"eps", k.Eps, math.Inf(1)}, field{"weight decay", k.WeightDecay, math.Inf(1)})
}

// Cost counts 16 operations a parameter.
func (k Adam) Cost() Cost { return Traffic(k, 16*int64(k.N)) }

func (k Adam) String() string {
	return fmt.Sprintf("adam %s %d betas %v %v eps %v decay %v decoupled %t", k.Type, k.N, k.Beta1, k.Beta2, k.Eps, k.WeightDecay, k.Decoupled)
}

// LAMB is Adam with a step length for each tensor (You et al., ICLR 2020, algorithm 2):
//
//	m = Beta1·m + (1-Beta1)·g;  v = Beta2·v + (1-Beta2)·g²
//	r = m/(1-Beta1^t) / (sqrt(v/(1-Beta2^t)) + Eps) + WeightDecay·w
//	w -= lr · ‖w‖/‖r‖ · r       (lr·r where either norm is 0)
//
// State: m, v.
type LAMB struct {
	Step
	Beta1, Beta2, Eps, WeightDecay float64
}

// NewLAMB is LAMB with the paper's constants: 0.9, 0.999, 1e-6, and 0.01 weight decay.
func NewLAMB(t DType, n int) LAMB {
	return LAMB{Step: Step{t, n}, Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, WeightDecay: 0.01}
}

// Family is "lamb".
func (k LAMB) Family() string { return "lamb" }

// Operands lists hyper, scale, grad, param, m and v.
func (k LAMB) Operands() []Operand { return k.operands("m", "v") }

// Validate checks the constants.
func (k LAMB) Validate() error {
	return k.validate("lamb", field{"beta1", k.Beta1, 1}, field{"beta2", k.Beta2, 1}, field{"eps", k.Eps, math.Inf(1)}, field{"weight decay", k.WeightDecay, math.Inf(1)})
}

// Cost counts 22 operations a parameter.
func (k LAMB) Cost() Cost { return Traffic(k, 22*int64(k.N)) }

func (k LAMB) String() string {
	return fmt.Sprintf("lamb %s %d betas %v %v eps %v decay %v", k.Type, k.N, k.Beta1, k.Beta2, k.Eps, k.WeightDecay)
}

// AdaDelta is AdaDelta (Zeiler, 2012, algorithm 1) with a learning rate:
//
//	g += WeightDecay·w
//	s = Rho·s + (1-Rho)·g²;  d = sqrt(u + Eps)/sqrt(s + Eps)·g;  u = Rho·u + (1-Rho)·d²
//	w -= lr·d
//
// State: s (squared gradients), u (squared updates).
type AdaDelta struct {
	Step
	Rho, Eps, WeightDecay float64
}

// NewAdaDelta is AdaDelta with Rho 0.9 and Eps 1e-6.
func NewAdaDelta(t DType, n int) AdaDelta { return AdaDelta{Step: Step{t, n}, Rho: 0.9, Eps: 1e-6} }

// Family is "adadelta".
func (k AdaDelta) Family() string { return "adadelta" }

// Operands lists hyper, scale, grad, param, s and u.
func (k AdaDelta) Operands() []Operand { return k.operands("s", "u") }

// Validate checks the constants.
func (k AdaDelta) Validate() error {
	if k.Eps == 0 {
		return fmt.Errorf("adadelta: eps is 0: no step would ever be taken")
	}
	return k.validate("adadelta", field{"rho", k.Rho, 1}, field{"eps", k.Eps, math.Inf(1)}, field{"weight decay", k.WeightDecay, math.Inf(1)})
}

// Cost counts 18 operations a parameter.
func (k AdaDelta) Cost() Cost { return Traffic(k, 18*int64(k.N)) }

func (k AdaDelta) String() string {
	return fmt.Sprintf("adadelta %s %d rho %v eps %v decay %v", k.Type, k.N, k.Rho, k.Eps, k.WeightDecay)
}

// RMSProp is RMSProp (Tieleman and Hinton, 2012, lecture 6.5), centred (Graves, 2013, equations 38 to 45) if Centered:
//
//	g += WeightDecay·w
//	v = Rho·v + (1-Rho)·g²
//	Centered: a = Rho·a + (1-Rho)·g;  q = max(v - a², 0);  otherwise q = v
//	d = g / (sqrt(q) + Eps)
//	m = Momentum·m + d;  d = m      (only if Momentum is not 0)
//	w -= lr·d
//
// State: v, then a if Centered, then momentum if Momentum is not 0.
type RMSProp struct {
	Step
	Rho, Eps, Momentum, WeightDecay float64
	Centered                        bool
}

// NewRMSProp is RMSProp with Rho 0.99 and Eps 1e-8.
func NewRMSProp(t DType, n int) RMSProp { return RMSProp{Step: Step{t, n}, Rho: 0.99, Eps: 1e-8} }

// Family is "rmsprop".
func (k RMSProp) Family() string { return "rmsprop" }

// Operands lists hyper, scale, grad, param, v, a and momentum.
func (k RMSProp) Operands() []Operand {
	state := []string{"v"}
	if k.Centered {
		state = append(state, "a")
	}
	if k.Momentum != 0 {
		state = append(state, "momentum")
	}
	return k.operands(state...)
}

// Validate checks the constants.
func (k RMSProp) Validate() error {
	return k.validate("rmsprop", field{"rho", k.Rho, 1}, field{"eps", k.Eps, math.Inf(1)},
		field{"momentum", k.Momentum, math.Inf(1)}, field{"weight decay", k.WeightDecay, math.Inf(1)})
}

// Cost counts 16 operations a parameter.
func (k RMSProp) Cost() Cost { return Traffic(k, 16*int64(k.N)) }

func (k RMSProp) String() string {
	return fmt.Sprintf("rmsprop %s %d rho %v eps %v momentum %v decay %v centered %t", k.Type, k.N, k.Rho, k.Eps, k.Momentum, k.WeightDecay, k.Centered)
}

// ClipScale turns the sums of squares of all gradient tensors (each a Reduce by ReduceSumSq) into their global norm and the scale of
// an optimiser's step (Pascanu et al., ICML 2013, algorithm 1):
//
//	norm = sqrt(Σ sumsq_j);  scale = norm > MaxNorm ? MaxNorm/norm : 1;  0 if norm is NaN or infinite, so that the step is skipped
//
// Operands: sumsq0 [1], sumsq1 [1], …, norm [1], scale [1].
type ClipScale struct {
	Type    DType // F32 or F64; the sum is F64 in both
	Count   int   // number of tensors
	MaxNorm float64
}

// Family is "clip_scale".
func (k ClipScale) Family() string { return "clip_scale" }

// Operands lists the sums, norm and scale.
func (k ClipScale) Operands() []Operand {
	var ops []Operand
	for j := range k.Count {
		ops = append(ops, Operand{fmt.Sprintf("sumsq%d", j), In, k.Type, []int{1}})
	}
	return append(ops, Operand{"norm", Out, k.Type, []int{1}}, Operand{"scale", Out, k.Type, []int{1}})
}

// Validate checks the constants.
func (k ClipScale) Validate() error {
	if k.Count < 1 {
		return fmt.Errorf("clip scale: %d tensors", k.Count)
	}
	return Step{k.Type, 1}.validate("clip scale", field{"maximum norm", k.MaxNorm, math.Inf(1)})
}

// Cost counts an addition a tensor.
func (k ClipScale) Cost() Cost { return Traffic(k, int64(k.Count)+2) }

// Tolerance allows the roundings of the root and the quotient.
func (k ClipScale) Tolerance() Tolerance { return Tolerance{Rel: 4 * k.Type.Epsilon()} }

func (k ClipScale) String() string {
	return fmt.Sprintf("clip_scale %s %d to %v", k.Type, k.Count, k.MaxNorm)
}

// EMA moves an average towards a tensor, as for averaged weights (Polyak and Juditsky, 1992, with exponential forgetting):
//
//	avg += (1-decay)·(x - avg)
//
// Operands: decay [1], x [N], avg [N] (InOut).
type EMA struct {
	Type DType // F32 or F64
	N    int
}

// Family is "ema".
func (k EMA) Family() string { return "ema" }

// Operands lists decay, x and avg.
func (k EMA) Operands() []Operand {
	return []Operand{{"decay", In, k.Type, []int{1}}, {"x", In, k.Type, []int{k.N}}, {"avg", InOut, k.Type, []int{k.N}}}
}

// Validate checks the type.
func (k EMA) Validate() error { return Step(k).validate("ema") }

// Cost counts three operations an element.
func (k EMA) Cost() Cost { return Traffic(k, 3*int64(k.N)) }

// Tolerance covers three roundings.
func (k EMA) Tolerance() Tolerance { return Step(k).Tolerance() }

func (k EMA) String() string { return fmt.Sprintf("ema %s %d", k.Type, k.N) }
