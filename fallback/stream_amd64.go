package fallback

import "unsafe"

// streamLoops32 and streamLoops64 are a level's loops past the caches, in the order of kernels.StreamOp.
func streamLoops32(l Level) *[4]streamFn[float32] {
	switch l {
	case AVX2:
		return &[...]streamFn[float32]{sstreamCopyAVX2, sstreamScaleAVX2, sstreamAddAVX2, sstreamTriadAVX2}
	case AVX512:
		return &[...]streamFn[float32]{sstreamCopyAVX512, sstreamScaleAVX512, sstreamAddAVX512, sstreamTriadAVX512}
	}
	return nil
}

func streamLoops64(l Level) *[4]streamFn[float64] {
	switch l {
	case AVX2:
		return &[...]streamFn[float64]{copy64(sstreamCopyAVX2), dstreamScaleAVX2, dstreamAddAVX2, dstreamTriadAVX2}
	case AVX512:
		return &[...]streamFn[float64]{copy64(sstreamCopyAVX512), dstreamScaleAVX512, dstreamAddAVX512, dstreamTriadAVX512}
	}
	return nil
}

// copy64 copies float64 by the loop for float32: a copy moves bytes.
func copy64(f streamFn[float32]) streamFn[float64] {
	return func(dst, x, y, s *float64, blocks int) {
		f((*float32)(unsafe.Pointer(dst)), (*float32)(unsafe.Pointer(x)), (*float32)(unsafe.Pointer(y)), (*float32)(unsafe.Pointer(s)), blocks)
	}
}
