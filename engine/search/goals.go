package search

import (
	"fmt"
	"math"
	"slices"
)

// Metrics are the named results of a trial.
type Metrics = map[string]float64

// Metric describes a result that an evaluator gives.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	Text string `json:"text,omitempty"` // one line for reports
}

// Objective is a metric to make large or small.
type Objective struct {
	Metric   string `json:"metric"`
	Maximise bool   `json:"maximise"`
}

func (o Objective) String() string {
	if o.Maximise {
		return "maximise " + o.Metric
	}
	return "minimise " + o.Metric
}

// cost turns a metric's value into one to minimise.
func (o Objective) cost(v float64) float64 {
	if o.Maximise {
		return -v
	}
	return v
}

// Limit is a hard constraint on a metric that only the evaluation shows. What can be known before belongs into the space's constraints,
// so that no trial is spent on it.
type Limit struct {
	Metric  string  `json:"metric"`
	AtLeast bool    `json:"at_least"` // else at most
	Bound   float64 `json:"bound"`
}

func (l Limit) String() string {
	if l.AtLeast {
		return fmt.Sprintf("%s >= %v", l.Metric, l.Bound)
	}
	return fmt.Sprintf("%s <= %v", l.Metric, l.Bound)
}

// Goals say which metrics a study wants how.
type Goals struct {
	Objectives []Objective `json:"objectives"`
	Limits     []Limit     `json:"limits,omitempty"`
}

// Costs are the objectives as values to minimise. A metric that is missing or not finite is an error.
func (g Goals) Costs(m Metrics) ([]float64, error) {
	out := make([]float64, len(g.Objectives))
	for i, o := range g.Objectives {
		v, ok := m[o.Metric]
		if !ok {
			return nil, fmt.Errorf("the evaluation gave no %s", o.Metric)
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the evaluation gave %s = %v", o.Metric, v)
		}
		out[i] = o.cost(v)
	}
	return out, nil
}

// Violation is the sum over the limits of how far each is missed, relative to its bound; 0 where all hold.
func (g Goals) Violation(m Metrics) float64 {
	sum := 0.0
	for _, l := range g.Limits {
		v, ok := m[l.Metric]
		miss := v - l.Bound
		if l.AtLeast {
			miss = -miss
		}
		if !ok || math.IsNaN(v) {
			return math.MaxFloat64
		}
		if miss > 0 {
			sum += miss / max(math.Abs(l.Bound), 1e-12)
		}
	}
	return sum
}

// Point is a judged trial: what strategies compare.
type Point struct {
	Number    int       `json:"number"`
	Costs     []float64 `json:"costs"` // nil for a failed trial
	Violation float64   `json:"violation,omitempty"`
}

// Failed says whether the trial gave no costs.
func (p Point) Failed() bool { return p.Costs == nil }

// Dominates is constrained domination (Deb et al. 2002, definition 1): a feasible point beats an infeasible one, of two infeasible
// points the lesser violation wins, of two feasible ones the one that is nowhere worse and somewhere better. A failed
// trial loses against every other.
func (p Point) Dominates(q Point) bool {
	switch {
	case p.Failed() || q.Failed():
		return !p.Failed() && q.Failed()
	case p.Violation != q.Violation:
		return p.Violation < q.Violation
	case p.Violation > 0:
		return false
	}
	better := false
	for i, c := range p.Costs {
		if c > q.Costs[i] {
			return false
		}
		better = better || c < q.Costs[i]
	}
	return better
}

// Better is a total choice between two points: domination first, then the first objective on which they differ.
func (p Point) Better(q Point) bool {
	if p.Dominates(q) {
		return true
	}
	if q.Dominates(p) || p.Failed() || q.Failed() {
		return false
	}
	return slices.Compare(p.Costs, q.Costs) < 0
}

// Fronts sorts points into non-dominated fronts (Deb et al. 2002, fast non-dominated sort): the first holds those that nothing
// dominates, the next those that only the first dominates, and so on. It returns indices, ascending within a front.
func Fronts(ps []Point) [][]int {
	dominated := make([][]int, len(ps)) // dominated[i]: whom i dominates
	above := make([]int, len(ps))       // by how many i is dominated
	for i, p := range ps {
		for j := i + 1; j < len(ps); j++ {
			switch {
			case p.Dominates(ps[j]):
				dominated[i] = append(dominated[i], j)
				above[j]++
			case ps[j].Dominates(p):
				dominated[j] = append(dominated[j], i)
				above[i]++
			}
		}
	}
	var front []int
	for i, n := range above {
		if n == 0 {
			front = append(front, i)
		}
	}
	var out [][]int
	for len(front) > 0 {
		out = append(out, front)
		var next []int
		for _, i := range front {
			for _, j := range dominated[i] {
				if above[j]--; above[j] == 0 {
					next = append(next, j)
				}
			}
		}
		slices.Sort(next)
		front = next
	}
	return out
}

// Crowding is the crowding distance (Deb et al. 2002) of each of the given points within their front: the normalised side lengths of the box
// between the neighbours along each objective, infinite at the ends.
func Crowding(ps []Point, front []int) []float64 {
	out := make([]float64, len(front))
	if len(front) == 0 || ps[front[0]].Failed() {
		return out
	}
	order := make([]int, len(front))
	for k := range ps[front[0]].Costs {
		for i := range order {
			order[i] = i
		}
		at := func(i int) float64 { return ps[front[order[i]]].Costs[k] }
		slices.SortStableFunc(order, func(a, b int) int {
			switch x, y := ps[front[a]].Costs[k], ps[front[b]].Costs[k]; {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		})
		last := len(order) - 1
		span := at(last) - at(0)
		out[order[0]], out[order[last]] = math.Inf(1), math.Inf(1)
		if span == 0 {
			continue
		}
		for i := 1; i < last; i++ {
			out[order[i]] += (at(i+1) - at(i-1)) / span
		}
	}
	return out
}

// Hypervolume is the volume that the points dominate below a reference point of costs (Zitzler & Thiele 1999), by slicing along the last
// objective. Points that are failed, infeasible or beyond the reference add nothing.
func Hypervolume(ps []Point, reference []float64) float64 {
	var set [][]float64
	for _, p := range ps {
		if !p.Failed() && p.Violation == 0 && below(p.Costs, reference) {
			set = append(set, p.Costs)
		}
	}
	return slice(set, reference)
}

func below(costs, reference []float64) bool {
	for i, c := range costs {
		if c >= reference[i] {
			return false
		}
	}
	return true
}

func slice(set [][]float64, reference []float64) float64 {
	if len(set) == 0 {
		return 0
	}
	k := len(reference) - 1
	if k == 0 {
		best := reference[0]
		for _, c := range set {
			best = min(best, c[0])
		}
		return reference[0] - best
	}
	sorted := slices.Clone(set)
	slices.SortStableFunc(sorted, func(a, b []float64) int { return slices.Compare(a[k:k+1], b[k:k+1]) })
	volume := 0.0
	for i := range sorted {
		top := reference[k]
		if i+1 < len(sorted) {
			top = sorted[i+1][k]
		}
		if depth := top - sorted[i][k]; depth > 0 {
			volume += depth * slice(sorted[:i+1], reference[:k])
		}
	}
	return volume
}
