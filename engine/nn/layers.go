package nn

import (
	"fmt"
	"slices"
	"strconv"

	"palladio/engine/op"
	"palladio/kernels"
)

// spread makes one entry an axis of a single one.
func spread(s []int, rank int) []int {
	if len(s) == 1 && rank > 1 {
		return slices.Repeat(s, rank)
	}
	return s
}

// Conv is a convolution over one to three spatial axes of x [N, spatial…, C]. Slices of one entry stand for all axes.
type Conv struct {
	Filters          int
	Kernel           []int
	Stride, Dilation []int // absent: 1
	Pad              []int // zeros at both ends; absent: half the filter's extent, so that stride 1 keeps the extents
	Valid            bool  // no padding
	Groups           int   // absent: 1
	Depthwise        bool  // as many groups as channels; Filters absent: as many as channels
	NoBias           bool
	Init             Init // absent: HeNormal
}

// Forward convolves.
func (c Conv) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		s := []int(x.Shape())
		rank := len(s) - 2
		if rank < 1 || rank > 3 {
			return nil, fmt.Errorf("conv: input %v: want [N, spatial…, C] with one to three spatial axes", s)
		}
		channels := s[rank+1]
		o := op.ConvOptions{Stride: spread(c.Stride, rank), Dilation: spread(c.Dilation, rank), Groups: max(c.Groups, 1)}
		filters := c.Filters
		if c.Depthwise {
			o.Groups = channels
			if filters == 0 {
				filters = channels
			}
		}
		kernel := spread(c.Kernel, rank)
		if len(kernel) != rank || filters < 1 || channels%o.Groups != 0 {
			return nil, fmt.Errorf("conv: %d filters of %v in %d groups on input %v: want a filter extent for each of %d axes, and groups that divide the channels",
				filters, c.Kernel, o.Groups, s, rank)
		}
		if !c.Valid {
			o.PadLo, o.PadHi = c.padding(kernel, o.Dilation, rank)
		}
		shape := slices.Concat([]int{filters}, kernel, []int{channels / o.Groups})
		g, err := kernels.NewConvGeometry(s, shape, o)
		if err != nil {
			return nil, err
		}
		w := b.Weight("weight", orInit(c.Init, HeNormal()), shape...)
		var bias Node
		if !c.NoBias {
			bias = b.Offset("bias", Zeros(), filters)
		}
		if b.err != nil {
			return nil, b.err
		}
		y, err := convByRank[rank-1](x, w, bias, o)
		if err == nil {
			b.record("conv", kernel, y, g.FLOPs()/2)
		}
		return y, err
	}, x)
}

// convByRank is the convolution over one, two and three axes.
var convByRank = [...]func(x, w, bias Node, o op.ConvOptions) (Node, error){op.Conv1D, op.Conv2D, op.Conv3D}

func (c Conv) padding(kernel, dilation []int, rank int) (lo, hi []int) {
	if c.Pad != nil {
		p := spread(c.Pad, rank)
		return p, p
	}
	for i, k := range kernel {
		total := k - 1
		if i < len(dilation) {
			total *= dilation[i]
		}
		lo, hi = append(lo, total/2), append(hi, total-total/2)
	}
	return lo, hi
}

func orInit(i, otherwise Init) Init {
	if i.f == nil {
		return otherwise
	}
	return i
}

// ConvTranspose is a transposed convolution, which makes feature maps larger.
type ConvTranspose struct {
	Filters       int
	Kernel        []int
	Stride, Pad   []int // absent: 1 and 0
	OutputPadding []int
	Groups        int
	NoBias        bool
	Init          Init // absent: HeNormal
}

// Forward convolves.
func (c ConvTranspose) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		s := []int(x.Shape())
		rank := len(s) - 2
		groups := max(c.Groups, 1)
		kernel := spread(c.Kernel, rank)
		if rank < 1 || rank > 3 || len(kernel) != rank || c.Filters < 1 || c.Filters%groups != 0 {
			return nil, fmt.Errorf("conv_transpose: %d filters of %v in %d groups on input %v", c.Filters, c.Kernel, groups, s)
		}
		o := op.ConvOptions{Stride: spread(c.Stride, rank), PadLo: spread(c.Pad, rank), Groups: groups}
		shape := slices.Concat([]int{s[rank+1]}, kernel, []int{c.Filters / groups})
		g, err := kernels.NewConvTransposeGeometry(s, shape, o, spread(c.OutputPadding, rank))
		if err != nil {
			return nil, err
		}
		w := b.Weight("weight", orInit(c.Init, HeNormal()), shape...)
		var bias Node
		if !c.NoBias {
			bias = b.Offset("bias", Zeros(), c.Filters)
		}
		if b.err != nil {
			return nil, b.err
		}
		f := [...]func(x, w, bias Node, o op.ConvOptions, p []int) (Node, error){op.ConvTranspose1D, op.ConvTranspose2D, op.ConvTranspose3D}[rank-1]
		y, err := f(x, w, bias, o, spread(c.OutputPadding, rank))
		if err == nil {
			b.record("conv_transpose", kernel, y, g.FLOPs()/2)
		}
		return y, err
	}, x)
}

