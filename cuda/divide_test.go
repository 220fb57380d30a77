package cuda

import (
	"math"
	"math/bits"
	"testing"
)

// TestDivisor divides as Divider does on the GPU.
func TestDivisor(t *testing.T) {
	for _, d := range []uint32{1, 2, 3, 5, 7, 10, 64, 100, 641, 1 << 16, 1<<16 + 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, math.MaxUint32} {
		packed := divisor(int(d)).value
		if uint32(packed) != d {
			t.Fatalf("divisor(%d) carries %d", d, uint32(packed))
		}
		m, l := packed>>32, uint(bits.Len32(d-1))
		for _, n := range []uint32{0, 1, d - 1, d, d + 1, 2*d - 1, 1000, 123456789, 1<<31 - 1, 1 << 31, math.MaxUint32 - 1, math.MaxUint32} {
			h := uint32(uint64(n) * m >> 32)
			q := (h + (n-h)>>min(l, 1)) >> (max(l, 1) - 1)
			if q != n/d {
				t.Errorf("%d/%d: got %d, want %d", n, d, q, n/d)
			}
		}
	}
}
