package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestValidateRoofline compares the committed results: large square products come within a fifth of the roofline.
func TestValidateRoofline(t *testing.T) {
	list, err := ValidateRoofline("results")
	if err != nil {
		t.Fatal(err)
	}
	large := 0
	for _, c := range list {
		if strings.Contains(c.What, "2048×2048×2048") {
			large++
			if e := c.Error(); e > 0.05 || e < -0.2 {
				t.Errorf("%s: error %.0f %%", c.What, 100*e)
			}
		}
	}
	if large == 0 {
		t.Error("no product of 2048 among the results")
	}
	if list, err := ValidateRoofline(filepath.Join(t.TempDir(), "none")); err != nil || len(list) != 0 {
		t.Errorf("a folder that is not there: %v, %v", list, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ValidateRoofline(dir); err == nil || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("a broken file: %v", err)
	}
}

// TestValidateGPU compares results of a GPU suite, as a GPU would leave them, with the model.
func TestValidateGPU(t *testing.T) {
	works, err := gpuKernels(true)
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{Machine: Machine{GPU: "cuda:0 (NVIDIA H200)"}, Tables: []Table{{Name: "GEMM"}}}
	for label := range works {
		r.Tables[0].Rows = append(r.Tables[0].Rows, Row{Case: label, Timings: map[string]Timing{"palladio": {Seconds: 5e-6}}})
	}
	r.Tables[0].Rows = append(r.Tables[0].Rows, Row{Case: "something else", Timings: map[string]Timing{"palladio": {Seconds: 1}}})
	list, err := r.simulated(t.Context(), "x.json", chipOf(r.Machine.GPU), works)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 8 {
		t.Errorf("%d comparisons of %d workloads", len(list), len(works))
	}
	for _, c := range list {
		if c.Predicted < 0.5 || c.Predicted > 200 || c.Reference != 5 {
			t.Errorf("%+v", c)
		}
	}
}

func TestChipOf(t *testing.T) {
	for gpu, want := range map[string]string{
		"NVIDIA H200": "h200", "cuda:0: NVIDIA H100 80GB HBM3": "h100", "NVIDIA A100-SXM4-80GB": "a100", "NVIDIA GeForce RTX 4090": "rtx4090", "NVIDIA L4": "l4",
		"NVIDIA L40S": "", "": "", "sim:h100": "", "cuda:sim: NVIDIA H100 SXM5 80 GB, simulator": "",
	} {
		if got := chipOf(gpu); got != want {
			t.Errorf("%q is %q, want %q", gpu, got, want)
		}
	}
}
