package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// loadFn reads n elements that lie stride apart from element off of base on, as T.
type loadFn[T real] func(dst *T, base unsafe.Pointer, off, stride, n int)

// storeFn writes n elements from element off of base on.
type storeFn[T real] func(base unsafe.Pointer, off int, src *T, n int)

func loadAs[T real, S kernels.Elem](dst *T, base unsafe.Pointer, off, stride, n int) {
	d := vector(dst, n)
	switch stride {
	case 0:
		x := T(*next((*S)(base), off))
		for i := range d {
			d[i] = x
		}
	case 1:
		for i, x := range vector(next((*S)(base), off), n) {
			d[i] = T(x)
		}
	default:
		p := next((*S)(base), off)
		for i := range d {
			d[i] = T(*next(p, i*stride))
		}
	}
}

// loadSame is loadAs for the type itself.
func loadSame[T real](dst *T, base unsafe.Pointer, off, stride, n int) {
	if stride == 1 {
		copy(vector(dst, n), vector(next((*T)(base), off), n))
		return
	}
	loadAs[T, T](dst, base, off, stride, n)
}

// loader chooses how to read a type.
func loader[T real](t kernels.DType) loadFn[T] {
	switch t {
	case dtypeOf[T]():
		return loadSame[T]
	case kernels.F32:
		return loadAs[T, float32]
	case kernels.F64:
		return loadAs[T, float64]
	case kernels.I32:
		return loadAs[T, int32]
	case kernels.I64:
		return loadAs[T, int64]
	case kernels.F16, kernels.BF16:
		return func(dst *T, base unsafe.Pointer, off, stride, n int) { loadHalf(t, dst, base, off, stride, n) }
	}
	return loadAs[T, uint8]
}

// halfBlock is the number of F16 or BF16 elements that are converted together.
const halfBlock = 128

// loadHalf is loadAs for the elements of type t, F16 or BF16.
func loadHalf[T real](t kernels.DType, dst *T, base unsafe.Pointer, off, stride, n int) {
	var bits [halfBlock]uint16
	var wide [halfBlock]float32
	d, src := vector(dst, n), next((*uint16)(base), off)
	if stride == 0 {
		bits[0] = *src
		widenHalf(wide[:1], bits[:1], t)
		for i := range d {
			d[i] = T(wide[0])
		}
		return
	}
	for len(d) > 0 {
		m := min(len(d), halfBlock)
		from := vector(src, m)
		if stride != 1 {
			for i := range m {
				bits[i] = *next(src, i*stride)
			}
			from = bits[:m]
		}
		widenHalf(wide[:m], from, t)
		for i, x := range wide[:m] {
			d[i] = T(x)
		}
		d, src = d[m:], next(src, m*stride)
	}
}

// tileFn reads a tile: n columns, step elements apart from off on, of height neighbouring elements each. Row r goes to dst + r·stride.
type tileFn[T real] func(dst *T, stride int, base unsafe.Pointer, off, step, height, n int)

// Eight columns go together: their cache lines may be far apart, and are then waited for at the same time.
func loadTile[T real, S kernels.Elem](dst *T, stride int, base unsafe.Pointer, off, step, height, n int) {
	c := 0
	for ; c+8 <= n; c += 8 {
		at := func(i int) []S { return vector(next((*S)(base), off+(c+i)*step), height) }
		c0, c1, c2, c3, c4, c5, c6, c7 := at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)
		for r, x := range c0 {
			d := (*[8]T)(unsafe.Pointer(next(dst, r*stride+c)))
			d[0], d[1], d[2], d[3] = T(x), T(c1[r]), T(c2[r]), T(c3[r])
			d[4], d[5], d[6], d[7] = T(c4[r]), T(c5[r]), T(c6[r]), T(c7[r])
		}
	}
	for ; c < n; c++ {
		d := next(dst, c)
		for _, x := range vector(next((*S)(base), off+c*step), height) {
			*d = T(x)
			d = next(d, stride)
		}
	}
}

// tileLoader chooses how to read tiles of a type.
func tileLoader[T real](t kernels.DType) tileFn[T] {
	switch t {
	case kernels.F32:
		return loadTile[T, float32]
	case kernels.F64:
		return loadTile[T, float64]
	case kernels.I32:
		return loadTile[T, int32]
	case kernels.I64:
		return loadTile[T, int64]
	case kernels.F16, kernels.BF16:
		return loadHalfTile[T](t)
	}
	return loadTile[T, uint8]
}

// loadHalfTile is loadTile for F16 and BF16, a column after the other.
func loadHalfTile[T real](t kernels.DType) tileFn[T] {
	return func(dst *T, stride int, base unsafe.Pointer, off, step, height, n int) {
		var column [halfBlock]T
		for c := range n {
			for r := 0; r < height; r += halfBlock {
				m := min(height-r, halfBlock)
				loadHalf(t, &column[0], base, off+c*step+r, 1, m)
				for i, x := range column[:m] {
					*next(dst, (r+i)*stride+c) = x
				}
			}
		}
	}
}

// dtypeOf is the element type of T.
func dtypeOf[T real]() kernels.DType {
	if unsafe.Sizeof(T(0)) == 4 {
		return kernels.F32
	}
	return kernels.F64
}

// storer chooses how to write a type: integers towards zero and saturating, NaN as 0; Bool says whether the value differs from 0.
func storer[T real](t kernels.DType) storeFn[T] {
	switch t {
	case kernels.F32:
		return storeAs(func(x T) float32 { return float32(x) })
	case kernels.F64:
		return storeAs(func(x T) float64 { return float64(x) })
	case kernels.I32:
		return storeAs(func(x T) int32 { return int32(saturated(float64(x), math.MinInt32, math.MaxInt32)) })
	case kernels.I64:
		return storeAs(func(x T) int64 { return int64(saturated(float64(x), math.MinInt64, 0x1p63-1024)) })
	case kernels.Bool:
		return storeBool[T]
	case kernels.F16, kernels.BF16:
		return storeHalf[T](t)
	}
	return storeAs(func(x T) uint8 { return uint8(saturated(float64(x), 0, 255)) })
}

func storeAs[T real, S kernels.Elem](f func(T) S) storeFn[T] {
	return func(base unsafe.Pointer, off int, src *T, n int) {
		d := vector(next((*S)(base), off), n)
		for i, x := range vector(src, n) {
			d[i] = f(x)
		}
	}
}

// storeHalf rounds to F16 or BF16.
func storeHalf[T real](t kernels.DType) storeFn[T] {
	return func(base unsafe.Pointer, off int, src *T, n int) {
		var wide [halfBlock]float32
		d, from := vector(next((*uint16)(base), off), n), vector(src, n)
		for len(d) > 0 {
			m := min(len(d), halfBlock)
			for i, x := range from[:m] {
				wide[i] = float32(x)
			}
			roundHalf(d[:m], wide[:m], t)
			d, from = d[m:], from[m:]
		}
	}
}

// storeBool says which elements differ from 0.
func storeBool[T real](base unsafe.Pointer, off int, src *T, n int) {
	d := vector(next((*bool)(base), off), n)
	for i, x := range vector(src, n) {
		d[i] = x != 0
	}
}

func saturated(v, lo, hi float64) float64 {
	if v != v {
		return 0
	}
	return min(max(v, lo), hi)
}
