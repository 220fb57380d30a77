package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// NormOptions are the constants of a normalisation; zeros mean Eps 1e-5 and Momentum 0.1.
type NormOptions struct {
	Eps      float64
	Momentum float64 // the weight of the new batch in the running statistics
	ReLU     bool    // end with max(y, 0), in the same pass
}

// BatchNorm normalises each channel of x [N, …, C] by the mean and variance of the batch in training plans, by the running ones
// otherwise, then scales and shifts it (Ioffe and Szegedy, 2015). scale and bias [C] may be nil. runningMean and runningVar [C] are state:
// training plans update them in place. Both nil: every plan uses the batch's statistics.
func BatchNorm(x, scale, bias, runningMean, runningVar *gorgonia.Node, o NormOptions) (*gorgonia.Node, error) {
	if (runningMean == nil) != (runningVar == nil) {
		return nil, fmt.Errorf("batch norm: running mean and running variance: give both or none")
	}
	n, err := newNorm(kernels.BatchTraining, 0, x, scale, bias, o)
	if err != nil {
		return nil, err
	}
	if runningMean != nil {
		n.kernel.Running = true
		if err := n.channels("running statistics", runningMean, runningVar); err != nil {
			return nil, err
		}
	}
	return n.node()
}

// LayerNorm normalises each sample and position of x [..., C] over its channels (Ba et al., 2016). scale and bias [C] may be nil. To
// normalise over several trailing axes, merge them by Reshape.
func LayerNorm(x, scale, bias *gorgonia.Node, o NormOptions) (*gorgonia.Node, error) {
	return simpleNorm(kernels.LayerNorm, 0, x, scale, bias, o)
}

// RMSNorm divides each sample and position of x [..., C] by the root mean square over its channels (Zhang and Sennrich, 2019). scale
// [C] may be nil.
func RMSNorm(x, scale *gorgonia.Node, o NormOptions) (*gorgonia.Node, error) {
	return simpleNorm(kernels.RMSNorm, 0, x, scale, nil, o)
}

// GroupNorm normalises each sample of x [N, …, C] over the positions and each group of C/groups neighbouring channels (Wu and He, 2018).
func GroupNorm(x, scale, bias *gorgonia.Node, groups int, o NormOptions) (*gorgonia.Node, error) {
	return simpleNorm(kernels.GroupNorm, groups, x, scale, bias, o)
}

// InstanceNorm normalises each sample and channel of x [N, …, C] over the positions (Ulyanov et al., 2016).
func InstanceNorm(x, scale, bias *gorgonia.Node, o NormOptions) (*gorgonia.Node, error) {
	return simpleNorm(kernels.InstanceNorm, 0, x, scale, bias, o)
}

func simpleNorm(kind kernels.NormKind, groups int, x, scale, bias *gorgonia.Node, o NormOptions) (*gorgonia.Node, error) {
	n, err := newNorm(kind, groups, x, scale, bias, o)
	if err != nil {
		return nil, err
	}
	return n.node()
}

// norm is a normalisation's kernel and inputs: x, scale, bias, running mean, running variance, each where present.
type norm struct {
	kernel kernels.Norm
	shape  []int
	in     []*gorgonia.Node
	f      *family
}

