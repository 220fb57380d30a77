package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"palladio/engine/search"
	"palladio/engine/search/ledger"
	"palladio/engine/search/space"
)

var ctx = context.Background()

const studyYAML = `
study: zdt
seed: 3
problem: {kind: zdt1, dimensions: 4, steps: 3}
space:
  x3: {int: [0, 50], step: 10}
constraints:
  - total <= 250
objectives: [{minimise: f1}, {minimise: f2}]
strategy:
  - {name: nsga2, population: 8}
  - {name: evolution, population: 8, sample: 3}
  - random
  - local
budget: {trials: 60}
lag: 4
early_stopping: {rule: median, from: 1, peers: 4}
`

// begin reads a study file and opens a ledger.
func begin(t testing.TB, yaml, dir string) (*search.Study, ledger.Ledger) {
	t.Helper()
	f, err := search.ReadFile("s.yaml", []byte(yaml), search.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.OpenSQLite(filepath.Join(dir, "study.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s, err := f.Study(ctx, l, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

// essence is a study's trials without times and attempts.
func essence(t testing.TB, l ledger.Ledger, name string) []string {
	t.Helper()
	ts, err := l.Trials(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, tr := range ts {
		m, _ := json.Marshal(tr.Metrics)
		r, _ := json.Marshal(tr.Reports)
		out = append(out, fmt.Sprint(tr.Number, " ", string(tr.Candidate), " ", string(tr.Note), " ", tr.State, " ", string(m), " ", tr.Error, " ", string(r)))
	}
	return out
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d trials, want %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: trial %d differs:\n got %s\nwant %s", what, i, got[i], want[i])
		}
	}
}

func TestAnyNumberOfWorkersGivesTheSameStudy(t *testing.T) {
	var want []string
	for _, workers := range []int{1, 2, 8} {
		s, l := begin(t, studyYAML, t.TempDir())
		st, err := s.Run(ctx, l, search.RunOptions{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if st.Finished != 60 || st.Failed != 0 || st.Stopped == 0 || st.Front == 0 || st.Winner == nil {
			t.Errorf("%d workers: status %+v", workers, st)
		}
		got := essence(t, l, "zdt")
		if want == nil {
			want = got
		}
		same(t, fmt.Sprintf("%d workers", workers), got, want)
	}
}

func TestInterruptedStudiesGoOn(t *testing.T) {
	s, l := begin(t, studyYAML, t.TempDir())
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	want := essence(t, l, "zdt")
	dir := t.TempDir()
	for stop := 5; ; stop += 9 {
		s, l := begin(t, studyYAML, dir)
		ctx, cancel := context.WithCancel(ctx)
		st, err := s.Run(ctx, l, search.RunOptions{Workers: 3, Watch: func(e search.Event) {
			if e.Kind == search.Ended && e.Status.Finished >= stop {
				cancel()
			}
		}})
		if stop >= 60 {
			if err != nil {
				t.Fatal(err)
			}
			same(t, "after interruptions", essence(t, l, "zdt"), want)
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted at %d trials: got %v and %+v", stop, err, st)
		}
	}
}

func TestLongerBudgetContinues(t *testing.T) {
	s, l := begin(t, studyYAML, t.TempDir())
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	want := essence(t, l, "zdt")
	dir := t.TempDir()
	for _, n := range []int{20, 20, 60} {
		s, l := begin(t, strings.Replace(studyYAML, "trials: 60", fmt.Sprint("trials: ", n), 1), dir)
		if _, err := s.Run(ctx, l, search.RunOptions{Workers: 2}); err != nil {
			t.Fatal(err)
		}
		if n == 60 {
			same(t, "extended", essence(t, l, "zdt"), want)
		}
	}
}

func TestOtherSettingsAreRefused(t *testing.T) {
	dir := t.TempDir()
	s, l := begin(t, studyYAML, dir)
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	s, l = begin(t, strings.Replace(studyYAML, "seed: 3", "seed: 4", 1), dir)
	_, err := s.Run(ctx, l, search.RunOptions{Workers: 1})
	if err == nil || !strings.Contains(err.Error(), "seed was 3, is 4") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyOneProcessRunsAStudy(t *testing.T) {
	s, l := begin(t, studyYAML, t.TempDir())
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	release, err := l.Claim(ctx, "zdt")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 1}); !errors.Is(err, ledger.ErrClaimed) {
		t.Errorf("got %v", err)
	}
}

// oddball is a problem whose evaluation does what a test wants.
type oddball struct {
	search.Synthetic
	do func(job search.Job, report func(int, search.Metrics) error) (search.Metrics, error)
}

func (o oddball) Evaluate(_ context.Context, job search.Job, report func(int, search.Metrics) error) (search.Metrics, error) {
	return o.do(job, report)
}

func TestBadEvaluationsFailTheirTrialOnly(t *testing.T) {
	s, l := begin(t, strings.Replace(studyYAML, "trials: 60", "trials: 25", 1), t.TempDir())
	zero := 0.0
	s.Evaluator = oddball{do: func(job search.Job, report func(int, search.Metrics) error) (search.Metrics, error) {
		switch job.Trial % 5 {
		case 0:
			panic("odd candidate")
		case 1:
			return nil, errors.New("diverged")
		case 2:
			return search.Metrics{"f1": 1, "f2": zero / zero}, nil
		case 3:
			return search.Metrics{"f1": 1}, nil
		}
		return search.Metrics{"f1": 1, "f2": 2, "extra": 1 / zero}, report(1, search.Metrics{"f1": 1})
	}}
	st, err := s.Run(ctx, l, search.RunOptions{Workers: 3})
	if err != nil || st.Finished != 25 || st.Failed != 20 {
		t.Fatalf("status %+v, %v", st, err)
	}
	ts, _ := l.Trials(ctx, "zdt")
	for i, want := range []string{"the evaluation panicked: odd candidate", "diverged", "f2 = NaN", "gave no f2", ""} {
		if !strings.Contains(ts[i].Error, want) || (want == "") != (ts[i].Error == "") {
			t.Errorf("trial %d: error %q, want %q", i, ts[i].Error, want)
		}
	}
}

func TestBrokenStudyGivesUp(t *testing.T) {
	s, l := begin(t, studyYAML, t.TempDir())
	s.Evaluator = oddball{do: func(search.Job, func(int, search.Metrics) error) (search.Metrics, error) {
		return nil, errors.New("no data")
	}}
	_, err := s.Run(ctx, l, search.RunOptions{Workers: 2})
	if err == nil || !strings.Contains(err.Error(), "each of the first 10 trials failed, the last with: no data") {
		t.Errorf("got %v", err)
	}
}

// TestLostProcess ends the run at an error of the process, without a word about the candidate. A trial that costs its process each time fails in the end, and the study
// goes on.
func TestLostProcess(t *testing.T) {
	broken := errors.New("the GPU is gone")
	dir := t.TempDir()
	for run := 1; ; run++ {
		s, l := begin(t, strings.Replace(studyYAML, "trials: 60", "trials: 8", 1), dir)
		s.Evaluator = oddball{do: func(job search.Job, report func(int, search.Metrics) error) (search.Metrics, error) {
			if job.Trial == 2 {
				return nil, fmt.Errorf("run %d: %w", run, broken)
			}
			return search.Metrics{"f1": 1, "f2": 2}, nil
		}}
		st, err := s.Run(ctx, l, search.RunOptions{Workers: 1, Lost: func(err error) bool { return errors.Is(err, broken) }})
		ts, _ := l.Trials(ctx, "zdt")
		if run <= 5 {
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), fmt.Sprintf("trial 2: run %d", run)) || ts[2].State.Final() {
				t.Fatalf("run %d: %v; trial 2 is %s: %s", run, err, ts[2].State, ts[2].Error)
			}
			continue
		}
		if err != nil || st.Finished != 8 || st.Failed != 1 || !strings.Contains(ts[2].Error, "lost 5 times") {
			t.Fatalf("run %d: %+v, %v; trial 2 is %s: %s", run, st, err, ts[2].State, ts[2].Error)
		}
		return
	}
}

func TestTimeBudget(t *testing.T) {
	s, l := begin(t, strings.Replace(studyYAML, "trials: 60", "seconds: 0.2", 1), t.TempDir())
	var running atomic.Int32
	s.Evaluator = oddball{do: func(search.Job, func(int, search.Metrics) error) (search.Metrics, error) {
		running.Add(1)
		time.Sleep(10 * time.Millisecond)
		return search.Metrics{"f1": 1, "f2": 2}, nil
	}}
	st, err := s.Run(ctx, l, search.RunOptions{Workers: 2})
	if err != nil || st.Finished == 0 || st.Finished != st.Asked || st.Seconds < 0.2 {
		t.Fatalf("status %+v, %v", st, err)
	}
	again, err := s.Run(ctx, l, search.RunOptions{Workers: 2})
	if err != nil || again.Finished != st.Finished {
		t.Errorf("a used-up study went on: %+v, %v", again, err)
	}
}

func TestExhaustedSpaceEndsTheStudy(t *testing.T) {
	yaml := "study: tiny\nproblem: {kind: zdt1, dimensions: 2}\nspace: {x0: {int: [0, 2]}, x1: 5}\nobjectives: [{minimise: f2}]\nstrategy: random\nbudget: {trials: 50}\n"
	s, l := begin(t, yaml, t.TempDir())
	st, err := s.Run(ctx, l, search.RunOptions{Workers: 2})
	if err != nil || st.Finished != 3 || !st.Exhausted {
		t.Errorf("status %+v, %v; want 3 trials and an end", st, err)
	}
}

func TestImpossibleConstraintIsNamed(t *testing.T) {
	s, l := begin(t, strings.Replace(studyYAML, "total <= 250", "total <= -1", 1), t.TempDir())
	_, err := s.Run(ctx, l, search.RunOptions{Workers: 1})
	var empty *space.EmptyError
	if !errors.As(err, &empty) || !strings.Contains(err.Error(), `constraint "total <= -1" rejects every one`) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Study(ctx, "zdt"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an impossible study was created (%v)", err)
	}
}

func TestLimitsOnMeasuredMetrics(t *testing.T) {
	s, l := begin(t, strings.Replace(studyYAML, "- total <= 250", "- f2 <= 3", 1), t.TempDir())
	if _, err := s.Run(ctx, l, search.RunOptions{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	ts, _ := l.Trials(ctx, "zdt")
	over := 0
	for _, tr := range ts {
		if tr.State == ledger.Complete && tr.Metrics["f2"] > 3 {
			over++
		}
	}
	front := s.Goals.Front(ts)
	if over == 0 || len(front) == 0 {
		t.Fatalf("%d trials over the limit, %d in the front: the test shows nothing", over, len(front))
	}
	for _, tr := range front {
		if tr.Metrics["f2"] > 3 {
			t.Errorf("trial %d is in the front with f2 = %v", tr.Number, tr.Metrics["f2"])
		}
	}
}

// play runs a strategy on ZDT1 without a ledger and returns its results.
func play(t *testing.T, fresh func(s *space.Space) search.Strategy, seed, trials, objectives int) []search.Point {
	t.Helper()
	problem := search.Synthetic{Dimensions: 5}
	params := problem.Params()
	for i := range params {
		params[i].Domain = space.Int{Lo: 0, Hi: 100, Step: 10}
	}
	sp, err := space.New(params...)
	if err != nil {
		t.Fatal(err)
	}
	strategy, seen := fresh(sp), map[string]bool{}
	var ps []search.Point
	for n := range trials {
		a, err := strategy.Ask(search.Question{Number: n, Rand: rand.New(rand.NewPCG(uint64(seed), uint64(n))),
			Seen: func(c space.Candidate) bool { return seen[c.Hash()] }})
		if err != nil {
			t.Fatal(err)
		}
		seen[a.Candidate.Hash()] = true
		m, err := problem.Evaluate(ctx, search.Job{Candidate: a.Candidate}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := search.Point{Number: n, Costs: []float64{m["f2"] + m["f1"], m["f1"]}[:objectives]}
		ps = append(ps, p)
		if err := strategy.Tell(search.Told{Point: p, Candidate: a.Candidate}); err != nil {
			t.Fatal(err)
		}
	}
	return ps
}

// TestStrategiesLearn compares with random search on a problem whose optimum is known, over several seeds.
func TestStrategiesLearn(t *testing.T) {
	random := func(s *space.Space) search.Strategy { return search.NewRandom(s) }
	for name, c := range map[string]struct {
		fresh      func(s *space.Space) search.Strategy
		objectives int
	}{
		"nsga2": {func(s *space.Space) search.Strategy { return search.NewNSGA2(s, search.NSGA2Options{Population: 20}) }, 2},
		"evolution": {func(s *space.Space) search.Strategy {
			return search.NewEvolution(s, search.EvolutionOptions{Population: 20, Sample: 6})
		}, 2},
		"local": {func(s *space.Space) search.Strategy { return search.NewLocal(s) }, 1},
	} {
		mean := func(fresh func(s *space.Space) search.Strategy) (m float64) {
			for seed := range 5 {
				m += search.Hypervolume(play(t, fresh, seed, 240, c.objectives), []float64{10, 1.1}[:c.objectives]) / 5
			}
			return m
		}
		got, base := mean(c.fresh), mean(random)
		t.Logf("%s reaches a hypervolume of %.3f, random search %.3f", name, got, base)
		if got <= base {
			t.Errorf("%s reaches a hypervolume of %.3f, random search %.3f", name, got, base)
		}
	}
}

func TestReadFileComplains(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":       {"budget:", "buget:", `s.yaml:15:1: unknown key "buget" (did you mean "budget"?)`},
		"unknown problem":   {"kind: zdt1", "kind: zdt2", `"zdt2" is not known`},
		"unknown option":    {"steps: 3", "stepz: 3", `unknown key "stepz" (did you mean "steps"?)`},
		"unknown parameter": {"x3:", "y3:", `unknown parameter "y3"`},
		"too wide":          {"[0, 50]", "[0, 500]", "outside of what the problem allows"},
		"unknown metric":    {"minimise: f2", "minimise: f3", `"f3" is not known: want one of f1, f2`},
		"same metric twice": {"minimise: f2", "maximise: f1", "is an objective already"},
		"unknown strategy":  {"- random", "- randon", `did you mean "random"?`},
		"bad option":        {"population: 8}", "population: 1}", "1 is out of range: want 2 to"},
		"unknown quantity":  {"total <= 250", "totl <= 250", `unknown name "totl" (did you mean "total"?)`},
		"bad expression":    {"total <= 250", "total <= <= 250", "expression"},
		"no budget":         {"{trials: 60}", "{}", "needs a budget"},
		"bad stopping":      {"rule: median", "rule: medium", `did you mean "median"?`},
		"no name":           {"study: zdt", "study: ''", "is no study name"},
		"name with a slash": {"study: zdt", "study: ../zdt", "is no study name"},
	} {
		if !strings.Contains(studyYAML, c.old) {
			t.Fatalf("%s: no %q to replace", name, c.old)
		}
		_, err := search.ReadFile("s.yaml", []byte(strings.Replace(studyYAML, c.old, c.new, 1)), search.Overrides{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant …%s…", name, err, c.want)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte(studyYAML))
	f.Add([]byte("study: a\nproblem: zdt1\nobjectives: [{minimise: f1}]\nstrategy: random\nbudget: {trials: 1}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := search.ReadFile("f.yaml", src, search.Overrides{})
		if err == nil && (file.Name == "" || file.Space() == nil || len(file.Goals().Objectives) == 0) {
			t.Fatalf("accepted as %+v", file)
		}
	})
}
