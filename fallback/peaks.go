package fallback

import (
	"fmt"
	"sync/atomic"
	"time"

	"palladio/kernels"
)

// Peaks are the rates that a CPU reaches in loops that do nothing else: the roof of the roofline model (Williams, Waterman & Patterson,
// Roofline: An Insightful Visual Performance Model, 2009).
type Peaks struct {
	F32   float64 `json:"f32_gflops"`     // fused multiply-adds on registers, GFLOP/s
	F64   float64 `json:"f64_gflops"`     // the same in double precision
	Copy  float64 `json:"copy_gb_per_s"`  // STREAM copy on vectors larger than the caches, GB/s
	Triad float64 `json:"triad_gb_per_s"` // STREAM triad
}

const (
	peakTime     = 1 * time.Millisecond // of one arithmetic trial
	peakTrials   = 25
	streamTrials = 8
)

// MeasurePeaks measures a level's arithmetic peaks and the memory bandwidth on a number of threads, the best of several short
// trials each. It takes under half a second.
func MeasurePeaks(level Level, threads int) (Peaks, error) {
	d, err := New(AtLevel(level), Threads(threads))
	if err != nil {
		return Peaks{}, fmt.Errorf("measuring peaks: %w", err)
	}
	defer d.Close()
	p := Peaks{}
	f32 := d.measureFMA()
	p.F32, p.F64 = f32, f32/2 // a vector holds half as many
	if level == Generic {
		p.F64 = f32 // one at a time
	}
	bytes := min(max(streamCacheBytes()*3, 32<<20), 64<<20) // one vector is larger than the last cache, unless that is huge
	var vectors []kernels.Arg
	for range 3 {
		m, err := d.Alloc(bytes)
		if err != nil {
			return Peaks{}, fmt.Errorf("measuring peaks: %w", err)
		}
		clear(m.Arg(0, bytes).Host) // touch the pages
		vectors = append(vectors, m.Arg(0, bytes))
	}
	if p.Copy, err = d.measureStream(kernels.StreamCopy, vectors[1:]); err != nil {
		return Peaks{}, err
	}
	if p.Triad, err = d.measureStream(kernels.StreamTriad, vectors); err != nil {
		return Peaks{}, err
	}
	return p, nil
}

// fmaTask runs the register loop on each thread: part i is one thread's share, and no thread can take two without the trial
// becoming longer, which then is not the best.
type fmaTask struct {
	loop   func(n int)
	rounds int
}

func (t *fmaTask) part(int, int) { t.loop(t.rounds) }

// measureFMA is the rate of the level's register loop in GFLOP/s.
func (d *Device) measureFMA() float64 {
	loop, perRound := peakLoop(d.level)
	t := &fmaTask{loop: loop, rounds: 1000}
	for start := time.Now(); ; start = time.Now() { // the number of rounds that takes peakTime
		loop(t.rounds)
		if took := time.Since(start); took > peakTime/4 {
			t.rounds = int(float64(t.rounds) * float64(peakTime) / float64(took))
			break
		}
		t.rounds *= 2
	}
	best := time.Duration(1 << 62)
	for range peakTrials {
		start := time.Now()
		d.pool.run(d.pool.threads, t)
		best = min(best, time.Since(start))
	}
	return perRound * float64(t.rounds) * float64(d.pool.threads) / float64(best.Nanoseconds())
}

// measureStream is the rate of a loop of STREAM over vectors, in GB/s.
func (d *Device) measureStream(op kernels.StreamOp, vectors []kernels.Arg) (float64, error) {
	k := kernels.Stream{Op: op, Type: kernels.F32, N: len(vectors[0].Host) / 4, Scalar: 0.5}
	e, err := d.Prepare(k)
	if err != nil {
		return 0, fmt.Errorf("measuring peaks: %w", err)
	}
	best := time.Duration(1 << 62)
	for range streamTrials {
		start := time.Now()
		if err := e.Run(vectors, kernels.Arg{}); err != nil {
			return 0, fmt.Errorf("measuring peaks: %w", err)
		}
		best = min(best, time.Since(start))
	}
	return float64(k.Cost().Bytes()) / float64(best.Nanoseconds()), nil
}

// peakSink keeps the compiler from dropping the loop.
var peakSink atomic.Uint32

// goPeak runs n rounds of 8 multiplications and additions in portable Go: n·16 operations.
func goPeak(n int) {
	var a, b, c, d, e, f, g, h float32
	x, y := float32(0.5), float32(0.25)
	for range n {
		a = a*x + y
		b = b*x + y
		c = c*x + y
		d = d*x + y
		e = e*x + y
		f = f*x + y
		g = g*x + y
		h = h*x + y
	}
	peakSink.Store(uint32(a + b + c + d + e + f + g + h))
}
