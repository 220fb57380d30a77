package engine

import (
	"fmt"
	"slices"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// rawBytes sees the memory of a value, whatever its layout.
func rawBytes(v gorgonia.Value) ([]byte, error) {
	n := int(v.MemSize())
	switch v := v.(type) {
	case *tensor.Dense:
		if n == 0 {
			return nil, nil
		}
		if !v.IsNativelyAccessible() {
			return nil, fmt.Errorf("value lies in memory that this process cannot read")
		}
	case gorgonia.Scalar:
	default:
		return nil, fmt.Errorf("value is a %T: want a scalar or a *tensor.Dense", v)
	}
	p := v.Uintptr()
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n), nil
}

// contiguous says whether a value's elements lie one after the other in row-major order.
func contiguous(v gorgonia.Value) bool {
	d, ok := v.(*tensor.Dense)
	return !ok || !d.RequiresIterator() && (!d.DataOrder().IsColMajor() || d.Dims() < 2)
}

// hostBytes is the memory of n elements of type t of a value: the value's own where it is contiguous, a copy where it is not.
func hostBytes(v gorgonia.Value, t kernels.DType, n int) ([]byte, error) {
	raw, err := rawBytes(v)
	if err != nil {
		return nil, err
	}
	if contiguous(v) {
		if len(raw) < n*t.Size() {
			return nil, fmt.Errorf("value of shape %v holds %d bytes, want %d", v.Shape(), len(raw), n*t.Size())
		}
		return raw[: n*t.Size() : n*t.Size()], nil
	}
	dst := make([]byte, n*t.Size())
	return dst, gatherDense(dst, v.(*tensor.Dense), raw)
}

// gatherDense copies a strided tensor into contiguous memory.
func gatherDense(dst []byte, d *tensor.Dense, raw []byte) error {
	shape, strides, size := d.Shape(), d.Strides(), int(d.Dtype().Size())
	if len(shape) != len(strides) || shape.TotalSize()*size != len(dst) {
		return fmt.Errorf("value of shape %v has strides %v: cannot copy it", shape, strides)
	}
	index := make([]int, len(shape))
	for out := 0; out < len(dst); out += size {
		at := 0
		for i, x := range index {
			at += x * strides[i]
		}
		if (at+1)*size > len(raw) {
			return fmt.Errorf("value of shape %v and strides %v reaches beyond its memory", shape, strides)
		}
		copy(dst[out:out+size], raw[at*size:])
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return nil
}

// viewValue makes a value of gorgonia's over memory: a scalar for an empty shape, else a dense tensor.
func viewValue(mem []byte, dt tensor.Dtype, shape []int) (gorgonia.Value, error) {
	if len(shape) == 0 {
		if len(mem) == 0 {
			return nil, fmt.Errorf("scalar without memory")
		}
		p := unsafe.Pointer(unsafe.SliceData(mem))
		switch dt {
		case tensor.Float64:
			return (*gorgonia.F64)(p), nil
		case tensor.Float32:
			return (*gorgonia.F32)(p), nil
		case tensor.Int:
			return (*gorgonia.I)(p), nil
		case tensor.Int64:
			return (*gorgonia.I64)(p), nil
		case tensor.Int32:
			return (*gorgonia.I32)(p), nil
		case tensor.Byte:
			return (*gorgonia.U8)(p), nil
		case tensor.Bool:
			return (*gorgonia.B)(p), nil
		}
		return nil, fmt.Errorf("scalar of type %v", dt)
	}
	if len(mem) == 0 {
		return nil, fmt.Errorf("gorgonia has no empty tensors (shape %v)", shape)
	}
	var backing any
	switch dt {
	case tensor.Float64:
		backing = view[float64](mem)
	case tensor.Float32:
		backing = view[float32](mem)
	case tensor.Int:
		backing = view[int](mem)
	case tensor.Int64:
		backing = view[int64](mem)
	case tensor.Int32:
		backing = view[int32](mem)
	case tensor.Uint64:
		backing = view[uint64](mem)
	case tensor.Uint:
		backing = view[uint](mem)
	case tensor.Byte:
		backing = mem
	case tensor.Bool:
		backing = view[bool](mem)
	default:
		return nil, fmt.Errorf("tensor of type %v", dt)
	}
	return tensor.New(tensor.WithShape(slices.Clone(shape)...), tensor.WithBacking(backing)), nil
}

// view sees memory as elements of a type without pointers.
func view[T any](mem []byte) []T {
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/int(unsafe.Sizeof(t)))
}
