package kernels

import (
	"slices"
	"strings"
	"testing"
)

func TestConvGeometryExtents(t *testing.T) {
	for _, c := range []struct {
		name          string
		image, filter []int
		o             ConvOptions
		out           []int
	}{
		{"plain", []int{2, 7, 9, 3}, []int{5, 3, 3, 3}, ConvOptions{}, []int{5, 7}},
		{"same", []int{2, 7, 9, 3}, []int{5, 3, 3, 3}, ConvOptions{Same: true}, []int{7, 9}},
		{"same, stride 2", []int{1, 7, 8, 3}, []int{5, 3, 3, 3}, ConvOptions{Same: true, Stride: []int{2, 2}}, []int{4, 4}},
		{"same, even taps, dilation", []int{1, 10, 4}, []int{5, 4, 4}, ConvOptions{Same: true, Dilation: []int{3}}, []int{10}},
		{"first layer of ResNet", []int{1, 224, 224, 3}, []int{64, 7, 7, 3}, ConvOptions{Stride: []int{2, 2}, PadLo: []int{3, 3}}, []int{112, 112}},
		{"asymmetric", []int{1, 5, 5, 1}, []int{1, 2, 2, 1}, ConvOptions{PadLo: []int{0, 1}, PadHi: []int{1, 0}}, []int{5, 5}},
	} {
		g, err := NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(g.Out(), c.out) {
			t.Errorf("%s: out %v, want %v", c.name, g.Out(), c.out)
		}
		if !slices.Equal(g.Image(), c.image) || !slices.Equal(g.Filter(), c.filter) {
			t.Errorf("%s: image %v and filter %v, want %v and %v", c.name, g.Image(), g.Filter(), c.image, c.filter)
		}
	}
}

func TestConvTransposeExtents(t *testing.T) {
	for _, c := range []struct {
		o       ConvOptions
		output  []int // padding
		want    []int
		message string
	}{
		{ConvOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}}, []int{1, 0}, []int{1, 8, 9, 6}, ""},
		{ConvOptions{}, nil, []int{1, 6, 7, 6}, ""},
		{ConvOptions{Stride: []int{2, 2}}, []int{2, 0}, nil, "output padding"},
		{ConvOptions{Same: true}, nil, nil, "explicit padding"},
	} {
		k, err := NewConvTranspose(F32, []int{1, 4, 5, 8}, []int{8, 3, 3, 6}, c.o, c.output, Epilogue{})
		if c.message != "" {
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("%+v %v: error %v, want one of %q", c.o, c.output, err, c.message)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		ops := k.Operands()
		if got := ops[len(ops)-1].Shape; !slices.Equal(got, c.want) {
			t.Errorf("%+v %v: result %v, want %v", c.o, c.output, got, c.want)
		}
		if got := ops[0].Shape; !slices.Equal(got, []int{1, 4, 5, 8}) {
			t.Errorf("%+v: takes %v", c.o, got)
		}
	}
}

func TestConvGeometryRejects(t *testing.T) {
	for _, c := range []struct {
		image, filter []int
		o             ConvOptions
		message       string
	}{
		{[]int{1, 4, 4, 3}, []int{5, 3, 3, 4}, ConvOptions{}, "channels"},
		{[]int{1, 4, 4, 3}, []int{5, 5, 3, 3}, ConvOptions{}, "does not fit"},
		{[]int{1, 4, 4, 4}, []int{6, 3, 3, 1}, ConvOptions{Groups: 4}, "groups"},
		{[]int{1, 4, 4, 3}, []int{5, 3, 3, 3}, ConvOptions{Stride: []int{0, 1}}, "stride"},
		{[]int{1, 4, 4, 3}, []int{5, 3, 3, 3}, ConvOptions{Stride: []int{1}}, "stride"},
		{[]int{1, 4, 4, 3}, []int{5, 3, 3, 3}, ConvOptions{PadLo: []int{-1, 0}}, "padding"},
		{[]int{1, 4, 4, 3}, []int{5, 3, 3, 3}, ConvOptions{Same: true, PadLo: []int{1, 1}}, "Same"},
		{[]int{4, 3}, []int{5, 3}, ConvOptions{}, "spatial"},
		{[]int{-1, 4, 4, 3}, []int{5, 3, 3, 3}, ConvOptions{}, "batch"},
		{[]int{1, 1 << 30, 1 << 30, 3}, []int{5, 3, 3, 3}, ConvOptions{}, "too many"},
	} {
		_, err := NewConvGeometry(c.image, c.filter, c.o)
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("image %v, filter %v, %+v: error %v, want one of %q", c.image, c.filter, c.o, err, c.message)
		}
	}
}

func TestConvCost(t *testing.T) {
	g, err := NewConvGeometry([]int{2, 8, 8, 16}, []int{32, 3, 3, 4}, ConvOptions{Same: true, Groups: 4})
	if err != nil {
		t.Fatal(err)
	}
	const want = 2 * 2 * 8 * 8 * 32 * 9 * 4
	if c := (Conv{Type: F32, ConvGeometry: g}).Cost(); c.FLOPs != want || c.Written != 4*2*8*8*32 || c.Read != 4*(2*8*8*16+32*9*4) {
		t.Errorf("cost %+v", c)
	}
	if c := (ConvBackwardFilter{Type: F32, ConvGeometry: g, Bias: true}).Cost(); c.FLOPs != want+2*8*8*32 {
		t.Errorf("cost of the backward pass %+v", c)
	}
}
