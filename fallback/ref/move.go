package ref

import "palladio/kernels"

// copyElem copies the bits of element j of src to element i of dst.
func copyElem(dst tensor, i int, src tensor, j int) {
	s := dst.typ.Size()
	copy(dst.arg.Host[i*s:(i+1)*s], src.arg.Host[j*s:(j+1)*s])
}

func move(k kernels.Move) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		src, dst := t[0], t[1]
		if !k.Keep {
			for i := range dst.len() {
				dst.set(i, k.Fill)
			}
		}
		each(k.Shape, func(_ int, index []int) {
			copyElem(dst, k.Dst.Offset+offset(index, k.Dst.Strides), src, k.Src.Offset+offset(index, k.Src.Strides))
		})
	})
}

func concat(k kernels.Concat) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		out := t[len(t)-1]
		row := 0
		for j, rows := range k.Parts {
			each([]int{k.Outer, rows, k.Inner}, func(flat int, x []int) {
				copyElem(out, (x[0]*k.Total()+row+x[1])*k.Inner+x[2], t[j], flat)
			})
			row += rows
		}
	})
}

// padSource calls f with every flat position of the padded tensor and of the element that it takes its value from.
func padSource(k kernels.Pad, f func(out, in int)) {
	strides := kernels.Dense(k.Shape).Strides
	each(k.OutShape(), func(flat int, index []int) {
		in := 0
		for d, x := range index {
			in += k.Mode.Source(x-k.Before[d], k.Shape[d]) * strides[d]
		}
		f(flat, in)
	})
}

func pad(k kernels.Pad) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		padSource(k, func(out, in int) { copyElem(t[1], out, t[0], in) })
	})
}

func padBackward(k kernels.PadBackward) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		sum := make([]float64, t[1].len())
		padSource(k.Pad, func(out, in int) { sum[in] += t[0].at(out) })
		for i, v := range sum {
			t[1].set(i, v)
		}
	})
}
