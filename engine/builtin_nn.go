package engine

import (
	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/kernels"
)

func init() {
	for name, f := range map[string]func(l *lowering, a attributes) bool{
		"softmaxOp":     lowerSoftmax,
		"softmaxDiffOp": lowerSoftmaxGradient,
		"im2colOp":      lowerIm2Col,
		"randomOp":      lowerRandom,
		"byIndicesOp":   lowerByIndices,
		"tensordotOp":   lowerTensordot,
		"maxPoolOp":     lowerMaxPool,
		"maxPoolDiffOp": lowerMaxPoolGradient,
		"globalAveragePoolOp": func(l *lowering, _ attributes) bool {
			return len(l.in[0].Shape) == 4 && l.reduce(kernels.ReduceMean, []int{2, 3})
		},
	} {
		builtins[name] = f
	}
}

// softmaxAxis is the axis that gorgonia's softmax normalises.
func softmaxAxis(a attributes, shape tensor.Shape) int {
	if axis := a.int("axis"); axis != -1 {
		return axis
	}
	if shape.IsColVec() || shape.IsVector() && !shape.IsRowVec() {
		return 0
	}
	return len(shape) - 1
}

func lowerSoftmax(l *lowering, a attributes) bool {
	in, out := l.in[0], l.out[0]
	if in.Type != out.Type || len(in.Shape) == 0 {
		return false
	}
	k, err := kernels.SoftmaxAlong(in.Type, in.Shape, softmaxAxis(a, in.Shape), a.bool("isLog"))
	return l.emit(k, err, in, out)
}

// lowerSoftmaxGradient has the softmax' input, its output and the output's gradient.
func lowerSoftmaxGradient(l *lowering, a attributes) bool {
	y, dy, out := l.in[1], l.in[2], l.out[0]
	if y.Type != out.Type || dy.Type != out.Type || len(y.Shape) == 0 {
		return false
	}
	s := a.inner("softmaxOp")
	k, err := kernels.SoftmaxAlong(y.Type, y.Shape, softmaxAxis(s, y.Shape), s.bool("isLog"))
	return l.emit(kernels.SoftmaxBackward{Of: k}, err, y, dy, out)
}

// lowerIm2Col lowers the patches of an image [N, C, H, W] as rows [N, OH, OW, C·KH·KW] to one strided move: with padding, of a padded copy.
func lowerIm2Col(l *lowering, a attributes) bool {
	in, out := l.in[0], l.out[0]
	if len(in.Shape) != 4 || len(out.Shape) != 4 || in.Type != out.Type {
		return false
	}
	n, c, h, w := in.Shape[0], in.Shape[1], in.Shape[2], in.Shape[3]
	kh, kw, ph, pw := a.int("h"), a.int("w"), a.int("padH"), a.int("padW")
	if ph > 0 || pw > 0 {
		pad := []int{0, 0, ph, pw}
		k, err := kernels.PadConstant(in.Type, in.Shape, pad, pad, 0)
		padded := l.Temp(in.Type, n, c, h+2*ph, w+2*pw)
		if !l.emit(k, err, in, padded) {
			return false
		}
		in, h, w = padded, h+2*ph, w+2*pw
	}
	sh, sw, dh, dw := a.int("strideH"), a.int("strideW"), a.int("dilationH"), a.int("dilationW")
	view := []int{n, out.Shape[1], out.Shape[2], c, kh, kw}
	return l.emit(kernels.Move{Type: in.Type, Shape: view,
		Src: kernels.View{Shape: in.Shape, Strides: []int{c * h * w, sh * w, sw, h * w, dh * w, dw}},
		Dst: kernels.Dense(view)}, nil, in, out)
}

// maxPool is gorgonia's pooling of an image [N, C, H, W], as one of N·C images of one channel.
func maxPool(l *lowering, a attributes) (kernels.Pool, bool) {
	in := l.in[0]
	if len(in.Shape) != 4 {
		return kernels.Pool{}, false
	}
	n, c, h, w := in.Shape[0], in.Shape[1], in.Shape[2], in.Shape[3]
	lo, hi := []int{a.int("padNorth"), a.int("padWest")}, []int{a.int("padSouth"), a.int("padEast")}
	if a.bool("explicitPadding") {
		lo, hi = hi, lo // gorgonia pads above by what it calls south
	}
	k, err := kernels.NewPool(kernels.MaxPool, []int{n * c, h, w, 1}, []int{a.int("h"), a.int("w")},
		kernels.PoolOptions{Stride: []int{a.int("strideH"), a.int("strideW")}, PadLo: lo, PadHi: hi})
	k.Type = in.Type
	return k, err == nil && k.Validate() == nil
}

