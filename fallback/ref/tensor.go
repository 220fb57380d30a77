package ref

import "palladio/kernels"

// tensor is an operand of any type, read and written as float64.
type tensor struct {
	arg   kernels.Arg
	typ   kernels.DType
	shape []int
}

func (t tensor) len() int { return kernels.Elems(t.shape) }

// at reads element i of the flat tensor.
func (t tensor) at(i int) float64 { return t.typ.Value(t.arg.Host, i) }

// set writes element i, rounded once to the tensor's type.
func (t tensor) set(i int, v float64) { t.typ.SetValue(t.arg.Host, i, v) }

// offset is the flat position of an index under strides.
func offset(index, strides []int) int {
	o := 0
	for i, x := range index {
		o += x * strides[i]
	}
	return o
}

// each calls f with every index of a shape, in row-major order, and its flat position. The index is reused.
func each(shape []int, f func(flat int, index []int)) {
	if kernels.Elems(shape) == 0 {
		return
	}
	index := make([]int, len(shape))
	for flat := 0; ; flat++ {
		f(flat, index)
		d := len(shape) - 1
		for ; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
		if d < 0 {
			return
		}
	}
}
