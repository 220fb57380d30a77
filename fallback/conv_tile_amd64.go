package fallback

var avx512Tiles = &convTiles{
	width: 32,
	full: tileKernels{
		[]rowsKernel{nil, convRowsAVX5121x32, convRowsAVX5122x32, convRowsAVX5123x32, convRowsAVX5124x32, convRowsAVX5125x32, convRowsAVX5126x32, convRowsAVX5127x32, convRowsAVX5128x32, convRowsAVX5129x32, convRowsAVX51210x32, convRowsAVX51211x32, convRowsAVX51212x32, convRowsAVX51213x32, convRowsAVX51214x32},
		[]outerKernel{nil, convOuterAVX5121x32, convOuterAVX5122x32, convOuterAVX5123x32, convOuterAVX5124x32, convOuterAVX5125x32, convOuterAVX5126x32, convOuterAVX5127x32, convOuterAVX5128x32, convOuterAVX5129x32, convOuterAVX51210x32, convOuterAVX51211x32, convOuterAVX51212x32, convOuterAVX51213x32, convOuterAVX51214x32},
	},
	narrow: tileKernels{
		[]rowsKernel{nil, convRowsAVX5121x16, convRowsAVX5122x16, convRowsAVX5123x16, convRowsAVX5124x16, convRowsAVX5125x16, convRowsAVX5126x16, convRowsAVX5127x16, convRowsAVX5128x16, convRowsAVX5129x16, convRowsAVX51210x16, convRowsAVX51211x16, convRowsAVX51212x16, convRowsAVX51213x16, convRowsAVX51214x16},
		[]outerKernel{nil, convOuterAVX5121x16, convOuterAVX5122x16, convOuterAVX5123x16, convOuterAVX5124x16, convOuterAVX5125x16, convOuterAVX5126x16, convOuterAVX5127x16, convOuterAVX5128x16, convOuterAVX5129x16, convOuterAVX51210x16, convOuterAVX51211x16, convOuterAVX51212x16, convOuterAVX51213x16, convOuterAVX51214x16},
	},
	pack8: convTranspose8AVX2,
}

var avx2Tiles = &convTiles{
	width: 16,
	full: tileKernels{
		[]rowsKernel{nil, convRowsAVX21x16, convRowsAVX22x16, convRowsAVX23x16, convRowsAVX24x16, convRowsAVX25x16, convRowsAVX26x16},
		[]outerKernel{nil, convOuterAVX21x16, convOuterAVX22x16, convOuterAVX23x16, convOuterAVX24x16, convOuterAVX25x16, convOuterAVX26x16},
	},
	tail: tileKernels{
		[]rowsKernel{nil, convRowsAVX2Tail1x16, convRowsAVX2Tail2x16, convRowsAVX2Tail3x16, convRowsAVX2Tail4x16, convRowsAVX2Tail5x16},
		[]outerKernel{nil, convOuterAVX2Tail1x16, convOuterAVX2Tail2x16, convOuterAVX2Tail3x16, convOuterAVX2Tail4x16, convOuterAVX2Tail5x16},
	},
	pack8: convTranspose8AVX2,
}

func init() { avx512Tiles.tail = avx512Tiles.full } // they mask

// convTilesAt chooses the micro-kernels of a level.
func convTilesAt(l Level) *convTiles {
	switch l {
	case AVX512:
		return avx512Tiles
	case AVX2:
		return avx2Tiles
	}
	return portableTiles
}

var (
	avx2Winograd   = &winogradKernels{8, winogradInputAVX2, winogradGradientAVX2, winogradFilterAVX2, winogradFilterGradientAVX2, winogradOutputAVX2}
	avx512Winograd = &winogradKernels{16, winogradInputAVX512, winogradGradientAVX512, winogradFilterAVX512, winogradFilterGradientAVX512, winogradOutputAVX512}
)

// winogradAt chooses the transforms of a level; nil where it has none.
func winogradAt(l Level) *winogradKernels {
	switch l {
	case AVX512:
		return avx512Winograd
	case AVX2:
		return avx2Winograd
	}
	return nil
}

var (
	avx2Depthwise   = &depthwiseKernels{depthwiseLineAVX2, depthwiseFilterAVX2}
	avx512Depthwise = &depthwiseKernels{depthwiseLineAVX512, depthwiseFilterAVX512}
)

// depthwiseAt chooses the kernels of depthwise convolution of a level.
func depthwiseAt(l Level) *depthwiseKernels {
	switch l {
	case AVX512:
		return avx512Depthwise
	case AVX2:
		return avx2Depthwise
	}
	return portableDepthwise
}
