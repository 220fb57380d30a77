package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"palladio/fallback"
	"palladio/kernels"
)

// kernelWork is a workload that is one kernel.
type kernelWork interface {
	workload
	kernel() kernels.Kernel
}

// ours runs workloads on a device of this project.
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
		seconds, err = o.step(ctx, t, budget)
		return seconds, 0, err
	}
	kw, ok := w.(kernelWork)
	if !ok {
		return 0, 0, errNotOffered
	}
	k := kw.kernel()
	exec, err := o.dev.Prepare(k)
	if errors.Is(err, kernels.ErrUnsupported) {
		return 0, 0, fmt.Errorf("%w: %w", errNotOffered, err)
	}
	if err != nil {
		return 0, 0, err
	}
	var args []kernels.Arg
	var out []float32
	seed := uint32(1)
	for _, op := range k.Operands() {
		m, err := o.dev.Alloc(op.Bytes())
		if err != nil {
			return 0, 0, err
		}
		defer m.Free()
		a := m.Arg(0, op.Bytes())
		if op.Dir == kernels.Out {
			out = kernels.Slice[float32](a)
		} else {
			fill(kernels.Slice[float32](a), seedOf(k, op.Name, &seed))
		}
		args = append(args, a)
	}
	ws, err := o.dev.Alloc(exec.Workspace())
	if err != nil {
		return 0, 0, err
	}
	defer ws.Free()
	scratch := ws.Arg(0, exec.Workspace())
	seconds, err = timeCalls(ctx, budget, func() error { return exec.Run(args, scratch) })
	return seconds, meanAbs(out), err
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

// fill is the same as in bench/peers/protocol.h.
func fill(x []float32, seed uint32) {
	for i := range x {
		x[i] = float32((uint32(i)+seed*977)*2654435761>>8)/16777216 - 0.5
	}
}

func meanAbs(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += math.Abs(float64(v))
	}
	return s / float64(max(len(x), 1))
}
