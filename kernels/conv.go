package kernels

import (
	"fmt"
	"math"
	"slices"
)

// ConvGeometry is what a convolution and its two backward passes share: extents, filter taps and how the filter moves.
// All slices have one entry a spatial axis; one to three axes are supported.
//
// Channels are last: the image is x [Batch, In…, C], the filters are w [K, Taps…, C/Groups], the result is y [Batch, Out()…, K].
// A convolution here is a cross-correlation, as in every deep-learning framework:
//
//	y[n, p…, k] = Σ_{t…, c} x[n, p·Stride + t·Dilation - PadLo, g·C/Groups + c] · w[k, t…, c]   with g = k / (K/Groups)
//
// where x is 0 outside the image (so that an infinite filter gives NaN there). A device may use Winograd's algorithm where tolerance allows, through
// which an infinity or NaN of the image spreads to neighbouring results. Depthwise convolution is Groups = C; K/C is then the depth multiplier.
type ConvGeometry struct {
	Batch    int
	In       []int // spatial extents of the image
	C, K     int   // channels of the image, number of filters
	Taps     []int // spatial extents of a filter
	Stride   []int
	Dilation []int
	PadLo    []int // zeros before the first element of an axis
	PadHi    []int // zeros after the last one
	Groups   int
}

// ConvOptions says how a filter moves. Absent slices mean stride 1, dilation 1 and no padding; Groups 0 means 1.
type ConvOptions struct {
	Stride, Dilation []int
	PadLo, PadHi     []int // PadHi absent: as PadLo
	Same             bool  // choose the padding that makes Out = ceil(In/Stride), the odd zero at the end
	Groups           int
}

// NewConvGeometry makes a geometry of an image's shape [N, spatial…, C] and a filter's [K, taps…, C/groups].
func NewConvGeometry(image, filter []int, o ConvOptions) (ConvGeometry, error) {
	rank := len(image) - 2
	if rank < 1 || rank > 3 || len(filter) != len(image) {
		return ConvGeometry{}, fmt.Errorf("convolution: image %v and filter %v: want [N, spatial…, C] and [K, taps…, C/groups] with one to three spatial axes", image, filter)
	}
	g := ConvGeometry{
		Batch: image[0], In: slices.Clone(image[1 : rank+1]), C: image[rank+1],
		K: filter[0], Taps: slices.Clone(filter[1 : rank+1]), Groups: max(o.Groups, 1),
		Stride: orRepeated(o.Stride, rank, 1), Dilation: orRepeated(o.Dilation, rank, 1),
		PadLo: orRepeated(o.PadLo, rank, 0), PadHi: slices.Clone(o.PadHi),
	}
	if o.PadHi == nil {
		g.PadHi = slices.Clone(g.PadLo)
	}
	if o.Same {
		if o.PadLo != nil || o.PadHi != nil {
			return ConvGeometry{}, fmt.Errorf("convolution: both Same and explicit padding %v %v given", o.PadLo, o.PadHi)
		}
		if len(g.Stride) != rank || len(g.Dilation) != rank {
			return ConvGeometry{}, fmt.Errorf("convolution: stride %v and dilation %v for %d spatial axes", g.Stride, g.Dilation, rank)
		}
		for d := range rank {
			g.PadLo[d], g.PadHi[d] = SamePadding(g.In[d], g.Taps[d], g.Stride[d], g.Dilation[d])
		}
	}
	if err := g.Validate(); err != nil {
		return ConvGeometry{}, err
	}
	if want := g.C / g.Groups; filter[rank+1] != want {
		return ConvGeometry{}, fmt.Errorf("convolution: filter %v has %d channels, want C/groups = %d/%d = %d", filter, filter[rank+1], g.C, g.Groups, want)
	}
	return g, nil
}

