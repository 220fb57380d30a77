package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"palladio/cuda"
	"palladio/engine"
	"palladio/kernels"
)

// onGPU runs workloads on a device with a clock of its own. A call is timed alone, with a cold second-level cache: before each
// one, a buffer larger than the cache is overwritten, in the same queue, which also hides how long the call takes to submit.
type onGPU struct {
	label string
	dev   kernels.Device
	clock kernels.Timer
	flush *call
}

// flushBytes is larger than the second-level cache of any GPU today.
const flushBytes = 256 << 20

func newOnGPU(label string, dev kernels.Device, flushed int) (*onGPU, error) {
	clock, ok := dev.(kernels.Timer)
	if !ok {
		return nil, fmt.Errorf("device %s has no clock: the GPU suites run on cuda:N and sim:CHIP", dev.Name())
	}
	flush, err := newCall(dev, kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: flushed / 4})
	if err != nil {
		return nil, err
	}
	return &onGPU{label, dev, clock, flush}, nil
}

func (o *onGPU) name() string { return o.label }

func (o *onGPU) close() error {
	o.flush.free()
	return nil
}

func (o *onGPU) measure(ctx context.Context, w workload, budget time.Duration) (seconds, checksum float64, err error) {
	if t, ok := w.(typedWork); ok {
		if step, ok := t.workload.(trainWork); ok {
			seconds, err = o.train(ctx, step, t.numerics(), budget)
			return seconds, 0, err
		}
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
	if err := c.run(); err != nil { // loads the module
		return 0, 0, err
	}
	if err := o.dev.Sync(); err != nil {
		return 0, 0, err
	}
	if checksum, err = c.checksum(); err != nil {
		return 0, 0, err
	}
	seconds, err = o.timed(ctx, budget, o.flush.run, c.run)
	return seconds, checksum, err
}

// timed is the median time of a call on the device's clock, over at least ten calls and about the budget. before, if there is one, is
// submitted ahead of each.
func (o *onGPU) timed(ctx context.Context, budget time.Duration, before, run func() error) (float64, error) {
	var times []float64
	for start := time.Now(); len(times) < 10 || time.Since(start) < budget && len(times) < 1000; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if before != nil {
			if err := before(); err != nil {
				return 0, err
			}
		}
		d, err := o.clock.Time(run)
		if err != nil {
			return 0, err
		}
		times = append(times, d.Seconds())
	}
	slices.Sort(times)
	return median(times), nil
}

// train times training steps by the wall clock: a step's own host work counts, and that its loss comes to the host. The machine has the GPU to itself,
// so that it can replay a step as one graph.
func (o *onGPU) train(ctx context.Context, w trainWork, n engine.Numerics, budget time.Duration) (float64, error) {
	s, err := newTrainStep(w, engine.On(o.dev.Name()), engine.Resident(), engine.Precision(n))
	if err != nil {
		return 0, err
	}
	defer s.close()
	return timeCalls(ctx, budget, s.run)
}

// typedWork is a workload in a given precision: f32, tf32, bf16 or f16. Its request is the rivals', after the name of the precision.
type typedWork struct {
	workload
	precision string
}

func (w typedWork) label() string   { return w.precision + " " + w.workload.label() }
func (w typedWork) request() string { return w.precision + " " + w.workload.request() }

func (w typedWork) numerics() engine.Numerics {
	n, _ := engine.ParseNumerics(w.precision) // a name of this file
	return n
}

// bytes is the traffic of a memory-bound kernel; 0 of the others.
func (w typedWork) bytes() int64 {
	if t, ok := w.workload.(trafficked); ok {
		return t.bytes()
	}
	return 0
}

// kernel is the workload's kernel with operands of the precision.
func (w typedWork) kernel() kernels.Kernel {
	kw, ok := w.workload.(kernelWork)
	if !ok {
		return nil
	}
	t, tf32 := map[string]kernels.DType{"bf16": kernels.BF16, "f16": kernels.F16}[w.precision], w.precision == "tf32"
	if t == kernels.Invalid {
		t = kernels.F32
	}
	switch k := kw.kernel().(type) {
	case kernels.GEMM:
		k.Type, k.TF32 = t, tf32
		return k
	case kernels.Conv:
		k.Type, k.TF32 = t, tf32
		return k
	case kernels.ConvBackwardData:
		k.Type, k.TF32 = t, tf32
		return k
	case kernels.ConvBackwardFilter:
		k.Type, k.TF32 = t, tf32
		return k
	default:
		return k
	}
}

// in lists workloads in several precisions.
func in(works []workload, precisions ...string) []workload {
	var list []workload
	for _, w := range works {
		for _, p := range precisions {
			list = append(list, typedWork{w, p})
		}
	}
	return list
}

// gpuTable lets the GPU and, if asked for, PyTorch on it run some workloads.
func (o *Options) gpuTable(ctx context.Context, name, unit string, rivals []string, works []workload) (Table, error) {
	t := Table{Name: name + " on " + o.Device.Name(), unit: unit, versions: map[string]string{}}
	flushed := flushBytes
	if o.Small {
		flushed = 1 << 10
	}
	us, err := newOnGPU("palladio", o.Device, flushed)
	if err != nil {
		return t, err
	}
	cs := []contender{us}
	defer func() {
		for _, c := range cs {
			_ = c.close()
		}
	}()
	for _, r := range rivals {
		if !o.Peers {
			break
		}
		p, err := o.startPeer(ctx, r, 1)
		if errors.Is(err, errRivalAbsent) { // the suite runs where there is no PyTorch, too
			t.absent = append(t.absent, err.Error())
			continue
		}
		if err != nil {
			return t, err
		}
		cs = append(cs, p)
		t.versions[r] = p.version
	}
	for _, c := range cs {
		t.Contenders = append(t.Contenders, c.name())
	}
	if t.Rows, err = measureAll(ctx, cs, works, settings{o.Rounds, o.Budget}, func(s string) { o.Progress(t.Name + ": " + s) }); err != nil {
		return t, err
	}
	if o.peak != nil {
		for i, w := range works {
			t.Rows[i].PeakShare = peakShare(w.(typedWork), t.Rows[i].Timings[us.name()], *o.peak)
		}
	}
	return t, nil
}

// peakShare is a rate as a share of the peak that bounds it; 0 of a training step.
func peakShare(w typedWork, t Timing, peak cuda.Rates) float64 {
	of, rate := peak.Copy, t.GBs*1e9
	if t.GFLOPS > 0 {
		of, rate = *peak.Peaks.Of(w.precision), t.GFLOPS*1e9
	}
	if of <= 0 {
		return 0
	}
	return rate / of
}
