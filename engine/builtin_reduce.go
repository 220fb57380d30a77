package engine

import (
	"slices"

	"palladio/kernels"
)

// reduce lowers a reduction along axes; none means all of them.
func (l *lowering) reduce(o kernels.ReduceOp, along []int) bool {
	in, out := l.in[0], l.out[0]
	if !computes(in.Type) || in.Type != out.Type {
		return false
	}
	axes := slices.Clone(along)
	if len(axes) == 0 {
		for d := range in.Shape {
			axes = append(axes, d)
		}
	}
	slices.Sort(axes)
	axes = slices.Compact(axes)
	k := kernels.Reduce{Op: o, Type: in.Type, Shape: in.Shape, Axes: axes}
	if k.Validate() != nil || kernels.Elems(k.OutShape()) != out.Elems() {
		return false
	}
	l.Emit(k, in, out)
	return true
}
