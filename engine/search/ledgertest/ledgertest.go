// Package ledgertest is the contract that every ledger meets. An implementation's own test calls Run.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"palladio/engine/search/ledger"
)

// Store makes ledgers for the tests.
type Store interface {
	// Open opens the one ledger of the test, again after Close. Its clock must be now.
	Open(t *testing.T, now func() time.Time) ledger.Ledger
}

// Run runs the contract; fresh makes an empty store for each test.
func Run(t *testing.T, fresh func(t *testing.T) Store) {
	tests := map[string]func(*testing.T, *fixture){
		"StudiesAreKept": studiesAreKept, "TrialsFollowEachOther": trialsFollowEachOther, "AskIsAllOrNothing": askIsAllOrNothing,
		"LeaseExcludes": leaseExcludes, "LateAnswersAreEvidence": lateAnswersAreEvidence, "RenewalHoldsALease": renewalHoldsALease,
		"ReleaseReturnsATrial": releaseReturnsATrial, "ReportsBelongToTheAttempt": reportsBelongToTheAttempt,
		"ClaimIsExclusive": claimIsExclusive, "ClaimVoidsLocalLeases": claimVoidsLocalLeases,
		"BadResultsAreRefused": badResultsAreRefused, "WorkersRace": workersRace, "CancelledContext": cancelledContext,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fixture{T: t, store: fresh(t), clock: time.Unix(1_700_000_000, 0)}
			f.reopen()
			defer func() { f.l.Close() }()
			test(t, f)
		})
	}
}

type fixture struct {
	*testing.T
	store Store
	l     ledger.Ledger
	mu    sync.Mutex
	clock time.Time
}

var ctx = context.Background()

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func (f *fixture) reopen() {
	if f.l != nil {
		f.ok(f.l.Close())
	}
	f.l = f.store.Open(f.T, f.now)
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) fails(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("got error %v, want one that wraps %q", err, want)
	}
}

func (f *fixture) ask(n int) {
	f.Helper()
	f.ok(f.l.Ask(ctx, "s", ledger.Proposal{Number: n, Candidate: fmt.Appendf(nil, `{"x":%d}`, n), Note: []byte(`{}`)},
		ledger.Progress{Asked: n + 1, State: fmt.Appendf(nil, `{"after":%d}`, n), Seconds: float64(n)}))
}

func (f *fixture) begin(trials int) {
	f.Helper()
	f.ok(f.l.Create(ctx, ledger.Study{Name: "s", Source: "a: 1\n", Settings: []byte(`{"a":1}`), Machine: []byte(`{}`)}))
	for n := range trials {
		f.ask(n)
	}
}

func (f *fixture) lease(n int, owner string) ledger.Lease {
	f.Helper()
	l, err := f.l.Lease(ctx, "s", n, owner, time.Minute)
	f.ok(err)
	return l
}

func (f *fixture) trial(n int) ledger.Trial {
	f.Helper()
	t, err := f.l.Trial(ctx, "s", n)
	f.ok(err)
	return t
}

func value(x float64) ledger.Result {
	return ledger.Result{State: ledger.Complete, Metrics: map[string]float64{"y": x}, Seconds: 0.5}
}

func studiesAreKept(t *testing.T, f *fixture) {
	f.begin(3)
	f.fails(f.l.Create(ctx, ledger.Study{Name: "s"}), ledger.ErrExists)
	f.ok(f.l.Create(ctx, ledger.Study{Name: "other"}))
	f.ok(f.l.Finish(ctx, f.lease(1, "w"), value(2)))
	f.ok(f.l.Spend(ctx, "s", 12.5))
	f.ok(f.l.Spend(ctx, "s", 4)) // time does not run backwards
	f.reopen()
	s, err := f.l.Study(ctx, "s")
	f.ok(err)
	if s.Source != "a: 1\n" || string(s.Settings) != `{"a":1}` || s.Asked != 3 || string(s.State) != `{"after":2}` || s.Seconds != 12.5 ||
		!s.Created.Equal(f.clock) || !reflect.DeepEqual(s.Trials, map[ledger.State]int{ledger.Waiting: 2, ledger.Complete: 1}) {
		t.Errorf("study came back as %+v", s)
	}
	all, err := f.l.Studies(ctx)
	f.ok(err)
	if len(all) != 2 || all[0].Name != "s" || all[1].Name != "other" || all[0].Trials[ledger.Waiting] != 2 {
		t.Errorf("listed %+v", all)
	}
	_, err = f.l.Study(ctx, "none")
	f.fails(err, ledger.ErrNotFound)
	_, err = f.l.Trials(ctx, "none")
	f.fails(err, ledger.ErrNotFound)
	_, err = f.l.Trial(ctx, "s", 3)
	f.fails(err, ledger.ErrNotFound)
	_, err = f.l.Lease(ctx, "s", 3, "w", time.Minute)
	f.fails(err, ledger.ErrNotFound)
}

