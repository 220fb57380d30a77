package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"palladio/engine/search/ledger"
	"palladio/engine/search/space"
)

// RunOptions say how a study is worked on; they do not change what it finds.
type RunOptions struct {
	Workers int         // at least 1; more than the study's Lag find nothing to do
	Watch   func(Event) // called for one event at a time; may be nil
	// Lost says whether an evaluator's error means that this process cannot evaluate any more, whatever the candidate; may be nil. Such an error ends the run, and
	// the trial counts as lost together with the process: when the study goes on, it is tried again.
	Lost func(error) bool
}

// Event is something that happened in a run.
type Event struct {
	Kind   EventKind
	Trial  ledger.Trial   // as it stands now
	Report *ledger.Report // of Reported
	Status Status
}

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	Began    EventKind = "began" // the run, with Trial empty
	Asked    EventKind = "asked"
	Reported EventKind = "reported"
	Ended    EventKind = "ended" // a trial
)

// Status is how the study stands.
type Status struct {
	Asked, Finished, Failed, Stopped int
	Inherited                        int // finished before this run
	Budget                           Budget
	Seconds                          float64 // used, all runs together
	Exhausted                        bool    // the strategy has nothing left to ask for
	Front                            int
	Winner                           *ledger.Trial
}

// Lease times: a lease is renewed a few times before it runs out.
const (
	leaseTTL   = time.Minute
	renewEvery = 15 * time.Second
)

// run is one call of Study.Run.
type run struct {
	*Study
	ledger  ledger.Ledger
	options RunOptions
	started time.Time
	used    float64 // seconds before this run

	mu     sync.Mutex
	trials []ledger.Trial
	seen   map[string]bool
	status Status
	done   []chan struct{} // closed when the trial has ended

	queue  chan int
	cancel context.CancelCauseFunc
}

// Run works on the study until its budget is used up, or ctx is cancelled; the error then wraps ctx's. A study that the ledger knows is
// continued.
func (s *Study) Run(ctx context.Context, l ledger.Ledger, o RunOptions) (Status, error) {
	if err := s.validate(); err != nil {
		return Status{}, err
	}
	if o.Workers < 1 {
		return Status{}, fmt.Errorf("study %s: %d workers: want at least 1", s.Name, o.Workers)
	}
	if _, err := s.open(ctx, l); err != nil {
		return Status{}, err
	}
	release, err := l.Claim(ctx, s.Name)
	if err != nil {
		return Status{}, err
	}
	defer release()
	r := &run{Study: s, ledger: l, options: o, started: time.Now(), seen: map[string]bool{}, queue: make(chan int)}
	if err := r.load(ctx); err != nil {
		return Status{}, err
	}
	return r.run(ctx)
}

// load takes up where the ledger ends.
func (r *run) load(ctx context.Context) error {
	saved, err := r.ledger.Study(ctx, r.Name)
	if err != nil {
		return err
	}
	if r.trials, err = r.ledger.Trials(ctx, r.Name); err != nil {
		return err
	}
	if err := r.Strategy.Restore(saved.State); err != nil {
		return fmt.Errorf("study %s: %w", r.Name, err)
	}
	r.used = saved.Seconds
	r.status = Status{Budget: r.Budget, Seconds: r.used}
	for _, t := range r.trials {
		c, err := r.Space.Parse(t.Candidate)
		if err != nil {
			return fmt.Errorf("study %s: trial %d: %w", r.Name, t.Number, err)
		}
		r.seen[c.Hash()] = true
		ended := make(chan struct{})
		if t.State.Final() {
			close(ended)
			r.count(t)
			r.status.Inherited++
		}
		r.done = append(r.done, ended)
	}
	r.status.Asked = len(r.trials)
	r.judge()
	return nil
}

