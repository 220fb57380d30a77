// The type that elements are computed in, and accesses that convert: f64 in f64, all others in f32.
#pragma once
#include "half.cuh"
#include "memory.cuh"

template <typename T> struct WideOf { typedef float type; };
template <> struct WideOf<double> { typedef double type; };
template <typename T> using Wide = typename WideOf<T>::type;

DEVICE float widen(float x) { return x; }
DEVICE double widen(double x) { return x; }
DEVICE float widen(f16 x) { return toFloat(x); }
DEVICE float widen(bf16 x) { return toFloat(x); }

template <typename T> DEVICE T narrow(Wide<T> x) { return Rounded<T>::of(x); }

// loadUnit reads V neighbouring elements: one, or whole packs at an address that is a multiple of 16.
template <typename T, int V>
DEVICE void loadUnit(Wide<T> (&v)[V], const T* p) {
    if constexpr (V == 1) {
        v[0] = widen(*p);
    } else {
        constexpr int size = Pack<T>::size;
        static_assert(V % size == 0, "one element or whole packs");
#pragma unroll
        for (int i = 0; i < V; i += size) {
            Pack<T> a = loadPack(p + i);
#pragma unroll
            for (int j = 0; j < size; j++) v[i + j] = widen(a.v[j]);
        }
    }
}

template <typename T, int V>
DEVICE void storeUnit(T* p, const Wide<T> (&v)[V]) {
    if constexpr (V == 1) {
        *p = narrow<T>(v[0]);
    } else {
        constexpr int size = Pack<T>::size;
        static_assert(V % size == 0, "one element or whole packs");
#pragma unroll
        for (int i = 0; i < V; i += size) {
            Pack<T> a;
#pragma unroll
            for (int j = 0; j < size; j++) a.v[j] = narrow<T>(v[i + j]);
            storePack(p + i, a);
        }
    }
}

// Correctly rounded square root, and the reciprocal of one (two roundings).
#ifdef __clang__
DEVICE float squareRoot(float x) { return __nvvm_sqrt_rn_f(x); }
DEVICE double squareRoot(double x) { return __nvvm_sqrt_rn_d(x); }
#else
DEVICE float squareRoot(float x) { return __fsqrt_rn(x); }
DEVICE double squareRoot(double x) { return __dsqrt_rn(x); }
#endif

// The infinities; -infinity changes no maximum.
template <typename A> DEVICE A infinity();
template <> __device__ __forceinline__ float infinity<float>() { return floatOf(0x7f800000u); }
template <> __device__ __forceinline__ double infinity<double>() { return doubleOf(0x7ff0000000000000ull); }

DEVICE float magnitude(float x) { return __builtin_fabsf(x); }
DEVICE double magnitude(double x) { return __builtin_fabs(x); }

// total is the sum of some numbers, added in pairs.
template <int N, typename A>
DEVICE A total(const A* v) {
    if constexpr (N == 1) return v[0];
    else return total<(N + 1) / 2>(v) + total<N / 2>(v + (N + 1) / 2);
}
