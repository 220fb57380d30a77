package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"palladio/engine"
	"palladio/fallback"
	"palladio/kernels"
)

// kernelWork is a workload that is one kernel.
type kernelWork interface {
	workload
	kernel() kernels.Kernel
}

// call is a kernel prepared on a device, on operands that every contender fills alike.
type call struct {
	exec    kernels.Exec
	args    []kernels.Arg
	scratch kernels.Arg
	blocks  []kernels.Memory
	out     int // the operand whose checksum is compared: the last that is written
	result  kernels.Operand
}

// newCall prepares a kernel. The error wraps errNotOffered where the device has no version of it.
func newCall(dev kernels.Device, k kernels.Kernel) (*call, error) {
	exec, err := dev.Prepare(k)
	if errors.Is(err, kernels.ErrUnsupported) {
		return nil, fmt.Errorf("%w: %w", errNotOffered, err)
	}
	if err != nil {
		return nil, err
	}
	c := &call{exec: exec}
	if err := c.bind(dev, k); err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}

// bind makes the operands and the scratch.
func (c *call) bind(dev kernels.Device, k kernels.Kernel) error {
	seed := uint32(1)
	for i, op := range k.Operands() {
		m, err := dev.Alloc(op.Bytes())
		if err != nil {
			return err
		}
		c.blocks = append(c.blocks, m)
		c.args = append(c.args, m.Arg(0, op.Bytes()))
		if op.Dir != kernels.In {
			c.out, c.result = i, op
		}
		if op.Dir == kernels.Out {
			continue
		}
		if err := m.Upload(0, filled(op, seedOf(k, op.Name, &seed))); err != nil {
			return err
		}
	}
	ws, err := dev.Alloc(c.exec.Workspace())
	if err != nil {
		return err
	}
	c.blocks = append(c.blocks, ws)
	c.scratch = ws.Arg(0, c.exec.Workspace())
	return nil
}

func (c *call) run() error { return c.exec.Run(c.args, c.scratch) }

// checksum is the mean of |output|.
func (c *call) checksum() (float64, error) {
	b := make([]byte, c.result.Bytes())
	if err := c.blocks[c.out].Download(0, b); err != nil {
		return 0, err
	}
	sum, n := 0.0, c.result.Elems()
	for i := range n {
		sum += math.Abs(c.result.Type.Value(b, i))
	}
	return sum / float64(max(n, 1)), nil
}

func (c *call) free() {
	for _, m := range c.blocks {
		_ = m.Free() // the timing is in
	}
}

// ours runs workloads on a CPU device of this project.
type ours struct {
	label string
	dev   *fallback.Device
}

func newOurs(label string, level fallback.Level, threads int) (*ours, error) {
	dev, err := fallback.New(fallback.AtLevel(level), fallback.Threads(threads))
	if err != nil {
		return nil, err
	}
	return &ours{label, dev}, nil
}

func (o *ours) name() string { return o.label }
func (o *ours) close() error { return o.dev.Close() }

func (o *ours) measure(ctx context.Context, w workload, budget time.Duration) (seconds, checksum float64, err error) {
	if t, ok := w.(trainWork); ok {
		s, err := newTrainStep(t, engine.On(o.dev))
		if err != nil {
			return 0, 0, err
		}
		defer s.close()
		seconds, err = timeCalls(ctx, budget, s.run)
		return seconds, 0, err
	}
	kw, ok := w.(kernelWork)
	if !ok {
		return 0, 0, errNotOffered
	}
	c, err := newCall(o.dev, kw.kernel())
	if err != nil {
		return 0, 0, err
	}
	defer c.free()
	if seconds, err = timeCalls(ctx, budget, c.run); err != nil {
		return 0, 0, err
	}
	checksum, err = c.checksum()
	return seconds, checksum, err
}

// seedOf gives the operands the seeds that the rivals' protocol gives them: image 1, filter 2, result gradient 3; matrices 1 and 2.
func seedOf(k kernels.Kernel, operand string, next *uint32) uint32 {
	switch k.(type) {
	case kernels.ConvBackwardData, kernels.ConvBackwardFilter:
		if s, ok := map[string]uint32{"x": 1, "w": 2, "dy": 3}[operand]; ok {
			return s
		}
	}
	*next++
	return *next - 1
}

// filled are the contents of an operand: noise, or zeros where it is not of a floating-point type.
func filled(op kernels.Operand, seed uint32) []byte {
	b := make([]byte, op.Bytes())
	for i := range op.Elems() {
		v := noise(i, seed)
		if !op.Type.Float() {
			v = 0
		}
		op.Type.SetValue(b, i, v)
	}
	return b
}

// noise is the same as in bench/peers/protocol.h.
func noise(i int, seed uint32) float64 {
	return float64((uint32(i)+seed*977)*2654435761>>8)/16777216 - 0.5
}