// NewConvTransposeGeometry makes the geometry whose ConvBackwardData is a transposed convolution: it takes an image [N, spatial…, K] to
// [N, spatial…, C] with filters [K, taps…, C/groups]. The result's extents are
//
//	(in-1)·stride + (taps-1)·dilation + 1 - padLo - padHi + outputPadding
//
// with 0 ≤ outputPadding < stride (absent: 0).
func NewConvTransposeGeometry(image, filter []int, o ConvOptions, outputPadding []int) (ConvGeometry, error) {
	rank := len(image) - 2
	if rank < 1 || rank > 3 || len(filter) != len(image) {
		return ConvGeometry{}, fmt.Errorf("transposed convolution: image %v and filter %v: want [N, spatial…, K] and [K, taps…, C/groups] with one to three spatial axes", image, filter)
	}
	if o.Same {
		return ConvGeometry{}, fmt.Errorf("transposed convolution: give explicit padding instead of Same")
	}
	if image[rank+1] != filter[0] {
		return ConvGeometry{}, fmt.Errorf("transposed convolution: image %v has %d channels, filter %v takes %d", image, image[rank+1], filter, filter[0])
	}
	o.Stride, o.Dilation = orRepeated(o.Stride, rank, 1), orRepeated(o.Dilation, rank, 1)
	o.PadLo, outputPadding = orRepeated(o.PadLo, rank, 0), orRepeated(outputPadding, rank, 0)
	if o.PadHi == nil {
		o.PadHi = o.PadLo
	}
	for _, s := range [][]int{o.Stride, o.Dilation, o.PadLo, o.PadHi, outputPadding} {
		if len(s) != rank {
			return ConvGeometry{}, fmt.Errorf("transposed convolution: option %v has %d entries for %d spatial axes", s, len(s), rank)
		}
	}
	result := slices.Clone(image)
	for d := range rank {
		if p := outputPadding[d]; p < 0 || p >= o.Stride[d] {
			return ConvGeometry{}, fmt.Errorf("transposed convolution: output padding %v with stride %v: want 0 to stride-1", outputPadding, o.Stride)
		}
		result[1+d] = (image[1+d]-1)*o.Stride[d] + (filter[1+d]-1)*o.Dilation[d] + 1 - o.PadLo[d] - o.PadHi[d] + outputPadding[d]
	}
	result[rank+1] = filter[rank+1] * max(o.Groups, 1)
	return NewConvGeometry(result, filter, o)
}

func orRepeated(s []int, n, v int) []int {
	if s != nil {
		return slices.Clone(s)
	}
	return slices.Repeat([]int{v}, n)
}

// ConvOut is the extent of a convolution's result along one axis; 0 or less where the filter does not fit.
func ConvOut(in, taps, stride, dilation, padLo, padHi int) int {
	span := in + padLo + padHi - (taps-1)*dilation - 1
	if span < 0 {
		return 0
	}
	return span/stride + 1
}

// SamePadding is the padding along one axis that makes the result's extent ceil(in/stride), the odd zero at the end.
func SamePadding(in, taps, stride, dilation int) (lo, hi int) {
	out := (in + stride - 1) / stride
	total := max((out-1)*stride+(taps-1)*dilation+1-in, 0)
	return total / 2, total - total/2
}

// Out lists the result's spatial extents.
func (g ConvGeometry) Out() []int {
	out := make([]int, len(g.In))
	for d := range out {
		out[d] = ConvOut(g.In[d], g.Taps[d], g.Stride[d], g.Dilation[d], g.PadLo[d], g.PadHi[d])
	}
	return out
}

// Image is the shape [N, In…, C], Filter [K, Taps…, C/Groups], Result [N, Out…, K].
func (g ConvGeometry) Image() []int { return shapeOf(g.Batch, g.In, g.C) }

// Filter is the shape [K, Taps…, C/Groups].
func (g ConvGeometry) Filter() []int { return shapeOf(g.K, g.Taps, g.C/g.Groups) }

// Result is the shape [N, Out…, K].
func (g ConvGeometry) Result() []int { return shapeOf(g.Batch, g.Out(), g.K) }

func shapeOf(first int, middle []int, last int) []int {
	return append(append([]int{first}, middle...), last)
}

// Depthwise says whether each filter sees one channel.
func (g ConvGeometry) Depthwise() bool { return g.Groups == g.C && g.Groups > 1 }

