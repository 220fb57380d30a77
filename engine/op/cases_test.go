package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

type nodes = gorgonia.Nodes
type node = *gorgonia.Node

// second picks the second of two results.
func secondOf(_ node, n node, err error) (node, error) { return n, err }
func firstOf(n node, _ node, err error) (node, error)  { return n, err }

func cases() []opCase {
	var cs []opCase
	for _, family := range []func() []opCase{unaryCases, binaryCases, otherElementwiseCases, reduceCases, matmulCases, convCases,
		poolCases, normCases, softmaxCases, lossCases, moveCases, indexCases, randomCases} {
		cs = append(cs, family()...)
	}
	return cs
}

func unaryCases() []opCase {
	x, positive := normal(2, 5), uniform(0.3, 2, 2, 5)
	steps := exactly([]float64{-2.5, -1.2, 0, 0.5, 1.5, 2.5}, 6)
	return []opCase{
		{ops: "Neg", f: f1(Neg), in: []input{x}}, {ops: "Abs", f: f1(Abs), in: []input{x}},
		{ops: "Sign", f: f1(Sign), in: []input{steps}, flat: true, want: []float64{-1, -1, 0, 1, 1, 1}},
		{ops: "Square", f: f1(Square), in: []input{x}}, {ops: "Cube", f: f1(Cube), in: []input{x}},
		{ops: "Sqrt", f: f1(Sqrt), in: []input{positive}}, {ops: "Rsqrt", f: f1(Rsqrt), in: []input{positive}},
		{ops: "Reciprocal", f: f1(Reciprocal), in: []input{positive}},
		{ops: "Floor", f: f1(Floor), in: []input{steps}, flat: true, want: []float64{-3, -2, 0, 0, 1, 2}},
		{ops: "Ceil", f: f1(Ceil), in: []input{steps}, flat: true, want: []float64{-2, -1, 0, 1, 2, 3}},
		{ops: "Round", f: f1(Round), in: []input{steps}, flat: true, want: []float64{-2, -1, 0, 0, 2, 2}},
		{ops: "Not", f: f1(Not), in: []input{steps}, flat: true, want: []float64{0, 0, 1, 0, 0, 0}},
		{ops: "Exp", f: f1(Exp), in: []input{x}}, {ops: "Exp2", f: f1(Exp2), in: []input{x}}, {ops: "Expm1", f: f1(Expm1), in: []input{x}},
		{ops: "Log", f: f1(Log), in: []input{positive}}, {ops: "Log2", f: f1(Log2), in: []input{positive}}, {ops: "Log1p", f: f1(Log1p), in: []input{positive}},
		{ops: "Sin", f: f1(Sin), in: []input{x}}, {ops: "Cos", f: f1(Cos), in: []input{x}}, {ops: "Tan", f: f1(Tan), in: []input{uniform(-1, 1, 6)}},
		{ops: "Tanh", f: f1(Tanh), in: []input{x}}, {ops: "Erf", f: f1(Erf), in: []input{x}}, {ops: "Sigmoid", f: f1(Sigmoid), in: []input{x}},
		{ops: "Softplus", f: f1(Softplus), in: []input{x}}, {ops: "ReLU", f: f1(ReLU), in: []input{x}}, {ops: "GELU", f: f1(GELU), in: []input{x}},
		{ops: "GELUTanh", f: f1(GELUTanh), in: []input{x}}, {ops: "SiLU", f: f1(SiLU), in: []input{x}},
		{ops: "HardSwish", f: f1(HardSwish), in: []input{uniform(-5, 5, 12)}},
		{ops: "ReLU6", f: f1(ReLU6), in: []input{uniform(-3, 9, 12)}}, {ops: "HardSigmoid", f: f1(HardSigmoid), in: []input{uniform(-5, 5, 12)}},
		{ops: "LeakyReLU", f: func(x nodes) (node, error) { return LeakyReLU(x[0], 0.1) }, in: []input{x}},
		{ops: "ELU", f: func(x nodes) (node, error) { return ELU(x[0], 1.3) }, in: []input{x}},
		{ops: "Scale", f: func(x nodes) (node, error) { return Scale(x[0], -2.5) }, in: []input{x}},
		{ops: "Shift", f: func(x nodes) (node, error) { return Shift(x[0], 3) }, in: []input{x}},
		{ops: "PowConst", f: func(x nodes) (node, error) { return PowConst(x[0], 2.5) }, in: []input{positive}},
		{ops: "ClampConst", f: func(x nodes) (node, error) { return ClampConst(x[0], -0.5, 0.7) }, in: []input{x}},
		{ops: "Exp Sin", f: func(x nodes) (node, error) { // a composition, used twice
			y, err := Sin(x[0])
			if err != nil {
				return nil, err
			}
			z, err := Exp(y)
			if err != nil {
				return nil, err
			}
			return Mul(y, z)
		}, in: []input{x}},
	}
}

