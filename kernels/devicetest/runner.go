package devicetest

import (
	"bytes"
	"fmt"

	"palladio/kernels"
)

// layout is how one run places its operands.
type layout struct {
	poison  byte // fills outputs and workspace beforehand
	shift   int  // elements by which operands lie off their alignment
	salt    byte // of the canaries
	alias   bool // output out shares the memory of input in
	out, in int
}

// runner holds a prepared kernel and its guarded memory on one device.
type runner struct {
	dev  kernels.Device
	t    *Trial
	exec kernels.Exec
	bufs []*buffer
	work *buffer
}

func newRunner(dev kernels.Device, t *Trial) (*runner, error) {
	exec, err := dev.Prepare(t.c.Kernel)
	if err != nil {
		return nil, err
	}
	r := &runner{dev: dev, t: t, exec: exec}
	for _, o := range t.ops {
		b, err := newBuffer(dev, o.Bytes())
		if err != nil {
			r.free()
			return nil, fmt.Errorf("operand %s: %w", o, err)
		}
		r.bufs = append(r.bufs, b)
	}
	if r.work, err = newBuffer(dev, exec.Workspace()); err != nil {
		r.free()
		return nil, fmt.Errorf("workspace: %w", err)
	}
	return r, nil
}

func (r *runner) free() {
	for _, b := range append(r.bufs, r.work) {
		if b != nil {
			b.mem.Free() // nothing to do about an error here: the results are in
		}
	}
}

// run runs the kernel once and returns the outputs' bytes (nil for inputs).
func (r *runner) run(l layout) ([][]byte, error) {
	args := make([]kernels.Arg, len(r.bufs))
	for i, b := range r.bufs {
		o := r.t.ops[i]
		contents := r.t.inputs[i]
		if o.Dir == kernels.Out {
			contents = bytes.Repeat([]byte{l.poison}, o.Bytes())
		}
		if err := b.write(contents, l.shift*o.Type.Size(), l.salt); err != nil {
			return nil, fmt.Errorf("operand %s: %w", o, err)
		}
		args[i] = b.arg()
	}
	if l.alias {
		args[l.out] = args[l.in]
	}
	if err := r.work.write(bytes.Repeat([]byte{l.poison}, r.work.n), 0, l.salt); err != nil {
		return nil, fmt.Errorf("workspace: %w", err)
	}
	if err := r.exec.Run(args, r.work.arg()); err != nil {
		return nil, err
	}
	if err := r.dev.Sync(); err != nil {
		return nil, err
	}
	if _, err := r.work.read(); err != nil {
		return nil, fmt.Errorf("workspace: %w", err)
	}
	return r.collect(l)
}

// collect reads the operands back: outputs are returned, inputs must be as they were, all canaries intact.
func (r *runner) collect(l layout) ([][]byte, error) {
	out := make([][]byte, len(r.bufs))
	for i, b := range r.bufs {
		o := r.t.ops[i]
		src := b
		if l.alias && i == l.out {
			src = r.bufs[l.in]
		}
		got, err := src.read()
		switch {
		case err != nil:
			return nil, fmt.Errorf("operand %s: %w", o, err)
		case o.Dir != kernels.In:
			out[i] = bytes.Clone(got)
			if out[i] == nil {
				out[i] = []byte{}
			}
		case l.alias && i == l.in:
			// overwritten by design
		case !bytes.Equal(got, r.t.inputs[i]):
			return nil, fmt.Errorf("changed its input %s", o)
		}
	}
	return out, nil
}
