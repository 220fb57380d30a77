package ledger

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed schema.sql
var schema string

// The marks of a ledger in the file's header: SQLite's application_id, and the schema's version as user_version.
const (
	applicationID = 0x50414c4c // "PALL"
	schemaVersion = 1
)

// SQLite is a ledger in one file.
type SQLite struct {
	path     string
	db       *sql.DB
	readOnly bool
	now      func() time.Time
}

// OpenSQLite opens a ledger file, or makes it.
func OpenSQLite(path string) (*SQLite, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return open(path, false)
}

// ReadSQLite opens an existing ledger file for reading only; a process that writes to it may be running.
func ReadSQLite(path string) (*SQLite, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return open(path, true)
}

func open(path string, readOnly bool) (*SQLite, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "foreign_keys(1)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Set("_txlock", "deferred")
	} else {
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // one writer; the pragmas belong to the connection
	l := &SQLite{path: path, db: db, readOnly: readOnly, now: time.Now}
	if err := l.prepare(); err != nil {
		db.Close()
		return nil, err
	}
	return l, nil
}

// prepare checks the file's marks and makes the tables of a new file, all in one transaction.
func (l *SQLite) prepare() error {
	return l.tx(context.Background(), "open", func(tx *sql.Tx) error {
		var app, version, tables int
		if err := tx.QueryRow("SELECT (SELECT * FROM pragma_application_id), (SELECT * FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").
			Scan(&app, &version, &tables); err != nil {
			return err
		}
		switch {
		case app == applicationID && version == schemaVersion:
			return nil
		case app == applicationID:
			return fmt.Errorf("%w: its schema is version %d, this program's is %d: use the palladio that wrote it, or begin a new study elsewhere (--out)",
				ErrVersion, version, schemaVersion)
		case tables > 0 || app != 0 || version != 0:
			return fmt.Errorf("%w: it is a database of something else", ErrForeign)
		case l.readOnly:
			return fmt.Errorf("%w: it is empty", ErrForeign)
		}
		_, err := tx.Exec(fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", schema, applicationID, schemaVersion))
		return err
	})
}

// Close closes the file.
func (l *SQLite) Close() error { return l.wrap("close", l.db.Close()) }

// tx runs f in a transaction.
func (l *SQLite) tx(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return l.wrap(what, err)
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return l.wrap(what, err)
	}
	return l.wrap(what, tx.Commit())
}

// wrap names the file and what was done, and translates SQLite's codes.
func (l *SQLite) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			err = fmt.Errorf("%w: free some space and run again; all finished trials are safe (%w)", ErrFull, err)
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			err = fmt.Errorf("%w: check the permissions of the file and its folder (%w)", ErrReadOnly, err)
		case sqlite3.SQLITE_CANTOPEN:
			err = fmt.Errorf("the file cannot be opened: check that its folder exists and is writable (%w)", err)
		case sqlite3.SQLITE_NOTADB:
			err = fmt.Errorf("%w: it is no SQLite file (%w)", ErrForeign, err)
		case sqlite3.SQLITE_CORRUPT:
			err = fmt.Errorf("the file is damaged: restore it from a copy (%w)", err)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			err = fmt.Errorf("another process keeps the file locked (%w)", err)
		}
	}
	return fmt.Errorf("ledger %s: %s: %w", l.path, what, err)
}

// Times are stored as microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
