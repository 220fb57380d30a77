// A few channels of a pixel, by one access, and what a depthwise convolution does to their sums.
#pragma once
#include "conv_epilogue.cuh"
#include "memory.cuh"

// Distance is one in memory, in bytes, that the compiler takes as it is: it would count it anew from elements at each use, to spare a register.
struct Distance {
    i64 bytes;
    DEVICE_MEMBER explicit Distance(i64 bytes) : bytes(bytes) { asm("" : "+l"(this->bytes)); }
    template <typename T> DEVICE_MEMBER T* from(T* p) const { return (T*)((u64)p + bytes); }
};

// Packed is size channels as they lie in memory.
template <typename T, int size>
struct Packed {
    static constexpr int words = size * sizeof(T) / 4;
    u32 w[words];

    DEVICE_MEMBER void zero() {
#pragma unroll
        for (int i = 0; i < words; i++) w[i] = 0;
    }
    DEVICE_MEMBER void load(const T* p) {
        if constexpr (words == 1) {
            asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(w[0]) : "l"(p));
        } else if constexpr (words == 2) {
            asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "l"(p));
        } else {
            asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "l"(p));
        }
    }
    // load reads zeros unless row < rows, without a branch.
    DEVICE_MEMBER void load(const T* p, u32 row, u32 rows) {
        zero();
        if constexpr (words == 1) {
            asm volatile("{.reg .pred p; setp.lt.u32 p, %2, %3; @p ld.global.nc.u32 %0, [%1];}" : "+r"(w[0]) : "l"(p), "r"(row), "r"(rows));
        } else if constexpr (words == 2) {
            asm volatile("{.reg .pred p; setp.lt.u32 p, %3, %4; @p ld.global.nc.v2.u32 {%0, %1}, [%2];}" : "+r"(w[0]), "+r"(w[1]) : "l"(p), "r"(row), "r"(rows));
        } else {
            asm volatile("{.reg .pred p; setp.lt.u32 p, %5, %6; @p ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];}"
                         : "+r"(w[0]), "+r"(w[1]), "+r"(w[2]), "+r"(w[3]) : "l"(p), "r"(row), "r"(rows));
        }
    }
    DEVICE_MEMBER float operator[](int i) const {
        if constexpr (sizeof(T) == 4) return floatOf(w[i]);
        else return i % 2 ? high2<T>(w[i / 2]) : low2<T>(w[i / 2]);
    }
    // set rounds x.
    DEVICE_MEMBER void set(const float (&x)[size]) {
#pragma unroll
        for (int i = 0; i < words; i++) {
            if constexpr (sizeof(T) == 4) w[i] = bitsOf(x[i]);
            else w[i] = pack2<T>(x[2 * i], x[2 * i + 1]);
        }
    }
    DEVICE_MEMBER void store(T* p) const {
        struct alignas(4 * words) All { u32 w[words]; };
        *(All*)p = __builtin_bit_cast(All, w);
    }
};

// finishColumns adds the residual to size sums of some columns, the first at element at and the others so many elements further, and applies the activation.
template <typename T, int columns, int size>
DEVICE void finishColumns(const ConvEpilogue<T>& e, i64 at, i64 beside, i32 there, float (&v)[columns][size]) {
    if (e.residual) {
#pragma unroll
        for (int o = 0; o < columns; o++) {
            if (o >= there) break;
            Packed<T, size> r;
            r.load(e.residual + at + o * beside);
#pragma unroll
            for (int i = 0; i < size; i++) v[o][i] += r[i];
        }
    }
    if (e.act == actReLU || e.act == actClamp) {
        float low = e.act == actReLU ? 0 : e.low, high = e.act == actReLU ? __builtin_huge_valf() : e.high;
#pragma unroll
        for (int o = 0; o < columns; o++)
#pragma unroll
            for (int i = 0; i < size; i++) v[o][i] = activateFast(actClamp, v[o][i], low, high);
    } else if (e.act != actNone) {
#pragma unroll 1
        for (int n = 0; n < columns * size; n++) { // one copy of the functions: the sums go around
            float first = activateFast(e.act, v[0][0], e.low, e.high);
#pragma unroll
            for (int k = 0; k + 1 < columns * size; k++) v[k / size][k % size] = v[(k + 1) / size][(k + 1) % size];
            v[columns - 1][size - 1] = first;
        }
    }
}
