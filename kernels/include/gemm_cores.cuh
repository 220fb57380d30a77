// Matrix products in f32 and f64 on the CUDA cores: a tile a block, of it a part a warp, of that several squares a thread. Tiles of A and B lie in
// shared memory as rows of m and of n, two of each: while one is multiplied, the next comes through registers.
//
// Source of the scheme: Boehm, How to optimize a CUDA matmul kernel for cuBLAS-like performance (2022), warp tiling.
#pragma once
#include "gemm_problem.cuh"

// CoreTile computes BM×BN by steps of BK, with warps of WM×WN and lanes of lanesM×lanesN. A thread has squares of V×V elements, V of them in 16 bytes.
template <typename T, int BM_, int BN_, int BK_, int WM, int WN, int lanesM>
struct CoreTile {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, V = 16 / sizeof(T), lanesN = 32 / lanesM;
    static constexpr int warpsN = BN / WN, threads = BM / WM * warpsN * 32;
    static constexpr int squaresM = WM / (lanesM * V), squaresN = WN / (lanesN * V);
    static constexpr int bytesA = BM * BK * (int)sizeof(T), bytesB = BN * BK * (int)sizeof(T), bytes = bytesA + bytesB;
    static constexpr int warpRows = WM, lanesRows = lanesM * V; // of the result, and those of one row of squares
    static constexpr int blockRows = BM / squaresM;             // of the results that are staged at a time
    static_assert(BK == 4 * V, "rows of k are twisted by four");

    // Tile is one operand's part of a thread: pieces of V elements, on their way from global to shared memory.
    template <int extent>
    struct Tile {
        static constexpr int pieces = extent * BK / V / threads;
        static_assert(extent * BK / V % threads == 0, "every thread copies as much");
        Pack<T> p[pieces];

        // load reads a thread's pieces of the tile at (e0, k0) of a matrix of count elements of m or n and, up to last, k.
        DEVICE_MEMBER void load(const T* matrix, i64 ld, u32 e0, u32 count, u32 k0, u32 last, bool kMajor, bool packed) {
#pragma unroll
            for (int i = 0; i < pieces; i++) {
                u32 at = threadX() + i * threads;
                u32 row, column, rows, columns;
                if (kMajor) row = e0 + at / (BK / V), column = k0 + at % (BK / V) * V, rows = count, columns = last;
                else row = k0 + at / (extent / V), column = e0 + at % (extent / V) * V, rows = last, columns = count;
                const T* from = matrix + row * ld + column;
                bool inside = row < rows;
                if (packed && inside && column + V <= columns) {
                    p[i] = loadReadOnly(from);
                } else {
#pragma unroll
                    for (int e = 0; e < V; e++) p[i][e] = inside && column + e < columns ? from[e] : T(0);
                }
            }
        }

        // store puts the pieces into a tile of BK rows of extent elements. Quarter q of the rows has its elements at e xor 8q, so that the
        // threads of a warp that hold pieces along k write to different banks.
        DEVICE_MEMBER void store(T* tile, bool kMajor) const {
#pragma unroll
            for (int i = 0; i < pieces; i++) {
                u32 at = threadX() + i * threads;
                if (kMajor) {
                    u32 quarter = at % (BK / V), e0 = at / (BK / V) ^ quarter * 8;
#pragma unroll
                    for (int e = 0; e < V; e++) tile[(quarter * V + e) * extent + e0] = p[i][e];
                } else {
                    u32 row = at / (extent / V);
                    storePack(tile + row * extent + (at % (extent / V) * V ^ row / V * 8), p[i]);
                }
            }
        }
    };

    typedef T Sums[squaresM][squaresN][V][V];

    static DEVICE_MEMBER u32 row() { return warp() / warpsN * WM + lane() / lanesN * V; }
    static DEVICE_MEMBER u32 column() { return warp() % warpsN * WN + lane() % lanesN * V; }

    static DEVICE_MEMBER void multiply(Sums& c, const T* a, const T* b) {
        u32 m0 = row(), n0 = column();
#pragma unroll 1
        for (u32 quarter = 0; quarter < 4; quarter++) {
            u32 twist = quarter * 8;
#pragma unroll
            for (int e = 0; e < V; e++) {
                Pack<T> x[squaresM], y[squaresN];
#pragma unroll
                for (int i = 0; i < squaresM; i++) x[i] = loadPack(a + ((m0 + i * lanesM * V) ^ twist));
#pragma unroll
                for (int j = 0; j < squaresN; j++) y[j] = loadPack(b + ((n0 + j * lanesN * V) ^ twist));
#pragma unroll
                for (int i = 0; i < squaresM; i++)
#pragma unroll
                    for (int j = 0; j < squaresN; j++)
#pragma unroll
                        for (int u = 0; u < V; u++)
#pragma unroll
                            for (int v = 0; v < V; v++) c[i][j][u][v] = mathFma(x[i][u], y[j][v], c[i][j][u][v]);
                a += BM;
                b += BN;
            }
        }
    }
};

