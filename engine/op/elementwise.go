package op

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// Chain applies a chain of element-wise operations to x with NumPy broadcasting, as one operator: values 0 … len(x)-1 are the
// inputs, len(x)+i the result of step i, and the last step's result is the output. The name is for people and must
// name one chain only. Gradients of every order follow by the chain rule.
func Chain(name string, code []kernels.Instr, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(code) == 0 {
		return nil, fmt.Errorf("%s: a chain of no steps", name)
	}
	p := program{len(x), slices.Clone(code), len(x) + len(code) - 1}
	ks, err := floats(name, x...)
	if err != nil {
		return nil, err
	}
	for i, c := range code {
		for _, a := range operands(c) {
			if a < 0 || a >= len(x)+i {
				return nil, fmt.Errorf("%s: step %d (%s) reads value %d; want 0 to %d", name, i, c.Op, a, len(x)+i-1)
			}
		}
	}
	return elementwise(fmt.Sprintf("%s{%s}", name, p), p, ks[0].typ, x...)
}

// elementwise makes the node of a program; text must say which program it is.
func elementwise(text string, p program, out kernels.DType, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	shapes := make([][]int, len(x))
	compute := kernels.F32
	for i, n := range x {
		k, err := kindOf(n)
		if err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", text, i, err)
		}
		shapes[i] = k.shape
		if k.typ != kernels.F32 && k.typ != kernels.Bool && k.typ != kernels.U8 {
			compute = kernels.F64 // integers are exact to 2^53
		}
	}
	shape, err := BroadcastShape(shapes...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	o := operator{text: text, out: kind{out, shape}}
	o.lower = func(l Lowering) error {
		ins := make([]Tensor, l.Inputs())
		for i := range ins {
			ins[i] = l.In(i)
		}
		emitProgram(l, p, compute, ins, l.Out(0))
		return nil
	}
	o.wrt = make([]bool, len(x))
	for i, n := range x {
		t, _ := DType(n)
		o.wrt[i] = t.Float() && out.Float() && p.varies(i)[p.out]
	}
	o.diff = func(x gorgonia.Nodes, y, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		return programGradients(text, p, x, y, dy, need)
	}
	return apply(o, x...)
}

// emitProgram emits the kernel of p on tensors that broadcast to out's shape.
func emitProgram(l Lowering, p program, compute kernels.DType, in []Tensor, out Tensor) {
	k := kernels.Elementwise{Type: compute, Shape: out.Shape, Code: p.code, Outputs: []kernels.EltOutput{{Type: out.Type, Value: p.out}}}
	for _, t := range in {
		k.Inputs = append(k.Inputs, kernels.EltInput{Type: t.Type, Strides: BroadcastStrides(t.Shape, out.Shape)})
	}
	l.Emit(k, append(slices.Clone(in), out)...)
}

// programGradients differentiates a program by the inputs that need names, and sums over the axes along which each was broadcast.
func programGradients(text string, p program, x gorgonia.Nodes, y, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
	ds := make(gorgonia.Nodes, len(x))
	values := append(slices.Clone(x), y, dy)
	for i := range x {
		if !need[i] {
			continue
		}
		q, used := p.derive(i).prune()
		args := make(gorgonia.Nodes, len(used))
		for j, u := range used {
			args[j] = values[u]
		}
		t, err := DType(x[i])
		if err != nil {
			return nil, err
		}
		d := dy
		if dt, _ := DType(dy); len(args) == 0 { // the derivative is a constant
			d, err = Scale(dy, 0)
		} else if len(q.code) > 0 || args[0].Dtype() != x[i].Dtype() || dt != t {
			d, err = elementwise(fmt.Sprintf("d(%s)/d%d{%s}", text, i, q), q, t, args...)
		} else {
			d = args[0]
		}
		if err != nil {
			return nil, err
		}
		if ds[i], err = sumTo(d, x[i].Shape()); err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// BroadcastShape is the shape that tensors of the given shapes broadcast to by NumPy's rule: aligned at the last axis, axes
// of extent 1 repeat.
func BroadcastShape(shapes ...[]int) ([]int, error) {
	dims := 0
	for _, s := range shapes {
		dims = max(dims, len(s))
	}
	out := slices.Repeat([]int{1}, dims)
	for _, s := range shapes {
		for i, e := range s {
			o := &out[dims-len(s)+i]
			switch {
			case *o == 1:
				*o = e
			case e != 1 && e != *o:
				return nil, fmt.Errorf("shapes %v do not broadcast: counted from the last, axis %d is %d in one and %d in another", shapes, len(s)-1-i, *o, e)
			}
		}
	}
	return out, nil
}

// BroadcastStrides are the strides along the axes of out of a dense tensor of the given shape that is broadcast to it.
func BroadcastStrides(shape, out []int) []int {
	s := make([]int, len(out))
	copy(s[len(out)-len(shape):], kernels.DenseStrides(shape))
	return s
}

// sumTo sums a node over the axes along which a tensor of the given shape was broadcast to it.
func sumTo(n *gorgonia.Node, shape []int) (*gorgonia.Node, error) {
	have := n.Shape()
	if slices.Equal(have, shape) {
		return n, nil
	}
	lead := len(have) - len(shape)
	var axes []int
	for i, e := range have {
		if i < lead || e != shape[i-lead] {
			axes = append(axes, i)
		}
	}
	var err error
	if len(axes) > 0 {
		if n, err = Sum(n, false, axes...); err != nil {
			return nil, err
		}
	}
	return Reshape(n, shape...)
}

func unary(o kernels.EltOp, x *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats(o.String(), x)
	if err != nil {
		return nil, err
	}
	return elementwise(o.String(), program{1, []kernels.Instr{{Op: o}}, 1}, ks[0].typ, x)
}

func binary(o kernels.EltOp, a, b *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats(o.String(), a, b)
	if err != nil {
		return nil, err
	}
	return elementwise(o.String(), program{2, []kernels.Instr{{Op: o, B: 1}}, 2}, ks[0].typ, a, b)
}

func ternary(o kernels.EltOp, a, b, c *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats(o.String(), a, b, c)
	if err != nil {
		return nil, err
	}
	return elementwise(o.String(), program{3, []kernels.Instr{{Op: o, B: 1, C: 2}}, 3}, ks[0].typ, a, b, c)
}

// withConstant applies o to x and a constant.
func withConstant(o kernels.EltOp, x *gorgonia.Node, c float64) (*gorgonia.Node, error) {
	name := fmt.Sprintf("%s(%v)", o, c)
	ks, err := floats(name, x)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(c) {
		return nil, fmt.Errorf("%s: the constant is NaN", name)
	}
	p := program{1, []kernels.Instr{{Op: kernels.Imm, Imm: c}, {Op: o, A: 0, B: 1}}, 2}
	return elementwise(name, p, ks[0].typ, x)
}

// Cast converts x to another element type; conversions to integers truncate towards zero.
func Cast(x *gorgonia.Node, to tensor.Dtype) (*gorgonia.Node, error) {
	t, ok := dtypes[to]
	if !ok {
		return nil, fmt.Errorf("cast: no element type %v; want float32, float64, int, int32, int64, byte or bool", to)
	}
	if x != nil && x.Dtype() == to {
		return x, nil
	}
	return elementwise("cast "+t.String(), program{1, nil, 0}, t, x)
}
