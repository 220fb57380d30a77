package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"palladio/engine/search/ledger"
	"palladio/engine/search/space"
	"palladio/engine/search/spec"
)

// File is a study file that has been read and checked.
type File struct {
	Name    string
	Problem Problem
	Workers int // what the file suggests; 0 for the machine's number of cores
	study   Study
	members []string
	limits  []string // the constraints, as written
}

// Overrides replace what a file says.
type Overrides struct {
	Seed    *uint64
	Trials  int     // 0: as in the file
	Seconds float64 // 0: as in the file
}

var studyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ReadFile reads a study file; docs/search.md describes it. The error lists every complaint with its line.
func ReadFile(name string, src []byte, o Overrides) (*File, error) {
	doc, err := spec.Parse(name, src)
	if err != nil {
		return nil, err
	}
	v := doc.Root().Fields("study", "seed", "problem", "space", "constraints", "objectives", "strategy", "budget", "lag", "workers", "early_stopping")
	f := &File{}
	f.study = Study{Source: string(src)}
	s := &f.study
	f.Name = v[0].Text("")
	switch {
	case !v[0].Present():
		v[0].Fail("is missing: give the study a name")
	case !studyName.MatchString(f.Name):
		v[0].Fail("%q is no study name: want letters, digits, '.', '_' or '-', at most 64", f.Name)
	}
	s.Name = f.Name
	s.Seed = uint64(v[1].Int(1, 0, 1<<53))
	if o.Seed != nil {
		s.Seed = *o.Seed
	}
	f.Problem = readProblem(v[2])
	s.Budget = readBudget(v[7], o)
	s.Lag = v[8].Int(8, 1, 10_000)
	f.Workers = v[9].Int(0, 1, 10_000)
	s.Stopping = readStopping(v[10])
	if f.Problem == nil {
		return nil, doc.Err()
	}
	s.Evaluator = f.Problem
	s.Goals.Objectives = readObjectives(v[5], f.Problem)
	f.readSpace(v[3], v[4])
	if s.Space != nil {
		s.Strategy = f.readStrategy(v[6])
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return f, s.settings(f)
}

func readProblem(v spec.Value) Problem {
	if !v.Present() {
		v.Fail("is missing: want one of %s", strings.Join(Problems(), ", "))
		return nil
	}
	if v.Scalar() {
		if kind := v.Text("", Problems()...); problems[kind] != nil {
			return problems[kind](spec.Value{})
		}
		return nil
	}
	for _, e := range v.Entries() {
		if e.Key != "kind" {
			continue
		}
		if kind := e.Value.Text("", Problems()...); problems[kind] != nil {
			return problems[kind](v)
		}
		return nil
	}
	if v.Mapping() {
		v.Fail("has no kind: want kind: one of %s", strings.Join(Problems(), ", "))
	}
	return nil
}

func readBudget(v spec.Value, o Overrides) Budget {
	b := Budget{Trials: o.Trials, Seconds: o.Seconds}
	if v.Present() {
		f := v.Fields("trials", "seconds")
		if n := f[0].Int(0, 1, 1<<40); b.Trials == 0 {
			b.Trials = n
		}
		if x := f[1].Float(0, 0.001, 1e9); b.Seconds == 0 {
			b.Seconds = x
		}
	}
	if b.Trials == 0 && b.Seconds == 0 {
		v.Fail("a study needs a budget: trials, seconds, or both")
	}
	return b
}

func readObjectives(v spec.Value, p Problem) []Objective {
	known := metricNames(p)
	if !v.Present() {
		v.Fail("are missing: want a list such as [{maximise: accuracy}, {minimise: params}]; metrics: %s", strings.Join(known, ", "))
		return nil
	}
	var out []Objective
	for _, item := range v.Items() {
		f := item.Fields("maximise", "minimise")
		if f[0].Present() == f[1].Present() {
			item.Fail("want either maximise: METRIC or minimise: METRIC")
			continue
		}
		o := Objective{f[0].Text(f[1].Text("", known...), known...), f[0].Present()}
		if slices.ContainsFunc(out, func(p Objective) bool { return p.Metric == o.Metric }) {
			item.Fail("%s is an objective already", o.Metric)
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		v.Fail("no objective")
	}
	return out
}

func metricNames(p Problem) []string {
	var names []string
	for _, m := range p.Metrics() {
		names = append(names, m.Name)
	}
	return names
}

// readSpace narrows the problem's parameters and adds the constraints. A constraint over parameters and derived quantities is part of the
// space; one over a metric that only the evaluation shows becomes a limit.
func (f *File) readSpace(v, constraints spec.Value) {
	params := space.Narrow(f.Problem.Params(), v)
	s, err := space.New(params...)
	if err != nil {
		v.Fail("%v", err)
		return
	}
	if err := s.Derive(f.Problem.Derived()); err != nil {
		v.Fail("%v", err)
		return
	}
	for _, c := range constraints.Items() {
		text := strings.TrimSpace(c.Text(""))
		f.limits = append(f.limits, text)
		if l, ok := readLimit(text, f.Problem); ok {
			f.study.Goals.Limits = append(f.study.Goals.Limits, l)
			continue
		}
		if err := s.RequireExpression(text); err != nil {
			c.Fail("%v", err)
		}
	}
	f.study.Space = s
}

var limitForm = regexp.MustCompile(`^([a-z][a-z0-9_]*)\s*(<=|>=)\s*([-+0-9.eE_]+)$`)

// readLimit recognises `metric <= number` for a metric that is no derived quantity.
func readLimit(text string, p Problem) (Limit, bool) {
	m := limitForm.FindStringSubmatch(text)
	if m == nil || slices.Contains(p.Derived().Names, m[1]) || !slices.Contains(metricNames(p), m[1]) {
		return Limit{}, false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(m[3], "_", ""), 64)
	return Limit{m[1], m[2] == ">=", x}, err == nil && x-x == 0
}

// readStrategy reads a name, a mapping with a name, or a list of them, which is a portfolio.
func (f *File) readStrategy(v spec.Value) Strategy {
	if v.Sequence() {
		var members []Strategy
		for _, item := range v.Items() {
			if m := f.readOneStrategy(item); m != nil {
				members = append(members, m)
			}
		}
		if len(members) == 0 {
			v.Fail("no strategy: want one of %s", strings.Join(Strategies(), ", "))
			return nil
		}
		return NewPortfolio(members...)
	}
	return f.readOneStrategy(v)
}

func (f *File) readOneStrategy(v spec.Value) Strategy {
	if !v.Present() {
		v.Fail("is missing: want one of %s", strings.Join(Strategies(), ", "))
		return nil
	}
	name, options := "", spec.Value{}
	if v.Scalar() {
		name = v.Text("", Strategies()...)
	} else {
		options = v
		for _, e := range v.Entries() {
			if e.Key == "name" {
				name = e.Value.Text("", Strategies()...)
			}
		}
		if name == "" && v.Mapping() {
			v.Fail("has no name: want name: one of %s", strings.Join(Strategies(), ", "))
		}
	}
	make := strategies[name]
	if make == nil {
		return nil
	}
	f.members = append(f.members, name)
	return make(f.study.Space, options)
}

// settings are what must not change when a study goes on: everything but its budget, its workers and its name.
func (s *Study) settings(f *File) error {
	doc, err := spec.Parse(f.Name, []byte(s.Source))
	if err != nil {
		return err
	}
	out := map[string]any{"seed": s.Seed, "lag": s.Lag}
	for _, e := range doc.Root().Entries() {
		switch e.Key {
		case "study", "seed", "budget", "lag", "workers":
		default:
			out[e.Key] = e.Value.Plain()
		}
	}
	s.Settings, err = json.Marshal(out)
	return err
}

// kept is what the ledger keeps of the machine and the problem's preparation.
type kept struct {
	Machine json.RawMessage `json:"machine,omitempty"`
	Problem json.RawMessage `json:"problem,omitempty"`
}

// Study prepares the problem and returns the study. Machine is the fingerprint to keep where the study is new; dir holds the
// trials' files.
func (f *File) Study(ctx context.Context, l ledger.Ledger, dir string, machine json.RawMessage) (*Study, error) {
	var k kept
	saved, err := l.Study(ctx, f.Name)
	switch {
	case err == nil:
		if err := json.Unmarshal(saved.Machine, &k); err != nil {
			return nil, fmt.Errorf("study %s: %w", f.Name, err)
		}
	case !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	keep, err := f.Problem.Prepare(ctx, k.Problem)
	if err != nil {
		return nil, fmt.Errorf("study %s: %w", f.Name, err)
	}
	s := f.study
	s.Dir = dir
	if s.Machine, err = json.Marshal(kept{machine, keep}); err != nil {
		return nil, err
	}
	return &s, nil
}

// Seed is the study's seed.
func (f *File) Seed() uint64 { return f.study.Seed }

// Goals are the study's goals.
func (f *File) Goals() Goals { return f.study.Goals }

// Space is the study's space.
func (f *File) Space() *space.Space { return f.study.Space }

// Strategies are the names of the study's strategies.
func (f *File) Strategies() []string { return f.members }

// Summary lists the study's settings in words, for reports.
func (f *File) Summary() [][2]string {
	s := &f.study
	var objectives []string
	for _, o := range s.Goals.Objectives {
		objectives = append(objectives, o.String())
	}
	stopping := "none"
	if s.Stopping != nil {
		stopping = s.Stopping.String()
	}
	out := [][2]string{
		{"objectives", strings.Join(objectives, ", ")},
		{"constraints", strings.Join(f.limits, ", ")},
		{"strategy", strings.Join(f.members, ", ")},
		{"budget", s.Budget.String()},
		{"early stopping", stopping},
		{"seed", fmt.Sprint(s.Seed)},
		{"lag", fmt.Sprintf("%d trials", s.Lag)},
	}
	for _, p := range s.Space.Params() {
		text := space.Describe(p.Domain)
		if p.When != nil {
			text += " when " + p.When.String()
		}
		out = append(out, [2]string{p.Name, text})
	}
	return out
}
