package fallback

import (
	"fmt"
	"math"
	"testing"
	"time"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// eltBench are the programs whose speed matters.
func eltBench(n int) []struct {
	name string
	k    kernels.Elementwise
} {
	const c = 256
	rows := []int{n / c, c}
	bias, _ := kernels.Broadcast([]int{c}, rows)
	flat := []int{n}
	in := func(count int) []kernels.EltInput {
		var s []kernels.EltInput
		for range count {
			s = append(s, kernels.EltInput{Type: kernels.F32, Strides: kernels.DenseStrides(flat)})
		}
		return s
	}
	out := func(v int) []kernels.EltOutput { return []kernels.EltOutput{{Type: kernels.F32, Value: v}} }
	return []struct {
		name string
		k    kernels.Elementwise
	}{
		{"add", kernels.Map(kernels.F32, kernels.Add, flat)},
		{"relu", kernels.Map(kernels.F32, kernels.ReLU, flat)},
		{"scale-shift", kernels.Elementwise{Type: kernels.F32, Shape: flat, Inputs: in(1), Code: []kernels.Instr{
			{Op: kernels.Imm, Imm: 1.5}, {Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Imm, Imm: 2}, {Op: kernels.Add, A: 2, B: 3}}, Outputs: out(4)}},
		{"bias", kernels.Elementwise{Type: kernels.F32, Shape: rows, Inputs: []kernels.EltInput{
			{Type: kernels.F32, Strides: kernels.DenseStrides(rows)}, {Type: kernels.F32, Strides: bias}},
			Code: []kernels.Instr{{Op: kernels.Add, A: 0, B: 1}}, Outputs: out(2)}},
		{"relu-gradient", kernels.Elementwise{Type: kernels.F32, Shape: flat, Inputs: in(2), Code: []kernels.Instr{
			{Op: kernels.Imm}, {Op: kernels.Gt, A: 0, B: 2}, {Op: kernels.Select, A: 3, B: 1, C: 2}}, Outputs: out(4)}},
		{"gelu", kernels.Map(kernels.F32, kernels.GELU, flat)},
		{"chain of 8", kernels.Elementwise{Type: kernels.F32, Shape: flat, Inputs: in(2), Code: []kernels.Instr{
			{Op: kernels.Mul, A: 0, B: 1}, {Op: kernels.Add, A: 2, B: 0}, {Op: kernels.Abs, A: 3}, {Op: kernels.Sqrt, A: 4},
			{Op: kernels.Sub, A: 5, B: 1}, {Op: kernels.Mul, A: 6, B: 6}, {Op: kernels.Max, A: 7, B: 0}, {Op: kernels.Neg, A: 8}}, Outputs: out(9)}},
		{"transposed", kernels.Elementwise{Type: kernels.F32, Shape: []int{n / 1024, 1024}, Inputs: []kernels.EltInput{
			{Type: kernels.F32, Strides: []int{1, n / 1024}}}, Code: []kernels.Instr{{Op: kernels.Neg, A: 0}}, Outputs: out(1)}},
	}
}

// BenchmarkElementwise reports the memory traffic of programs, beside that of Go's copy on as many bytes.
func BenchmarkElementwise(b *testing.B) {
	for _, n := range []int{16, 1 << 14, 1 << 18, 1 << 24} {
		for _, threads := range []int{1, 2} {
			for _, c := range eltBench(max(n, 1024)) {
				if n == 16 {
					if c.name != "add" || threads > 1 {
						continue
					}
					c.k = kernels.Map(kernels.F32, kernels.Add, []int{16})
				}
				b.Run(fmt.Sprintf("%s/%d/threads=%d", c.name, n, threads), func(b *testing.B) {
					benchTraffic(b, newDevice(b, Threads(threads)), c.k)
				})
			}
		}
	}
}

// benchTraffic reports the memory traffic of a kernel on ordinary data, beside that of Go's copy of the first operand. The two take turns, and
// of each the fastest turn counts: other programs share the machine.
func benchTraffic(b *testing.B, d *Device, k kernels.Kernel) {
	e, err := d.Prepare(k)
	if err != nil {
		b.Fatal(err)
	}
	var args []kernels.Arg
	for _, o := range k.Operands() {
		m, _ := d.Alloc(o.Bytes())
		a := m.Arg(0, o.Bytes())
		for i := range kernels.Slice[float32](a) {
			kernels.Slice[float32](a)[i] = float32(math.Sin(float64(i)))
		}
		args = append(args, a)
	}
	m, _ := d.Alloc(e.Workspace())
	work := m.Arg(0, e.Workspace())
	dst := make([]byte, len(args[0].Host))
	turn := max(1, 1<<20/len(dst))
	best, bestCopy := math.Inf(1), math.Inf(1)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		for range turn {
			if err := e.Run(args, work); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		for range turn {
			copy(dst, args[0].Host)
		}
		best = min(best, float64(middle.Sub(start).Nanoseconds())/float64(turn))
		bestCopy = min(bestCopy, float64(time.Since(middle).Nanoseconds())/float64(turn))
	}
	rate := float64(k.Cost().Bytes()) / best
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(best, "best-ns")
	b.ReportMetric(rate, "GB/s")
	b.ReportMetric(rate/(2*float64(len(dst))/bestCopy), "of-copy")
}

// BenchmarkReduce reports the rate at which tensors are read, beside that of Go's copy.
func BenchmarkReduce(b *testing.B) {
	for _, c := range []struct {
		op    kernels.ReduceOp
		shape []int
		axes  []int
	}{
		{kernels.ReduceSum, []int{1 << 24}, []int{0}},
		{kernels.ReduceSum, []int{1 << 14, 1 << 10}, []int{1}},
		{kernels.ReduceSum, []int{1 << 14, 1 << 10}, []int{0}},
		{kernels.ReduceSum, []int{1 << 18, 64}, []int{0}},
		{kernels.ReduceSum, []int{1 << 18, 64}, []int{1}},
		{kernels.ReduceSum, []int{64, 256, 1 << 10}, []int{1}},
		{kernels.ReduceMax, []int{1 << 14, 1 << 10}, []int{1}},
		{kernels.ReduceMax, []int{1 << 14, 1 << 10}, []int{0}},
		{kernels.ReduceL2, []int{1 << 24}, []int{0}},
		{kernels.ReduceLogSumExp, []int{1 << 14, 1 << 10}, []int{1}},
		{kernels.ReduceLogSumExp, []int{1 << 14, 1 << 10}, []int{0}},
		{kernels.ReduceSum, []int{64, 10}, []int{1}},
		{kernels.ReduceSum, []int{1 << 18}, []int{0}},
	} {
		for _, threads := range []int{1, 2} {
			k := kernels.Reduce{Op: c.op, Type: kernels.F32, Shape: c.shape, Axes: c.axes}
			b.Run(fmt.Sprintf("%s/%v/%v/threads=%d", c.op, c.shape, c.axes, threads), func(b *testing.B) {
				benchTraffic(b, newDevice(b, Threads(threads)), k)
			})
		}
	}
}

// BenchmarkVectorMath reports the time an element takes, beside that of package math.
func BenchmarkVectorMath(b *testing.B) {
	x, y := make([]float32, 1024), make([]float32, 1024)
	for i := range x {
		x[i] = float32(i%512)/100 + 0.01
	}
	for op := kernels.Neg; op <= kernels.Not; op++ {
		for _, l := range Levels()[1:] {
			b.Run(fmt.Sprintf("%s/%s", op, l), func(b *testing.B) {
				v := vecF32(l)
				reportBest(b, len(x), func() { v.apply(op, y, x) })
			})
		}
		b.Run(fmt.Sprintf("%s/math", op), func(b *testing.B) {
			reportBest(b, len(x), func() {
				for i, v := range x {
					y[i] = float32(ref.Apply(op, float64(v), 0, 0))
				}
			})
		})
	}
	for _, l := range Levels()[1:] {
		b.Run(fmt.Sprintf("pow/%s", l), func(b *testing.B) {
			v := vecF32(l)
			reportBest(b, len(x), func() { v.apply2s(kernels.Pow, y, x, 1.7) })
		})
	}
	b.Run("pow/math", func(b *testing.B) {
		reportBest(b, len(x), func() {
			for i, v := range x {
				y[i] = float32(math.Pow(float64(v), 1.7))
			}
		})
	})
}

// reportBest reports the time that an element took in the fastest of many turns.
func reportBest(b *testing.B, n int, f func()) {
	best := math.Inf(1)
	for b.Loop() {
		start := time.Now()
		for range 10 {
			f()
		}
		best = min(best, float64(time.Since(start).Nanoseconds())/10)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(best/float64(n), "ns/element")
}
