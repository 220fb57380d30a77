package fallback

import (
	"math"
	"slices"

	"palladio/kernels"
)

// reduceLayout is a reduction after neighbouring axes of one kind have been merged: kept and reduced axes alternate. The innermost axis
// decides how to go about it: if it is reduced, rows are reduced to numbers, otherwise rows are added up column by column.
type reduceLayout struct {
	kept, reduced             []int // extents of the axes outside the innermost
	keptStrides, reducedSteps []int
	inner                     int  // extent of the innermost axis
	columns                   bool // the innermost axis is kept
	outputs                   int  // of the kept axes outside the innermost
	rows                      int  // of the reduced axes outside the innermost
}

func newReduceLayout(shape, axes []int) reduceLayout {
	var extents []int
	var reduced []bool
	for d, n := range shape {
		if n == 1 {
			continue
		}
		r := slices.Contains(axes, d)
		if last := len(extents) - 1; last >= 0 && reduced[last] == r {
			extents[last] *= n
		} else {
			extents, reduced = append(extents, n), append(reduced, r)
		}
	}
	l := reduceLayout{inner: 1}
	if len(extents) == 0 {
		l.outputs, l.rows = 1, 1
		return l
	}
	strides := make([]int, len(extents))
	step := 1
	for i := len(extents) - 1; i >= 0; i-- {
		strides[i] = step
		step *= extents[i]
	}
	last := len(extents) - 1
	l.inner, l.columns = extents[last], !reduced[last]
	for i := range last {
		if reduced[i] {
			l.reduced, l.reducedSteps = append(l.reduced, extents[i]), append(l.reducedSteps, strides[i])
		} else {
			l.kept, l.keptStrides = append(l.kept, extents[i]), append(l.keptStrides, strides[i])
		}
	}
	l.outputs, l.rows = kernels.Elems(l.kept), kernels.Elems(l.reduced)
	return l
}

// position is the offset of a flat index over some axes.
func position(flat int, extents, strides []int) int {
	off := 0
	for d := len(extents) - 1; d > 0; d-- {
		q := flat / extents[d]
		off += (flat - q*extents[d]) * strides[d]
		flat = q
	}
	if len(extents) > 0 {
		off += flat * strides[0]
	}
	return off
}

// partial is an intermediate result of a reduction: of log-sum-exp the maximum and the sum of exponentials relative to it.
type partial struct{ value, max float64 }

// identity is the result over nothing.
func identity(op kernels.ReduceOp) partial {
	switch op {
	case kernels.ReduceProd:
		return partial{value: 1}
	case kernels.ReduceMax:
		return partial{value: math.Inf(-1)}
	case kernels.ReduceMin:
		return partial{value: math.Inf(1)}
	case kernels.ReduceLogSumExp:
		return partial{max: math.Inf(-1)}
	}
	return partial{}
}

// join adds q to p.
func (p *partial) join(op kernels.ReduceOp, q partial) {
	switch op {
	case kernels.ReduceProd:
		p.value *= q.value
	case kernels.ReduceMax:
		p.value = max(p.value, q.value)
	case kernels.ReduceMin:
		p.value = min(p.value, q.value)
	case kernels.ReduceLogSumExp:
		p.joinExp(q)
	default:
		p.value += q.value
	}
}

// joinExp brings two sums of exponentials to the larger maximum. Beside an infinite or NaN maximum the sums do not matter.
func (p *partial) joinExp(q partial) {
	switch m := max(p.max, q.max); {
	case math.IsInf(m, 0) || math.IsNaN(m):
		p.max = m
	case p.max == m:
		p.value += q.value * math.Exp(q.max-m)
	default:
		*p = partial{p.value*math.Exp(p.max-m) + q.value, m}
	}
}

// finish makes the result of count elements.
func (p partial) finish(op kernels.ReduceOp, count int) float64 {
	switch op {
	case kernels.ReduceMean:
		return p.value / float64(count)
	case kernels.ReduceL2:
		return math.Sqrt(p.value)
	case kernels.ReduceLogSumExp:
		if math.IsInf(p.max, 0) || math.IsNaN(p.max) {
			return p.max
		}
		return p.max + math.Log(p.value)
	}
	return p.value
}

const (
	// reduceChunk is the number of elements, by which a long reduction is cut into parts of its own.
	reduceChunk = 1 << 16
	// reduceParallel is the size in bytes from which on a reduction is worth a second thread.
	reduceParallel = 1 << 18
)

// reduce prepares a reduction.
func reduce(d *Device, k kernels.Reduce) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type, wide.OutType = kernels.F32, kernels.F32
		return d.widened(k, wide)
	}
	if k.Type == kernels.F64 {
		return newReduce(d, vecF64(d.level), k), nil
	}
	return newReduce(d, vecF32(d.level), k), nil
}

func newReduce[T real](d *Device, v *vecmath[T], k kernels.Reduce) kernels.Exec {
	if k.Count() == 0 || kernels.Elems(k.OutShape()) == 0 {
		return &reduceNothing[T]{n: kernels.Elems(k.OutShape()), value: T(identity(k.Op).finish(k.Op, 0))}
	}
	l := newReduceLayout(k.Shape, k.Axes)
	if l.columns {
		return newReduceColumns(d, v, k, l)
	}
	return newReduceRows(d, v, k, l)
}

// reduceNothing is a reduction over no elements, or with no result.
type reduceNothing[T real] struct {
	n     int
	value T
}

// Workspace is empty.
func (*reduceNothing[T]) Workspace() int { return 0 }

// Run fills the output.
func (e *reduceNothing[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	out := kernels.Slice[T](args[1])[:e.n]
	for i := range out {
		out[i] = e.value
	}
	return nil
}
