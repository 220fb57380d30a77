package fallback

import (
	"testing"
	"time"

	"palladio/kernels"
)

// BenchmarkMovement runs the families that memory bounds, and quotes each as the bytes that it must move a second and as a fraction of the
// rate of a copy of as many bytes, measured between its own runs.
func BenchmarkMovement(b *testing.B) {
	const n = 4 << 20 // elements: 16 MiB of float32
	t := kernels.F32
	sliced := func(shape []int, r ...kernels.Range) kernels.Move { k, _ := kernels.Sliced(t, shape, r); return k }
	transposed := func(shape []int, perm ...int) kernels.Move { k, _ := kernels.Transpose(t, shape, perm); return k }
	padded, _ := kernels.PadConstant(t, []int{128, 32, 32, 32}, []int{0, 1, 1, 0}, []int{0, 1, 1, 0}, 0)
	s := kernels.Step{Type: t, N: n}
	for _, c := range []struct {
		name string
		k    kernels.Kernel
	}{
		{"copy", sliced([]int{n}, kernels.Range{Count: n, Step: 1})},
		{"transpose 2048x2048", transposed([]int{2048, 2048}, 1, 0)},
		{"transpose 2000x2100", transposed([]int{2000, 2100}, 1, 0)},
		{"to channels first 64x56x56x20", transposed([]int{64, 56, 56, 20}, 0, 3, 1, 2)},
		{"to channels last 128x64x28x28", transposed([]int{128, 64, 28, 28}, 0, 2, 3, 1)},
		{"to channels last 128x3x96x96", transposed([]int{128, 3, 96, 96}, 0, 2, 3, 1)},
		{"heads 64x128x8x64", transposed([]int{64, 128, 8, 64}, 0, 2, 1, 3)},
		{"slice rows", sliced([]int{4096, 2048}, kernels.Range{Count: 4096, Step: 1}, kernels.Range{Start: 100, Count: 1024, Step: 1})},
		{"slice step 2", sliced([]int{4096, 2048}, kernels.Range{Count: 4096, Step: 1}, kernels.Range{Count: 1024, Step: 2})},
		{"flip", sliced([]int{1024, 4096}, kernels.Range{Count: 1024, Step: 1}, kernels.Range{Start: 4095, Count: 4096, Step: -1})},
		{"pad zeros", padded},
		{"pad reflect", kernels.Pad{Type: t, Mode: kernels.PadReflect, Shape: []int{128, 32, 32, 32}, Before: []int{0, 1, 1, 0}, After: []int{0, 1, 1, 0}}},
		{"concat channels", kernels.Concat{Type: t, Outer: 64 * 28 * 28, Inner: 1, Parts: []int{32, 48}}},
		{"gather rows of 128", kernels.Embedding(t, kernels.I32, 30000, 128, n/128)},
		{"scatter-add rows of 128", kernels.ScatterAdd{Type: t, Index: kernels.I32, Outer: 1, Extent: 30000, Inner: 128, Count: n / 128}},
		{"one-hot 4096x1000", kernels.OneHot{Type: t, Index: kernels.I32, Count: 4096, Classes: 1000, On: 1}},
		{"uniform", kernels.Random{Type: t, Dist: kernels.DistUniform, B: 1, N: n}},
		{"normal", kernels.Random{Type: t, Dist: kernels.DistNormal, B: 1, N: n}},
		{"dropout", kernels.Dropout{Type: t, Outer: 1, Middle: 1, Inner: n, P: 0.1}},
		{"spatial dropout", kernels.Dropout{Type: t, Outer: 64, Middle: 1024, Inner: 64, P: 0.1}},
		{"sgd", kernels.SGD{Step: s}},
		{"sgd nesterov", kernels.SGD{Step: s, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-4}},
		{"adam", kernels.NewAdam(t, n)},
		{"lamb", kernels.NewLAMB(t, n)},
		{"adadelta", kernels.NewAdaDelta(t, n)},
		{"rmsprop", kernels.NewRMSProp(t, n)},
		{"ema", kernels.EMA{Type: t, N: n}},
		{"sort 64x8192", kernels.Sort{Type: t, Index: kernels.I32, Rows: 64, Cols: 8192}},
		{"topk 64x8192 k 40", kernels.TopK{Type: t, Index: kernels.I32, Rows: 64, Cols: 8192, K: 40}},
	} {
		for _, l := range Levels() {
			b.Run(c.name+"/"+l.String(), func(b *testing.B) { benchmarkAgainstCopy(b, newDevice(b, AtLevel(l), Threads(1)), c.k) })
		}
	}
}

