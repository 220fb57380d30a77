package cuda

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"palladio/cuda/sim"
)

// EnvDevice names the environment variable with the device that is used where none is named.
const EnvDevice = "PALLADIO_DEVICE"

// EnvCache names the environment variable with the folder under which compiled kernels are kept, instead of the user's cache folder.
const EnvCache = "PALLADIO_CACHE"

// defaultChip is what a simulated device is where its name does not say.
const defaultChip = "h100"

// Known says whether a device's name is one of this package's, whether or not there is such a device.
func Known(name string) bool {
	kind, _, _ := strings.Cut(name, ":")
	return kind == "cuda" || kind == "sim"
}

// Names describes the names that Open takes.
const Names = "cuda:N (the N-th NVIDIA GPU), cuda:sim (the simulated GPU through NVIDIA's interface) or sim:CHIP (simulated directly)"

// Open opens a device by name: "cuda:1" is the second GPU that NVIDIA's driver shows, "cuda" the first; "sim:h200" is a simulated GPU, "sim" that of an H100; "cuda:sim"
// and "cuda:sim:h200" are simulated GPUs that gorgonia.org/cu drives as it does real ones, in builds that have it.
func Open(name string) (*Device, error) {
	kind, which, _ := strings.Cut(name, ":")
	switch kind {
	case "sim":
		return OpenSimulated(name, sim.Options{})
	case "cuda":
		if part, rest, _ := strings.Cut(which, ":"); part == "sim" {
			chip, err := chipNamed(rest)
			if err != nil {
				return nil, fmt.Errorf("device %q: %w", name, err)
			}
			return newDevice(name, simulatedDriver(chip))
		}
		n := 0
		if name != kind {
			var err error
			if n, err = strconv.Atoi(which); err != nil || n < 0 {
				return nil, fmt.Errorf("device %q: %w: want %s", name, ErrNoDevice, Names)
			}
		}
		return newDevice(name, func(limit time.Duration) (gpu, error) { return openGPU(n, limit) })
	}
	return nil, fmt.Errorf("device %q: %w: want %s", name, ErrNoDevice, Names)
}

func chipNamed(name string) (*sim.Chip, error) {
	if name == "" {
		name = defaultChip
	}
	c, err := sim.ChipNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	return c, nil
}

// Simulated lists the names of the simulated devices that this build has.
func Simulated() []string {
	var names []string
	for _, c := range sim.Chips() {
		names = append(names, "sim:"+c)
	}
	if driverBuilt {
		names = append(names, "cuda:sim")
	}
	return slices.Clip(names)
}