// Linear is x·wᵀ + bias over the last axis.
type Linear struct {
	Out    int
	NoBias bool
	Init   Init // absent: XavierUniform(1)
}

// Forward multiplies.
func (c Linear) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		s := x.Shape()
		if len(s) < 1 {
			return nil, fmt.Errorf("linear: the input is a scalar")
		}
		in := s[len(s)-1]
		w := b.Weight("weight", orInit(c.Init, XavierUniform(1)), c.Out, in)
		var bias Node
		if !c.NoBias {
			bias = b.Offset("bias", Zeros(), c.Out)
		}
		if b.err != nil {
			return nil, b.err
		}
		y, err := op.Linear(x, w, bias)
		if err == nil {
			b.record("linear", nil, y, int64(kernels.Elems(s[:len(s)-1]))*int64(in)*int64(c.Out))
		}
		return y, err
	}, x)
}

// Embedding looks rows of a trained table up by index.
type Embedding struct {
	Rows, Width int
	Init        Init // absent: Normal(0.02)
}

// Forward looks up.
func (c Embedding) Forward(b *Builder, index Node) Node {
	return b.Do(func() (Node, error) {
		table := b.Weight("weight", orInit(c.Init, Normal(0.02)), c.Rows, c.Width)
		if b.err != nil {
			return nil, b.err
		}
		y, err := op.Embedding(table, index)
		if err == nil {
			b.record("embedding", nil, y, 0)
		}
		return y, err
	}, index)
}

// BatchNorm normalises each channel; see op.BatchNorm.
type BatchNorm struct {
	op.NormOptions
	NoAffine   bool // no scale and bias
	NoTracking bool // no running statistics: the batch's own in inference, too
}

// Forward normalises.
func (c BatchNorm) Forward(b *Builder, x Node) Node {
	return b.normalise("batch_norm", x, !c.NoAffine, !c.NoAffine, func(scale, bias Node, channels int) (Node, error) {
		var mean, variance Node
		if !c.NoTracking {
			mean = b.State("running_mean", Zeros(), channels)
			if variance = b.State("running_var", Ones(), channels); b.err != nil {
				return nil, b.err
			}
		}
		return op.BatchNorm(x, scale, bias, mean, variance, c.NormOptions)
	})
}

// normalise makes the affine parameters and records the layer.
func (b *Builder) normalise(kind string, x Node, scaled, biased bool, f func(scale, bias Node, channels int) (Node, error)) Node {
	return b.Do(func() (Node, error) {
		s := x.Shape()
		if len(s) < 2 {
			return nil, fmt.Errorf("%s: input %v: want at least two axes", kind, s)
		}
		c := s[len(s)-1]
		var scale, bias Node
		if scaled {
			scale = b.Offset("weight", Ones(), c)
		}
		if biased {
			bias = b.Offset("bias", Zeros(), c)
		}
		if b.err != nil {
			return nil, b.err
		}
		y, err := f(scale, bias, c)
		if err == nil {
			b.record(kind, nil, y, 0)
		}
		return y, err
	}, x)
}

// LayerNorm normalises over the channels; see op.LayerNorm.
type LayerNorm struct{ op.NormOptions }

// Forward normalises.
func (c LayerNorm) Forward(b *Builder, x Node) Node {
	return b.normalise("layer_norm", x, true, true, func(scale, bias Node, _ int) (Node, error) {
		return op.LayerNorm(x, scale, bias, c.NormOptions)
	})
}

// RMSNorm divides by the root mean square over the channels; see op.RMSNorm.
type RMSNorm struct{ op.NormOptions }

// Forward normalises.
func (c RMSNorm) Forward(b *Builder, x Node) Node {
	return b.normalise("rms_norm", x, true, false, func(scale, _ Node, _ int) (Node, error) {
		return op.RMSNorm(x, scale, c.NormOptions)
	})
}

// GroupNorm normalises over positions and groups of channels; see op.GroupNorm.
type GroupNorm struct {
	Groups int
	op.NormOptions
}

// Forward normalises.
func (c GroupNorm) Forward(b *Builder, x Node) Node {
	return b.normalise("group_norm", x, true, true, func(scale, bias Node, _ int) (Node, error) {
		return op.GroupNorm(x, scale, bias, c.Groups, c.NormOptions)
	})
}

