// Package ref is the plain reference of every kernel: short, slow, float64 inside, obviously right.
//
// Its Device runs any kernel of package kernels by the formula in the kernel's documentation, one element at a time, and rounds
// once at the end. The conformance table compares every other device with it; the CPU device uses it for
// element types that have no fast version. Nothing here may be clever.
package ref

import (
	"palladio/kernels"
)

// Device is the reference as a device.
type Device struct{}

// New makes a reference device.
func New() *Device { return &Device{} }

// Name is "cpu:ref".
func (*Device) Name() string { return "cpu:ref" }

// Alloc reserves host memory.
func (*Device) Alloc(bytes int) (kernels.Memory, error) { return kernels.AllocHost(bytes) }

// Sync returns at once.
func (*Device) Sync() error { return nil }

// Close does nothing.
func (*Device) Close() error { return nil }

// Prepare finds the reference of a kernel.
func (d *Device) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	switch k := k.(type) { // a line a family
	case kernels.GEMM:
		return gemm(k)
	case kernels.Stream:
		return stream(k)
	case kernels.Conv:
		return conv(k)
	case kernels.ConvBackwardData:
		return convBackwardData(k)
	case kernels.ConvBackwardFilter:
		return convBackwardFilter(k)
	case kernels.Elementwise:
		return elementwise(k)
	case kernels.Reduce:
		return reduce(k)
	case kernels.ArgReduce:
		return argReduce(k)
	case kernels.Norm:
		return norm(k)
	case kernels.NormBackward:
		return normBackward(k)
	case kernels.Softmax:
		return softmax(k)
	case kernels.SoftmaxBackward:
		return softmaxBackward(k)
	case kernels.CrossEntropy:
		return crossEntropy(k)
	case kernels.CrossEntropyBackward:
		return crossEntropyBackward(k)
	case kernels.Pool:
		return pool(k)
	case kernels.PoolBackward:
		return poolBackward(k)
	case kernels.Resize:
		return resize(k)
	case kernels.ResizeBackward:
		return resizeBackward(k)
	case kernels.Move:
		return move(k)
	case kernels.Concat:
		return concat(k)
	case kernels.Pad:
		return pad(k)
	case kernels.PadBackward:
		return padBackward(k)
	case kernels.Gather:
		return gather(k)
	case kernels.ScatterAdd:
		return scatterAdd(k)
	case kernels.OneHot:
		return oneHot(k)
	case kernels.Sort:
		return sort(k)
	case kernels.TopK:
		return topK(k)
	case kernels.Random:
		return random(k)
	case kernels.Dropout:
		return dropout(k)
	case kernels.SGD:
		return sgd(k)
	case kernels.Adam:
		return adam(k)
	case kernels.LAMB:
		return lamb(k)
	case kernels.AdaDelta:
		return adaDelta(k)
	case kernels.RMSProp:
		return rmsProp(k)
	case kernels.ClipScale:
		return clipScale(k)
	case kernels.LossScale:
		return lossScale(k)
	case kernels.EMA:
		return ema(k)
	default:
		return nil, kernels.Unsupported(d.Name(), k)
	}
}

// exec adapts a plain function of the operands, as tensors, to kernels.Exec.
type exec struct {
	ops []kernels.Operand
	f   func(t []tensor) error
}

func (exec) Workspace() int { return 0 }

func (e exec) Run(args []kernels.Arg, _ kernels.Arg) error {
	t := make([]tensor, len(args))
	for i, a := range args {
		t[i] = tensor{a, e.ops[i].Type, e.ops[i].Shape}
	}
	return e.f(t)
}

// run makes an Exec of a function of k's operands.
func run(k kernels.Kernel, f func(t []tensor)) (kernels.Exec, error) {
	return runChecked(k, func(t []tensor) error { f(t); return nil })
}

// runChecked makes an Exec of a function of k's operands that may find a fault in their values.
func runChecked(k kernels.Kernel, f func(t []tensor) error) (kernels.Exec, error) {
	return exec{k.Operands(), f}, nil
}
