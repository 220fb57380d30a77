// Package report writes a study as one self-contained HTML file: plots are inline SVG, and nothing is fetched from a network.
//
// What a person wants to know comes first: the winner, the front, how the search got there; then every trial, and what is needed to run the
// study again. The page follows the reader's light or dark setting.
package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"palladio/engine/hw"
	"palladio/engine/search"
	"palladio/engine/search/ledger"
)

//go:embed page.html
var page string

// Input is what a report shows.
type Input struct {
	Study      ledger.Study
	Trials     []ledger.Trial
	Goals      search.Goals
	Metrics    []search.Metric
	Settings   [][2]string
	Strategies []string
	Machine    hw.Fingerprint
	PricedFor  string                      // the machine that latencies are modelled for; "" if none
	Drawing    *search.Drawing             // of the winner; nil if it cannot be drawn
	Describe   func(t ledger.Trial) string // a candidate in a few words
	Generated  time.Time
	ResumeWith string // the command that continues the study
	ExportWith string // the command that exports the winner
	Complete   bool   // the budget is used up
}

// Write writes the page.
func Write(w io.Writer, in Input) error {
	t, err := template.New("report").Funcs(template.FuncMap{"number": number}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	v := build(in)
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// view is what the template reads.
type view struct {
	Input
	Winner                 *ledger.Trial
	WinnerJSON, WinnerText string
	Tiles                  []tile
	Fronts                 []plot
	History                []plot
	Curves                 *plot
	Network                template.HTML
	Layers                 []search.DrawnLayer
	Columns                []column
	Rows                   []row
	Fingerprint            [][2]string
	Done, Failed, Stopped  int
	Members                []member
}

type tile struct{ Label, Value, Note string }

type column struct{ Title, Unit string }

type row struct {
	Number                int
	State, By, How, Front string
	Values                []string
	Keys                  []string // to sort by
	Seconds               string
	Attempts              int
	Parents               string
	Candidate, Described  string
	Error                 string
}

// member is one strategy's result.
type member struct {
	Name   string
	Trials int
	Best   string
	Volume string
	Color  int
}

type plot struct {
	Title  string
	SVG    template.HTML
	Legend []legend
}

type legend struct {
	Label string
	Class string
}

func build(in Input) view {
	v := view{Input: in}
	w, ok := in.Goals.Winner(in.Trials)
	front := map[int]bool{}
	for _, t := range in.Goals.Front(in.Trials) {
		front[t.Number] = true
	}
	for _, t := range in.Trials {
		switch t.State {
		case ledger.Failed:
			v.Failed++
		case ledger.Stopped:
			v.Stopped++
		}
		if t.State.Final() {
			v.Done++
		}
	}
	if ok {
		v.Winner = &w
		var b bytes.Buffer
		if json.Indent(&b, w.Candidate, "", "  ") == nil {
			v.WinnerJSON = b.String()
		}
		v.WinnerText = in.Describe(w)
		v.Tiles = tiles(in, w)
	}
	v.Fronts = frontPlots(in, front)
	v.History, v.Members = historyPlots(in)
	v.Curves = curves(in, front)
	if in.Drawing != nil {
		v.Network, v.Layers = drawNetwork(*in.Drawing), in.Drawing.Layers
	}
	v.Columns, v.Rows = table(in, front)
	v.Fingerprint = fingerprint(in.Machine)
	return v
}

func tiles(in Input, w ledger.Trial) []tile {
	var out []tile
	for _, o := range in.Goals.Objectives {
		note := "smallest is best"
		if o.Maximise {
			note = "largest is best"
		}
		out = append(out, tile{title(in, o.Metric), number(w.Metrics[o.Metric]), note})
	}
	return out
}

func title(in Input, metric string) string {
	for _, m := range in.Metrics {
		if m.Name == metric && m.Unit != "" {
			return strings.TrimSuffix(strings.TrimSuffix(metric, "_us"), "_ms") + " (" + m.Unit + ")"
		}
	}
	return metric
}

// number writes a value for people: four digits, thousands separated.
func number(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e15 {
		s := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "\u202f" + s[i:] // a narrow space
		}
		if x < 0 {
			s = "−" + s
		}
		return s
	}
	if a := math.Abs(x); a >= 1000 && a < 1e15 {
		return number(math.Round(x))
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

func note(t ledger.Trial) (n search.Note) {
	_ = json.Unmarshal(t.Note, &n) // a note that cannot be read is an empty one
	return n
}

func table(in Input, front map[int]bool) ([]column, []row) {
	var names []string
	for _, m := range in.Metrics {
		names = append(names, m.Name)
	}
	var cols []column
	for _, n := range names {
		cols = append(cols, column{title(in, n), n})
	}
	var rows []row
	for _, t := range in.Trials {
		n := note(t)
		r := row{Number: t.Number, State: string(t.State), By: n.By, How: n.How, Attempts: t.Attempts, Candidate: string(t.Candidate), Described: in.Describe(t), Error: t.Error}
		if front[t.Number] {
			r.Front = "front"
		}
		if t.State.Final() {
			r.Seconds = fmt.Sprintf("%.2f", t.Seconds)
		}
		for _, p := range n.Parents {
			r.Parents += fmt.Sprintf(" #%d", p)
		}
		for _, name := range names {
			x, ok := t.Metrics[name]
			if !ok {
				r.Values, r.Keys = append(r.Values, ""), append(r.Keys, "")
				continue
			}
			r.Values, r.Keys = append(r.Values, number(x)), append(r.Keys, strconv.FormatFloat(x, 'g', -1, 64))
		}
		rows = append(rows, r)
	}
	return cols, rows
}

func fingerprint(f hw.Fingerprint) [][2]string {
	out := [][2]string{{"CPU", f.CPU}, {"cores in use", fmt.Sprint(f.Cores)}, {"instruction set", f.Level}, {"features", strings.Join(f.Features, " ")},
		{"memory", fmt.Sprintf("%d MB", f.MemoryMB)}, {"system", strings.TrimSpace(f.OS + " " + f.Kernel)}, {"Go", f.Go}}
	if f.Revision != "" {
		r := f.Revision
		if f.Modified {
			r += " with changes"
		}
		out = append(out, [2]string{"revision", r})
	}
	return slices.DeleteFunc(out, func(p [2]string) bool { return p[1] == "" || p[1] == "0 MB" })
}
