package op

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// evaluator computes nodes at once on the reference, one call after the other: a machine without any of a machine's cleverness.
type evaluator struct {
	device   *ref.Device
	training bool
	values   map[*gorgonia.Node][]byte // inputs, set by the test
	tensors  []kernels.Arg             // by Tensor.ID
	nodes    map[*gorgonia.Node]Tensor
	groups   map[string][]Tensor
	counter  Tensor
	calls    []kernels.Kernel
}

func newEvaluator(training bool, values map[*gorgonia.Node][]byte) *evaluator {
	e := &evaluator{device: ref.New(), training: training, values: values, nodes: map[*gorgonia.Node]Tensor{}, groups: map[string][]Tensor{}}
	e.counter = e.adopt(kernels.U64, []int{2}, kernels.HostArg([]uint64{42, 7}))
	return e
}

func (e *evaluator) adopt(t kernels.DType, shape []int, a kernels.Arg) Tensor {
	e.tensors = append(e.tensors, a)
	return Tensor{len(e.tensors) - 1, t, shape}
}

// fresh makes a tensor of poison: what no call writes is NaN.
func (e *evaluator) fresh(t kernels.DType, shape []int) Tensor {
	b := make([]byte, kernels.Elems(shape)*t.Size())
	for i := range b {
		b[i] = 0xff
	}
	return e.adopt(t, shape, kernels.HostArg(b))
}

// eval computes a node.
func (e *evaluator) eval(n *gorgonia.Node) (Tensor, error) {
	if t, ok := e.nodes[n]; ok {
		return t, nil
	}
	t, err := e.compute(n)
	if err == nil {
		e.nodes[n] = t
	}
	return t, err
}

func (e *evaluator) compute(n *gorgonia.Node) (Tensor, error) {
	k, err := kindOf(n)
	if err != nil {
		return Tensor{}, err
	}
	if b, ok := e.values[n]; ok {
		return e.adopt(k.typ, k.shape, kernels.HostArg(b)), nil
	}
	o, ok := n.Op().(Operator)
	if !ok {
		return e.foreign(n, k)
	}
	l := &lowering{e: e, used: map[int]bool{}}
	key := o.String()
	for _, x := range children(n) {
		in, err := e.eval(x)
		if err != nil {
			return Tensor{}, err
		}
		l.in = append(l.in, in)
		key += fmt.Sprintf(" %d", in.ID)
	}
	index := 0
	if p, ok := o.(Part); ok {
		group, i, outputs := p.Part()
		index, key = i, strings.Replace(key, o.String(), group, 1)
		if outs, ok := e.groups[key]; ok {
			return outs[i], nil
		}
		for j := range outputs {
			t, shape, err := p.PartShape(j, l.in)
			if err != nil {
				return Tensor{}, err
			}
			l.out = append(l.out, e.fresh(t, shape))
		}
	} else {
		l.out = []Tensor{e.fresh(k.typ, k.shape)}
	}
	if err := o.Lower(l); err != nil {
		return Tensor{}, err
	}
	if l.err != nil {
		return Tensor{}, l.err
	}
	e.groups[key] = l.out
	return l.out[index], nil
}

// foreign computes a node of gorgonia's own: a constant.
func (e *evaluator) foreign(n *gorgonia.Node, k kind) (Tensor, error) {
	switch v := n.Value().(type) {
	case *gorgonia.F64:
		return e.adopt(k.typ, nil, kernels.HostArg([]float64{float64(*v)})), nil
	case *gorgonia.F32:
		return e.adopt(k.typ, nil, kernels.HostArg([]float32{float32(*v)})), nil
	}
	in := make([]gorgonia.Value, 0, 2)
	for _, x := range children(n) {
		t, err := e.eval(x)
		if err != nil {
			return Tensor{}, err
		}
		data := slices.Clone(kernels.Slice[float64](e.tensors[t.ID]))
		if len(t.Shape) == 0 {
			in = append(in, gorgonia.NewF64(data[0]))
		} else {
			in = append(in, tensor.New(tensor.WithShape(t.Shape...), tensor.WithBacking(data)))
		}
	}
	if len(in) == 0 {
		return Tensor{}, fmt.Errorf("node %s has no value", n.Name())
	}
	v, err := n.Op().Do(in...)
	if err != nil {
		return Tensor{}, err
	}
	if f, ok := v.(*gorgonia.F64); ok {
		return e.adopt(k.typ, nil, kernels.HostArg([]float64{float64(*f)})), nil
	}
	return e.adopt(k.typ, k.shape, kernels.HostArg(v.Data().([]float64))), nil
}

// float64s is the value of an f64 node.
func (e *evaluator) float64s(n *gorgonia.Node) ([]float64, error) {
	t, err := e.eval(n)
	if err != nil {
		return nil, err
	}
	return kernels.Slice[float64](e.tensors[t.ID]), nil
}

// lowering runs each call as it is emitted.
type lowering struct {
	e       *evaluator
	in, out []Tensor
	used    map[int]bool
	err     error
}

func (l *lowering) Training() bool  { return l.e.training }
func (l *lowering) In(i int) Tensor { return l.in[i] }
func (l *lowering) Inputs() int     { return len(l.in) }
func (l *lowering) Used(int) bool   { return true }
func (l *lowering) Out(i int) Tensor {
	return l.out[i]
}
func (l *lowering) Counter() Tensor { return l.e.counter }

func (l *lowering) Temp(t kernels.DType, shape ...int) Tensor { return l.e.fresh(t, shape) }

func (l *lowering) Const(t kernels.DType, shape []int, values []float64) Tensor {
	if t != kernels.F64 {
		l.err = fmt.Errorf("constant of type %s", t)
	}
	return l.e.adopt(t, shape, kernels.HostArg(slices.Clone(values)))
}

func (l *lowering) Alias(i int, t Tensor) {
	if t.Type != l.out[i].Type || t.Elems() != l.out[i].Elems() {
		l.err = fmt.Errorf("alias of %s%v as %s%v", t.Type, t.Shape, l.out[i].Type, l.out[i].Shape)
	}
	l.out[i].ID = t.ID
}

func (l *lowering) Emit(k kernels.Kernel, args ...Tensor) {
	if l.err == nil {
		l.err = l.run(k, args)
	}
	l.e.calls = append(l.e.calls, k)
}

func (l *lowering) run(k kernels.Kernel, ts []Tensor) error {
	if err := k.Validate(); err != nil {
		return err
	}
	ops := k.Operands()
	if len(ts) != len(ops) {
		return fmt.Errorf("%s: %d operands, want %d", k, len(ts), len(ops))
	}
	args := make([]kernels.Arg, len(ts))
	for i, o := range ops {
		t := ts[i]
		if t.Type != o.Type || kernels.Elems(t.Shape) != o.Elems() {
			return fmt.Errorf("%s: operand %s given %s%v", k, o, t.Type, t.Shape)
		}
		args[i] = l.e.tensors[t.ID]
	}
	if err := kernels.CheckArgs(k, args); err != nil {
		return err
	}
	x, err := l.e.device.Prepare(k)
	if err != nil {
		return err
	}
	return x.Run(args, kernels.Arg{Host: make([]byte, x.Workspace())})
}