func trialsFollowEachOther(t *testing.T, f *fixture) {
	f.begin(2)
	for _, n := range []int{0, 1, 3} {
		if err := f.l.Ask(ctx, "s", ledger.Proposal{Number: n, Candidate: []byte(`{}`)}, ledger.Progress{Asked: n + 1}); err == nil {
			t.Errorf("trial %d accepted after two", n)
		}
	}
	f.ask(2)
	f.ok(f.l.Finish(ctx, f.lease(1, "w"), value(7)))
	f.reopen()
	ts, err := f.l.Trials(ctx, "s")
	f.ok(err)
	if len(ts) != 3 {
		t.Fatalf("%d trials, want 3", len(ts))
	}
	for n, tr := range ts {
		if tr.Number != n || string(tr.Candidate) != fmt.Sprintf(`{"x":%d}`, n) || string(tr.Note) != `{}` || !tr.Asked.Equal(f.clock) {
			t.Errorf("trial %d came back as %+v", n, tr)
		}
	}
	if ts[1].State != ledger.Complete || ts[1].Metrics["y"] != 7 || ts[1].Seconds != 0.5 || ts[1].Attempts != 1 || !ts[1].Finished.Equal(f.clock) {
		t.Errorf("finished trial came back as %+v", ts[1])
	}
}

func askIsAllOrNothing(t *testing.T, f *fixture) {
	f.begin(1)
	if err := f.l.Ask(ctx, "s", ledger.Proposal{Number: 1, Candidate: []byte(`{}`)}, ledger.Progress{Asked: 9, State: []byte(`{"bad":1}`)}); err == nil {
		t.Fatal("progress that does not match the trial was accepted")
	}
	s, err := f.l.Study(ctx, "s")
	f.ok(err)
	if ts, _ := f.l.Trials(ctx, "s"); len(ts) != 1 || s.Asked != 1 || string(s.State) != `{"after":0}` {
		t.Errorf("a refused Ask left its mark: %d trials, %+v", len(ts), s)
	}
}

func leaseExcludes(t *testing.T, f *fixture) {
	f.begin(1)
	a := f.lease(0, "a")
	_, err := f.l.Lease(ctx, "s", 0, "b", time.Minute)
	f.fails(err, ledger.ErrLeased)
	if f.trial(0).State != ledger.Running {
		t.Error("a leased trial is not running")
	}
	f.ok(f.l.Finish(ctx, a, value(1)))
	_, err = f.l.Lease(ctx, "s", 0, "b", time.Minute)
	f.fails(err, ledger.ErrDone)
	f.fails(f.l.Finish(ctx, a, value(2)), ledger.ErrFenced)
	if got := f.trial(0); got.Metrics["y"] != 1 {
		t.Errorf("a second answer changed the value: %+v", got)
	}
}

func lateAnswersAreEvidence(t *testing.T, f *fixture) {
	f.begin(1)
	a := f.lease(0, "a")
	f.wait(2 * time.Minute)
	b := f.lease(0, "b")
	if b.Token <= a.Token || b.Attempt != 2 {
		t.Fatalf("lease %+v after %+v: the token must grow", b, a)
	}
	f.fails(f.l.Report(ctx, a, ledger.Report{Step: 1}), ledger.ErrFenced)
	f.fails(f.l.Renew(ctx, a, time.Minute), ledger.ErrFenced)
	f.fails(f.l.Finish(ctx, a, value(-1)), ledger.ErrFenced)
	if got := f.trial(0); got.State != ledger.Running || got.Metrics != nil {
		t.Fatalf("a late answer became the value: %+v", got)
	}
	f.ok(f.l.Finish(ctx, b, value(1)))
	f.fails(f.l.Finish(ctx, a, value(-2)), ledger.ErrFenced)
	f.reopen()
	if got := f.trial(0); got.State != ledger.Complete || got.Metrics["y"] != 1 || got.Attempts != 2 {
		t.Errorf("trial is %+v, want the second attempt's value", got)
	}
	as, err := f.l.Attempts(ctx, "s", 0)
	f.ok(err)
	if len(as) != 2 || as[0].Outcome != ledger.Late || as[0].Result == nil || as[0].Result.Metrics["y"] != -1 || as[0].Owner != "a" ||
		as[1].Outcome != ledger.Answered || as[1].Result.Metrics["y"] != 1 {
		t.Errorf("attempts are %+v", as)
	}
}

func renewalHoldsALease(t *testing.T, f *fixture) {
	f.begin(1)
	a := f.lease(0, "a")
	for range 5 {
		f.wait(50 * time.Second)
		f.ok(f.l.Renew(ctx, a, time.Minute))
	}
	_, err := f.l.Lease(ctx, "s", 0, "b", time.Minute)
	f.fails(err, ledger.ErrLeased)
	f.wait(2 * time.Minute) // run out, but nobody has taken over
	f.ok(f.l.Finish(ctx, a, value(1)))
}

