package search

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// Strategy proposes candidates and learns from their results. It is used by one goroutine at a time.
type Strategy interface {
	// Ask proposes the candidate of a trial, drawing randomness from q.Rand only. It returns ErrExhausted where the space has no
	// candidate left that the strategy has not asked for.
	Ask(q Question) (Proposal, error)
	// Tell gives the result of a trial that the strategy asked for. Trials are told in the order of their numbers.
	Tell(t Told) error
	// State is all that the strategy knows, as JSON; Restore takes it back, into a strategy made with the same options.
	State() (json.RawMessage, error)
	Restore(state json.RawMessage) error
}

// ErrExhausted says that every candidate of the space has been asked for.
var ErrExhausted = errors.New("every candidate of the space has been asked for")

// Question is what a strategy is given to make a proposal.
type Question struct {
	Number int
	Rand   *rand.Rand // the trial's own substream
	// Seen says whether the strategy has asked for a candidate before.
	Seen func(space.Candidate) bool
}

// Proposal is a candidate and where it comes from.
type Proposal struct {
	Candidate space.Candidate
	Note      Note
}

// Note says where a candidate comes from.
type Note struct {
	By      string `json:"by,omitempty"`      // the strategy
	How     string `json:"how,omitempty"`     // random, mutation, crossover, neighbour, …
	Parents []int  `json:"parents,omitempty"` // trial numbers
}

// Told is a judged trial and its candidate.
type Told struct {
	Point
	Candidate space.Candidate `json:"candidate"`
}

// substream is the generator of one trial and purpose. Streams of different trials are independent, so that a trial's randomness does not
// depend on how much others drew.
func substream(seed uint64, purpose string, trial int) *rand.Rand {
	b := binary.LittleEndian.AppendUint64([]byte("palladio study\x00"), seed)
	b = binary.LittleEndian.AppendUint64(b, uint64(trial))
	return rand.New(rand.NewChaCha8(sha256.Sum256(append(b, purpose...))))
}

// fresh draws until a candidate comes that has not been asked for. A finite space that gives none for long is enumerated.
func fresh(s *space.Space, q Question, draw func() (space.Candidate, error)) (space.Candidate, error) {
	for try := range 150 {
		c, err := draw()
		if try >= 100 { // whatever draws is stuck among known candidates
			c, err = s.Sample(q.Rand)
		}
		if err != nil {
			return c, err
		}
		if !q.Seen(c) {
			return c, nil
		}
	}
	if s.Size() > 200_000 {
		return s.Sample(q.Rand)
	}
	var left []space.Candidate
	for c, err := range s.All() {
		if err != nil {
			return c, err
		}
		if !q.Seen(c) {
			left = append(left, c)
		}
	}
	if len(left) == 0 {
		return space.Candidate{}, ErrExhausted
	}
	return left[q.Rand.IntN(len(left))], nil
}

// StrategyFactory makes a strategy from the options of a study file; complaints about them go to the file.
type StrategyFactory func(s *space.Space, options spec.Value) Strategy

var strategies = map[string]StrategyFactory{}

// RegisterStrategy makes a strategy known to study files. Registering a name twice is a programming error.
func RegisterStrategy(name string, f StrategyFactory) {
	if _, dup := strategies[name]; dup {
		panic("strategy registered twice: " + name)
	}
	strategies[name] = f
}

// Strategies lists the names that study files may use.
func Strategies() []string {
	var names []string
	for n := range strategies {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// toldJSON is how strategies save trials: the candidate as its text.
type toldJSON struct {
	Point
	Candidate json.RawMessage `json:"candidate"`
}

// restoreTold reads saved trials back.
func restoreTold(s *space.Space, saved []toldJSON) ([]Told, error) {
	out := make([]Told, len(saved))
	for i, t := range saved {
		c, err := s.Parse(t.Candidate)
		if err != nil {
			return nil, fmt.Errorf("trial %d of the saved state: %w", t.Number, err)
		}
		out[i] = Told{t.Point, c}
	}
	return out, nil
}

func points(ts []Told) []Point {
	out := make([]Point, len(ts))
	for i, t := range ts {
		out[i] = t.Point
	}
	return out
}
