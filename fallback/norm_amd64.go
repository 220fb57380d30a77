package fallback

func newNormPasses(l Level) normPasses {
	switch l {
	case AVX512:
		return normPasses{
			columnSums: normColumnSumsAVX512, columnSquares: normColumnSquaresAVX512,
			columnAffine:   [2]func(p *normArgs){normColumnAffineAVX512, normColumnAffineReLUAVX512},
			columnBackSums: [2]func(p *normArgs){normColumnBackSumsAVX512, normColumnBackSumsReLUAVX512},
			columnBackX:    [2]func(p *normArgs){normColumnBackXAVX512, normColumnBackXReLUAVX512},
			rowNormCentred: [2]func(p *normArgs){normRowCentredAVX512, normRowCentredReLUAVX512},
			rowNormRMS:     [2]func(p *normArgs){normRowRMSAVX512, normRowRMSReLUAVX512},
			rowBackCentred: [2]func(p *normArgs){normRowBackCentredAVX512, normRowBackCentredReLUAVX512},
			rowBackRMS:     [2]func(p *normArgs){normRowBackRMSAVX512, normRowBackRMSReLUAVX512},
		}
	case AVX2:
		return normPasses{
			columnSums: normColumnSumsAVX2, columnSquares: normColumnSquaresAVX2,
			columnAffine:   [2]func(p *normArgs){normColumnAffineAVX2, normColumnAffineReLUAVX2},
			columnBackSums: [2]func(p *normArgs){normColumnBackSumsAVX2, normColumnBackSumsReLUAVX2},
			columnBackX:    [2]func(p *normArgs){normColumnBackXAVX2, normColumnBackXReLUAVX2},
			rowNormCentred: [2]func(p *normArgs){normRowCentredAVX2, normRowCentredReLUAVX2},
			rowNormRMS:     [2]func(p *normArgs){normRowRMSAVX2, normRowRMSReLUAVX2},
			rowBackCentred: [2]func(p *normArgs){normRowBackCentredAVX2, normRowBackCentredReLUAVX2},
			rowBackRMS:     [2]func(p *normArgs){normRowBackRMSAVX2, normRowBackRMSReLUAVX2},
		}
	}
	return genericNormPasses()
}
