// Interpolation of feature maps, channels last: each thread makes one output position of a unit of neighbouring channels from up to two
// input positions an axis. Backward, each thread gathers from the outputs that took one input position.
#pragma once
#include "site.cuh"

// Tap is what an output position takes along an axis: near parts of input i and far parts of input j.
template <typename A>
struct Tap {
    i32 i, j;
    A near, far;
};

template <typename T, int V>
DEVICE void resizeNearest(const Map& out, const Extents& in, u64 n, u32 c, const i32* t0, const i32* t1, const i32* t2, const T* x, T* y) {
    out.each(n, [&](u64 sample, u32 item, const Site& s) {
        const T* from = x + (sample * in.positions() + in.at(t0[s.p0], t1[s.p1], t2[s.p2])) * c + s.unit * V;
        T* to = y + (sample * out.items + item) * V;
        if constexpr (V == 1) *to = *from;
        else storePack(to, loadPack(from));
    });
}

template <typename T, int V>
DEVICE void resizeLinear(const Map& out, const Extents& in, u64 n, u32 c, const Tap<Wide<T>>* t0, const Tap<Wide<T>>* t1, const Tap<Wide<T>>* t2,
                         const T* x, T* y) {
    typedef Wide<T> A;
    out.each(n, [&](u64 sample, u32 item, const Site& s) {
        const T* image = x + sample * in.positions() * c + s.unit * V;
        Tap<A> a = t0[s.p0], b = t1[s.p1], d = t2[s.p2];
        A sum[V] = {};
#pragma unroll
        for (int k = 0; k < 8; k++) { // a weight of 0 takes nothing, not even of an infinity
            A weight = (k & 4 ? a.far : a.near) * (k & 2 ? b.far : b.near) * (k & 1 ? d.far : d.near);
            if (((k & 4) && a.far == 0) || ((k & 2) && b.far == 0) || ((k & 1) && d.far == 0)) continue;
            A v[V];
            loadUnit<T, V>(v, image + (u64)in.at(k & 4 ? a.j : a.i, k & 2 ? b.j : b.i, k & 1 ? d.j : d.i) * c);
#pragma unroll
            for (int j = 0; j < V; j++) sum[j] += weight * v[j];
        }
        storeUnit<T, V>(y + (sample * out.items + item) * V, sum);
    });
}

// Takers lists, for each input position of an axis, the output positions that take it: those of the entries starts[p] … starts[p+1] - 1.
template <typename A>
struct Takers {
    const i32* starts;
    const i32* outputs;
    const A* weights;
};

template <typename T, int V>
DEVICE void resizeBackward(const Map& in, const Extents& out, u64 n, u32 c, const Takers<Wide<T>>& t0, const Takers<Wide<T>>& t1,
                           const Takers<Wide<T>>& t2, const T* dy, T* dx) {
    typedef Wide<T> A;
    in.each(n, [&](u64 sample, u32 item, const Site& s) {
        const T* image = dy + sample * out.positions() * c + s.unit * V;
        A sum[V] = {};
#pragma unroll 1
        for (i32 a = t0.starts[s.p0]; a < t0.starts[s.p0 + 1]; a++) {
#pragma unroll 1
            for (i32 b = t1.starts[s.p1]; b < t1.starts[s.p1 + 1]; b++) {
                A weight = t0.weights[a] * t1.weights[b];
                eachRow<rowsAtOnce<V> / 2>(t2.starts[s.p2], t2.starts[s.p2 + 1], 1, [&](auto some, u64 d) {
                    constexpr int N = decltype(some)::count;
                    A v[N][V];
#pragma unroll
                    for (int u = 0; u < N; u++)
                        loadUnit<T, V>(v[u], image + (u64)out.at(t0.outputs[a], t1.outputs[b], t2.outputs[d + u]) * c);
#pragma unroll
                    for (int u = 0; u < N; u++) {
                        A w = weight * t2.weights[d + u];
#pragma unroll
                        for (int j = 0; j < V; j++) sum[j] += w * v[u][j];
                    }
                });
            }
        }
        storeUnit<T, V>(dx + (sample * in.items + item) * V, sum);
    });
}

#define MAP u64 units, u64 m2, u64 m1, u32 items, u32 e0, u32 e1, u32 e2, u64 n, u32 c
#define RESIZE_UNITS(T, A, suffix, kind, V)                                                                                               \
    KERNEL(256, 8) resize_nearest_##kind##_##suffix(MAP, const i32* t0, const i32* t1, const i32* t2, const T* x, T* y) {                 \
        resizeNearest<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, x, y);                                             \
    }                                                                                                                                     \
    KERNEL(256, 4) resize_linear_##kind##_##suffix(MAP, const Tap<A>* t0, const Tap<A>* t1, const Tap<A>* t2, const T* x, T* y) {         \
        resizeLinear<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, t0, t1, t2, x, y);                                              \
    }                                                                                                                                     \
    KERNEL(256, 4) resize_backward_##kind##_##suffix(MAP, const i32* starts0, const i32* outputs0, const A* weights0,                     \
                                                     const i32* starts1, const i32* outputs1, const A* weights1, const i32* starts2,      \
                                                     const i32* outputs2, const A* weights2, const T* dy, T* dx) {                        \
        resizeBackward<T, V>(Map(units, m2, m1, items), {e0, e1, e2}, n, c, {starts0, outputs0, weights0}, {starts1, outputs1, weights1}, \
                             {starts2, outputs2, weights2}, dy, dx);                                                                      \
    }
#define RESIZE(T, A, suffix)               \
    RESIZE_UNITS(T, A, suffix, single, 1)  \
    RESIZE_UNITS(T, A, suffix, packed, Pack<T>::size)