func binaryCases() []opCase {
	a, b := normal(2, 3), normal(2, 3)
	row, column := normal(3), normal(4, 1)
	positive := uniform(0.4, 2, 2, 3)
	whole := exactly([]float64{-1, 0, 1, 2}, 4)
	other := exactly([]float64{0, 0, 2, 1}, 4)
	compare := func(name string, f func(a, b *gorgonia.Node) (*gorgonia.Node, error), want ...float64) opCase {
		return opCase{ops: name, f: f2(f), in: []input{whole, other}, flat: true, want: want}
	}
	cs := []opCase{
		{ops: "Add", f: f2(Add), in: []input{a, b}}, {ops: "Add", f: f2(Add), in: []input{row, column}}, {ops: "Add", f: f2(Add), in: []input{a, normal()}},
		{ops: "Sub", f: f2(Sub), in: []input{a, b}}, {ops: "Sub", f: f2(Sub), in: []input{a, row}},
		{ops: "Mul", f: f2(Mul), in: []input{a, b}}, {ops: "Mul", f: f2(Mul), in: []input{column, row}},
		{ops: "Div", f: f2(Div), in: []input{a, positive}}, {ops: "Div", f: f2(Div), in: []input{normal(2, 1, 3), uniform(0.5, 1, 4, 1)}},
		{ops: "Pow", f: f2(Pow), in: []input{positive, b}},
		{ops: "Maximum", f: f2(Maximum), in: []input{a, b}}, {ops: "Minimum", f: f2(Minimum), in: []input{a, row}},
		{ops: "Mod", f: f2(Mod), in: []input{uniform(0.1, 0.9, 2, 3), uniform(1, 2, 2, 3)}},
		compare("Lt", Lt, 1, 0, 1, 0), compare("Le", Le, 1, 1, 1, 0), compare("Gt", Gt, 0, 0, 0, 1), compare("Ge", Ge, 0, 1, 0, 1),
		compare("Eq", Eq, 0, 1, 0, 0), compare("Ne", Ne, 1, 0, 1, 1), compare("And", And, 0, 0, 1, 1), compare("Or", Or, 1, 0, 1, 1),
	}
	return append(cs, opCase{ops: "Mul", f: func(x nodes) (node, error) { return Mul(x[0], x[0]) }, in: []input{a}})
}

