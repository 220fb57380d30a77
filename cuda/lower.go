package cuda

import (
	"fmt"

	"palladio/kernels"
)

// Limits are the properties of a GPU that a lowering depends on.
type Limits struct {
	Capability  int // compute capability, 80 for 8.0
	SMs         int // streaming multiprocessors
	SharedBlock int // most bytes of shared memory that a block may ask for
}

// lowering is what the lowering of a kernel may count on.
type lowering struct {
	Limits
	// align is Lower's.
	align int
	// convForced is the tile of convolutions by tiles, where a test wants a certain one.
	convForced *convChoice
}

// Lower makes the program of a kernel for a GPU. align is the number of bytes that every operand's address is a multiple of: at 16 and more
// kernels may use 16-byte accesses, at 1 elements are aligned to their size, no more. A Device lowers for both. The error wraps
// kernels.ErrUnsupported where there is no CUDA version of k.
func Lower(k kernels.Kernel, on Limits, align int) (*Program, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	l := &lowering{Limits: on, align: align}
	switch k := k.(type) {
	case kernels.GEMM:
		return l.gemm(k)
	case kernels.Stream:
		return l.stream(k), nil
	case kernels.Reduce:
		return l.reduce(k)
	case kernels.ArgReduce:
		return l.argReduce(k)
	case kernels.Softmax:
		return l.softmax(k), nil
	case kernels.SoftmaxBackward:
		return l.softmaxBackward(k), nil
	case kernels.Norm:
		return l.norm(k), nil
	case kernels.NormBackward:
		return l.normBackward(k), nil
	case kernels.CrossEntropy:
		return l.crossEntropy(k)
	case kernels.CrossEntropyBackward:
		return l.crossEntropyBackward(k)
	case kernels.Pool:
		return l.pool(k)
	case kernels.PoolBackward:
		return l.poolBackward(k)
	case kernels.Resize:
		return l.resize(k)
	case kernels.ResizeBackward:
		return l.resizeBackward(k)
	case kernels.SGD:
		return l.sgd(k), nil
	case kernels.Adam:
		return l.adam(k), nil
	case kernels.LAMB:
		return l.lamb(k), nil
	case kernels.AdaDelta:
		return l.adaDelta(k), nil
	case kernels.RMSProp:
		return l.rmsProp(k), nil
	case kernels.EMA:
		return l.ema(k), nil
	case kernels.LossScale:
		return l.lossScale(k), nil
	case kernels.ClipScale:
		return l.clipScale(k), nil
	case kernels.Elementwise:
		return l.elementwise(k)
	case kernels.Move:
		return l.move(k)
	case kernels.Concat:
		return l.concat(k)
	case kernels.Pad:
		return l.pad(k)
	case kernels.PadBackward:
		return l.padBackward(k)
	case kernels.Gather:
		return l.gather(k)
	case kernels.ScatterAdd:
		return l.scatterAdd(k)
	case kernels.OneHot:
		return l.oneHot(k)
	case kernels.Sort:
		return l.sort(k)
	case kernels.TopK:
		return l.topK(k)
	case kernels.Random:
		return l.random(k)
	case kernels.Dropout:
		return l.dropout(k)
	case kernels.Conv:
		return l.conv(k)
	case kernels.ConvBackwardData:
		return l.convBackwardData(k)
	case kernels.ConvBackwardFilter:
		return l.convBackwardFilter(k)
	case peak:
		return l.peak(k), nil
	default:
		return nil, fmt.Errorf("cuda: %s: %w", k, kernels.ErrUnsupported)
	}
}

// vectorised says whether 16-byte accesses are allowed to rows of n elements of the given size that start at multiples of n.
func (l *lowering) vectorised(n, size int) bool { return l.align >= 16 && n*size%16 == 0 }

// grid is a grid for a loop over items with the given threads a block: no more than fill the GPU at so many blocks a multiprocessor.
func (l *lowering) grid(items, threads, blocks int) Dim {
	return Dim{max(1, min(ceilDiv(items, threads), l.SMs*blocks)), 1, 1}
}

// flag is a u32 parameter that is 0 or 1.
func flag(b bool) Slot {
	if b {
		return Int(1)
	}
	return Int(0)
}

// tooLarge is the error for a kernel that has more of something than its CUDA version counts.
func tooLarge(k kernels.Kernel, of string) error {
	return fmt.Errorf("cuda: %s: more than 2^31 %s: %w", k, of, kernels.ErrUnsupported)
}

// ceilDiv rounds a/b up.
func ceilDiv(a, b int) int { return (a + b - 1) / b }