// benchmarkAgainstCopy alternates runs of the kernel with copies of equal traffic and compares their fastest.
func benchmarkAgainstCopy(b *testing.B, d *Device, k kernels.Kernel) {
	run := prepared(b, d, k)
	bytes := k.Cost().Bytes()
	src, dst := make([]byte, bytes/2), make([]byte, bytes/2)
	b.ReportAllocs()
	best, bestCopy := time.Duration(1<<62), time.Duration(1<<62)
	for b.Loop() {
		start := time.Now()
		run()
		best = min(best, time.Since(start))
		b.StopTimer()
		start = time.Now()
		copy(dst, src)
		bestCopy = min(bestCopy, time.Since(start))
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/best.Seconds()/1e9, "GB/s")
	b.ReportMetric(float64(bestCopy)/float64(best), "of-copy")
}

// prepared makes operands of sane values and returns a call of the kernel.
func prepared(tb testing.TB, d *Device, k kernels.Kernel) func() {
	tb.Helper()
	e, err := d.Prepare(k)
	if err != nil {
		tb.Fatal(err)
	}
	args := make([]kernels.Arg, 0, 8)
	state := uint32(1)
	for _, o := range k.Operands() {
		m, err := d.Alloc(o.Bytes())
		if err != nil {
			tb.Fatal(err)
		}
		a := m.Arg(0, o.Bytes())
		switch o.Type {
		case kernels.F32:
			for i := range kernels.Slice[float32](a) {
				state = state*1664525 + 1013904223
				kernels.Slice[float32](a)[i] = float32(state>>8) * 0x1p-24
			}
		case kernels.I32, kernels.I64:
			for i := range o.Elems() {
				state = state*1664525 + 1013904223
				v := int64(kernels.NoIndex)
				if n := indexExtent(k); n > 0 {
					v = int64(state>>8) % int64(n)
				}
				if o.Type == kernels.I32 {
					kernels.Slice[int32](a)[i] = int32(v)
				} else {
					kernels.Slice[int64](a)[i] = v
				}
			}
		}
		args = append(args, a)
	}
	w, err := d.Alloc(e.Workspace())
	if err != nil {
		tb.Fatal(err)
	}
	work := w.Arg(0, e.Workspace())
	return func() {
		if err := e.Run(args, work); err != nil {
			tb.Fatal(err)
		}
	}
}

// indexExtent is the number of values that k's indices may have.
func indexExtent(k kernels.Kernel) int {
	switch k := k.(type) {
	case kernels.Gather:
		return k.Extent
	case kernels.ScatterAdd:
		return k.Extent
	case kernels.OneHot:
		return k.Classes
	}
	return 1
}

// BenchmarkMovementSmall is the cost of calls whose work is next to nothing.
func BenchmarkMovementSmall(b *testing.B) {
	t := kernels.F32
	flipped, _ := kernels.Transpose(t, []int{8, 8}, []int{1, 0})
	for _, k := range []kernels.Kernel{
		flipped, kernels.Concat{Type: t, Outer: 4, Inner: 1, Parts: []int{4, 4}}, kernels.Embedding(t, kernels.I32, 10, 16, 4),
		kernels.Dropout{Type: t, Outer: 1, Middle: 1, Inner: 64, P: 0.5}, kernels.SGD{Step: kernels.Step{Type: t, N: 64}}, kernels.NewAdam(t, 64),
	} {
		b.Run(k.Family(), func(b *testing.B) {
			run := prepared(b, newDevice(b), k)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
