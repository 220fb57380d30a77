// Pooling of feature maps, channels last: each thread reduces the window of one output position for a unit of neighbouring channels. Backward, each
// thread gathers the gradients of the outputs whose windows hold one input position.
#pragma once
#include "site.cuh"

// Range is the positions [lo, hi) along an axis that a position of the other map sees, and what an average divides by for it.
struct Range {
    i32 lo, hi, count, reserved;
};

struct Window {
    Range r0, r1, r2;
    DEVICE_MEMBER Window(const Range* t0, const Range* t1, const Range* t2, const Site& s) {
        r0 = load(t0 + s.p0);
        r1 = load(t1 + s.p1);
        r2 = load(t2 + s.p2);
    }
    DEVICE_MEMBER static Range load(const Range* p) {
        Pack<i32> v = loadPack((const i32*)p);
        return {v.v[0], v.v[1], v.v[2], v.v[3]};
    }
    // each calls f with the positions of the window, N neighbours along the last axis at a time.
    template <int N, typename F>
    DEVICE_MEMBER void each(const Extents& in, F f) const {
#pragma unroll 1
        for (i32 a = r0.lo; a < r0.hi; a++)
#pragma unroll 1
            for (i32 b = r1.lo; b < r1.hi; b++)
                eachRow<N>(r2.lo, r2.hi, 1, [&](auto rows, u64 c) { f(rows, in.at(a, b, (u32)c)); });
    }
};

template <int V>
DEVICE void storeIndices(i32* p, const i32 (&v)[V]) {
    if constexpr (V % 4 == 0) {
#pragma unroll
        for (int i = 0; i < V; i += 4) {
            Pack<i32> a;
#pragma unroll
            for (int j = 0; j < 4; j++) a.v[j] = v[i + j];
            storePack(p + i, a);
        }
    } else {
#pragma unroll
        for (int j = 0; j < V; j++) p[j] = v[j];
    }
}

template <int V>
DEVICE void loadIndices(i32 (&v)[V], const i32* p) {
    if constexpr (V % 4 == 0) {
#pragma unroll
        for (int i = 0; i < V; i += 4) {
            Pack<i32> a = loadPack(p + i);
#pragma unroll
            for (int j = 0; j < 4; j++) v[i + j] = a.v[j];
        }
    } else {
#pragma unroll
        for (int j = 0; j < V; j++) v[j] = p[j];
    }
}

template <typename T, int V>
DEVICE void maxPool(const Map& out, const Extents& in, u64 n, u32 c, const Range* t0, const Range* t1, const Range* t2, const T* x, T* y,
                    i32* argmax) {
    out.each(n, [&](u64 sample, u32 item, const Site& s) {
        Window w(t0, t1, t2, s);
        const T* image = x + sample * in.positions() * c + s.unit * V;
        Wide<T> best[V];
        i32 at[V];
#pragma unroll
        for (int j = 0; j < V; j++) {
            best[j] = 0;
            at[j] = -1;
        }
        w.each<2>(in, [&](auto rows, u32 position) {
            constexpr int N = decltype(rows)::count;
            Wide<T> v[N][V];
            loadRows(v, image + (u64)position * c, c);
#pragma unroll
            for (int u = 0; u < N; u++)
#pragma unroll
                for (int j = 0; j < V; j++)
                    if (at[j] < 0 || (best[j] == best[j] && !(v[u][j] <= best[j]))) { // greater, or the first NaN
                        best[j] = v[u][j];
                        at[j] = (i32)(position + u);
                    }
        });
        u64 to = (sample * out.items + item) * V;
        storeUnit<T, V>(y + to, best);
        if (argmax) storeIndices(argmax + to, at);
    });
}

template <typename T, int V>
DEVICE void avgPool(const Map& out, const Extents& in, u64 n, u32 c, const Range* t0, const Range* t1, const Range* t2, const T* x, T* y) {
    typedef Wide<T> A;
    out.each(n, [&](u64 sample, u32 item, const Site& s) {
        Window w(t0, t1, t2, s);
        const T* image = x + sample * in.positions() * c + s.unit * V;
        A sum[V] = {};
        w.each<2>(in, [&](auto rows, u32 position) {
            constexpr int N = decltype(rows)::count;
            A v[N][V];
            loadRows(v, image + (u64)position * c, c);
#pragma unroll
            for (int u = 0; u < N; u++)
#pragma unroll
                for (int j = 0; j < V; j++) sum[j] += v[u][j];
        });
        A count = (A)w.r0.count * (A)w.r1.count * (A)w.r2.count;
#pragma unroll
        for (int j = 0; j < V; j++) sum[j] /= count;
        storeUnit<T, V>(y + (sample * out.items + item) * V, sum);
    });
}

