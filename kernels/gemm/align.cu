// Copies of matrices to rows that start at multiples of 16 bytes, for the kernels that copy no smaller pieces.
#include "memory.cuh"

// align copies rows×columns elements, ld from row to row, of every matrix of the batch, to matrices of rows·width elements with width from row to row;
// what lies past the columns is zero. A thread makes 16 bytes.
template <typename T>
DEVICE void align(u32 rows, u32 columns, u32 batch, const T* from, i64 ld, i64 stride, T* to, u32 width) {
    constexpr u32 V = Pack<T>::size;
    u64 count = (u64)batch * rows;
    for (u64 row = blockY() * 4 + threadY(); row < count; row += gridHeight() * 4) {
        u32 z = (u32)(row / rows), r = (u32)(row - (u64)z * rows);
        const T* line = from + z * stride + r * ld;
        for (u32 c = (blockX() * 32 + threadX()) * V; c < width; c += gridWidth() * 32 * V) {
            Pack<T> p = packOf<T>(0, 0, 0, 0);
#pragma unroll
            for (u32 e = 0; e < V; e++)
                if (c + e < columns) p[e] = line[c + e];
            storePack(to + row * width + c, p);
        }
    }
}

KERNEL(128, 8) gemm_align_2(u32 rows, u32 columns, u32 batch, const u16* from, i64 ld, i64 stride, u16* to, u32 width) {
    align(rows, columns, batch, from, ld, stride, to, width);
}
KERNEL(128, 8) gemm_align_4(u32 rows, u32 columns, u32 batch, const u32* from, i64 ld, i64 stride, u32* to, u32 width) {
    align(rows, columns, batch, from, ld, stride, to, width);
}
