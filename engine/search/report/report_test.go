package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"palladio/engine/search"
	"palladio/engine/search/ledger"
)

// study is a study of n trials over two objectives, of which every fifth failed.
func study(n int) Input {
	in := Input{
		Study:   ledger.Study{Name: "a study", Created: time.Unix(1e9, 0), Source: "strategy: random\n"},
		Goals:   search.Goals{Objectives: []search.Objective{{Metric: "accuracy", Maximise: true}, {Metric: "latency_us"}}},
		Metrics: []search.Metric{{Name: "accuracy"}, {Name: "latency_us", Unit: "µs"}, {Name: "params"}}, Strategies: []string{"random"},
		Settings: [][2]string{{"seed", "1"}}, Generated: time.Unix(1e9+60, 0), ResumeWith: "palladio search resume x", ExportWith: "palladio search export x",
		Describe: func(t ledger.Trial) string { return fmt.Sprintf("network %d", t.Number) },
		Drawing:  &search.Drawing{Input: "28x28x1", Layers: []search.DrawnLayer{{Kind: "conv", Label: "conv 3x3, 32", Output: "28x28x32", Params: 320}, {Kind: "dense", Label: "dense", Output: "10"}}},
	}
	for i := range n {
		var t ledger.Trial
		t.Number, t.Candidate, t.State, t.Seconds, t.Attempts = i, json.RawMessage(fmt.Sprintf(`{"depth":%d}`, i)), ledger.Complete, 1.5, 1
		t.Note = json.RawMessage(`{"by":"random"}`)
		t.Metrics = map[string]float64{"accuracy": 1 - 1/float64(i+2), "latency_us": 10 + float64(i*i), "params": float64(1000 * i)}
		if i%5 == 4 {
			t.State, t.Metrics, t.Error = ledger.Failed, nil, "it went <b>wrong</b>"
		}
		in.Trials = append(in.Trials, t)
	}
	return in
}

func written(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReportShowsTheStudy: the winner, every trial with its numbers, the commands, and well-formed drawings.
func TestReportShowsTheStudy(t *testing.T) {
	in := study(13)
	page := written(t, in)
	for _, want := range []string{"a study", "network 12", "palladio search resume x", "latency (µs)", "accuracy", "conv 3x3, 32", "0.9286", "154"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, trial := range in.Trials {
		if !strings.Contains(page, in.Describe(trial)) {
			t.Errorf("trial %d is missing", trial.Number)
		}
	}
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	if len(drawings) < 3 {
		t.Errorf("%d drawings, want the front, the history and the network", len(drawings))
	}
	for i, svg := range drawings {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("drawing %d: %v", i, err)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("drawing %d has coordinates that are no numbers", i)
		}
	}
}

// TestReportIsSelfContained: nothing is fetched, and what a study says is text, never markup or a script.
func TestReportIsSelfContained(t *testing.T) {
	in := study(6)
	hostile := `</script><script>alert("x")</script>`
	in.Study.Name, in.Study.Source, in.ResumeWith = hostile, hostile, hostile
	in.Settings = [][2]string{{hostile, hostile}}
	in.Metrics[2].Name = hostile
	in.Describe = func(ledger.Trial) string { return hostile }
	in.Drawing.Layers[0].Label, in.Drawing.Input = hostile, hostile
	in.Trials[1].Candidate, _ = json.Marshal(hostile)
	page := written(t, in)
	if strings.Contains(page, `<script>alert`) || strings.Contains(page, "<b>wrong</b>") {
		t.Error("the study's text became markup")
	}
	if m := regexp.MustCompile(`(?:src|href)\s*=\s*["']?(?:https?:)?//[^"']*`).FindString(page); m != "" {
		t.Errorf("the page fetches %s", m)
	}
}

// TestReportOfLittle: studies without a trial, without a finished one, and with equal or huge values have a page, too.
func TestReportOfLittle(t *testing.T) {
	running := study(1)
	running.Trials[0].State, running.Trials[0].Metrics = ledger.Running, nil
	failed := study(5)
	failed.Trials = failed.Trials[4:]
	equal := study(4)
	for i := range equal.Trials {
		equal.Trials[i].Metrics = map[string]float64{"accuracy": 0.5, "latency_us": 3, "params": 0}
	}
	huge := study(4)
	huge.Trials[0].Metrics = map[string]float64{"accuracy": 1e-300, "latency_us": math.MaxFloat64, "params": -1e18}
	for name, in := range map[string]Input{"empty": study(0), "running": running, "failed": failed, "one": study(1), "equal": equal, "huge": huge} {
		in.Drawing = nil
		if page := written(t, in); strings.Contains(page, "NaN") || !strings.Contains(page, "a study") {
			t.Errorf("%s: a broken page", name)
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 12: "12", 1234567: "1\u202f234\u202f567", -1234: "−1\u202f234", 0.123456: "0.1235", 1234.5: "1\u202f235", 1e-7: "1e-07"} {
		if got := number(x); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
}
