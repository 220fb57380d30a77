package fallback

import "palladio/kernels"

func (d *Device) prepareConvBackwardFilter(k kernels.ConvBackwardFilter) (kernels.Exec, error) {
	return d.ref.Prepare(k)
}
