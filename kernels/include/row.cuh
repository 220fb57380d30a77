// Rows that a group of threads holds in its registers: 1 to 1024 threads, a power of two, several groups to a block.
#pragma once
#include "warp.cuh"
#include "wide.cuh"

// Group is the threads of a block that share a row.
struct Group {
    u32 size;   // threads
    u32 rank;   // the thread's number in it
    u32 number; // its number in the block
    u32 count;  // groups in the block

    DEVICE_MEMBER explicit Group(u32 threads) {
        size = threads;
        rank = threadX() & (threads - 1);
        number = threadX() / threads;
        count = blockWidth() / threads;
    }
};

// groupReduce gives each thread of the group the reduction of a commutative operation; all threads of the block must call it. scratch is
// shared memory for a value a warp; it may be used again after the call.
template <typename A, typename Op>
DEVICE A groupReduce(A x, Op op, const Group& g, A* scratch) {
#pragma unroll 1
    for (u32 mask = smaller(g.size, 32u) / 2; mask > 0; mask /= 2) x = op(x, shuffledXor(x, mask));
    if (g.size > 32) {
        if (lane() == 0) scratch[warp()] = x;
        barrier();
        u32 warps = g.size / 32, first = g.number * warps;
        x = scratch[first];
#pragma unroll 1
        for (u32 w = 1; w < warps; w++) x = op(x, scratch[first + w]);
        barrier();
    }
    return x;
}

// Slice says which elements of a row a thread of a group holds: packs of neighbouring elements where the rows are aligned to
// 16 bytes, else single ones.
template <typename T>
struct Slice {
    static constexpr u32 V = Pack<T>::size;
    u32 length; // of the row; 0 for a thread that has none
    u32 size, rank;
    bool packed;

    DEVICE_MEMBER u32 at(int e) const { // e a constant after unrolling
        return packed ? (e / V * size + rank) * V + e % V : e * size + rank;
    }
};

// loadRow fills v with the thread's elements of a row, and with absent where there are none. The row may be of another type than
// the one that the slice was made for.
template <typename T, typename R, int E>
DEVICE void loadRow(Wide<R> (&v)[E], const R* row, const Slice<T>& s, Wide<R> absent) {
    constexpr int V = Pack<T>::size;
    if (s.packed) {
#pragma unroll
        for (int e = 0; e < E; e += V) {
            Wide<R> unit[V];
#pragma unroll
            for (int j = 0; j < V; j++) unit[j] = absent;
            if (s.at(e) < s.length) loadUnit<R, V>(unit, row + s.at(e));
#pragma unroll
            for (int j = 0; j < V; j++) v[e + j] = unit[j];
        }
    } else {
#pragma unroll
        for (int e = 0; e < E; e++) {
            v[e] = absent;
            if (s.at(e) < s.length) v[e] = widen(row[s.at(e)]);
        }
    }
}

template <typename T, int E>
DEVICE void storeRow(T* row, const Slice<T>& s, const Wide<T> (&v)[E]) {
    constexpr int V = Pack<T>::size;
    if (s.packed) {
#pragma unroll
        for (int e = 0; e < E; e += V) {
            Wide<T> unit[V];
#pragma unroll
            for (int j = 0; j < V; j++) unit[j] = v[e + j];
            if (s.at(e) < s.length) storeUnit<T, V>(row + s.at(e), unit);
        }
    } else {
#pragma unroll
        for (int e = 0; e < E; e++)
            if (s.at(e) < s.length) row[s.at(e)] = narrow<T>(v[e]);
    }
}
