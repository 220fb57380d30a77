package fallback

// newOptimRules chooses the float32 rules of a level.
func newOptimRules(l Level) optimRules[float32] {
	switch l {
	case AVX512:
		return optimRules[float32]{
			sgd: sgdAVX512, sgdMomentum: sgdMomentumAVX512, sgdNesterov: sgdNesterovAVX512, adam: adamAVX512,
			lambMoments: lambMomentsAVX512, lambApply: lambApplyAVX512, adaDelta: adaDeltaAVX512, ema: emaAVX512,
			rmsProp: [4]func(*optimArgs){rmsPropAVX512, rmsPropCenteredAVX512, rmsPropMomentumAVX512, rmsPropCenteredMomentumAVX512},
		}
	case AVX2:
		return optimRules[float32]{
			sgd: sgdAVX2, sgdMomentum: sgdMomentumAVX2, sgdNesterov: sgdNesterovAVX2, adam: adamAVX2,
			lambMoments: lambMomentsAVX2, lambApply: lambApplyAVX2, adaDelta: adaDeltaAVX2, ema: emaAVX2,
			rmsProp: [4]func(*optimArgs){rmsPropAVX2, rmsPropCenteredAVX2, rmsPropMomentumAVX2, rmsPropCenteredMomentumAVX2},
		}
	}
	return genericOptimRules[float32]()
}
