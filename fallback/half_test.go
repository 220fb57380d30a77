package fallback

import (
	"math"
	"testing"

	"palladio/kernels"
)

// TestHalfConversion compares the fast conversions with the plain ones: widening every pattern, rounding each value, its neighbours and
// the ties between patterns.
func TestHalfConversion(t *testing.T) {
	for i := range 1 << 16 {
		u := uint16(i)
		got, want := f16Value(u), kernels.F16Value(u)
		if float64(got) != want && !(got != got && want != want) || math.Signbit(float64(got)) != (u&0x8000 != 0) {
			t.Fatalf("pattern %#x: %v, want %v", u, got, want)
		}
		if want != want {
			continue
		}
		next := float32(kernels.F16Value(u + 1))
		for _, v := range []float32{got, math.Nextafter32(got, next), (got + next) / 2, math.Nextafter32((got+next)/2, got), math.Nextafter32((got+next)/2, next)} {
			if g, w := f16Bits(v), kernels.F16Bits(float64(v)); g != w && v == v {
				t.Fatalf("%v: %#x, want %#x", v, g, w)
			}
		}
	}
}
