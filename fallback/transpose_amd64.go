package fallback

import "unsafe"

// transposeTiles are a level's tiles for a size of element, the large and the small one; nil if it has none.
func transposeTiles(l Level, size int) []transposeTile {
	switch {
	case l == Generic:
		return nil
	case size == 4:
		return []transposeTile{{16, transpose4x16}, {8, transpose4x8}}
	case size == 8:
		return []transposeTile{{8, transpose8x8}, {4, transpose8x4}}
	}
	return nil
}

func transpose4x16(dst, src unsafe.Pointer, dstStride, srcStride, blocks int) {
	transpose4x16AVX2(&transposeArgs{dst, src, dstStride, srcStride, blocks})
}

func transpose4x8(dst, src unsafe.Pointer, dstStride, srcStride, blocks int) {
	transpose4x8AVX2(&transposeArgs{dst, src, dstStride, srcStride, blocks})
}

func transpose8x8(dst, src unsafe.Pointer, dstStride, srcStride, blocks int) {
	transpose8x8AVX2(&transposeArgs{dst, src, dstStride, srcStride, blocks})
}

func transpose8x4(dst, src unsafe.Pointer, dstStride, srcStride, blocks int) {
	transpose8x4AVX2(&transposeArgs{dst, src, dstStride, srcStride, blocks})
}
