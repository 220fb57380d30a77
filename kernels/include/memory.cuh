// Accesses to memory by address: 16 bytes at a time, through the read-only path, or past the caches.
//
// Addresses of kernel parameters are in global memory, where generic and global addresses are the same.
#pragma once
#include "cuda.cuh"

template <typename T>
DEVICE Pack<T> packOf(u32 a, u32 b, u32 c, u32 d) {
    u32 w[4] = {a, b, c, d};
    Pack<T> p;
    __builtin_memcpy(&p, w, 16);
    return p;
}

template <typename T>
DEVICE void wordsOf(const Pack<T>& p, u32 (&w)[4]) { __builtin_memcpy(w, &p, 16); }

// loadPack reads the 16 bytes at p, which must be a multiple of 16.
template <typename T>
DEVICE Pack<T> loadPack(const T* p) { return *(const Pack<T>*)p; }

template <typename T>
DEVICE void storePack(T* p, const Pack<T>& x) { *(Pack<T>*)p = x; }

// loadOnce reads 16 bytes that no thread of the launch writes, and that are read once: through the read-only path, not kept in the L1.
template <typename T>
DEVICE Pack<T> loadOnce(const T* p) {
    u32 a, b, c, d;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "l"(p));
    return packOf<T>(a, b, c, d);
}

// loadReadOnly reads 16 bytes that no thread of the launch writes.
template <typename T>
DEVICE Pack<T> loadReadOnly(const T* p) {
    u32 a, b, c, d;
    asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "l"(p));
    return packOf<T>(a, b, c, d);
}

// loadReadOnlyAt reads one element that no thread of the launch writes, offset elements past p.
template <int offset> DEVICE float loadReadOnlyAt(const float* p) {
    float x;
    asm volatile("ld.global.nc.f32 %0, [%1+%2];" : "=f"(x) : "l"(p), "n"(offset * 4));
    return x;
}
template <int offset> DEVICE double loadReadOnlyAt(const double* p) {
    double x;
    asm volatile("ld.global.nc.f64 %0, [%1+%2];" : "=d"(x) : "l"(p), "n"(offset * 8));
    return x;
}

// storeOnce writes 16 bytes that are not read soon: first to leave the caches.
template <typename T>
DEVICE void storeOnce(T* p, const Pack<T>& x) {
    u32 w[4];
    wordsOf(x, w);
    asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3]) : "memory");
}

// shared is the address of a byte in the window of shared memory, as instructions on .shared take it.
DEVICE u32 shared(const void* p) {
#ifdef __clang__
    return (u32)(u64)(const __attribute__((address_space(3))) void*)p;
#else
    return (u32)__cvta_generic_to_shared(p);
#endif
}

// Accesses to shared memory by its own addresses.
DEVICE void storeShared(u32 at, u32 x) { asm volatile("st.shared.u32 [%0], %1;" ::"r"(at), "r"(x) : "memory"); }
DEVICE void storeShared(u32 at, u16 x) { asm volatile("st.shared.u16 [%0], %1;" ::"r"(at), "h"(x) : "memory"); }
DEVICE void storeShared(u32 at, u64 x) { asm volatile("st.shared.u64 [%0], %1;" ::"r"(at), "l"(x) : "memory"); }
DEVICE void storeShared(u32 at, float x) { asm volatile("st.shared.f32 [%0], %1;" ::"r"(at), "f"(x) : "memory"); }
DEVICE void storeShared2(u32 at, float x, float y) { asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(at), "f"(x), "f"(y) : "memory"); }
DEVICE void storeShared4(u32 at, float x, float y, float z, float w) {
    asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(at), "f"(x), "f"(y), "f"(z), "f"(w) : "memory");
}
DEVICE void storeShared4(u32 at, u32 x, u32 y, u32 z, u32 w) {
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
}
DEVICE float loadShared(u32 at) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
    return x;
}
DEVICE void loadShared4(u32 at, float& x, float& y, float& z, float& w) {
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x), "=f"(y), "=f"(z), "=f"(w) : "r"(at) : "memory");
}
DEVICE void loadShared4(u32 at, u32& x, u32& y, u32& z, u32& w) {
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x), "=r"(y), "=r"(z), "=r"(w) : "r"(at) : "memory");
}

// opaque hides how x came about, so that sums with it are made where they are used and not kept in registers throughout a loop.
DEVICE i64 opaque(i64 x) {
    asm volatile("" : "+l"(x));
    return x;
}
DEVICE u32 opaque(u32 x) {
    asm volatile("" : "+r"(x));
    return x;
}

// unrolled calls f with Constant<0> to Constant<n-1>: a loop whose index may be part of an instruction.
template <int i> struct Constant { static constexpr int value = i; };
template <int n, int i = 0, typename F>
DEVICE void unrolled(F f) {
    if constexpr (i < n) {
        f(Constant<i>());
        unrolled<n, i + 1>(f);
    }
}

// loadSharedPack reads 16 bytes at the shared address at + offset. Addresses in 32 bits with constant offsets spare the arithmetic of pointers.
template <int offset, typename T>
DEVICE void loadSharedPack(u32 at, Pack<T>& p) {
    if constexpr (sizeof(T) == 8) {
        asm volatile("ld.shared.v2.f64 {%0, %1}, [%2+%3];" : "=d"(p.v[0]), "=d"(p.v[1]) : "r"(at), "n"(offset) : "memory");
    } else {
        asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4+%5];"
                     : "=f"(p.v[0]), "=f"(p.v[1]), "=f"(p.v[2]), "=f"(p.v[3]) : "r"(at), "n"(offset) : "memory");
    }
}

template <int offset> DEVICE void storeSharedAt(u32 at, float x) { asm volatile("st.shared.f32 [%0+%2], %1;" ::"r"(at), "f"(x), "n"(offset) : "memory"); }
template <int offset> DEVICE void storeSharedAt(u32 at, double x) { asm volatile("st.shared.f64 [%0+%2], %1;" ::"r"(at), "d"(x), "n"(offset) : "memory"); }
template <int offset>
DEVICE void storeSharedAt2(u32 at, float x, float y) {
    asm volatile("st.shared.v2.f32 [%0+%3], {%1, %2};" ::"r"(at), "f"(x), "f"(y), "n"(offset) : "memory");
}

template <typename T>
DEVICE void storeSharedPack(u32 at, const Pack<T>& p) {
    u32 w[4];
    wordsOf(p, w);
    storeShared4(at, w[0], w[1], w[2], w[3]);
}

// dynamicShared is the block's dynamic shared memory, aligned to 128 bytes.
#define DYNAMIC_SHARED(T, name) extern __shared__ __attribute__((aligned(128))) u8 dynamicSharedBytes[]; T* name = (T*)dynamicSharedBytes
