package profile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"palladio/kernels"
)

// Workload is a family of kernels that can be profiled at any shape.
type Workload struct {
	Family string
	Doc    string
	Params []Param
	build  func(v *values) (kernels.Kernel, error)
}

// Param is an option of a workload: a number, or one of Choices.
type Param struct {
	Name, Default, Doc string
	Choices            []string
}

func number(name string, def int, doc string) Param {
	return Param{Name: name, Default: strconv.Itoa(def), Doc: doc}
}

func choice(name, doc string, choices ...string) Param {
	return Param{Name: name, Default: choices[0], Doc: doc, Choices: choices}
}

// Workloads lists what there is; families without one are profiled by a case of the conformance table (see Cases).
func Workloads() []Workload {
	return []Workload{
		{"gemm", "matrix product C = A·B", []Param{
			number("m", 1024, "rows of C"), number("n", 1024, "columns of C"), number("k", 1024, "length of the sums"), number("batch", 1, "products"),
			choice("dtype", "type of the factors", "f32", "tf32", "bf16", "f16", "f64"), choice("layout", "n for a stored matrix, t for its transpose, of A and B", "nn", "nt", "tn", "tt"),
		}, gemm},
		{"conv", "convolution of images with channels last", []Param{
			number("batch", 8, "images"), number("size", 56, "height and width"), number("channels", 64, "of the image"), number("filters", 64, "channels of the result"),
			number("window", 3, "height and width of a filter"), number("stride", 1, "step of the window"), number("groups", 1, "of channels"),
			choice("dtype", "type of image and filters", "f32", "tf32", "bf16", "f16", "f64"),
		}, conv},
		{"stream", "one loop of STREAM over vectors", []Param{
			number("n", 1<<24, "elements"), choice("op", "loop", "copy", "scale", "add", "triad"), choice("dtype", "type", "f32", "f64"),
		}, stream},
		{"softmax", "softmax over rows", []Param{number("rows", 4096, "rows"), number("length", 1024, "elements of a row"), choice("dtype", "type", "f32", "f64")}, softmax},
		{"norm", "normalisation with scale and bias", []Param{
			number("batch", 32, "samples"), number("spatial", 196, "positions"), number("channels", 256, "channels"), number("groups", 32, "of group"),
			choice("kind", "statistics", "layer", "rms", "batch", "group", "instance"),
		}, norm},
		{"reduce", "reduction of a matrix's rows or columns", []Param{
			number("rows", 4096, "rows"), number("columns", 1024, "columns"), choice("axis", "which goes away", "columns", "rows", "all"),
			choice("op", "reduction", "sum", "mean", "max", "l2", "logsumexp"), choice("dtype", "type", "f32", "f64"),
		}, reduce},
		{"elementwise", "out = op(x), or op(x, y), over vectors", []Param{
			number("n", 1<<22, "elements"), choice("op", "operation", "gelu", "relu", "exp", "tanh", "add", "mul", "sigmoid", "silu"), choice("dtype", "type", "f32", "bf16", "f16", "f64"),
		}, elementwise},
	}
}

// WorkloadOf is the workload of a family.
func WorkloadOf(family string) (Workload, bool) {
	all := Workloads()
	i := slices.IndexFunc(all, func(w Workload) bool { return w.Family == family })
	if i < 0 {
		return Workload{}, false
	}
	return all[i], true
}

// Kernel makes the kernel of the given options, the others at their defaults.
func (w Workload) Kernel(options map[string]string) (kernels.Kernel, error) {
	v := &values{family: w.Family, text: map[string]string{}}
	for _, p := range w.Params {
		v.text[p.Name] = p.Default
	}
	for name, text := range options {
		i := slices.IndexFunc(w.Params, func(p Param) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%s has no option %s: want %s", w.Family, name, strings.Join(w.names(), ", "))
		case w.Params[i].Choices != nil && !slices.Contains(w.Params[i].Choices, text):
			return nil, fmt.Errorf("%s: %s is %q: want %s", w.Family, name, text, strings.Join(w.Params[i].Choices, ", "))
		}
		v.text[name] = text
	}
	k, err := w.build(v)
	if v.err != nil {
		return nil, v.err
	}
	if err != nil {
		return nil, err
	}
	return k, k.Validate()
}