// InstanceNorm normalises over the positions; see op.InstanceNorm.
type InstanceNorm struct{ op.NormOptions }

// Forward normalises.
func (c InstanceNorm) Forward(b *Builder, x Node) Node {
	return b.normalise("instance_norm", x, true, true, func(scale, bias Node, _ int) (Node, error) {
		return op.InstanceNorm(x, scale, bias, c.NormOptions)
	})
}

// Activation is an element-wise function by name: see Activations.
type Activation string

var activations = map[Activation]func(Node) (Node, error){
	"identity": func(x Node) (Node, error) { return x, nil },
	"relu":     op.ReLU, "relu6": op.ReLU6, "gelu": op.GELU, "gelu_tanh": op.GELUTanh, "silu": op.SiLU, "hardswish": op.HardSwish,
	"hardsigmoid": op.HardSigmoid, "sigmoid": op.Sigmoid, "tanh": op.Tanh, "softplus": op.Softplus,
	"leaky_relu": func(x Node) (Node, error) { return op.LeakyReLU(x, 0.01) },
	"elu":        func(x Node) (Node, error) { return op.ELU(x, 1) },
}

// Activations lists the names that an Activation may have.
func Activations() []string {
	var names []string
	for n := range activations {
		names = append(names, string(n))
	}
	slices.Sort(names)
	return names
}

// Forward applies the function.
func (a Activation) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		f := activations[a]
		if f == nil {
			return nil, fmt.Errorf("unknown activation %q: want one of %v", string(a), Activations())
		}
		return f(x)
	}, x)
}

// Dropout zeroes elements at random in training, or whole channels if Spatial.
type Dropout struct {
	P       float64
	Spatial bool
}

// Forward drops.
func (c Dropout) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		if c.P == 0 {
			return x, nil
		}
		if c.Spatial {
			return op.SpatialDropout(x, c.P, b.Stream())
		}
		return op.Dropout(x, c.P, b.Stream())
	}, x)
}

// DropPath zeroes whole samples at random in training.
type DropPath struct{ P float64 }

// Forward drops.
func (c DropPath) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		if c.P == 0 {
			return x, nil
		}
		return op.DropPath(x, c.P, b.Stream())
	}, x)
}

// MaxPool and AvgPool reduce windows; absent strides are the window.
type MaxPool struct {
	Window []int
	op.PoolOptions
}

// Forward pools.
func (c MaxPool) Forward(b *Builder, x Node) Node {
	return b.pool("max_pool", x, c.Window, c.PoolOptions, op.MaxPool)
}

// AvgPool takes means of windows.
type AvgPool struct {
	Window []int
	op.PoolOptions
}

// Forward pools.
func (c AvgPool) Forward(b *Builder, x Node) Node {
	return b.pool("avg_pool", x, c.Window, c.PoolOptions, op.AvgPool)
}

func (b *Builder) pool(kind string, x Node, window []int, o op.PoolOptions, f func(Node, []int, op.PoolOptions) (Node, error)) Node {
	return b.Do(func() (Node, error) {
		rank := x.Dims() - 2
		window = spread(window, rank)
		o.Stride, o.PadLo, o.PadHi = spread(o.Stride, rank), spread(o.PadLo, rank), spread(o.PadHi, rank)
		y, err := f(x, window, o)
		if err == nil {
			b.record(kind, window, y, 0)
		}
		return y, err
	}, x)
}

// GlobalAvgPool takes the mean over all positions: [N, …, C] becomes [N, C].
type GlobalAvgPool struct{}

// Forward pools.
func (GlobalAvgPool) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) { return op.GlobalAvgPool(x) }, x)
}

// GlobalMaxPool takes the maximum over all positions: [N, …, C] becomes [N, C].
type GlobalMaxPool struct{}

// Forward pools.
func (GlobalMaxPool) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) { return op.GlobalMaxPool(x) }, x)
}

// Flatten makes [N, …] a matrix.
type Flatten struct{}

// Forward reshapes.
func (Flatten) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) { return op.Flatten(x, 1) }, x)
}

// Named gives a module a name within a Sequential.
type Named struct {
	Name string
	Module
}

// Sequential runs modules one after the other. Their scopes are their names, or their positions.
type Sequential []Module

// Forward runs the modules.
func (s Sequential) Forward(b *Builder, x Node) Node {
	for i, m := range s {
		name := strconv.Itoa(i)
		if n, ok := m.(Named); ok {
			name, m = n.Name, n.Module
		}
		x = b.Apply(name, m, x)
	}
	return x
}
