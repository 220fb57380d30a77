package fallback

import (
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// TestGEMMThreads runs products that are long enough to be shared, in each mode, on several numbers of threads: each must be right, and
// have the bits of one thread.
func TestGEMMThreads(t *testing.T) {
	one := newDevice(t, Threads(1))
	var many []*Device
	for _, n := range []int{2, 3, 8} {
		many = append(many, newDevice(t, Threads(n)))
	}
	f32 := func(batch, m, n, k int, ta, tb bool) kernels.GEMM {
		return kernels.NewGEMM(kernels.F32, batch, m, n, k, ta, tb)
	}
	scaled := f32(1, 700, 33, 100, false, false)
	scaled.Alpha, scaled.Beta, scaled.Bias, scaled.Act.Op = 0.5, 2, true, kernels.GELU
	shapes := []kernels.GEMM{
		f32(1, 250, 170, 129, false, false), f32(1, 60, 500, 600, true, true), // blocked
		f32(40, 48, 40, 33, false, true), f32(5, 90, 100, 110, false, false), f32(20, 150, 40, 600, false, false), // batches
		f32(1, 4000, 7, 300, false, false), f32(1, 3, 3000, 300, false, true), f32(1, 5, 3000, 300, true, true), // dot
		f32(1, 4000, 3, 300, true, false), f32(1, 4000, 1, 300, true, true), // flipped
		f32(1, 1, 20000, 64, false, false), f32(1, 6000, 20, 64, false, true), scaled, // direct
	}
	modes := map[gemmMode]bool{}
	for _, k := range shapes {
		if !worthSharing(k) {
			t.Errorf("%s: too short to be shared, so this test says nothing", k)
		}
		trial, err := devicetest.NewTrial(ref.New(), kernels.Case{Name: k.String(), Kernel: k})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range many {
			if r := trial.Run(d); r.Err != nil {
				t.Errorf("%d threads: %v", d.Threads(), r)
			}
			if err := trial.SameBits(one, d); err != nil {
				t.Errorf("%s: one thread and %d: %v", k, d.Threads(), err)
			}
		}
		modes[kernelsOf[float32](one.level).choose(simplifyGEMM(k))] = true
	}
	if one.level == AVX512 && len(modes) != 4 {
		t.Errorf("covers modes %v, want all 4", modes)
	}
}

// TestGEMMRunAllocatesNothing holds every mode to it.
func TestGEMMRunAllocatesNothing(t *testing.T) {
	d := newDevice(t, Threads(2))
	for _, k := range []kernels.GEMM{
		kernels.NewGEMM(kernels.F32, 1, 4, 4, 4, false, false), kernels.NewGEMM(kernels.F32, 1, 300, 300, 600, false, true),
		kernels.NewGEMM(kernels.F32, 1, 900, 7, 900, false, false), kernels.NewGEMM(kernels.F32, 1, 900, 7, 900, true, false),
		kernels.NewGEMM(kernels.F32, 30, 60, 60, 60, false, false),
	} {
		k.Epilogue = kernels.Epilogue{Bias: true, Residual: true, Act: kernels.Activation{Op: kernels.SiLU}}
		e, err := d.Prepare(k)
		if err != nil {
			t.Fatal(err)
		}
		var args []kernels.Arg
		for _, o := range k.Operands() {
			args = append(args, kernels.HostArg(make([]float32, o.Elems())))
		}
		work := kernels.HostArg(make([]byte, e.Workspace()))
		if n := allocations(20, func() { e.Run(args, work) }); n != 0 {
			t.Errorf("%s: a run allocates %v times", k, n)
		}
	}
}
