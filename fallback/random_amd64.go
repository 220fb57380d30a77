package fallback

// newDraws chooses the routines of a level.
func newDraws(l Level) draws {
	switch l {
	case AVX512:
		return draws{philoxAVX512, drawUniformAVX512, drawNormalAVX512, drawDropoutAVX512}
	case AVX2:
		return draws{philoxAVX2, drawUniformAVX2, drawNormalAVX2, drawDropoutAVX2}
	}
	return genericDraws()
}