func otherElementwiseCases() []opCase {
	x := normal(2, 3)
	return []opCase{
		{ops: "FMA", f: f3(FMA), in: []input{x, normal(3), normal(2, 1)}},
		{ops: "Where", f: f3(Where), in: []input{constant(exactly([]float64{0, 1, 1}, 2, 3)), x, normal(3)}},
		{ops: "Clamp", f: f3(Clamp), in: []input{normal(4, 3), uniform(-0.6, -0.4, 3), uniform(0.4, 0.6, 3)}},
		{ops: "Chain", f: func(x nodes) (node, error) {
			return Chain("scaled tanh", []kernels.Instr{{Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Tanh, A: 2}, {Op: kernels.Mul, A: 3, B: 0}}, x...)
		}, in: []input{x, normal(3)}},
		{ops: "Cast", f: func(x nodes) (node, error) {
			y, err := Cast(x[0], tensor.Int64)
			if err != nil {
				return nil, err
			}
			return Cast(y, tensor.Float64)
		}, in: []input{exactly([]float64{-1.7, 0.2, 2.9}, 3)}, flat: true, want: []float64{-1, 0, 2}},
	}
}

func reduceCases() []opCase {
	x := normal(2, 3, 4)
	over := func(f func(*gorgonia.Node, bool, ...int) (*gorgonia.Node, error), keep bool, axes ...int) build {
		return func(x nodes) (node, error) { return f(x[0], keep, axes...) }
	}
	return []opCase{
		{ops: "Sum", f: over(Sum, false), in: []input{x}}, {ops: "Sum", f: over(Sum, true, 0, -1), in: []input{x}}, {ops: "Sum", f: over(Sum, false, 1), in: []input{x}},
		{ops: "Mean", f: over(Mean, false, 2), in: []input{x}}, {ops: "Mean", f: over(Mean, true), in: []input{x}},
		{ops: "Max", f: over(Max, false, 1), in: []input{x}}, {ops: "Min", f: over(Min, true, 0, 2), in: []input{x}},
		{ops: "Prod", f: over(Prod, false, 2), in: []input{x}},
		{ops: "Prod", f: over(Prod, false, 1), in: []input{exactly([]float64{0, 2, 3, 0, 0, 4, 5, 6, 7}, 3, 3)}, firstOnly: true},
		{ops: "NormL1", f: over(NormL1, false, 1), in: []input{x}}, {ops: "NormL2", f: over(NormL2, false, 1, 2), in: []input{x}},
		{ops: "SumSquares", f: over(SumSquares, false, 1), in: []input{x}}, {ops: "LogSumExp", f: over(LogSumExp, false, -1), in: []input{x}},
		{ops: "ArgMax", f: func(x nodes) (node, error) { return ArgMax(x[0], 1) }, in: []input{exactly([]float64{1, 5, 5, 9, 2, 3}, 2, 3)}, flat: true, want: []float64{1, 0}},
		{ops: "ArgMin", f: func(x nodes) (node, error) { return ArgMin(x[0], 0) }, in: []input{exactly([]float64{1, 5, 5, 9, 2, 3}, 2, 3)}, flat: true, want: []float64{0, 1, 1}},
	}
}

func matmulCases() []opCase {
	mm := func(ta, tb bool) build {
		return func(x nodes) (node, error) { return MatMul(x[0], x[1], ta, tb) }
	}
	return []opCase{
		{ops: "MatMul", f: mm(false, false), in: []input{normal(2, 3), normal(3, 4)}}, {ops: "MatMul", f: mm(true, false), in: []input{normal(3, 2), normal(3, 4)}},
		{ops: "MatMul", f: mm(false, true), in: []input{normal(2, 3), normal(4, 3)}}, {ops: "MatMul", f: mm(true, true), in: []input{normal(3, 2), normal(4, 3)}},
		{ops: "MatMul", f: mm(false, true), in: []input{normal(2, 2, 3), normal(2, 4, 3)}}, {ops: "MatMul", f: mm(true, false), in: []input{normal(2, 3, 2), normal(3, 4)}},
		{ops: "MatMul", f: mm(false, false), in: []input{normal(2, 2, 2, 3), normal(3, 4)}}, {ops: "MatMul", f: mm(false, false), in: []input{normal(2, 3), normal(2, 3, 4)}},
		{ops: "MatMul", f: mm(true, true), in: []input{normal(2, 1, 3, 2), normal(3, 2, 3)}},
		{ops: "Linear", f: f3(Linear), in: []input{normal(2, 3), normal(4, 3), normal(4)}}, {ops: "Linear", f: f3(Linear), in: []input{normal(2, 2, 3), normal(4, 3), normal(4)}},
		{ops: "Linear", f: func(x nodes) (node, error) { return Linear(x[0], x[1], nil) }, in: []input{normal(3), normal(4, 3)}},
	}
}

