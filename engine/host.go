package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// hostOp is a call that runs an operator's own Do on values that view the plan's memory.
type hostOp struct {
	name     string
	op       gorgonia.Op
	training bool
	in       []hostValue
	out      hostValue
}

// hostValue is how gorgonia sees one operand.
type hostValue struct {
	typ   tensor.Dtype
	shape []int
	bytes int
}

// host lowers an operator to a host call.
func (l *lowering) host() error {
	n := l.node
	h := &hostOp{name: n.Op().String(), op: n.Op(), training: l.b.cfg.training}
	c := call{role: runHost, host: h, node: n}
	for i, t := range l.in {
		h.in = append(h.in, hostValue{children(n)[i].Dtype(), t.Shape, t.Elems() * t.Type.Size()})
		c.args, c.dirs = append(c.args, int32(t.ID)), append(c.dirs, kernels.In)
	}
	out := l.out[0]
	h.out = hostValue{n.Dtype(), out.Shape, out.Elems() * out.Type.Size()}
	c.args, c.dirs = append(c.args, int32(out.ID)), append(c.dirs, kernels.Out)
	l.b.calls = append(l.b.calls, c)
	return nil
}

// hostExec runs a host call on a device that shares the host's memory.
type hostExec struct {
	*hostOp
	values []gorgonia.Value
}

func (h *hostOp) prepare() kernels.Exec { return &hostExec{h, make([]gorgonia.Value, len(h.in))} }

func (h *hostExec) Workspace() int { return 0 }

func (h *hostExec) Run(args []kernels.Arg, _ kernels.Arg) (err error) {
	defer func() { // gorgonia's operators panic on some bad inputs
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", h.name, r)
		}
	}()
	for i, in := range h.in {
		if h.values[i], err = viewValue(args[i].Host[:in.bytes], in.typ, in.shape); err != nil {
			return fmt.Errorf("%s: operand %d: %w", h.name, i, err)
		}
	}
	if t, ok := h.op.(gorgonia.TrainModeOp); ok {
		if err := t.SetTraining(h.training); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	v, err := h.op.Do(h.values...)
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	if v == nil {
		return fmt.Errorf("%s: its Do gave no value", h.name)
	}
	t := dtypeOf(v.Dtype())
	src, err := hostBytes(v, t, elemsOf(v))
	if err != nil {
		return fmt.Errorf("%s: result: %w", h.name, err)
	}
	dst := args[len(h.in)].Host[:h.out.bytes]
	if t != dtypeOf(h.out.typ) || len(src) != len(dst) {
		return fmt.Errorf("%s: its Do gave %v%v, want %v%v", h.name, v.Dtype(), v.Shape(), h.out.typ, h.out.shape)
	}
	copy(dst, src)
	return nil
}

func elemsOf(v gorgonia.Value) int { return kernels.Elems([]int(v.Shape())) }

// remoteExec runs a host call on a device with memory of its own: operands come down, the result goes up.
type remoteExec struct {
	exec  kernels.Exec
	m     *Machine
	at    []place
	stage []kernels.Arg
	dirs  []kernels.Dir
}

func (r *remoteExec) Workspace() int { return 0 }

func (r *remoteExec) Run(_ []kernels.Arg, ws kernels.Arg) error {
	if err := r.m.device.Sync(); err != nil {
		return err
	}
	for i, d := range r.dirs {
		if d != kernels.Out {
			if err := r.at[i].mem(r.m).Download(r.at[i].off, r.stage[i].Host); err != nil {
				return err
			}
		}
	}
	if err := r.exec.Run(r.stage, ws); err != nil {
		return err
	}
	for i, d := range r.dirs {
		if d != kernels.In {
			if err := r.at[i].mem(r.m).Upload(r.at[i].off, r.stage[i].Host); err != nil {
				return err
			}
		}
	}
	return nil
}