func (w Workload) names() []string {
	var n []string
	for _, p := range w.Params {
		n = append(n, p.Name)
	}
	return n
}

// Families lists the families that can be profiled.
func Families() []string {
	set := map[string]bool{}
	for _, c := range kernels.Cases() {
		set[c.Kernel.Family()] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Case finds a case of the conformance table: by its name, or, for a family's name, the family's costliest one.
func Case(name string) (kernels.Case, error) {
	var best kernels.Case
	found := false
	cost := func(c kernels.Case) int64 { n := c.Kernel.Cost(); return n.FLOPs + n.Bytes() }
	for _, c := range kernels.Cases() {
		if c.Name == name {
			return c, nil
		}
		if c.Kernel.Family() == name && (!found || cost(c) > cost(best)) {
			best, found = c, true
		}
	}
	if !found {
		return best, fmt.Errorf("no family or conformance case %q: want one of %s", name, strings.Join(Families(), ", "))
	}
	return best, nil
}

// values is the options of a workload; the first that is no number sticks.
type values struct {
	family string
	text   map[string]string
	err    error
}

// int is an option that is a number.
func (v *values) int(name string) int {
	n, err := strconv.Atoi(v.text[name])
	if (err != nil || n < 0 || n > 1<<40) && v.err == nil {
		v.err = fmt.Errorf("%s: %s is %q: want a whole number from 0", v.family, name, v.text[name])
	}
	return n
}

// dtype is the type of the option dtype, and whether it is tf32.
func (v *values) dtype() (t kernels.DType, tf32 bool) {
	switch v.text["dtype"] {
	case "f64":
		return kernels.F64, false
	case "bf16":
		return kernels.BF16, false
	case "f16":
		return kernels.F16, false
	case "tf32":
		return kernels.F32, true
	}
	return kernels.F32, false
}

func gemm(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	l := v.text["layout"]
	g := kernels.NewGEMM(t, v.int("batch"), v.int("m"), v.int("n"), v.int("k"), l[0] == 't', l[1] == 't')
	g.TF32 = tf32
	return g, nil
}

func conv(v *values) (kernels.Kernel, error) {
	t, tf32 := v.dtype()
	size, groups, window := v.int("size"), max(1, v.int("groups")), v.int("window")
	channels, filters, stride := v.int("channels"), v.int("filters"), v.int("stride")
	pad := window / 2
	k, err := kernels.NewConv(t, []int{v.int("batch"), size, size, channels}, []int{filters, window, window, channels / groups},
		kernels.ConvOptions{Stride: []int{stride, stride}, PadLo: []int{pad, pad}, Groups: groups}, kernels.Epilogue{})
	k.TF32 = tf32
	return k, err
}

func stream(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	ops := map[string]kernels.StreamOp{"copy": kernels.StreamCopy, "scale": kernels.StreamScale, "add": kernels.StreamAdd, "triad": kernels.StreamTriad}
	return kernels.Stream{Op: ops[v.text["op"]], Type: t, N: v.int("n"), Scalar: 3}, nil
}

func softmax(v *values) (kernels.Kernel, error) {
	t, _ := v.dtype()
	return kernels.Softmax{Type: t, Outer: v.int("rows"), Len: v.int("length"), Inner: 1}, nil
}

func norm(v *values) (kernels.Kernel, error) {
	kinds := map[string]kernels.NormKind{"layer": kernels.LayerNorm, "rms": kernels.RMSNorm, "batch": kernels.BatchTraining, "group": kernels.GroupNorm, "instance": kernels.InstanceNorm}
	return kernels.NewNorm(kinds[v.text["kind"]], v.int("batch"), v.int("spatial"), v.int("channels"), v.int("groups")), nil
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
