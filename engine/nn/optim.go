package nn

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/kernels"
)

// Rule is an optimiser's rule of update; see the kernels of the same names for the formulas.
type Rule struct {
	name   string
	decay  float64
	kernel func(s kernels.Step, decay float64) kernels.Kernel
}

func (r Rule) String() string { return r.name }

// SGD is stochastic gradient descent with momentum (0: none), Nesterov's if asked for.
func SGD(momentum float64, nesterov bool, decay float64) Rule {
	return Rule{"sgd", decay, func(s kernels.Step, decay float64) kernels.Kernel {
		return kernels.SGD{Step: s, Momentum: momentum, Nesterov: nesterov, WeightDecay: decay}
	}}
}

// Adam is Adam with the usual constants and L2 regularisation.
func Adam(decay float64) Rule { return AdamWith(0.9, 0.999, 1e-8, decay, false) }

// AdamW is Adam with decoupled weight decay.
func AdamW(decay float64) Rule { return AdamWith(0.9, 0.999, 1e-8, decay, true) }

// AdamWith is Adam with all its constants.
func AdamWith(beta1, beta2, eps, decay float64, decoupled bool) Rule {
	name := "adam"
	if decoupled {
		name = "adamw"
	}
	return Rule{name, decay, func(s kernels.Step, decay float64) kernels.Kernel {
		return kernels.Adam{Step: s, Beta1: beta1, Beta2: beta2, Eps: eps, WeightDecay: decay, Decoupled: decoupled}
	}}
}

// LAMB is Adam with a step length for each tensor.
func LAMB(decay float64) Rule {
	return Rule{"lamb", decay, func(s kernels.Step, decay float64) kernels.Kernel {
		k := kernels.NewLAMB(s.Type, s.N)
		k.WeightDecay = decay
		return k
	}}
}

// AdaDelta is AdaDelta with a learning rate.
func AdaDelta(rho, eps, decay float64) Rule {
	return Rule{"adadelta", decay, func(s kernels.Step, decay float64) kernels.Kernel {
		return kernels.AdaDelta{Step: s, Rho: rho, Eps: eps, WeightDecay: decay}
	}}
}

// RMSProp is RMSProp.
func RMSProp(rho, eps, momentum, decay float64) Rule {
	return Rule{"rmsprop", decay, func(s kernels.Step, decay float64) kernels.Kernel {
		return kernels.RMSProp{Step: s, Rho: rho, Eps: eps, Momentum: momentum, WeightDecay: decay}
	}}
}

// OptimizerOption configures NewOptimizer.
type OptimizerOption func(*Optimizer)

// ClipNorm scales the gradients down to a global norm, where theirs is larger. A step whose gradient is not finite is skipped.
func ClipNorm(norm float64) OptimizerOption { return func(o *Optimizer) { o.clip = norm } }

// Average keeps an exponential moving average of the parameters, which moves by 1-decay each step; see Optimizer.Averaged.
func Average(decay float64) OptimizerOption { return func(o *Optimizer) { o.average = decay } }

// Only restricts the optimiser to some of the parameters, such as a supernet's architecture.
func Only(choose func(*Param) bool) OptimizerOption { return func(o *Optimizer) { o.only = choose } }

// DecayAll applies weight decay to biases and normalisations' parameters, too.
func DecayAll() OptimizerOption { return func(o *Optimizer) { o.decayAll = true } }

// ScaleLoss differentiates the cost times a factor, which keeps the gradients of half precision in range, and takes the factor out again in the
// step. The factor starts at 2^16 and adapts, see kernels.LossScale; steps whose gradients overflow are skipped. It is part of State, as
// "loss_scale".
func ScaleLoss() OptimizerOption { return func(o *Optimizer) { o.scaleLoss = true } }

// Optimizer is an optimiser of a network's parameters as an update of the machine's plan. Give it to engine.WithUpdate, and call Step before
// every run.
type Optimizer struct {
	rule          Rule
	clip, average float64
	only          func(*Param) bool
	decayAll      bool
	scaleLoss     bool
	branches      bool // the graph has a Switch

	params []*Param
	state  *Params // by "<parameter>/<state>"; "average/<parameter>"
	nodes  gorgonia.Nodes
	steps  []paramStep
	factor int                        // of the loss: a node, followed by the count of its steps
	set    func(lr float64, step int) // writes the learning rate and the step's number to their variable
	step   int
	from   *Params
}

// paramStep is the update of one parameter: the numbers of its nodes in Optimizer.nodes.
type paramStep struct {
	kernel      kernels.Kernel
	param, grad int
	state       []int
	average     int
}

var _ op.Updater = (*Optimizer)(nil)

