// Exchange and reductions within a warp and within a block, always in the same order, so that equal inputs give equal bits.
//
// Every lane of the warp (every thread of the block) must take part.
#pragma once
#include "cuda.cuh"

#ifdef __clang__
DEVICE u32 shuffleXor(u32 x, u32 mask) { return __nvvm_shfl_sync_bfly_i32(~0u, x, mask, 31); }
DEVICE u32 shuffleDown(u32 x, u32 by) { return __nvvm_shfl_sync_down_i32(~0u, x, by, 31); }
DEVICE u32 shuffleUp(u32 x, u32 by) { return __nvvm_shfl_sync_up_i32(~0u, x, by, 0); }
DEVICE u32 shuffleFrom(u32 x, u32 lane) { return __nvvm_shfl_sync_idx_i32(~0u, x, lane, 31); }
DEVICE void warpBarrier() { __nvvm_bar_warp_sync(~0u); }
#else
DEVICE u32 shuffleXor(u32 x, u32 mask) { return __shfl_xor_sync(~0u, x, mask); }
DEVICE u32 shuffleDown(u32 x, u32 by) { return __shfl_down_sync(~0u, x, by); }
DEVICE u32 shuffleUp(u32 x, u32 by) { return __shfl_up_sync(~0u, x, by); }
DEVICE u32 shuffleFrom(u32 x, u32 lane) { return __shfl_sync(~0u, x, lane); }
DEVICE void warpBarrier() { __syncwarp(); }
#endif

// exchange applies a shuffle of words to a value of any type whose size is a multiple of 4.
template <typename T, typename F>
DEVICE T exchange(T x, F shuffle) {
    static_assert(sizeof(T) % 4 == 0, "shuffles move whole words");
    u32 w[sizeof(T) / 4];
    __builtin_memcpy(w, &x, sizeof(T));
#pragma unroll
    for (int i = 0; i < (int)(sizeof(T) / 4); i++) w[i] = shuffle(w[i]);
    __builtin_memcpy(&x, w, sizeof(T));
    return x;
}
template <typename T> DEVICE T shuffledXor(T x, u32 mask) { return exchange(x, [mask](u32 w) { return shuffleXor(w, mask); }); }
template <typename T> DEVICE T shuffledDown(T x, u32 by) { return exchange(x, [by](u32 w) { return shuffleDown(w, by); }); }
template <typename T> DEVICE T shuffledUp(T x, u32 by) { return exchange(x, [by](u32 w) { return shuffleUp(w, by); }); }
template <typename T> DEVICE T shuffledFrom(T x, u32 lane) { return exchange(x, [lane](u32 w) { return shuffleFrom(w, lane); }); }

// Operations of reductions: op(a, b), and op.identity<T>() which changes nothing. A NaN wins in Max and Min.
struct Sum {
    template <typename T> DEVICE_MEMBER T operator()(T a, T b) const { return a + b; }
};
struct Max {
    template <typename T> DEVICE_MEMBER T operator()(T a, T b) const { return a > b || a != a ? a : b; }
    DEVICE_MEMBER float operator()(float a, float b) const {
        float y;
        asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
        return y;
    }
};
struct Min {
    template <typename T> DEVICE_MEMBER T operator()(T a, T b) const { return a < b || a != a ? a : b; }
    DEVICE_MEMBER float operator()(float a, float b) const {
        float y;
        asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
        return y;
    }
};

// Indexed is a value and where it was found. Largest and Smallest keep the first index among equal values, and the first NaN before all.
template <typename T>
struct Indexed {
    T value;
    i64 index;
};
struct Largest {
    template <typename T>
    DEVICE_MEMBER Indexed<T> operator()(const Indexed<T>& a, const Indexed<T>& b) const {
        bool na = a.value != a.value, nb = b.value != b.value;
        bool equal = (na && nb) || a.value == b.value;
        bool first = equal ? a.index <= b.index : na || (!nb && a.value > b.value);
        return first ? a : b;
    }
};
struct Smallest {
    template <typename T>
    DEVICE_MEMBER Indexed<T> operator()(const Indexed<T>& a, const Indexed<T>& b) const {
        bool na = a.value != a.value, nb = b.value != b.value;
        bool equal = (na && nb) || a.value == b.value;
        bool first = equal ? a.index <= b.index : na || (!nb && a.value < b.value);
        return first ? a : b;
    }
};

// Moments are the count, mean and sum of squared deviations of some numbers; Merge joins two sets.
// Source: Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
template <typename T>
struct Moments {
    T count, mean, squares;
    DEVICE_MEMBER void add(T x) {
        count += 1;
        T d = x - mean;
        mean += d / count;
        squares += d * (x - mean);
    }
};
struct Merge {
    template <typename T>
    DEVICE_MEMBER Moments<T> operator()(const Moments<T>& a, const Moments<T>& b) const {
        T n = a.count + b.count;
        T share = n == 0 ? T(0) : b.count / n;
        T d = b.mean - a.mean;
        return {n, a.mean + d * share, a.squares + b.squares + d * d * a.count * share};
    }
};

// warpReduce gives every lane the reduction over the group of width lanes that it is in; width is a power of two. The pairs are
// combined with the lower lane first, so that all lanes get the same bits.
template <int width = 32, typename T, typename Op>
DEVICE T warpReduce(T x, Op op) {
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) {
        T y = shuffledXor(x, mask);
        x = lane() & mask ? op(y, x) : op(x, y);
    }
    return x;
}
template <int width = 32> DEVICE float warpReduce(float x, Sum) { // commutative: no need to order the pair
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) x += shuffledXor(x, mask);
    return x;
}
template <int width = 32> DEVICE double warpReduce(double x, Sum) {
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) x += shuffledXor(x, mask);
    return x;
}
template <int width = 32> DEVICE float warpReduce(float x, Max) {
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) x = Max()(x, shuffledXor(x, mask));
    return x;
}
template <int width = 32> DEVICE float warpReduce(float x, Min) {
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) x = Min()(x, shuffledXor(x, mask));
    return x;
}

// warpTransposeSum gives lane l the sum of x[l mod n] over the group of n lanes that it is in; n is a power of two up to 32. A lane keeps half of the
// sums and sends the others, again and again: n - 1 exchanges and not n times their logarithm. x is overwritten.
template <int n, typename T>
DEVICE T warpTransposeSum(T* x) {
    if constexpr (n > 1) {
        constexpr int half = n / 2;
        bool upper = lane() & half;
#pragma unroll
        for (int i = 0; i < half; i++) {
            T low = x[i], high = x[i + half];
            x[i] = (upper ? high : low) + shuffledXor(upper ? low : high, half);
        }
        return warpTransposeSum<half>(x);
    }
    return x[0];
}

// blockReduce gives every thread of a block of threads threads in one dimension (a multiple of 32) the reduction over the block. scratch is
// shared memory for threads/32 values; it may be used again after the call, by blockReduce too.
template <int threads, typename T, typename Op>
DEVICE T blockReduce(T x, Op op, T* scratch) {
    static_assert(threads % 32 == 0 && threads <= 1024, "whole warps");
    x = warpReduce(x, op);
    if constexpr (threads == 32) return x;
    if (lane() == 0) scratch[warp()] = x;
    barrier();
    T y = scratch[0];
#pragma unroll
    for (int w = 1; w < threads / 32; w++) y = op(y, scratch[w]);
    barrier();
    return y;
}
