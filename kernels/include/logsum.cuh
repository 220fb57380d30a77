// Sums of exponentials that do not overflow: the maximum so far, and the sum of exponentials of the differences from it.
// Source: Milakov, Gimelshein: Online normalizer calculation for softmax (2018), algorithm 3.
#pragma once
#include "fast.cuh"
#include "math.cuh"
#include "warp.cuh"
#include "wide.cuh"

// expOfDifference is exp(d) for d ≤ 0, the difference from a maximum: 7 instructions in f32, with a relative error of 2^-22 and results below 2^-126
// as 0. What the product with log2(e) loses is made good to first order.
DEVICE float expOfDifference(float d) {
    d = Max()(d, -104.0f); // exp of it is 0 as well, and -infinity has no products
    float y = d * 0x1.715476p+0f;
    float lost = __builtin_fmaf(d, 0x1.4ae0c0p-26f, __builtin_fmaf(d, 0x1.715476p+0f, -y));
    float e = exp2Fast(y);
    return __builtin_fmaf(e, lost * 0x1.62e430p-1f, e);
}
DEVICE double expOfDifference(double d) { return mathExp(d); }

template <typename A>
struct LogSum {
    A max;
    double sum; // of exp(x - max); nothing meaningful where the maximum is infinite or NaN
};

template <typename A>
DEVICE LogSum<A> emptyLogSum() { return {-infinity<A>(), 0}; }

// A shuffle member by member leaves out the padding.
template <typename A>
DEVICE LogSum<A> shuffledXor(const LogSum<A>& x, u32 mask) { return {shuffledXor(x.max, mask), shuffledXor(x.sum, mask)}; }

// differenceFrom is what to subtract from the terms of a sum with maximum m: while there are only -infinities, any number does.
template <typename A>
DEVICE A differenceFrom(A m) { return m == -infinity<A>() ? A(0) : m; }

// absorb adds N terms, with one exponential for each and one for what is there.
template <int N, typename A>
DEVICE void absorb(LogSum<A>& s, const A (&v)[N]) {
    A m = s.max;
#pragma unroll
    for (int j = 0; j < N; j++) m = Max()(m, v[j]);
    A from = differenceFrom(m);
    A e[N];
#pragma unroll
    for (int j = 0; j < N; j++) e[j] = expOfDifference(v[j] - from);
    s.sum = s.sum * (double)expOfDifference(s.max - from) + (double)total<N>(e);
    s.max = m;
}

struct JoinLogSums {
    template <typename A>
    DEVICE_MEMBER LogSum<A> operator()(const LogSum<A>& a, const LogSum<A>& b) const {
        A m = Max()(a.max, b.max);
        A from = differenceFrom(m);
        return {m, a.sum * (double)expOfDifference(a.max - from) + b.sum * (double)expOfDifference(b.max - from)};
    }
};
