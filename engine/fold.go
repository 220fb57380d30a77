package engine

import (
	"errors"
	"slices"

	"palladio/kernels"
)

// maxFolded bounds the constants that folding makes, in bytes.
const maxFolded = 1 << 20

// foldConstants runs the calls that read nothing but constants, once and for all.
func (p *program) foldConstants(d kernels.Device) error {
	for i := range p.calls {
		c := &p.calls[i]
		if c.role != runKernel || !p.foldable(c) {
			continue
		}
		if err := p.fold(d, c); errors.Is(err, kernels.ErrUnsupported) {
			continue
		} else if err != nil {
			return err
		}
		c.dead = true
	}
	p.sweep()
	return nil
}

func (p *program) foldable(c *call) bool {
	bytes := 0
	for j, d := range c.dirs {
		v := &p.values[c.args[j]]
		if d == kernels.InOut || d == kernels.In && v.storage != inConstant || d == kernels.Out && v.keep {
			return false
		}
		bytes += v.bytes()
	}
	return bytes <= maxFolded
}

// fold runs a call and makes its results constants.
func (p *program) fold(d kernels.Device, c *call) error {
	exec, err := d.Prepare(c.kernel)
	if err != nil {
		return err
	}
	size := exec.Workspace() + align
	for _, a := range c.args {
		size += alignUp(max(p.values[a].bytes(), 1))
	}
	mem, err := d.Alloc(size)
	if err != nil {
		return err
	}
	at, args := 0, make([]kernels.Arg, len(c.args))
	offsets := make([]int, len(c.args))
	for j, a := range c.args {
		v := &p.values[a]
		offsets[j], args[j] = at, mem.Arg(at, v.bytes())
		if c.dirs[j] == kernels.In {
			if err := mem.Upload(at, v.data); err != nil {
				return err
			}
		}
		at += alignUp(max(v.bytes(), 1))
	}
	if err := exec.Run(args, mem.Arg(at, exec.Workspace())); err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		return err
	}
	for j, a := range c.args {
		if c.dirs[j] != kernels.Out {
			continue
		}
		v := &p.values[a]
		v.data = make([]byte, v.bytes())
		if err := mem.Download(offsets[j], v.data); err != nil {
			return err
		}
		v.storage = inConstant
	}
	return mem.Free()
}

// number is the value of a constant of which all elements are equal.
func (p *program) number(v int32) (float64, bool) {
	val := &p.values[v]
	if val.storage != inConstant || val.elems == 0 || val.elems > 1<<12 {
		return 0, false
	}
	n := val.typ.Value(val.data, 0)
	for i := 1; i < val.elems; i++ {
		if val.typ.Value(val.data, i) != n {
			return 0, false
		}
	}
	return n, true
}

// simplify removes steps that change nothing (gorgonia's gradients start with products with one), and writes constants into the
// programs of element-wise calls.
func (p *program) simplify() {
	r := p.newReplacement()
	for i := range p.calls {
		c := &p.calls[i]
		r.apply(c)
		k, ok := c.kernel.(kernels.Elementwise)
		if !ok || c.role != runKernel {
			continue
		}
		if v := p.unchanged(c, &k); v >= 0 && p.replace(r, c.args[len(c.args)-1], v) {
			c.dead = true
			continue
		}
		p.immediates(c, k)
	}
	p.finish(r)
}

// unchanged returns the input that a single step passes on as it is, or -1.
func (p *program) unchanged(c *call, k *kernels.Elementwise) int32 {
	if len(k.Code) != 1 || len(k.Outputs) != 1 || k.Outputs[0].Value < len(k.Inputs) {
		return -1
	}
	s, out := k.Code[0], &p.values[c.args[len(c.args)-1]]
	same := func(i int) int32 { // input i, if it has the output's elements in their order
		if in := k.Inputs[i]; in.Type == k.Outputs[0].Type && p.values[c.args[i]].elems == out.elems && slices.Equal(in.Strides, kernels.DenseStrides(k.Shape)) {
			return c.args[i]
		}
		return -1
	}
	is := func(i int, want float64) bool {
		n, ok := p.number(c.args[i])
		return ok && n == want
	}
	switch s.Op {
	case kernels.Copy:
		return same(s.A)
	case kernels.Mul:
		if is(s.A, 1) {
			return same(s.B)
		}
		if is(s.B, 1) {
			return same(s.A)
		}
	case kernels.Div, kernels.Pow:
		if is(s.B, 1) {
			return same(s.A)
		}
	case kernels.Sub:
		if is(s.B, 0) {
			return same(s.A)
		}
	}
	return -1
}

// immediates replaces the inputs of an element-wise call that are one number by constants in its program.
func (p *program) immediates(c *call, k kernels.Elementwise) {
	numbers := make([]float64, len(k.Inputs))
	constant := make([]bool, len(k.Inputs))
	count := 0
	for i := range k.Inputs {
		if numbers[i], constant[i] = p.number(c.args[i]); constant[i] {
			count++
		}
	}
	if count == 0 {
		return
	}
	n := kernels.Elementwise{Type: k.Type, Shape: k.Shape}
	to := make([]int, len(k.Inputs)+len(k.Code))
	args, dirs := []int32{}, []kernels.Dir{}
	for i, in := range k.Inputs {
		if !constant[i] {
			to[i] = len(n.Inputs)
			n.Inputs = append(n.Inputs, in)
			args, dirs = append(args, c.args[i]), append(dirs, kernels.In)
		}
	}
	for i := range k.Inputs {
		if constant[i] {
			to[i] = len(n.Inputs) + len(n.Code)
			n.Code = append(n.Code, kernels.Instr{Op: kernels.Imm, Imm: numbers[i]})
		}
	}
	appendCode(&n, &k, to)
	c.kernel, c.key = n, ""
	c.args = append(args, c.args[len(k.Inputs):]...)
	c.dirs = append(dirs, c.dirs[len(k.Inputs):]...)
}

// appendCode adds k's steps and outputs to n. to maps k's values to n's; it is filled in for k's steps.
func appendCode(n, k *kernels.Elementwise, to []int) {
	for j, s := range k.Code {
		a := s.Op.Arity()
		if a > 0 {
			s.A = to[s.A]
		}
		if a > 1 {
			s.B = to[s.B]
		}
		if a > 2 {
			s.C = to[s.C]
		}
		to[len(k.Inputs)+j] = len(n.Inputs) + len(n.Code)
		n.Code = append(n.Code, s)
	}
	for _, o := range k.Outputs {
		o.Value = to[o.Value]
		n.Outputs = append(n.Outputs, o)
	}
}
