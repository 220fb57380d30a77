package ref

import "palladio/kernels"

// stream computes one loop of STREAM.
func stream(k kernels.Stream) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, y, out := t[0], t[len(t)-2], t[len(t)-1]
		for i := range k.N {
			switch k.Op {
			case kernels.StreamCopy:
				out.set(i, x.at(i))
			case kernels.StreamScale:
				out.set(i, k.Scalar*x.at(i))
			case kernels.StreamAdd:
				out.set(i, x.at(i)+y.at(i))
			case kernels.StreamTriad:
				out.set(i, x.at(i)+k.Scalar*y.at(i))
			}
		}
	})
}
