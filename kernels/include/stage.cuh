// Rows of a few elements: a block of 256 threads copies as many rows through shared memory, so that neighbouring threads access neighbouring
// elements, and then each thread has a row of its own.
#pragma once
#include "tile.cuh"

// Stage is the shared memory for 256 rows of up to width elements, with a gap in each 128 bytes so that rows of any length start in different banks.
template <typename A, int width>
struct Stage {
    static constexpr u32 line = 128 / sizeof(A);
    static constexpr u32 rows = 256;
    A elements[rows * width + rows * width / line];

    DEVICE_MEMBER static u32 padded(u32 i) { return i + i / line; }
    DEVICE_MEMBER A& at(u32 i) { return elements[padded(i)]; }
};

// stagedRows is how many rows the block has of a tensor, and first the number of their first element.
DEVICE u32 stagedRows(u64 rows, u32 length, u64& first) {
    u64 row = (u64)blockX() * 256;
    first = row * length;
    return (u32)smaller(rows - row, (u64)256);
}

// stageIn copies count elements of the block's rows; all threads may read them then.
template <typename T, int width>
DEVICE void stageIn(Stage<Wide<T>, width>& to, const T* from, u32 count) {
    eachRow<4>(threadX(), count, 256, [&](auto some, u64 i) {
        constexpr int N = decltype(some)::count;
        Wide<T> v[N];
#pragma unroll
        for (int u = 0; u < N; u++) v[u] = widen(from[i + u * 256]);
#pragma unroll
        for (int u = 0; u < N; u++) to.at((u32)i + u * 256) = v[u];
    });
    barrier();
}

// stageOut writes what all threads of the block left.
template <typename T, int width>
DEVICE void stageOut(T* to, Stage<Wide<T>, width>& from, u32 count) {
    barrier();
#pragma unroll 1
    for (u32 i = threadX(); i < count; i += 256) to[i] = narrow<T>(from.at(i));
}
