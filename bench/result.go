package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
	"github.com/klauspost/cpuid/v2"

	"palladio/cuda"
	"palladio/fallback"
	"palladio/kernels"
)

// Machine is the fingerprint of the computer that a result was measured on.
type Machine struct {
	CPU     string         `json:"cpu"`
	GPU     string         `json:"gpu,omitempty"` // the device that was measured, where it is not the CPU
	Level   string         `json:"level"`
	Cores   int            `json:"cores"`
	L2      int            `json:"l2_bytes"`
	L3      int            `json:"l3_bytes"`
	OS      string         `json:"os"`
	Go      string         `json:"go"`
	Peak    fallback.Peaks `json:"peak"` // one thread
	PeakAll fallback.Peaks `json:"peak_all_cores"`
	GPUPeak *cuda.Rates    `json:"gpu_peak,omitempty"`
}

// Result is all that one run measured.
type Result struct {
	When    time.Time         `json:"when"`
	Machine Machine           `json:"machine"`
	Rivals  map[string]string `json:"rivals"`           // versions
	Absent  []string          `json:"absent,omitempty"` // rivals that were asked for and are not there, and why
	Tables  []Table           `json:"tables"`
	Bars    []Bar             `json:"bars"`
}

// Table is one suite's rows.
type Table struct {
	Name       string            `json:"name"`
	Threads    int               `json:"threads"`
	Contenders []string          `json:"contenders"` // ours first
	Rows       []Row             `json:"rows"`
	unit       string            // "GFLOP/s", "TFLOP/s", "GB/s" or "ms"
	versions   map[string]string // of the rivals
	absent     []string          // rivals that were asked for and are not there, and why
}

// Bar is something that the run was held against.
type Bar struct {
	What string  `json:"what"`
	Want float64 `json:"want"`
	Got  float64 `json:"got"`
	Most bool    `json:"most,omitempty"` // Want is an upper limit
}

// OK says whether the bar is met.
func (b Bar) OK() bool {
	if b.Most {
		return b.Got <= b.Want
	}
	return b.Got >= b.Want
}

// Missed lists the bars that were not met.
func (r *Result) Missed() []Bar {
	var m []Bar
	for _, b := range r.Bars {
		if !b.OK() {
			m = append(m, b)
		}
	}
	return m
}

// fingerprint describes this machine and the peaks of what is measured: the CPU or a GPU, but not a simulated one, whose peaks are in its data sheet.
func fingerprint(gpu kernels.Device) (Machine, error) {
	m := Machine{
		CPU: cpuid.CPU.BrandName, Level: fallback.Detect().String(), Cores: runtime.NumCPU(), L2: cpuid.CPU.Cache.L2, L3: cpuid.CPU.Cache.L3,
		OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
	}
	if gpu != nil {
		m.GPU = gpu.Name()
		if d, ok := gpu.(fmt.Stringer); ok {
			m.GPU = d.String()
		}
		if d, ok := gpu.(*cuda.Device); ok && !d.Info().Simulated {
			r, err := d.MeasurePeaks()
			m.GPUPeak = &r
			return m, err
		}
		return m, nil
	}
	var err error
	if m.Peak, err = fallback.MeasurePeaks(fallback.Detect(), 1); err != nil {
		return m, err
	}
	m.PeakAll, err = fallback.MeasurePeaks(fallback.Detect(), m.Cores)
	return m, err
}