// Validate checks extents, groups and that the filter fits.
func (g ConvGeometry) Validate() error {
	rank := len(g.In)
	if rank < 1 || rank > 3 {
		return fmt.Errorf("convolution: %d spatial axes, want 1 to 3", rank)
	}
	for _, f := range []struct {
		name string
		v    []int
		min  int
	}{{"image extents", g.In, 1}, {"taps", g.Taps, 1}, {"stride", g.Stride, 1}, {"dilation", g.Dilation, 1}, {"low padding", g.PadLo, 0}, {"high padding", g.PadHi, 0}} {
		if len(f.v) != rank {
			return fmt.Errorf("convolution: %s %v has %d entries for %d spatial axes", f.name, f.v, len(f.v), rank)
		}
		for _, v := range f.v {
			if v < f.min || v > 1<<30 {
				return fmt.Errorf("convolution: %s %v: want %d to %d", f.name, f.v, f.min, 1<<30)
			}
		}
	}
	switch {
	case g.Batch < 0:
		return fmt.Errorf("convolution: batch of %d", g.Batch)
	case g.C < 1 || g.K < 1 || g.Groups < 1:
		return fmt.Errorf("convolution: %d channels, %d filters, %d groups: want at least 1 of each", g.C, g.K, g.Groups)
	case g.C%g.Groups != 0 || g.K%g.Groups != 0:
		return fmt.Errorf("convolution: %d groups do not divide %d channels and %d filters", g.Groups, g.C, g.K)
	}
	for d, o := range g.Out() {
		if o < 1 {
			return fmt.Errorf("convolution: axis %d: a filter of %d taps at dilation %d does not fit an image of %d padded by %d and %d",
				d, g.Taps[d], g.Dilation[d], g.In[d], g.PadLo[d], g.PadHi[d])
		}
	}
	for _, s := range [][]int{g.Image(), g.Filter(), g.Result()} {
		if err := CheckShape("convolution", s, 0); err != nil {
			return err
		}
	}
	return nil
}

// FLOPs is the standard count 2·N·P·Q·K·taps·C/groups, the same for the forward and both backward passes; taps on padding count.
func (g ConvGeometry) FLOPs() int64 {
	return 2 * int64(Elems(g.Result())) * int64(Elems(g.Taps)) * int64(g.C/g.Groups)
}

// winograd says whether a device may use Winograd's minimal filtering F(4x4,3x3), whose rounding error is larger.
func (g ConvGeometry) winograd() bool {
	return g.Groups == 1 && slices.Equal(g.Taps, []int{3, 3}) && slices.Equal(g.Stride, []int{1, 1}) && slices.Equal(g.Dilation, []int{1, 1})
}

// tolerance bounds the error of sums of products of type t that are accumulated in f32 (f64 for F64) and stored as out, relative to the largest
// result: 1e-5 in f32 for direct methods, 5e-5 where Winograd F(4x4,3x3) is allowed (plain simulation on normal data: at most 1.9e-6 and 1e-5 up
// to 512 channels), 2e-3 with multiplicands rounded to tf32. An activation that saturates hides how large the sums were; the bound is then
// that of sums of n normal products.
func (g ConvGeometry) tolerance(t, out DType, tf32 bool, act Activation, n int) Tolerance {
	norm := 1e-5
	switch {
	case t == F64:
		norm *= F64.Epsilon() / F32.Epsilon()
	case tf32:
		norm = 2e-3
	case g.winograd():
		norm = 5e-5
	}
	tol := Tolerance{Abs: norm / 10, Norm: norm}
	switch act.Op {
	case Clamp, Tanh, Sigmoid:
		tol.Abs = norm * 5 * math.Sqrt(float64(n))
	}
	if out == F16 || out == BF16 {
		tol.Rel = 2 * out.Epsilon() // both results are rounded, perhaps to neighbours
	}
	return tol
}

// accumulator is the type in which products of t are summed, and that of biases and their gradients.
func accumulator(t DType) DType {
	if t == F16 || t == BF16 {
		return F32
	}
	return t
}

// multiplyType writes the type of a product or a convolution for canonical names.
func multiplyType(t DType, tf32 bool) string {
	if tf32 {
		return "tf32"
	}
	return t.String()
}

func (g ConvGeometry) String() string {
	s := fmt.Sprintf("n%d in%s c%d k%d taps%s", g.Batch, dims(g.In), g.C, g.K, dims(g.Taps))
	for _, f := range []struct {
		name    string
		v       []int
		neutral int
	}{{"stride", g.Stride, 1}, {"dilation", g.Dilation, 1}, {"lo", g.PadLo, 0}, {"hi", g.PadHi, 0}} {
		if slices.ContainsFunc(f.v, func(v int) bool { return v != f.neutral }) {
			s += " " + f.name + dims(f.v)
		}
	}
	if g.Groups > 1 {
		s += fmt.Sprintf(" groups%d", g.Groups)
	}
	return s
}

func checkFloat(family string, t DType) error {
	if !t.Float() {
		return fmt.Errorf("%s: type %s, want a floating-point type", family, t)
	}
	return nil
}

