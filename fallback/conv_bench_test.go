package fallback

import (
	"fmt"
	"testing"
	"time"

	"palladio/kernels"
)

// convLayer is one row of the convolution benchmark.
type convLayer struct {
	name          string
	pass          string // forward, data or filter
	image, filter []int
	stride        int
	groups        int
}

// convLayers are layers of ResNet-50, MobileNetV2 and SimpleNet, and training passes on small images.
var convLayers = []convLayer{
	{"resnet 7x7 s2", "forward", []int{4, 224, 224, 3}, []int{64, 7, 7, 3}, 2, 1},
	{"resnet 1x1 64-256", "forward", []int{4, 56, 56, 64}, []int{256, 1, 1, 64}, 1, 1},
	{"resnet 1x1 256-64", "forward", []int{4, 56, 56, 256}, []int{64, 1, 1, 256}, 1, 1},
	{"resnet 3x3 64", "forward", []int{4, 56, 56, 64}, []int{64, 3, 3, 64}, 1, 1},
	{"resnet 3x3 128", "forward", []int{4, 28, 28, 128}, []int{128, 3, 3, 128}, 1, 1},
	{"resnet 1x1 s2 256-512", "forward", []int{4, 56, 56, 256}, []int{512, 1, 1, 256}, 2, 1},
	{"resnet 3x3 256", "forward", []int{4, 14, 14, 256}, []int{256, 3, 3, 256}, 1, 1},
	{"resnet 3x3 512", "forward", []int{8, 7, 7, 512}, []int{512, 3, 3, 512}, 1, 1},
	{"mobilenet expand 24-144", "forward", []int{4, 56, 56, 24}, []int{144, 1, 1, 24}, 1, 1},
	{"mobilenet project 144-24", "forward", []int{4, 56, 56, 144}, []int{24, 1, 1, 144}, 1, 1},
	{"mobilenet depthwise s1", "forward", []int{4, 56, 56, 144}, []int{144, 3, 3, 1}, 1, 144},
	{"mobilenet depthwise s2", "forward", []int{4, 56, 56, 144}, []int{144, 3, 3, 1}, 2, 144},
	{"simplenet 32x32 64-128", "forward", []int{8, 32, 32, 64}, []int{128, 3, 3, 64}, 1, 1},
	{"simplenet 32x32 128", "forward", []int{8, 32, 32, 128}, []int{128, 3, 3, 128}, 1, 1},
	{"simplenet 16x16 128-256", "forward", []int{8, 16, 16, 128}, []int{256, 3, 3, 128}, 1, 1},
	{"simplenet 8x8 256-512", "forward", []int{8, 8, 8, 256}, []int{512, 3, 3, 256}, 1, 1},
	{"resnet 3x3 64", "data", []int{4, 56, 56, 64}, []int{64, 3, 3, 64}, 1, 1},
	{"resnet 3x3 128 s2", "data", []int{4, 28, 28, 128}, []int{128, 3, 3, 128}, 2, 1},
	{"resnet 3x3 64", "filter", []int{4, 56, 56, 64}, []int{64, 3, 3, 64}, 1, 1},
	{"simplenet 16x16 128-256", "filter", []int{8, 16, 16, 128}, []int{256, 3, 3, 128}, 1, 1},

	{"slim 28x28 1-64", "forward", []int{128, 28, 28, 1}, []int{64, 3, 3, 1}, 1, 1},
	{"slim 28x28 1-64", "filter", []int{128, 28, 28, 1}, []int{64, 3, 3, 1}, 1, 1},
	{"slim 28x28 64-32", "forward", []int{128, 28, 28, 64}, []int{32, 3, 3, 64}, 1, 1},
	{"slim 28x28 64-32", "data", []int{128, 28, 28, 64}, []int{32, 3, 3, 64}, 1, 1},
	{"slim 28x28 64-32", "filter", []int{128, 28, 28, 64}, []int{32, 3, 3, 64}, 1, 1},
	{"slim 28x28 32", "forward", []int{128, 28, 28, 32}, []int{32, 3, 3, 32}, 1, 1},
	{"slim 28x28 32", "data", []int{128, 28, 28, 32}, []int{32, 3, 3, 32}, 1, 1},
	{"slim 28x28 32", "filter", []int{128, 28, 28, 32}, []int{32, 3, 3, 32}, 1, 1},
	{"slim 14x14 32-16", "forward", []int{128, 14, 14, 32}, []int{16, 3, 3, 32}, 1, 1},
	{"slim 14x14 16", "data", []int{128, 14, 14, 16}, []int{16, 3, 3, 16}, 1, 1},
	{"slim 14x14 16", "filter", []int{128, 14, 14, 16}, []int{16, 3, 3, 16}, 1, 1},
	{"slim 7x7 64", "forward", []int{128, 7, 7, 64}, []int{64, 3, 3, 64}, 1, 1},
	{"slim 7x7 64", "filter", []int{128, 7, 7, 64}, []int{64, 3, 3, 64}, 1, 1},
}

func (l convLayer) kernel(b testing.TB) kernels.Kernel {
	pad := make([]int, len(l.image)-2)
	for i := range pad {
		pad[i] = (l.filter[1+i] - 1) / 2
	}
	g, err := kernels.NewConvGeometry(l.image, l.filter, kernels.ConvOptions{Stride: []int{l.stride, l.stride}, PadLo: pad, Groups: l.groups})
	if err != nil {
		b.Fatal(err)
	}
	switch l.pass {
	case "data":
		return kernels.ConvBackwardData{Type: kernels.F32, ConvGeometry: g}
	case "filter":
		return kernels.ConvBackwardFilter{Type: kernels.F32, ConvGeometry: g}
	}
	return kernels.Conv{Type: kernels.F32, ConvGeometry: g}
}

// BenchmarkConv reports GFLOP/s by the standard count and the fraction of the measured multiply-add peak of the threads in use.
func BenchmarkConv(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, l := range convLayers {
			b.Run(fmt.Sprintf("%s/%s/threads%d", l.name, l.pass, threads), func(b *testing.B) {
				benchmarkKernel(b, newDevice(b, Threads(threads)), l.kernel(b))
			})
		}
	}
}

func benchmarkKernel(b *testing.B, d *Device, k kernels.Kernel) {
	exec, args, workspace := preparedConv(b, d, k)
	best := time.Duration(1 << 62)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if err := exec.Run(args, workspace); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	gflops := float64(k.Cost().FLOPs) / best.Seconds() / 1e9
	b.ReportMetric(gflops, "GFLOP/s")
	b.ReportMetric(gflops/benchPeaks(b, d).F32, "of-peak")
}
