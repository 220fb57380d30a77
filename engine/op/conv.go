package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// ConvOptions says how a filter moves; see kernels.ConvOptions.
type ConvOptions = kernels.ConvOptions

// Conv1D convolves x [N, W, C] with w [K, taps, C/groups] and adds bias [K], which may be nil.
func Conv1D(x, w, bias *gorgonia.Node, o ConvOptions) (*gorgonia.Node, error) {
	return convolution(1, x, w, bias, o)
}

// Conv2D convolves x [N, H, W, C] with w [K, R, S, C/groups] and adds bias [K], which may be nil. Depthwise convolution has groups = C.
func Conv2D(x, w, bias *gorgonia.Node, o ConvOptions) (*gorgonia.Node, error) {
	return convolution(2, x, w, bias, o)
}

// Conv3D convolves x [N, D, H, W, C] with w [K, Q, R, S, C/groups] and adds bias [K], which may be nil.
func Conv3D(x, w, bias *gorgonia.Node, o ConvOptions) (*gorgonia.Node, error) {
	return convolution(3, x, w, bias, o)
}

// ConvTranspose1D is the transposed convolution of x [N, W, K] with w [K, taps, C/groups], plus bias [C], which may be nil. outputPadding (nil: none) is
// added to the result's end.
func ConvTranspose1D(x, w, bias *gorgonia.Node, o ConvOptions, outputPadding []int) (*gorgonia.Node, error) {
	return transposedConvolution(1, x, w, bias, o, outputPadding)
}

// ConvTranspose2D is ConvTranspose1D with two spatial axes.
func ConvTranspose2D(x, w, bias *gorgonia.Node, o ConvOptions, outputPadding []int) (*gorgonia.Node, error) {
	return transposedConvolution(2, x, w, bias, o, outputPadding)
}

// ConvTranspose3D is ConvTranspose1D with three spatial axes.
func ConvTranspose3D(x, w, bias *gorgonia.Node, o ConvOptions, outputPadding []int) (*gorgonia.Node, error) {
	return transposedConvolution(3, x, w, bias, o, outputPadding)
}

// convInputs checks rank and types and lists the inputs that there are.
func convInputs(what string, rank int, x, w, bias *gorgonia.Node) ([]kind, []*gorgonia.Node, error) {
	in := present(x, w, bias)
	ks, err := floats(what, in...)
	if err != nil {
		return nil, nil, err
	}
	if len(ks[0].shape) != rank+2 {
		return nil, nil, fmt.Errorf("%s%dd: input %v: want %d axes, channels last", what, rank, ks[0].shape, rank+2)
	}
	return ks, in, nil
}

func checkBias(what string, ks []kind, channels int) error {
	if len(ks) > 2 && !slices.Equal(ks[2].shape, []int{channels}) {
		return fmt.Errorf("%s: bias %v: want [%d], one for each output channel", what, ks[2].shape, channels)
	}
	return nil
}

func convolution(rank int, x, w, bias *gorgonia.Node, o ConvOptions) (*gorgonia.Node, error) {
	ks, in, err := convInputs("conv", rank, x, w, bias)
	if err != nil {
		return nil, err
	}
	g, err := kernels.NewConvGeometry(ks[0].shape, ks[1].shape, o)
	if err != nil {
		return nil, err
	}
	if err := checkBias("conv", ks, g.K); err != nil {
		return nil, err
	}
	return convForward(ks[0].typ, g, in...)
}

// convForward is the convolution of an image and filters, with a bias as third input if there is one.
func convForward(t kernels.DType, g kernels.ConvGeometry, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	k := kernels.Conv{Type: t, ConvGeometry: g}
	k.Epilogue.Bias = len(in) == 3
	return call(k, g.Result(), all(len(in)), func(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		ds := make(gorgonia.Nodes, len(x))
		var err error
		if need[0] {
			if ds[0], err = convBackwardData(t, g, dy, x[1]); err != nil {
				return nil, err
			}
		}
		bias := len(x) == 3 && need[2]
		if need[1] || bias {
			dw, err := convBackwardFilter(t, g, bias, x[0], dy)
			if err != nil {
				return nil, err
			}
			if ds[1] = dw[0]; bias {
				ds[2] = dw[1]
			}
		}
		return ds, nil
	}, in...)
}

// convBackwardData takes dy and filters, and a bias if there is one, to the image's gradient; forward, it is the transposed convolution.
func convBackwardData(t kernels.DType, g kernels.ConvGeometry, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	k := kernels.ConvBackwardData{Type: t, ConvGeometry: g}
	k.Epilogue.Bias = len(in) == 3
	return call(k, g.Image(), all(len(in)), func(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		ds := make(gorgonia.Nodes, len(x))
		var err error
		if need[0] {
			if ds[0], err = convForward(t, g, dy, x[1]); err != nil {
				return nil, err
			}
		}
		if need[1] {
			dw, err := convBackwardFilter(t, g, false, dy, x[0])
			if err != nil {
				return nil, err
			}
			ds[1] = dw[0]
		}
		if len(x) == 3 && need[2] {
			ds[2], err = sumTo(dy, x[2].Shape())
		}
		return ds, err
	}, in...)
}

// convBackwardFilter takes an image and dy to the filters' gradient and, if asked, to that of the bias.
func convBackwardFilter(t kernels.DType, g kernels.ConvGeometry, bias bool, x, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	k := kernels.ConvBackwardFilter{Type: t, ConvGeometry: g, Bias: bias}
	if err := k.Validate(); err != nil {
		return nil, err
	}
	filter := func(x gorgonia.Nodes, _, ddw *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		ds := make(gorgonia.Nodes, 2)
		var err error
		if need[0] {
			if ds[0], err = convBackwardData(t, g, x[1], ddw); err != nil {
				return nil, err
			}
		}
		if need[1] {
			ds[1], err = convForward(t, g, x[0], ddw)
		}
		return ds, err
	}
	if !bias {
		dw, err := call(k, g.Filter(), all(2), filter, x, dy)
		return gorgonia.Nodes{dw}, err
	}
	o := operator{text: k.String(), lower: func(l Lowering) error {
		emit(l, k, l.In(0), l.In(1), l.Out(0), l.Out(1))
		return nil
	}}
	f, err := applyFamily(o, []output{
		{kind{t, g.Filter()}, all(2), filter},
		{kind{t, []int{g.K}}, []bool{false, true}, func(_ gorgonia.Nodes, _, ddb *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := BroadcastTo(ddb, g.Result()...)
			return gorgonia.Nodes{nil, d}, err
		}},
	}, x, dy)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{f.node(0), f.node(1)}, nil
}

func transposedConvolution(rank int, x, w, bias *gorgonia.Node, o ConvOptions, outputPadding []int) (*gorgonia.Node, error) {
	ks, in, err := convInputs("conv_transpose", rank, x, w, bias)
	if err != nil {
		return nil, err
	}
	g, err := kernels.NewConvTransposeGeometry(ks[0].shape, ks[1].shape, o, outputPadding)
	if err != nil {
		return nil, err
	}
	if err := checkBias("conv_transpose", ks, g.C); err != nil {
		return nil, err
	}
	return convBackwardData(ks[0].typ, g, in...)
}
