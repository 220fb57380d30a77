package fallback

import "testing"

// TestMeasurePeaks asks of each level only what holds on any machine: positive rates, and no more levels than the CPU has.
func TestMeasurePeaks(t *testing.T) {
	for _, l := range Levels() {
		p, err := MeasurePeaks(l, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f GFLOP/s f32, %.1f f64, copy %.1f GB/s, triad %.1f GB/s", l, p.F32, p.F64, p.Copy, p.Triad)
		if !(p.F32 > 0 && p.F64 > 0 && p.Copy > 0 && p.Triad > 0) {
			t.Errorf("%s: a rate is not positive: %+v", l, p)
		}
	}
	if _, err := MeasurePeaks(Generic, 0); err == nil {
		t.Error("measures the peaks of 0 threads")
	}
}
