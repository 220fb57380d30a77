package cuda

import (
	"testing"

	"palladio/kernels"
)

// Break costs the device its context by an illegal access.
func (d *Device) Break(t *testing.T) error {
	args, _ := operands(t, d, victim)
	if err := prepareEntry(t, d, "stray", Operand(0)).Run(args, kernels.Arg{}); err != nil {
		return err
	}
	return d.Sync()
}
