// Blocks of 256 threads that work on columns: width units of neighbouring columns side by side, so that a warp reads neighbouring elements,
// and the rows shared out over the height.
#pragma once
#include "wide.cuh"

struct Tile {
    u32 width, height, x, y;
    DEVICE_MEMBER explicit Tile(u32 columns) { // a power of two
        width = columns;
        height = blockWidth() / columns;
        x = threadX() & (columns - 1);
        y = threadX() / columns;
    }
};

// joinTile leaves in the threads with y = 0 the join of their column's values, in an order that depends on the tile alone. All threads of the block
// must call it. scratch is shared memory for V values a thread.
template <int V, typename S, typename Op>
DEVICE void joinTile(S (&s)[V], Op op, const Tile& t, S* scratch) {
#pragma unroll 1
    for (u32 half = t.height / 2; half > 0; half /= 2) {
        if (t.y >= half && t.y < 2 * half) {
#pragma unroll
            for (int j = 0; j < V; j++) scratch[j * 256 + threadX()] = s[j];
        }
        barrier();
        if (t.y < half) {
#pragma unroll
            for (int j = 0; j < V; j++) s[j] = op(s[j], scratch[j * 256 + threadX() + half * t.width]);
        }
    }
}

// shareTile gives all threads of a column what the one with y = 0 has, after joinTile.
template <int V, typename S>
DEVICE void shareTile(S (&s)[V], const Tile& t, S* scratch) {
    if (t.height == 1) return;
    if (t.y == 0) {
#pragma unroll
        for (int j = 0; j < V; j++) scratch[j * 256 + threadX()] = s[j];
    }
    barrier();
#pragma unroll
    for (int j = 0; j < V; j++) s[j] = scratch[j * 256 + t.x];
}

// Rows says how many rows a step of eachRow takes: a constant, so that their elements lie in registers.
template <int N> struct Rows { static constexpr int count = N; };

// eachRow calls f(Rows<N>(), r) so that every row from, from + step, … below end is in one call, r + u·step for u < N.
template <int N, typename F>
DEVICE void eachRow(u64 from, u64 end, u64 step, F f) {
    u64 r = from;
#pragma unroll 1
    for (; r + (N - 1) * step < end; r += N * step) f(Rows<N>(), r);
    if constexpr (N > 1) {
#pragma unroll 1
        for (; r < end; r += step) f(Rows<1>(), r);
    }
}

// rowsAtOnce is how many rows of V elements a thread holds at a time.
template <int V> constexpr int rowsAtOnce = V > 4 ? 2 : 4;

// loadRows reads a unit of each of N rows; stride is the elements between rows.
template <typename T, int N, int V>
DEVICE void loadRows(Wide<T> (&v)[N][V], const T* p, u64 stride) {
#pragma unroll
    for (int u = 0; u < N; u++) loadUnit<T, V>(v[u], p + u * stride);
}
template <typename T, int N, int V>
DEVICE void storeRows(T* p, u64 stride, const Wide<T> (&v)[N][V]) {
#pragma unroll
    for (int u = 0; u < N; u++) storeUnit<T, V>(p + u * stride, v[u]);
}
