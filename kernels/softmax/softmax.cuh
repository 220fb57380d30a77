// Softmax and log-softmax, forward and backward: rows in the registers of a group of threads, longer rows in two passes by a block, and lines
// across memory by tiles of columns.
#pragma once
#include "logsum.cuh"
#include "row.cuh"
#include "stage.cuh"
#include "tile.cuh"

// The part that a thread of the group g holds of row number number, of rows of length elements.
template <typename T>
DEVICE Slice<T> sliceOf(u64 number, u64 rows, u32 length, const Group& g, bool packed) {
    return {number < rows ? length : 0, g.size, g.rank, packed};
}

// normalised turns x into its softmax, given the maximum, the sum of exp(x - max) as inverse or as logarithm.
template <typename A>
DEVICE A normalised(A x, A max, A inverse, A logSum, bool log) {
    if (log) return (x - max) - logSum;
    return expOfDifference(x - max) * inverse;
}

template <typename T, int P>
DEVICE void softmaxRows(u64 rows, u32 length, u32 threads, bool packed, bool log, const T* x, T* y) {
    typedef Wide<T> A;
    constexpr int E = P * Pack<T>::size;
    __shared__ A scratch[32];
    Group g(threads);
    u64 number = (u64)blockX() * g.count + g.number;
    Slice<T> s = sliceOf<T>(number, rows, length, g, packed);
    A v[E], part[4] = {};
    loadRow(v, x + number * length, s, -infinity<A>());
    A m = v[0];
#pragma unroll
    for (int i = 1; i < E; i++) m = Max()(m, v[i]);
    m = groupReduce(m, Max(), g, scratch);
#pragma unroll
    for (int i = 0; i < E; i++) {
        v[i] -= m;
        A e = expOfDifference(v[i]);
        part[i % 4] += e;
        if (!log) v[i] = e;
    }
    A sum = groupReduce(total<4>(part), Sum(), g, scratch);
    A inverse = A(1) / sum, logSum = log ? mathLog(sum) : A(0);
#pragma unroll
    for (int i = 0; i < E; i++) v[i] = log ? v[i] - logSum : v[i] * inverse;
    storeRow(y + number * length, s, v);
}

template <typename T, int P>
DEVICE void softmaxBackwardRows(u64 rows, u32 length, u32 threads, bool packed, bool log, const T* y, const T* dy, T* dx) {
    typedef Wide<T> A;
    constexpr int E = P * Pack<T>::size;
    __shared__ A scratch[32];
    Group g(threads);
    u64 number = (u64)blockX() * g.count + g.number;
    Slice<T> s = sliceOf<T>(number, rows, length, g, packed);
    A v[E], d[E], part[4] = {};
    loadRow(v, y + number * length, s, A(0));
    loadRow(d, dy + number * length, s, A(0));
#pragma unroll
    for (int i = 0; i < E; i++) part[i % 4] += log ? d[i] : v[i] * d[i];
    A sum = groupReduce(total<4>(part), Sum(), g, scratch);
#pragma unroll
    for (int i = 0; i < E; i++) v[i] = log ? d[i] - mathExp(v[i]) * sum : v[i] * (d[i] - sum);
    storeRow(dx + number * length, s, v);
}

// softmaxShort gives each row, of up to 128 bytes, to a thread; softmaxBackwardShort each of up to 64.
template <typename T>
DEVICE void softmaxShort(u64 rows, u32 length, bool log, const T* x, T* y) {
    typedef Wide<T> A;
    __shared__ Stage<A, 128 / sizeof(A)> stage;
    u64 first;
    u32 own = stagedRows(rows, length, first);
    stageIn(stage, x + first, own * length);
    if (threadX() < own) {
        u32 row = threadX() * length;
        A m = -infinity<A>(), sum = 0;
#pragma unroll 1
        for (u32 k = 0; k < length; k++) m = Max()(m, stage.at(row + k));
#pragma unroll 1
        for (u32 k = 0; k < length; k++) {
            A d = stage.at(row + k) - m, e = expOfDifference(d);
            sum += e;
            stage.at(row + k) = log ? d : e;
        }
        A inverse = A(1) / sum, logSum = log ? mathLog(sum) : A(0);
#pragma unroll 1
        for (u32 k = 0; k < length; k++) stage.at(row + k) = log ? stage.at(row + k) - logSum : stage.at(row + k) * inverse;
    }
    stageOut(y + first, stage, own * length);
}

template <typename T>
DEVICE void softmaxBackwardShort(u64 rows, u32 length, bool log, const T* y, const T* dy, T* dx) {
    typedef Wide<T> A;
    __shared__ Stage<A, 64 / sizeof(A)> stage, gradient;
    u64 first;
    u32 own = stagedRows(rows, length, first);
    stageIn(stage, y + first, own * length);
    stageIn(gradient, dy + first, own * length);
    if (threadX() < own) {
        u32 row = threadX() * length;
        A sum = 0;
#pragma unroll 1
        for (u32 k = 0; k < length; k++) sum += log ? gradient.at(row + k) : stage.at(row + k) * gradient.at(row + k);
#pragma unroll 1
        for (u32 k = 0; k < length; k++) {
            A v = stage.at(row + k), d = gradient.at(row + k);
            stage.at(row + k) = log ? d - mathExp(v) * sum : v * (d - sum);
        }
    }
    stageOut(dx + first, stage, own * length);
}

