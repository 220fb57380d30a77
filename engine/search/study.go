package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"palladio/engine/search/ledger"
	"palladio/engine/search/space"
)

// Study is everything that decides how a search goes. Its fields are set before the first call and not changed after.
type Study struct {
	Name      string
	Seed      uint64
	Space     *space.Space
	Strategy  Strategy
	Evaluator Evaluator
	Goals     Goals
	Stopping  Stopping // nil: every trial is finished
	Budget    Budget
	// Lag is how many trials may be open at once: trial n is proposed from the results of the trials up to n-Lag. At least 1.
	Lag int
	// MaxAttempts fails a trial that was lost so many times (each time with its process): it probably is what kills it. 0 means 5.
	MaxAttempts int
	// Dir holds the trials' files; "" keeps none.
	Dir string

	Source   string          // the study file, for the ledger
	Settings json.RawMessage // what must not change when the study goes on: see file.go
	Machine  json.RawMessage // the fingerprint of the machine that began it
}

// Budget bounds a study; the zero value of a field is no bound.
type Budget struct {
	Trials  int     `json:"trials,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // of wall time, over all runs; trials in flight are finished
}

func (b Budget) String() string {
	var parts []string
	if b.Trials > 0 {
		parts = append(parts, fmt.Sprintf("%d trials", b.Trials))
	}
	if b.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%v s", b.Seconds))
	}
	return strings.Join(parts, " or ")
}

func (s *Study) validate() error {
	switch {
	case s.Name == "":
		return errors.New("study: no name")
	case s.Space == nil || s.Strategy == nil || s.Evaluator == nil:
		return fmt.Errorf("study %s: space, strategy and evaluator must be set", s.Name)
	case len(s.Goals.Objectives) == 0:
		return fmt.Errorf("study %s: no objective", s.Name)
	case s.Budget.Trials <= 0 && s.Budget.Seconds <= 0:
		return fmt.Errorf("study %s: no budget: give a number of trials, of seconds, or both", s.Name)
	case s.Lag < 1:
		return fmt.Errorf("study %s: lag %d: want at least 1", s.Name, s.Lag)
	}
	return nil
}

// open finds the study in the ledger, or creates it. The error says which settings differ where the ledger holds another study of the name.
func (s *Study) open(ctx context.Context, l ledger.Ledger) (ledger.Study, error) {
	saved, err := l.Study(ctx, s.Name)
	if errors.Is(err, ledger.ErrNotFound) {
		if err := s.Space.CheckFeasible(); err != nil {
			return saved, fmt.Errorf("study %s: %w", s.Name, err)
		}
		state, err := s.Strategy.State()
		if err != nil {
			return saved, err
		}
		err = l.Create(ctx, ledger.Study{Name: s.Name, Source: s.Source, Settings: s.Settings, Machine: s.Machine, Progress: ledger.Progress{State: state}})
		if err != nil {
			return saved, err
		}
		return l.Study(ctx, s.Name)
	}
	if err != nil {
		return saved, err
	}
	if d := differences(saved.Settings, s.Settings); len(d) > 0 {
		return saved, fmt.Errorf("study %s was begun with other settings (%s): restore them, or begin a new study in another folder", s.Name, strings.Join(d, "; "))
	}
	return saved, nil
}

// differences names the settings that differ.
func differences(old, now json.RawMessage) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(old, &a) != nil || json.Unmarshal(now, &b) != nil {
		if string(old) != string(now) {
			return []string{"settings"}
		}
		return nil
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var out []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if string(a[k]) != string(b[k]) {
			out = append(out, fmt.Sprintf("%s was %s, is %s", k, short(a[k]), short(b[k])))
		}
	}
	return out
}

func short(b json.RawMessage) string {
	switch s := string(b); {
	case s == "":
		return "absent"
	case len(s) > 80:
		return s[:77] + "…"
	default:
		return s
	}
}

// Judge turns a finished trial into a point.
func (g Goals) Judge(t ledger.Trial) Point {
	p := Point{Number: t.Number}
	if t.State == ledger.Failed {
		return p
	}
	costs, err := g.Costs(t.Metrics)
	if err != nil {
		return p
	}
	p.Costs, p.Violation = costs, g.Violation(t.Metrics)
	return p
}

// Front is the trials that no other dominates, by number. Trials that were stopped early are not in it: their results are not comparable.
func (g Goals) Front(trials []ledger.Trial) []ledger.Trial {
	var done []ledger.Trial
	var ps []Point
	for _, t := range trials {
		if p := g.Judge(t); t.State == ledger.Complete && !p.Failed() && p.Violation == 0 {
			done, ps = append(done, t), append(ps, p)
		}
	}
	if len(ps) == 0 {
		return nil
	}
	var out []ledger.Trial
	for _, i := range Fronts(ps)[0] {
		out = append(out, done[i])
	}
	return out
}

// Winner is the trial of the front that is best in the first objective; of equals, in the next ones.
func (g Goals) Winner(trials []ledger.Trial) (ledger.Trial, bool) {
	front := g.Front(trials)
	if len(front) == 0 {
		return ledger.Trial{}, false
	}
	return slices.MinFunc(front, func(a, b ledger.Trial) int { return slices.Compare(g.Judge(a).Costs, g.Judge(b).Costs) }), true
}
