// Rows picked and added to by indices (kernels.Gather, kernels.ScatterAdd, kernels.OneHot). An index that is out of range raises a fault and counts as
// none.
#include "divide.cuh"
#include "fault.cuh"
#include "memory.cuh"

// checked is an index, or -1 where there is none or it is out of range.
template <typename I>
DEVICE i64 checked(const I* index, u64 position, i64 extent, bool reports, Fault* fault, u64 call) {
    i64 x = index[position];
    if (x >= -1 && x < extent) return x;
    if (reports) raise(fault, call, (i64)position, x);
    return -1;
}

template <typename T>
DEVICE void clear(T& a) { a = 0; }
template <typename T>
DEVICE void clear(Pack<T>& a) {
#pragma unroll
    for (int i = 0; i < Pack<T>::size; i++) a[i] = 0;
}

// gather copies rows of width units: items are the units of the output's rows from first on.
template <typename T, typename I>
DEVICE void gather(u32 items, u64 first, u64 width, u64 count, i64 extent, u32 batched, const I* index, const T* src, T* out, Fault* fault, u64 call) {
    Divider byWidth(width), byCount(count);
    u64 w = (u32)width;
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        u32 c = (u32)i;
        u64 row = first + byWidth.split(c);
        u64 o = row <= 0xffffffffull ? byCount.quotient((u32)row) : row / (u32)count;
        i64 x = checked(index, batched ? row : row - o * (u32)count, extent, c == 0 && (batched || o == 0), fault, call);
        T v;
        clear(v);
        if (x >= 0) v = src[((i64)o * extent + x) * w + c];
        out[row * w + c] = v;
    }
}

#define GATHER(bytes, T)                                                                                                                      \
    KERNEL(256, 6) gather_b##bytes##_i32(u32 items, u64 first, u64 width, u64 count, i64 extent, u32 batched, const i32* index, const T* src, T* out, Fault* fault, u64 call) { \
        gather(items, first, width, count, extent, batched, index, src, out, fault, call);                                                    \
    }                                                                                                                                         \
    KERNEL(256, 6) gather_b##bytes##_i64(u32 items, u64 first, u64 width, u64 count, i64 extent, u32 batched, const i64* index, const T* src, T* out, Fault* fault, u64 call) { \
        gather(items, first, width, count, extent, batched, index, src, out, fault, call);                                                    \
    }
GATHER(1, u8)
GATHER(2, u16)
GATHER(4, u32)
GATHER(8, u64)
GATHER(16, Pack<u32>)

// keys are the indices as numbers to sort by; what is to be dropped comes last, as extent.
template <typename I>
DEVICE void keys(u64 n, i64 extent, const I* index, u32* out, Fault* fault, u64 call) {
    for (u64 i = firstItem(); i < n; i += itemStep()) {
        i64 x = checked(index, i, extent, true, fault, call);
        out[i] = x < 0 ? (u32)extent : (u32)x;
    }
}
KERNEL(256, 8) scatter_keys_i32(u64 n, i64 extent, const i32* index, u32* out, Fault* fault, u64 call) { keys(n, extent, index, out, fault, call); }
KERNEL(256, 8) scatter_keys_i64(u64 n, i64 extent, const i64* index, u32* out, Fault* fault, u64 call) { keys(n, extent, index, out, fault, call); }

// scatter_starts finds where the rows of each index begin among count sorted keys: starts[list][x] is the first place with a key of at least x.
KERNEL(256, 8) scatter_starts(u64 lists, u32 extent, u32 count, const u32* keys, u32* starts) {
    for (u64 i = firstItem(); i < lists * (extent + 1ull); i += itemStep()) {
        u64 list = i / (extent + 1ull);
        u32 x = (u32)(i - list * (extent + 1ull));
        const u32* k = keys + list * count;
        u32 lo = 0, hi = count;
        while (lo < hi) {
            u32 mid = (lo + hi) / 2;
            if (k[mid] < x) lo = mid + 1;
            else hi = mid;
        }
        starts[i] = lo;
    }
}

DEVICE void add(float& a, float b) { a += b; }
DEVICE void add(double& a, double b) { a += b; }
template <typename T>
DEVICE void add(Pack<T>& a, const Pack<T>& b) {
#pragma unroll
    for (int i = 0; i < Pack<T>::size; i++) a[i] += b[i];
}
// scatterAdd makes each unit of out the sum of the rows that name it, in the order of their positions.
template <typename T>
DEVICE void scatterAdd(u64 outer, u32 extent, u32 width, u32 count, u32 batched, u32 into, const u32* starts, const u32* positions, const T* src, T* out) {
    u64 items = outer * extent * width;
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        u64 row = items >> 32 ? i / width : (u32)i / width;
        u32 c = (u32)(i - row * width);
        u64 o = items >> 32 ? row / extent : (u32)row / extent;
        u64 list = batched ? o : 0, x = row - o * extent;
        const u32* s = starts + list * (extent + 1ull) + x;
        u32 at = s[0], end = s[1];
        if (into && at == end) continue;
        T sum;
        clear(sum);
        if (into) sum = out[i];
        const u32* p = positions + list * count;
        const T* from = src + o * count * width + c;
        for (; at < end; at++) add(sum, from[(u64)p[at] * width]);
        out[i] = sum;
    }
}

#define SCATTER(T, name)                                                                                                                    \
    KERNEL(256, 6) scatter_add_##name(u64 outer, u32 extent, u32 width, u32 count, u32 batched, u32 into, const u32* starts, const u32* positions, const T* src, T* out) { \
        scatterAdd(outer, extent, width, count, batched, into, starts, positions, src, out);                                                \
    }
SCATTER(float, f32)
SCATTER(double, f64)
SCATTER(Pack<float>, f32_packed)
SCATTER(Pack<double>, f64_packed)

// oneHot writes a value at each index' place in its row.
template <typename T, typename I>
DEVICE void oneHot(u64 n, i64 classes, u64 on, const I* index, T* out, Fault* fault, u64 call) {
    for (u64 i = firstItem(); i < n; i += itemStep()) {
        i64 x = checked(index, i, classes, true, fault, call);
        if (x >= 0) out[i * classes + x] = (T)on;
    }
}

#define ONE_HOT(bytes, T)                                                                                                    \
    KERNEL(256, 8) one_hot_b##bytes##_i32(u64 n, i64 classes, u64 on, const i32* index, T* out, Fault* fault, u64 call) {    \
        oneHot(n, classes, on, index, out, fault, call);                                                                     \
    }                                                                                                                        \
    KERNEL(256, 8) one_hot_b##bytes##_i64(u64 n, i64 classes, u64 on, const i64* index, T* out, Fault* fault, u64 call) {    \
        oneHot(n, classes, on, index, out, fault, call);                                                                     \
    }
ONE_HOT(1, u8)
ONE_HOT(2, u16)
ONE_HOT(4, u32)
ONE_HOT(8, u64)
