// Package ledger is the durable record of studies: the only truth about which trials were asked for, by whom they were worked on
// and how they ended.
//
// Every change is one transaction that is on the disk when the call returns. A trial has attempts; an attempt holds a lease with a
// fencing token, so that the answer of a worker that was given up for lost is kept as evidence and never becomes the
// trial's value. The package stores candidates, strategy states and settings as opaque text: it knows nothing of spaces
// and strategies. OpenSQLite is the implementation; ledgertest holds the contract that any other one must meet.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Errors that a Ledger's errors wrap.
var (
	ErrExists   = errors.New("a study of that name exists")
	ErrNotFound = errors.New("not in the ledger")
	ErrClaimed  = errors.New("another process is running this study")
	ErrLeased   = errors.New("another worker holds the lease")
	ErrDone     = errors.New("the trial is finished")
	ErrFenced   = errors.New("the lease was lost: another attempt has taken over")
	ErrFull     = errors.New("the disk is full")
	ErrReadOnly = errors.New("the ledger cannot be written")
	ErrVersion  = errors.New("the ledger was written by another version")
	ErrForeign  = errors.New("this is no ledger")
)

// Ledger stores studies. It is safe for concurrent use.
type Ledger interface {
	// Create adds a study. The error wraps ErrExists where the name is taken.
	Create(ctx context.Context, s Study) error
	// Study returns a study by name.
	Study(ctx context.Context, name string) (Study, error)
	// Studies lists all studies, oldest first.
	Studies(ctx context.Context) ([]Study, error)
	// Claim makes the caller the only coordinator of a study until release is called or its process dies, else the error wraps
	// ErrClaimed. Leases of owners that begin with LocalOwner are lost: they were held by the former coordinator's process.
	Claim(ctx context.Context, study string) (release func() error, err error)
	// Ask adds the next trial and saves the strategy's state after proposing it, both or neither.
	Ask(ctx context.Context, study string, t Proposal, progress Progress) error
	// Spend saves that the study has used so many seconds in all.
	Spend(ctx context.Context, study string, seconds float64) error
	// Lease starts an attempt at a trial. The error wraps ErrDone or, while another lease is valid, ErrLeased.
	Lease(ctx context.Context, study string, trial int, owner string, ttl time.Duration) (Lease, error)
	// Renew extends a lease. The error wraps ErrFenced where it is lost.
	Renew(ctx context.Context, l Lease, ttl time.Duration) error
	// Report stores an intermediate result. Reporting a step again replaces it.
	Report(ctx context.Context, l Lease, r Report) error
	// Release gives a lease back, unfinished. Releasing a lost lease does nothing.
	Release(ctx context.Context, l Lease) error
	// Finish stores the trial's result. Where the lease is lost the result is kept with the attempt, and the error wraps ErrFenced.
	Finish(ctx context.Context, l Lease, r Result) error
	// Trials lists a study's trials by number.
	Trials(ctx context.Context, study string) ([]Trial, error)
	// Trial returns one trial with its reports.
	Trial(ctx context.Context, study string, number int) (Trial, error)
	// Attempts lists a trial's attempts, oldest first.
	Attempts(ctx context.Context, study string, trial int) ([]Attempt, error)
	Close() error
}

// LocalOwner begins the name of each owner that lives in the coordinator's own process.
const LocalOwner = "local:"

// Study is what is known of a study as a whole.
type Study struct {
	Name    string
	Created time.Time
	// Source is the study file's text, Settings whatever the study must find again unchanged, Machine the fingerprint of the
	// machine that began it.
	Source   string
	Settings json.RawMessage
	Machine  json.RawMessage
	Progress
	// Trials counts the trials by state.
	Trials map[State]int
}

// Progress is the part of a study that every Ask replaces.
type Progress struct {
	Asked   int             // trials asked for
	State   json.RawMessage // the strategy's state after the last Ask
	Seconds float64         // wall time used so far
}

// Proposal is a trial as the strategy asks for it.
type Proposal struct {
	Number    int
	Candidate json.RawMessage
	Note      json.RawMessage // where it came from, for reports
}

// State is how a trial stands.
type State string

// The states. The last three are final.
const (
	Waiting  State = "waiting"
	Running  State = "running"
	Complete State = "complete"
	Stopped  State = "stopped" // early, as not promising; its metrics are those of its last report
	Failed   State = "failed"
)

// Final says whether a trial in this state has ended.
func (s State) Final() bool { return s == Complete || s == Stopped || s == Failed }

// Trial is one trial.
type Trial struct {
	Proposal
	State    State
	Metrics  map[string]float64
	Error    string
	Seconds  float64 // of the attempt that finished it
	Attempts int
	Asked    time.Time
	Finished time.Time
	Reports  []Report // of the attempt that finished it, by step; only from Ledger.Trial and, for finished trials, Ledger.Trials
}

// Report is an intermediate result.
type Report struct {
	Step    int
	Metrics map[string]float64
}

// Result is how a trial ended.
type Result struct {
	State   State // Complete, Stopped or Failed
	Metrics map[string]float64
	Error   string
	Seconds float64
}

func (r Result) validate() error {
	if !r.State.Final() {
		return fmt.Errorf("ledger: a result has state %q, want %s, %s or %s", r.State, Complete, Stopped, Failed)
	}
	return nil
}

// Lease is the right to finish a trial.
type Lease struct {
	Study   string
	Trial   int
	Attempt int   // from 1
	Token   int64 // grows with every lease of the ledger
	Owner   string
	Expires time.Time
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. A Late attempt answered after it was given up for lost.
const (
	Working  Outcome = "working"
	Answered Outcome = "answered"
	Returned Outcome = "returned"
	Lost     Outcome = "lost"
	Late     Outcome = "late"
)

// Attempt is one worker's try at a trial.
type Attempt struct {
	Lease
	Began, Ended time.Time
	Outcome      Outcome
	Result       *Result // of Answered and Late attempts
}
