package fallback

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"palladio/kernels"
)

// copier copies 32 MiB with some threads, for comparison.
type copier struct{ src, dst []byte }

func newCopier() copier {
	c := copier{make([]byte, 32<<20), make([]byte, 32<<20)}
	for i := range c.src {
		c.src[i], c.dst[i] = byte(i), 1
	}
	return c
}

func (c copier) time(threads int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for t := range threads {
		lo, hi := t*len(c.src)/threads, (t+1)*len(c.src)/threads
		wg.Go(func() { copy(c.dst[lo:hi], c.src[lo:hi]) })
	}
	wg.Wait()
	return time.Since(start)
}

// passes is how often the memory's traffic exceeds the standard count where a tensor does not stay in cache between two looks.
func passes(k kernels.Kernel) float64 {
	switch k := k.(type) {
	case kernels.Norm:
		if k.Kind == kernels.BatchTraining || k.Kind == kernels.GroupNorm || k.Kind == kernels.InstanceNorm {
			return 3.0 / 2
		}
	case kernels.NormBackward:
		if k.Of.Kind != kernels.LayerNorm && k.Of.Kind != kernels.RMSNorm {
			return 5.0 / 3
		}
	}
	return 1
}

// benchKernel runs a kernel, interleaved with copies, and reports the best time, its traffic (by the number of passes that it needs) in GB/s, and
// that as a fraction of the best rate of copying.
func benchKernel(b *testing.B, level Level, threads int, k kernels.Kernel) {
	b.Helper()
	if level > Detect() {
		b.Skipf("this CPU has no %s", level)
	}
	d := newDevice(b, AtLevel(level), Threads(threads))
	args := make([]kernels.Arg, 0, 8)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, o := range k.Operands() {
		m, err := d.Alloc(o.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		a := m.Arg(0, o.Bytes())
		switch o.Type {
		case kernels.F32:
			for i, s := 0, kernels.Slice[float32](a); i < len(s); i++ {
				s[i] = float32(rng.NormFloat64())
				if o.Name == "invstd" || o.Name == "running_var" {
					s[i] = 1
				}
			}
		case kernels.I32:
			s := kernels.Slice[int32](a)
			switch k := k.(type) {
			case kernels.PoolBackward:
				for i, v := range argmaxFor(k.Of) {
					s[i] = v
				}
			case kernels.CrossEntropy:
				for i := range s {
					s[i] = rng.Int32N(int32(k.C))
				}
			case kernels.CrossEntropyBackward:
				for i := range s {
					s[i] = rng.Int32N(int32(k.Of.C))
				}
			}
		}
		args = append(args, a)
	}
	exec, err := d.Prepare(k)
	if err != nil {
		b.Fatal(err)
	}
	w, err := d.Alloc(exec.Workspace())
	if err != nil {
		b.Fatal(err)
	}
	work := w.Arg(0, exec.Workspace())
	best, bestCopy, c := time.Hour, time.Hour, newCopier()
	for b.Loop() {
		start := time.Now()
		if err := exec.Run(args, work); err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(start))
		bestCopy = min(bestCopy, c.time(threads))
	}
	got := float64(k.Cost().Bytes()) * passes(k) / best.Seconds()
	rate := 2 * float64(len(c.src)) / bestCopy.Seconds()
	b.ReportMetric(0, "ns/op") // the loop holds the copies too
	b.ReportMetric(testing.AllocsPerRun(3, func() {
		if err := exec.Run(args, work); err != nil {
			b.Fatal(err)
		}
	}), "allocs/run")
	b.ReportMetric(float64(best.Microseconds()), "min-µs")
	b.ReportMetric(got/1e9, "GB/s")
	b.ReportMetric(got/rate, "of-copy")
}

// benchAll runs kernels at all levels with assembly, with one thread and with all.
func benchAll(b *testing.B, ks []kernels.Kernel) {
	for _, k := range ks {
		for _, level := range []Level{AVX2, AVX512} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%s/threads=%d", k, level, threads), func(b *testing.B) { benchKernel(b, level, threads, k) })
			}
		}
	}
}

func BenchmarkNorm(b *testing.B) {
	var ks []kernels.Kernel
	for _, c := range []int{16, 64} {
		k := kernels.NewNorm(kernels.BatchTraining, 128, 28*28, c, 0)
		k.Act = kernels.ReLU
		ks = append(ks, k, kernels.NormBackward{Of: k})
	}
	big := kernels.NewNorm(kernels.BatchTraining, 128, 56*56, 64, 0)
	inference := kernels.NewNorm(kernels.BatchInference, 128, 56*56, 64, 0)
	layer := kernels.NewNorm(kernels.LayerNorm, 64, 512, 768, 0)
	rms := kernels.NewNorm(kernels.RMSNorm, 64, 512, 768, 0)
	group := kernels.NewNorm(kernels.GroupNorm, 16, 64*64, 320, 32)
	wide := kernels.NewNorm(kernels.BatchTraining, 128, 14*14, 1024, 0)
	for _, k := range []kernels.Norm{big, inference, layer, rms, group, wide} {
		ks = append(ks, k, kernels.NormBackward{Of: k})
	}
	benchAll(b, ks)
}

