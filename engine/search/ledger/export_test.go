package ledger

import (
	"fmt"
	"testing"
	"time"
)

// SetClock replaces the ledger's clock.
func SetClock(l *SQLite, now func() time.Time) { l.now = now }

// LimitPages bounds the file's size.
func LimitPages(t *testing.T, l *SQLite, n int) { Pragma(t, l, fmt.Sprintf("max_page_count = %d", n)) }

// Pragma asks SQLite for a setting.
func Pragma(t *testing.T, l *SQLite, name string) (v string) {
	if err := l.db.QueryRow("PRAGMA " + name).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