// Conv is convolution forward: y = act(x * w + bias + residual); see ConvGeometry for the formula. Bias has K elements. Products of F16 and BF16 are
// summed in f32 and rounded once; their bias is F32. With TF32, which is for Type F32 alone, a device may round the multiplicands to tf32 (11 bits).
//
// Operands: x [N, In…, C], w [K, Taps…, C/Groups], [bias [K]], [residual, as y], y [N, Out…, K].
type Conv struct {
	Type DType
	ConvGeometry
	Epilogue Epilogue
	TF32     bool
}

// NewConv makes a convolution of an image's and a filter's shapes.
func NewConv(t DType, image, filter []int, o ConvOptions, e Epilogue) (Conv, error) {
	g, err := NewConvGeometry(image, filter, o)
	if err != nil {
		return Conv{}, err
	}
	k := Conv{Type: t, ConvGeometry: g, Epilogue: e}
	return k, k.Validate()
}

// Family is "conv".
func (k Conv) Family() string { return "conv" }

// Operands lists x, w, [bias], [residual], y.
func (k Conv) Operands() []Operand {
	ops := []Operand{{"x", In, k.Type, k.Image()}, {"w", In, k.Type, k.Filter()}}
	ops = append(ops, convEpilogue(k.Epilogue, k.Type, k.K, k.Result())...)
	return append(ops, Operand{"y", Out, k.Type, k.Result()})
}

func convEpilogue(e Epilogue, t DType, channels int, result []int) []Operand {
	var ops []Operand
	if e.Bias {
		ops = append(ops, Operand{"bias", In, accumulator(t), []int{channels}})
	}
	if e.Residual {
		ops = append(ops, Operand{"residual", In, t, result})
	}
	return ops
}

// Validate checks type, geometry and epilogue.
func (k Conv) Validate() error {
	return validateConv(k.Family(), k.Type, k.TF32, k.ConvGeometry, k.Epilogue)
}

func validateConv(family string, t DType, tf32 bool, g ConvGeometry, e Epilogue) error {
	if err := checkFloat(family, t); err != nil {
		return err
	}
	if tf32 && t != F32 {
		return fmt.Errorf("%s: TF32 is a way to multiply f32, not %s", family, t)
	}
	if err := g.Validate(); err != nil {
		return err
	}
	return e.Validate()
}

// Cost is the standard count; the epilogue is not counted.
func (k Conv) Cost() Cost { return Traffic(k, k.FLOPs()) }

// Tolerance allows for Winograd where it applies.
func (k Conv) Tolerance() Tolerance {
	return k.tolerance(k.Type, k.Type, k.TF32, k.Epilogue.Act, Elems(k.Taps)*k.C/k.Groups)
}

// MayAlias allows the result over the residual.
func (k Conv) MayAlias(out, in int) bool { return convMayAlias(k.Epilogue, out, in) }

func convMayAlias(e Epilogue, out, in int) bool {
	residual := 2
	if e.Bias {
		residual++
	}
	return e.Residual && in == residual && out == residual+1
}

func (k Conv) String() string {
	return fmt.Sprintf("conv %s %s%s", multiplyType(k.Type, k.TF32), k.ConvGeometry, k.Epilogue)
}

// ConvBackwardData is the gradient of a convolution by its image, and the forward pass of transposed convolution:
//
//	dx[n, h…, c] = act(Σ dy[n, p…, k] · w[k, t…, c] + bias + residual)   over all p, t with p·Stride + t·Dilation - PadLo = h
//
// Bias has C elements. Of transposed convolution, In says the output's extents, output padding included.
//
// Operands: dy [N, Out…, K], w [K, Taps…, C/Groups], [bias [C]], [residual, as dx], dx [N, In…, C].
type ConvBackwardData struct {
	Type DType
	ConvGeometry
	Epilogue Epilogue
	TF32     bool
}

// NewConvTranspose makes a transposed convolution; see NewConvTransposeGeometry.
func NewConvTranspose(t DType, image, filter []int, o ConvOptions, outputPadding []int, e Epilogue) (ConvBackwardData, error) {
	g, err := NewConvTransposeGeometry(image, filter, o, outputPadding)
	if err != nil {
		return ConvBackwardData{}, err
	}
	k := ConvBackwardData{Type: t, ConvGeometry: g, Epilogue: e}
	return k, k.Validate()
}

