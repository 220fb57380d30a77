package profile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"palladio/cuda/sim"
)

// Print writes the report as tables, with the given number of the costliest lines of the PTX for each launch.
func (r *Report) Print(w io.Writer, lines int) error {
	p := &printer{w: w}
	p.line("%s on %s: %.4g us in %d launches, by the model", r.Kernel, r.Device, r.Seconds*1e6, len(r.Launches))
	p.line("operations %.4g, bytes of operands %.4g: %.4g TFLOP/s, %.4g GB/s", float64(r.Cost.FLOPs), float64(r.Cost.Bytes()),
		float64(r.Cost.FLOPs)/r.Seconds/1e12, float64(r.Cost.Bytes())/r.Seconds/1e9)
	for i, l := range r.Launches {
		p.line("")
		p.launch(i, l)
		p.table(func(t io.Writer) { mix(t, l) })
		p.table(func(t io.Writer) { accesses(t, l) })
		p.table(func(t io.Writer) { levels(t, l) })
		p.table(func(t io.Writer) { times(t, l) })
		p.table(func(t io.Writer) { hottest(t, l, lines) })
	}
	return p.err
}

// printer writes until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) table(f func(io.Writer)) {
	if p.err != nil {
		return
	}
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t)
	f(t)
	p.err = t.Flush()
}

func (p *printer) launch(i int, l *sim.Profile) {
	g, b := l.Config.Grid, l.Config.Block
	p.line("launch %d: %s, grid %dx%dx%d, block %dx%dx%d", i+1, l.Kernel, g[0], g[1], g[2], b[0], b[1], b[2])
	if l.Sampled < l.Blocks {
		p.line("  counted on %d of %d blocks and scaled up", l.Sampled, l.Blocks)
	}
	o := l.Occupancy
	from := ""
	if o.Estimated {
		from = " (estimated from the PTX)"
	}
	p.line("  registers %d%s, shared memory %d bytes, occupancy %.0f %%: %d blocks, %d warps a multiprocessor, limited by %s",
		o.Registers, from, o.Shared, 100*o.Share, o.Blocks, o.Warps, o.Limiter)
	p.line("  waves %.0f, %.0f %% of the multiprocessors' time has work", l.Timing.Waves, 100*l.Timing.Tail)
}

