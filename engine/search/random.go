package search

import (
	"encoding/json"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Random asks for feasible candidates at random, without repetition where the space is finite.
type Random struct{ space *space.Space }

// NewRandom makes a random search.
func NewRandom(s *space.Space) *Random { return &Random{s} }

func init() {
	RegisterStrategy("random", func(s *space.Space, v spec.Value) Strategy {
		v.Fields("name")
		return NewRandom(s)
	})
}

// Ask samples.
func (r *Random) Ask(q Question) (Proposal, error) {
	c, err := fresh(r.space, q, func() (space.Candidate, error) { return r.space.Sample(q.Rand) })
	return Proposal{c, Note{By: "random", How: "random"}}, err
}

// Tell learns nothing.
func (r *Random) Tell(Told) error { return nil }

// State is empty.
func (r *Random) State() (json.RawMessage, error) { return json.RawMessage("{}"), nil }

// Restore does nothing.
func (r *Random) Restore(json.RawMessage) error { return nil }
