package hw

import (
	"math"
	"strings"
	"testing"
)

// TestValidateGPU is the gate: every anchor is met within its tolerance.
func TestValidateGPU(t *testing.T) {
	list, err := ValidateGPU(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 6 {
		t.Errorf("%d anchors", len(list))
	}
	for _, c := range list {
		if !c.OK() || math.IsNaN(c.Error()) || c.Tolerance == 0 || c.Source == "" {
			t.Errorf("%+v: error %.1f %%", c, 100*c.Error())
		}
	}
}

func TestPrintComparisons(t *testing.T) {
	list := []Comparison{
		{Model: "a", What: "x", Unit: "GB/s", Reference: 100, Predicted: 104, Tolerance: 0.05, Source: "measured"},
		{Model: "a", What: "y", Unit: "GB/s", Reference: 100, Predicted: 80, Tolerance: 0.1, Source: "measured", Note: "hm"},
		{Model: "b", What: "z", Unit: "us", Reference: 1, Predicted: 3, Source: "measured"},
	}
	if n := Missed(list); n != 1 {
		t.Errorf("%d missed, want 1", n)
	}
	var b strings.Builder
	if err := PrintComparisons(&b, list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+4.0 %", "10 % MISSED", "measured; hm", "+200.0 %", "a: 2 figures, median error 12.0 %, worst 20.0 %", "b: 1 figures"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
