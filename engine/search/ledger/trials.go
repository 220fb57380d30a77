package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Lease starts an attempt.
func (l *SQLite) Lease(ctx context.Context, study string, trial int, owner string, ttl time.Duration) (out Lease, err error) {
	err = l.tx(ctx, fmt.Sprintf("lease trial %d", trial), func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		var state State
		var last int
		err = tx.QueryRowContext(ctx, "SELECT state, attempt FROM trials WHERE study = ? AND number = ?", id, trial).Scan(&state, &last)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("trial %d: %w", trial, ErrNotFound)
		case err != nil:
			return err
		case state.Final():
			return fmt.Errorf("trial %d is %s: %w", trial, state, ErrDone)
		}
		now := l.now()
		if state == Running {
			var holder string
			var expires int64
			if err := tx.QueryRowContext(ctx, "SELECT owner, expires FROM attempts WHERE study = ? AND trial = ? AND attempt = ?", id, trial, last).Scan(&holder, &expires); err != nil {
				return err
			}
			if fromMicros(expires).After(now) {
				return fmt.Errorf("trial %d is held by %s until %s: %w", trial, holder, fromMicros(expires).Format(time.RFC3339), ErrLeased)
			}
			if _, err := tx.ExecContext(ctx, "UPDATE attempts SET outcome = ?, ended = ? WHERE study = ? AND trial = ? AND attempt = ?", Lost, micros(now), id, trial, last); err != nil {
				return err
			}
		}
		out = Lease{Study: study, Trial: trial, Attempt: last + 1, Owner: owner, Expires: now.Add(ttl)}
		res, err := tx.ExecContext(ctx, "INSERT INTO attempts (study, trial, attempt, owner, began, expires, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
			id, trial, out.Attempt, owner, micros(now), micros(out.Expires), Working)
		if err != nil {
			return err
		}
		if out.Token, err = res.LastInsertId(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE trials SET state = ?, attempt = ? WHERE study = ? AND number = ?", Running, out.Attempt, id, trial)
		return err
	})
	return out, err
}

// held returns ErrFenced unless the lease is the trial's current one.
func held(ctx context.Context, tx *sql.Tx, s Lease) error {
	var outcome Outcome
	err := tx.QueryRowContext(ctx, "SELECT outcome FROM attempts WHERE token = ?", s.Token).Scan(&outcome)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("lease %d: %w", s.Token, ErrNotFound)
	case err != nil:
		return err
	case outcome != Working:
		return fmt.Errorf("trial %d, attempt %d by %s is %s: %w", s.Trial, s.Attempt, s.Owner, outcome, ErrFenced)
	}
	return nil
}

// Renew extends a lease.
func (l *SQLite) Renew(ctx context.Context, s Lease, ttl time.Duration) error {
	return l.tx(ctx, "renew lease", func(tx *sql.Tx) error {
		if err := held(ctx, tx, s); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE attempts SET expires = ? WHERE token = ?", micros(l.now().Add(ttl)), s.Token)
		return err
	})
}

// Report stores an intermediate result.
func (l *SQLite) Report(ctx context.Context, s Lease, r Report) error {
	metrics, err := json.Marshal(r.Metrics)
	if err != nil {
		return l.wrap("report", fmt.Errorf("trial %d, step %d: metrics must be finite: %w", s.Trial, r.Step, err))
	}
	return l.tx(ctx, "report", func(tx *sql.Tx) error {
		if err := held(ctx, tx, s); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO reports (study, trial, attempt, step, metrics) SELECT study, trial, attempt, ?, ? FROM attempts WHERE token = ?",
			r.Step, string(metrics), s.Token)
		return err
	})
}

// Release gives a lease back.
func (l *SQLite) Release(ctx context.Context, s Lease) error {
	return l.tx(ctx, "release lease", func(tx *sql.Tx) error {
		if err := held(ctx, tx, s); err != nil {
			if errors.Is(err, ErrFenced) {
				return nil
			}
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE attempts SET outcome = ?, ended = ? WHERE token = ?", Returned, micros(l.now()), s.Token); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE trials SET state = ? WHERE (study, number) = (SELECT study, trial FROM attempts WHERE token = ?)", Waiting, s.Token)
		return err
	})
}