// Backward, the windows are those of the output positions that see an input position.
template <typename T, int V>
DEVICE void maxPoolBackward(const Map& in, const Extents& out, u64 n, u32 c, const Range* t0, const Range* t1, const Range* t2, const T* dy,
                            const i32* argmax, T* dx) {
    in.each(n, [&](u64 sample, u32 item, const Site& s) {
        Window w(t0, t1, t2, s);
        u64 image = sample * out.positions() * c + s.unit * V;
        i32 own = (i32)in.units.quotient(item);
        Wide<T> sum[V] = {};
        w.each<1>(out, [&](auto, u32 position) {
            Wide<T> v[V];
            i32 at[V];
            u64 from = image + (u64)position * c;
            loadUnit<T, V>(v, dy + from);
            loadIndices(at, argmax + from);
#pragma unroll
            for (int j = 0; j < V; j++)
                if (at[j] == own) sum[j] += v[j];
        });
        storeUnit<T, V>(dx + (sample * in.items + item) * V, sum);
    });
}

// counts0 … are the tables of the outputs' own windows, for their counts.
template <typename T, int V>
DEVICE void avgPoolBackward(const Map& in, const Extents& out, u64 n, u32 c, const Range* t0, const Range* t1, const Range* t2, const Range* counts0,
                            const Range* counts1, const Range* counts2, const T* dy, T* dx) {
    typedef Wide<T> A;
    in.each(n, [&](u64 sample, u32 item, const Site& s) {
        Window w(t0, t1, t2, s);
        const T* image = dy + sample * out.positions() * c + s.unit * V;
        A sum[V] = {};
#pragma unroll 1
        for (i32 a = w.r0.lo; a < w.r0.hi; a++) {
#pragma unroll 1
            for (i32 b = w.r1.lo; b < w.r1.hi; b++) {
                A rows = (A)counts0[a].count * (A)counts1[b].count;
                eachRow<rowsAtOnce<V> / 2>(w.r2.lo, w.r2.hi, 1, [&](auto some, u64 p) {
                    constexpr int N = decltype(some)::count;
                    A v[N][V];
                    loadRows(v, image + (u64)out.at(a, b, (u32)p) * c, c);
#pragma unroll
                    for (int u = 0; u < N; u++) {
                        A share = 1 / (rows * (A)counts2[p + u].count);
#pragma unroll
                        for (int j = 0; j < V; j++) sum[j] += v[u][j] * share;
                    }
                });
            }
        }
        storeUnit<T, V>(dx + (sample * in.items + item) * V, sum);
    });
}

#define MAP u64 units, u64 m2, u64 m1, u32 items, u32 e0, u32 e1, u32 e2, u64 n, u32 c, const Range *t0, const Range *t1, const Range *t2
#define POOL_UNITS(T, suffix, kind, V)                                                                                              \
    KERNEL(256, 4) pool_max_##kind##_##suffix(MAP, const T* x, T* y, i32* argmax) {                                                 \
        maxPool<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, x, y, argmax);                                     \
    }                                                                                                                               \
    KERNEL(256, 4) pool_avg_##kind##_##suffix(MAP, const T* x, T* y) {                                                              \
        avgPool<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, x, y);                                             \
    }                                                                                                                               \
    KERNEL(256, 4) pool_backward_max_##kind##_##suffix(MAP, const T* dy, const i32* argmax, T* dx) {                                \
        maxPoolBackward<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, dy, argmax, dx);                           \
    }                                                                                                                               \
    KERNEL(256, 3) pool_backward_avg_##kind##_##suffix(MAP, const Range* counts0, const Range* counts1, const Range* counts2,       \
                                                       const T* dy, T* dx) {                                                        \
        avgPoolBackward<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, counts0, counts1, counts2, dy, dx);        \
    }
#define POOL(T, suffix)               \
    POOL_UNITS(T, suffix, single, 1)  \
    POOL_UNITS(T, suffix, packed, Pack<T>::size)
