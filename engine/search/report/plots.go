package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"

	"palladio/engine/search"
	"palladio/engine/search/ledger"
)

// The drawing area of a plot, in SVG units.
const (
	width, height            = 560, 340
	left, right, top, bottom = 62, 16, 14, 46
)

// axis maps values to coordinates.
type axis struct {
	lo, hi float64
	log    bool
	whole  bool    // only whole numbers make sense
	from   float64 // coordinate of lo
	to     float64 // coordinate of hi
}

// newAxis covers the values with a little room; a wide range of positive values becomes logarithmic.
func newAxis(values []float64, from, to float64, mayLog bool) axis {
	a := axis{from: from, to: to}
	if len(values) == 0 {
		a.hi = 1
		return a
	}
	const most = 1e250 // so that differences of two values and some room are finite
	a.lo, a.hi = max(slices.Min(values), -most), min(slices.Max(values), most)
	if mayLog && a.lo > 0 && a.hi/20 > a.lo {
		a.log = true
		room := math.Exp(0.04 * (math.Log(a.hi) - math.Log(a.lo)))
		a.lo, a.hi = max(a.lo/room, 1/most), a.hi*room
		return a
	}
	room := (a.hi - a.lo) * 0.05
	if largest := max(math.Abs(a.lo), math.Abs(a.hi)); room <= 1e-9*largest { // all but equal
		room = max(largest*0.05, 1e-9)
	}
	a.lo, a.hi = a.lo-room, a.hi+room
	return a
}

func (a axis) at(v float64) float64 {
	u := (v - a.lo) / (a.hi - a.lo)
	if a.log {
		u = (math.Log(v) - math.Log(a.lo)) / (math.Log(a.hi) - math.Log(a.lo))
	}
	return a.from + u*(a.to-a.from)
}

// count makes an axis of whole numbers.
func (a axis) count() axis {
	a.whole = true
	return a
}

// ticks are round values within the axis.
func (a axis) ticks() []float64 {
	if a.log {
		var out []float64
		for e := math.Floor(math.Log10(a.lo)); e <= math.Log10(a.hi); e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= a.lo && v <= a.hi {
					out = append(out, v)
				}
			}
		}
		for every := 1.0; len(out) > 7; every++ { // whole decades, every second one, …
			out = slices.DeleteFunc(out, func(v float64) bool {
				e := math.Round(math.Log10(v))
				return math.Abs(math.Log10(v)-e) > 1e-9 || math.Mod(e, every) != 0
			})
		}
		return out
	}
	raw := (a.hi - a.lo) / 5
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * unit; step >= raw {
			break
		}
	}
	if a.whole {
		step = max(math.Round(step), 1)
	}
	var out []float64
	for first := math.Ceil(a.lo / step); (first+float64(len(out)))*step <= a.hi; {
		out = append(out, (first+float64(len(out)))*step)
	}
	return out
}

// tickText writes a tick's value shortly.
func tickText(v float64) string {
	switch x := math.Abs(v); {
	case x >= 1e9:
		return trim(v/1e9) + "G"
	case x >= 1e6:
		return trim(v/1e6) + "M"
	case x >= 1e4:
		return trim(v/1e3) + "k"
	}
	return trim(v)
}

func trim(v float64) string {
	if math.Abs(v) < 1e-12 {
		return "0"
	}
	return fmt.Sprintf("%.4g", v)
}

// canvas collects SVG.
type canvas struct {
	strings.Builder
	x, y axis
}

func newCanvas(label string, x, y axis, xTitle, yTitle string) *canvas {
	c := &canvas{x: x, y: y}
	fmt.Fprintf(c, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, html.EscapeString(label))
	for _, t := range y.ticks() {
		fmt.Fprintf(c, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, y.at(t), y.at(t), left-7, y.at(t)+4, tickText(t))
	}
	for _, t := range x.ticks() {
		fmt.Fprintf(c, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x.at(t), x.at(t), top, height-bottom, x.at(t), height-bottom+17, tickText(t))
	}
	fmt.Fprintf(c, `<text class="axis" x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, height-8, html.EscapeString(xTitle))
	fmt.Fprintf(c, `<text class="axis" transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-bottom)/2, html.EscapeString(yTitle))
	return c
}

func (c *canvas) done() template.HTML {
	c.WriteString("</svg>")
	return template.HTML(c.String())
}

