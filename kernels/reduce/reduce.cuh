// Reductions along rows and along columns, in one launch or, where there are few results of many elements each, in two: parts of the
// rows give States in the workspace, which finish joins. Equal launches add in equal order.
#pragma once
#include "divide.cuh"
#include "fold.cuh"
#include "row.cuh"
#include "stage.cuh"
#include "tile.cuh"

// Axis is one of the axes that an index is split over, the last first.
struct Axis {
    u64 divisor; // Divider of the extent
    i64 stride;  // in elements
};

DEVICE u64 offsetOf(u32 index, const Axis* axes, u32 n) {
    u64 off = 0;
#pragma unroll 1
    for (u32 d = 0; d < n; d++) {
        u32 rest = Divider(axes[d].divisor).split(index); // index is the remainder now
        off += (u64)index * axes[d].stride;
        index = rest;
    }
    return off;
}

// Place is how the rows of a tensor lie in memory.
enum Place { single, packed, scattered }; // contiguous and read by elements or by packs; or by tables of axes

constexpr int batch = 4; // accesses in flight in each thread

// absorbPacks absorbs packs whose first elements have the numbers at, at + step, ….
template <typename F, typename T, int N, int V>
DEVICE void absorbPacks(typename F::State& s, const Wide<T> (&v)[N][V], i64 at, i64 step) {
    if constexpr (F::ordered) {
#pragma unroll
        for (int u = 0; u < N; u++) F::absorb(s, v[u], at + u * step, 1);
    } else {
        F::absorb(s, (const Wide<T>(&)[N * V])v, at, 1);
    }
}

// rowState absorbs the elements [from, to) of a row, those of this thread.
template <typename F, typename T>
DEVICE typename F::State rowState(const T* row, u64 from, u64 to, u32 place, const Axis* axes, u32 n, const Group& g) {
    constexpr int V = Pack<T>::size;
    typename F::State s = F::empty();
    if (place == packed) {
        u64 step = (u64)g.size * V, i = from + g.rank * V;
#pragma unroll 1
        for (; i + (batch - 1) * step < to; i += batch * step) {
            Wide<T> v[batch][V];
#pragma unroll
            for (int u = 0; u < batch; u++) loadUnit<T, V>(v[u], row + i + u * step);
            absorbPacks<F, T>(s, v, i, step);
        }
#pragma unroll 1
        for (; i < to; i += step) {
            Wide<T> v[1][V];
            loadUnit<T, V>(v[0], row + i);
            absorbPacks<F, T>(s, v, i, step);
        }
        return s;
    }
    u64 i = from + g.rank;
    if (place == single) {
#pragma unroll 1
        for (; i + (batch - 1) * g.size < to; i += batch * g.size) {
            Wide<T> v[batch];
#pragma unroll
            for (int u = 0; u < batch; u++) v[u] = widen(row[i + u * g.size]);
            F::absorb(s, v, i, g.size);
        }
    }
#pragma unroll 1
    for (; i < to; i += g.size) {
        Wide<T> v[1] = {widen(row[place == scattered ? offsetOf((u32)i, axes, n) : i])};
        F::absorb(s, v, i, g.size);
    }
    return s;
}

// Join is the join of a fold as an operation.
template <typename F>
struct Join {
    DEVICE_MEMBER typename F::State operator()(const typename F::State& a, const typename F::State& b) const { return F::join(a, b); }
};

// reduceRows gives a group of threads to each result; block y takes the part [y·chunk, (y+1)·chunk) of the rows. axes lists those that
// are kept, then those that are reduced.
template <typename F, typename T>
DEVICE void reduceRows(u64 kept, u64 length, u64 chunk, u32 threads, u32 place, const T* in, const Axis* axes, u32 keptAxes, u32 reducedAxes,
                       const Output& to, typename F::State* parts) {
    __shared__ typename F::State scratch[32];
    Group g(threads);
    u64 o = (u64)blockX() * g.count + g.number, from = blockY() * chunk;
    typename F::State s = F::empty();
    if (o < kept) {
        const T* row = in + (place == scattered ? offsetOf((u32)o, axes, keptAxes) : o * length);
        s = rowState<F, T>(row, from, smaller(from + chunk, length), place, axes + keptAxes, reducedAxes, g);
    }
    s = groupReduce(s, Join<F>(), g, scratch);
    if (o >= kept || g.rank != 0) return;
    if (parts) parts[blockY() * kept + o] = s;
    else F::store(to, o, s);
}

// reduceShort reduces rows of up to 128 bytes, each by a thread.
template <typename F, typename T>
DEVICE void reduceShort(u64 rows, u32 length, const T* in, const Output& to) {
    __shared__ Stage<Wide<T>, 128 / sizeof(Wide<T>)> stage;
    u64 first;
    u32 own = stagedRows(rows, length, first);
    stageIn(stage, in + first, own * length);
    if (threadX() >= own) return;
    typename F::State s = F::empty();
    eachRow<4>(0, length, 1, [&](auto some, u64 k) {
        constexpr int N = decltype(some)::count;
        Wide<T> v[N];
#pragma unroll
        for (int u = 0; u < N; u++) v[u] = stage.at(threadX() * length + (u32)k + u);
        F::absorb(s, v, k, 1);
    });
    F::store(to, (u64)blockX() * 256 + threadX(), s);
}

