package bench

import (
	"strings"
	"testing"

	"palladio/cuda"
)

// TestGPUSuites runs every suite in small on the simulated GPU: all kernels of the suites exist, in every precision.
func TestGPUSuites(t *testing.T) {
	d, err := cuda.Open("sim:h100")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	t.Setenv("PATH", t.TempDir()) // no python3: the rivals are absent
	r, err := Run(t.Context(), Options{Device: d, Small: true, Rounds: 1, Budget: 1, Peers: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tables) != len(GPUSuiteNames()) || r.Machine.GPU == "" {
		t.Errorf("%d tables for %q", len(r.Tables), r.Machine.GPU)
	}
	if len(r.Absent) != 2 || !strings.Contains(r.Absent[1], "pytorch-gpu: not there") || len(r.Bars) > 0 {
		t.Errorf("absent rivals %q, bars %v", r.Absent, r.Bars)
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if tm := row.Timings["palladio"]; !(tm.Seconds > 0) {
				t.Errorf("%s: %s: not timed", table.Name, row.Case)
			}
		}
	}
}

// TestPeakShares holds rates against the peak that bounds them.
func TestPeakShares(t *testing.T) {
	peak := cuda.Rates{Copy: 2e12, Peaks: cuda.ByPrecision{F32: 50e12, BF16: 600e12}}
	for _, c := range []struct {
		precision string
		timing    Timing
		want      float64
	}{
		{"bf16", Timing{GFLOPS: 300e3}, 0.5}, {"f32", Timing{GFLOPS: 5e3}, 0.1}, {"f32", Timing{GBs: 1000}, 0.5}, {"f16", Timing{GFLOPS: 1}, 0}, {"bf16", Timing{Seconds: 1}, 0},
	} {
		if got := peakShare(typedWork{precision: c.precision}, c.timing, peak); got != c.want {
			t.Errorf("%s, %+v: %v of the peak, want %v", c.precision, c.timing, got, c.want)
		}
	}
	table := Table{Name: "x", Contenders: []string{"palladio"}, unit: "TFLOP/s",
		Rows: []Row{{Case: "bf16 a", PeakShare: 0.5, Timings: map[string]Timing{"palladio": {Seconds: 1, GFLOPS: 300e3}}}}}
	var text strings.Builder
	if err := table.print(&text); err != nil || !strings.Contains(text.String(), "of peak") || !strings.Contains(text.String(), "50 %") {
		t.Errorf("%v in\n%s", err, text.String())
	}
}