// eachUnit calls f with the position of each unit of V elements that the thread has of a row.
template <int V, typename F>
DEVICE void eachUnit(u64 length, F f) {
#pragma unroll 1
    for (u64 i = (u64)threadX() * V; i < length; i += (u64)blockWidth() * V) f(i);
}

// A block to a row, which it reads twice.
template <typename T, int V>
DEVICE void softmaxLong(u64 length, bool log, const T* x, T* y) {
    typedef Wide<T> A;
    __shared__ LogSum<A> scratch[32];
    const T* from = x + blockX() * length;
    T* to = y + blockX() * length;
    LogSum<A> s = emptyLogSum<A>();
    eachRow<rowsAtOnce<V>>(threadX() * V, length, blockWidth() * V, [&](auto units, u64 i) {
        constexpr int N = decltype(units)::count;
        A v[N][V];
        loadRows(v, from + i, blockWidth() * V);
        absorb(s, (const A(&)[N * V])v);
    });
    s = groupReduce(s, JoinLogSums(), Group(blockWidth()), scratch);
    A inverse = (A)(1 / s.sum), logSum = log ? mathLog((A)s.sum) : A(0);
    eachUnit<V>(length, [&](u64 i) {
        A v[V];
        loadUnit<T, V>(v, from + i);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] = normalised(v[j], s.max, inverse, logSum, log);
        storeUnit<T, V>(to + i, v);
    });
}

template <typename T, int V>
DEVICE void softmaxBackwardLong(u64 length, bool log, const T* y, const T* dy, T* dx) {
    typedef Wide<T> A;
    __shared__ double scratch[32];
    u64 row = blockX() * length;
    double sum = 0;
    eachUnit<V>(length, [&](u64 i) {
        A v[V], d[V];
        loadUnit<T, V>(v, y + row + i);
        loadUnit<T, V>(d, dy + row + i);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] = log ? d[j] : v[j] * d[j];
        sum += (double)total<V>(v);
    });
    A all = (A)groupReduce(sum, Sum(), Group(blockWidth()), scratch);
    eachUnit<V>(length, [&](u64 i) {
        A v[V], d[V];
        loadUnit<T, V>(v, y + row + i);
        loadUnit<T, V>(d, dy + row + i);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] = log ? d[j] - mathExp(v[j]) * all : v[j] * (d[j] - all);
        storeUnit<T, V>(dx + row + i, v);
    });
}

// Lines across memory: x[outer, length, inner] along the middle axis. The columns of a tile of one outer position are a block's; the
// threads of a column share its line.
struct Line {
    u64 first; // its first element
    bool live;
    DEVICE_MEMBER Line(const Tile& t, u64 length, u64 inner, u32 tiles, u32 unit) {
        u64 column = ((u64)(blockX() % tiles) * t.width + t.x) * unit;
        live = column < inner;
        first = (u64)(blockX() / tiles) * length * inner + column;
    }
};

template <typename T, int V>
DEVICE void softmaxColumns(u64 length, u64 inner, u32 tiles, u32 columns, bool log, const T* x, T* y) {
    typedef Wide<T> A;
    __shared__ LogSum<A> scratch[256 * V];
    Tile t(columns);
    Line l(t, length, inner, tiles, V);
    u64 end = l.live ? length : 0, stride = t.height * inner;
    LogSum<A> s[V];
#pragma unroll
    for (int j = 0; j < V; j++) s[j] = emptyLogSum<A>();
    eachRow<rowsAtOnce<V>>(t.y, end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V];
        loadRows(v, x + l.first + r * inner, stride);
#pragma unroll
        for (int j = 0; j < V; j++) {
            A w[N];
#pragma unroll
            for (int u = 0; u < N; u++) w[u] = v[u][j];
            absorb(s[j], w);
        }
    });
    joinTile(s, JoinLogSums(), t, scratch);
    shareTile(s, t, scratch);
    A inverse[V], logSum[V];
#pragma unroll
    for (int j = 0; j < V; j++) {
        inverse[j] = (A)(1 / s[j].sum);
        logSum[j] = log ? mathLog((A)s[j].sum) : A(0);
    }
    eachRow<rowsAtOnce<V> / 2>(t.y, end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V];
        loadRows(v, x + l.first + r * inner, stride);
#pragma unroll
        for (int u = 0; u < N; u++)
#pragma unroll
            for (int j = 0; j < V; j++) v[u][j] = normalised(v[u][j], s[j].max, inverse[j], logSum[j], log);
        storeRows(y + l.first + r * inner, stride, v);
    });
}

