package search

import (
	"encoding/json"
	"fmt"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Local is first-improvement local search with restarts: it asks for unseen neighbours of the current trial in random order, moves when one
// is better, and begins again at a random candidate when none is left.
type Local struct {
	space   *space.Space
	round   int         // restarts so far
	current *Told       // nil until the round's first result
	asked   map[int]int // trial without a result: the round it belongs to
}

// NewLocal makes a local search.
func NewLocal(s *space.Space) *Local { return &Local{space: s, asked: map[int]int{}} }

func init() {
	RegisterStrategy("local", func(s *space.Space, v spec.Value) Strategy {
		v.Fields("name")
		return NewLocal(s)
	})
}

// Ask proposes an unseen neighbour, or a new start.
func (l *Local) Ask(q Question) (Proposal, error) {
	if l.current != nil {
		c, found, err := l.neighbour(q)
		if err != nil {
			return Proposal{}, err
		}
		if found {
			l.asked[q.Number] = l.round
			return Proposal{c, Note{By: "local", How: "neighbour", Parents: []int{l.current.Number}}}, nil
		}
		l.current = nil
		l.round++
	}
	c, err := fresh(l.space, q, func() (space.Candidate, error) { return l.space.Sample(q.Rand) })
	if err != nil {
		return Proposal{}, err
	}
	l.asked[q.Number] = l.round
	return Proposal{c, Note{By: "local", How: "start"}}, nil
}

// neighbour draws one of the current trial's unseen neighbours, all equally likely.
func (l *Local) neighbour(q Question) (c space.Candidate, found bool, err error) {
	n := 0
	for x, err := range l.space.Neighbours(l.current.Candidate) {
		if err != nil {
			return x, false, err
		}
		if q.Seen(x) {
			continue
		}
		if n++; q.Rand.IntN(n) == 0 {
			c, found = x, true
		}
	}
	return c, found, nil
}

// Tell moves to a better trial of the running round.
func (l *Local) Tell(t Told) error {
	round, ok := l.asked[t.Number]
	delete(l.asked, t.Number)
	if !ok || round != l.round || t.Failed() {
		return nil
	}
	if l.current == nil || t.Better(l.current.Point) {
		l.current = &t
	}
	return nil
}

// State saves the current trial and the open ones.
func (l *Local) State() (json.RawMessage, error) {
	return json.Marshal(struct {
		Round   int         `json:"round"`
		Current *Told       `json:"current"`
		Asked   map[int]int `json:"asked"`
	}{l.round, l.current, l.asked})
}

// Restore takes them back.
func (l *Local) Restore(b json.RawMessage) error {
	var s struct {
		Round   int         `json:"round"`
		Current *toldJSON   `json:"current"`
		Asked   map[int]int `json:"asked"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	*l = Local{space: l.space, round: s.Round, asked: s.Asked}
	if l.asked == nil {
		l.asked = map[int]int{}
	}
	if s.Current != nil {
		ts, err := restoreTold(l.space, []toldJSON{*s.Current})
		if err != nil {
			return fmt.Errorf("local: %w", err)
		}
		l.current = &ts[0]
	}
	return nil
}
