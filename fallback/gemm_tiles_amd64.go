package fallback

// The kernels of each level.
var (
	sgemmLevels = [...]*gemmKernels[float32]{Generic: genericKernels[float32](), AVX2: &sgemmAVX2, AVX512: &sgemmAVX512}
	dgemmLevels = [...]*gemmKernels[float64]{Generic: genericKernels[float64](), AVX2: &dgemmAVX2, AVX512: &dgemmAVX512}
)

var sgemmAVX2 = gemmKernels[float32]{
	mr: 6, nr: 16, lanes: 8,
	kc: 256, mc: 144, nc: 4080,
	directB: 6144, directK: 128,
	packed: sgemmAVX2x6x16,
	strided: [2][]stridedTile[float32]{
		{
			sgemmAVX2x1x8Strided, sgemmAVX2x2x8Strided, sgemmAVX2x3x8Strided, sgemmAVX2x4x8Strided,
			sgemmAVX2x5x8Strided, sgemmAVX2x6x8Strided, sgemmAVX2x7x8Strided, sgemmAVX2x8x8Strided,
		},
		{
			sgemmAVX2x1x16Strided, sgemmAVX2x2x16Strided, sgemmAVX2x3x16Strided, sgemmAVX2x4x16Strided,
			sgemmAVX2x5x16Strided, sgemmAVX2x6x16Strided,
		},
	},
	wide: [][]wideTile[float32]{
		1: {{64, sgemmAVX2x1x64Strided}, {32, sgemmAVX2x1x32Strided}},
		2: {{32, sgemmAVX2x2x32Strided}},
		3: {{24, sgemmAVX2x3x24Strided}},
	},
	dot:       [4]dotTile[float32]{{8, sdotAVX2x8x1, sdotAVX2x1x1}, {4, sdotAVX2x4x2, sdotAVX2x1x2}, {2, sdotAVX2x2x4, sdotAVX2x1x4}, {1, sdotAVX2x1x8, sdotAVX2x1x8}},
	packLanes: 8, packRows: spackRowsAVX2, packTrans: spackTransposedAVX2,
}

var sgemmAVX512 = gemmKernels[float32]{
	mr: 14, nr: 32, lanes: 16,
	kc: 384, mc: 336, nc: 3072,
	directB: 262144, directK: 512,
	packed: sgemmAVX512x14x32,
	strided: [2][]stridedTile[float32]{
		{
			sgemmAVX512x1x16Strided, sgemmAVX512x2x16Strided, sgemmAVX512x3x16Strided, sgemmAVX512x4x16Strided,
			sgemmAVX512x5x16Strided, sgemmAVX512x6x16Strided, sgemmAVX512x7x16Strided, sgemmAVX512x8x16Strided,
			sgemmAVX512x9x16Strided, sgemmAVX512x10x16Strided, sgemmAVX512x11x16Strided, sgemmAVX512x12x16Strided,
			sgemmAVX512x13x16Strided, sgemmAVX512x14x16Strided, sgemmAVX512x15x16Strided, sgemmAVX512x16x16Strided,
		},
		{
			sgemmAVX512x1x32Strided, sgemmAVX512x2x32Strided, sgemmAVX512x3x32Strided, sgemmAVX512x4x32Strided,
			sgemmAVX512x5x32Strided, sgemmAVX512x6x32Strided, sgemmAVX512x7x32Strided, sgemmAVX512x8x32Strided,
			sgemmAVX512x9x32Strided, sgemmAVX512x10x32Strided, sgemmAVX512x11x32Strided, sgemmAVX512x12x32Strided,
			sgemmAVX512x13x32Strided, sgemmAVX512x14x32Strided,
		},
	},
	wide: [][]wideTile[float32]{
		1: {{192, sgemmAVX512x1x192Strided}, {64, sgemmAVX512x1x64Strided}},
		2: {{192, sgemmAVX512x2x192Strided}, {64, sgemmAVX512x2x64Strided}},
		3: {{64, sgemmAVX512x3x64Strided}},
		4: {{64, sgemmAVX512x4x64Strided}},
		5: {{64, sgemmAVX512x5x64Strided}},
		6: {{64, sgemmAVX512x6x64Strided}},
	},
	dot:       [4]dotTile[float32]{{8, sdotAVX512x8x1, sdotAVX512x1x1}, {4, sdotAVX512x4x2, sdotAVX512x1x2}, {2, sdotAVX512x2x4, sdotAVX512x1x4}, {2, sdotAVX512x2x8, sdotAVX512x1x8}},
	packLanes: 8, packRows: spackRowsAVX2, packTrans: spackTransposedAVX2,
}