// finishRows finishes a staged block whose rows are height rows of every apart rows of the result.
template <int threads, int height, int apart, typename T, int rows, int cols>
DEVICE void finishRows(const Staged<T, rows, cols>& block, const Finish<T, T>& f, u32 row0, u32 col0, u32 m, u32 n) {
    constexpr int width = Finish<T, T>::width, perRow = cols / width;
#pragma unroll 1
    for (u32 i = threadX(); i < (u32)(rows * perRow); i += threads) {
        u32 r = i / perRow, j = i % perRow * width, row = row0 + r / height * apart + r % height;
        if (row < m && col0 + j < n) {
            T x[width];
            block.get(r, j, x);
            f.apply(row, col0 + j, x, n - col0 - j);
        }
    }
}

// gemmCores computes the tile of a block.
template <typename Tile, typename T>
DEVICE void gemmCores(const Gemm<T, T>& g) {
    constexpr int BM = Tile::BM, BN = Tile::BN, BK = Tile::BK, V = Tile::V;
    __shared__ __attribute__((aligned(128))) T memory[2 * Tile::bytes / sizeof(T)];
    TilePlace place(blockX(), g.m, g.n, BM, BN);
    u32 k = blockY() * g.splitLength, last = smaller(g.k, k + g.splitLength), z = blockZ();
    const T *a = g.a + z * g.strideA, *b = g.b + z * g.strideB;
    bool kMajorA = !(g.flags & gemmTransA), kMajorB = g.flags & gemmTransB, packedA = g.flags & gemmPackedA, packedB = g.flags & gemmPackedB;
    typename Tile::Sums sums;
#pragma unroll
    for (int i = 0; i < Tile::squaresM; i++)
#pragma unroll
        for (int j = 0; j < Tile::squaresN; j++)
#pragma unroll
            for (int u = 0; u < V; u++)
#pragma unroll
                for (int v = 0; v < V; v++) sums[i][j][u][v] = 0;
    typename Tile::template Tile<BM> nextA;
    typename Tile::template Tile<BN> nextB;
    u32 stage = 0;
    nextA.load(a, g.lda, place.row, g.m, k, last, kMajorA, packedA);
    nextB.load(b, g.ldb, place.column, g.n, k, last, kMajorB, packedB);
#pragma unroll 1
    for (; k < last; k += BK) {
        T *tileA = memory + stage * (Tile::bytes / sizeof(T)), *tileB = tileA + BM * BK;
        nextA.store(tileA, kMajorA);
        nextB.store(tileB, kMajorB);
        barrier();
        if (k + BK < last) {
            nextA.load(a, g.lda, place.row, g.m, k + BK, last, kMajorA, packedA);
            nextB.load(b, g.ldb, place.column, g.n, k + BK, last, kMajorB, packedB);
        }
        Tile::multiply(sums, tileA, tileB);
        stage ^= 1;
    }
    // The squares are staged a row of them at a time, in the memory of the tiles.
    typedef Staged<T, Tile::blockRows, BN> Block;
    static_assert(Block::bytes <= 2 * Tile::bytes, "a row of squares fits the memory of the tiles");
    Block block{shared(memory)};
    Finish<T, T> f = g.template finish<T>(z);
    if (g.partial) f = g.store(z, blockY());
    constexpr int height = Tile::lanesRows; // rows of a warp that are staged at a time
#pragma unroll
    for (int i = 0; i < Tile::squaresM; i++) {
        barrier();
#pragma unroll
        for (int j = 0; j < Tile::squaresN; j++)
#pragma unroll
            for (int u = 0; u < V; u++) {
                u32 r = warp() / Tile::warpsN * height + lane() / Tile::lanesN * V + u, col = Tile::column() + j * Tile::lanesN * V;
                if constexpr (V == 4) block.put4(r, col, sums[i][j][u][0], sums[i][j][u][1], sums[i][j][u][2], sums[i][j][u][3]);
                else block.put2(r, col, sums[i][j][u][0], sums[i][j][u][1]);
            }
        barrier();
        finishRows<Tile::threads, height, Tile::warpRows>(block, f, place.row + i * height, place.column, g.m, g.n);
    }
}