func convCases() []opCase {
	conv := func(f func(x, w, bias *gorgonia.Node, o ConvOptions) (*gorgonia.Node, error), o ConvOptions) build {
		return func(x nodes) (node, error) {
			if len(x) == 2 {
				return f(x[0], x[1], nil, o)
			}
			return f(x[0], x[1], x[2], o)
		}
	}
	transposed := func(f func(x, w, bias *gorgonia.Node, o ConvOptions, p []int) (*gorgonia.Node, error), o ConvOptions, p []int) build {
		return func(x nodes) (node, error) {
			if len(x) == 2 {
				return f(x[0], x[1], nil, o, p)
			}
			return f(x[0], x[1], x[2], o, p)
		}
	}
	return []opCase{
		{ops: "Conv1D", f: conv(Conv1D, ConvOptions{Stride: []int{2}, PadLo: []int{1}}), in: []input{normal(2, 5, 2), normal(3, 3, 2), normal(3)}},
		{ops: "Conv2D", f: conv(Conv2D, ConvOptions{Same: true}), in: []input{normal(1, 4, 3, 2), normal(2, 3, 3, 2), normal(2)}},
		{ops: "Conv2D", f: conv(Conv2D, ConvOptions{Dilation: []int{2, 1}, PadLo: []int{2, 0}, PadHi: []int{1, 1}}), in: []input{normal(1, 4, 3, 2), normal(2, 3, 2, 2)}},
		{ops: "Conv2D", f: conv(Conv2D, ConvOptions{Groups: 2, Stride: []int{2, 1}}), in: []input{normal(1, 4, 3, 4), normal(2, 2, 2, 2), normal(2)}},
		{ops: "Conv2D", f: conv(Conv2D, ConvOptions{Groups: 3, Same: true}), in: []input{normal(1, 3, 3, 3), normal(6, 3, 3, 1), normal(6)}},
		{ops: "Conv3D", f: conv(Conv3D, ConvOptions{PadLo: []int{1, 0, 0}}), in: []input{normal(1, 2, 3, 2, 2), normal(2, 2, 2, 1, 2), normal(2)}},
		{ops: "ConvTranspose1D", f: transposed(ConvTranspose1D, ConvOptions{Stride: []int{2}}, []int{1}), in: []input{normal(1, 3, 2), normal(2, 3, 3), normal(3)}},
		{ops: "ConvTranspose2D", f: transposed(ConvTranspose2D, ConvOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}}, nil), in: []input{normal(1, 2, 2, 2), normal(2, 3, 3, 2), normal(2)}},
		{ops: "ConvTranspose3D", f: transposed(ConvTranspose3D, ConvOptions{}, nil), in: []input{normal(1, 1, 2, 2, 2), normal(2, 2, 1, 2, 1)}},
	}
}

