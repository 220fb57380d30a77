package profile

import (
	"math"
	"slices"
	"testing"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// TestEstimatedRegisters compares the estimate from the PTX with what the assembler made of every kernel that ships.
func TestEstimatedRegisters(t *testing.T) {
	chip, err := sim.ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	g := sim.New(chip, sim.Options{})
	defer g.Close()
	var errs []float64
	for _, name := range kernels.PTXModules() {
		text, err := kernels.PTX(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Load(name, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range m.Entries() {
			e, err := m.Entry(entry)
			if err != nil {
				t.Fatal(err)
			}
			want := kernels.Registers(name, entry, 90)
			if want == 0 {
				t.Errorf("%s %s is not in the assembler's table", name, entry)
				continue
			}
			got := e.EstimatedRegisters()
			errs = append(errs, math.Abs(float64(got)/float64(want)-1))
		}
	}
	slices.Sort(errs)
	median, ninth := errs[len(errs)/2], errs[len(errs)*9/10]
	t.Logf("%d entry points: median error %.0f %%, nine tenths within %.0f %%", len(errs), 100*median, 100*ninth)
	if median > 0.15 || ninth > 0.35 {
		t.Errorf("median error %.0f %%, nine tenths within %.0f %%", 100*median, 100*ninth)
	}
}
