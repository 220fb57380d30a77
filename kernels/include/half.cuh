// The 16-bit floating-point types as storage: arithmetic is in f32.
#pragma once
#include "cuda.cuh"

struct f16 { u16 bits; };
struct bf16 { u16 bits; };

DEVICE float toFloat(float x) { return x; }
DEVICE float toFloat(f16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
DEVICE float toFloat(bf16 x) { return floatOf((u32)x.bits << 16); }

// to<T> rounds to the nearest, ties to even; infinities and NaN stay what they are.
template <typename T> struct Rounded;
template <> struct Rounded<float> {
    static DEVICE_MEMBER float of(float x) { return x; }
};
template <> struct Rounded<double> {
    static DEVICE_MEMBER double of(double x) { return x; }
};
template <> struct Rounded<f16> {
    static DEVICE_MEMBER f16 of(float x) {
        f16 y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};
template <> struct Rounded<bf16> {
    static DEVICE_MEMBER bf16 of(float x) {
        bf16 y;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};
template <typename T> DEVICE T to(float x) { return Rounded<T>::of(x); }

// Two elements in one register, the first in the low half.
template <typename T> DEVICE u32 pack2(float low, float high);
template <> __device__ __forceinline__ u32 pack2<f16>(float low, float high) {
    u32 y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
template <> __device__ __forceinline__ u32 pack2<bf16>(float low, float high) {
    u32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
DEVICE u32 pack2(f16 low, f16 high) { return low.bits | (u32)high.bits << 16; }
DEVICE u32 pack2(bf16 low, bf16 high) { return low.bits | (u32)high.bits << 16; }

template <typename T> DEVICE float low2(u32 x) { return toFloat(T{(u16)x}); }
template <typename T> DEVICE float high2(u32 x) { return toFloat(T{(u16)(x >> 16)}); }

// toTF32 rounds to 10 mantissa bits, to the nearest, ties away from zero.
DEVICE u32 toTF32(float x) {
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}