func poolCases() []opCase {
	pool := func(f func(x *gorgonia.Node, window []int, o PoolOptions) (*gorgonia.Node, error), window []int, o PoolOptions) build {
		return func(x nodes) (node, error) { return f(x[0], window, o) }
	}
	adapt := func(f func(x *gorgonia.Node, to []int) (*gorgonia.Node, error), to ...int) build {
		return func(x nodes) (node, error) { return f(x[0], to) }
	}
	resize := func(m ResizeMode, g ResizeGrid, to ...int) build {
		return func(x nodes) (node, error) { return Resize(x[0], m, g, to) }
	}
	x := normal(2, 4, 5, 2)
	return []opCase{
		{ops: "MaxPool", f: pool(MaxPool, []int{2, 2}, PoolOptions{}), in: []input{x}},
		{ops: "MaxPool", f: pool(MaxPool, []int{3, 3}, PoolOptions{Stride: []int{2, 1}, PadLo: []int{1, 1}}), in: []input{x}},
		{ops: "MaxPool Square", f: func(x nodes) (node, error) { // so that the second gradient is not zero
			y, err := MaxPool(x[0], []int{2, 2}, PoolOptions{})
			if err != nil {
				return nil, err
			}
			return Square(y)
		}, in: []input{x}},
		{ops: "AvgPool", f: pool(AvgPool, []int{2, 3}, PoolOptions{Stride: []int{1, 2}, PadLo: []int{1, 1}, CountPad: true}), in: []input{x}},
		{ops: "AvgPool", f: pool(AvgPool, []int{3, 3}, PoolOptions{Stride: []int{1, 1}, PadLo: []int{1, 1}}), in: []input{x}},
		{ops: "AdaptiveMaxPool", f: adapt(AdaptiveMaxPool, 3, 2), in: []input{x}}, {ops: "AdaptiveAvgPool", f: adapt(AdaptiveAvgPool, 3, 2), in: []input{x}},
		{ops: "GlobalMaxPool", f: f1(GlobalMaxPool), in: []input{x}}, {ops: "GlobalAvgPool", f: f1(GlobalAvgPool), in: []input{x}},
		{ops: "Resize", f: resize(kernels.Linear, kernels.HalfPixel, 7, 3), in: []input{x}}, {ops: "Resize", f: resize(kernels.Nearest, kernels.Asymmetric, 8, 10), in: []input{x}},
		{ops: "Resize", f: resize(kernels.Linear, kernels.AlignCorners, 5), in: []input{normal(1, 3, 2)}},
	}
}

func normCases() []opCase {
	x, scale, bias := normal(3, 2, 2, 4), uniform(0.5, 1.5, 4), normal(4)
	running := []input{constant(normal(4)), constant(uniform(0.5, 2, 4))}
	batch := func(o NormOptions, has ...bool) build {
		return func(x nodes) (node, error) {
			var in [4]*gorgonia.Node
			next := 1
			for i, h := range has {
				if h {
					in[i] = x[next]
					next++
				}
			}
			return BatchNorm(x[0], in[0], in[1], in[2], in[3], o)
		}
	}
	affine := func(f func(x, scale, bias *gorgonia.Node, o NormOptions) (*gorgonia.Node, error), o NormOptions) build {
		return func(x nodes) (node, error) { return f(x[0], x[1], x[2], o) }
	}
	return []opCase{
		{ops: "BatchNorm", f: batch(NormOptions{}, true, true, true, true), in: append([]input{x, scale, bias}, running...)},
		{ops: "BatchNorm", f: batch(NormOptions{}, true, true, true, true), in: append([]input{x, scale, bias}, running...), inference: true, firstOnly: true},
		{ops: "BatchNorm", f: batch(NormOptions{ReLU: true}, true, true, true, true), in: append([]input{x, scale, bias}, running...)},
		{ops: "BatchNorm", f: batch(NormOptions{ReLU: true}, true, true, true, true), in: append([]input{x, scale, bias}, running...), inference: true, firstOnly: true},
		{ops: "BatchNorm", f: batch(NormOptions{}), in: []input{x}}, {ops: "BatchNorm", f: batch(NormOptions{}, true), in: []input{normal(5, 4), scale}},
		{ops: "LayerNorm", f: affine(LayerNorm, NormOptions{}), in: []input{x, scale, bias}},
		{ops: "LayerNorm", f: func(x nodes) (node, error) { return LayerNorm(x[0], nil, nil, NormOptions{}) }, in: []input{normal(2, 6)}},
		{ops: "RMSNorm", f: func(x nodes) (node, error) { return RMSNorm(x[0], x[1], NormOptions{}) }, in: []input{x, scale}},
		{ops: "GroupNorm", f: func(x nodes) (node, error) { return GroupNorm(x[0], x[1], x[2], 2, NormOptions{}) }, in: []input{x, scale, bias}},
		{ops: "InstanceNorm", f: affine(InstanceNorm, NormOptions{ReLU: true}), in: []input{x, scale, bias}},
	}
}

