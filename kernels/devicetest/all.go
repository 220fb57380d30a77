package devicetest

import (
	"testing"

	"palladio/kernels"
)

// All runs the conformance table on a device as subtests. An unsupported kernel is logged.
func All(t *testing.T, dev, ref kernels.Device) {
	t.Helper()
	for _, c := range kernels.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			res := Run(dev, ref, c)
			if res.Err != nil {
				t.Error(res)
				return
			}
			t.Log(res)
		})
	}
}
