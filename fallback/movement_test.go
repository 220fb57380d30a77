package fallback

import (
	"strings"
	"testing"

	"palladio/kernels"
)

// TestMovementAllocatesNothing runs a kernel of each family, small and large, and each routine that a family chooses from.
func TestMovementAllocatesNothing(t *testing.T) {
	seen := map[string]int{}
	for _, c := range kernels.Cases() {
		k := c.Kernel
		switch k.(type) {
		case kernels.Move, kernels.Concat, kernels.Pad, kernels.PadBackward, kernels.Gather, kernels.ScatterAdd, kernels.OneHot, kernels.Sort, kernels.TopK,
			kernels.Random, kernels.Dropout, kernels.SGD, kernels.Adam, kernels.LAMB, kernels.AdaDelta, kernels.RMSProp, kernels.ClipScale, kernels.LossScale, kernels.EMA:
		default:
			continue
		}
		if seen[k.Family()]++; seen[k.Family()] > 60 {
			continue
		}
		for _, l := range Levels() {
			run := prepared(t, newDevice(t, AtLevel(l), Threads(2)), k)
			if n := allocations(2, run); n > 0 {
				t.Errorf("%s: %s allocates %v times a run", c.Name, l, n)
			}
		}
	}
	if len(seen) != 19 {
		t.Errorf("ran %d families: %v", len(seen), seen)
	}
}

// TestIndexOutOfRange: an index beyond the extent, or below NoIndex, is an error that names it.
func TestIndexOutOfRange(t *testing.T) {
	for _, l := range Levels() {
		d := newDevice(t, AtLevel(l))
		for _, bad := range []int32{-2, 5, 1 << 30, -1 << 31} {
			index := kernels.HostArg([]int32{0, kernels.NoIndex, bad})
			for _, c := range []struct {
				k     kernels.Kernel
				other []kernels.Arg
			}{
				{kernels.Embedding(kernels.F32, kernels.I32, 5, 2, 3), []kernels.Arg{kernels.HostArg(make([]float32, 10)), kernels.HostArg(make([]float32, 6))}},
				{kernels.ScatterAdd{Type: kernels.F32, Index: kernels.I32, Outer: 1, Extent: 5, Inner: 2, Count: 3}, []kernels.Arg{kernels.HostArg(make([]float32, 6)), kernels.HostArg(make([]float32, 10))}},
				{kernels.OneHot{Type: kernels.F32, Index: kernels.I32, Count: 3, Classes: 5, On: 1}, []kernels.Arg{kernels.HostArg(make([]float32, 15))}},
			} {
				e, err := d.Prepare(c.k)
				if err != nil {
					t.Fatal(err)
				}
				err = e.Run(append([]kernels.Arg{index}, c.other...), kernels.Arg{})
				if err == nil || !strings.Contains(err.Error(), "at position 2: want 0 to 4") {
					t.Errorf("%s, %s, index %d: got %v", l, c.k.Family(), bad, err)
				}
			}
		}
	}
}
