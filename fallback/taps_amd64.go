package fallback

func newTapPasses(l Level) tapPasses {
	switch l {
	case AVX512:
		return tapPasses{tapSumAVX512, tapSumStreamAVX512, tapMatchAVX512, tapMatchStreamAVX512, tapMaxAVX512, tapMaxPosAVX512}
	case AVX2:
		return tapPasses{tapSumAVX2, tapSumStreamAVX2, tapMatchAVX2, tapMatchStreamAVX2, tapMaxAVX2, tapMaxPosAVX2}
	}
	return genericTapPasses()
}
