package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"palladio/kernels"
)

// Profiler adds up how long each call of a machine took.
type Profiler struct {
	origin time.Time
	runs   int
	total  time.Duration
	calls  map[*call]*CallTime
	order  []*CallTime
	last   []event // of the latest run
}

// CallTime is what one call took over all runs.
type CallTime struct {
	Family, Kernel, Node string
	Runs                 int
	Total, Min           time.Duration
	Cost                 kernels.Cost // of one run of the call
}

// event is one call of the latest run.
type event struct {
	call     *CallTime
	start, d time.Duration
}

func newProfiler() *Profiler { return &Profiler{origin: time.Now(), calls: map[*call]*CallTime{}} }

// Profile is what the calls took so far; nil without the option of that name.
func (m *Machine) Profile() *Profiler { return m.profile }

func (p *Profiler) begin() {
	p.runs++
	p.last = p.last[:0]
}

// add counts one run of a call.
func (p *Profiler) add(prog *program, c *call, start time.Time, d time.Duration) {
	t := p.calls[c]
	if t == nil {
		t = &CallTime{Family: c.family(), Kernel: c.title(), Node: prog.label(c), Min: d}
		t.Cost = c.cost()
		p.calls[c] = t
		p.order = append(p.order, t)
	}
	t.Runs++
	t.Total += d
	t.Min = min(t.Min, d)
	p.total += d
	p.last = append(p.last, event{t, start.Sub(p.origin), d})
}

func (c *call) cost() kernels.Cost {
	if c.role == runKernel {
		return c.kernel.Cost()
	}
	d := Call{Host: c.host.name}
	for _, o := range c.operands() {
		d.Operands = append(d.Operands, Operand{Operand: o})
	}
	return d.Cost()
}

// Runs is the number of runs that were measured.
func (p *Profiler) Runs() int { return p.runs }

// Total is the time that all calls took.
func (p *Profiler) Total() time.Duration { return p.total }

// Calls lists the calls, the longest first.
func (p *Profiler) Calls() []CallTime {
	list := make([]CallTime, len(p.order))
	for i, t := range p.order {
		list[i] = *t
	}
	slices.SortStableFunc(list, func(a, b CallTime) int { return int(b.Total - a.Total) })
	return list
}

// Families adds up the calls of each kernel family, the longest first. Cost is then that of all their runs.
func (p *Profiler) Families() []CallTime {
	at := map[string]int{}
	var list []CallTime
	for _, t := range p.order {
		i, ok := at[t.Family]
		if !ok {
			i = len(list)
			at[t.Family] = i
			list = append(list, CallTime{Family: t.Family})
		}
		f := &list[i]
		f.Runs += t.Runs
		f.Total += t.Total
		n := int64(t.Runs)
		f.Cost = f.Cost.Add(kernels.Cost{FLOPs: n * t.Cost.FLOPs, Read: n * t.Cost.Read, Written: n * t.Cost.Written})
	}
	slices.SortStableFunc(list, func(a, b CallTime) int { return int(b.Total - a.Total) })
	return list
}

// WriteTable writes the families and the calls that took longest (all of them for limit 0).
func (p *Profiler) WriteTable(out io.Writer, limit int) error {
	if p.runs == 0 {
		_, err := fmt.Fprintln(out, "no runs measured")
		return err
	}
	fmt.Fprintf(out, "%d runs, %.3f ms in calls a run\n", p.runs, ms(p.total)/float64(p.runs))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "family\tcalls\tms/run\t%\tGFLOP/s\tGB/s\t")
	for _, f := range p.Families() {
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.1f\t%.2f\t%.2f\t\n", f.Family, f.Runs/p.runs, ms(f.Total)/float64(p.runs), 100*share(f.Total, p.total),
			rate(f.Cost.FLOPs, f.Total), rate(f.Cost.Bytes(), f.Total))
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	calls := p.Calls()
	if limit > 0 {
		calls = calls[:min(limit, len(calls))]
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ms\tmin ms\t%\tGFLOP/s\tGB/s\tkernel\tnode")
	for _, c := range calls {
		n := int64(c.Runs)
		fmt.Fprintf(w, "%.3f\t%.3f\t%.1f\t%.2f\t%.2f\t%s\t%s\n", ms(c.Total)/float64(c.Runs), ms(c.Min), 100*share(c.Total, p.total),
			rate(n*c.Cost.FLOPs, c.Total), rate(n*c.Cost.Bytes(), c.Total), clip(c.Kernel, 90), clip(c.Node, 40))
	}
	return w.Flush()
}

// String is the table of all families and the thirty longest calls.
func (p *Profiler) String() string {
	var b strings.Builder
	_ = p.WriteTable(&b, 30) // a strings.Builder takes everything
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func share(a, b time.Duration) float64 { return float64(a) / max(float64(b), 1) }

// rate is n a nanosecond, which is 1e9 n a second.
func rate(n int64, d time.Duration) float64 { return float64(n) / max(float64(d), 1) }

// traceEvent is a complete event of the Trace Event Format, which chrome://tracing and Perfetto read; times are in microseconds.
type traceEvent struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat"`
	Ph   string         `json:"ph"`
	Ts   float64        `json:"ts"`
	Dur  float64        `json:"dur"`
	Pid  int            `json:"pid"`
	Tid  int            `json:"tid"`
	Args map[string]any `json:"args"`
}

// WriteTrace writes the latest run as a Chrome trace.
func (p *Profiler) WriteTrace(out io.Writer) error {
	events := make([]traceEvent, len(p.last))
	for i, e := range p.last {
		events[i] = traceEvent{e.call.Family, "kernel", "X", float64(e.start) / 1e3, float64(e.d) / 1e3, 1, 1, map[string]any{
			"kernel": e.call.Kernel, "node": e.call.Node,
			"GFLOP/s": rate(e.call.Cost.FLOPs, e.d), "GB/s": rate(e.call.Cost.Bytes(), e.d),
		}}
	}
	return json.NewEncoder(out).Encode(map[string]any{"traceEvents": events, "displayTimeUnit": "ms"})
}

// runWatched runs the calls one by one, timing them and looking for NaN.
func (m *Machine) runWatched(pa *path) error {
	if m.profile != nil {
		m.profile.begin()
	}
	for i := range pa.steps {
		s := &pa.steps[i]
		start := time.Now()
		err := s.exec.Run(s.args, s.ws)
		if err == nil && !m.shared {
			err = m.device.Sync()
		}
		if err != nil {
			return s.failed(err)
		}
		if m.profile != nil {
			m.profile.add(m.prog, s.call, start, time.Since(start))
		}
		if m.cfg.checkNaN {
			if err := m.findNaN(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// findNaN looks for NaN in what a step wrote.
func (m *Machine) findNaN(s *step) error {
	for j, d := range s.call.dirs {
		if d == kernels.In {
			continue
		}
		val := &m.prog.values[s.call.args[j]]
		if val.typ != kernels.F32 && val.typ != kernels.F64 {
			continue
		}
		data := s.args[j].Host
		if !m.shared {
			at := s.at[j]
			data = make([]byte, at.n)
			if err := at.mem(m).Download(at.off, data); err != nil {
				return err
			}
		}
		for i := range val.elems {
			if math.IsNaN(val.typ.Value(data, i)) {
				return fmt.Errorf("NaN: element %d of the result of node %s, made by %s, is the first", i, nodeName(s.call.node), s.call.title())
			}
		}
	}
	return nil
}
