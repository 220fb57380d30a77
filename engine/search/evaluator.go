package search

import (
	"context"
	"errors"

	"palladio/engine/search/space"
)

// Evaluator measures candidates: by training, by a table, by a model, on a device. Evaluate is called from several goroutines at once.
type Evaluator interface {
	// Metrics describes the results that Evaluate gives.
	Metrics() []Metric
	// Evaluate measures a candidate. Equal jobs must give equal metrics. Report may be called with the metrics known after a step (steps
	// count from 1, and only go up); it returns ErrStopped where the trial is not worth finishing, and Evaluate then returns that error at
	// once. Any other error fails the trial, but for ctx's own.
	Evaluate(ctx context.Context, job Job, report func(step int, m Metrics) error) (Metrics, error)
}

// Job is one evaluation.
type Job struct {
	Trial     int
	Candidate space.Candidate
	Seed      uint64 // of everything random in the evaluation
	Worker    int    // from 0; one job at a time has it
	Dir       string // for files that belong to the trial, such as weights; may not exist yet. "" asks for none
}

// ErrStopped is returned by an evaluator's report function when the trial is stopped early.
var ErrStopped = errors.New("stopped early")

// EvaluatorFunc makes an Evaluator of a function without steps.
type EvaluatorFunc struct {
	Gives []Metric
	F     func(c space.Candidate) (Metrics, error)
}

// Metrics describes the results.
func (f EvaluatorFunc) Metrics() []Metric { return f.Gives }

// Evaluate calls the function.
func (f EvaluatorFunc) Evaluate(_ context.Context, job Job, _ func(int, Metrics) error) (Metrics, error) {
	return f.F(job.Candidate)
}
