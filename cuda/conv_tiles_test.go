package cuda

import (
	"fmt"
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// convForced is a device that computes convolutions with a given tile and number of parts.
type convForced struct {
	*Device
	choice convChoice
	packed bool // the tile's kernels copy 16 bytes at a time
}

func (d convForced) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	var programs [2]*Program
	for i, align := range []int{wide, 1} {
		l := &lowering{Limits: d.info.limits(), align: align, convForced: &d.choice}
		if d.packed && align < wide { // such operands go to other kernels
			l.convForced = nil
		}
		var err error
		switch k := k.(type) {
		case kernels.Conv:
			programs[i], err = l.conv(k)
		case kernels.ConvBackwardData:
			programs[i], err = l.convBackwardData(k)
		case kernels.ConvBackwardFilter:
			programs[i], err = l.convBackwardFilter(k)
		}
		if err != nil {
			return nil, err
		}
	}
	return d.preparePrograms(k, programs[0], programs[1])
}

// TestConvTiles runs every tile kernel past its edges, forward, backward by data and by filters, with channels that go by 16 bytes and others, every other
// pass with split sums.
func TestConvTiles(t *testing.T) {
	for kind, of := range map[string]struct {
		dtype kernels.DType
		tf32  bool
	}{"f32": {kernels.F32, false}, "tf32": {kernels.F32, true}, "bf16": {kernels.BF16, false}, "f16": {kernels.F16, false}} {
		for _, packed := range []bool{true, false} {
			for _, tile := range newConvType(of.dtype, of.tf32).tiles(packed) {
				t.Run(fmt.Sprintf("%s %v packed %v", kind, tile, packed), func(t *testing.T) {
					d := open(t, "sim:h100")
					c, k := 24, tile.n+24
					if !packed {
						c, k = 21, tile.n+19
					}
					for stride := 1; stride <= 2; stride++ {
						if stride == 1 && testing.Short() {
							continue // the same kernels, with one pass of taps backward
						}
						g, err := kernels.NewConvGeometry([]int{1, 14 * stride, 15, c}, []int{k, 3, 3, c}, kernels.ConvOptions{Stride: []int{stride, 1}, PadLo: []int{1, 1}})
						if err != nil {
							t.Fatal(err)
						}
						e := kernels.Epilogue{Bias: true}
						if stride == 2 {
							e.Residual, e.Act.Op = true, kernels.SiLU
						}
						for i, k := range []kernels.Kernel{
							kernels.Conv{ConvGeometry: g, Type: of.dtype, TF32: of.tf32, Epilogue: e},
							kernels.ConvBackwardData{ConvGeometry: g, Type: of.dtype, TF32: of.tf32, Epilogue: e},
							kernels.ConvBackwardFilter{ConvGeometry: g, Type: of.dtype, TF32: of.tf32},
						} {
							choice := convChoice{tile, 1 + (stride+i)%2}
							test := kernels.Case{Name: fmt.Sprintf("%s in %d", k, choice.splits), Kernel: k}
							if res := devicetest.Run(convForced{d, choice, packed}, ref.New(), test); !res.Passed() {
								t.Error(res)
							}
						}
					}
				})
			}
		}
	}
}

// convSmall is a device that shares depthwise convolutions out as if it had one multiprocessor, so that threads go down several rows and take several pieces.
type convSmall struct{ *Device }

func (d convSmall) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	var programs [2]*Program
	for i, align := range []int{wide, 1} {
		on := d.info.limits()
		on.SMs = 1
		var err error
		if programs[i], err = Lower(k, on, align); err != nil {
			return nil, err
		}
	}
	return d.preparePrograms(k, programs[0], programs[1])
}

// TestDirectConvKernels runs the kernels that multiply without tiles, which the conformance table has few of: depthwise of each type and filter, and the plain
// ones that a depth multiplier takes.
func TestDirectConvKernels(t *testing.T) {
	d := open(t, "sim:h100")
	for _, dtype := range []kernels.DType{kernels.F32, kernels.BF16, kernels.F16} {
		for i, c := range []struct{ taps, stride, dilation, channels, multiplier int }{
			{3, 1, 1, 40, 1}, {5, 1, 1, 40, 1}, {7, 1, 1, 40, 1}, {3, 2, 1, 40, 1}, {5, 2, 1, 40, 1}, // square filters
			{5, 1, 1, 70, 1}, {7, 2, 1, 24, 1}, {3, 1, 2, 40, 1}, {3, 1, 1, 7, 1}, {3, 2, 1, 8, 2},
		} {
			two := func(v int) []int { return []int{v, v} }
			g, err := kernels.NewConvGeometry([]int{2, 9, 11, c.channels}, []int{c.channels * c.multiplier, c.taps, c.taps, 1}, kernels.ConvOptions{
				Stride: two(c.stride), Dilation: two(c.dilation), PadLo: two(c.taps / 2 * c.dilation), Groups: c.channels,
			})
			if err != nil {
				t.Fatal(err)
			}
			testDirect(t, d, dtype, g, kernels.Epilogue{Bias: true, Residual: i%2 == 0, Act: kernels.Activation{Op: []kernels.EltOp{kernels.HardSwish, kernels.ReLU}[i%2]}})
		}
		frames, err := kernels.NewConvGeometry([]int{1, 3, 6, 5, 8}, []int{8, 1, 3, 3, 1}, kernels.ConvOptions{Same: true, Groups: 8})
		if err != nil {
			t.Fatal(err)
		}
		testDirect(t, d, dtype, frames, kernels.Epilogue{})
	}
}

// testDirect runs a convolution and its gradients, with its work shared out over many multiprocessors and over one.
func testDirect(t *testing.T, d *Device, dtype kernels.DType, g kernels.ConvGeometry, e kernels.Epilogue) {
	t.Helper()
	for _, k := range []kernels.Kernel{
		kernels.Conv{ConvGeometry: g, Type: dtype, Epilogue: e}, kernels.ConvBackwardData{ConvGeometry: g, Type: dtype},
		kernels.ConvBackwardFilter{ConvGeometry: g, Type: dtype, Bias: true},
	} {
		for _, on := range []kernels.Device{d, convSmall{d}} {
			if res := devicetest.Run(on, ref.New(), kernels.Case{Name: k.String(), Kernel: k}); !res.Passed() {
				t.Error(res)
			}
		}
	}
}
