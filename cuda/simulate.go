package cuda

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"palladio/cuda/sim"
	"palladio/kernels"
)

// OpenSimulated opens a simulated GPU by name, "sim:h200" or "sim:/path/chip.json", with options of the simulator: its checks, its profile. The registers
// of the embedded kernels are those of the assembler's tables unless the options say otherwise.
func OpenSimulated(name string, o sim.Options) (*Device, error) {
	kind, which, _ := strings.Cut(name, ":")
	if kind != "sim" {
		return nil, fmt.Errorf("device %q: %w: want sim:CHIP, with CHIP one of %s or the path of a .json file", name, ErrNoDevice, strings.Join(sim.Chips(), ", "))
	}
	chip, err := chipNamed(which)
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", name, err)
	}
	return Simulate(name, chip, o)
}

// Simulate opens a simulated GPU of a chip, under a name of the caller's choice.
func Simulate(name string, chip *sim.Chip, o sim.Options) (*Device, error) {
	o = withRegisters(chip, o)
	return newDevice(name, func(limit time.Duration) (gpu, error) { return newSimulated(chip, o, limit), nil })
}

// withRegisters adds the assembler's tables of the embedded kernels, unless the options have others.
func withRegisters(chip *sim.Chip, o sim.Options) sim.Options {
	if o.Registers == nil {
		o.Registers = func(module, entry string) int { return kernels.Registers(module, entry, chip.Capability) }
	}
	return o
}

// TakeFindings gives what the checks of a simulated GPU have found since the last call, as one error; nil when that is nothing.
func (d *Device) TakeFindings() error {
	g := d.Simulator()
	if g == nil {
		return nil
	}
	list, dropped := g.Findings()
	g.ClearFindings()
	var errs []error
	for _, f := range list {
		errs = append(errs, errors.New(f.String()))
	}
	if dropped > 0 {
		errs = append(errs, fmt.Errorf("and %d findings more", dropped))
	}
	return errors.Join(errs...)
}

// Simulator is the simulated GPU of a device that OpenSimulated or Open("sim:CHIP") opened, nil for others: findings and profiles are there.
func (d *Device) Simulator() *sim.GPU {
	g, err := d.current()
	if err != nil {
		return nil
	}
	if s, ok := g.(*simulated); ok {
		return s.gpu
	}
	return nil
}
