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
func (t tensor) at(i int) float64 {
	switch t.typ {
	case kernels.F32:
		return float64(kernels.Slice[float32](t.arg)[i])
	case kernels.F64:
		return kernels.Slice[float64](t.arg)[i]
	case kernels.I32:
		return float64(kernels.Slice[int32](t.arg)[i])
	case kernels.I64:
		return float64(kernels.Slice[int64](t.arg)[i])
	case kernels.U64:
		return float64(kernels.Slice[uint64](t.arg)[i])
	case kernels.BF16:
		return float64(kernels.BF16Value(kernels.Slice[uint16](t.arg)[i]))
	case kernels.F16:
		return kernels.F16Value(kernels.Slice[uint16](t.arg)[i])
	}
	return float64(t.arg.Host[i]) // U8, Bool
}

// set writes element i, rounded once to the tensor's type.
func (t tensor) set(i int, v float64) {
	switch t.typ {
	case kernels.F32:
		kernels.Slice[float32](t.arg)[i] = float32(v)
	case kernels.F64:
		kernels.Slice[float64](t.arg)[i] = v
	case kernels.I32:
		kernels.Slice[int32](t.arg)[i] = int32(v)
	case kernels.I64:
		kernels.Slice[int64](t.arg)[i] = int64(v)
	case kernels.U64:
		kernels.Slice[uint64](t.arg)[i] = uint64(v)
	case kernels.BF16:
		kernels.Slice[uint16](t.arg)[i] = kernels.BF16Bits(float32(v))
	case kernels.F16:
		kernels.Slice[uint16](t.arg)[i] = kernels.F16Bits(v)
	case kernels.Bool:
		t.arg.Host[i] = 0
		if v != 0 {
			t.arg.Host[i] = 1
		}
	default:
		t.arg.Host[i] = uint8(v)
	}
}

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