// mix writes the instructions by class.
func mix(t io.Writer, l *sim.Profile) {
	fmt.Fprintln(t, "  class\twarp instructions\tshare\tthread instructions\tmachine instructions")
	for c := range sim.Class(sim.NumClasses) {
		m, ok := l.Mix[c]
		if !ok {
			continue
		}
		fmt.Fprintf(t, "  %s\t%d\t%.1f %%\t%d\t%.4g\n", c, m.Warps, share(m.Warps, l.WarpInstructions), m.Threads, m.Machine)
	}
	fmt.Fprintf(t, "  all\t%d\t\t%d\t\n", l.WarpInstructions, l.ThreadInstructions)
	fmt.Fprintf(t, "  lanes that execute\t%.1f of 32\n", l.Lanes)
	if l.Branches > 0 {
		fmt.Fprintf(t, "  branches\t%d\t%.1f %%\tpart the warp\n", l.Branches, share(l.Divergent, l.Branches))
	}
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// accesses writes how well the accesses to memory are shaped.
func accesses(t io.Writer, l *sim.Profile) {
	rows := []struct {
		name, unit string
		r          sim.Requests
	}{
		{"global loads", "sectors", l.GlobalLoads}, {"global stores", "sectors", l.GlobalStores}, {"global atomics", "sectors", l.GlobalAtomic},
		{"shared loads", "clocks", l.SharedLoads}, {"shared stores", "clocks", l.SharedStores}, {"shared atomics", "clocks", l.SharedAtomic}, {"local", "", l.Local},
	}
	fmt.Fprintln(t, "  accesses\trequests\tbytes\ta request\tat best\tefficiency")
	for _, r := range rows {
		if r.r.Requests == 0 {
			continue
		}
		if r.unit == "" {
			fmt.Fprintf(t, "  %s\t%d\t%d\t\t\t\n", r.name, r.r.Requests, r.r.Bytes)
			continue
		}
		fmt.Fprintf(t, "  %s\t%d\t%d\t%.2f %s\t%.2f\t%.0f %%", r.name, r.r.Requests, r.r.Bytes, r.r.PerRequest(), r.unit, float64(r.r.Fewest)/float64(r.r.Requests), 100*r.r.Efficiency())
		if r.r.Serial > 0 {
			fmt.Fprintf(t, " (%d lanes wait for another at their address)", r.r.Serial)
		}
		fmt.Fprintln(t)
	}
}

// levels writes the bytes by level of memory.
func levels(t io.Writer, l *sim.Profile) {
	b := l.Levels
	fmt.Fprintln(t, "  level\tread\twritten")
	fmt.Fprintf(t, "  shared\t%d\t%d\n", l.SharedLoads.Bytes, l.SharedStores.Bytes+l.SharedAtomic.Bytes)
	hit := ""
	if b.L1 > 0 {
		hit = fmt.Sprintf(" (%.0f %% of all L1 traffic hits)", share(b.L1Hits, b.L1))
	}
	fmt.Fprintf(t, "  L1\t%d%s\t%d\n", l.GlobalLoads.Parts*32, hit, (l.GlobalStores.Parts+l.GlobalAtomic.Parts)*32)
	fmt.Fprintf(t, "  L2\t%d (%.0f %% hits)\t%d\n", b.L2Read, 100-share(min(b.DRAMRead, b.L2Read), b.L2Read), b.L2Written)
	fmt.Fprintf(t, "  DRAM\t%d\t%d\n", b.DRAMRead, b.DRAMWritten)
}

// times writes the estimated time by resource.
func times(t io.Writer, l *sim.Profile) {
	m := l.Timing
	fmt.Fprintf(t, "  estimated time\t%.4g us\tbound by %s\n", m.Seconds*1e6, m.Bound)
	for _, r := range m.Resources {
		fmt.Fprintf(t, "  %s\t%.4g us\t%.0f %%\t%s\n", r.Name, r.Seconds*1e6, 100*r.Seconds/m.Seconds, strings.Repeat("#", int(40*r.Seconds/m.Seconds+0.5)))
	}
	fmt.Fprintf(t, "  launch\t%.4g us\t%.0f %%\n", m.Launch*1e6, 100*m.Launch/m.Seconds)
	if m.Peak != "" {
		fmt.Fprintf(t, "  arithmetic\t%.4g TFLOP/s\t%.1f %% of the %s peak\n", m.FLOPRate/1e12, 100*m.PeakShare, m.Peak)
	}
	fmt.Fprintf(t, "  memory\t%.4g GB/s\t%.1f %% of the published rate\n", m.DRAMRate/1e9, 100*m.DRAMShare)
}

// hottest writes the costliest instructions.
func hottest(t io.Writer, l *sim.Profile, n int) {
	if n <= 0 || len(l.Lines) == 0 {
		return
	}
	sourced := slices.ContainsFunc(l.Lines, func(s sim.Line) bool { return s.Source != "" })
	fmt.Fprint(t, "  PTX line\tinstruction\tshare\twarps\tlanes\ta request\tat best")
	if sourced {
		fmt.Fprint(t, "\tsource")
	}
	fmt.Fprintln(t)
	for _, s := range l.Lines[:min(n, len(l.Lines))] {
		fmt.Fprintf(t, "  %d\t%s\t%.1f %%\t%d\t%.1f", s.Line, s.Instr, 100*s.Share, s.Warps, s.Lanes)
		if s.Parts > 0 {
			fmt.Fprintf(t, "\t%.2f\t%.2f", s.Parts, s.Fewest)
		} else {
			fmt.Fprint(t, "\t\t")
		}
		if sourced {
			fmt.Fprintf(t, "\t%s", s.Source)
		}
		fmt.Fprintln(t)
	}
}
