package search

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Synthetic is a problem with a known front, to judge strategies and to try studies out: ZDT1 (Zitzler, Deb, Thiele 2000) on whole numbers.
// With x_i = parameter i / 100: f1 = x_0, f2 = g (1 - sqrt(f1/g)), g = 1 + 9 mean(x_1 …). The front is x_1 = … = 0.
// It reports Steps times, each step nearer to the final f2.
type Synthetic struct {
	Dimensions, Steps int
	Delay             time.Duration // of a step
}

func init() {
	RegisterProblem("zdt1", func(v spec.Value) Problem {
		f := v.Fields("kind", "dimensions", "steps", "delay_ms")
		return Synthetic{f[1].Int(5, 2, 30), f[2].Int(3, 1, 100), time.Duration(f[3].Int(0, 0, 60_000)) * time.Millisecond}
	})
}

// Params are x0, x1, …
func (s Synthetic) Params() []space.Param {
	var ps []space.Param
	for i := range s.Dimensions {
		ps = append(ps, space.Param{Name: fmt.Sprintf("x%d", i), Domain: space.Int{Lo: 0, Hi: 100}})
	}
	return ps
}

// Derived has the sum of the parameters.
func (s Synthetic) Derived() space.Derived {
	return space.Derived{Names: []string{"total"}, Of: func(c space.Candidate) (map[string]float64, error) {
		sum := 0.0
		for i := range s.Dimensions {
			v, _ := c.Get(fmt.Sprintf("x%d", i))
			sum += float64(v.(int))
		}
		return map[string]float64{"total": sum}, nil
	}}
}

// Metrics are f1 and f2.
func (s Synthetic) Metrics() []Metric { return []Metric{{Name: "f1"}, {Name: "f2"}} }

// Prepare needs nothing.
func (s Synthetic) Prepare(context.Context, json.RawMessage) (json.RawMessage, error) {
	return nil, nil
}

// Evaluate computes f1 and f2.
func (s Synthetic) Evaluate(ctx context.Context, job Job, report func(int, Metrics) error) (Metrics, error) {
	x := func(i int) float64 {
		v, _ := job.Candidate.Get(fmt.Sprintf("x%d", i))
		return float64(v.(int)) / 100
	}
	mean := 0.0
	for i := 1; i < s.Dimensions; i++ {
		mean += x(i) / float64(s.Dimensions-1)
	}
	g := 1 + 9*mean
	m := Metrics{"f1": x(0), "f2": g * (1 - math.Sqrt(x(0)/g))}
	for step := 1; step <= s.Steps; step++ {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.Delay):
		}
		if err := report(step, Metrics{"f1": m["f1"], "f2": m["f2"] + 1/float64(step)}); err != nil {
			return nil, err
		}
	}
	return m, nil
}
