package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"palladio/engine/hw"
	"palladio/kernels"
)

// ValidateRoofline holds the roofline of each machine that was measured, made of the peaks that its result has, against the times of the matrix
// products in the same result. dir is a folder of results; one that is not there has none.
func ValidateRoofline(dir string) ([]hw.Comparison, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("results in %s: %w", dir, err)
	}
	var list []hw.Comparison
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r Result
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		part, err := r.roofline(filepath.Base(file))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, part...)
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