func newNorm(kind kernels.NormKind, groups int, x, scale, bias *gorgonia.Node, o NormOptions) (*norm, error) {
	what := kind.String() + " norm"
	ks, err := floats(what, x)
	if err != nil {
		return nil, err
	}
	s := ks[0].shape
	if len(s) < 2 {
		return nil, fmt.Errorf("%s: input %v: want at least two axes, channels last", what, s)
	}
	if o.Eps == 0 {
		o.Eps = 1e-5
	}
	if o.Momentum == 0 {
		o.Momentum = 0.1
	}
	n := &norm{shape: s, in: []*gorgonia.Node{x}}
	n.kernel = kernels.Norm{Type: ks[0].typ, Kind: kind, N: s[0], Spatial: kernels.Elems(s[1 : len(s)-1]), C: s[len(s)-1],
		Groups: groups, Eps: o.Eps, Scale: scale != nil, Bias: bias != nil}
	if kind == kernels.BatchTraining {
		n.kernel.Momentum = o.Momentum
	}
	if o.ReLU {
		n.kernel.Act = kernels.ReLU
	}
	for _, p := range []*gorgonia.Node{scale, bias} {
		if p != nil {
			if err := n.channels("scale and bias", p); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// channels appends inputs of one element a channel.
func (n *norm) channels(what string, in ...*gorgonia.Node) error {
	for _, p := range in {
		ks, err := floats(what, n.in[0], p)
		if err != nil {
			return err
		}
		if !slices.Equal(ks[1].shape, []int{n.kernel.C}) {
			return fmt.Errorf("%s of a normalisation of %v: shape %v; want [%d], one for each channel", what, n.shape, ks[1].shape, n.kernel.C)
		}
	}
	n.in = append(n.in, in...)
	return nil
}

// parameters is the number of affine parameters.
func (n *norm) parameters() int {
	p := 0
	if n.kernel.Scale {
		p++
	}
	if n.kernel.Bias {
		p++
	}
	return p
}

// node makes the operator's outputs: y, then the mean (but for RMS) and the inverse standard deviation.
func (n *norm) node() (*gorgonia.Node, error) {
	k := n.kernel
	if k.Running { // whether the batch is large enough for training is seen when a training plan is made
		k.Kind = kernels.BatchInference
	}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	k = n.kernel
	t, stat := k.Type, kind{k.Type, k.StatShape()}
	wrt := make([]bool, len(n.in))
	for i := range 1 + n.parameters() {
		wrt[i] = true
	}
	outs := []output{{kind{t, n.shape}, wrt, n.gradients}, {kind: stat}}
	if k.Kind != kernels.RMSNorm {
		outs = append(outs, output{kind: stat})
	}
	var err error
	if n.f, err = applyFamily(operator{text: k.String(), lower: n.lower}, outs, n.in...); err != nil {
		return nil, err
	}
	return n.f.node(0), nil
}

// inference says whether a plan uses the running statistics.
func (n *norm) inference(l Lowering) bool { return n.kernel.Running && !l.Training() }

func (n *norm) lower(l Lowering) error {
	k := n.kernel
	args := make([]Tensor, 0, len(n.in)+len(n.f.outs))
	for i := range n.in {
		args = append(args, l.In(i))
	}
	if n.inference(l) {
		running := args[1+n.parameters():]
		k.Kind, k.Momentum = kernels.BatchInference, 0
		emit(l, k, append(slices.Clone(args), l.Out(0))...)
		if l.Used(1) {
			l.Alias(1, running[0])
		}
		if l.Used(2) {
			rsqrt := program{1, []kernels.Instr{{Op: kernels.Imm, Imm: k.Eps}, {Op: kernels.Add, A: 0, B: 1}, {Op: kernels.Rsqrt, A: 2}}, 3}
			emitProgram(l, rsqrt, k.Type, running[1:2], l.Out(2))
		}
		return nil
	}
	if err := k.Validate(); err != nil {
		return err
	}
	for i := range n.f.outs {
		args = append(args, l.Out(i))
	}
	emit(l, k, args...)
	return nil
}

// gradients makes the backward pass: an operator of x, dy, the affine parameters and the statistics.
func (n *norm) gradients(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
	params := n.parameters()
	in := append(gorgonia.Nodes{x[0], dy}, x[1:]...) // x, dy, parameters, running statistics
	for i := 1; i < len(n.f.outs); i++ {
		in = append(in, n.f.node(i)) // statistics
	}
	wrt := make([]bool, len(in)) // the statistics follow from x: second differentiates them as such
	for i := range 2 + params {
		wrt[i] = true
	}
	outs := []output{{kind{n.kernel.Type, n.shape}, wrt, n.second(0)}}
	for i := range params {
		outs = append(outs, output{kind{n.kernel.Type, []int{n.kernel.C}}, wrt, n.second(1 + i)})
	}
	o := operator{text: kernels.NormBackward{Of: n.kernel}.String(), lower: n.lowerBackward}
	f, err := applyFamily(o, outs, in...)
	if err != nil {
		return nil, err
	}
	ds := make(gorgonia.Nodes, len(x))
	for i := range 1 + params {
		if need[i] {
			ds[i] = f.node(i)
		}
	}
	return ds, nil
}

func (n *norm) lowerBackward(l Lowering) error {
	k := kernels.NormBackward{Of: n.kernel}
	args := []Tensor{l.In(0), l.In(1)}
	next := 2
	if k.Of.Scale {
		args = append(args, l.In(next))
		next++
	}
	if k.Of.Bias {
		if k.Of.Act == kernels.ReLU {
			args = append(args, l.In(next))
		}
		next++
	}
	if n.inference(l) {
		k.Of.Kind, k.Of.Momentum = kernels.BatchInference, 0
		args = append(args, l.In(next), l.In(next+1))
	} else {
		if k.Of.Running {
			next += 2
		}
		for ; next < l.Inputs(); next++ {
			args = append(args, l.In(next))
		}
	}
	for i := range 1 + n.parameters() {
		args = append(args, l.Out(i))
	}
	emit(l, k, args...)
	return nil
}
