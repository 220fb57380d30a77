package fallback

import (
	"fmt"
	"testing"

	"palladio/kernels"
)

// TestConvAllocatesNothing runs each algorithm in all three passes.
func TestConvAllocatesNothing(t *testing.T) {
	d := newDevice(t, Threads(2))
	for _, l := range []convLayer{
		{"indirect", "", []int{1, 15, 14, 24}, []int{40, 3, 3, 24}, 2, 1},
		{"winograd", "", []int{2, 16, 16, 32}, []int{32, 3, 3, 32}, 1, 1},
		{"winograd, large filters", "", []int{2, 12, 12, 192}, []int{192, 3, 3, 192}, 1, 1},
		{"few channels", "", []int{2, 14, 14, 3}, []int{32, 3, 3, 3}, 1, 1},
		{"depthwise", "", []int{2, 14, 14, 32}, []int{32, 3, 3, 1}, 2, 32},
	} {
		for _, pass := range []string{"forward", "data", "filter"} {
			l.pass = pass
			t.Run(fmt.Sprint(l.name, "/", pass), func(t *testing.T) {
				exec, args, workspace := preparedConv(t, d, l.kernel(t))
				if n := allocations(5, func() {
					if err := exec.Run(args, workspace); err != nil {
						t.Fatal(err)
					}
				}); n != 0 {
					t.Errorf("%v allocations a call", n)
				}
			})
		}
	}
}

// TestWinogradIsChosen holds the choice of algorithm to the layers that it was measured on.
func TestWinogradIsChosen(t *testing.T) {
	d := newDevice(t, Threads(1))
	if d.Level() == Generic {
		t.Skip("no transforms at this level")
	}
	for _, c := range []struct {
		image, filter []int
		stride        int
		want          bool
	}{
		{[]int{4, 56, 56, 64}, []int{64, 3, 3, 64}, 1, true},
		{[]int{128, 14, 14, 16}, []int{16, 3, 3, 16}, 1, true},
		{[]int{4, 56, 56, 64}, []int{64, 3, 3, 64}, 2, false},
		{[]int{4, 56, 56, 64}, []int{64, 5, 5, 64}, 1, false},
		{[]int{1, 3, 3, 64}, []int{64, 3, 3, 64}, 1, false},
		{[]int{4, 56, 56, 8}, []int{64, 3, 3, 8}, 1, false},
	} {
		k := convLayer{"", "forward", c.image, c.filter, c.stride, 1}.kernel(t)
		exec, err := d.Prepare(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := exec.(*convWinograd); got != c.want {
			t.Errorf("%s: Winograd %v, want %v", k, got, c.want)
		}
	}
}

// preparedConv prepares a kernel and makes its operands.
func preparedConv(t testing.TB, d *Device, k kernels.Kernel) (kernels.Exec, []kernels.Arg, kernels.Arg) {
	t.Helper()
	exec, err := d.Prepare(k)
	if err != nil {
		t.Fatal(err)
	}
	var args []kernels.Arg
	for i, o := range k.Operands() {
		m, err := d.Alloc(o.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		a := m.Arg(0, o.Bytes())
		s := kernels.Slice[float32](a)
		for n := range s {
			s[n] = float32((n*2654435761+i)%1024)/512 - 1
		}
		args = append(args, a)
	}
	m, err := d.Alloc(exec.Workspace())
	if err != nil {
		t.Fatal(err)
	}
	return exec, args, m.Arg(0, exec.Workspace())
}
