package fallback

import (
	"palladio/kernels"
)

// axisSpan is what one output sees along an axis: input positions [lo, hi), and by how many an average divides.
type axisSpan struct{ lo, hi, divisor int }

// windowTable lists the positions of each window of a pooling, with the weights of an average; ok is false if they are too many.
func windowTable(k kernels.Pool) (t tapTable, ok bool) {
	var axes [3][]axisSpan // outermost first; missing axes have extent 1
	extents := [3]int{1, 1, 1}
	total := 1
	for d := range axes {
		axes[d] = []axisSpan{{0, 1, 1}}
	}
	for d, out := range k.Out() {
		spans, sum := make([]axisSpan, out), 0
		for p := range spans {
			lo, hi, padded := k.Range(d, p)
			spans[p] = axisSpan{lo, hi, hi - lo}
			if k.CountPad {
				spans[p].divisor = padded
			}
			sum += hi - lo
		}
		at := 3 - len(k.In) + d
		axes[at], extents[at] = spans, k.In[d]
		if total > maxTaps/sum {
			return t, false
		}
		total *= sum
	}
	t.start, t.taps = make([]int32, 1, kernels.Elems(k.Out())+1), make([]tap, 0, total)
	for _, a := range axes[0] {
		for _, b := range axes[1] {
			for _, c := range axes[2] {
				weight := float32(1 / (float64(a.divisor) * float64(b.divisor) * float64(c.divisor)))
				for i := a.lo; i < a.hi; i++ {
					for j := b.lo; j < b.hi; j++ {
						for l := c.lo; l < c.hi; l++ {
							t.taps = append(t.taps, tap{int32((i*extents[1]+j)*extents[2] + l), weight})
						}
					}
				}
				t.start = append(t.start, int32(len(t.taps)))
			}
		}
	}
	return t, true
}

func (d *Device) preparePool(k kernels.Pool) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	table, ok := windowTable(k)
	if !ok || k.Type != kernels.F32 {
		return d.ref.Prepare(k)
	}
	e, passes := newTapExec(d, table, k.N, kernels.Elems(k.In), kernels.Elems(k.Out()), k.C), newTapPasses(d.level)
	switch {
	case k.Kind == kernels.AvgPool:
		e.pass, e.past = passes.weighted, passes.weightedStream
	case k.Argmax:
		e.pass, e.past, e.writePos = passes.maxPos, passes.maxPos, 2
	default:
		e.pass, e.past = passes.max, passes.max
	}
	return e, nil
}

// preparePoolBackward plans the gradient from the input's side: each input pixel gathers from the windows that it lies in, so
// that parts are independent and the sum has one order.
func (d *Device) preparePoolBackward(b kernels.PoolBackward) (kernels.Exec, error) {
	if isHalf(b.Of.Type) {
		wide := b
		wide.Of.Type = kernels.F32
		return d.widened(b, wide)
	}
	k := b.Of
	table, ok := windowTable(k)
	if !ok || k.Type != kernels.F32 {
		return d.ref.Prepare(b)
	}
	ins, outs := kernels.Elems(k.In), kernels.Elems(k.Out())
	e, passes := newTapExec(d, table.transposed(ins), k.N, outs, ins, k.C), newTapPasses(d.level)
	e.pass, e.past = passes.weighted, passes.weightedStream
	if k.Kind == kernels.MaxPool {
		e.pass, e.past, e.readPos, e.dstArg = passes.match, passes.matchStream, 1, 2
	}
	return e, nil
}