// argmaxFor is an argmax that a max pooling could have given: the first position of each window.
func argmaxFor(k kernels.Pool) []int32 {
	out := k.Out()
	v := make([]int32, 0, k.N*kernels.Elems(out)*k.C)
	for range k.N {
		for o := range kernels.Elems(out) {
			p, flat, scale := o, 0, 1
			for d := len(out) - 1; d >= 0; d-- {
				lo, _, _ := k.Range(d, p%out[d])
				p /= out[d]
				flat += lo * scale
				scale *= k.In[d]
			}
			for range k.C {
				v = append(v, int32(flat))
			}
		}
	}
	return v
}

func BenchmarkPool(b *testing.B) {
	var ks []kernels.Kernel
	add := func(k kernels.Pool, err error) {
		if err != nil {
			b.Fatal(err)
		}
		ks = append(ks, k, kernels.PoolBackward{Of: k})
	}
	for _, c := range []int{16, 64} {
		add(kernels.NewPool(kernels.MaxPool, []int{128, 28, 28, c}, []int{2, 2}, kernels.PoolOptions{}))
	}
	add(kernels.NewPool(kernels.MaxPool, []int{32, 112, 112, 64}, []int{3, 3}, kernels.PoolOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}}))
	add(kernels.NewPool(kernels.AvgPool, []int{128, 28, 28, 64}, []int{3, 3}, kernels.PoolOptions{Stride: []int{1, 1}, PadLo: []int{1, 1}}))
	add(kernels.NewGlobalPool(kernels.AvgPool, []int{128, 28, 28, 64}))
	benchAll(b, ks)
}

func BenchmarkResize(b *testing.B) {
	var ks []kernels.Kernel
	for _, c := range []int{3, 64} {
		for _, mode := range []kernels.ResizeMode{kernels.Nearest, kernels.Linear} {
			k, err := kernels.NewResize(mode, kernels.HalfPixel, []int{16, 56, 56, c}, []int{112, 112})
			if err != nil {
				b.Fatal(err)
			}
			ks = append(ks, k, kernels.ResizeBackward{Of: k})
		}
	}
	benchAll(b, ks)
}

func BenchmarkSoftmax(b *testing.B) {
	var ks []kernels.Kernel
	for _, k := range []kernels.Softmax{
		{Type: kernels.F32, Outer: 16384, Len: 512, Inner: 1}, {Type: kernels.F32, Outer: 256, Len: 32000, Inner: 1},
		{Type: kernels.F32, Outer: 100000, Len: 10, Inner: 1}, {Type: kernels.F32, Outer: 64, Len: 21, Inner: 56 * 56},
	} {
		ks = append(ks, k, kernels.SoftmaxBackward{Of: k})
	}
	for _, k := range []kernels.CrossEntropy{
		{Type: kernels.F32, N: 128, C: 10, Labels: kernels.I32}, {Type: kernels.F32, N: 1024, C: 32000, Labels: kernels.I32},
		{Type: kernels.F32, N: 1024, C: 1000, Labels: kernels.I32, Smoothing: 0.1},
	} {
		ks = append(ks, k, kernels.CrossEntropyBackward{Of: k})
	}
	benchAll(b, ks)
}

// BenchmarkNNSmall shows what a call costs beside its arithmetic.
func BenchmarkNNSmall(b *testing.B) {
	pool, err := kernels.NewPool(kernels.MaxPool, []int{1, 2, 2, 16}, []int{2, 2}, kernels.PoolOptions{})
	if err != nil {
		b.Fatal(err)
	}
	loss := kernels.CrossEntropy{Type: kernels.F32, N: 1, C: 10, Labels: kernels.I32}
	batch := kernels.NewNorm(kernels.BatchTraining, 4, 4, 16, 0)
	for _, k := range []kernels.Kernel{
		kernels.NewNorm(kernels.BatchInference, 1, 1, 64, 0), kernels.NewNorm(kernels.LayerNorm, 1, 1, 64, 0), batch, kernels.NormBackward{Of: batch},
		pool, kernels.PoolBackward{Of: pool}, kernels.Softmax{Type: kernels.F32, Outer: 1, Len: 10, Inner: 1}, loss, kernels.CrossEntropyBackward{Of: loss},
	} {
		b.Run(k.String(), func(b *testing.B) {
			d := newDevice(b)
			exec, err := d.Prepare(k)
			if err != nil {
				b.Fatal(err)
			}
			var args []kernels.Arg
			for _, o := range k.Operands() {
				args = append(args, kernels.HostArg(make([]byte, o.Bytes())))
			}
			w := kernels.HostArg(make([]byte, exec.Workspace()))
			b.ReportAllocs()
			for b.Loop() {
				if err := exec.Run(args, w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
