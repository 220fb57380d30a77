package kernels

import (
	"math"
	"testing"
)

func TestHalfPrecisionRoundTrip(t *testing.T) {
	for u := range 1 << 16 {
		v := F16Value(uint16(u))
		if v != v {
			continue
		}
		if got := F16Bits(v); got != uint16(u) {
			t.Fatalf("f16 %#04x is %v, stored as %#04x", u, v, got)
		}
	}
	for _, c := range []struct {
		v    float64
		f16  uint16
		bf16 uint16
	}{
		{1, 0x3c00, 0x3f80}, {1 + 0x1p-11, 0x3c00, 0x3f80}, {1 + 3*0x1p-11, 0x3c02, 0x3f80}, {65519, 0x7bff, 0x4780}, {65520, 0x7c00, 0x4780},
		{1 + 3*0x1p-8, 0x3c0c, 0x3f82}, {-0x1p-25, 0x8000, 0xb300}, {math.Inf(-1), 0xfc00, 0xff80},
	} {
		if f, b := F16Bits(c.v), BF16Bits(float32(c.v)); f != c.f16 || b != c.bf16 {
			t.Errorf("%v: f16 %#04x, want %#04x; bf16 %#04x, want %#04x", c.v, f, c.f16, b, c.bf16)
		}
	}
}
