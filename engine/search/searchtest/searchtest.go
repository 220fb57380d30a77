// Package searchtest is the contract that every strategy meets. A strategy's own test calls Run.
package searchtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"palladio/engine/search"
	"palladio/engine/search/space"
)

// Run runs the contract; fresh makes a strategy, always with the same options.
func Run(t *testing.T, fresh func(s *space.Space) search.Strategy) {
	for _, objectives := range []int{1, 2, 3} {
		for _, lag := range []int{1, 7} {
			t.Run(fmt.Sprintf("%d objectives, lag %d", objectives, lag), func(t *testing.T) {
				w := world{space: network(t), objectives: objectives, lag: lag, failEvery: 1 << 30}
				t.Run("AsksForFeasibleCandidates", func(t *testing.T) { feasible(t, w, fresh) })
				t.Run("IsDeterministic", func(t *testing.T) { deterministic(t, w, fresh) })
				t.Run("ResumesEqually", func(t *testing.T) { resumes(t, w, fresh) })
				t.Run("BearsFailures", func(t *testing.T) {
					for _, every := range []int{1, 2} {
						w.failEvery = every
						feasible(t, w, fresh)
						resumes(t, w, fresh)
					}
				})
			})
		}
	}
	t.Run("ExhaustsASmallSpace", func(t *testing.T) { exhausts(t, fresh) })
	t.Run("ReportsAnEmptySpace", func(t *testing.T) { empty(t, fresh) })
	t.Run("RefusesAForeignState", func(t *testing.T) { foreign(t, fresh) })
}

