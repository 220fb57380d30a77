package profile

import "palladio/kernels"

// Workloads lists what there is; families without one are profiled by a case of the conformance table (see Case).
func Workloads() []Workload {
	convParams := []Param{
		number("batch", 8, "images"), number("size", 56, "height and width"), number("channels", 64, "of the image"), number("filters", 64, "channels of the result"),
		number("window", 3, "height and width of a filter"), number("stride", 1, "step of the window"), number("groups", 1, "of channels"),
		choice("dtype", "type of image and filters", "f32", "tf32", "bf16", "f16", "f64"),
	}
	normParams := []Param{
		number("batch", 32, "samples"), number("spatial", 196, "positions"), number("channels", 256, "channels"), number("groups", 32, "of group"),
		choice("kind", "statistics", "layer", "rms", "batch", "group", "instance"), choice("dtype", "type of data", floats...),
	}
	poolParams := []Param{
		number("batch", 32, "images"), number("size", 112, "height and width"), number("channels", 64, "channels"), number("window", 2, "height and width of a window"),
		number("stride", 2, "step of the window"), choice("kind", "of pooling", "max", "avg"), choice("dtype", "type of data", floats...),
	}
	rowParams := []Param{number("rows", 4096, "rows"), number("length", 1024, "elements of a row"), choice("dtype", "type of data", floats...)}
	lossParams := []Param{number("rows", 4096, "samples"), number("classes", 1000, "classes"), choice("dtype", "type of the scores", floats...)}
	return []Workload{
		{"gemm", "matrix product C = A·B", []Param{
			number("m", 1024, "rows of C"), number("n", 1024, "columns of C"), number("k", 1024, "length of the sums"), number("batch", 1, "products"),
			choice("dtype", "type of the factors", "f32", "tf32", "bf16", "f16", "f64"), choice("layout", "n for a stored matrix, t for its transpose, of A and B", "nn", "nt", "tn", "tt"),
		}, gemm},
		{"conv", "convolution of images with channels last", convParams, conv},
		{"conv_backward_data", "its gradient with respect to the image", convParams, convBackwardData},
		{"conv_backward_filter", "its gradient with respect to the filters", convParams, convBackwardFilter},
		{"stream", "one loop of STREAM over vectors", []Param{
			number("n", 1<<24, "elements"), choice("op", "loop", "copy", "scale", "add", "triad"), choice("dtype", "type", "f32", "f64"),
		}, stream},
		{"softmax", "softmax over rows", rowParams, softmax},
		{"softmax_backward", "its gradient", rowParams, backward(softmax)},
		{"cross_entropy", "cross-entropy of class numbers", lossParams, crossEntropy},
		{"cross_entropy_backward", "its gradient", lossParams, backward(crossEntropy)},
		{"norm", "normalisation with scale and bias", normParams, norm},
		{"norm_backward", "its gradient", normParams, backward(norm)},
		{"pool", "pooling of images with channels last", poolParams, pool},
		{"pool_backward", "its gradient", poolParams, backward(pool)},
		{"reduce", "reduction of a matrix's rows or columns", []Param{
			number("rows", 4096, "rows"), number("columns", 1024, "columns"), choice("axis", "which goes away", "columns", "rows", "all"),
			choice("op", "reduction", "sum", "mean", "max", "l2", "logsumexp"), choice("dtype", "type", "f32", "f64"),
		}, reduce},
		{"move", "transposition of the last two axes", []Param{
			number("batch", 1, "matrices"), number("rows", 4096, "rows"), number("columns", 4096, "columns"), choice("dtype", "type", floats...),
		}, transpose},
		{"adam", "a step of Adam", []Param{number("n", 1<<24, "weights"), choice("dtype", "type", "f32", "f64")}, adam},
		{"dropout", "dropout of a vector", []Param{number("n", 1<<24, "elements"), choice("dtype", "type", "f32", "f64")}, dropout},
		{"elementwise", "out = op(x), or op(x, y), over vectors", []Param{
			number("n", 1<<22, "elements"), choice("op", "operation", "gelu", "relu", "exp", "tanh", "add", "mul", "sigmoid", "silu"), choice("dtype", "type", floats...),
		}, elementwise},
	}
}

// floats are the floating-point types; the default comes first.
var floats = []string{"f32", "bf16", "f16", "f64"}

func gemm(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	l := v.text["layout"]
	g := kernels.NewGEMM(t, v.int("batch"), v.int("m"), v.int("n"), v.int("k"), l[0] == 't', l[1] == 't')
	g.TF32 = tf32
	return g, nil
}

func conv(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	g, err := v.convGeometry()
	return kernels.Conv{Type: t, ConvGeometry: g, TF32: tf32}, err
}

