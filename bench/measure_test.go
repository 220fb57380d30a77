package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"palladio/fallback"
)

func TestStatistics(t *testing.T) {
	if m := median([]float64{1, 2, 10}); m != 2 {
		t.Errorf("median %v", m)
	}
	if m := median([]float64{1, 2, 4, 10}); m != 3 {
		t.Errorf("median of four %v", m)
	}
	if g := geomean([]float64{1, 4, 16}); math.Abs(g-4) > 1e-12 {
		t.Errorf("geometric mean %v", g)
	}
	if median(nil) != 0 || geomean(nil) != 0 || least(nil) != 0 || middle(nil) != 0 {
		t.Error("a statistic of nothing is not 0")
	}
	r := Row{Timings: map[string]Timing{"palladio": {Seconds: 2}, "a": {Seconds: 1}, "b": {Seconds: 3}}}
	if x := r.ratio("palladio", "a", "b"); x != 0.5 {
		t.Errorf("ratio to the best %v, want 0.5", x)
	}
	if x := r.ratio("palladio", "b", "absent"); x != 1.5 {
		t.Errorf("ratio %v, want 1.5", x)
	}
	if x := r.ratio("palladio", "absent"); x != 0 {
		t.Errorf("ratio to nobody %v", x)
	}
	if !(Bar{Want: 1, Got: 1}).OK() || (Bar{Want: 1, Got: 0.99}).OK() || (Bar{Want: 1, Got: 1.01, Most: true}).OK() {
		t.Error("a bar is judged wrongly")
	}
}

// script installs a rival that is a shell script.
func script(t *testing.T, label, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, label), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPeer(t *testing.T) {
	dir := script(t, "openblas", `echo "ready test 1"
while read verb rest; do
	case "$verb" in
	gemm) echo "ok 0.001 $OPENBLAS_NUM_THREADS" ;;
	conv) echo "no: only gemm" ;;
	esac
done
`)
	p, err := (&Options{PeersDir: dir, Scripts: "."}).startPeer(context.Background(), "openblas", 3)
	if err != nil {
		t.Fatal(err)
	}
	s, sum, err := p.measure(context.Background(), gemmWork{batch: 1, m: 2, n: 2, k: 2}, time.Millisecond)
	if err != nil || s != 0.001 || sum != 3 || p.version != "test 1" {
		t.Errorf("%v s, threads %v, version %q, error %v", s, sum, p.version, err)
	}
	if _, _, err := p.measure(context.Background(), convLayers()[0], time.Millisecond); !errors.Is(err, errNotOffered) {
		t.Errorf("what a rival does not offer: error %v", err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := (&Options{PeersDir: script(t, "openblas", "exit 1"), Scripts: "."}).startPeer(context.Background(), "openblas", 1); err == nil {
		t.Error("a rival that does not start went unnoticed")
	}
	if _, err := (&Options{PeersDir: t.TempDir(), Scripts: "."}).startPeer(context.Background(), "onednn", 1); err == nil || !strings.Contains(err.Error(), "make peers") {
		t.Errorf("a rival that is not there: error %v", err)
	}
}

// fixed is a contender with a given answer.
type fixed struct {
	label        string
	seconds, sum float64
	err          error
}

func (f fixed) name() string { return f.label }
func (f fixed) close() error { return nil }
func (f fixed) measure(context.Context, workload, time.Duration) (float64, float64, error) {
	return f.seconds, f.sum, f.err
}

func TestMeasureRow(t *testing.T) {
	w := gemmWork{batch: 1, m: 10, n: 10, k: 10}
	s := settings{3, time.Millisecond}
	row, err := measureRow(context.Background(), []contender{fixed{"palladio", 1e-6, 5, nil}, fixed{"a", 2e-6, 5.001, nil}, fixed{"b", 0, 0, errNotOffered}}, w, s)
	if err != nil || row.FLOPs != 2000 || row.Timings["palladio"].GFLOPS != 2 || len(row.Timings) != 2 {
		t.Errorf("%+v, %v", row, err)
	}
	if _, err := measureRow(context.Background(), []contender{fixed{"palladio", 1, 5, nil}, fixed{"a", 1, 6, nil}}, w, s); err == nil || !strings.Contains(err.Error(), "a of 6") {
		t.Errorf("different results: error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := measureRow(ctx, []contender{fixed{"palladio", 1, 5, nil}}, w, s); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

// TestOurs runs small workloads for real: the levels must agree with each other's checksums.
func TestOurs(t *testing.T) {
	works := []workload{
		gemmWork{batch: 2, m: 9, n: 17, k: 33, tb: true},
		convWork{"net", forward, 1, 9, 8, 16, 3, 1, 1, 1, 1}, convWork{"net", backwardData, 1, 9, 8, 16, 3, 2, 1, 1, 1},
		convWork{"net", backwardFilter, 1, 9, 8, 8, 3, 1, 1, 1, 8},
	}
	var cs []contender
	for _, l := range fallback.Levels() {
		c, err := newOurs(l.String(), l, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		cs = append(cs, c)
	}
	rows, err := measureAll(context.Background(), cs, works, settings{1, time.Millisecond}, func(string) {})
	if err != nil || len(rows) != len(works) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		for name, tm := range r.Timings {
			if tm.checksum == 0 || tm.GFLOPS <= 0 {
				t.Errorf("%s: %s: %+v", r.Case, name, tm)
			}
		}
	}
}

func TestResultIsWrittenAndPrinted(t *testing.T) {
	r := &Result{When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: Machine{CPU: "ACME (R) 9000"}, Bars: []Bar{{What: "speed", Want: 1, Got: 0.5}},
		Tables: []Table{{Name: "T", Threads: 2, unit: "ms", Contenders: []string{"palladio", "a"},
			Rows: []Row{{Case: "c", Timings: map[string]Timing{"palladio": {Seconds: 0.002}, "a": {Seconds: 0.004}}}}}}}
	file, err := r.Write(filepath.Join(t.TempDir(), "new"))
	if err != nil || filepath.Base(file) != "acme-r-9000-2026-01-02.json" {
		t.Fatalf("%s, %v", file, err)
	}
	b, err := os.ReadFile(file)
	var back Result
	if err != nil || json.Unmarshal(b, &back) != nil || back.Tables[0].Rows[0].Timings["a"].Seconds != 0.004 {
		t.Errorf("%s, %v", b, err)
	}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 ±0%", "2.00", "MISSED", "2 threads"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if len(r.Missed()) != 1 {
		t.Errorf("missed %v", r.Missed())
	}
}

func TestRunRefusesUnknownSuites(t *testing.T) {
	if _, err := Run(context.Background(), Options{Suites: []string{"gem"}}); err == nil || !strings.Contains(err.Error(), "gemm") {
		t.Errorf("error %v", err)
	}
}
