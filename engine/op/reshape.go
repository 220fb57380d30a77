package op

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// Reshape sees the elements of x in another shape of equal size; one extent may be -1, which stands for what remains. It costs nothing.
func Reshape(x *gorgonia.Node, shape ...int) (*gorgonia.Node, error) {
	k, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("reshape: %w", err)
	}
	shape = slices.Clone(shape)
	known, wild := 1, -1
	for i, e := range shape {
		switch {
		case e == -1 && wild < 0:
			wild = i
		case e < 0:
			return nil, fmt.Errorf("reshape: shape %v: want extents of at least 0, and -1 once at most", shape)
		default:
			known *= e
		}
	}
	n := kernels.Elems(k.shape)
	if wild >= 0 {
		if known == 0 || n%known != 0 {
			return nil, fmt.Errorf("reshape: %d elements of %v do not divide into %v", n, k.shape, shape)
		}
		shape[wild] = n / known
	} else if known != n {
		return nil, fmt.Errorf("reshape: %v has %d elements, %v has %d", k.shape, n, shape, known)
	}
	if slices.Equal(shape, k.shape) {
		return x, nil
	}
	o := operator{text: fmt.Sprintf("reshape%v", shape), out: kind{k.typ, shape}}
	o.lower = func(l Lowering) error {
		l.Alias(0, l.In(0).Reshape(shape...))
		return nil
	}
	if k.typ.Float() {
		o.wrt = all(1)
		o.diff = func(x gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := Reshape(dy, k.shape...)
			return gorgonia.Nodes{d}, err
		}
	}
	return apply(o, x)
}

// Flatten merges the axes from the given one on: Flatten(x, 1) makes [N, …] a matrix.
func Flatten(x *gorgonia.Node, from int) (*gorgonia.Node, error) {
	s := x.Shape()
	if from < 0 || from > len(s) {
		return nil, fmt.Errorf("flatten: from axis %d of shape %v: want 0 to %d", from, s, len(s))
	}
	return Reshape(x, append(slices.Clone([]int(s[:from])), kernels.Elems(s[from:]))...)
}

// BroadcastTo repeats x to a shape by NumPy's rule.
func BroadcastTo(x *gorgonia.Node, shape ...int) (*gorgonia.Node, error) {
	k, err := kindOf(x)
	if err != nil {
		return nil, fmt.Errorf("broadcast: %w", err)
	}
	if slices.Equal(k.shape, shape) {
		return x, nil
	}
	if got, err := BroadcastShape(k.shape, shape); err != nil || !slices.Equal(got, shape) {
		return nil, fmt.Errorf("broadcast: shape %v does not broadcast to %v", k.shape, shape)
	}
	shape = slices.Clone(shape)
	o := operator{text: fmt.Sprintf("broadcast%v", shape), out: kind{k.typ, shape}}
	o.lower = func(l Lowering) error {
		compute := kernels.F32
		if k.typ != kernels.F32 {
			compute = kernels.F64
		}
		emitProgram(l, program{1, nil, 0}, compute, []Tensor{l.In(0)}, l.Out(0))
		return nil
	}
	if k.typ.Float() {
		o.wrt = all(1)
		o.diff = func(_ gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
			d, err := sumTo(dy, k.shape)
			return gorgonia.Nodes{d}, err
		}
	}
	return apply(o, x)
}

// Constant is a tensor of fixed values, rounded to the element type, in row-major order.
func Constant(g *gorgonia.ExprGraph, of tensor.Dtype, values []float64, shape ...int) (*gorgonia.Node, error) {
	t, ok := dtypes[of]
	if g == nil || !ok {
		return nil, fmt.Errorf("constant: graph %p, element type %v: want a graph, and a type of the vocabulary", g, of)
	}
	if err := kernels.CheckShape("constant", shape, 0); err != nil {
		return nil, err
	}
	if len(values) != kernels.Elems(shape) {
		return nil, fmt.Errorf("constant: %d values for shape %v", len(values), shape)
	}
	values, shape = slices.Clone(values), slices.Clone(shape)
	h := sha256.Sum256(kernels.HostArg(values).Host)
	return add(g, &operator{text: fmt.Sprintf("constant %x", h[:12]), out: kind{t, shape}, lower: func(l Lowering) error {
		l.Alias(0, l.Const(t, shape, values))
		return nil
	}}, nil), nil
}
