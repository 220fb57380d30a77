package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page on the processors that matter here.
const hugePage = 2 << 20

// adviseHugePages asks the kernel to back the whole huge pages of b with such: a large matrix then costs few address translations. It is a hint; where
// huge pages are off nothing happens.
func adviseHugePages(b []byte) {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := int(-at & (hugePage - 1))
	if n := (len(b) - skip) &^ (hugePage - 1); len(b) > skip && n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
