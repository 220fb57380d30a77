package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// workload is something that contenders can be timed at.
type workload interface {
	// label names the row.
	label() string
	// request is the workload in the rivals' protocol, without the time budget.
	request() string
	// flops is the work of one call by the standard count.
	flops() int64
}

// trafficked is a workload whose rate is bytes a second.
type trafficked interface {
	// bytes is the traffic of one call by the standard count.
	bytes() int64
}

// Timing is one contender's result on one workload.
type Timing struct {
	Seconds  float64 `json:"seconds"` // median over the rounds
	Fastest  float64 `json:"fastest"`
	Slowest  float64 `json:"slowest"`
	GFLOPS   float64 `json:"gflops,omitempty"` // at the median
	GBs      float64 `json:"gbs,omitempty"`    // GB/s of the standard traffic, where the row counts that
	checksum float64
}

// Row is one workload with everybody's timing; a contender that does not offer it is absent.
type Row struct {
	Case  string `json:"case"`
	FLOPs int64  `json:"flops,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	// PeakShare is our rate as a share of what the GPU was measured to reach: of the copy rate where bytes count, else of multiply-adds on registers.
	PeakShare float64           `json:"peak_share,omitempty"`
	Timings   map[string]Timing `json:"timings"`
}

// settings of a run.
type settings struct {
	rounds int
	budget time.Duration // a contender, workload and round
}

// checksumTolerance is how far the mean of |output| may differ between contenders.
const checksumTolerance = 2e-3

// measureAll lets the contenders take turns at each workload.
func measureAll(ctx context.Context, contenders []contender, works []workload, s settings, progress func(string)) ([]Row, error) {
	var rows []Row
	for _, w := range works {
		progress(w.label())
		r, err := measureRow(ctx, contenders, w, s)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func measureRow(ctx context.Context, contenders []contender, w workload, s settings) (Row, error) {
	row := Row{Case: w.label(), FLOPs: w.flops(), Timings: map[string]Timing{}}
	if t, ok := w.(trafficked); ok {
		row.Bytes = t.bytes()
	}
	seconds := map[string][]float64{}
	for round := range s.rounds {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)] // nobody is always first
			if past := seconds[c.name()]; len(past) > 0 && past[0] > 10*s.budget.Seconds() {
				continue // too slow for another turn
			}
			if err := ctx.Err(); err != nil {
				return row, err
			}
			sec, sum, err := c.measure(ctx, w, s.budget)
			if errors.Is(err, errNotOffered) {
				continue
			}
			if err != nil {
				return row, err
			}
			seconds[c.name()] = append(seconds[c.name()], sec)
			row.Timings[c.name()] = Timing{checksum: sum}
		}
	}
	for name, all := range seconds {
		slices.Sort(all)
		t := Timing{Seconds: median(all), Fastest: all[0], Slowest: all[len(all)-1], checksum: row.Timings[name].checksum}
		if row.FLOPs > 0 {
			t.GFLOPS = float64(row.FLOPs) / t.Seconds / 1e9
		}
		t.GBs = float64(row.Bytes) / t.Seconds / 1e9
		row.Timings[name] = t
	}
	return row, row.verify(contenders)
}

// verify says whether all contenders computed the same. Training losses depend on random weights and are not compared.
func (r Row) verify(contenders []contender) error {
	if r.FLOPs == 0 && r.Bytes == 0 { // a training step
		return nil
	}
	want := math.NaN()
	for _, c := range contenders {
		t, ok := r.Timings[c.name()]
		if !ok || t.checksum == 0 {
			continue
		}
		if math.IsNaN(want) {
			want = t.checksum
		}
		if !(math.Abs(t.checksum-want) <= checksumTolerance*math.Abs(want)) {
			return fmt.Errorf("%s: %s computes a mean |output| of %v, %s of %v", r.Case, contenders[0].name(), want, c.name(), t.checksum)
		}
	}
	return nil
}

// best is the fastest of the named contenders' medians and whose it is; 0 if none of them offers the workload.
func (r Row) best(names ...string) (seconds float64, who string) {
	for _, n := range names {
		if t, ok := r.Timings[n]; ok && (who == "" || t.Seconds < seconds) {
			seconds, who = t.Seconds, n
		}
	}
	return seconds, who
}

// ratio is the speed of ours relative to the best of the rivals; 0 if there is nothing to compare.
func (r Row) ratio(ours string, rivals ...string) float64 {
	t, ok := r.Timings[ours]
	best, who := r.best(rivals...)
	if !ok || who == "" {
		return 0
	}
	return best / t.Seconds
}

// median of sorted numbers.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// geomean is the geometric mean; 0 of nothing.
func geomean(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := 0.0
	for _, x := range xs {
		s += math.Log(x)
	}
	return math.Exp(s / float64(len(xs)))
}

// timeCalls times call for about budget in up to 64 equal bursts and returns the median seconds of one call; the rivals do likewise.
func timeCalls(ctx context.Context, budget time.Duration, call func() error) (float64, error) {
	if err := call(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := call(); err != nil {
		return 0, err
	}
	once := time.Since(start)
	if once > 2*budget { // too slow for a burst; the rounds repeat it
		return once.Seconds(), nil
	}
	burst := max(1, int(budget/16/max(once, 1)))
	var times []float64
	for start = time.Now(); len(times) < 64 && (len(times) < 3 || time.Since(start) < budget); {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		t := time.Now()
		for range burst {
			if err := call(); err != nil {
				return 0, err
			}
		}
		times = append(times, time.Since(t).Seconds()/float64(burst))
	}
	slices.Sort(times)
	return median(times), nil
}
