package engine

import (
	"slices"

	"palladio/engine/op"
	"palladio/kernels"
)

// unaryOps maps the names of gorgonia's element-wise functions to ours.
var unaryOps = map[string]kernels.EltOp{
	"abs": kernels.Abs, "sign": kernels.Sign, "ceil": kernels.Ceil, "floor": kernels.Floor,
	"sin": kernels.Sin, "cos": kernels.Cos, "exp": kernels.Exp, "ln": kernels.Log, "log2": kernels.Log2,
	"neg": kernels.Neg, "square": kernels.Square, "sqrt": kernels.Sqrt, "inv": kernels.Recip, "invSqrt": kernels.Rsqrt,
	"cube": kernels.Cube, "tanh": kernels.Tanh, "sigmoid": kernels.Sigmoid,
	"log1p": kernels.Log1p, "expm1": kernels.Expm1, "softplus": kernels.Softplus,
}

// binaryOps lists ours in the order of gorgonia's binary operator codes.
var binaryOps = []kernels.EltOp{
	kernels.Add, kernels.Sub, kernels.Mul, kernels.Div, kernels.Pow,
	kernels.Lt, kernels.Gt, kernels.Le, kernels.Ge, kernels.Eq, kernels.Ne,
}

func lowerUnary(l *lowering, _ attributes) bool {
	o, ok := unaryOps[l.node.Op().String()]
	in, out := l.in[0], l.out[0]
	if !ok || !computes(in.Type) || in.Type != out.Type || in.Elems() != out.Elems() {
		return false
	}
	flat := []int{out.Elems()}
	l.elementwise(in.Type, flat, []op.Tensor{in}, [][]int{kernels.DenseStrides(flat)}, kernels.Instr{Op: o})
	return true
}

func lowerBinary(l *lowering, a attributes) bool {
	code := a.inner("ʘBinaryOperator").uint("ʘBinaryOperatorType")
	if code >= uint64(len(binaryOps)) {
		return false
	}
	return l.binary(binaryOps[code], l.out[0].Type)
}

// computes says whether element-wise programs calculate in a type.
func computes(t kernels.DType) bool { return t == kernels.F32 || t == kernels.F64 }

// binary lowers an operation on two tensors of one shape, or a tensor and a scalar.
func (l *lowering) binary(o kernels.EltOp, _ kernels.DType) bool {
	a, b, out := l.in[0], l.in[1], l.out[0]
	if !computes(a.Type) || a.Type != b.Type || (out.Type != a.Type && out.Type != kernels.Bool) {
		return false
	}
	n := out.Elems()
	flat := []int{n}
	var strides [][]int
	for _, t := range []op.Tensor{a, b} {
		switch t.Elems() {
		case n:
			strides = append(strides, kernels.DenseStrides(flat))
		case 1:
			strides = append(strides, []int{0})
		default:
			return false
		}
	}
	l.elementwise(a.Type, flat, []op.Tensor{a, b}, strides, kernels.Instr{Op: o, A: 0, B: 1})
	if o == kernels.Add {
		l.b.calls[len(l.b.calls)-1].accumulates = a.Elems() == n && b.Elems() == n
	}
	return true
}

// elementwise emits a program of one step on the operator's output.
func (l *lowering) elementwise(t kernels.DType, shape []int, in []op.Tensor, strides [][]int, step kernels.Instr) {
	k := kernels.Elementwise{Type: t, Shape: shape, Code: []kernels.Instr{step},
		Outputs: []kernels.EltOutput{{Type: l.out[0].Type, Value: len(in)}}}
	args := slices.Clone(in)
	for i, x := range in {
		k.Inputs = append(k.Inputs, kernels.EltInput{Type: x.Type, Strides: strides[i]})
		args[i] = x
	}
	l.emitElementwise(k, append(args, l.out[0])...)
}

// emitElementwise appends an element-wise call whose operands are right by construction.
func (l *lowering) emitElementwise(k kernels.Elementwise, args ...op.Tensor) {
	c := call{kernel: k, node: l.node, args: make([]int32, len(args)), dirs: make([]kernels.Dir, len(args))}
	for i, a := range args {
		c.args[i] = int32(a.ID)
		if i >= len(k.Inputs) {
			c.dirs[i] = kernels.Out
		}
	}
	l.b.calls = append(l.b.calls, c)
}

// lowerRepeat lowers gorgonia's Repeat, each element several times along an axis, to a copy that reads with stride 0. Broadcasting is made of it;
// views.go lets the readers do without the copy.
func lowerRepeat(l *lowering, a attributes) bool {
	axis, in, out := a.int("along"), l.in[0], l.out[0]
	if in.Type != out.Type || !computes(in.Type) || axis < 0 || axis >= len(out.Shape) {
		return false
	}
	shape := slices.Clone(in.Shape)
	for len(shape) < len(out.Shape) {
		shape = append(shape, 1)
	}
	if len(shape) != len(out.Shape) {
		return false
	}
	for d := range shape {
		if d != axis && shape[d] != out.Shape[d] {
			return false
		}
	}
	if shape[axis] == 0 || out.Shape[axis]%shape[axis] != 0 {
		return false
	}
	times := out.Shape[axis] / shape[axis]
	if times == 1 {
		l.Alias(0, in)
		return true
	}
	iterate, strides := slices.Clone(out.Shape), kernels.DenseStrides(shape)
	if shape[axis] > 1 { // split the axis: element, repetition
		iterate = slices.Insert(iterate, axis+1, times)
		iterate[axis] = shape[axis]
		strides = slices.Insert(strides, axis+1, 0)
	}
	l.elementwise(in.Type, iterate, []op.Tensor{in}, [][]int{strides}, kernels.Instr{Op: kernels.Copy})
	return true
}
