// The loops of STREAM: out = x, s·x, x + y, x + s·y, one element or 16 bytes a thread and step.
#include "cuda.cuh"

template <typename T, typename F>
DEVICE void stream(u64 n, const T* x, const T* y, T* out, bool packed, F f) {
    u64 done = 0;
    if (packed) { // the operands are aligned to 16 bytes
        const Pack<T>* px = (const Pack<T>*)x;
        const Pack<T>* py = (const Pack<T>*)y;
        u64 packs = n / Pack<T>::size;
        for (u64 i = firstItem(); i < packs; i += itemStep()) {
            Pack<T> a = px[i], b = a;
            if (y) b = py[i];
#pragma unroll
            for (int j = 0; j < Pack<T>::size; j++) a.v[j] = f(a.v[j], b.v[j]);
            ((Pack<T>*)out)[i] = a;
        }
        done = packs * Pack<T>::size;
    }
    for (u64 i = done + firstItem(); i < n; i += itemStep()) out[i] = f(x[i], y ? y[i] : x[i]);
}

#define STREAM(T, suffix)                                                                                        \
    KERNEL(256, 8) stream_copy_##suffix(u64 n, const T* x, T* out, u32 packed) {                                 \
        stream<T>(n, x, nullptr, out, packed, [](T a, T) { return a; });                                         \
    }                                                                                                            \
    KERNEL(256, 8) stream_scale_##suffix(u64 n, const T* x, T* out, u32 packed, T s) {                           \
        stream<T>(n, x, nullptr, out, packed, [s](T a, T) { return s * a; });                                    \
    }                                                                                                            \
    KERNEL(256, 8) stream_add_##suffix(u64 n, const T* x, const T* y, T* out, u32 packed) {                      \
        stream<T>(n, x, y, out, packed, [](T a, T b) { return a + b; });                                         \
    }                                                                                                            \
    KERNEL(256, 8) stream_triad_##suffix(u64 n, const T* x, const T* y, T* out, u32 packed, T s) {               \
        stream<T>(n, x, y, out, packed, [s](T a, T b) { return a + s * b; });                                    \
    }

STREAM(float, f32)
STREAM(double, f64)
