package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestProgressText(t *testing.T) {
	if got, want := progressText(50, 200, "cases", 10*time.Second), "50 of 200 cases, 5 a second, 30s left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := progressText(0, 200, "cases", 0), "0 of 200 cases"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// runCommand runs the command line and returns what it prints.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCheckPrintsTheTable(t *testing.T) {
	out, err := runCommand(t, "check", "--family", "ema,clip_scale", "--device", "cpu:generic,cpu:generic")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || strings.Count(lines[0], "cpu:generic") != 1 || !strings.HasPrefix(lines[1], "clip_scale") || !strings.Contains(lines[1], "12 ok") || !strings.HasPrefix(lines[2], "ema") {
		t.Errorf("printed:\n%s", out)
	}
}

func TestCheckPrintsJSON(t *testing.T) {
	out, err := runCommand(t, "check", "--family", "ema", "--device", "cpu:generic", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r checkReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(r.Table) != 1 || r.Table[0].Passed != r.Runs || r.Runs == 0 || r.Table[0].Worst <= 0 || r.Table[0].WorstCase == "" {
		t.Errorf("report %+v", r)
	}
}

func TestCheckRefusesUnknownNames(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--device", "gpu", "want cpu, cpu:generic"}, {"--device", "cpu:sse", "want one of generic, avx2, avx512"}, {"--family", "nosuch", "want one of"},
	} {
		_, err := runCommand(t, "check", c.flag, c.value)
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want a usage error with %q", c.flag, c.value, err, c.want)
		}
	}
}