func convBackwardData(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	g, err := v.convGeometry()
	return kernels.ConvBackwardData{Type: t, ConvGeometry: g, TF32: tf32}, err
}

func convBackwardFilter(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	g, err := v.convGeometry()
	return kernels.ConvBackwardFilter{Type: t, ConvGeometry: g, TF32: tf32}, err
}

func (v *values) convGeometry() (kernels.ConvGeometry, error) {
	size, groups, window := v.int("size"), max(1, v.int("groups")), v.int("window")
	channels, filters, stride := v.int("channels"), v.int("filters"), v.int("stride")
	pad := window / 2
	return kernels.NewConvGeometry([]int{v.int("batch"), size, size, channels}, []int{filters, window, window, channels / groups},
		kernels.ConvOptions{Stride: []int{stride, stride}, PadLo: []int{pad, pad}, Groups: groups})
}

func stream(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	ops := map[string]kernels.StreamOp{"copy": kernels.StreamCopy, "scale": kernels.StreamScale, "add": kernels.StreamAdd, "triad": kernels.StreamTriad}
	return kernels.Stream{Op: ops[v.text["op"]], Type: t, N: v.int("n"), Scalar: 3}, nil
}

// backward makes the gradient of what build makes.
func backward(build func(*values) (kernels.Kernel, error)) func(*values) (kernels.Kernel, error) {
	return func(v *values) (kernels.Kernel, error) {
		k, err := build(v)
		switch k := k.(type) {
		case kernels.Softmax:
			return kernels.SoftmaxBackward{Of: k}, err
		case kernels.CrossEntropy:
			return kernels.CrossEntropyBackward{Of: k}, err
		case kernels.Norm:
			return kernels.NormBackward{Of: k}, err
		case kernels.Pool:
			return kernels.PoolBackward{Of: k}, err
		}
		return nil, err
	}
}

func softmax(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.Softmax{Type: t, Outer: v.int("rows"), Len: v.int("length"), Inner: 1}, nil
}

func crossEntropy(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.CrossEntropy{Type: t, N: v.int("rows"), C: v.int("classes"), Labels: kernels.I32}, nil
}

func pool(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	kinds := map[string]kernels.PoolKind{"max": kernels.MaxPool, "avg": kernels.AvgPool}
	size, window, stride := v.int("size"), v.int("window"), v.int("stride")
	k, err := kernels.NewPool(kinds[v.text["kind"]], []int{v.int("batch"), size, size, v.int("channels")}, []int{window, window}, kernels.PoolOptions{Stride: []int{stride, stride}})
	k.Type = t
	return k, err
}

func transpose(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.Transpose(t, []int{v.int("batch"), v.int("rows"), v.int("columns")}, []int{0, 2, 1})
}

func adam(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.NewAdam(t, v.int("n")), nil
}

func dropout(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.Dropout{Type: t, Outer: 1, Middle: 1, Inner: v.int("n"), P: 0.1}, nil
}

func norm(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	kinds := map[string]kernels.NormKind{"layer": kernels.LayerNorm, "rms": kernels.RMSNorm, "batch": kernels.BatchTraining, "group": kernels.GroupNorm, "instance": kernels.InstanceNorm}
	k := kernels.NewNorm(kinds[v.text["kind"]], v.int("batch"), v.int("spatial"), v.int("channels"), v.int("groups"))
	k.Type = t
	return k, nil
}

func reduce(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	ops := map[string]kernels.ReduceOp{"sum": kernels.ReduceSum, "mean": kernels.ReduceMean, "max": kernels.ReduceMax, "l2": kernels.ReduceL2, "logsumexp": kernels.ReduceLogSumExp}
	axes := map[string][]int{"columns": {1}, "rows": {0}, "all": {0, 1}}
	return kernels.Reduce{Op: ops[v.text["op"]], Type: t, Shape: []int{v.int("rows"), v.int("columns")}, Axes: axes[v.text["axis"]]}, nil
}

func elementwise(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	compute := t
	if t != kernels.F64 {
		compute = kernels.F32
	}
	ops := map[string]kernels.EltOp{"gelu": kernels.GELU, "relu": kernels.ReLU, "exp": kernels.Exp, "tanh": kernels.Tanh, "add": kernels.Add, "mul": kernels.Mul,
		"sigmoid": kernels.Sigmoid, "silu": kernels.SiLU}
	op := ops[v.text["op"]]
	k := kernels.Elementwise{Type: compute, Shape: []int{v.int("n")}}
	for range op.Arity() {
		k.Inputs = append(k.Inputs, kernels.EltInput{Type: t, Strides: []int{1}})
	}
	k.Code = []kernels.Instr{{Op: op, A: 0, B: op.Arity() - 1}}
	k.Outputs = []kernels.EltOutput{{Type: t, Value: op.Arity()}}
	return k, nil
}
