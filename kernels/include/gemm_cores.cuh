// Matrix products in f32 and f64 on the CUDA cores: a tile a block, of it a part a warp, of that several squares a thread. Tiles of A and B lie in
// shared memory as rows of m and of n, two of each: while one is multiplied, the next comes through registers, A's during the first half and B's during
// the second, so that the registers hold one of them at a time.
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

    static constexpr u32 line = 128, twist = 32; // bytes: of all banks; see Loader.store

    // at is a shared address with a constant added, of which what is below a line of banks is known to swap places within the line.
    template <u32 offset> static DEVICE_MEMBER u32 at(u32 address) { return (address ^ offset % line) + offset / line * line; }

    // Loader brings one operand's tiles: a thread copies pieces of V elements of the same columns and of several rows of the stored matrix, which are
    // rows of k where kMajor is set, else of m or n.
    template <int extent>
    struct Loader {
        static constexpr int pieces = extent * BK / V / threads;
        static constexpr int perRow = extent / V, rowsK = threads / perRow; // threads of a row of m or n, and rows of k at a time
        static_assert(extent * BK / V % threads == 0 && threads % perRow == 0 && threads % 4 == 0, "every thread copies as much, of the same columns");
        static_assert(rowsK % V == 0 && threads / 4 * sizeof(T) % 64 == 0, "the pieces of a thread are apart by what at can add");
        typedef Pack<T> Pieces[pieces]; // on the way to shared memory
        const T* from;
        i64 apart, advance; // elements between the rows of a thread, and between tiles
        i32 extentLeft;     // rows of m or n from the tile's first to the end of the matrix
        bool packed, kMajor, inside; // inside: all pieces of a tile are whole packs of the matrix, if its rows of k are

        DEVICE_MEMBER Loader(const T* matrix, i64 ld, u32 e0, u32 count, u32 k0, bool kMajor_, bool packed_) {
            kMajor = kMajor_, packed = packed_;
            u32 t = threadX(), r = row(t), c = column(t);
            from = matrix + ((kMajor ? e0 : k0) + r) * ld + (kMajor ? k0 : e0) + c;
            extentLeft = (i32)(count - e0);
            apart = rowsApart() * ld;
            advance = kMajor ? BK : BK * ld;
            inside = packed && (kMajor ? (i32)(r + (pieces - 1) * rowsApart()) < extentLeft : (i32)c + V <= extentLeft);
        }

        DEVICE_MEMBER u32 row(u32 thread) const { return kMajor ? thread / 4 : thread / perRow; }
        DEVICE_MEMBER u32 column(u32 thread) const { return (kMajor ? thread % 4 : thread % perRow) * V; }
        DEVICE_MEMBER i32 rowsApart() const { return kMajor ? threads / 4 : rowsK; }

        // load starts to read the next tile, of which left rows of k are wanted; what lies outside of the matrix, or is not wanted, is zero.
        DEVICE_MEMBER void load(Pieces& p, i32 left) {
            if (inside && left >= BK) {
                const T* at = from;
#pragma unroll
                for (int i = 0; i < pieces; i++, at += apart) p[i] = loadReadOnly(at);
            } else {
                loadEdge(p, left);
            }
            from += advance;
        }

        DEVICE_MEMBER void loadEdge(Pieces& p, i32 left) const {
            u32 t = opaque(threadX());
            i32 rows = (kMajor ? extentLeft : left) - (i32)row(t), columns = (kMajor ? left : extentLeft) - (i32)column(t);
            const T* at = from;
            bool whole = packed && columns >= V;
#pragma unroll
            for (int i = 0; i < pieces; i++) {
                p[i] = packOf<T>(0, 0, 0, 0);
                if (rows > 0) {
                    if (whole) {
                        p[i] = loadReadOnly(at);
                    } else {
                        unrolled<V>([&](auto e) {
                            if (e.value < columns) p[i].v[e.value] = loadReadOnlyAt<e.value>(at);
                        });
                    }
                }
                at += apart;
                rows -= rowsApart();
            }
        }

        // place is where the first piece goes, in bytes from the tile's first on.
        DEVICE_MEMBER u32 place() const {
            constexpr u32 size = sizeof(T);
            u32 t = threadX(), r = row(t), c = column(t);
            return kMajor ? c * extent * size + (r * size ^ c / V * twist) : r * extent * size + (c * size ^ r / V * twist);
        }

        // store puts the pieces into a tile of BK rows of extent elements, the first of them at the shared address to. Quarter q of the rows has its
        // elements at bytes b xor 32q, so that the threads of a warp that hold pieces along k write to different banks.
        DEVICE_MEMBER void store(u32 to, const Pieces& p) const {
            constexpr u32 size = sizeof(T);
            if (kMajor) {
                unrolled<pieces>([&](auto i) {
                    u32 first = at<i.value * threads / 4 * size>(to);
                    unrolled<V>([&](auto e) { storeSharedAt<e.value * extent * (int)size>(first, p[i.value].v[e.value]); });
                });
            } else {
                unrolled<pieces>([&](auto i) { storeSharedPack(at<i.value * (rowsK * extent * size + rowsK / V * twist)>(to), p[i.value]); });
            }
        }
    };

    typedef T Sums[squaresM][squaresN][V][V];

    // The first row and column of a thread.
    static DEVICE_MEMBER u32 row(u32 thread) { return thread / 32 / warpsN * WM + thread % 32 / lanesN * V; }
    static DEVICE_MEMBER u32 column(u32 thread) { return thread / 32 % warpsN * WN + thread % lanesN * V; }

    // multiply adds to the sums the product of some quarters of the rows of k of the tiles at the shared address tiles, A before B. The thread's first
    // elements of a row are placeA and placeB bytes past the tiles' first.
    static DEVICE_MEMBER void multiply(Sums& c, u32 tiles, u32 placeA, u32 placeB, u32 from, u32 to) {
        static_assert(lanesM * 16 == 128 && lanesN * 16 == 64, "squares are apart by whole lines of banks, or by half a line, which the twist may swap");
        u32 a0 = tiles + placeA, b0 = tiles + bytesA + placeB;
#pragma unroll 1
        for (u32 quarter = from; quarter < to; quarter++) {
            u32 a = (a0 ^ quarter * twist) + quarter * V * BM * (u32)sizeof(T);
            u32 b[2] = {(b0 ^ quarter * twist) + quarter * V * BN * (u32)sizeof(T), (b0 ^ 64 ^ quarter * twist) + quarter * V * BN * (u32)sizeof(T)};
            Pack<T> x[2][squaresM], y[2][squaresN];
            auto load = [&](auto e, auto& to, auto& yto) {
                unrolled<squaresM>([&](auto i) { loadSharedPack<e.value * BM * (int)sizeof(T) + i.value * 128>(a, to[i.value]); });
                unrolled<squaresN>([&](auto j) { loadSharedPack<e.value * BN * (int)sizeof(T) + j.value / 2 * 128>(b[j.value % 2], yto[j.value]); });
            };
            load(Constant<0>(), x[0], y[0]);
            unrolled<V>([&](auto e) {
                constexpr int now = e.value % 2, next = (e.value + 1) % 2;
                if constexpr (e.value + 1 < V) load(Constant<e.value + 1>(), x[next], y[next]);
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
    TilePlace tile(blockX(), g.m, g.n, BM, BN);
    u32 k = blockY() * g.splitLength, last = smaller(g.k, k + g.splitLength), z = blockZ();
    const T *a = g.a + z * g.strideA, *b = g.b + z * g.strideB;
    bool kMajorA = !(g.flags & gemmTransA), kMajorB = g.flags & gemmTransB, packedA = g.flags & gemmPackedA, packedB = g.flags & gemmPackedB;
    typename Tile::template Loader<BM> nextA(a, g.lda, tile.row, g.m, k, kMajorA, packedA);
    typename Tile::template Loader<BN> nextB(b, g.ldb, tile.column, g.n, k, kMajorB, packedB);
    const u32 toA = nextA.place(), toB = nextB.place(), placeA = Tile::row(threadX()) * (u32)sizeof(T), placeB = Tile::column(threadX()) * (u32)sizeof(T);
    const u32 both = 2 * shared(memory) + Tile::bytes; // the sum of the addresses of the two stages
    u32 tiles = shared(memory);
    {
        typename Tile::template Loader<BM>::Pieces p;
        typename Tile::template Loader<BN>::Pieces q;
        nextA.load(p, last - k);
        nextB.load(q, last - k);
        nextA.store(tiles + toA, p);
        nextB.store(tiles + Tile::bytesA + toB, q);
    }
    typename Tile::Sums sums;
#pragma unroll
    for (int i = 0; i < Tile::squaresM; i++)
#pragma unroll
        for (int j = 0; j < Tile::squaresN; j++)
#pragma unroll
            for (int u = 0; u < V; u++)
#pragma unroll
                for (int v = 0; v < V; v++) sums[i][j][u][v] = 0;
#pragma unroll 1
    for (; k < last; k += BK) {
        barrier();
        u32 next = both - tiles;
        typename Tile::template Loader<BM>::Pieces p;
        nextA.load(p, last - k - BK);
        Tile::multiply(sums, tiles, placeA, placeB, 0, 2);
        nextA.store(next + toA, p);
        typename Tile::template Loader<BN>::Pieces q;
        nextB.load(q, last - k - BK);
        Tile::multiply(sums, tiles, placeA, placeB, 2, 4);
        nextB.store(next + Tile::bytesA + toB, q);
        tiles = next;
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
                u32 r = warp() / Tile::warpsN * height + lane() / Tile::lanesN * V + u, col = Tile::column(threadX()) + j * Tile::lanesN * V;
                if constexpr (V == 4) block.put4(r, col, sums[i][j][u][0], sums[i][j][u][1], sums[i][j][u][2], sums[i][j][u][3]);
                else block.put2(r, col, sums[i][j][u][0], sums[i][j][u][1]);
            }
        barrier();
        finishRows<Tile::threads, height, Tile::warpRows>(block, f, tile.row + i * height, tile.column, g.m, g.n);
    }
}
