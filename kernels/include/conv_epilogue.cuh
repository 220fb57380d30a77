// What a convolution does to its sums before it stores them: bias, residual, activation.
#pragma once
#include "memory.cuh"
#include "epilogue.cuh"
#include "half.cuh"

// ConvEpilogue is the operands of an epilogue: bias and residual are null where absent.
template <typename T>
struct ConvEpilogue {
    const float* bias;
    const T* residual;
    u32 act;
    float low, high;

    DEVICE_MEMBER float operator()(float x, i64 at, u32 channel) const {
        if (bias) x += bias[channel];
        if (residual) x += toFloat(residual[at]);
        return activateFast(act, x, low, high);
    }
};

// convStore finishes v, one 16-byte access of T wide, and stores it at element at of a pixel, from the given channel on.
template <typename T>
DEVICE void convStore(const ConvEpilogue<T>& e, T* out, i64 at, u32 channel, float (&v)[Pack<T>::size]) {
    constexpr int n = Pack<T>::size;
    if (e.bias) {
#pragma unroll
        for (int i = 0; i < n; i++) v[i] += e.bias[channel + i];
    }
    if (e.residual) {
        Pack<T> r = loadPack(e.residual + at);
#pragma unroll
        for (int i = 0; i < n; i++) v[i] += toFloat(r[i]);
    }
    Pack<T> y;
#pragma unroll
    for (int i = 0; i < n; i++) y[i] = to<T>(activateFast(e.act, v[i], e.low, e.high));
    storePack(out + at, y);
}
