// Sums of exponentials that do not overflow: the maximum so far, and the sum of exponentials of the differences from it.
// Source: Milakov, Gimelshein: Online normalizer calculation for softmax (2018), algorithm 3.
#pragma once
#include "math.cuh"
#include "warp.cuh"
#include "wide.cuh"

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
    for (int j = 0; j < N; j++) e[j] = mathExp(v[j] - from);
    s.sum = s.sum * (double)mathExp(s.max - from) + (double)total<N>(e);
    s.max = m;
}

struct JoinLogSums {
    template <typename A>
    DEVICE_MEMBER LogSum<A> operator()(const LogSum<A>& a, const LogSum<A>& b) const {
        A m = Max()(a.max, b.max);
        A from = differenceFrom(m);
        return {m, a.sum * (double)mathExp(a.max - from) + b.sum * (double)mathExp(b.max - from)};
    }
};
