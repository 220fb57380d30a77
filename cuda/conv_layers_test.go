package cuda_test

import (
	"fmt"
	"testing"

	"palladio/cuda/profile"
	"palladio/kernels"
)

// convLayer is a layer of ResNet-50 that is no matrix product as it lies: a square map and filter, padded so that the centre tap sees the pixel itself.
type convLayer struct{ size, c, k, taps, stride int }

// resNet50 lists them (He et al., 2015, table 1, with the stride on the 3x3 filters).
var resNet50 = []convLayer{
	{224, 3, 64, 7, 2},
	{56, 64, 64, 3, 1}, {28, 128, 128, 3, 1}, {14, 256, 256, 3, 1}, {7, 512, 512, 3, 1},
	{56, 128, 128, 3, 2}, {28, 256, 256, 3, 2}, {14, 512, 512, 3, 2},
	{56, 256, 512, 1, 2}, {28, 512, 1024, 1, 2}, {14, 1024, 2048, 1, 2},
}

// passes are the kernels of a layer of a batch.
func (l convLayer) passes(t *testing.B, batch int, dtype kernels.DType, tf32 bool) map[string]kernels.Kernel {
	pad := l.taps / 2
	g, err := kernels.NewConvGeometry([]int{batch, l.size, l.size, l.c}, []int{l.k, l.taps, l.taps, l.c},
		kernels.ConvOptions{Stride: []int{l.stride, l.stride}, PadLo: []int{pad, pad}})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]kernels.Kernel{
		"forward":  kernels.Conv{ConvGeometry: g, Type: dtype, TF32: tf32},
		"backward": kernels.ConvBackwardData{ConvGeometry: g, Type: dtype, TF32: tf32},
		"filter":   kernels.ConvBackwardFilter{ConvGeometry: g, Type: dtype, TF32: tf32},
	}
}

func (l convLayer) String() string {
	return fmt.Sprintf("%d_%d_%d_%d_%d", l.size, l.c, l.k, l.taps, l.stride)
}

// BenchmarkConvLayers gives the time that the model of the H100 estimates for ResNet-50's convolutions of 32 images, by type and pass.
func BenchmarkConvLayers(b *testing.B) {
	for _, t := range []struct {
		name  string
		dtype kernels.DType
		tf32  bool
	}{{"f32", kernels.F32, false}, {"tf32", kernels.F32, true}, {"bf16", kernels.BF16, false}} {
		for _, pass := range []string{"forward", "backward", "filter"} {
			for _, l := range resNet50 {
				k := l.passes(b, 32, t.dtype, t.tf32)[pass]
				b.Run(t.name+"/"+pass+"/"+l.String(), func(b *testing.B) {
					r, err := profile.Run(b.Context(), profile.Of(k), profile.Options{Device: "sim:h100", Blocks: 132})
					if err != nil {
						b.Fatal(err)
					}
					for _, m := range r.Launches {
						b.Logf("%s %s", m.Kernel, m.Timing)
					}
					b.ReportMetric(r.Seconds*1e6, "model-us")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}
