package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"palladio/engine/search"
	"palladio/engine/search/folder"
	"palladio/engine/search/ledger"
)

// searchProgress shows a run: one line that changes on a terminal, a line a trial elsewhere, JSON where asked for.
type searchProgress struct {
	w        io.Writer
	s        *folder.Folder
	asJSON   bool
	terminal bool
	began    time.Time
	width    int // of the line on the terminal
	base     float64
}

func newSearchProgress(w io.Writer, s *folder.Folder, asJSON bool) *searchProgress {
	f, ok := w.(*os.File)
	return &searchProgress{w: w, s: s, asJSON: asJSON, terminal: ok && !asJSON && isatty.IsTerminal(f.Fd()), began: time.Now()}
}

func (p *searchProgress) event(e search.Event) {
	switch {
	case p.asJSON:
		p.json(map[string]any{"event": e.Kind, "trial": trialJSON(e), "finished": e.Status.Finished, "asked": e.Status.Asked, "front": e.Status.Front, "seconds": e.Status.Seconds})
	case e.Kind == search.Began:
		p.base = e.Status.Seconds
		if e.Status.Inherited > 0 {
			fmt.Fprintf(p.w, "study %s in %s: going on after %d finished trials\n", p.s.Name, p.s.Dir, e.Status.Inherited)
		} else {
			fmt.Fprintf(p.w, "study %s in %s: budget %s\n", p.s.Name, p.s.Dir, e.Status.Budget)
		}
	case p.terminal:
		line := p.line(e.Status)
		fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-len(line))))
		p.width = len(line)
	case e.Kind == search.Ended:
		fmt.Fprintf(p.w, "trial %d %s in %.1f s: %s | %s\n", e.Trial.Number, e.Trial.State, e.Trial.Seconds, resultText(p.s, e.Trial), p.line(e.Status))
	}
}

func trialJSON(e search.Event) any {
	if e.Kind == search.Began {
		return nil
	}
	return map[string]any{"number": e.Trial.Number, "state": e.Trial.State, "metrics": e.Trial.Metrics, "report": e.Report, "error": e.Trial.Error}
}

// line tells how far the study is, how fast, and for how long it will go on.
func (p *searchProgress) line(s search.Status) string {
	here := s.Finished - s.Inherited
	spent := time.Since(p.began).Seconds()
	text := fmt.Sprintf("%d finished", s.Finished)
	if s.Budget.Trials > 0 {
		text = fmt.Sprintf("%d of %d finished", s.Finished, s.Budget.Trials)
	}
	if here > 0 {
		text += fmt.Sprintf(", %.1f a minute", 60*float64(here)/spent)
	}
	left := -1.0
	if s.Budget.Trials > 0 && here > 0 {
		left = float64(s.Budget.Trials-s.Finished) * spent / float64(here)
	}
	if s.Budget.Seconds > 0 {
		byTime := max(0, s.Budget.Seconds-s.Seconds)
		if left < 0 || byTime < left {
			left = byTime
		}
	}
	if left >= 0 {
		text += fmt.Sprintf(", %s left", time.Duration(left*float64(time.Second)).Round(time.Second))
	}
	if s.Winner != nil {
		text += fmt.Sprintf(", front of %d, best %s (trial %d)", s.Front, resultText(p.s, *s.Winner), s.Winner.Number)
	}
	return text
}

// end finishes the line on a terminal.
func (p *searchProgress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintln(p.w)
	}
}

func (p *searchProgress) json(v any) { _ = json.NewEncoder(p.w).Encode(v) } // like every other line to a closed pipe

func (p *searchProgress) summary(ctx context.Context, s search.Status, report string) error {
	trials, err := p.s.Trials(ctx)
	if err != nil {
		return err
	}
	front := p.s.Front(trials)
	if p.asJSON {
		p.json(map[string]any{"event": "done", "study": p.s.Name, "dir": p.s.Dir, "finished": s.Finished, "failed": s.Failed, "stopped": s.Stopped,
			"seconds": s.Seconds, "exhausted": s.Exhausted, "front": front, "winner": s.Winner, "report": report})
		return nil
	}
	fmt.Fprintf(p.w, "\n%d trials in %.0f s (%d stopped early, %d failed); the front:\n", s.Finished, s.Seconds, s.Stopped, s.Failed)
	if s.Exhausted {
		fmt.Fprintln(p.w, "every candidate of the space has been tried")
	}
	if err := printTrials(p.w, p.s, front); err != nil {
		return err
	}
	fmt.Fprintf(p.w, "\nreport: %s\nexport the winner with: palladio search export %s\n", report, p.s.Dir)
	return nil
}

// resultText is a trial's objectives.
func resultText(s *folder.Folder, t ledger.Trial) string {
	if t.State == ledger.Failed {
		first, _, _ := strings.Cut(t.Error, "\n")
		return first
	}
	var parts []string
	for _, o := range s.File().Goals().Objectives {
		if v, ok := t.Metrics[o.Metric]; ok {
			parts = append(parts, fmt.Sprintf("%s %.5g", o.Metric, v))
		}
	}
	return strings.Join(parts, ", ")
}

func printTrials(w io.Writer, s *folder.Folder, trials []ledger.Trial) error {
	objectives := s.File().Goals().Objectives
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "trial\tstate")
	for _, o := range objectives {
		fmt.Fprintf(t, "\t%s", o.Metric)
	}
	fmt.Fprintln(t, "\tcandidate")
	for _, r := range trials {
		fmt.Fprintf(t, "%d\t%s", r.Number, r.State)
		for _, o := range objectives {
			if v, ok := r.Metrics[o.Metric]; ok {
				fmt.Fprintf(t, "\t%.5g", v)
			} else {
				fmt.Fprint(t, "\t")
			}
		}
		fmt.Fprintf(t, "\t%s\n", s.Describe(r))
	}
	return t.Flush()
}

func printTrial(w io.Writer, s *folder.Folder, t ledger.Trial, attempts []ledger.Attempt) error {
	fmt.Fprintf(w, "trial %d of %s: %s\n%s\ncandidate %s\nfrom %s\n", t.Number, s.Name, t.State, s.Describe(t), t.Candidate, t.Note)
	if t.Error != "" {
		fmt.Fprintf(w, "error: %s\n", t.Error)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(t.Metrics)) {
		fmt.Fprintf(tw, "%s\t%.6g\n", name, t.Metrics[name])
	}
	for _, r := range t.Reports {
		fmt.Fprintf(tw, "step %d", r.Step)
		for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
			fmt.Fprintf(tw, "\t%s %.6g", name, r.Metrics[name])
		}
		fmt.Fprintln(tw)
	}
	for _, a := range attempts {
		fmt.Fprintf(tw, "attempt %d\t%s\t%s\t%s\n", a.Attempt, a.Outcome, a.Owner, a.Began.Format(time.DateTime))
	}
	return tw.Flush()
}

func printStudies(w io.Writer, root string, found []folder.Listed) error {
	if len(found) == 0 {
		fmt.Fprintf(w, "no studies in %s\n", root)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "folder\tstudy\tbegun\tseconds\ttrials")
	for _, s := range found {
		if s.Error != "" {
			fmt.Fprintf(t, "%s\t%s\n", s.Dir, s.Error)
			continue
		}
		var parts []string
		for _, state := range slices.Sorted(maps.Keys(s.Trials)) {
			parts = append(parts, fmt.Sprintf("%d %s", s.Trials[state], state))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%s\n", s.Dir, s.Name, s.Created.Format("2006-01-02 15:04"), s.Seconds, strings.Join(parts, ", "))
	}
	return t.Flush()
}
