// A matrix product as its kernels are given it (kernels.GEMM; lowered in cuda/lower_gemm.go), and what all of them share.
#pragma once
#include "gemm_epilogue.cuh"

// The bits of flags.
enum GemmFlags : u32 {
    gemmWide = 1,    // c and residual are f32 and not half
    gemmPacked = 2,  // rows of c and residual start at multiples of 16 bytes
    gemmTransA = 4,  // of kernels that decide at run time
    gemmTransB = 8,
    gemmPackedA = 16, // rows of the stored matrices start at multiples of 16 bytes
    gemmPackedB = 32,
};

// Gemm is one product: T is the type of A and B, R that of the arithmetic.
template <typename T, typename R>
struct Gemm {
    u32 m, n, k, batch;
    const T* a;
    i64 lda, strideA;
    const T* b;
    i64 ldb, strideB;
    void* c;
    i64 ldc, strideC;
    const R* bias;
    const void* residual;
    R alpha, beta;
    u32 act;
    R low, high;
    u32 flags, widthA, widthB; // widths: bytes that all addresses of pieces of A and B are multiples of (2, 4, 8 or 16)
    // Split sums: block (x, s, z) adds up the products of k from s·splitLength on and stores them at partial [split][batch][m][partialLd]. null: no split.
    R* partial;
    u32 splitLength, partialLd;

    // finish is the end of matrix z of the batch, with results of type C.
    template <typename C>
    DEVICE_MEMBER Finish<C, R> finish(u32 z) const {
        return {(C*)c + z * strideC, residual ? (const C*)residual + z * strideC : nullptr, bias, ldc, alpha, beta, low, high, act, (flags & gemmPacked) != 0};
    }
    // store is the plain storing of the sums of split s.
    DEVICE_MEMBER Finish<R, R> store(u32 z, u32 s) const {
        R* to = partial + ((u64)s * batch + z) * m * partialLd;
        return {to, nullptr, nullptr, (i64)partialLd, R(1), R(0), R(0), R(0), actNone, true};
    }
};

#define GEMM_PARAMETERS(T, R)                                                                                                                    \
    u32 m, u32 n, u32 k, u32 batch, const T *a, i64 lda, i64 strideA, const T *b, i64 ldb, i64 strideB, void *c, i64 ldc, i64 strideC, const R *bias, \
        const void *residual, R alpha, R beta, u32 act, R low, R high, u32 flags, u32 widthA, u32 widthB, R *partial, u32 splitLength, u32 partialLd
#define GEMM_ARGUMENTS                                                                                                                  \
    {m, n, k, batch, a, lda, strideA, b, ldb, strideB, c, ldc, strideC, bias, residual, alpha, beta, act, low, high, flags, widthA, widthB, \
     partial, splitLength, partialLd}

// TilePlace is the tile of a block: 8 tiles down are done before the next column, so that the blocks that run together share rows of A
// and columns of B in the L2.
struct TilePlace {
    u32 row, column; // of the tile's first element
    DEVICE_MEMBER TilePlace(u32 index, u32 m, u32 n, u32 BM, u32 BN) {
        u32 down = ceilDiv(m, BM), across = ceilDiv(n, BN);
        u32 group = index / (8 * across), left = index - group * 8 * across;
        u32 height = smaller(8u, down - group * 8);
        row = (group * 8 + left % height) * BM;
        column = left / height * BN;
    }
};

// finishSums adds up the parts of split sums in their order and finishes the rows: threads of (32, 4), blocks (all columns, rows, matrices).
template <typename C, typename T, typename R>
DEVICE void finishSums(const Gemm<T, R>& g, u32 splits) {
    constexpr int width = Finish<C, R>::width;
    u32 z = blockZ(), col = (blockX() * 32 + threadX()) * width;
    if (col >= g.n) return;
    Finish<C, R> f = g.template finish<C>(z);
    u64 apart = (u64)g.batch * g.m * g.partialLd;
    for (u32 row = blockY() * 4 + threadY(); row < g.m; row += gridHeight() * 4) {
        const R* from = g.partial + ((u64)z * g.m + row) * g.partialLd + col;
        R x[width];
#pragma unroll
        for (int e = 0; e < width; e++) x[e] = 0;
        for (u32 s = 0; s < splits; s++, from += apart) {
#pragma unroll
            for (int e = 0; e < width; e += 16 / (int)sizeof(R)) {
                if (col + e < g.partialLd) {
                    Pack<R> p = loadPack(from + e);
#pragma unroll
                    for (int j = 0; j < Pack<R>::size; j++) x[e + j] += p[j];
                }
            }
        }
        f.apply(row, col, x, g.n - col);
    }
}
