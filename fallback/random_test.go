package fallback

import (
	"math"
	"testing"

	"palladio/kernels"
)

// TestRandomBitsAreEqualAtAllLevels: normal variates have a tolerance against the reference, but none between levels.
func TestRandomBitsAreEqualAtAllLevels(t *testing.T) {
	k := kernels.Random{Type: kernels.F32, Dist: kernels.DistNormal, A: 0.5, B: 2, N: 100003, Stream: 3}
	want := draw(t, newDevice(t, AtLevel(Generic), Threads(1)), k, 5, 9)
	for _, l := range Levels() {
		for _, threads := range []int{1, 2, 3} {
			got := draw(t, newDevice(t, AtLevel(l), Threads(threads)), k, 5, 9)
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%s, %d threads: element %d is %v, want %v", l, threads, i, got[i], want[i])
				}
			}
		}
	}
}

// TestNormalMoments holds the first four moments against those of the distribution, within five standard errors.
func TestNormalMoments(t *testing.T) {
	const n = 1 << 20
	z := draw(t, newDevice(t), kernels.Random{Type: kernels.F32, Dist: kernels.DistNormal, B: 1, N: n}, 1, 2)
	var m [5]float64
	for _, v := range z {
		x := float64(v)
		for p, q := 1, x; p <= 4; p, q = p+1, q*x {
			m[p] += q / n
		}
	}
	for p, c := range map[int]struct{ mean, variance float64 }{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		if d := math.Abs(m[p] - c.mean); d > 5*math.Sqrt(c.variance/n) {
			t.Errorf("moment %d is %v, want %v", p, m[p], c.mean)
		}
	}
}

// TestStreamsDiffer: other seeds, steps and streams give other numbers; the same ones the same.
func TestStreamsDiffer(t *testing.T) {
	d := newDevice(t)
	k := kernels.Random{Type: kernels.F32, Dist: kernels.DistUniform, B: 1, N: 64}
	other := k
	other.Stream = 1
	base := draw(t, d, k, 1, 1)
	for name, x := range map[string][]float32{
		"seed": draw(t, d, k, 2, 1), "high seed": draw(t, d, k, 1<<32+1, 1), "step": draw(t, d, k, 1, 2), "high step": draw(t, d, k, 1, 1<<32+1), "stream": draw(t, d, other, 1, 1),
	} {
		same := 0
		for i := range x {
			if x[i] == base[i] {
				same++
			}
		}
		if same > 1 {
			t.Errorf("another %s leaves %d of %d numbers as they were", name, same, len(x))
		}
	}
	again := draw(t, d, k, 1, 1)
	for i := range again {
		if again[i] != base[i] {
			t.Fatalf("the same counter gives %v and %v", base[i], again[i])
		}
	}
}

func draw(t *testing.T, d *Device, k kernels.Random, seed, step uint64) []float32 {
	t.Helper()
	out := make([]float32, k.N)
	e, err := d.Prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run([]kernels.Arg{kernels.HostArg([]uint64{seed, step}), kernels.HostArg(out)}, kernels.Arg{}); err != nil {
		t.Fatal(err)
	}
	return out
}