var dgemmAVX2 = gemmKernels[float64]{
	mr: 6, nr: 8, lanes: 4,
	kc: 256, mc: 72, nc: 4080,
	directB: 3072, directK: 128,
	packed: dgemmAVX2x6x8,
	strided: [2][]stridedTile[float64]{
		{
			dgemmAVX2x1x4Strided, dgemmAVX2x2x4Strided, dgemmAVX2x3x4Strided, dgemmAVX2x4x4Strided,
			dgemmAVX2x5x4Strided, dgemmAVX2x6x4Strided, dgemmAVX2x7x4Strided, dgemmAVX2x8x4Strided,
		},
		{
			dgemmAVX2x1x8Strided, dgemmAVX2x2x8Strided, dgemmAVX2x3x8Strided, dgemmAVX2x4x8Strided,
			dgemmAVX2x5x8Strided, dgemmAVX2x6x8Strided,
		},
	},
	wide: [][]wideTile[float64]{
		1: {{32, dgemmAVX2x1x32Strided}, {16, dgemmAVX2x1x16Strided}},
		2: {{16, dgemmAVX2x2x16Strided}},
		3: {{12, dgemmAVX2x3x12Strided}},
	},
	dot:       [4]dotTile[float64]{{8, ddotAVX2x8x1, ddotAVX2x1x1}, {4, ddotAVX2x4x2, ddotAVX2x1x2}, {2, ddotAVX2x2x4, ddotAVX2x1x4}, {1, ddotAVX2x1x8, ddotAVX2x1x8}},
	packLanes: 4, packRows: dpackRowsAVX2, packTrans: dpackTransposedAVX2,
}

var dgemmAVX512 = gemmKernels[float64]{
	mr: 14, nr: 16, lanes: 8,
	kc: 256, mc: 168, nc: 3072,
	directB: 131072, directK: 512,
	packed: dgemmAVX512x14x16,
	strided: [2][]stridedTile[float64]{
		{
			dgemmAVX512x1x8Strided, dgemmAVX512x2x8Strided, dgemmAVX512x3x8Strided, dgemmAVX512x4x8Strided,
			dgemmAVX512x5x8Strided, dgemmAVX512x6x8Strided, dgemmAVX512x7x8Strided, dgemmAVX512x8x8Strided,
			dgemmAVX512x9x8Strided, dgemmAVX512x10x8Strided, dgemmAVX512x11x8Strided, dgemmAVX512x12x8Strided,
			dgemmAVX512x13x8Strided, dgemmAVX512x14x8Strided, dgemmAVX512x15x8Strided, dgemmAVX512x16x8Strided,
		},
		{
			dgemmAVX512x1x16Strided, dgemmAVX512x2x16Strided, dgemmAVX512x3x16Strided, dgemmAVX512x4x16Strided,
			dgemmAVX512x5x16Strided, dgemmAVX512x6x16Strided, dgemmAVX512x7x16Strided, dgemmAVX512x8x16Strided,
			dgemmAVX512x9x16Strided, dgemmAVX512x10x16Strided, dgemmAVX512x11x16Strided, dgemmAVX512x12x16Strided,
			dgemmAVX512x13x16Strided, dgemmAVX512x14x16Strided,
		},
	},
	wide: [][]wideTile[float64]{
		1: {{96, dgemmAVX512x1x96Strided}, {32, dgemmAVX512x1x32Strided}},
		2: {{96, dgemmAVX512x2x96Strided}, {32, dgemmAVX512x2x32Strided}},
		3: {{32, dgemmAVX512x3x32Strided}},
		4: {{32, dgemmAVX512x4x32Strided}},
		5: {{32, dgemmAVX512x5x32Strided}},
		6: {{32, dgemmAVX512x6x32Strided}},
	},
	dot:       [4]dotTile[float64]{{8, ddotAVX512x8x1, ddotAVX512x1x1}, {4, ddotAVX512x4x2, ddotAVX512x1x2}, {2, ddotAVX512x2x4, ddotAVX512x1x4}, {2, ddotAVX512x2x8, ddotAVX512x1x8}},
	packLanes: 4, packRows: dpackRowsAVX2, packTrans: dpackTransposedAVX2,
}
