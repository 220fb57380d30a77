package cuda

import (
	"errors"
	"testing"

	"palladio/cuda/sim"
	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// TestConformanceUnderChecks runs a sample of the conformance table on the simulated GPU with every access watched; palladio check --sanitize runs all of it.
func TestConformanceUnderChecks(t *testing.T) {
	d, err := OpenSimulated("sim:h100", sim.Options{Sanitize: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	oracle := ref.New()
	const step = 41
	seen := map[string]int{}
	ran := 0
	for _, c := range kernels.Cases() {
		family := c.Kernel.Family()
		if seen[family]++; seen[family]%step != 1 {
			continue
		}
		trial, err := devicetest.NewTrial(oracle, c)
		if err != nil {
			t.Fatal(err)
		}
		r := trial.Run(d)
		if err := errors.Join(r.Err, d.TakeFindings()); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if !r.Unsupported {
			ran++
		}
	}
	if ran < 100 {
		t.Errorf("%d cases ran", ran)
	}
}
