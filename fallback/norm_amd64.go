package fallback

func newNormPasses(l Level) normPasses {
	switch l {
	case AVX512:
		return normPasses{
			columnSums: normColumnSumsAVX512, columnSquares: normColumnSquaresAVX512,
			columnBackSums: [2]func(p *normArgs){normColumnBackSumsAVX512, normColumnBackSumsReLUAVX512},
			columnAffine:   [4]func(p *normArgs){normColumnAffineAVX512, normColumnAffineReLUAVX512, normColumnAffineStreamAVX512, normColumnAffineReLUStreamAVX512},
			columnBackX:    [4]func(p *normArgs){normColumnBackXAVX512, normColumnBackXReLUAVX512, normColumnBackXStreamAVX512, normColumnBackXReLUStreamAVX512},
			rowNormCentred: [4]func(p *normArgs){normRowCentredAVX512, normRowCentredReLUAVX512, normRowCentredStreamAVX512, normRowCentredReLUStreamAVX512},
			rowNormRMS:     [4]func(p *normArgs){normRowRMSAVX512, normRowRMSReLUAVX512, normRowRMSStreamAVX512, normRowRMSReLUStreamAVX512},
			rowBackCentred: [4]func(p *normArgs){normRowBackCentredAVX512, normRowBackCentredReLUAVX512, normRowBackCentredStreamAVX512, normRowBackCentredReLUStreamAVX512},
			rowBackRMS:     [4]func(p *normArgs){normRowBackRMSAVX512, normRowBackRMSReLUAVX512, normRowBackRMSStreamAVX512, normRowBackRMSReLUStreamAVX512},
		}
	case AVX2:
		return normPasses{
			columnSums: normColumnSumsAVX2, columnSquares: normColumnSquaresAVX2,
			columnBackSums: [2]func(p *normArgs){normColumnBackSumsAVX2, normColumnBackSumsReLUAVX2},
			columnAffine:   [4]func(p *normArgs){normColumnAffineAVX2, normColumnAffineReLUAVX2, normColumnAffineStreamAVX2, normColumnAffineReLUStreamAVX2},
			columnBackX:    [4]func(p *normArgs){normColumnBackXAVX2, normColumnBackXReLUAVX2, normColumnBackXStreamAVX2, normColumnBackXReLUStreamAVX2},
			rowNormCentred: [4]func(p *normArgs){normRowCentredAVX2, normRowCentredReLUAVX2, normRowCentredStreamAVX2, normRowCentredReLUStreamAVX2},
			rowNormRMS:     [4]func(p *normArgs){normRowRMSAVX2, normRowRMSReLUAVX2, normRowRMSStreamAVX2, normRowRMSReLUStreamAVX2},
			rowBackCentred: [4]func(p *normArgs){normRowBackCentredAVX2, normRowBackCentredReLUAVX2, normRowBackCentredStreamAVX2, normRowBackCentredReLUStreamAVX2},
			rowBackRMS:     [4]func(p *normArgs){normRowBackRMSAVX2, normRowBackRMSReLUAVX2, normRowBackRMSStreamAVX2, normRowBackRMSReLUStreamAVX2},
		}
	}
	return genericNormPasses()
}