// network is a nested, conditional, constrained space.
func network(t *testing.T) *space.Space {
	t.Helper()
	when, err := space.NewCondition(`block == "mbconv"`, []string{"block"})
	if err != nil {
		t.Fatal(err)
	}
	stage := space.Record{Params: []space.Param{
		{Name: "block", Domain: space.Choice{Values: []any{"plain", "mbconv"}}},
		{Name: "width", Domain: space.Int{Lo: 8, Hi: 64, Step: 8}},
		{Name: "expansion", Domain: space.Int{Lo: 2, Hi: 6}, When: when},
	}}
	s, err := space.New(
		space.Param{Name: "stem", Domain: space.Int{Lo: 4, Hi: 32, Step: 4}},
		space.Param{Name: "rate", Domain: space.Float{Lo: 1e-4, Hi: 1e-1, Log: true}},
		space.Param{Name: "resolution", Domain: space.Choice{Values: []any{8, 12, 16}, Ordered: true}},
		space.Param{Name: "stages", Domain: space.List{Of: stage, Min: 1, Max: 3}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"sum(stages, .width) <= 120", "stages[0].width >= stem"} {
		if err := s.RequireExpression(e); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// world is a made-up evaluation of the network space.
type world struct {
	space           *space.Space
	objectives, lag int
	failEvery       int // trial n fails where n is a multiple
}

func (w world) judge(t *testing.T, n int, c space.Candidate) search.Told {
	t.Helper()
	if n%w.failEvery == 0 {
		return search.Told{Point: search.Point{Number: n}, Candidate: c}
	}
	var g struct {
		Stem, Resolution int
		Rate             float64
		Stages           []struct {
			Block            string
			Width, Expansion int
		}
	}
	if err := c.Decode(&g); err != nil {
		t.Fatal(err)
	}
	size := float64(g.Stem * g.Resolution)
	for _, s := range g.Stages {
		size += float64(s.Width * (1 + s.Expansion))
	}
	p := search.Point{Number: n, Costs: []float64{1000 / size, size, g.Rate}[:w.objectives]}
	if g.Resolution == 8 {
		p.Violation = 1 / size
	}
	return search.Told{Point: p, Candidate: c}
}

// player plays a strategy in the schedule of a study.
type player struct {
	world
	s    search.Strategy
	told []search.Told
	seen map[string]bool
	log  []string
}

func (w world) play(s search.Strategy) *player {
	return &player{world: w, s: s, seen: map[string]bool{}}
}

func (p *player) step(t *testing.T) (search.Proposal, error) {
	t.Helper()
	n := len(p.told)
	if k := n - p.lag; k >= 0 {
		if err := p.s.Tell(p.told[k]); err != nil {
			t.Fatal(err)
		}
	}
	a, err := p.s.Ask(search.Question{
		Number: n,
		Rand:   rand.New(rand.NewPCG(42, uint64(n))),
		Seen:   func(c space.Candidate) bool { return p.seen[c.Hash()] },
	})
	if err != nil {
		return a, err
	}
	p.seen[a.Candidate.Hash()] = true
	p.told = append(p.told, p.judge(t, n, a.Candidate))
	p.log = append(p.log, fmt.Sprint(a.Candidate, a.Note))
	return a, nil
}

func (p *player) steps(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := p.step(t); err != nil {
			t.Fatalf("trial %d: %v", len(p.told), err)
		}
	}
}

func feasible(t *testing.T, w world, fresh func(*space.Space) search.Strategy) {
	p := w.play(fresh(w.space))
	for n := range 150 {
		a, err := p.step(t)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := w.space.Feasible(a.Candidate); !ok || err != nil {
			t.Fatalf("trial %d: %s is not feasible (%v)", n, a.Candidate, err)
		}
		if _, err := w.space.Parse([]byte(a.Candidate.String())); err != nil {
			t.Fatalf("trial %d: %v", n, err)
		}
		if a.Note.By == "" || a.Note.How == "" {
			t.Fatalf("trial %d does not say where it comes from: %+v", n, a.Note)
		}
		for _, parent := range a.Note.Parents {
			if parent < 0 || parent > n-w.lag {
				t.Fatalf("trial %d names parent %d, whose result it cannot know", n, parent)
			}
		}
	}
}

func deterministic(t *testing.T, w world, fresh func(*space.Space) search.Strategy) {
	a, b := w.play(fresh(w.space)), w.play(fresh(w.space))
	a.steps(t, 100)
	b.steps(t, 100)
	equal(t, a, b)
}

func equal(t *testing.T, a, b *player) {
	t.Helper()
	for i := range a.log {
		if a.log[i] != b.log[i] {
			t.Fatalf("trial %d differs:\n%s\n%s", i, a.log[i], b.log[i])
		}
	}
}

// resumes moves the strategy's state to a new one after every few trials.
func resumes(t *testing.T, w world, fresh func(*space.Space) search.Strategy) {
	whole, parts := w.play(fresh(w.space)), w.play(fresh(w.space))
	whole.steps(t, 100)
	for range 20 {
		parts.steps(t, 5)
		state, err := parts.s.State()
		if err != nil {
			t.Fatal(err)
		}
		parts.s = fresh(w.space)
		if err := parts.s.Restore(state); err != nil {
			t.Fatal(err)
		}
		again, err := parts.s.State()
		if err != nil || string(again) != string(state) {
			t.Fatalf("the state changes by being restored (%v):\n%s\n%s", err, state, again)
		}
	}
	equal(t, whole, parts)
}

// exhausts wants each candidate of a small space once before ErrExhausted, whatever Seen is used.
func exhausts(t *testing.T, fresh func(*space.Space) search.Strategy) {
	s, err := space.New(space.Param{Name: "a", Domain: space.Int{Lo: 0, Hi: 9}}, space.Param{Name: "b", Domain: space.Choice{Values: []any{"x", "y", "z"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequireExpression(`a != 3`); err != nil {
		t.Fatal(err)
	}
	strategy, seen := fresh(s), map[string]int{}
	for n := range 1000 {
		a, err := strategy.Ask(search.Question{Number: n, Rand: rand.New(rand.NewPCG(1, uint64(n))),
			Seen: func(c space.Candidate) bool { return seen[c.String()] > 0 }})
		if errors.Is(err, search.ErrExhausted) {
			if len(seen) != 27 {
				t.Fatalf("exhausted after %d of 27 candidates", len(seen))
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[a.Candidate.String()]++
		v, _ := a.Candidate.Get("a")
		if err := strategy.Tell(search.Told{Point: search.Point{Number: n, Costs: []float64{float64(v.(int))}}, Candidate: a.Candidate}); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("1000 trials did not exhaust 27 candidates")
}

func empty(t *testing.T, fresh func(*space.Space) search.Strategy) {
	s, err := space.New(space.Param{Name: "a", Domain: space.Int{Lo: 0, Hi: 9}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequireExpression("a > 20"); err != nil {
		t.Fatal(err)
	}
	_, err = fresh(s).Ask(search.Question{Rand: rand.New(rand.NewPCG(1, 1)), Seen: func(space.Candidate) bool { return false }})
	var e *space.EmptyError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an EmptyError", err)
	}
}

func foreign(t *testing.T, fresh func(*space.Space) search.Strategy) {
	s := network(t)
	for _, state := range []string{"", "[", `"x"`} {
		if _, stateless := fresh(s).(*search.Random); stateless {
			return
		}
		if err := fresh(s).Restore([]byte(state)); err == nil {
			t.Errorf("state %q was accepted", state)
		}
	}
}