func softmaxCases() []opCase {
	x := normal(2, 4, 3)
	along := func(f func(*gorgonia.Node, int) (*gorgonia.Node, error), axis int) build {
		return func(x nodes) (node, error) { return f(x[0], axis) }
	}
	return []opCase{
		{ops: "Softmax", f: along(Softmax, -1), in: []input{x}}, {ops: "Softmax", f: along(Softmax, 1), in: []input{x}},
		{ops: "LogSoftmax", f: along(LogSoftmax, -1), in: []input{x}}, {ops: "LogSoftmax", f: along(LogSoftmax, 0), in: []input{x}},
	}
}

func lossCases() []opCase {
	x, y := normal(3, 4), normal(3, 4)
	with := func(f func(x, y *gorgonia.Node, r Reduction) (*gorgonia.Node, error), r Reduction) build {
		return func(x nodes) (node, error) { return f(x[0], x[1], r) }
	}
	entropy := func(o CrossEntropyOptions) build {
		return func(x nodes) (node, error) { return SoftmaxCrossEntropy(x[0], x[1], o) }
	}
	probabilities := constant(exactly([]float64{0.1, 0.2, 0.3, 0.4, 0.25, 0.25, 0.5, 0, 1, 0, 0, 0}, 3, 4))
	return []opCase{
		{ops: "SoftmaxCrossEntropy", f: entropy(CrossEntropyOptions{}), in: []input{x, labels(0, 3, 1)}},
		{ops: "SoftmaxCrossEntropy", f: entropy(CrossEntropyOptions{Smoothing: 0.1, Ignore: true, IgnoreIndex: -100}), in: []input{x, labels(2, -100, 1)}},
		{ops: "SoftmaxCrossEntropy", f: entropy(CrossEntropyOptions{PerSample: true}), in: []input{x, labels(0, 3, 1)}},
		{ops: "SoftmaxCrossEntropy", f: entropy(CrossEntropyOptions{Smoothing: 0.2}), in: []input{x, probabilities}},
		{ops: "MSE", f: with(MSE, MeanAll), in: []input{x, y}}, {ops: "MSE", f: with(MSE, BatchMean), in: []input{x, y}}, {ops: "L1", f: with(L1, SumAll), in: []input{x, y}},
		{ops: "Huber", f: func(x nodes) (node, error) { return Huber(x[0], x[1], 0.7, PerElement) }, in: []input{x, y}},
		{ops: "KL", f: with(KL, BatchMean), in: []input{x, probabilities}}, {ops: "KL", f: with(KL, SumAll), in: []input{x, uniform(0.1, 0.9, 3, 4)}},
		{ops: "BCEWithLogits", f: with(BCEWithLogits, MeanAll), in: []input{x, uniform(0, 1, 3, 4)}},
	}
}

