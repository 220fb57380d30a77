package search

import (
	"encoding/json"
	"fmt"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Evolution is regularised evolution (Real, Aggarwal, Huang, Le: Regularized Evolution for Image Classifier Architecture Search, AAAI 2019):
// a queue of Population trials; each step draws Sample of them with replacement, mutates the best, and lets the oldest die.
// With several objectives the best is the least crowded of the sample's first front. Failed trials never enter the queue.
type Evolution struct {
	space   *space.Space
	options EvolutionOptions
	asked   int
	queue   []Told
}

// EvolutionOptions are the sizes; zero values mean 50 and 10.
type EvolutionOptions struct{ Population, Sample int }

// NewEvolution makes a regularised evolution.
func NewEvolution(s *space.Space, o EvolutionOptions) *Evolution {
	if o.Population == 0 {
		o.Population = 50
	}
	if o.Sample == 0 {
		o.Sample = min(10, o.Population)
	}
	return &Evolution{space: s, options: o}
}

func init() {
	RegisterStrategy("evolution", func(s *space.Space, v spec.Value) Strategy {
		f := v.Fields("name", "population", "sample")
		p := f[1].Int(50, 2, 100_000)
		return NewEvolution(s, EvolutionOptions{p, f[2].Int(min(10, p), 1, p)})
	})
}

// Ask mutates the best of a sample, or draws one of the first Population candidates.
func (e *Evolution) Ask(q Question) (Proposal, error) {
	if e.asked < e.options.Population || len(e.queue) == 0 {
		c, err := fresh(e.space, q, func() (space.Candidate, error) { return e.space.Sample(q.Rand) })
		if err == nil {
			e.asked++
		}
		return Proposal{c, Note{By: "evolution", How: "random"}}, err
	}
	sample := make([]Told, e.options.Sample)
	for i := range sample {
		sample[i] = e.queue[q.Rand.IntN(len(e.queue))]
	}
	parent := sample[fittest(points(sample))]
	c, err := fresh(e.space, q, func() (space.Candidate, error) { return e.space.Mutate(q.Rand, parent.Candidate) })
	if err == nil {
		e.asked++
	}
	return Proposal{c, Note{By: "evolution", How: "mutation", Parents: []int{parent.Number}}}, err
}

// fittest is the least crowded point of the first front, the earliest of equals.
func fittest(ps []Point) int {
	front := Fronts(ps)[0]
	best, distance := 0, Crowding(ps, front)
	for i, d := range distance {
		if d > distance[best] {
			best = i
		}
	}
	return front[best]
}

// Tell adds a trial to the queue and drops the oldest beyond its size.
func (e *Evolution) Tell(t Told) error {
	if t.Failed() {
		return nil
	}
	e.queue = append(e.queue, t)
	if n := len(e.queue) - e.options.Population; n > 0 {
		e.queue = e.queue[n:]
	}
	return nil
}

type evolutionState struct {
	Asked int        `json:"asked"`
	Queue []toldJSON `json:"queue,omitempty"`
}

// State saves the queue.
func (e *Evolution) State() (json.RawMessage, error) {
	return json.Marshal(struct {
		Asked int    `json:"asked"`
		Queue []Told `json:"queue,omitempty"`
	}{e.asked, e.queue})
}

// Restore takes the queue back.
func (e *Evolution) Restore(b json.RawMessage) error {
	var s evolutionState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("evolution: %w", err)
	}
	queue, err := restoreTold(e.space, s.Queue)
	if err != nil {
		return fmt.Errorf("evolution: %w", err)
	}
	e.asked, e.queue = s.Asked, queue
	return nil
}
