//go:build !gpu || !cgo

package cuda

import (
	"fmt"
	"time"

	"palladio/cuda/driver"
	"palladio/cuda/sim"
)

// driverBuilt says whether this build has gorgonia.org/cu.
const driverBuilt = false

func openGPU(int, time.Duration) (gpu, error) {
	return nil, fmt.Errorf("%w; the devices cpu and sim:%s need none", driver.Open(), defaultChip)
}

func simulatedDriver(*sim.Chip) opener {
	return func(time.Duration) (gpu, error) { return nil, driver.Open() }
}

// GPUs lists the GPUs that NVIDIA's driver shows, or says why there are none.
func GPUs() ([]Info, error) { return nil, driver.Open() }
