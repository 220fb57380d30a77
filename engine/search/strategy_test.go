package search_test

import (
	"math"
	"testing"

	"palladio/engine/search"
	"palladio/engine/search/searchtest"
	"palladio/engine/search/space"
)

func TestContract(t *testing.T) {
	for name, fresh := range map[string]func(*space.Space) search.Strategy{
		"random": func(s *space.Space) search.Strategy { return search.NewRandom(s) },
		"local":  func(s *space.Space) search.Strategy { return search.NewLocal(s) },
		"evolution": func(s *space.Space) search.Strategy {
			return search.NewEvolution(s, search.EvolutionOptions{Population: 12, Sample: 4})
		},
		"nsga2": func(s *space.Space) search.Strategy { return search.NewNSGA2(s, search.NSGA2Options{Population: 12}) },
		"portfolio": func(s *space.Space) search.Strategy {
			return search.NewPortfolio(search.NewEvolution(s, search.EvolutionOptions{Population: 6, Sample: 3}), search.NewNSGA2(s, search.NSGA2Options{Population: 6}), search.NewRandom(s))
		},
	} {
		t.Run(name, func(t *testing.T) { searchtest.Run(t, fresh) })
	}
}

func pts(costs ...[]float64) []search.Point {
	ps := make([]search.Point, len(costs))
	for i, c := range costs {
		ps[i] = search.Point{Number: i, Costs: c}
	}
	return ps
}

func TestFronts(t *testing.T) {
	ps := pts([]float64{1, 4}, []float64{2, 2}, []float64{4, 1}, []float64{3, 3}, []float64{5, 5}, nil, []float64{0, 0}, []float64{2, 2})
	ps[6].Violation = 2 // best costs, but infeasible
	got := search.Fronts(ps)
	want := [][]int{{0, 1, 2, 7}, {3}, {4}, {6}, {5}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for j := range want[i] {
			if got[i][j] != want[i][j] {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	}
}

func TestCrowding(t *testing.T) {
	ps := pts([]float64{0, 4}, []float64{1, 2}, []float64{3, 1}, []float64{4, 0})
	got := search.Crowding(ps, []int{0, 1, 2, 3})
	want := []float64{math.Inf(1), 3.0/4 + 3.0/4, 3.0/4 + 2.0/4, math.Inf(1)}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("distance of %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestHypervolume(t *testing.T) {
	for _, c := range []struct {
		ps   []search.Point
		ref  []float64
		want float64
	}{
		{pts([]float64{1}, []float64{3}), []float64{5}, 4},
		{pts([]float64{1, 3}, []float64{3, 1}), []float64{4, 4}, 3 + 3 - 1},
		{pts([]float64{1, 1}, []float64{2, 2}, []float64{9, 0}), []float64{4, 4}, 9},
		{pts([]float64{0, 0, 1}, []float64{1, 1, 0}), []float64{2, 2, 2}, 4 + 2 - 1},
		{nil, []float64{1, 1}, 0},
	} {
		if got := search.Hypervolume(c.ps, c.ref); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("hypervolume of %v is %v, want %v", c.ps, got, c.want)
		}
	}
}

func TestStoppingRules(t *testing.T) {
	m := search.Median{From: 2, Peers: 3}
	for _, c := range []struct {
		step  int
		own   float64
		peers []float64
		want  bool
	}{{1, 9, []float64{1, 2, 3}, false}, {2, 9, []float64{1, 2}, false}, {2, 2.5, []float64{3, 1, 2}, true}, {2, 2, []float64{3, 1, 2}, false}, {3, 1.6, []float64{1, 2, 1, 2}, true}} {
		if got := m.Stop(c.step, c.own, c.peers); got != c.want {
			t.Errorf("median: step %d, %v against %v: %v", c.step, c.own, c.peers, got)
		}
	}
	h := search.Halving{First: 1, Factor: 3}
	for _, c := range []struct {
		step  int
		own   float64
		peers []float64
		want  bool
	}{{1, 9, []float64{1}, false}, {1, 9, []float64{1, 2}, true}, {1, 1, []float64{2, 3}, false}, {2, 9, []float64{1, 2, 3}, false}, {3, 9, []float64{1, 2, 3, 4, 5}, true}, {9, 1.5, []float64{1, 2, 3, 4, 5}, false}} {
		if got := h.Stop(c.step, c.own, c.peers); got != c.want {
			t.Errorf("halving: step %d, %v against %v: %v", c.step, c.own, c.peers, got)
		}
	}
}