// reduceColumns reduces the middle axis of in[outer, length, inner]; or, where split over two axes, of in[length / near, outer, near, inner]. Block x is
// a tile of one outer position, block y a part of the length.
template <typename F, typename T, int V>
DEVICE void reduceColumns(u64 length, u64 inner, u64 chunk, u32 tiles, u32 columns, u64 nearDivisor, u64 farStride, const T* in, const Output& to,
                          u64 kept, typename F::State* parts) {
    __shared__ typename F::State scratch[256 * V];
    Tile t(columns);
    Divider near(nearDivisor);
    u64 outer = blockX() / tiles, column = ((u64)(blockX() % tiles) * t.width + t.x) * V;
    u64 from = blockY() * chunk + t.y, end = smaller(blockY() * chunk + chunk, length);
    typename F::State s[V];
#pragma unroll
    for (int j = 0; j < V; j++) s[j] = F::empty();
    if (column < inner) {
        auto address = [&](u64 r) {
            if (farStride == 0) return in + (outer * length + r) * inner + column;
            u32 n = (u32)r, far = near.split(n);
            return in + far * farStride + (outer * near.d + n) * inner + column;
        };
        eachRow<rowsAtOnce<V>>(from, end, t.height, [&](auto rows, u64 r) {
            constexpr int N = decltype(rows)::count;
            Wide<T> v[N][V];
#pragma unroll
            for (int u = 0; u < N; u++) loadUnit<T, V>(v[u], address(r + u * t.height));
#pragma unroll
            for (int j = 0; j < V; j++) {
                Wide<T> w[N];
#pragma unroll
                for (int u = 0; u < N; u++) w[u] = v[u][j];
                F::absorb(s[j], w, r, t.height);
            }
        });
    }
    joinTile(s, Join<F>(), t, scratch);
    if (t.y != 0 || column >= inner) return;
#pragma unroll
    for (int j = 0; j < V; j++) {
        u64 o = outer * inner + column + j;
        if (parts) parts[blockY() * kept + o] = s[j];
        else F::store(to, o, s[j]);
    }
}

// finishParts joins the States of the parts of each result.
template <typename F, typename T>
DEVICE void finishParts(u64 kept, u32 count, u32 columns, const typename F::State* parts, const Output& to) {
    __shared__ typename F::State scratch[256];
    Tile t(columns);
    u64 o = (u64)blockX() * t.width + t.x;
    typename F::State s[1] = {F::empty()};
    eachRow<4>(t.y, o < kept ? count : 0, t.height, [&](auto some, u64 p) {
        constexpr int N = decltype(some)::count;
        typename F::State v[N];
#pragma unroll
        for (int u = 0; u < N; u++) v[u] = parts[(p + u * t.height) * kept + o];
#pragma unroll
        for (int u = 0; u < N; u++) s[0] = F::join(s[0], v[u]);
    });
    joinTile(s, Join<F>(), t, scratch);
    if (t.y == 0 && o < kept) F::store(to, o, s[0]);
}

#define REDUCTION(name, F, T, suffix)                                                                                                             \
    KERNEL(256, sizeof(T) == 2 ? 3 : 4) reduce_rows_##name##_##suffix(u64 kept, u64 length, u64 chunk, u32 threads, u32 place, const T* in, const Axis* axes, \
                                                 u32 keptAxes, u32 reducedAxes, void* out, void* values, double divisor, u32 mode, void* parts) { \
        reduceRows<F<T>, T>(kept, length, chunk, threads, place, in, axes, keptAxes, reducedAxes, {out, values, divisor, mode},                   \
                            (F<T>::State*)parts);                                                                                                 \
    }                                                                                                                                             \
    KERNEL(256, 4) reduce_short_##name##_##suffix(u64 rows, u32 length, const T* in, void* out, void* values, double divisor, u32 mode) {         \
        reduceShort<F<T>, T>(rows, length, in, {out, values, divisor, mode});                                                                     \
    }                                                                                                                                             \
    REDUCTION_OF_COLUMNS(name, F, T, suffix)
#define REDUCTION_OF_COLUMNS(name, F, T, suffix)                                                                                                  \
    REDUCTION_COLUMNS(columns, name, F, T, suffix, 1)                                                                                             \
    REDUCTION_COLUMNS(packs, name, F, T, suffix, Pack<T>::size)                                                                                   \
    KERNEL(256, 4) reduce_finish_##name##_##suffix(u64 kept, u32 count, u32 columns, const void* parts, void* out, void* values, double divisor,  \
                                                   u32 mode) {                                                                                    \
        finishParts<F<T>, T>(kept, count, columns, (const F<T>::State*)parts, {out, values, divisor, mode});                                      \
    }
#define REDUCTION_COLUMNS(kind, name, F, T, suffix, V)                                                                                               \
    KERNEL(256, sizeof(T) == 2 ? 3 : 4) reduce_##kind##_##name##_##suffix(u64 length, u64 inner, u64 chunk, u32 tiles, u32 columns, u64 near, u64 farStride, const T* in, \
                                                     void* out, void* values, double divisor, u32 mode, u64 kept, void* parts) {                     \
        reduceColumns<F<T>, T, V>(length, inner, chunk, tiles, columns, near, farStride, in, {out, values, divisor, mode}, kept,                     \
                                  (F<T>::State*)parts);                                                                                              \
    }

#define REDUCTIONS(T, suffix)                        \
    REDUCTION(sum, SumFold, T, suffix)               \
    REDUCTION(l1, AbsFold, T, suffix)                \
    REDUCTION(sumsq, SquareFold, T, suffix)          \
    REDUCTION(prod, ProductFold, T, suffix)          \
    REDUCTION(max, MaxFold, T, suffix)               \
    REDUCTION(min, MinFold, T, suffix)               \
    REDUCTION(logsumexp, LogSumFold, T, suffix)      \
    REDUCTION(argmax, ArgMaxFold, T, suffix)         \
    REDUCTION(argmin, ArgMinFold, T, suffix)
