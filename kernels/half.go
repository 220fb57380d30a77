package kernels

import "math"

// F16Bits rounds to the nearest binary16 number, ties to even.
func F16Bits(v float64) uint16 {
	sign := uint16(math.Float64bits(v) >> 48 & 0x8000)
	a := math.Abs(v)
	switch {
	case v != v:
		return sign | 0x7e00
	case a < 0x1p-14:
		return sign | uint16(math.RoundToEven(a*0x1p24)) // a carry gives the smallest normal number
	case a >= 65520:
		return sign | 0x7c00
	}
	frac, exp := math.Frexp(a) // frac in [1/2, 1)
	m := uint16(math.RoundToEven(frac * 0x1p11))
	return sign | (uint16(exp+13)<<10 + m) // m holds the leading one, hence 13 and not 14
}

// F16Value is the number that a binary16 pattern stands for.
func F16Value(u uint16) float64 {
	sign := 1.0
	if u&0x8000 != 0 {
		sign = -1
	}
	m := float64(u & 0x3ff)
	switch e := int(u >> 10 & 31); e {
	case 0:
		return sign * m * 0x1p-24
	case 31:
		if m != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	default:
		return sign * math.Ldexp(1024+m, e-25)
	}
}

// BF16Bits rounds an F32 to the nearest bfloat16 number, ties to even.
func BF16Bits(v float32) uint16 {
	u := math.Float32bits(v)
	if v != v {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// BF16Value is the number that a bfloat16 pattern stands for.
func BF16Value(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }
