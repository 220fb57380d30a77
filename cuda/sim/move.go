package sim

import (
	"math/bits"
	"unsafe"
)

// stored is what memory holds; signed types extend their sign.
type stored interface {
	uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32
}

// moveLoad reads elements of type E into registers of lanes of type R.
func moveLoad[E stored, R uint32 | uint64](w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	var e E
	for i, off := range in.x {
		d := (*[lanes]R)(unsafe.Add(w.file, uintptr(off)))
		from := unsafe.Add(base, uintptr(i)*unsafe.Sizeof(e))
		if mask == fullMask {
			for l := range d {
				d[l] = R(*(*E)(unsafe.Add(from, w.addr[l])))
			}
			continue
		}
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			d[l] = R(*(*E)(unsafe.Add(from, w.addr[l])))
		}
	}
	return true
}

// moveLoadS8 reads signed bytes into 16-bit registers.
func moveLoadS8(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for i, off := range in.x {
		d := w.at(off)
		from := unsafe.Add(base, i)
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			d[l] = uint32(uint16(*(*int8)(unsafe.Add(from, w.addr[l]))))
		}
	}
	return true
}

// moveStore writes the low part of registers as elements of type E.
func moveStore[E stored, R uint32 | uint64](w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	var e E
	for i, off := range in.x {
		s := (*[lanes]R)(unsafe.Add(w.file, uintptr(off)))
		to := unsafe.Add(base, uintptr(i)*unsafe.Sizeof(e))
		if mask == fullMask {
			for l := range s {
				*(*E)(unsafe.Add(to, w.addr[l])) = E(s[l])
			}
			continue
		}
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			*(*E)(unsafe.Add(to, w.addr[l])) = E(s[l])
		}
	}
	return true
}
