package sim

import (
	"math"

	"palladio/cuda/sim/ptx"
)

// format is a floating-point format of at most 32 bits.
type format struct {
	mant int    // bits of the fraction
	emin int    // exponent of the least normal number
	inf  uint32 // bits of infinity, the first that are no finite number
	nan  uint32
	sign int // number of the sign's bit
}

var (
	formatF16  = format{10, -14, 0x7c00, 0x7fff, 15}
	formatBF16 = format{7, -126, 0x7f80, 0x7fff, 15}
	formatTF32 = format{10, -126, 0x7f800000 >> 13, 0x7fffffff >> 13, 18} // without the 13 bits that are 0
	formatE5M2 = format{2, -14, 0x7c, 0x7f, 7}
	formatE4M3 = format{3, -6, 0x7f, 0x7f, 7} // no infinity: 0x7f is no number
)

// encode is the bits of x, which is exact or rounded to odd.
func (f format) encode(x float64, r rounding) uint32 {
	u := math.Float64bits(x)
	sign := uint32(u>>63) << f.sign
	e, m := int(u>>52&0x7ff)-1023, u&(1<<52-1)
	switch {
	case e == 1024 && m != 0:
		return f.nan
	case e == 1024:
		return sign | f.inf
	case e == -1023:
		e++
	default:
		m |= 1 << 52
	}
	drop := 52 - f.mant + max(0, f.emin-e)
	drop = min(drop, 63)
	kept, rest, half := m>>drop, m&(1<<drop-1), uint64(1)<<(drop-1)
	up := false
	switch r {
	case nearestEven:
		up = rest > half || rest == half && kept&1 == 1
	case nearestAway:
		up = rest >= half
	case downward:
		up = sign != 0 && rest != 0
	case upward:
		up = sign == 0 && rest != 0
	}
	if up {
		kept++
	}
	v := uint32(kept)
	if e > f.emin {
		if e > f.emin+1<<9 {
			v = f.inf
		} else {
			v += uint32(e-f.emin) << f.mant
		}
	}
	if v < f.inf {
		return sign | v
	}
	// Beyond the largest number: to infinity or back to that number.
	if r == towardZero || r == downward && sign == 0 || r == upward && sign != 0 {
		return sign | (f.inf - 1)
	}
	return sign | f.inf
}

// decode is the value of the bits v, of a format with infinities.
func (f format) decode(v uint32) float64 {
	sign := 1.0
	if v>>f.sign&1 != 0 {
		sign = -1
	}
	v &= 1<<f.sign - 1
	e := int(v >> f.mant)
	m := v & (1<<f.mant - 1)
	switch {
	case f.emin == formatE4M3.emin && v == f.nan:
		return math.NaN()
	case f.emin == formatE4M3.emin:
	case v == f.inf:
		return math.Inf(int(sign))
	case v > f.inf:
		return math.NaN()
	}
	if e == 0 {
		return sign * math.Ldexp(float64(m), f.emin-f.mant)
	}
	return sign * math.Ldexp(float64(m|1<<f.mant), f.emin-f.mant+e-1)
}

// f16ToF32 is the value of the half with the bits of the low half-word.
func f16ToF32(h uint32) float32 {
	sign, v := h&0x8000<<16, h&0x7fff
	if v >= 0x7c00 {
		return math.Float32frombits(sign | 0x7f800000 | v<<13)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(v<<13)*0x1p112))
}

// bf16ToF32 is the value of the bfloat16 with the bits of the low half-word.
func bf16ToF32(h uint32) float32 { return math.Float32frombits(h << 16) }

// f32ToF16 rounds to the nearest half.
func f32ToF16(x float32) uint32 {
	b := math.Float32bits(x)
	sign := b >> 16 & 0x8000
	switch b &= 0x7fffffff; {
	case b > 0x7f800000:
		return 0x7fff
	case b >= 0x47800000: // 65536
		return sign | 0x7c00
	case b < 0x38800000: // below the normal halves: adding 1/2 leaves multiples of their least in the last bits
		return sign | (math.Float32bits(math.Float32frombits(b)+0.5) - 0x3f000000)
	}
	return sign | (b-112<<23+0xfff+b>>13&1)>>13
}

// f32ToBF16 rounds to the nearest bfloat16.
func f32ToBF16(x float32) uint32 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return 0x7fff
	}
	return (b + 0x7fff + b>>16&1) >> 16
}

// half is the type of the elements of a pair.
func half(t ptx.Type) ptx.Type {
	switch t {
	case ptx.F16x2:
		return ptx.F16
	case ptx.BF16x2:
		return ptx.BF16
	}
	return t
}

// isHalf says whether t is a half, a bfloat16 or a pair of them.
func isHalf(t ptx.Type) bool { return half(t) == ptx.F16 || half(t) == ptx.BF16 }

// widener is the value of a low half-word of type F16 or BF16.
func widener(t ptx.Type, ftz bool) func(uint32) float32 {
	switch {
	case t == ptx.BF16:
		return bf16ToF32
	case ftz:
		return func(h uint32) float32 {
			if h&0x7c00 == 0 {
				h &= 0x8000
			}
			return f16ToF32(h)
		}
	}
	return f16ToF32
}

// halfLanes is an operation on halves or pairs of them. f gives the exact result, or one rounded to odd.
func halfLanes(in *ptx.Instr, t ptx.Type, f func(x, y, z float64) float64) laneOp {
	fm := formatF16
	if half(t) == ptx.BF16 {
		fm = formatBF16
	}
	r := roundingOf(in)
	ftz, sat, rectify := in.Has("ftz"), in.Has("sat"), in.Has("relu")
	load := widener(half(t), ftz)
	one := func(a, b, c uint32) uint32 {
		x := f(float64(load(a)), float64(load(b)), float64(load(c)))
		switch {
		case sat:
			x = saturate(x)
		case rectify && x <= 0: // -0 as well
			x = 0
		}
		v := fm.encode(x, r)
		if ftz && v&uint32(fm.inf) == 0 {
			v &= 0x8000
		}
		return v
	}
	if t.Bits() == 16 {
		return each16(false, one)
	}
	return each2x16(false, one)
}

// saturate is x brought between 0 and 1; 0 where it is no number.
func saturate[T float32 | float64](x T) T {
	switch {
	case x >= 1:
		return 1
	case x > 0:
		return x
	}
	return 0
}
