package fallback

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"palladio/kernels"
)

// gemmShapes are the shapes that matrix products are tuned on: square, odd, skinny, batched.
var gemmShapes = []kernels.GEMM{
	kernels.NewGEMM(kernels.F32, 1, 4, 4, 4, false, false),
	kernels.NewGEMM(kernels.F32, 1, 64, 64, 64, false, false),
	kernels.NewGEMM(kernels.F32, 1, 128, 128, 128, false, false),
	kernels.NewGEMM(kernels.F32, 1, 256, 256, 256, false, false),
	kernels.NewGEMM(kernels.F32, 1, 512, 512, 512, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1024, 1024, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 2048, 2048, 2048, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1, 1024, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1, 1024, 1024, false, true),
	kernels.NewGEMM(kernels.F32, 1, 1, 4096, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1024, 1, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1024, 1, 1024, true, false),
	kernels.NewGEMM(kernels.F32, 1, 4, 1024, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 4, 1024, 1024, false, true),
	kernels.NewGEMM(kernels.F32, 1, 32, 1024, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 32, 1024, 1024, false, true),
	kernels.NewGEMM(kernels.F32, 1, 1024, 7, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1024, 7, 1024, true, false),
	kernels.NewGEMM(kernels.F32, 1, 7, 1024, 1024, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1024, 1024, 37, false, false),
	kernels.NewGEMM(kernels.F32, 1, 1000, 1000, 1000, false, false),
	kernels.NewGEMM(kernels.F32, 1, 513, 513, 513, true, true),
	kernels.NewGEMM(kernels.F32, 1, 65, 65, 65, false, false),
	kernels.NewGEMM(kernels.F32, 1, 33, 33, 33, false, true),
	kernels.NewGEMM(kernels.F32, 1000, 16, 16, 16, false, false),
	kernels.NewGEMM(kernels.F32, 1000, 16, 16, 16, false, true),
	kernels.NewGEMM(kernels.F32, 64, 128, 128, 64, false, true),
	kernels.NewGEMM(kernels.F32, 1, 10000, 64, 27, false, false),
	kernels.NewGEMM(kernels.F64, 1, 512, 512, 512, false, false),
	kernels.NewGEMM(kernels.F64, 1, 1024, 1024, 1024, false, false),
}

// BenchmarkGEMM reports the rate of the fastest run, and its share of the measured peak.
func BenchmarkGEMM(b *testing.B) {
	for _, l := range Levels() {
		for _, threads := range []int{1, 2} {
			d := newDevice(b, AtLevel(l), Threads(threads))
			for _, k := range gemmShapes {
				b.Run(fmt.Sprintf("%s/t%d/%s", l, threads, k), func(b *testing.B) { benchRates(b, d, k) })
			}
		}
	}
}

// benchRates reports the rates of the fastest of many runs and, at one thread, the share of the measured peak.
func benchRates(b *testing.B, d *Device, k kernels.Kernel) {
	b.ReportAllocs()
	e, err := d.Prepare(k)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var args []kernels.Arg
	for _, o := range k.Operands() {
		m, err := kernels.AllocHost(o.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		a := m.Arg(0, o.Bytes())
		if o.Type == kernels.F32 {
			copy(kernels.Slice[float32](a), normal[float32](r, o.Elems()))
		} else {
			copy(kernels.Slice[float64](a), normal[float64](r, o.Elems()))
		}
		args = append(args, a)
	}
	m, err := kernels.AllocHost(e.Workspace())
	if err != nil {
		b.Fatal(err)
	}
	work, cost := m.Arg(0, e.Workspace()), k.Cost()
	inner := max(1, int(1e5/max(float64(cost.FLOPs)/50, float64(cost.Bytes())/50, 1)))
	best := time.Hour
	for b.Loop() {
		t := time.Now()
		for range inner {
			if err := e.Run(args, work); err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, time.Since(t))
	}
	ns := float64(best.Nanoseconds()) / float64(inner)
	peaks := benchPeaks(b, d)
	b.ReportMetric(ns/1e3, "best-µs")
	b.ReportMetric(float64(cost.Bytes())/ns, "GB/s")
	if cost.FLOPs > 0 {
		b.ReportMetric(float64(cost.FLOPs)/ns, "GFLOP/s")
		peak := peaks.F32
		if k.Operands()[0].Type == kernels.F64 {
			peak = peaks.F64
		}
		b.ReportMetric(float64(cost.FLOPs)/ns/peak, "of-peak")
	}
}

// benchPeaks measures a device's peaks once a level and number of threads.
func benchPeaks(b *testing.B, d *Device) Peaks {
	key := [2]int{int(d.Level()), d.Threads()}
	p, ok := measuredPeaks[key]
	if !ok {
		var err error
		if p, err = MeasurePeaks(d.Level(), d.Threads()); err != nil {
			b.Fatal(err)
		}
		measuredPeaks[key] = p
	}
	return p
}

var measuredPeaks = map[[2]int]Peaks{}
