package bench

import (
	"fmt"

	"palladio/kernels"
)

// The directions of a convolution, by their names in the rivals' protocol.
const (
	forward        = "fwd"
	backwardData   = "bwd_data"
	backwardFilter = "bwd_filter"
)

// convWork is a square convolution layer.
type convWork struct {
	net                          string
	dir                          string
	n, side, c, k, taps          int
	stride, pad, dilation, group int
}

func (w convWork) label() string {
	s := fmt.Sprintf("%s %d×%d²×%d %d×%d", w.net, w.n, w.side, w.c, w.taps, w.taps)
	if w.group > 1 {
		s += " depthwise"
	} else {
		s += fmt.Sprintf("→%d", w.k)
	}
	if w.stride > 1 {
		s += fmt.Sprintf(" /%d", w.stride)
	}
	switch w.dir {
	case backwardData:
		s += " ∂data"
	case backwardFilter:
		s += " ∂filter"
	}
	return s
}

func (w convWork) request() string {
	return fmt.Sprintf("conv %s %d %d %d %d %d %d %d %d %d %d %d", w.dir, w.n, w.side, w.side, w.c, w.k, w.taps, w.taps, w.stride, w.pad, w.dilation, w.group)
}

func (w convWork) kernel() kernels.Kernel {
	g := kernels.ConvGeometry{
		Batch: w.n, In: []int{w.side, w.side}, C: w.c, K: w.k, Taps: []int{w.taps, w.taps},
		Stride: []int{w.stride, w.stride}, Dilation: []int{w.dilation, w.dilation},
		PadLo: []int{w.pad, w.pad}, PadHi: []int{w.pad, w.pad}, Groups: w.group,
	}
	switch w.dir {
	case backwardData:
		return kernels.ConvBackwardData{Type: kernels.F32, ConvGeometry: g}
	case backwardFilter:
		return kernels.ConvBackwardFilter{Type: kernels.F32, ConvGeometry: g}
	}
	return kernels.Conv{Type: kernels.F32, ConvGeometry: g}
}

func (w convWork) flops() int64 { return w.kernel().Cost().FLOPs }

// convLayers are twenty layers of real networks: ResNet-50 (He et al. 2016), MobileNetV2 (Sandler et al. 2018), SimpleNet
// (Hasanpour et al. 2016), and backward passes of some of them.
func convLayers() []workload {
	l := func(net, dir string, n, side, c, k, taps, stride, pad, group int) workload {
		return convWork{net, dir, n, side, c, k, taps, stride, pad, 1, group}
	}
	return []workload{
		l("ResNet-50", forward, 4, 224, 3, 64, 7, 2, 3, 1),
		l("ResNet-50", forward, 4, 56, 64, 64, 1, 1, 0, 1),
		l("ResNet-50", forward, 4, 56, 64, 64, 3, 1, 1, 1),
		l("ResNet-50", forward, 4, 56, 64, 256, 1, 1, 0, 1),
		l("ResNet-50", forward, 4, 56, 256, 512, 1, 2, 0, 1),
		l("ResNet-50", forward, 4, 28, 128, 128, 3, 1, 1, 1),
		l("ResNet-50", forward, 4, 28, 128, 128, 3, 2, 1, 1),
		l("ResNet-50", forward, 4, 14, 256, 256, 3, 1, 1, 1),
		l("ResNet-50", forward, 4, 7, 512, 512, 3, 1, 1, 1),
		l("MobileNetV2", forward, 4, 56, 24, 144, 1, 1, 0, 1),
		l("MobileNetV2", forward, 4, 56, 144, 144, 3, 1, 1, 144),
		l("MobileNetV2", forward, 4, 56, 144, 144, 3, 2, 1, 144),
		l("MobileNetV2", forward, 4, 14, 576, 96, 1, 1, 0, 1),
		l("SimpleNet", forward, 16, 32, 64, 128, 3, 1, 1, 1),
		l("SimpleNet", forward, 16, 16, 128, 256, 3, 1, 1, 1),
		l("SimpleNet", backwardData, 16, 32, 64, 128, 3, 1, 1, 1),
		l("SimpleNet", backwardFilter, 16, 32, 64, 128, 3, 1, 1, 1),
		l("ResNet-50", backwardData, 4, 28, 128, 128, 3, 2, 1, 1),
		l("ResNet-50", backwardFilter, 4, 14, 256, 256, 3, 1, 1, 1),
		l("MobileNetV2", backwardFilter, 4, 56, 144, 144, 3, 1, 1, 144),
	}
}
