package fallback

import (
	"palladio/kernels"
)

// normBlockBytes is the size of the blocks of rows that partial statistics are taken of: small enough that the second look at a
// block finds it in the second-level cache. Blocks depend on the shape alone, so results do not depend on the threads.
const normBlockBytes = 256 << 10

// smallBytes is the traffic below which a call stays on the caller's thread: waking the pool would cost more.
const smallBytes = 256 << 10

// inParts runs the parts of t on the pool, or on the caller's thread if they move few bytes.
func (p *pool) inParts(parts, bytes int, t task) {
	if bytes >= smallBytes {
		p.run(parts, t)
		return
	}
	for i := range parts {
		t.part(i, 0)
	}
}

func (d *Device) prepareNorm(k kernels.Norm) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	switch {
	case k.Type != kernels.F32:
		return d.ref.Prepare(k)
	case k.Kind == kernels.LayerNorm || k.Kind == kernels.RMSNorm:
		return newRowNorm(d, k, false), nil
	}
	return newColumnNorm(d, k, false), nil
}

func (d *Device) prepareNormBackward(k kernels.NormBackward) (kernels.Exec, error) {
	if isHalf(k.Of.Type) {
		wide := k
		wide.Of.Type = kernels.F32
		return d.widened(k, wide)
	}
	switch {
	case k.Of.Type != kernels.F32:
		return d.ref.Prepare(k)
	case k.Of.Kind == kernels.LayerNorm || k.Of.Kind == kernels.RMSNorm:
		return newRowNorm(d, k.Of, true), nil
	}
	return newColumnNorm(d, k.Of, true), nil
}

// normOperands are the tensors of a call by name; those that a kernel does not have are nil.
type normOperands struct {
	x, dy, scale, bias, runningMean, runningVar, y, mean, invstd, dx, dscale, dbias []float32
}

// bind finds the operands in the order in which the kernel lists them.
func (o *normOperands) bind(k *kernels.Norm, backward bool, args []kernels.Arg) {
	next := func(present bool) []float32 {
		if !present {
			return nil
		}
		s := kernels.Slice[float32](args[0])
		args = args[1:]
		return s
	}
	stats := k.Kind != kernels.BatchInference
	o.x = next(true)
	if backward {
		o.dy = next(true)
		o.scale, o.bias = next(k.Scale), next(k.Bias && k.Act == kernels.ReLU)
		o.runningMean, o.runningVar = next(!stats), next(!stats)
		o.mean, o.invstd = next(stats && k.Kind != kernels.RMSNorm), next(stats)
		o.dx, o.dscale, o.dbias = next(true), next(k.Scale), next(k.Bias)
		return
	}
	o.scale, o.bias = next(k.Scale), next(k.Bias)
	running := !stats || k.Kind == kernels.BatchTraining && k.Running
	o.runningMean, o.runningVar = next(running), next(running)
	o.y = next(true)
	o.mean, o.invstd = next(stats && k.Kind != kernels.RMSNorm), next(stats)
}

// resultOf is the argument that y or dx is.
func resultOf(args []kernels.Arg, k *kernels.Norm, backward bool) kernels.Arg {
	at := len(args) - 1
	for _, after := range []bool{ // what follows it
		backward && k.Scale, backward && k.Bias,
		!backward && k.Kind != kernels.BatchInference, !backward && k.Kind != kernels.BatchInference && k.Kind != kernels.RMSNorm,
	} {
		if after {
			at--
		}
	}
	return args[at]
}

// or reads element i of a parameter that may be absent.
func or(s []float32, i int, absent float32) float32 {
	if s == nil {
		return absent
	}
	return s[i]
}