func releaseReturnsATrial(t *testing.T, f *fixture) {
	f.begin(1)
	a := f.lease(0, "a")
	f.ok(f.l.Release(ctx, a))
	if f.trial(0).State != ledger.Waiting {
		t.Error("a released trial does not wait")
	}
	b := f.lease(0, "b")
	f.ok(f.l.Release(ctx, a)) // nothing
	f.fails(f.l.Finish(ctx, a, value(-1)), ledger.ErrFenced)
	f.ok(f.l.Finish(ctx, b, ledger.Result{State: ledger.Failed, Error: "too deep"}))
	if got := f.trial(0); got.State != ledger.Failed || got.Error != "too deep" {
		t.Errorf("trial is %+v", got)
	}
}

func reportsBelongToTheAttempt(t *testing.T, f *fixture) {
	f.begin(2)
	a := f.lease(0, "a")
	for i := range 4 {
		f.ok(f.l.Report(ctx, a, ledger.Report{Step: i, Metrics: map[string]float64{"y": -1}}))
	}
	f.ok(f.l.Release(ctx, a))
	b := f.lease(0, "b")
	f.ok(f.l.Report(ctx, b, ledger.Report{Step: 2, Metrics: map[string]float64{"y": 2}}))
	f.ok(f.l.Report(ctx, b, ledger.Report{Step: 1, Metrics: map[string]float64{"y": 0}}))
	f.ok(f.l.Report(ctx, b, ledger.Report{Step: 1, Metrics: map[string]float64{"y": 1}}))
	f.ok(f.l.Finish(ctx, b, ledger.Result{State: ledger.Stopped, Metrics: map[string]float64{"y": 2}}))
	want := []ledger.Report{{Step: 1, Metrics: map[string]float64{"y": 1}}, {Step: 2, Metrics: map[string]float64{"y": 2}}}
	ts, err := f.l.Trials(ctx, "s")
	f.ok(err)
	if got := f.trial(0).Reports; !reflect.DeepEqual(got, want) || !reflect.DeepEqual(ts[0].Reports, want) || ts[1].Reports != nil {
		t.Errorf("reports are %+v and %+v, want the last attempt's %+v", got, ts, want)
	}
}

func claimIsExclusive(t *testing.T, f *fixture) {
	f.begin(0)
	release, err := f.l.Claim(ctx, "s")
	f.ok(err)
	_, err = f.l.Claim(ctx, "s")
	f.fails(err, ledger.ErrClaimed)
	f.ok(release())
	release, err = f.l.Claim(ctx, "s")
	f.ok(err)
	f.ok(release())
	_, err = f.l.Claim(ctx, "none")
	f.fails(err, ledger.ErrNotFound)
}

func claimVoidsLocalLeases(t *testing.T, f *fixture) {
	f.begin(2)
	mine, far := f.lease(0, ledger.LocalOwner+"1"), f.lease(1, "node7")
	release, err := f.l.Claim(ctx, "s")
	f.ok(err)
	defer release()
	if f.trial(0).State != ledger.Waiting || f.trial(1).State != ledger.Running {
		t.Error("a claim must free the local trial and leave the remote one")
	}
	f.lease(0, ledger.LocalOwner+"2")
	f.fails(f.l.Finish(ctx, mine, value(-1)), ledger.ErrFenced)
	f.ok(f.l.Finish(ctx, far, value(1)))
}

func badResultsAreRefused(t *testing.T, f *fixture) {
	f.begin(1)
	a := f.lease(0, "a")
	for _, r := range []ledger.Result{{State: ledger.Running}, {}, value(math.NaN()), value(math.Inf(1))} {
		if err := f.l.Finish(ctx, a, r); err == nil {
			t.Errorf("result %+v was accepted", r)
		}
	}
	if err := f.l.Report(ctx, a, ledger.Report{Metrics: map[string]float64{"y": math.NaN()}}); err == nil {
		t.Error("a report of NaN was accepted")
	}
	f.fails(f.l.Finish(ctx, ledger.Lease{Study: "s", Token: 999}, value(1)), ledger.ErrNotFound)
	f.ok(f.l.Finish(ctx, a, value(1)))
}

// workersRace has many workers compete for the same trials; each trial must be answered exactly once.
func workersRace(t *testing.T, f *fixture) {
	const trials, workers = 12, 6
	f.begin(trials)
	var mu sync.Mutex
	answered := map[int]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range trials {
				l, err := f.l.Lease(ctx, "s", n, fmt.Sprint("w", w), time.Minute)
				if errors.Is(err, ledger.ErrLeased) || errors.Is(err, ledger.ErrDone) {
					continue
				}
				if err == nil {
					err = f.l.Finish(ctx, l, value(float64(w)))
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				answered[n]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := range trials {
		if answered[n] != 1 || f.trial(n).State != ledger.Complete || f.trial(n).Attempts != 1 {
			t.Errorf("trial %d was answered %d times: %+v", n, answered[n], f.trial(n))
		}
	}
}

func cancelledContext(t *testing.T, f *fixture) {
	f.begin(1)
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err := f.l.Lease(done, "s", 0, "a", time.Minute)
	f.fails(err, context.Canceled)
	if f.trial(0).State != ledger.Waiting {
		t.Error("a cancelled lease took the trial")
	}
}