func (c *canvas) path(class string, xs, ys []float64, steps bool) {
	var d strings.Builder
	for i := range xs {
		switch {
		case i == 0:
			fmt.Fprintf(&d, "M%.1f %.1f", c.x.at(xs[i]), c.y.at(ys[i]))
		case steps:
			fmt.Fprintf(&d, "H%.1fV%.1f", c.x.at(xs[i]), c.y.at(ys[i]))
		default:
			fmt.Fprintf(&d, "L%.1f %.1f", c.x.at(xs[i]), c.y.at(ys[i]))
		}
	}
	fmt.Fprintf(c, `<path class="%s" d="%s"/>`, class, d.String())
}

func (c *canvas) dot(class string, x, y, r float64, trial int, tip string) {
	fmt.Fprintf(c, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="%.1f" data-trial="%d" data-tip="%s"/>`,
		class, c.x.at(x), c.y.at(y), r, trial, html.EscapeString(tip))
}

// tip is what hovering over a trial shows.
func tip(in Input, t ledger.Trial) string {
	lines := []string{fmt.Sprintf("trial %d (%s)", t.Number, t.State)}
	for _, m := range in.Metrics {
		if v, ok := t.Metrics[m.Name]; ok {
			lines = append(lines, title(in, m.Name)+": "+number(v))
		}
	}
	n := note(t)
	from := n.By + ", " + n.How
	for _, p := range n.Parents {
		from += fmt.Sprintf(" of %d", p)
	}
	return strings.Join(append(lines, from), "\n")
}

// color is the class of a strategy.
func color(in Input, by string) string {
	return fmt.Sprintf("s%d", max(slices.Index(in.Strategies, by), 0)%6)
}

func legends(in Input) []legend {
	var out []legend
	for _, s := range in.Strategies {
		out = append(out, legend{s, color(in, s)})
	}
	return out
}

// frontPlots draw the first objective against each other one. With a single objective there is no front to draw.
func frontPlots(in Input, front map[int]bool) []plot {
	var out []plot
	objectives := in.Goals.Objectives
	for k := 1; k < len(objectives); k++ {
		first, other := objectives[0], objectives[k]
		var shown []ledger.Trial
		var xs, ys []float64
		for _, t := range in.Trials {
			x, okX := t.Metrics[other.Metric]
			y, okY := t.Metrics[first.Metric]
			if okX && okY && t.State.Final() && t.State != ledger.Failed {
				shown, xs, ys = append(shown, t), append(xs, x), append(ys, y)
			}
		}
		if len(shown) == 0 {
			continue
		}
		name := title(in, first.Metric) + " against " + title(in, other.Metric)
		c := newCanvas(name, newAxis(xs, left, width-right, true), newAxis(ys, height-bottom, top, false), title(in, other.Metric), title(in, first.Metric))
		envelope(c, shown, front, other, first)
		for _, onFront := range []bool{false, true} { // the front on top
			for i, t := range shown {
				if front[t.Number] != onFront {
					continue
				}
				class, r := color(in, note(t).By), 3.6
				if t.State == ledger.Stopped {
					class += " stopped"
				}
				if onFront {
					class, r = class+" front", 5.6
				}
				c.dot(class, xs[i], ys[i], r, t.Number, tip(in, t))
			}
		}
		out = append(out, plot{Title: name, SVG: c.done(), Legend: legends(in)})
	}
	return out
}

// envelope draws the front of two objectives as stairs.
func envelope(c *canvas, shown []ledger.Trial, front map[int]bool, xo, yo search.Objective) {
	sign := func(o search.Objective) float64 {
		if o.Maximise {
			return -1
		}
		return 1
	}
	type pair struct{ x, y float64 }
	var ps []pair
	for _, t := range shown {
		if front[t.Number] {
			ps = append(ps, pair{t.Metrics[xo.Metric], t.Metrics[yo.Metric]})
		}
	}
	slices.SortFunc(ps, func(a, b pair) int {
		if d := sign(xo) * (a.x - b.x); d != 0 {
			return int(math.Copysign(1, d))
		}
		return int(math.Copysign(1, sign(yo)*(a.y-b.y)))
	})
	var xs, ys []float64
	best := math.Inf(1)
	for _, p := range ps {
		if cost := sign(yo) * p.y; cost < best {
			best = cost
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) > 1 {
		c.path("envelope", xs, ys, true)
	}
}

// historyPlots show the best of the first objective and the hypervolume as trials come in, a line a strategy.
func historyPlots(in Input) ([]plot, []member) {
	var points []search.Point
	for _, t := range in.Trials {
		p := in.Goals.Judge(t)
		if t.State != ledger.Complete {
			p.Costs = nil
		}
		points = append(points, p)
	}
	reference, scale := bounds(points)
	if reference == nil {
		return nil, nil
	}
	first := in.Goals.Objectives[0]
	type line struct {
		best, volume []float64
		own          []search.Point
	}
	var members []member
	lines := map[string]*line{}
	xs := map[string][]float64{}
	for i, t := range in.Trials {
		by := note(t).By
		l := lines[by]
		if l == nil {
			l = &line{}
			lines[by] = l
		}
		if points[i].Failed() || points[i].Violation > 0 {
			if len(l.own) == 0 {
				continue
			}
		} else {
			l.own = append(l.own, points[i])
		}
		best := math.Inf(1)
		for _, p := range l.own {
			best = min(best, p.Costs[0])
		}
		if first.Maximise {
			best = -best
		}
		xs[by] = append(xs[by], float64(t.Number+1))
		l.best = append(l.best, best)
		share := search.Hypervolume(l.own, reference) / scale
		if math.IsNaN(share) { // the box is too large for a number
			share = 0
		}
		l.volume = append(l.volume, share)
	}
	draw := func(name, yTitle string, value func(l *line) []float64) plot {
		var all, allX []float64
		for by, l := range lines {
			all, allX = append(all, value(l)...), append(allX, xs[by]...)
		}
		c := newCanvas(name, newAxis(allX, left, width-right, false).count(), newAxis(all, height-bottom, top, false), "trials asked", yTitle)
		for _, s := range in.Strategies {
			if l := lines[s]; l != nil && len(xs[s]) > 0 {
				c.path("line "+color(in, s), xs[s], value(l), true)
			}
		}
		return plot{name, c.done(), legends(in)}
	}
	for i, s := range in.Strategies {
		if len(in.Strategies) == 1 {
			break // nothing to compare
		}
		m := member{Name: s, Color: i % 6}
		for _, t := range in.Trials {
			if note(t).By == s {
				m.Trials++
			}
		}
		if l := lines[s]; l != nil && len(l.best) > 0 {
			m.Best, m.Volume = number(l.best[len(l.best)-1]), fmt.Sprintf("%.4f", l.volume[len(l.volume)-1])
		}
		members = append(members, m)
	}
	out := []plot{draw("Best "+title(in, first.Metric)+" so far", title(in, first.Metric), func(l *line) []float64 { return l.best })}
	if len(in.Goals.Objectives) > 1 {
		out = append(out, draw("Hypervolume of the front so far", "share of the box of all results", func(l *line) []float64 { return l.volume }))
	}
	return out, members
}

// bounds are the worst costs seen, with a little room, and the volume of the box from the best to them.
func bounds(points []search.Point) (reference []float64, volume float64) {
	var best []float64
	for _, p := range points {
		if p.Failed() {
			continue
		}
		if reference == nil {
			reference, best = slices.Clone(p.Costs), slices.Clone(p.Costs)
		}
		for i, c := range p.Costs {
			reference[i], best[i] = max(reference[i], c), min(best[i], c)
		}
	}
	volume = 1
	for i := range reference {
		room := 0.01 * (reference[i] - best[i])
		if room == 0 {
			room = max(math.Abs(reference[i])*0.01, 1e-12)
		}
		reference[i] += room
		volume *= reference[i] - best[i]
	}
	return reference, volume
}

// curves draws the reports of the first objective's metric: how the trials learnt.
func curves(in Input, front map[int]bool) *plot {
	metric := in.Goals.Objectives[0].Metric
	var xs, ys []float64
	for _, t := range in.Trials {
		for _, r := range t.Reports {
			if v, ok := r.Metrics[metric]; ok {
				xs, ys = append(xs, float64(r.Step)), append(ys, v)
			}
		}
	}
	if len(xs) == 0 || slices.Max(xs) < 2 {
		return nil
	}
	c := newCanvas("Learning curves", newAxis(xs, left, width-right, false).count(), newAxis(ys, height-bottom, top, false), "step", title(in, metric))
	for _, onFront := range []bool{false, true} {
		for _, t := range in.Trials {
			if front[t.Number] != onFront {
				continue
			}
			var x, y []float64
			for _, r := range t.Reports {
				if v, ok := r.Metrics[metric]; ok {
					x, y = append(x, float64(r.Step)), append(y, v)
				}
			}
			class := "curve"
			if onFront {
				class = "curve front"
			}
			if len(x) > 1 {
				c.path(class, x, y, false)
			}
			if t.State == ledger.Stopped && len(x) > 0 {
				c.dot("end", x[len(x)-1], y[len(y)-1], 2.5, t.Number, tip(in, t))
			}
		}
	}
	return &plot{"Learning curves: " + title(in, metric) + " by step", c.done(), []legend{{"on the front", "curvefront"}, {"other", "curveother"}, {"stopped early", "curveend"}}}
}
