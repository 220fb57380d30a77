//go:build gpu && cgo

package cuda

import (
	"testing"

	"palladio/kernels"
)

// BenchmarkSubmit is the time of a call through the driver's interface while a graph is recorded, which the simulator does not run: the way through cgo, the loader and
// the simulated driver.
func BenchmarkSubmit(b *testing.B) {
	d := open(b, "cuda:sim")
	e, err := d.Prepare(victim)
	check(b, err)
	args, _ := operands(b, d, victim)
	b.ReportAllocs()
	r, err := d.Record(func() error {
		for b.Loop() {
			if err := e.Run(args, kernels.Arg{}); err != nil {
				return err
			}
		}
		return nil
	})
	check(b, err)
	check(b, r.Free())
}
