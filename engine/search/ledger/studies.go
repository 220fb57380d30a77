package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Create adds a study.
func (l *SQLite) Create(ctx context.Context, s Study) error {
	return l.tx(ctx, "create study "+s.Name, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM studies WHERE name = ?", s.Name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%q: %w", s.Name, ErrExists)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO studies (name, created, source, settings, machine, state) VALUES (?, ?, ?, ?, ?, ?)",
			s.Name, micros(l.now()), s.Source, string(s.Settings), string(s.Machine), string(s.State))
		return err
	})
}

const studyColumns = "id, name, created, source, settings, machine, asked, state, seconds"

func scanStudy(row interface{ Scan(...any) error }) (id int64, s Study, err error) {
	var created int64
	var settings, machine, state string
	err = row.Scan(&id, &s.Name, &created, &s.Source, &settings, &machine, &s.Asked, &state, &s.Seconds)
	s.Created = fromMicros(created)
	s.Settings, s.Machine, s.State = []byte(settings), []byte(machine), []byte(state)
	return id, s, err
}

func (l *SQLite) study(ctx context.Context, tx *sql.Tx, name string) (int64, Study, error) {
	id, s, err := scanStudy(tx.QueryRowContext(ctx, "SELECT "+studyColumns+" FROM studies WHERE name = ?", name))
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("study %q: %w", name, ErrNotFound)
	}
	return id, s, err
}

func (l *SQLite) studyID(ctx context.Context, tx *sql.Tx, name string) (int64, error) {
	id, _, err := l.study(ctx, tx, name)
	return id, err
}

// Study returns a study by name.
func (l *SQLite) Study(ctx context.Context, name string) (s Study, err error) {
	err = l.tx(ctx, "read study", func(tx *sql.Tx) error {
		var id int64
		if id, s, err = l.study(ctx, tx, name); err != nil {
			return err
		}
		s.Trials, err = countTrials(ctx, tx, id)
		return err
	})
	return s, err
}

// Studies lists all studies, oldest first.
func (l *SQLite) Studies(ctx context.Context) (out []Study, err error) {
	err = l.tx(ctx, "list studies", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+studyColumns+" FROM studies ORDER BY id")
		if err != nil {
			return err
		}
		defer rows.Close()
		var ids []int64
		for rows.Next() {
			id, s, err := scanStudy(rows)
			if err != nil {
				return err
			}
			ids, out = append(ids, id), append(out, s)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		for i, id := range ids {
			if out[i].Trials, err = countTrials(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func countTrials(ctx context.Context, tx *sql.Tx, id int64) (map[State]int, error) {
	rows, err := tx.QueryContext(ctx, "SELECT state, count(*) FROM trials WHERE study = ? GROUP BY state", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[State]int{}
	for rows.Next() {
		var s State
		var n int
		if err := rows.Scan(&s, &n); err != nil {
			return nil, err
		}
		out[s] = n
	}
	return out, rows.Err()
}

// Claim makes the caller the study's only coordinator, by a lock that the operating system drops with the process.
func (l *SQLite) Claim(ctx context.Context, study string) (func() error, error) {
	if l.readOnly {
		return nil, l.wrap("claim study", ErrReadOnly)
	}
	release, err := lockFile(l.path + ".lock")
	if err != nil {
		return nil, l.wrap("claim study "+study, err)
	}
	err = l.tx(ctx, "claim study", func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		const pattern = LocalOwner + "%"
		if _, err := tx.ExecContext(ctx, "UPDATE trials SET state = ? WHERE study = ? AND state = ? AND EXISTS (SELECT 1 FROM attempts a WHERE a.study = trials.study AND a.trial = trials.number AND a.attempt = trials.attempt AND a.owner LIKE ?)",
			Waiting, id, Running, pattern); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE attempts SET outcome = ?, ended = ? WHERE study = ? AND outcome = ? AND owner LIKE ?", Lost, micros(l.now()), id, Working, pattern)
		return err
	})
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Ask adds the next trial and the strategy's state.
func (l *SQLite) Ask(ctx context.Context, study string, t Proposal, p Progress) error {
	return l.tx(ctx, fmt.Sprintf("ask trial %d", t.Number), func(tx *sql.Tx) error {
		id, s, err := l.study(ctx, tx, study)
		if err != nil {
			return err
		}
		if t.Number != s.Asked || p.Asked != t.Number+1 {
			return fmt.Errorf("trial %d (then %d asked) cannot follow %d trials", t.Number, p.Asked, s.Asked)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO trials (study, number, candidate, note, state, asked) VALUES (?, ?, ?, ?, ?, ?)",
			id, t.Number, string(t.Candidate), string(t.Note), Waiting, micros(l.now())); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE studies SET asked = ?, state = ?, seconds = max(seconds, ?) WHERE id = ?", p.Asked, string(p.State), p.Seconds, id)
		return err
	})
}

// Spend saves the seconds used.
func (l *SQLite) Spend(ctx context.Context, study string, seconds float64) error {
	return l.tx(ctx, "save time", func(tx *sql.Tx) error {
		id, err := l.studyID(ctx, tx, study)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE studies SET seconds = max(seconds, ?) WHERE id = ?", seconds, id)
		return err
	})
}
