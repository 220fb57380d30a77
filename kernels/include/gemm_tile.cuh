// Matrix products on tensor cores: the main loop of gemm_tensor.cuh on stored matrices.
#pragma once
#include "gemm_problem.cuh"
#include "gemm_tensor.cuh"

// gemmTensor computes the tile of a block, of matrix z of the batch. S is the type that the elements are stored in.
template <typename T, typename Tile, bool kMajorA, bool kMajorB, bool anyWidth, typename S>
DEVICE void gemmTensor(const Gemm<S, float>& g) {
    DYNAMIC_SHARED(u8, memory);
    const u32 ring = shared(memory);
    TilePlace place(blockX(), g.m, g.n, Tile::BM, Tile::BN);
    u32 first = blockY() * g.splitLength, last = smaller(g.k, first + g.splitLength);
    u32 count = ceilDiv(last - first, (u32)Tile::BK);
    u32 z = blockZ();
    MatrixLoader<typename Tile::A, S, Tile::threads, !kMajorA, anyWidth> a(g.a + z * g.strideA, g.lda, kMajorA ? g.m : last, kMajorA ? last : g.m,
                                                                         kMajorA ? place.row : first, kMajorA ? first : place.row, g.widthA);
    MatrixLoader<typename Tile::B, S, Tile::threads, !kMajorB, anyWidth> b(g.b + z * g.strideB, g.ldb, kMajorB ? g.n : last, kMajorB ? last : g.n,
                                                                         kMajorB ? place.column : first, kMajorB ? first : place.column, g.widthB);
    typename Tile::Sums sums;
#pragma unroll
    for (int i = 0; i < Tile::fragmentsM; i++)
#pragma unroll
        for (int j = 0; j < Tile::fragmentsN; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) sums[i][j][e] = 0;
    Tile::run(sums, a, b, count, ring);
    Staged<float, Tile::BM, Tile::BN> block{ring};
    Tile::put(block, sums);
    barrier();
    if constexpr (sizeof(S) == 2) {
        if (!g.partial && !(g.flags & gemmWide)) {
            finishBlock<Tile::threads>(block, g.template finish<S>(z), place.row, place.column, g.m, g.n);
            return;
        }
    }
    Finish<float, float> f = g.template finish<float>(z);
    if (g.partial) f = g.store(z, blockY());
    finishBlock<Tile::threads>(block, f, place.row, place.column, g.m, g.n);
}

// GEMM_TENSOR defines the four entry points (by transposition) of one tile shape.
#define GEMM_TENSOR(T, S, name, blocks, anyWidth, BM, BN, BK, WM, WN, stages)             \
    GEMM_TENSOR_ENTRY(T, S, name##_nn, blocks, anyWidth, BM, BN, BK, WM, WN, stages, true, false) \
    GEMM_TENSOR_ENTRY(T, S, name##_nt, blocks, anyWidth, BM, BN, BK, WM, WN, stages, true, true)  \
    GEMM_TENSOR_ENTRY(T, S, name##_tn, blocks, anyWidth, BM, BN, BK, WM, WN, stages, false, false) \
    GEMM_TENSOR_ENTRY(T, S, name##_tt, blocks, anyWidth, BM, BN, BK, WM, WN, stages, false, true)
#define GEMM_TENSOR_ENTRY(T, S, name, blocks, anyWidth, BM, BN, BK, WM, WN, stages, kMajorA, kMajorB)  \
    KERNEL(BM / WM * (BN / WN) * 32, blocks) name(GEMM_PARAMETERS(S, float)) {                         \
        Gemm<S, float> g = GEMM_ARGUMENTS;                                                             \
        gemmTensor<T, TensorTile<T, BM, BN, BK, WM, WN, stages, kMajorA, kMajorB>, kMajorA, kMajorB, anyWidth>(g); \
    }
