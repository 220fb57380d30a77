package cuda

import (
	"strings"
	"testing"

	"palladio/fallback/ref"
	"palladio/kernels"
	"palladio/kernels/devicetest"
)

// open opens a device for a test, or skips it where the build or the machine has none.
func open(t testing.TB, name string) *Device {
	t.Helper()
	if strings.HasPrefix(name, "cuda") && !driverBuilt {
		t.Skip("this build has no gorgonia.org/cu: make test sets the tag gpu")
	}
	t.Setenv(EnvCache, t.TempDir())
	d, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// simulatedDevices are the ways to a simulated GPU.
var simulatedDevices = []string{"sim:h100", "cuda:sim"}

// TestStream runs the first kernels.
func TestStream(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			for _, c := range kernels.Cases() {
				if c.Kernel.Family() != "stream" {
					continue
				}
				if res := devicetest.Run(d, ref.New(), c); !res.Passed() {
					t.Error(res)
				}
			}
		})
	}
}
