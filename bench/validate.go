package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"palladio/cuda/profile"
	"palladio/cuda/sim"
	"palladio/engine/hw"
	"palladio/kernels"
)

// ValidateRoofline holds the roofline of each CPU that was measured, made of the peaks that its result has, against the times of the matrix
// products in the same result. dir is a folder of results; one that is not there has none.
func ValidateRoofline(dir string) ([]hw.Comparison, error) {
	var list []hw.Comparison
	err := eachResult(dir, func(name string, r *Result) error {
		if r.Machine.GPU != "" {
			return nil
		}
		part, err := r.roofline(name)
		list = append(list, part...)
		return err
	})
	return list, err
}

// ValidateGPU holds the timing model of the simulated GPU against the results of the GPU suites in dir, for the GPUs of which there is a chip. Launches are priced on
// a sample of their blocks.
func ValidateGPU(ctx context.Context, dir string) ([]hw.Comparison, error) {
	var list []hw.Comparison
	err := eachResult(dir, func(name string, r *Result) error {
		chip := chipOf(r.Machine.GPU)
		if chip == "" {
			return nil
		}
		works, err := gpuKernels(false)
		if err != nil {
			return err
		}
		part, err := r.simulated(ctx, name, chip, works)
		list = append(list, part...)
		return err
	})
	return list, err
}

// eachResult reads the results in a folder, in the order of their names.
func eachResult(dir string, f func(name string, r *Result) error) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return fmt.Errorf("results in %s: %w", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r Result
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := f(filepath.Base(file), &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// chipOf is the simulated chip that a GPU's description names, empty when there is none, or when the GPU was simulated itself.
func chipOf(gpu string) string {
	gpu = strings.ToLower(gpu)
	if strings.Contains(gpu, "simulat") || strings.HasPrefix(gpu, "sim:") {
		return ""
	}
	for _, c := range sim.Chips() {
		for _, word := range strings.FieldsFunc(gpu, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') }) {
			if word == c || "rtx"+word == c {
				return c
			}
		}
	}
	return ""
}

// sampledBlocks bounds the blocks of a launch that are simulated for a comparison.
const sampledBlocks = 264

// simulated compares the rows of a GPU's result with the model of its chip.
func (r *Result) simulated(ctx context.Context, source, chip string, works map[string]kernels.Kernel) ([]hw.Comparison, error) {
	var list []hw.Comparison
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			k, known := works[row.Case]
			timing, ok := row.Timings["palladio"]
			if !known || !ok || timing.Seconds <= 0 {
				continue
			}
			p, err := profile.Run(ctx, profile.Of(k), profile.Options{Device: "sim:" + chip, Blocks: sampledBlocks})
			if errors.Is(err, kernels.ErrUnsupported) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, hw.Comparison{Model: "gpu, measured", What: row.Case + ", " + chip, Unit: "us",
				Reference: timing.Seconds * 1e6, Predicted: p.Seconds * 1e6, Source: "measured, " + source})
		}
	}
	return list, nil
}

// roofline compares the rows of a result that are matrix products.
func (r *Result) roofline(source string) ([]hw.Comparison, error) {
	var list []hw.Comparison
	for _, t := range r.Tables {
		if !strings.HasPrefix(t.Name, "SGEMM") || len(t.Contenders) == 0 || strings.Contains(t.Name, "avx2") && r.Machine.Level != "avx2" {
			continue // the peaks are those of the machine's own level
		}
		peaks := r.Machine.Peak
		if t.Threads > 1 {
			peaks = r.Machine.PeakAll
			peaks.F32 = max(peaks.F32, r.Machine.Peak.F32*float64(t.Threads)) // a peak measured while others ran would be too low
		}
		m := hw.Machine{Name: r.Machine.CPU, F32: hw.FLOPRate(peaks.F32 * 1e9), F64: hw.FLOPRate(peaks.F64 * 1e9), Bandwidth: hw.ByteRate(peaks.Triad * 1e9)}
		for _, row := range t.Rows {
			timing, ok := row.Timings[t.Contenders[0]]
			var rows, columns, depth int
			if n, err := fmt.Sscanf(row.Case, "%d×%d×%d", &rows, &columns, &depth); err != nil || n != 3 || !ok || timing.Seconds <= 0 {
				continue
			}
			p, err := m.Price([]kernels.Kernel{kernels.NewGEMM(kernels.F32, 1, rows, columns, depth, false, false)})
			if err != nil {
				return nil, err
			}
			list = append(list, hw.Comparison{Model: "roofline", What: fmt.Sprintf("gemm f32 %s, %d threads", row.Case, t.Threads), Unit: "us",
				Reference: timing.Seconds * 1e6, Predicted: float64(p.Latency) * 1e6, Source: "measured, " + source})
		}
	}
	return list, nil
}
