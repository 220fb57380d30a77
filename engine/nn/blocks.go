package nn

import (
	"fmt"

	"palladio/engine/op"
)

// Residual is Body(x) + Shortcut(x), then After (He et al., 2016). Absent, the shortcut is x itself.
type Residual struct {
	Body, Shortcut, After Module
	DropPath              float64 // probability of dropping the body for a sample, in training
}

// Forward adds.
func (r Residual) Forward(b *Builder, x Node) Node {
	y := b.Apply("body", r.Body, x)
	y = DropPath{r.DropPath}.Forward(b, y)
	short := x
	if r.Shortcut != nil {
		short = b.Apply("shortcut", r.Shortcut, x)
	}
	y = b.Do(func() (Node, error) {
		if !y.Shape().Eq(short.Shape()) {
			return nil, fmt.Errorf("residual: body %v and shortcut %v differ in shape", y.Shape(), short.Shape())
		}
		return op.Add(y, short)
	}, y, short)
	if r.After != nil {
		y = b.Apply("after", r.After, y)
	}
	return y
}

// ConvNormAct is a convolution without bias, batch normalisation and an activation. ReLU is fused into the normalisation.
type ConvNormAct struct {
	Conv
	Act Activation // absent: none
}

// Forward runs the three.
func (c ConvNormAct) Forward(b *Builder, x Node) Node {
	c.NoBias = true
	x = b.Apply("conv", c.Conv, x)
	x = b.Apply("norm", BatchNorm{NormOptions: op.NormOptions{ReLU: c.Act == "relu"}}, x)
	if c.Act == "" || c.Act == "relu" {
		return x
	}
	return c.Act.Forward(b, x)
}

// SqueezeExcite scales each channel by a gate computed from the channels' means (Hu et al., 2018).
type SqueezeExcite struct {
	Hidden int        // units of the bottleneck
	Act    Activation // of the bottleneck; absent: relu
	Gate   Activation // absent: sigmoid
}

// Forward scales.
func (s SqueezeExcite) Forward(b *Builder, x Node) Node {
	return b.Do(func() (Node, error) {
		shape := []int(x.Shape())
		n, c := shape[0], shape[len(shape)-1]
		g := b.Apply("reduce", Linear{Out: s.Hidden}, b.Check(op.GlobalAvgPool(x)))
		g = orActivation(s.Act, "relu").Forward(b, g)
		g = b.Apply("expand", Linear{Out: c}, g)
		g = orActivation(s.Gate, "sigmoid").Forward(b, g)
		if b.err != nil {
			return nil, b.err
		}
		wide := []int{n}
		for range len(shape) - 2 {
			wide = append(wide, 1)
		}
		g, err := op.Reshape(g, append(wide, c)...)
		if err != nil {
			return nil, err
		}
		return op.Mul(x, g)
	}, x)
}

func orActivation(a, otherwise Activation) Activation {
	if a == "" {
		return otherwise
	}
	return a
}

// MBConv is the inverted residual block: a 1x1 convolution that widens, a depthwise one, a gate if asked for, and a 1x1 convolution that narrows without
// activation; the input is added where the shapes agree (Sandler et al., 2018; Tan and Le, 2019).
type MBConv struct {
	Out, Kernel, Stride int
	Expand              float64    // the width inside as a multiple of the input's; 1 leaves the first convolution out
	SqueezeExcite       float64    // the gate's bottleneck as a part of the input's width; 0: no gate
	Act                 Activation // absent: relu6
	DropPath            float64
}

// Forward runs the block.
func (m MBConv) Forward(b *Builder, x Node) Node {
	if b.err != nil || x == nil {
		return b.Do(func() (Node, error) { return x, nil }, x)
	}
	s := x.Shape()
	in := s[len(s)-1]
	stride, act := max(m.Stride, 1), orActivation(m.Act, "relu6")
	wide := int(float64(in)*m.Expand + 0.5)
	if wide < 1 || m.Out < 1 || m.Kernel < 1 {
		b.Failed(fmt.Errorf("mbconv: %d channels from %d, kernel %d, expansion %v: want positive numbers", m.Out, in, m.Kernel, m.Expand))
		return nil
	}
	var body Sequential
	if wide != in {
		body = append(body, Named{"expand", ConvNormAct{Conv{Filters: wide, Kernel: []int{1}}, act}})
	}
	body = append(body, Named{"depthwise", ConvNormAct{Conv{Kernel: []int{m.Kernel}, Stride: []int{stride}, Depthwise: true}, act}})
	if m.SqueezeExcite > 0 {
		body = append(body, Named{"gate", SqueezeExcite{Hidden: max(1, int(float64(in)*m.SqueezeExcite+0.5)), Act: act}})
	}
	body = append(body, Named{"project", ConvNormAct{Conv: Conv{Filters: m.Out, Kernel: []int{1}}}})
	if stride == 1 && in == m.Out {
		return Residual{Body: body, DropPath: m.DropPath}.Forward(b, x)
	}
	return b.Apply("body", body, x)
}