// NewOptimizer builds the gradients of cost by the network's trained parameters, and the state of a rule for them.
func NewOptimizer(b *Builder, cost Node, rule Rule, opts ...OptimizerOption) (*Optimizer, error) {
	if b.Err() != nil {
		return nil, b.Err()
	}
	return OptimizerWithState(b, cost, rule, nil, opts...)
}

// OptimizerWithState is NewOptimizer that goes on with another one's state, as a graph of another batch size needs it.
func OptimizerWithState(b *Builder, cost Node, rule Rule, from *Optimizer, opts ...OptimizerOption) (*Optimizer, error) {
	if b.Err() != nil {
		return nil, b.Err()
	}
	o := &Optimizer{rule: rule, from: b.params, branches: hasBranches(b.graph)}
	for _, f := range opts {
		f(o)
	}
	o.state = &Params{seed: b.params.seed, dtype: b.params.dtype, byName: map[string]*Param{}}
	if from != nil {
		o.state, o.step = from.state, from.step
	}
	var wrt gorgonia.Nodes
	for _, p := range b.params.Trained() {
		n := b.nodes[p.Name]
		if n == nil || o.only != nil && !o.only(p) {
			continue // not in this graph, or not wanted
		}
		o.params = append(o.params, p)
		wrt = append(wrt, n)
	}
	if len(wrt) == 0 {
		return nil, fmt.Errorf("optimiser %s: the graph has no parameters to train", rule)
	}
	if o.scaleLoss {
		var err error
		if cost, err = o.scaled(b, cost); err != nil {
			return nil, fmt.Errorf("optimiser %s: %w", rule, err)
		}
	}
	grads, err := op.Grad(cost, wrt...)
	if err != nil {
		return nil, fmt.Errorf("optimiser %s: %w", rule, err)
	}
	hyper, decay := newDense(b.params.dtype, []int{2}), newDense(b.params.dtype, []int{1})
	setFloats(decay, []float64{o.average})
	o.set = setter(hyper)
	o.nodes = append(gorgonia.Nodes{b.variable("optimizer/hyper", hyper), b.variable("optimizer/average", decay)}, o.nodes...)
	for i, p := range o.params {
		if err := o.add(b, p, wrt[i], grads[i]); err != nil {
			return nil, fmt.Errorf("optimiser %s: %w", rule, err)
		}
	}
	return o, nil
}

// firstLossScale is what the factor of a scaled loss starts at.
const firstLossScale = 1 << 16

// scaled is the cost times the adapted factor. It makes the nodes that follow hyper and average.
func (o *Optimizer) scaled(b *Builder, cost Node) (Node, error) {
	first := newDense(b.params.dtype, []int{1})
	setFloats(first, []float64{firstLossScale})
	at, err := o.stateNode(b, "loss_scale", []int{1}, first)
	if err != nil {
		return nil, err
	}
	if _, err = o.stateNode(b, "loss_scale/steps", []int{1}, nil); err != nil {
		return nil, err
	}
	o.factor = at + 2
	one, err := op.Reshape(cost, 1)
	if err != nil {
		return nil, fmt.Errorf("a scaled loss is a scalar: %w", err)
	}
	product, err := op.Mul(one, o.nodes[at])
	if err != nil {
		return nil, err
	}
	return op.Sum(product, false)
}

// add makes the state and the step of one parameter.
func (o *Optimizer) add(b *Builder, p *Param, param, grad Node) error {
	t, err := op.DType(param)
	if err != nil {
		return err
	}
	decay := o.rule.decay
	if !p.Decays && !o.decayAll {
		decay = 0
	}
	s := paramStep{kernel: o.rule.kernel(kernels.Step{Type: t, N: p.Value.DataSize()}, decay), average: -1}
	if err := s.kernel.Validate(); err != nil {
		return err
	}
	s.param, s.grad = o.node(param), o.node(grad)
	shape := []int(p.Value.Shape())
	for _, operand := range s.kernel.Operands()[4:] {
		n, err := o.stateNode(b, p.Name+"/"+operand.Name, shape, nil)
		if err != nil {
			return err
		}
		s.state = append(s.state, n)
	}
	if o.average > 0 {
		if s.average, err = o.stateNode(b, "average/"+p.Name, shape, p.Value); err != nil {
			return err
		}
	}
	o.steps = append(o.steps, s)
	return nil
}

func (o *Optimizer) node(n Node) int {
	o.nodes = append(o.nodes, n)
	return len(o.nodes) - 1
}

