// Division of 32-bit numbers by a divisor that is the same for a whole launch, as a product and a shift.
// Source: Granlund, Montgomery: Division by invariant integers using multiplication (PLDI 1994), figure 4.1.
#pragma once
#include "cuda.cuh"

// Divider divides any u32 by d ≥ 1. Its one parameter of 8 bytes is made by divisor in cuda: d in the low word, the multiplier above.
struct Divider {
    u32 d, multiplier, shift1, shift2;

    DEVICE_MEMBER explicit Divider(u64 packed) {
        d = (u32)packed;
        multiplier = (u32)(packed >> 32);
        u32 bits = d <= 1 ? 0 : 32 - __builtin_clz(d - 1); // ceil(log2 d)
        shift1 = bits > 0;
        shift2 = bits > 0 ? bits - 1 : 0;
    }
    DEVICE_MEMBER u32 quotient(u32 n) const {
        u32 t = (u32)(((u64)n * multiplier) >> 32);
        return (t + ((n - t) >> shift1)) >> shift2;
    }
    // split gives the quotient and leaves the remainder in n.
    DEVICE_MEMBER u32 split(u32& n) const {
        u32 q = quotient(n);
        n -= q * d;
        return q;
    }
};