func moveCases() []opCase {
	x := normal(2, 3, 4)
	return []opCase{
		{ops: "Reshape", f: func(x nodes) (node, error) { return Reshape(x[0], 4, -1) }, in: []input{x}}, {ops: "Flatten", f: func(x nodes) (node, error) { return Flatten(x[0], 1) }, in: []input{x}},
		{ops: "Constant", f: func(x nodes) (node, error) { return Constant(x[0].Graph(), tensor.Float64, []float64{3, 1, 2}, 3) }, in: []input{x}, flat: true, want: []float64{3, 1, 2}},
		{ops: "BroadcastTo", f: func(x nodes) (node, error) { return BroadcastTo(x[0], 2, 3, 4) }, in: []input{normal(3, 1)}},
		{ops: "Transpose", f: func(x nodes) (node, error) { return Transpose(x[0], 2, 0, 1) }, in: []input{x}}, {ops: "Transpose", f: func(x nodes) (node, error) { return Transpose(x[0]) }, in: []input{x}},
		{ops: "ToNHWC", f: f1(ToNHWC), in: []input{normal(1, 2, 2, 3)}}, {ops: "ToNCHW", f: f1(ToNCHW), in: []input{normal(1, 2, 2, 3)}},
		{ops: "ToNHWC", f: f1(ToNHWC), in: []input{exactly([]float64{1, 2, 3, 4, 5, 6}, 1, 2, 3)}, want: []float64{1, 4, 2, 5, 3, 6}},
		{ops: "Slice", f: func(x nodes) (node, error) {
			return Slice(x[0], Range{Start: 1, Count: 1, Step: 1}, Range{Start: 2, Count: 2, Step: -2}, Range{Start: 0, Count: 2, Step: 2})
		}, in: []input{x}},
		{ops: "SliceAxis", f: func(x nodes) (node, error) { return SliceAxis(x[0], -1, 1, 3) }, in: []input{x}},
		{ops: "Split", f: func(x nodes) (node, error) {
			p, err := Split(x[0], 2, 1, 3)
			if err != nil {
				return nil, err
			}
			return Mul(p[0], p[1])
		}, in: []input{x}},
		{ops: "Flip", f: func(x nodes) (node, error) { return Flip(x[0], 0, 2) }, in: []input{x}},
		{ops: "Repeat", f: func(x nodes) (node, error) { return Repeat(x[0], 0, 3) }, in: []input{exactly([]float64{1, 2}, 2)}, want: []float64{1, 1, 1, 2, 2, 2}},
		{ops: "Repeat", f: func(x nodes) (node, error) { return Repeat(x[0], 1, 3) }, in: []input{x}},
		{ops: "Tile", f: func(x nodes) (node, error) { return Tile(x[0], -1, 2) }, in: []input{x}},
		{ops: "Pad", f: func(x nodes) (node, error) { return Pad(x[0], []int{1, 0, 2}, []int{0, 1, 1}, 3) }, in: []input{x}},
		{ops: "PadWith", f: func(x nodes) (node, error) { return PadWith(x[0], kernels.PadReflect, []int{2, 1}, []int{0, 1}) }, in: []input{normal(3, 4)}},
		{ops: "PadWith", f: func(x nodes) (node, error) { return PadWith(x[0], kernels.PadEdge, []int{2, 1}, []int{0, 1}) }, in: []input{normal(3, 4)}},
		{ops: "Concat", f: func(x nodes) (node, error) { return Concat(1, x...) }, in: []input{x, normal(2, 1, 4), normal(2, 2, 4)}},
		{ops: "Stack", f: func(x nodes) (node, error) { return Stack(1, x...) }, in: []input{normal(2, 3), normal(2, 3)}},
	}
}

