package engine

import (
	"slices"

	"gorgonia.org/tensor"

	"palladio/engine/op"
	"palladio/kernels"
)

func init() {
	for name, f := range map[string]func(l *lowering, a attributes) bool{
		"transposeOp": lowerTranspose,
		"sliceOp":     lowerSlice,
		"sliceIncrOp": lowerUnslice,
		"concatOp":    lowerConcat,
		"atOp":        lowerAt,
		"upsampleOp":  lowerUpsample,
	} {
		builtins[name] = f
	}
}

// emit appends a call of a kernel that a constructor made, or gives up where it could not.
func (l *lowering) emit(k kernels.Kernel, err error, args ...op.Tensor) bool {
	if err != nil {
		return false
	}
	l.Emit(k, args...)
	return true
}

func lowerTranspose(l *lowering, a attributes) bool {
	in, out, perm := l.in[0], l.out[0], a.ints("pattern")
	if len(perm) != len(in.Shape) || in.Type != out.Type {
		return false
	}
	var order []int // of the axes that are longer than 1
	for _, p := range perm {
		if in.Shape[p] != 1 {
			order = append(order, p)
		}
	}
	if slices.IsSorted(order) { // nothing changes its place in memory
		l.Alias(0, in)
		return true
	}
	k, err := kernels.Transpose(in.Type, in.Shape, perm)
	return l.emit(k, err, in, out)
}

// ranges is the part of a tensor that a slice operator names.
func (l *lowering) ranges(a attributes, shape []int) ([]kernels.Range, bool) {
	r := make([]kernels.Range, len(shape))
	for i, n := range shape {
		r[i] = kernels.Range{Count: n, Step: 1}
	}
	along := a.int("along")
	if a.v.FieldByName("Slice").IsNil() {
		return r, true
	}
	s, ok := l.node.Op().(tensor.Slice)
	if !ok || along >= len(shape) {
		return nil, false
	}
	if start, end, step := s.Start(), s.End(), max(s.Step(), 1); end > start {
		end = min(end, shape[along])
		r[along] = kernels.Range{Start: start, Count: (end - start + step - 1) / step, Step: step}
	}
	l.b.slices = append(l.b.slices, sliced{s, s.Start(), s.End(), s.Step()})
	return r, true
}

// sliced is a slice that a plan was compiled with. Gorgonia's UnsafeLet can change it afterwards.
type sliced struct {
	s                tensor.Slice
	start, end, step int
}

func (s *sliced) changed() bool {
	return s.s.Start() != s.start || s.s.End() != s.end || s.s.Step() != s.step
}

func lowerSlice(l *lowering, a attributes) bool {
	in, out := l.in[0], l.out[0]
	r, ok := l.ranges(a, in.Shape)
	if !ok || in.Type != out.Type {
		return false
	}
	k, err := kernels.Sliced(in.Type, in.Shape, r)
	if err != nil || kernels.Elems(k.Shape) != out.Elems() {
		return false
	}
	if out.Elems() == in.Elems() {
		l.Alias(0, in)
		return true
	}
	return l.emit(k, nil, in, out)
}

// lowerUnslice lowers the gradient of a slice: zeros but for the slice, which is the second operand.
func lowerUnslice(l *lowering, a attributes) bool {
	incr, out := l.in[1], l.out[0]
	r, ok := l.ranges(a.inner("sliceOp"), out.Shape)
	if !ok || incr.Type != out.Type {
		return false
	}
	k, err := kernels.Unslice(out.Type, out.Shape, r)
	if err != nil {
		return false
	}
	switch n := kernels.Elems(k.Shape); incr.Elems() {
	case n:
	case 1: // a scalar fills the slice
		k.Src = kernels.View{Shape: []int{1}, Strides: make([]int, len(k.Shape))}
	default:
		return false
	}
	return l.emit(k, nil, incr, out)
}

func lowerConcat(l *lowering, a attributes) bool {
	shapes := make([][]int, len(l.in))
	for i, t := range l.in {
		if t.Type != l.out[0].Type {
			return false
		}
		shapes[i] = t.Shape
	}
	if len(l.in) == 1 {
		return lowerIdentity(l, a)
	}
	k, err := kernels.NewConcat(l.out[0].Type, a.int("axis"), shapes...)
	return l.emit(k, err, append(slices.Clone(l.in), l.out[0])...)
}

func lowerAt(l *lowering, a attributes) bool {
	in, out, at := l.in[0], l.out[0], a.ints("coordinates")
	if len(at) != len(in.Shape) || in.Type != out.Type {
		return false
	}
	src := kernels.Dense(in.Shape)
	for i, x := range at {
		if x < 0 || x >= in.Shape[i] {
			return false
		}
		src.Offset += x * src.Strides[i]
	}
	src.Strides = []int{1}
	return l.emit(kernels.Move{Type: in.Type, Shape: []int{1}, Src: src, Dst: kernels.Dense([]int{1})}, nil, in, out)
}

// lowerUpsample repeats each element of the last two axes.
func lowerUpsample(l *lowering, a attributes) bool {
	in, out, n := l.in[0], l.out[0], a.int("stride")+1
	if len(in.Shape) != 4 || in.Type != out.Type || out.Elems() != in.Elems()*n*n {
		return false
	}
	b, c, h, w := in.Shape[0], in.Shape[1], in.Shape[2], in.Shape[3]
	view := []int{b * c, h, n, w, n}
	return l.emit(kernels.Move{Type: in.Type, Shape: view,
		Src: kernels.View{Shape: in.Shape, Strides: []int{h * w, w, 0, 1, 0}},
		Dst: kernels.View{Shape: out.Shape, Strides: kernels.Dense(view).Strides}}, nil, in, out)
}
