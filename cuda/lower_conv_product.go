package cuda

import (
	"math"
	"slices"

	"palladio/kernels"
)

// productExtents says whether a convolution is a matrix product of its operands as they lie: 1x1 filters at stride 1 without padding, a row a
// pixel; or filters of the whole map, a row an image. inner is the length of a row of the image's matrix.
func productExtents(g kernels.ConvGeometry) (rows, inner int, ok bool) {
	if g.Groups > 1 || slices.Max(g.PadLo) > 0 || slices.Max(g.PadHi) > 0 {
		return 0, 0, false
	}
	taps, pixels := kernels.Elems(g.Taps), kernels.Elems(g.In)
	switch {
	case taps == 1 && slices.Max(g.Stride) == 1:
		rows, inner = g.Batch*pixels, g.C
	case slices.Equal(g.Taps, g.In): // dilation is 1 where there are several taps, or they would not fit
		rows, inner = g.Batch, pixels*g.C
	default:
		return 0, 0, false
	}
	return rows, inner, max(rows, inner, g.K) < math.MaxInt32-1024
}

// convProduct lowers y = x·wᵀ; nil where the convolution is no matrix product.
func (l *lowering) convProduct(k kernels.Conv) (*Program, error) {
	rows, inner, ok := productExtents(k.ConvGeometry)
	if !ok {
		return nil, nil
	}
	p := kernels.NewGEMM(k.Type, 1, rows, k.K, inner, false, true)
	p.TF32, p.Epilogue = k.TF32, k.Epilogue
	return l.gemm(p)
}

// backwardDataProduct lowers dx = dy·w. A bias has an element a channel, which is a column of the product for 1x1 filters alone.
func (l *lowering) backwardDataProduct(k kernels.ConvBackwardData) (*Program, error) {
	rows, inner, ok := productExtents(k.ConvGeometry)
	if !ok || k.Epilogue.Bias && inner != k.C {
		return nil, nil
	}
	p := kernels.NewGEMM(k.Type, 1, rows, inner, k.K, false, false)
	p.TF32, p.Epilogue = k.TF32, k.Epilogue
	return l.gemm(p)
}

// backwardFilterProduct lowers dw = dyᵀ·x.
func (l *lowering) backwardFilterProduct(k kernels.ConvBackwardFilter) (*Program, error) {
	rows, inner, ok := productExtents(k.ConvGeometry)
	if !ok {
		return nil, nil
	}
	p := kernels.NewGEMM(k.Type, 1, k.K, inner, rows, true, false)
	p.TF32, p.OutType = k.TF32, k.OutType
	prog, err := l.gemm(p)
	if err != nil {
		return nil, err
	}
	for _, launch := range prog.Launches {
		for i := range launch.Args { // the product's A is dy, operand 1, its B is x, operand 0
			if s := &launch.Args[i]; s.kind == operandSlot && s.index < 2 {
				s.index = 1 - s.index
			}
		}
	}
	return prog, nil
}
