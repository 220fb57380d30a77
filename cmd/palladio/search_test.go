package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runSearch runs the verb in an empty folder and returns what it prints and its exit status.
func runSearch(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"search"}, args...))
	err := root.Execute()
	return out.String(), err
}

const zdtStudy = "study: zdt\nproblem: zdt1\nobjectives: [{minimise: f1}, {minimise: f2}]\nstrategy: random\nbudget: {trials: 12}\n"

func writeStudy(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSearchVerbs(t *testing.T) {
	file := writeStudy(t, zdtStudy)
	t.Chdir(t.TempDir())
	for _, step := range []struct {
		args []string
		want []string
	}{
		{[]string{"run", file}, []string{"budget 12 trials", "trial 11 complete", "12 of 12 finished", "the front:", "report: " + filepath.Join("runs", "zdt", "report.html")}},
		{[]string{"run", file}, []string{"going on after 12 finished trials"}},
		{[]string{"resume", "runs/zdt", "--trials", "15"}, []string{"trial 14 complete", "15 trials in"}},
		{[]string{"list"}, []string{filepath.Join("runs", "zdt"), "15 complete"}},
		{[]string{"show", "runs/zdt"}, []string{"f1", "candidate"}},
		{[]string{"show", "runs/zdt", "--trial", "3"}, []string{"trial 3 of zdt: complete", "step 3", "attempt 1", "answered"}},
		{[]string{"plot", "runs/zdt"}, []string{"report.html"}},
		{[]string{"export", "runs/zdt"}, []string{"trial.json"}},
	} {
		out, err := runSearch(t, step.args...)
		if err != nil {
			t.Fatalf("%v: %v", step.args, err)
		}
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in:\n%s", step.args, want, out)
			}
		}
		if strings.Contains(out, "\r") {
			t.Errorf("%v draws a progress line into a pipe", step.args)
		}
	}
}

func TestSearchJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	out, err := runSearch(t, "run", writeStudy(t, zdtStudy), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var last map[string]any
	for line := range strings.Lines(out) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	if last["event"] != "done" || last["finished"] != 12.0 || len(last["front"].([]any)) == 0 {
		t.Errorf("the last line is %v", last)
	}
	for _, args := range [][]string{{"list", "--json"}, {"show", "runs/zdt", "--json"}, {"show", "runs/zdt", "--trial", "0", "--json"}} {
		out, err := runSearch(t, args...)
		if err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
}

// TestSearchExitStatus checks the statuses through main's own path: 2 for what the caller wrote wrong, 1 for what went wrong.
func TestSearchExitStatus(t *testing.T) {
	t.Chdir(t.TempDir())
	good := writeStudy(t, zdtStudy)
	if got := run([]string{"search", "run", good}); got != 0 {
		t.Fatalf("status %d", got)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"run"}, exitUsage},
		{[]string{"run", "none.yaml"}, exitUsage},
		{[]string{"run", writeStudy(t, "study: [\n")}, exitUsage},
		{[]string{"run", writeStudy(t, zdtStudy+"bugdet: 1\n")}, exitUsage},
		{[]string{"run", good, "--workers", "-1"}, exitUsage},
		{[]string{"run", good, "--wrokers", "1"}, exitUsage},
		{[]string{"run", good, "--device", "sim:h100"}, exitUsage}, // nothing of this problem runs on a device
		{[]string{"nonesuch"}, exitUsage},
		{[]string{"run", good, "--seed", "9"}, exitFailed},
		{[]string{"run", writeStudy(t, strings.Replace(zdtStudy, "study: zdt", "study: impossible\nconstraints: ['total < 0']", 1))}, exitFailed},
		{[]string{"resume", "none"}, exitFailed},
		{[]string{"show", "runs/zdt", "--trial", "99"}, exitFailed},
	} {
		if got := run(append([]string{"search"}, c.args...)); got != c.want {
			t.Errorf("search %v: status %d, want %d", c.args, got, c.want)
		}
	}
}