func (r *run) run(ctx context.Context) (Status, error) {
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.emit(Event{Kind: Began})
	var workers sync.WaitGroup
	for w := range min(r.options.Workers, r.Lag) {
		workers.Go(func() { r.work(ctx, w) })
	}
	if err := r.coordinate(ctx); err != nil {
		r.cancel(err)
	}
	close(r.queue)
	workers.Wait()
	err := context.Cause(ctx) // the first one; what it interrupted has failed with less telling errors
	if spent := r.ledger.Spend(context.WithoutCancel(ctx), r.Name, r.elapsed()); err == nil {
		err = spent
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Seconds = r.elapsed()
	return r.status, err
}

func (r *run) elapsed() float64 { return r.used + time.Since(r.started).Seconds() }

// coordinate hands out the open trials, then asks for new ones in the fixed schedule.
func (r *run) coordinate(ctx context.Context) error {
	for n := range len(r.trials) {
		if !r.trial(n).State.Final() {
			if err := r.hand(ctx, n); err != nil {
				return err
			}
		}
	}
	for n := len(r.trials); r.Budget.Trials <= 0 || n < r.Budget.Trials; n++ {
		if told := n - r.Lag; told >= 0 {
			if err := r.tell(ctx, told); err != nil {
				return err
			}
		}
		if r.Budget.Seconds > 0 && r.elapsed() >= r.Budget.Seconds {
			break
		}
		err := r.ask(ctx, n)
		if errors.Is(err, ErrExhausted) {
			r.mu.Lock()
			r.status.Exhausted = true
			r.mu.Unlock()
			break
		}
		if err != nil {
			return err
		}
		if err := r.hand(ctx, n); err != nil {
			return err
		}
	}
	for n := range r.done {
		if err := r.wait(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) wait(ctx context.Context, n int) error {
	select {
	case <-r.done[n]:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *run) hand(ctx context.Context, n int) error {
	select {
	case r.queue <- n:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *run) trial(n int) ledger.Trial {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trials[n]
}

// tell waits for a trial and gives its result to the strategy.
func (r *run) tell(ctx context.Context, n int) error {
	if err := r.wait(ctx, n); err != nil {
		return err
	}
	t := r.trial(n)
	c, err := r.Space.Parse(t.Candidate)
	if err != nil {
		return err
	}
	if err := r.Strategy.Tell(Told{r.Goals.Judge(t), c}); err != nil {
		return fmt.Errorf("study %s: trial %d: %w", r.Name, n, err)
	}
	return r.checkFailures(n)
}

// failuresToGiveUp is how many trials at the head of a study may fail before it is taken to be broken.
const failuresToGiveUp = 10

func (r *run) checkFailures(n int) error {
	if n != failuresToGiveUp-1 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.trials[:failuresToGiveUp] {
		if t.State != ledger.Failed {
			return nil
		}
	}
	return fmt.Errorf("study %s: each of the first %d trials failed, the last with: %s", r.Name, failuresToGiveUp, r.trials[n].Error)
}

// ask makes the next trial durable.
func (r *run) ask(ctx context.Context, n int) error {
	p, err := r.Strategy.Ask(Question{
		Number: n,
		Rand:   substream(r.Seed, "propose", n),
		Seen:   func(c space.Candidate) bool { return r.seen[c.Hash()] },
	})
	if err != nil {
		return fmt.Errorf("study %s: trial %d: %w", r.Name, n, err)
	}
	state, err := r.Strategy.State()
	if err != nil {
		return fmt.Errorf("study %s: %w", r.Name, err)
	}
	note, err := json.Marshal(p.Note)
	if err != nil {
		return err
	}
	t := ledger.Proposal{Number: n, Candidate: json.RawMessage(p.Candidate.String()), Note: note}
	if err := r.ledger.Ask(ctx, r.Name, t, ledger.Progress{Asked: n + 1, State: state, Seconds: r.elapsed()}); err != nil {
		return err
	}
	r.seen[p.Candidate.Hash()] = true
	r.mu.Lock()
	r.trials = append(r.trials, ledger.Trial{Proposal: t, State: ledger.Waiting})
	r.done = append(r.done, make(chan struct{}))
	r.status.Asked = n + 1
	r.mu.Unlock()
	r.emit(Event{Kind: Asked, Trial: r.trial(n)})
	return nil
}

// work evaluates trials until there are no more; an error of the ledger ends the run.
func (r *run) work(ctx context.Context, worker int) {
	for n := range r.queue {
		if err := r.attempt(ctx, worker, n); err != nil {
			r.cancel(err)
			return
		}
	}
}

func (r *run) attempt(ctx context.Context, worker, n int) error {
	lease, err := r.ledger.Lease(ctx, r.Name, n, fmt.Sprintf("%s%d/%d", ledger.LocalOwner, os.Getpid(), worker), leaseTTL)
	if err != nil {
		return err
	}
	began := time.Now()
	result, lost, err := r.evaluate(ctx, worker, lease)
	if lost {
		return fmt.Errorf("study %s: trial %d: %w", r.Name, n, err) // the lease ends with the process
	}
	if err != nil {
		after, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer stop()
		return errors.Join(err, r.ledger.Release(after, lease))
	}
	result.Seconds = time.Since(began).Seconds()
	// An answer that has been worked out is worth keeping even if the run was interrupted meanwhile.
	if err := r.ledger.Finish(context.WithoutCancel(ctx), lease, result); err != nil {
		return err
	}
	t, err := r.ledger.Trial(context.WithoutCancel(ctx), r.Name, n)
	if err != nil {
		return err
	}
	r.finish(n, t)
	return nil
}

// evaluate runs the evaluator. Its own error is part of the result; the returned one ends the run. lost says that the evaluator's error did, as one of the process.
func (r *run) evaluate(ctx context.Context, worker int, lease ledger.Lease) (result ledger.Result, lost bool, err error) {
	limit := r.MaxAttempts
	if limit <= 0 {
		limit = 5
	}
	if lease.Attempt > limit {
		times, err := r.timesLost(ctx, lease.Trial)
		if err != nil {
			return ledger.Result{}, false, err
		}
		if times >= limit {
			return ledger.Result{State: ledger.Failed, Error: fmt.Sprintf("lost %d times together with its process: it probably is the cause", times)}, false, nil
		}
	}
	c, err := r.Space.Parse(r.trial(lease.Trial).Candidate)
	if err != nil {
		return ledger.Result{}, false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go r.renew(ctx, cancel, lease)
	job := Job{Trial: lease.Trial, Candidate: c, Seed: substream(r.Seed, "evaluate", lease.Trial).Uint64(), Worker: worker, Dir: r.trialDir(lease.Trial)}
	watch := &watcher{run: r, ctx: ctx, lease: lease, peers: r.peers(lease.Trial)}
	metrics, err := callEvaluator(ctx, r.Evaluator, job, watch.report)
	if err != nil && r.options.Lost != nil && r.options.Lost(err) {
		return ledger.Result{}, true, err
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return ledger.Result{}, false, cause // interrupted, or the lease is lost
	}
	if watch.err != nil {
		return ledger.Result{}, false, watch.err // the ledger's
	}
	switch {
	case errors.Is(err, ErrStopped):
		return ledger.Result{State: ledger.Stopped, Metrics: watch.last}, false, nil
	case err != nil:
		return ledger.Result{State: ledger.Failed, Error: err.Error()}, false, nil
	}
	if _, err := r.Goals.Costs(metrics); err != nil {
		return ledger.Result{State: ledger.Failed, Error: err.Error()}, false, nil
	}
	for name, v := range metrics {
		if v != v || v-v != 0 {
			delete(metrics, name) // not an objective, and no number that a ledger can hold
		}
	}
	return ledger.Result{State: ledger.Complete, Metrics: metrics}, false, nil
}

func (r *run) timesLost(ctx context.Context, n int) (lost int, err error) {
	as, err := r.ledger.Attempts(ctx, r.Name, n)
	for _, a := range as {
		if a.Outcome == ledger.Lost {
			lost++
		}
	}
	return lost, err
}

// callEvaluator turns a panic of the evaluator into an error of the trial.
func callEvaluator(ctx context.Context, e Evaluator, job Job, report func(int, Metrics) error) (m Metrics, err error) {
	defer func() {
		if p := recover(); p != nil {
			stack := strings.Split(string(debug.Stack()), "\n")
			err = fmt.Errorf("the evaluation panicked: %v\n%s", p, strings.Join(stack[:min(len(stack), 24)], "\n"))
		}
	}()
	return e.Evaluate(ctx, job, report)
}

// renew keeps the lease alive; losing it stops the evaluation.
func (r *run) renew(ctx context.Context, cancel context.CancelCauseFunc, lease ledger.Lease) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.ledger.Renew(ctx, lease, leaseTTL); err != nil && ctx.Err() == nil {
				cancel(err)
				return
			}
		}
	}
}

// watcher is the receiving end of one evaluation's reports.
type watcher struct {
	run   *run
	ctx   context.Context
	lease ledger.Lease
	peers []ledger.Trial
	last  Metrics
	step  int
	err   error
}

func (w *watcher) report(step int, m Metrics) error {
	if err := context.Cause(w.ctx); err != nil {
		return err
	}
	if step <= w.step {
		return fmt.Errorf("the evaluation reported step %d after step %d", step, w.step)
	}
	clean := make(Metrics, len(m))
	for k, v := range m {
		if v-v == 0 {
			clean[k] = v
		}
	}
	w.last, w.step = clean, step
	rep := ledger.Report{Step: step, Metrics: clean}
	if w.err = w.run.ledger.Report(w.ctx, w.lease, rep); w.err != nil {
		return w.err
	}
	w.run.emit(Event{Kind: Reported, Trial: w.run.trial(w.lease.Trial), Report: &rep})
	if w.run.Stopping == nil {
		return nil
	}
	g := w.run.Goals
	if _, err := g.Costs(clean); err != nil {
		return nil // a step that does not tell all objectives cannot end a trial
	}
	first := g.Objectives[0]
	if w.run.Stopping.Stop(step, first.cost(clean[first.Metric]), peerCosts(g, step, clean, first, w.peers)) {
		return ErrStopped
	}
	return nil
}

// peers are the trials that trial n may be compared with: those whose results were told before it was asked.
func (r *run) peers(n int) []ledger.Trial {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trials[:max(0, n-r.Lag+1)]
}

func (r *run) trialDir(n int) string {
	if r.Dir == "" {
		return ""
	}
	return filepath.Join(r.Dir, fmt.Sprintf("trial-%04d", n))
}

// finish records an ended trial, drops the files of trials that have left the front, and lets those who wait for it go on.
func (r *run) finish(n int, t ledger.Trial) {
	r.mu.Lock()
	r.trials[n] = t
	r.count(t)
	r.judge()
	r.dropFiles()
	ended := r.done[n]
	r.mu.Unlock()
	r.emit(Event{Kind: Ended, Trial: t})
	close(ended)
}

func (r *run) count(t ledger.Trial) {
	r.status.Finished++
	switch t.State {
	case ledger.Failed:
		r.status.Failed++
	case ledger.Stopped:
		r.status.Stopped++
	}
}

func (r *run) judge() {
	r.status.Front = len(r.Goals.Front(r.trials))
	r.status.Winner = nil
	if w, ok := r.Goals.Winner(r.trials); ok {
		r.status.Winner = &w
	}
}

func (r *run) dropFiles() {
	if r.Dir == "" {
		return
	}
	keep := map[int]bool{}
	for _, t := range r.Goals.Front(r.trials) {
		keep[t.Number] = true
	}
	for _, t := range r.trials {
		if t.State.Final() && !keep[t.Number] {
			os.RemoveAll(r.trialDir(t.Number)) // what cannot be removed does no harm
		}
	}
}

func (r *run) emit(e Event) {
	if r.options.Watch == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Status = r.status
	e.Status.Seconds = r.elapsed()
	r.options.Watch(e)
}
