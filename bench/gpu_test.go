package bench

import (
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
	r, err := Run(t.Context(), Options{Device: d, Small: true, Rounds: 1, Budget: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tables) != len(GPUSuiteNames()) || r.Machine.GPU == "" {
		t.Errorf("%d tables for %q", len(r.Tables), r.Machine.GPU)
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if tm := row.Timings["palladio"]; !(tm.Seconds > 0) {
				t.Errorf("%s: %s: not timed", table.Name, row.Case)
			}
		}
	}
}
