package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"palladio/engine/search/ledger"
	"palladio/engine/search/ledgertest"
)

type file struct{ path string }

func (f file) Open(t *testing.T, now func() time.Time) ledger.Ledger {
	l, err := ledger.OpenSQLite(f.path)
	if err != nil {
		t.Fatal(err)
	}
	ledger.SetClock(l, now)
	return l
}

func TestSQLite(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Store {
		return file{filepath.Join(t.TempDir(), "folder to make", "study #1.db")}
	})
}

var ctx = context.Background()

func create(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	l, err := ledger.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Create(ctx, ledger.Study{Name: "s"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func execSQL(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	path := create(t)
	execSQL(t, path, "PRAGMA user_version = 7")
	_, err := ledger.OpenSQLite(path)
	if !errors.Is(err, ledger.ErrVersion) || !strings.Contains(err.Error(), "version 7, this program's is 1") {
		t.Errorf("got %v", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	execSQL(t, path, "CREATE TABLE notes (a)")
	if _, err := ledger.OpenSQLite(path); !errors.Is(err, ledger.ErrForeign) {
		t.Errorf("another program's database: got %v", err)
	}
	text := filepath.Join(t.TempDir(), "x.txt")
	content := strings.Repeat("not a database at all\n", 100)
	if err := os.WriteFile(text, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenSQLite(text); !errors.Is(err, ledger.ErrForeign) {
		t.Errorf("a text file: got %v", err)
	}
	if got, _ := os.ReadFile(text); string(got) != content {
		t.Error("the text file was changed")
	}
	if _, err := ledger.ReadSQLite(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	path := create(t)
	l, err := ledger.ReadSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Study(ctx, "s"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := l.Create(ctx, ledger.Study{Name: "t"}); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("writing: got %v", err)
	}
	if _, err := l.Claim(ctx, "s"); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("claiming: got %v", err)
	}
}

// TestFullDisk lets SQLite meet its own page limit, which it reports as it reports a full disk, and looks that nothing is lost or half there.
func TestFullDisk(t *testing.T) {
	path := create(t)
	l, err := ledger.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ledger.LimitPages(t, l, 40)
	big := []byte(`"` + strings.Repeat("x", 20_000) + `"`)
	n := 0
	for ; n < 100; n++ {
		err = l.Ask(ctx, "s", ledger.Proposal{Number: n, Candidate: big}, ledger.Progress{Asked: n + 1, State: []byte("{}")})
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ledger.ErrFull) || n == 0 {
		t.Fatalf("after %d trials: got %v, want ErrFull", n, err)
	}
	ts, err := l.Trials(ctx, "s")
	if err != nil || len(ts) != n {
		t.Errorf("%d trials left of %d (%v)", len(ts), n, err)
	}
	ledger.LimitPages(t, l, 10_000)
	if err := l.Ask(ctx, "s", ledger.Proposal{Number: n, Candidate: big}, ledger.Progress{Asked: n + 1}); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestEveryCommitIsSynced(t *testing.T) {
	l, err := ledger.OpenSQLite(create(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if mode, sync := ledger.Pragma(t, l, "journal_mode"), ledger.Pragma(t, l, "synchronous"); mode != "wal" || sync != "2" {
		t.Errorf("journal_mode %s, synchronous %s; want wal, 2 (full)", mode, sync)
	}
}
