// Copies between strided views (kernels.Move, kernels.Concat): units of 1 to 16 bytes, one a thread and step. Lowering chooses the largest
// unit that all strides, offsets and the alignment allow, so that runs which are dense on both sides go by 16 bytes.
#include "axes.cuh"
#include "memory.cuh"

struct alignas(16) b16x8 { u32 w[4]; }; // a unit of 16 bytes

template <typename T>
DEVICE void copyUnit(T* dst, const T* src) { *dst = *src; }
DEVICE void copyUnit(b16x8* dst, const b16x8* src) { storePack((u32*)dst, loadPack((const u32*)src)); }

template <typename T>
DEVICE void strided(u32 items, const Axis* table, u32 rank, const T* src, T* dst) {
    Axes axes(table, rank);
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        Place p = axes.of((u32)i);
        copyUnit(dst + p.dst, src + p.src);
    }
}

// gathered fills 16 bytes of dst, which lie side by side there, from units of src that are step apart.
template <typename T>
DEVICE void gathered(u32 items, const Axis* table, u32 rank, const T* src, T* dst, i64 step) {
    Axes axes(table, rank);
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        Place p = axes.of((u32)i);
        Pack<T> x;
#pragma unroll
        for (int j = 0; j < Pack<T>::size; j++) x[j] = src[p.src + j * step];
        storePack(dst + p.dst, x);
    }
}

// run copies n elements that lie side by side on both sides, by 16 bytes where both are aligned to them.
template <typename T>
DEVICE void run(u64 n, const T* src, T* dst, bool packed) {
    u64 done = 0;
    if (packed) {
        u64 packs = n / Pack<T>::size;
        for (u64 i = firstItem(); i < packs; i += itemStep()) storePack(dst + i * Pack<T>::size, loadPack(src + i * Pack<T>::size));
        done = packs * Pack<T>::size;
    }
    for (u64 i = done + firstItem(); i < n; i += itemStep()) dst[i] = src[i];
}

// fill writes a pattern of one element over n of them.
template <typename T>
DEVICE void fill(u64 n, T* dst, T value, bool packed) {
    u64 done = 0;
    if (packed) {
        Pack<T> x;
#pragma unroll
        for (int j = 0; j < Pack<T>::size; j++) x[j] = value;
        u64 packs = n / Pack<T>::size;
        for (u64 i = firstItem(); i < packs; i += itemStep()) storePack(dst + i * Pack<T>::size, x);
        done = packs * Pack<T>::size;
    }
    for (u64 i = done + firstItem(); i < n; i += itemStep()) dst[i] = value;
}

#define MOVES(bytes, T)                                                                                                               \
    KERNEL(256, 8) move_strided_b##bytes(u32 items, const Axis* axes, u32 rank, const T* src, T* dst) { strided(items, axes, rank, src, dst); } \
    KERNEL(256, 6) move_gathered_b##bytes(u32 items, const Axis* axes, u32 rank, const T* src, T* dst, i64 step) {                     \
        gathered(items, axes, rank, src, dst, step);                                                                                   \
    }                                                                                                                                  \
    KERNEL(256, 8) move_run_b##bytes(u64 n, const T* src, T* dst, u32 packed) { run(n, src, dst, packed); }                              \
    KERNEL(256, 8) move_fill_b##bytes(u64 n, T* dst, u64 value, u32 packed) { fill(n, dst, (T)value, packed); }

MOVES(1, u8)
MOVES(2, u16)
MOVES(4, u32)
MOVES(8, u64)
KERNEL(256, 8) move_strided_b16(u32 items, const Axis* axes, u32 rank, const b16x8* src, b16x8* dst) { strided(items, axes, rank, src, dst); }