func lowerMaxPool(l *lowering, a attributes) bool {
	k, ok := maxPool(l, a)
	if !ok || kernels.Elems(k.ResultShape()) != l.out[0].Elems() {
		return false
	}
	l.Emit(k, l.in[0], l.out[0], l.Temp(kernels.I32, k.ResultShape()...))
	return true
}

// lowerMaxPoolGradient has the pooling's input, its output and the output's gradient. It asks for the positions of the maxima again, with the
// pooling that gave the output: a common sub-expression.
func lowerMaxPoolGradient(l *lowering, a attributes) bool {
	k, ok := maxPool(l, a.inner("maxPoolOp"))
	if !ok || kernels.Elems(k.ResultShape()) != l.in[2].Elems() || l.in[2].Type != k.Type {
		return false
	}
	argmax := l.Temp(kernels.I32, k.ResultShape()...)
	l.Emit(k, l.in[0], l.Temp(k.Type, k.ResultShape()...), argmax)
	l.Emit(kernels.PoolBackward{Of: k}, l.in[2], argmax, l.out[0])
	return true
}

// The codes of gorgonia's distributions.
const (
	uniformRandom = iota
	gaussianRandom
)

func lowerRandom(l *lowering, a attributes) bool {
	out := l.out[0]
	k := kernels.Random{Type: out.Type, A: a.float("a"), B: a.float("b"), N: out.Elems(), Stream: l.stream()}
	switch a.uint("which") {
	case uniformRandom:
		k.Dist = kernels.DistUniform
	case gaussianRandom:
		k.Dist = kernels.DistNormal
	default:
		return false
	}
	return l.emit(k, k.Validate(), l.Counter(), out)
}

// stream is a random stream of the node's own, apart from those that operators of package op choose.
func (l *lowering) stream() uint32 { return 1<<31 | uint32(l.node.ID()) }

func lowerByIndices(l *lowering, a attributes) bool {
	in, index, out, axis := l.in[0], l.in[1], l.out[0], a.int("axis")
	if axis < 0 || axis >= len(in.Shape) || in.Type != out.Type {
		return false
	}
	k := kernels.Gather{Type: in.Type, Index: index.Type, Outer: kernels.Elems(in.Shape[:axis]), Extent: in.Shape[axis],
		Inner: kernels.Elems(in.Shape[axis+1:]), Count: index.Elems()}
	if k.Validate() != nil || k.Outer*k.Count*k.Inner != out.Elems() {
		return false
	}
	return l.emit(k, nil, index, in, out)
}

// lowerTensordot lowers a contraction of some axes of two tensors to transposes and a matrix product.
func lowerTensordot(l *lowering, a attributes) bool {
	x, y, out := l.in[0], l.in[1], l.out[0]
	aAxes, bAxes := a.ints("aAxes"), a.ints("bAxes")
	if x.Type != y.Type || x.Type != out.Type || !computes(x.Type) || len(aAxes) != len(bAxes) {
		return false
	}
	k := 1
	for i := range aAxes {
		k *= x.Shape[aAxes[i]]
	}
	if k == 0 || x.Elems()/k*(y.Elems()/k) != out.Elems() {
		return false
	}
	left, ok1 := l.permuted(x, append(otherAxes(x.Shape, aAxes), aAxes...))
	right, ok2 := l.permuted(y, append(append([]int{}, bAxes...), otherAxes(y.Shape, bAxes)...))
	if !ok1 || !ok2 {
		return false
	}
	return l.matMul(1, left.Reshape(x.Elems()/k, k), right.Reshape(k, y.Elems()/k), false, false)
}

// otherAxes lists the axes of a shape that are not among some.
func otherAxes(shape, axes []int) []int {
	var rest []int
next:
	for d := range shape {
		for _, a := range axes {
			if a == d {
				continue next
			}
		}
		rest = append(rest, d)
	}
	return rest
}

// permuted is t with its axes in another order.
func (l *lowering) permuted(t op.Tensor, perm []int) (op.Tensor, bool) {
	k, err := kernels.Transpose(t.Type, t.Shape, perm)
	if err != nil {
		return t, false
	}
	ascending := true
	for i, p := range perm {
		ascending = ascending && i == p
	}
	if ascending {
		return t, true
	}
	out := l.Temp(t.Type, k.Shape...)
	return out, l.emit(k, nil, t, out)
}