template <typename T, int V>
DEVICE void softmaxBackwardColumns(u64 length, u64 inner, u32 tiles, u32 columns, bool log, const T* y, const T* dy, T* dx) {
    typedef Wide<T> A;
    __shared__ double scratch[256 * V];
    Tile t(columns);
    Line l(t, length, inner, tiles, V);
    u64 end = l.live ? length : 0, stride = t.height * inner;
    double sum[V] = {};
    eachRow<rowsAtOnce<V> / 2>(t.y, end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V], d[N][V];
        loadRows(v, y + l.first + r * inner, stride);
        loadRows(d, dy + l.first + r * inner, stride);
#pragma unroll
        for (int j = 0; j < V; j++) {
            A w[N];
#pragma unroll
            for (int u = 0; u < N; u++) w[u] = log ? d[u][j] : v[u][j] * d[u][j];
            sum[j] += (double)total<N>(w);
        }
    });
    joinTile(sum, Sum(), t, scratch);
    shareTile(sum, t, scratch);
    eachRow<rowsAtOnce<V> / 2>(t.y, end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V], d[N][V];
        loadRows(v, y + l.first + r * inner, stride);
        loadRows(d, dy + l.first + r * inner, stride);
#pragma unroll
        for (int u = 0; u < N; u++)
#pragma unroll
            for (int j = 0; j < V; j++)
                v[u][j] = log ? d[u][j] - mathExp(v[u][j]) * (A)sum[j] : v[u][j] * (d[u][j] - (A)sum[j]);
        storeRows(dx + l.first + r * inner, stride, v);
    });
}

// Rows by P packs a thread, of up to THREADS threads.
#define SOFTMAX_ROWS(T, suffix, P, THREADS, BLOCKS)                                                                                   \
    KERNEL(THREADS, BLOCKS) softmax_rows##P##_##suffix(u64 rows, u32 length, u32 threads, u32 packed, u32 log, const T* x, T* y) {    \
        softmaxRows<T, P>(rows, length, threads, packed, log, x, y);                                                                  \
    }
#define SOFTMAX_BACKWARD_ROWS(T, suffix, P, THREADS, BLOCKS)                                                                          \
    KERNEL(THREADS, BLOCKS) softmax_backward_rows##P##_##suffix(u64 rows, u32 length, u32 threads, u32 packed, u32 log, const T* y,   \
                                                                const T* dy, T* dx) {                                                 \
        softmaxBackwardRows<T, P>(rows, length, threads, packed, log, y, dy, dx);                                                     \
    }
#define SOFTMAX_UNITS(T, suffix, kind, V)                                                                                             \
    KERNEL(1024, 1) softmax_long_##kind##_##suffix(u64 length, u32 log, const T* x, T* y) { softmaxLong<T, V>(length, log, x, y); }   \
    KERNEL(1024, 1) softmax_backward_long_##kind##_##suffix(u64 length, u32 log, const T* y, const T* dy, T* dx) {                    \
        softmaxBackwardLong<T, V>(length, log, y, dy, dx);                                                                            \
    }                                                                                                                                 \
    KERNEL(256, 3) softmax_columns_##kind##_##suffix(u64 length, u64 inner, u32 tiles, u32 columns, u32 log, const T* x, T* y) {      \
        softmaxColumns<T, V>(length, inner, tiles, columns, log, x, y);                                                               \
    }                                                                                                                                 \
    KERNEL(256, 4) softmax_backward_columns_##kind##_##suffix(u64 length, u64 inner, u32 tiles, u32 columns, u32 log, const T* y,     \
                                                              const T* dy, T* dx) {                                                   \
        softmaxBackwardColumns<T, V>(length, inner, tiles, columns, log, y, dy, dx);                                                  \
    }

#define SOFTMAX_SHORT(T, suffix)                                                                                                        \
    KERNEL(256, 4) softmax_short_##suffix(u64 rows, u32 length, u32 log, const T* x, T* y) {                                          \
        softmaxShort<T>(rows, length, log, x, y);                                                                                     \
    }                                                                                                                                 \
    KERNEL(256, 4) softmax_backward_short_##suffix(u64 rows, u32 length, u32 log, const T* y, const T* dy, T* dx) {                   \
        softmaxBackwardShort<T>(rows, length, log, y, dy, dx);                                                                        \
    }

#define SOFTMAX(T, suffix, rows, backwardRows)                       \
    SOFTMAX_ROWS(T, suffix, 1, 256, 6)           \
    SOFTMAX_ROWS(T, suffix, rows, 512, 1)           \
    SOFTMAX_BACKWARD_ROWS(T, suffix, 1, 256, 6)  \
    SOFTMAX_BACKWARD_ROWS(T, suffix, backwardRows, 512, 2)  \
    SOFTMAX_SHORT(T, suffix) \
    SOFTMAX_UNITS(T, suffix, single, 1)          \
    SOFTMAX_UNITS(T, suffix, packed, Pack<T>::size)