// Print writes the tables and bars for a person.
func (r *Result) Print(w io.Writer) error {
	if r.Machine.GPU != "" {
		fmt.Fprintf(w, "%s, beside %s", r.Machine.GPU, r.Machine.CPU)
		if p := r.Machine.GPUPeak; p != nil {
			fmt.Fprintf(w, ": copy %.0f GB/s; multiply-adds on registers f32 %.1f, tf32 %.1f, bf16 %.1f, f16 %.1f TFLOP/s",
				p.Copy/1e9, p.Peaks.F32/1e12, p.Peaks.TF32/1e12, p.Peaks.BF16/1e12, p.Peaks.F16/1e12)
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "%s, %s, %d cores: %.0f GFLOP/s on one, %.0f on all; copy %.1f GB/s on one, %.1f on all\n",
			r.Machine.CPU, r.Machine.Level, r.Machine.Cores, r.Machine.Peak.F32, r.Machine.PeakAll.F32, r.Machine.Peak.Copy, r.Machine.PeakAll.Copy)
	}
	for _, a := range r.Absent {
		fmt.Fprintln(w, a)
	}
	for _, t := range r.Tables {
		if err := t.print(w); err != nil {
			return err
		}
	}
	if len(r.Bars) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "bar\twant\tgot\t")
	for _, b := range r.Bars {
		sign, verdict := "≥", "met"
		if b.Most {
			sign = "≤"
		}
		if !b.OK() {
			verdict = "MISSED"
		}
		fmt.Fprintf(tw, "%s\t%s %.3g\t%.3g\t%s\n", b.What, sign, b.Want, b.Got, verdict)
	}
	return tw.Flush()
}

// print writes a row a workload: GFLOP/s (or milliseconds) of each contender, ours as a share of the machine's peak where that is known, and against the
// best rival.
func (t Table) print(w io.Writer) error {
	threads := ", 1 thread"
	switch {
	case t.Threads == 0: // not on a CPU
		threads = ""
	case t.Threads > 1:
		threads = fmt.Sprintf(", %d threads", t.Threads)
	}
	fmt.Fprintf(w, "\n%s%s, %s (spread of ours)\n", t.Name, threads, t.unit)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	peaks := slices.ContainsFunc(t.Rows, func(r Row) bool { return r.PeakShare > 0 })
	fmt.Fprintf(tw, "\t%s\t", strings.Join(t.Contenders, "\t"))
	if peaks {
		fmt.Fprint(tw, "of peak\t")
	}
	fmt.Fprintln(tw, "ours/best rival\t")
	for _, r := range t.Rows {
		cells := []string{r.Case}
		for i, c := range t.Contenders {
			cell := "–"
			if tm, ok := r.Timings[c]; ok {
				cell = fmt.Sprintf("%.1f", tm.GFLOPS)
				switch t.unit {
				case "ms":
					cell = fmt.Sprintf("%.4g", 1e3*tm.Seconds)
				case "TFLOP/s":
					cell = fmt.Sprintf("%.1f", tm.GFLOPS/1e3)
				case "GB/s":
					cell = fmt.Sprintf("%.0f", tm.GBs)
				}
				if i == 0 {
					cell += fmt.Sprintf(" ±%.0f%%", 50*(tm.Slowest-tm.Fastest)/tm.Seconds)
				}
			}
			cells = append(cells, cell)
		}
		if peaks {
			cells = append(cells, fmt.Sprintf("%.0f %%", 100*r.PeakShare))
		}
		cell := "–"
		if x := r.ratio(t.Contenders[0], t.rivals()...); x > 0 {
			cell = fmt.Sprintf("%.2f", x)
		}
		fmt.Fprintf(tw, "%s\t%s\t\n", strings.Join(cells, "\t"), cell)
	}
	return tw.Flush()
}

// rivals are the contenders that are not ours.
func (t Table) rivals() []string {
	return slices.DeleteFunc(slices.Clone(t.Contenders[1:]), func(c string) bool { return c == oneThread })
}

// ratios of the first contender to the best of the rivals, for the rows where there is one.
func (t Table) ratios(rivals ...string) []float64 {
	var xs []float64
	for _, r := range t.Rows {
		if x := r.ratio(t.Contenders[0], rivals...); x > 0 {
			xs = append(xs, x)
		}
	}
	return xs
}

// Write stores the result as JSON under dir, which it makes if need be, named by machine and day, and returns the file's name.
func (r *Result) Write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return "", err
	}
	words := strings.FieldsFunc(strings.ToLower(cmp.Or(r.Machine.GPU, r.Machine.CPU)), func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') })
	name := filepath.Join(dir, fmt.Sprintf("%s-%s.json", strings.Join(words, "-"), r.When.Format("2006-01-02")))
	return name, renameio.WriteFile(name, append(b, '\n'), 0o644)
}
