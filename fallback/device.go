package fallback

import (
	"fmt"
	"runtime"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// Device is the CPU as a device. Calls are split over a pool of worker goroutines; a Device runs one call at a time, so
// give each concurrent program its own (devices are cheap; Threads(1) makes one without workers).
type Device struct {
	level Level
	pool  *pool
	ref   *ref.Device // runs the types that have no fast version, in float64
}

// Option configures New.
type Option func(*config)

type config struct {
	level   *Level
	threads int
}

// AtLevel asks for a level at or below the CPU's own, instead of the default.
func AtLevel(l Level) Option { return func(c *config) { c.level = &l } }

// Threads sets the number of threads that share one call, the caller's included; the default is GOMAXPROCS.
func Threads(n int) Option { return func(c *config) { c.threads = n } }

// New makes a CPU device.
func New(opts ...Option) (*Device, error) {
	c := config{threads: runtime.GOMAXPROCS(0)}
	for _, o := range opts {
		o(&c)
	}
	if c.threads < 1 {
		return nil, fmt.Errorf("cpu: %d threads: want at least 1", c.threads)
	}
	if c.level == nil {
		l, err := DefaultLevel()
		if err != nil {
			return nil, err
		}
		c.level = &l
	}
	if *c.level > Detect() {
		return nil, fmt.Errorf("cpu:%s: this CPU supports at most %s", *c.level, Detect())
	}
	return &Device{level: *c.level, pool: newPool(c.threads), ref: ref.New()}, nil
}

// Name is "cpu:" and the level.
func (d *Device) Name() string { return "cpu:" + d.level.String() }

// Level is the instruction set that the device's kernels use.
func (d *Device) Level() Level { return d.level }

// Threads is the number of threads that share one call.
func (d *Device) Threads() int { return d.pool.threads }

// Alloc reserves host memory.
func (d *Device) Alloc(bytes int) (kernels.Memory, error) { return kernels.AllocHost(bytes) }

// Sync returns at once: calls are complete when Run returns.
func (d *Device) Sync() error { return nil }

// Close stops the workers.
func (d *Device) Close() error { d.pool.close(); return nil }

// Prepare plans a kernel for this CPU.
func (d *Device) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	switch k := k.(type) { // a line a family
	case kernels.Elementwise:
		return elementwise(d, k)
	case kernels.Reduce:
		return reduce(d, k)
	case kernels.ArgReduce:
		return argReduce(d, k)
	case kernels.Norm:
		return d.prepareNorm(k)
	case kernels.NormBackward:
		return d.prepareNormBackward(k)
	case kernels.GEMM:
		return prepareGEMM(d, k)
	case kernels.Stream:
		return prepareStream(d, k)
	case kernels.Pool:
		return d.preparePool(k)
	case kernels.PoolBackward:
		return d.preparePoolBackward(k)
	case kernels.Resize:
		return d.prepareResize(k)
	case kernels.ResizeBackward:
		return d.prepareResizeBackward(k)
	case kernels.Softmax:
		return d.prepareSoftmax(k)
	case kernels.SoftmaxBackward:
		return d.prepareSoftmaxBackward(k)
	case kernels.CrossEntropy:
		return d.prepareCrossEntropy(k)
	case kernels.CrossEntropyBackward:
		return d.prepareCrossEntropyBackward(k)
	case kernels.Random:
		return d.prepareRandom(k)
	case kernels.Dropout:
		return d.prepareDropout(k)
	case kernels.Move:
		return d.prepareMove(k)
	case kernels.Concat:
		return d.prepareConcat(k)
	case kernels.Pad:
		return d.preparePad(k)
	case kernels.PadBackward:
		return d.preparePadBackward(k)
	case kernels.Gather:
		return d.prepareGather(k)
	case kernels.ScatterAdd:
		return d.prepareScatterAdd(k)
	case kernels.OneHot:
		return d.prepareOneHot(k)
	case kernels.SGD, kernels.Adam, kernels.LAMB, kernels.AdaDelta, kernels.RMSProp:
		return d.prepareOptim(k)
	case kernels.ClipScale:
		return d.prepareClipScale(k)
	case kernels.LossScale:
		return d.prepareLossScale(k)
	case kernels.EMA:
		return d.prepareEMA(k)
	case kernels.Sort:
		return d.prepareSort(k)
	case kernels.TopK:
		return d.prepareTopK(k)
	case kernels.Conv:
		return d.prepareConv(k)
	case kernels.ConvBackwardData:
		return d.prepareConvBackwardData(k)
	case kernels.ConvBackwardFilter:
		return d.prepareConvBackwardFilter(k)
	default:
		return nil, kernels.Unsupported(d.Name(), k)
	}
}
