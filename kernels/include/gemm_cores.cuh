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
    static_assert(BK == 4 * V, "rows of k are twisted by quarters");

    static constexpr u32 twist = 32; // bytes, see Loader.store

    // Loader brings one operand's tiles: a thread copies pieces of V elements of the same columns and of several rows of the stored matrix, which are
    // rows of k where kMajor is set, else of m or n.
    template <int extent>
    struct Loader {
        static constexpr int pieces = extent * BK / V / threads;
        static_assert(extent * BK / V % threads == 0 && threads % (extent / V) == 0 && threads % 4 == 0, "every thread copies as much, of the same columns");
        const T* from;
        i64 apart, advance;  // elements between the rows of a thread, and between tiles
        i32 rows, columns;   // of the matrix, left from the thread's first element on
        i32 rowsApart, down, right;
        bool packed, kMajor;
        Pack<T> p[pieces]; // on the way to shared memory

        DEVICE_MEMBER Loader(const T* matrix, i64 ld, u32 e0, u32 count, u32 k0, u32 last, bool kMajor_, bool packed_) {
            kMajor = kMajor_, packed = packed_;
            u32 perRow = kMajor ? 4 : extent / V, row = threadX() / perRow, column = threadX() % perRow * V;
            from = matrix + ((kMajor ? e0 : k0) + row) * ld + (kMajor ? k0 : e0) + column;
            rows = (i32)((kMajor ? count - e0 : last - k0) - row);
            columns = (i32)((kMajor ? last - k0 : count - e0) - column);
            rowsApart = kMajor ? threads / 4 : threads / (extent / V);
            apart = rowsApart * ld;
            down = kMajor ? 0 : BK, right = kMajor ? BK : 0;
            advance = kMajor ? BK : BK * ld;
        }

        // load starts to read the next tile; what lies outside of the matrix, or past last in k, is zero.
        DEVICE_MEMBER void load() {
            const T* at = from;
            bool whole = packed && columns >= V;
            i32 left = rows;
#pragma unroll
            for (int i = 0; i < pieces; i++) {
                p[i] = packOf<T>(0, 0, 0, 0);
                if (left > 0) {
                    if (whole) {
                        p[i] = loadReadOnly(at);
                    } else {
#pragma unroll
                        for (int e = 0; e < V; e++)
                            if (e < columns) p[i][e] = at[e];
                    }
                }
                at += apart;
                left -= rowsApart;
            }
            from += advance;
            rows -= down;
            columns -= right;
        }

        // store puts the pieces into a tile of BK rows of extent elements. Quarter q of the rows has its elements at bytes b xor 32q, so that the
        // threads of a warp that hold pieces along k write to different banks.
        DEVICE_MEMBER void store(u32 tile) const {
            constexpr u32 size = sizeof(T);
            u32 t = threadX();
            if (kMajor) {
                u32 quarter = t % 4, to = tile + quarter * V * extent * size;
#pragma unroll
                for (int i = 0; i < pieces; i++) {
                    u32 at = to + ((t / 4 + i * (threads / 4)) * size ^ quarter * twist);
                    unrolled<V>([&](auto e) { storeSharedAt<e.value * extent * (int)sizeof(T)>(at, p[i].v[e.value]); });
                }
            } else {
#pragma unroll
                for (int i = 0; i < pieces; i++) {
                    u32 row = t / (extent / V) + i * (threads / (extent / V));
                    storeSharedPack(tile + row * extent * size + (t % (extent / V) * 16 ^ row / V * twist), p[i]);
                }
            }
        }
    };

    typedef T Sums[squaresM][squaresN][V][V];

    static DEVICE_MEMBER u32 row() { return warp() / warpsN * WM + lane() / lanesN * V; }
    static DEVICE_MEMBER u32 column() { return warp() % warpsN * WN + lane() % lanesN * V; }

    // multiply adds the product of the tiles at the shared address tiles, A before B, to the sums.
    static DEVICE_MEMBER void multiply(Sums& c, u32 tiles) {
        u32 a0 = tiles + row() * (u32)sizeof(T), b0 = tiles + bytesA + column() * (u32)sizeof(T);
#pragma unroll 1
        for (u32 quarter = 0; quarter < 4; quarter++) {
            u32 a[squaresM], b[squaresN];
#pragma unroll
            for (int i = 0; i < squaresM; i++) a[i] = ((a0 + i * lanesM * 16) ^ quarter * twist) + quarter * V * BM * (u32)sizeof(T);
#pragma unroll
            for (int j = 0; j < squaresN; j++) b[j] = ((b0 + j * lanesN * 16) ^ quarter * twist) + quarter * V * BN * (u32)sizeof(T);
            Pack<T> x[2][squaresM], y[2][squaresN];
            unrolled<squaresM>([&](auto i) { loadSharedPack<0>(a[i.value], x[0][i.value]); });
            unrolled<squaresN>([&](auto j) { loadSharedPack<0>(b[j.value], y[0][j.value]); });
            unrolled<V>([&](auto e) {
                constexpr int now = e.value % 2, next = (e.value + 1) % 2;
                if constexpr (e.value + 1 < V) {
                    unrolled<squaresM>([&](auto i) { loadSharedPack<(e.value + 1) * BM * (int)sizeof(T)>(a[i.value], x[next][i.value]); });
                    unrolled<squaresN>([&](auto j) { loadSharedPack<(e.value + 1) * BN * (int)sizeof(T)>(b[j.value], y[next][j.value]); });
                }
#pragma unroll
                for (int i = 0; i < squaresM; i++)
#pragma unroll
                    for (int j = 0; j < squaresN; j++)
#pragma unroll
                        for (int u = 0; u < V; u++)
#pragma unroll
                            for (int v = 0; v < V; v++) c[i][j][u][v] = mathFma(x[now][i][u], y[now][j][v], c[i][j][u][v]);
            });
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
    typename Tile::template Loader<BM> nextA(a, g.lda, place.row, g.m, k, last, kMajorA, packedA);
    typename Tile::template Loader<BN> nextB(b, g.ldb, place.column, g.n, k, last, kMajorB, packedB);
    const u32 both = 2 * shared(memory) + Tile::bytes; // the sum of the addresses of the two stages
    u32 tiles = shared(memory);
    nextA.load();
    nextB.load();
#pragma unroll 1
    for (; k < last; k += BK) {
        nextA.store(tiles);
        nextB.store(tiles + Tile::bytesA);
        barrier();
        if (k + BK < last) {
            nextA.load();
            nextB.load();
        }
        Tile::multiply(sums, tiles);
        tiles = both - tiles;
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
