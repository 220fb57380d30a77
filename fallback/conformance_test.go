package fallback

import (
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// TestConformance runs the table at every level of this CPU, and requires the same bits of one thread and of two. In short mode (under
// the race detector, say) it runs a sample of the cases.
func TestConformance(t *testing.T) {
	type pair struct{ one, two *Device }
	var devs []pair
	for _, l := range Levels() {
		devs = append(devs, pair{newDevice(t, AtLevel(l), Threads(1)), newDevice(t, AtLevel(l), Threads(2))})
	}
	for i, c := range kernels.Cases() {
		if testing.Short() && i%11 != 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			trial, err := devicetest.NewTrial(ref.New(), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range devs {
				res := trial.Run(d.one)
				if res.Err != nil {
					t.Error(res)
					continue
				}
				t.Log(res)
				if res.Unsupported {
					continue
				}
				if err := trial.SameBits(d.one, d.two); err != nil {
					t.Errorf("%s: one thread and two: %v", d.one.Name(), err)
				}
			}
		})
	}
}

func newDevice(t testing.TB, opts ...Option) *Device {
	t.Helper()
	d, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// allocations counts the allocations of a call. The runtime allocates now and then on its own account, so the least of a few counts is taken:
// what a call allocates it allocates each time.
func allocations(runs int, call func()) float64 {
	least := testing.AllocsPerRun(runs, call)
	for range 4 {
		if least == 0 {
			break
		}
		least = min(least, testing.AllocsPerRun(runs, call))
	}
	return least
}
