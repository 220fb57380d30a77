package fallback

// peakLoop is a level's register loop, and the operations of one round of it.
func peakLoop(l Level) (loop func(n int), perRound float64) {
	switch l {
	case AVX2:
		return fmaPeakAVX2, 12 * 8 * 2
	case AVX512:
		return fmaPeakAVX512, 12 * 16 * 2
	}
	return goPeak, 16
}