// Family is "conv_backward_data".
func (k ConvBackwardData) Family() string { return "conv_backward_data" }

// Operands lists dy, w, [bias], [residual], dx.
func (k ConvBackwardData) Operands() []Operand {
	ops := []Operand{{"dy", In, k.Type, k.Result()}, {"w", In, k.Type, k.Filter()}}
	ops = append(ops, convEpilogue(k.Epilogue, k.Type, k.C, k.Image())...)
	return append(ops, Operand{"dx", Out, k.Type, k.Image()})
}

// Validate checks type, geometry and epilogue.
func (k ConvBackwardData) Validate() error {
	return validateConv(k.Family(), k.Type, k.TF32, k.ConvGeometry, k.Epilogue)
}

// Cost is the standard count; the epilogue is not counted.
func (k ConvBackwardData) Cost() Cost { return Traffic(k, k.FLOPs()) }

// Tolerance allows for Winograd where it applies.
func (k ConvBackwardData) Tolerance() Tolerance {
	return k.tolerance(k.Type, k.Type, k.TF32, k.Epilogue.Act, Elems(k.Taps)*k.K/k.Groups)
}

// MayAlias allows the result over the residual.
func (k ConvBackwardData) MayAlias(out, in int) bool { return convMayAlias(k.Epilogue, out, in) }

func (k ConvBackwardData) String() string {
	return fmt.Sprintf("conv_backward_data %s %s%s", multiplyType(k.Type, k.TF32), k.ConvGeometry, k.Epilogue)
}

// ConvBackwardFilter is the gradient of a convolution by its filters and, if asked, by its bias:
//
//	dw[k, t…, c] = Σ_{n, p…} dy[n, p…, k] · x[n, p·Stride + t·Dilation - PadLo, g·C/Groups + c]
//	dbias[k] = Σ_{n, p…} dy[n, p…, k]
//
// An empty batch gives zeros. Gradients of F16 and BF16 are summed in f32; dbias is then F32, and so is dw where OutType says so.
//
// Operands: x [N, In…, C], dy [N, Out…, K], dw [K, Taps…, C/Groups], [dbias [K]].
type ConvBackwardFilter struct {
	Type DType
	ConvGeometry
	Bias    bool  // also compute dbias
	OutType DType // of dw: Invalid means Type; F32 is allowed with F16 and BF16 too
	TF32    bool
}

// ResultType is the type of dw.
func (k ConvBackwardFilter) ResultType() DType {
	if k.OutType == Invalid {
		return k.Type
	}
	return k.OutType
}

// Family is "conv_backward_filter".
func (k ConvBackwardFilter) Family() string { return "conv_backward_filter" }

// Operands lists x, dy, dw, [dbias].
func (k ConvBackwardFilter) Operands() []Operand {
	ops := []Operand{{"x", In, k.Type, k.Image()}, {"dy", In, k.Type, k.Result()}, {"dw", Out, k.ResultType(), k.Filter()}}
	if k.Bias {
		ops = append(ops, Operand{"dbias", Out, accumulator(k.Type), []int{k.K}})
	}
	return ops
}

// Validate checks type and geometry.
func (k ConvBackwardFilter) Validate() error {
	if out := k.ResultType(); out != k.Type && out != accumulator(k.Type) {
		return fmt.Errorf("conv_backward_filter: %s filters' gradient of %s products: want %s or %s", out, k.Type, k.Type, accumulator(k.Type))
	}
	return validateConv(k.Family(), k.Type, k.TF32, k.ConvGeometry, Epilogue{})
}

// Cost is the standard count and an addition for each term of dbias.
func (k ConvBackwardFilter) Cost() Cost {
	flops := k.FLOPs()
	if k.Bias {
		flops += int64(Elems(k.Result()))
	}
	return Traffic(k, flops)
}

// Tolerance allows for Winograd where it applies.
func (k ConvBackwardFilter) Tolerance() Tolerance {
	return k.tolerance(k.Type, k.ResultType(), k.TF32, Activation{}, 0)
}

func (k ConvBackwardFilter) String() string {
	s := fmt.Sprintf("conv_backward_filter %s %s", multiplyType(k.Type, k.TF32), k.ConvGeometry)
	if k.ResultType() != k.Type {
		s += " to " + k.OutType.String()
	}
	if k.Bias {
		s += " +dbias"
	}
	return s
}
