package engine

import (
	"fmt"
	"os"
	"strings"

	"palladio/cuda"
	"palladio/fallback"
	"palladio/kernels"
)

// DeviceNames describes the names that OpenDevice takes.
const DeviceNames = "cpu, cpu:generic, cpu:avx2, cpu:avx512, " + cuda.Names

// OpenDevice opens a device by name: "cpu", or a CPU level such as "cpu:avx2"; "cuda:1", the second GPU; "sim:h100", a simulated one. An empty name is what
// PALLADIO_DEVICE says, or else "cpu". threads is how many threads of a CPU share one call; 0 is all of them.
func OpenDevice(name string, threads int) (kernels.Device, error) {
	from := ""
	if name == "" {
		if name = os.Getenv(cuda.EnvDevice); name != "" {
			from = cuda.EnvDevice + ": "
		}
	}
	if cuda.Known(name) {
		d, err := cuda.Lease(name)
		if err != nil {
			return nil, fmt.Errorf("%s%w", from, err)
		}
		return d, nil
	}
	var opts []fallback.Option
	if threads != 0 {
		opts = append(opts, fallback.Threads(threads))
	}
	kind, level, _ := strings.Cut(name, ":")
	if kind != "" && kind != "cpu" {
		return nil, fmt.Errorf("%sdevice %q: want %s", from, name, DeviceNames)
	}
	if level != "" {
		l, err := fallback.ParseLevel(level)
		if err != nil {
			return nil, fmt.Errorf("%sdevice %q: %w", from, name, err)
		}
		opts = append(opts, fallback.AtLevel(l))
	}
	return fallback.New(opts...)
}