// stateNode makes a tensor of state, which starts at zero or as a copy of another.
func (o *Optimizer) stateNode(b *Builder, name string, shape []int, start *tensor.Dense) (int, error) {
	isNew := o.state.Get(name) == nil
	q, err := o.state.ensure(name, shape, Zeros(), false, false)
	if err != nil {
		return 0, err
	}
	if isNew && start != nil {
		copy(hostBytes(q.Value), hostBytes(start))
	}
	return o.node(b.variable("optimizer/"+name, q.Value)), nil
}

// Nodes lists what the update reads and changes.
func (o *Optimizer) Nodes() gorgonia.Nodes { return o.nodes }

// Update emits a fused step for each parameter.
func (o *Optimizer) Update(l op.Lowering) error {
	hyper, decay := l.In(0), l.In(1)
	t := hyper.Type
	var scale op.Tensor
	if o.clip > 0 || o.scaleLoss {
		scale = o.clipScale(l, t)
	} else {
		scale = l.Const(t, []int{1}, []float64{1})
	}
	for _, s := range o.steps {
		n := l.In(s.param).Elems()
		args := []op.Tensor{hyper, scale, l.In(s.grad).Reshape(n), l.In(s.param).Reshape(n)}
		for _, i := range s.state {
			args = append(args, l.In(i).Reshape(n))
		}
		l.Emit(s.kernel, args...)
	}
	for _, s := range o.steps {
		if s.average >= 0 {
			n := l.In(s.param).Elems()
			l.Emit(kernels.EMA{Type: t, N: n}, decay, l.In(s.param).Reshape(n), l.In(s.average).Reshape(n))
		}
	}
	return nil
}

// clipScale emits what clips the gradients' global norm. Where the graph has branches, some gradients may be absent: the squares are then added in pairs, and
// the machine leaves an absent one out of a sum.
func (o *Optimizer) clipScale(l op.Lowering, t kernels.DType) op.Tensor {
	var squares []op.Tensor
	for _, s := range o.steps {
		g := l.In(s.grad)
		k := kernels.Reduce{Op: kernels.ReduceSumSq, Type: t, Shape: []int{g.Elems()}, Axes: []int{0}}
		sum := l.Temp(t)
		l.Emit(k, g.Reshape(g.Elems()), sum)
		squares = append(squares, sum.Reshape(1))
	}
	dense := kernels.EltInput{Type: t, Strides: []int{0}} // of one element
	add := kernels.Elementwise{Type: t, Shape: []int{1}, Inputs: []kernels.EltInput{dense, dense},
		Code: []kernels.Instr{{Op: kernels.Add, A: 0, B: 1}}, Outputs: []kernels.EltOutput{{Type: t, Value: 2}}}
	for o.branches && len(squares) > 1 {
		sum := l.Temp(t, 1)
		l.Emit(add, squares[0], squares[1], sum)
		squares = append(squares[2:], sum)
	}
	norm, scale := l.Temp(t, 1), l.Temp(t, 1)
	l.Emit(kernels.ClipScale{Type: t, Count: len(squares), MaxNorm: o.clip}, append(squares, norm, scale)...)
	if o.scaleLoss {
		scale = l.Temp(t, 1)
		l.Emit(kernels.NewLossScale(t, o.clip), norm, l.In(o.factor), l.In(o.factor+1), scale)
	}
	return scale
}

// hasBranches says whether a graph has operators that leave branches out.
func hasBranches(g *gorgonia.ExprGraph) bool {
	return slices.ContainsFunc(g.AllNodes(), func(n Node) bool { _, ok := n.Op().(op.Branching); return ok })
}

// Step prepares the next run: it sets the learning rate and counts the step. Call it before each run of the plan.
func (o *Optimizer) Step(lr float64) {
	o.step++
	o.set(lr, o.step)
}

// setter writes to a tensor of two elements without allocating.
func setter(d *tensor.Dense) func(lr float64, step int) {
	if v, ok := d.Data().([]float64); ok {
		return func(lr float64, step int) { v[0], v[1] = lr, float64(step) }
	}
	v := d.Data().([]float32)
	return func(lr float64, step int) { v[0], v[1] = float32(lr), float32(step) }
}

// Steps is the number of steps so far.
func (o *Optimizer) Steps() int { return o.step }

// State is the optimiser's own tensors, by name.
func (o *Optimizer) State() *Params { return o.state }

// Averaged copies the network's parameters with the averages in place of the trained ones. Running statistics are copied as they are.
func (o *Optimizer) Averaged() (*Params, error) {
	if o.average == 0 {
		return nil, fmt.Errorf("optimiser %s keeps no average: ask for it with Average", o.rule)
	}
	c := o.from.Clone()
	for _, p := range o.params {
		copy(hostBytes(c.Get(p.Name).Value), hostBytes(o.state.Get("average/"+p.Name).Value))
	}
	return c, nil
}
