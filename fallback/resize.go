package fallback

import (
	"math"

	"palladio/kernels"
)

// resizeTable lists the input pixels of each output pixel of a resize; ok is false if they are too many.
func resizeTable(k kernels.Resize) (t tapTable, ok bool) {
	type source struct {
		i, j int
		t    float64
	}
	var axes [3][]source // outermost first; missing axes have extent 1
	extents := [3]int{1, 1, 1}
	for d := range axes {
		axes[d] = []source{{}}
	}
	outs := kernels.Elems(k.Out)
	if outs > maxTaps>>len(k.Out) || kernels.Elems(k.In) > math.MaxInt32 {
		return t, false
	}
	for d, out := range k.Out {
		at := 3 - len(k.In) + d
		axes[at], extents[at] = make([]source, out), k.In[d]
		for p := range axes[at] {
			axes[at][p].i, axes[at][p].j, axes[at][p].t = k.Source(d, p)
		}
	}
	t.start = make([]int32, 1, outs+1)
	// each calls f with the one or two inputs of an output along an axis.
	each := func(s source, f func(i int, weight float64)) {
		f(s.i, 1-s.t)
		if s.t != 0 {
			f(s.j, s.t)
		}
	}
	for _, a := range axes[0] {
		for _, b := range axes[1] {
			for _, c := range axes[2] {
				each(a, func(i int, wi float64) {
					each(b, func(j int, wj float64) {
						each(c, func(l int, wl float64) {
							t.taps = append(t.taps, tap{int32((i*extents[1]+j)*extents[2] + l), float32(wi * wj * wl)})
						})
					})
				})
				t.start = append(t.start, int32(len(t.taps)))
			}
		}
	}
	return t, true
}

func (d *Device) prepareResize(k kernels.Resize) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	table, ok := resizeTable(k)
	if !ok || k.Type != kernels.F32 {
		return d.ref.Prepare(k)
	}
	e, passes := newTapExec(d, table, k.N, kernels.Elems(k.In), kernels.Elems(k.Out), k.C), newTapPasses(d.level)
	e.pass, e.past = passes.weighted, passes.weightedStream
	return e, nil
}

func (d *Device) prepareResizeBackward(b kernels.ResizeBackward) (kernels.Exec, error) {
	if isHalf(b.Of.Type) {
		wide := b
		wide.Of.Type = kernels.F32
		return d.widened(b, wide)
	}
	k := b.Of
	table, ok := resizeTable(k)
	if !ok || k.Type != kernels.F32 {
		return d.ref.Prepare(b)
	}
	ins, outs := kernels.Elems(k.In), kernels.Elems(k.Out)
	e, passes := newTapExec(d, table.transposed(ins), k.N, outs, ins, k.C), newTapPasses(d.level)
	e.pass, e.past = passes.weighted, passes.weightedStream
	return e, nil
}
