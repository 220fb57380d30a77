package cuda

import "math/bits"

// divisor is the u64 parameter of a Divider (kernels/include/divide.cuh) by d, 1 ≤ d < 2^32: d in the low word, above it the multiplier
// floor(2^32 (2^l - d)/d) + 1 with l = ceil(log2 d).
func divisor(d int) Slot {
	l := bits.Len64(uint64(d - 1))
	m := (uint64(1)<<l-uint64(d))<<32/uint64(d) + 1
	return Int(m<<32 | uint64(d))
}