// Finish stores a result: as the trial's value if the lease holds, as evidence if not.
func (l *SQLite) Finish(ctx context.Context, s Lease, r Result) error {
	what := fmt.Sprintf("finish trial %d", s.Trial)
	if err := r.validate(); err != nil {
		return l.wrap(what, err)
	}
	result, err := json.Marshal(r)
	if err != nil {
		return l.wrap(what, fmt.Errorf("metrics must be finite: %w", err))
	}
	metrics, err := json.Marshal(r.Metrics)
	if err != nil {
		return l.wrap(what, err)
	}
	var fenced error
	err = l.tx(ctx, what, func(tx *sql.Tx) error {
		now := micros(l.now())
		fenced = held(ctx, tx, s)
		if fenced != nil {
			if !errors.Is(fenced, ErrFenced) {
				return fenced
			}
			_, err := tx.ExecContext(ctx, "UPDATE attempts SET outcome = ?, ended = ?, result = ? WHERE token = ? AND outcome IN (?, ?)",
				Late, now, string(result), s.Token, Lost, Returned)
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE attempts SET outcome = ?, ended = ?, result = ? WHERE token = ?", Answered, now, string(result), s.Token); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE trials SET state = ?, metrics = ?, error = ?, seconds = ?, finished = ? WHERE (study, number) = (SELECT study, trial FROM attempts WHERE token = ?)",
			r.State, string(metrics), r.Error, r.Seconds, now, s.Token)
		return err
	})
	if err != nil {
		return err
	}
	return l.wrap(what, fenced)
}

const trialColumns = "number, candidate, note, state, attempt, metrics, error, seconds, asked, finished"

func scanTrial(row interface{ Scan(...any) error }) (t Trial, err error) {
	var candidate, note, metrics string
	var asked, finished int64
	if err := row.Scan(&t.Number, &candidate, &note, &t.State, &t.Attempts, &metrics, &t.Error, &t.Seconds, &asked, &finished); err != nil {
		return t, err
	}
	t.Candidate, t.Note = []byte(candidate), []byte(note)
	t.Asked, t.Finished = fromMicros(asked), fromMicros(finished)
	if metrics != "" {
		err = json.Unmarshal([]byte(metrics), &t.Metrics)
	}
	return t, err
}

// Trials lists a study's trials; finished ones with their reports.
func (l *SQLite) Trials(ctx context.Context, study string) (out []Trial, err error) {
	err = l.tx(ctx, "list trials", func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+trialColumns+" FROM trials WHERE study = ? ORDER BY number", id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t, err := scanTrial(rows)
			if err != nil {
				return err
			}
			out = append(out, t)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		return addReports(ctx, tx, id, out)
	})
	return out, err
}

// Trial returns one trial.
func (l *SQLite) Trial(ctx context.Context, study string, number int) (t Trial, err error) {
	err = l.tx(ctx, "read trial", func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		t, err = scanTrial(tx.QueryRowContext(ctx, "SELECT "+trialColumns+" FROM trials WHERE study = ? AND number = ?", id, number))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("trial %d of study %q: %w", number, study, ErrNotFound)
		}
		if err != nil {
			return err
		}
		one := []Trial{t}
		err = addReports(ctx, tx, id, one)
		t = one[0]
		return err
	})
	return t, err
}

// addReports fills in the reports of each trial's latest attempt. The trials are sorted by number.
func addReports(ctx context.Context, tx *sql.Tx, id int64, trials []Trial) error {
	if len(trials) == 0 {
		return nil
	}
	first, last := trials[0].Number, trials[len(trials)-1].Number
	rows, err := tx.QueryContext(ctx, "SELECT r.trial, r.step, r.metrics FROM reports r JOIN trials t ON t.study = r.study AND t.number = r.trial AND t.attempt = r.attempt WHERE r.study = ? AND r.trial BETWEEN ? AND ? ORDER BY r.trial, r.step",
		id, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int
		var r Report
		var metrics string
		if err := rows.Scan(&number, &r.Step, &metrics); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(metrics), &r.Metrics); err != nil {
			return err
		}
		t := &trials[number-first] // numbers have no gaps
		t.Reports = append(t.Reports, r)
	}
	return rows.Err()
}

// Attempts lists a trial's attempts.
func (l *SQLite) Attempts(ctx context.Context, study string, trial int) (out []Attempt, err error) {
	err = l.tx(ctx, "list attempts", func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT token, attempt, owner, began, expires, ended, outcome, result FROM attempts WHERE study = ? AND trial = ? ORDER BY attempt", id, trial)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			a := Attempt{Lease: Lease{Study: study, Trial: trial}}
			var began, expires, ended int64
			var result string
			if err := rows.Scan(&a.Token, &a.Attempt, &a.Owner, &began, &expires, &ended, &a.Outcome, &result); err != nil {
				return err
			}
			a.Began, a.Expires, a.Ended = fromMicros(began), fromMicros(expires), fromMicros(ended)
			if result != "" {
				a.Result = &Result{}
				if err := json.Unmarshal([]byte(result), a.Result); err != nil {
					return err
				}
			}
			out = append(out, a)
		}
		return rows.Err()
	})
	return out, err
}