func indexCases() []opCase {
	x := normal(2, 4, 3)
	lines := input{shape: []int{2, 2}, labels: []int64{3, 0, 1, 1}, fixed: true}
	firstSorted := func(descending bool) build {
		return func(x nodes) (node, error) { return firstOf(Sort(x[0], 1, descending)) }
	}
	top := func(k, axis int, smallest bool) build {
		return func(x nodes) (node, error) { return firstOf(TopK(x[0], axis, k, smallest)) }
	}
	return []opCase{
		{ops: "Gather", f: func(x nodes) (node, error) { return Gather(x[0], x[1], 1) }, in: []input{x, labels(3, 0, 3, -1)}},
		{ops: "Gather", f: func(x nodes) (node, error) { return Gather(x[0], x[1], -1) }, in: []input{normal(2, 4), lines}},
		{ops: "Embedding", f: f2(Embedding), in: []input{normal(5, 3), input{shape: []int{2, 2}, labels: []int64{4, 0, 4, 1}, fixed: true}}},
		{ops: "ScatterAdd", f: func(x nodes) (node, error) { return ScatterAdd(x[0], x[1], 1, 5) }, in: []input{x, labels(3, 0, 3, -1)}},
		{ops: "TakeAlong", f: func(x nodes) (node, error) { return TakeAlong(x[0], x[1], 1) }, in: []input{normal(2, 4), lines}},
		{ops: "TakeAlong", f: func(x nodes) (node, error) { return TakeAlong(x[0], x[1], 0) }, in: []input{normal(4, 2), lines}},
		{ops: "OneHot", f: func(x nodes) (node, error) { return OneHot(x[0], 3, tensor.Float64, 2, -1) }, in: []input{labels(1, -1, 2)}, flat: true,
			want: []float64{-1, 2, -1, -1, -1, -1, -1, -1, 2}},
		{ops: "Sort", f: firstSorted(false), in: []input{x}}, {ops: "Sort", f: firstSorted(true), in: []input{normal(2, 5)}},
		{ops: "Sort", f: func(x nodes) (node, error) { return secondOf(Sort(x[0], 0, false)) }, in: []input{exactly([]float64{3, 1, 2}, 3)}, flat: true, want: []float64{1, 2, 0}},
		{ops: "TopK", f: top(2, 1, false), in: []input{x}}, {ops: "TopK", f: top(3, -1, true), in: []input{normal(2, 5)}},
		{ops: "TopK", f: func(x nodes) (node, error) { return secondOf(TopK(x[0], 0, 2, false)) }, in: []input{exactly([]float64{3, 1, 2}, 3)}, flat: true, want: []float64{0, 2}},
	}
}

func randomCases() []opCase {
	x := normal(3, 2, 2, 2)
	drop := func(f func(*gorgonia.Node, float64, uint32) (*gorgonia.Node, error)) build {
		return func(x nodes) (node, error) { return f(x[0], 0.5, 7) }
	}
	draw := func(f func(g *gorgonia.ExprGraph) (*gorgonia.Node, error)) build {
		return func(x nodes) (node, error) { return f(x[0].Graph()) }
	}
	bernoulli := func(p float64) build {
		return draw(func(g *gorgonia.ExprGraph) (*gorgonia.Node, error) {
			return RandomBernoulli(g, tensor.Float64, 1, p, 3)
		})
	}
	return []opCase{
		{ops: "Dropout", f: drop(Dropout), in: []input{x}}, {ops: "Dropout", f: drop(Dropout), in: []input{x}, inference: true},
		{ops: "SpatialDropout", f: drop(SpatialDropout), in: []input{x}}, {ops: "DropPath", f: drop(DropPath), in: []input{x}},
		{ops: "RandomUniform", f: draw(func(g *gorgonia.ExprGraph) (*gorgonia.Node, error) {
			return RandomUniform(g, tensor.Float64, 1, 4, 4, 2)
		}),
			in: []input{x}, flat: true, want: []float64{4, 4}},
		{ops: "RandomNormal", f: draw(func(g *gorgonia.ExprGraph) (*gorgonia.Node, error) {
			return RandomNormal(g, tensor.Float64, 1, 5, 0, 2)
		}),
			in: []input{x}, flat: true, want: []float64{5, 5}},
		{ops: "RandomBernoulli", f: bernoulli(1), in: []input{x}, flat: true, want: []float64{1, 1, 1}},
		{ops: "RandomBernoulli", f: bernoulli(0), in: []input{x}, flat: true, want: []float64{0, 0, 0}},
		{ops: "RandomInteger", f: draw(func(g *gorgonia.ExprGraph) (*gorgonia.Node, error) { return RandomInteger(g, tensor.Int64, 1, 3, 4, 2) }),
			in: []input{x}, flat: true, want: []float64{3, 3}},
	}
}
