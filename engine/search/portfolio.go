package search

import (
	"encoding/json"
	"fmt"
	"maps"

	"palladio/engine/search/space"
)

// Portfolio runs several strategies side by side on one budget: trial n belongs to member n mod len(Members). Members do not see each
// other's trials, so that their results can be compared.
type Portfolio struct {
	members []Strategy
	seen    []map[string]bool // by candidate hash, a member each
}

// NewPortfolio makes a portfolio of at least one member.
func NewPortfolio(members ...Strategy) *Portfolio {
	p := &Portfolio{members: members, seen: make([]map[string]bool, len(members))}
	for i := range p.seen {
		p.seen[i] = map[string]bool{}
	}
	return p
}

// Ask asks the trial's member.
func (p *Portfolio) Ask(q Question) (Proposal, error) {
	i := q.Number % len(p.members)
	q.Seen = func(c space.Candidate) bool { return p.seen[i][c.Hash()] }
	a, err := p.members[i].Ask(q)
	if err == nil {
		p.seen[i][a.Candidate.Hash()] = true
	}
	return a, err
}

// Tell tells the trial's member.
func (p *Portfolio) Tell(t Told) error { return p.members[t.Number%len(p.members)].Tell(t) }

type portfolioState struct {
	Members []json.RawMessage `json:"members"`
	Seen    []map[string]bool `json:"seen"`
}

// State is the members' states.
func (p *Portfolio) State() (json.RawMessage, error) {
	s := portfolioState{Seen: p.seen}
	for _, m := range p.members {
		b, err := m.State()
		if err != nil {
			return nil, err
		}
		s.Members = append(s.Members, b)
	}
	return json.Marshal(s)
}

// Restore restores the members.
func (p *Portfolio) Restore(b json.RawMessage) error {
	var s portfolioState
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("portfolio: %w", err)
	}
	if len(s.Members) != len(p.members) || len(s.Seen) != len(p.members) {
		return fmt.Errorf("portfolio: saved with %d strategies, restored with %d", len(s.Members), len(p.members))
	}
	for i, m := range p.members {
		if err := m.Restore(s.Members[i]); err != nil {
			return err
		}
		p.seen[i] = map[string]bool{}
		maps.Copy(p.seen[i], s.Seen[i])
	}
	return nil
}
