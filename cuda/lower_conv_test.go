package cuda

import (
	"fmt"
	"strings"
	"testing"

	"palladio/kernels"
)

// h100 is the GPU of the tables below.
var h100 = Limits{Capability: 90, SMs: 132, SharedBlock: 227 << 10}

// lowered says how a convolution runs: its launches as entry point[grid].
func lowered(t *testing.T, k kernels.Kernel) string {
	t.Helper()
	p, err := Lower(k, h100, 64)
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for i, l := range p.Launches {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s[%d", l.Entry, l.Grid.X)
		if l.Grid.Y > 1 || l.Grid.Z > 1 {
			s += fmt.Sprintf(" %d %d", l.Grid.Y, l.Grid.Z)
		}
		s += "]"
	}
	return s
}

// TestConvLowering shows which kernels, tiles and splits typical layers get on an H100.
func TestConvLowering(t *testing.T) {
	for _, c := range []struct {
		name          string
		image, filter []int
		o             kernels.ConvOptions
		want          [4]string // forward f32, forward bf16, backward by data bf16, backward by filters bf16
	}{
		{"conv1", []int{32, 224, 224, 3}, []int{64, 7, 7, 3}, kernels.ConvOptions{Stride: []int{2, 2}, PadLo: []int{3, 3}}, [4]string{
			"conv_forward_f32_narrow_128x64[3136]",
			"conv_forward_bf16_narrow_64x64[6272]",
			"conv_backward_bf16_narrow_64x64[25088]",
			"conv_filter_bf16_narrow_64x64[3 1 128], conv_add_bf16[5]",
		}},
		{"conv2 1x1", []int{32, 56, 56, 64}, []int{256, 1, 1, 64}, kernels.ConvOptions{}, [4]string{
			"gemm_f32_128x128[1568]",
			"gemm_bf16_128x256_nt[784]",
			"gemm_bf16_128x128_nn[784]",
			"gemm_bf16_64x64_tn[4 32 1], gemm_bf16_sums[1 64 1]",
		}},
		{"conv2 3x3", []int{32, 56, 56, 64}, []int{64, 3, 3, 64}, kernels.ConvOptions{Same: true}, [4]string{
			"conv_forward_f32_128x64[784]",
			"conv_forward_bf16_128x64[784]",
			"conv_backward_bf16_128x64[784]",
			"conv_filter_bf16_64x64[9 1 64], conv_add_bf16[18]",
		}},
		{"conv3 3x3 stride2", []int{32, 56, 56, 128}, []int{128, 3, 3, 128}, kernels.ConvOptions{PadLo: []int{1, 1}, Stride: []int{2, 2}}, [4]string{
			"conv_forward_f32_128x64[392]",
			"conv_forward_bf16_128x128[196]",
			"conv_backward_bf16_128x128[784]",
			"conv_filter_bf16_128x128[9 1 24], conv_add_bf16[72]",
		}},
		{"conv3 shortcut", []int{32, 56, 56, 256}, []int{512, 1, 1, 256}, kernels.ConvOptions{Stride: []int{2, 2}}, [4]string{
			"conv_forward_f32_128x64[1568]",
			"conv_forward_bf16_128x128[784]",
			"conv_backward_bf16_128x128[1568]",
			"conv_filter_bf16_128x128[8 1 32], conv_add_bf16[64]",
		}},
		{"conv4 3x3", []int{32, 14, 14, 256}, []int{256, 3, 3, 256}, kernels.ConvOptions{Same: true}, [4]string{
			"conv_forward_f32_128x64[196 1 2], conv_add_f32[1056]",
			"conv_forward_bf16_128x128[98 1 2], conv_add_bf16[784]",
			"conv_backward_bf16_128x128[98 1 2], conv_add_bf16[784]",
			"conv_filter_bf16_128x128[36 1 6], conv_add_bf16[288]",
		}},
		{"conv5 3x3, one image", []int{1, 7, 7, 512}, []int{512, 3, 3, 512}, kernels.ConvOptions{Same: true}, [4]string{
			"conv_forward_f32_64x64[8 1 32], conv_add_f32[25]",
			"conv_forward_bf16_64x64[8 1 16], conv_add_bf16[13]",
			"conv_backward_bf16_64x64[8 1 16], conv_add_bf16[13]",
			"conv_filter_bf16_128x128[144]",
		}},
		{"whole map", []int{32, 7, 7, 512}, []int{1000, 7, 7, 512}, kernels.ConvOptions{}, [4]string{
			"gemm_f32_32x32[32 32 1], gemm_f32_sums[8 8 1]",
			"gemm_bf16_128x256_nt[4 32 1], gemm_bf16_sums[4 8 1]",
			"gemm_bf16_128x256_nn[98]",
			"gemm_bf16_128x256_tn[784]",
		}},
		{"groups", []int{32, 28, 28, 256}, []int{256, 3, 3, 32}, kernels.ConvOptions{Same: true, Groups: 8}, [4]string{
			"conv_forward_f32_128x32[196 8 1]",
			"conv_forward_bf16_128x64[196 8 1]",
			"conv_backward_bf16_128x64[196 8 1]",
			"conv_filter_bf16_64x64[5 8 16], conv_add_bf16[36]",
		}},
		{"depthwise 3x3", []int{32, 56, 56, 144}, []int{144, 3, 3, 1}, kernels.ConvOptions{Same: true, Groups: 144}, [4]string{
			"conv_depthwise_f32_3x3[256 2 1]",
			"conv_depthwise_bf16_3x3[256 2 1]",
			"conv_depthwise_bf16_3x3[256 2 1]",
			"conv_depthwise_filter_bf16_3x3[1 2 64], conv_add_bf16[1]",
		}},
		{"depthwise 5x5 stride2", []int{32, 28, 28, 240}, []int{240, 5, 5, 1}, kernels.ConvOptions{Same: true, Stride: []int{2, 2}, Groups: 240}, [4]string{
			"conv_depthwise_f32_5x5_stride2[99 4 1]",
			"conv_depthwise_bf16_5x5_stride2[99 4 1]",
			"conv_depthwise_bf16_any[224], conv_depthwise_bf16_any[224], conv_depthwise_bf16_any[224], conv_depthwise_bf16_3x3[224 2 1]",
			"conv_depthwise_filter_bf16_5x5_stride2[1 4 28], conv_add_bf16[3]",
		}},
		{"audio", []int{8, 16000, 1}, []int{64, 400, 1}, kernels.ConvOptions{Stride: []int{160}}, [4]string{
			"conv_plain_f32[196]",
			"conv_plain_bf16[196]",
			"conv_backward_bf16_narrow_64x64[2080]",
			"conv_plain_filter_bf16[8448]",
		}},
	} {
		g, err := kernels.NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range []kernels.Kernel{
			kernels.Conv{Type: kernels.F32, ConvGeometry: g}, kernels.Conv{Type: kernels.BF16, ConvGeometry: g},
			kernels.ConvBackwardData{Type: kernels.BF16, ConvGeometry: g}, kernels.ConvBackwardFilter{Type: kernels.BF16, ConvGeometry: g},
		} {
			if got := lowered(t, k); got != c.want[i] {
				t.Errorf("%s: %s:\n got %s\nwant %s", c.name, k, got, c.want[i])
			}
		}
	}
}

// TestConvEntries checks that every launch of the conformance table names an entry point that is shipped.
func TestConvEntries(t *testing.T) {
	shipped := make(map[string]string)
	for _, c := range kernels.Cases() {
		switch c.Kernel.(type) {
		case kernels.Conv, kernels.ConvBackwardData, kernels.ConvBackwardFilter:
		default:
			continue
		}
		for _, align := range []int{64, 1} {
			p, err := Lower(c.Kernel, h100, align)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range p.Launches {
				text, ok := shipped[l.Module.Name]
				if !ok {
					if text, err = l.Module.PTX(); err != nil {
						t.Fatal(err)
					}
					shipped[l.Module.Name] = text
				}
				checkEntry(t, c.Name, l, text)
			}
		}
	}
}

// checkEntry checks a launch's entry point, number of arguments and threads against the module's text.
func checkEntry(t *testing.T, name string, l Launch, text string) {
	t.Helper()
	_, head, ok := strings.Cut(text, ".entry "+l.Entry+"(")
	if !ok {
		t.Fatalf("%s: module %s has no entry point %s", name, l.Module.Name, l.Entry)
	}
	head, _, _ = strings.Cut(head, ")")
	if n := strings.Count(head, ".param"); n != len(l.Args) {
		t.Fatalf("%s: %s takes %d parameters, given %d", name, l.Entry, n, len(l.Args))
	}
	if l.Grid.X < 1 || l.Grid.Y < 1 || l.Grid.Z < 1 || l.Grid.Y > 65535 || l.Grid.Z > 65535 || l.Block.Threads() > 512 {
		t.Fatalf("%s: %s: grid %v, block %v", name, l.Entry, l.Grid, l.Block)
	}
}
