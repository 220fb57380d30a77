package search

import (
	"fmt"
	"slices"

	"palladio/engine/search/ledger"
	"palladio/engine/search/spec"
)

// Stopping decides whether a running trial is worth going on. It must be a function of its arguments alone.
type Stopping interface {
	// Stop is asked after a trial's step. own is the cost that the trial reports; peers are the costs that its peers reported for the same
	// step, none where they did not get there.
	Stop(step int, own float64, peers []float64) bool
	fmt.Stringer
}

// Peers are the finished trials that a running one is compared with: those that are no worse in every objective that is known of both (a
// small network is not compared with a large one where size is an objective too). Only they say that the trial cannot reach
// the front.
func peerCosts(g Goals, step int, own Metrics, objective Objective, trials []ledger.Trial) []float64 {
	var out []float64
	for _, t := range trials {
		if t.State == ledger.Failed {
			continue
		}
		i := slices.IndexFunc(t.Reports, func(r ledger.Report) bool { return r.Step == step })
		if i < 0 {
			continue
		}
		there, ok := t.Reports[i].Metrics[objective.Metric]
		if !ok || !noWorseElsewhere(g, t.Reports[i].Metrics, own, objective) {
			continue
		}
		out = append(out, objective.cost(there))
	}
	return out
}

func noWorseElsewhere(g Goals, peer, own Metrics, but Objective) bool {
	for _, o := range g.Objectives {
		a, known := peer[o.Metric]
		b, ours := own[o.Metric]
		if o != but && known && ours && o.cost(a) > o.cost(b) {
			return false
		}
	}
	return true
}

// Median stops a trial whose cost after a step is worse than the median of its peers' (the median rule of Golovin et al., Google Vizier,
// KDD 2017, by the value of the step), from step From on, once there are Peers peers.
type Median struct{ From, Peers int }

// Stop compares with the median.
func (m Median) Stop(step int, own float64, peers []float64) bool {
	if step < m.From || len(peers) < max(m.Peers, 1) {
		return false
	}
	s := slices.Sorted(slices.Values(peers))
	median := (s[(len(s)-1)/2] + s[len(s)/2]) / 2
	return own > median
}

func (m Median) String() string {
	return fmt.Sprintf("median of at least %d peers, from step %d", m.Peers, m.From)
}

// Halving is asynchronous successive halving (Li et al., MLSys 2020, in its stopping form): at steps First, First·Factor, First·Factor² … a
// trial goes on only if it is among the best 1/Factor of itself and its peers.
type Halving struct{ First, Factor int }

// Stop looks at the rungs.
func (h Halving) Stop(step int, own float64, peers []float64) bool {
	rung := max(h.First, 1)
	for rung < step {
		rung *= max(h.Factor, 2)
	}
	if rung != step || len(peers)+1 < h.Factor {
		return false
	}
	better := 0
	for _, p := range peers {
		if p < own {
			better++
		}
	}
	return better >= max((len(peers)+1)/h.Factor, 1)
}

func (h Halving) String() string {
	return fmt.Sprintf("successive halving by %d, from step %d", h.Factor, h.First)
}

// readStopping reads `early_stopping: {rule: median, from: 1, peers: 5}` or `{rule: halving, first: 1, factor: 3}`.
func readStopping(v spec.Value) Stopping {
	if !v.Present() {
		return nil
	}
	if v.Scalar() {
		switch v.Text("", "none", "median", "halving") {
		case "median":
			return Median{1, 5}
		case "halving":
			return Halving{1, 3}
		}
		return nil
	}
	rule := ""
	for _, e := range v.Entries() {
		if e.Key == "rule" {
			rule = e.Value.Text("", "median", "halving")
		}
	}
	switch rule {
	case "median":
		f := v.Fields("rule", "from", "peers")
		return Median{f[1].Int(1, 1, 1<<30), f[2].Int(5, 1, 1<<30)}
	case "halving":
		f := v.Fields("rule", "first", "factor")
		return Halving{f[1].Int(1, 1, 1<<20), f[2].Int(3, 2, 100)}
	}
	v.Fail("want none, median, halving, or a mapping with rule: median or halving")
	return nil
}
