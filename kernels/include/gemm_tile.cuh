// Matrix products on tensor cores: the main loop of ring.cuh on stored matrices.
#pragma once
#include "gemm_problem.cuh"
#include "tensor_tile.cuh"

// MatrixLoader copies tiles of a stored matrix: rows×columns elements, ld from row to row, of which the tile's own rows and columns begin at
// (row0, column0). advanceRows says that successive tiles follow one another down the rows (k is the rows), else along them. What lies
// outside is zero. width is the bytes that addresses are known to be a multiple of: always 16 unless anyWidth is set.
template <typename Tile, typename T, int threads, bool advanceRows, bool anyWidth>
struct MatrixLoader {
    static constexpr int size = sizeof(T), perPiece = 16 / size, rowsApart = threads / Tile::pieces, passes = Tile::rows / rowsApart;
    static_assert(threads % Tile::pieces == 0 && Tile::rows % rowsApart == 0, "a thread copies the same column of pieces in each pass");
    const u8* from;
    i64 apart;          // bytes between the rows of successive passes
    i64 advance;        // bytes between tiles
    i32 rows, columns;  // left from the thread's first element on
    u32 at;             // of the thread's first piece
    u32 width;

    DEVICE_MEMBER MatrixLoader(const T* matrix, i64 ld, u32 rowCount, u32 columnCount, u32 row0, u32 column0, u32 width_) {
        u32 row = threadX() / Tile::pieces, piece = threadX() % Tile::pieces;
        from = (const u8*)(matrix + (i64)(row0 + row) * ld + column0 + piece * perPiece);
        apart = rowsApart * ld * size;
        advance = advanceRows ? Tile::rows * ld * size : (i64)Tile::columns * size;
        rows = (i32)(rowCount - row0 - row);
        columns = (i32)(columnCount - column0 - piece * perPiece);
        width = width_;
        static_assert(rowsApart % Tile::twistPeriod == 0, "passes keep the twist of a row");
        at = Tile::at(row, piece);
    }

    DEVICE_MEMBER void copy(u32 tile) {
        const u8* p = from;
        i32 whole = (columns < 0 ? 0 : columns > perPiece ? perPiece : columns) * size; // bytes of the piece that lie in the matrix
#pragma unroll
        for (int i = 0; i < passes; i++) {
            i32 bytes = i * rowsApart < rows ? whole : 0;
            u32 to = tile + at + i * rowsApart * Tile::rowBytes;
            if (!anyWidth || width == 16) copyPiece<16>(to, p, bytes);
            else if (width == 8) copyPiece<8>(to, p, bytes);
            else if (size == 4 || width == 4) copyPiece<4>(to, p, bytes);
            else copyHalves(to, p, bytes);
            p += apart;
        }
        from += advance;
        if (advanceRows) rows -= Tile::rows;
        else columns -= Tile::columns;
    }

    template <int unit>
    static DEVICE_MEMBER void copyPiece(u32 to, const u8* p, i32 bytes) {
#pragma unroll
        for (int b = 0; b < 16; b += unit) {
            i32 left = bytes - b;
            copyAsyncBytes<unit>(to + b, p + b, left < 0 ? 0 : left > unit ? unit : left);
        }
    }

    // copyHalves is for elements of 2 bytes that are aligned to no more: plain loads and one store.
    static DEVICE_MEMBER void copyHalves(u32 to, const u8* p, i32 bytes) {
        u32 w[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            u32 low = 0, high = 0;
            if (4 * i < bytes) low = *(const u16*)(p + 4 * i);
            if (4 * i + 2 < bytes) high = *(const u16*)(p + 4 * i + 2);
            w[i] = low | high << 16;
        }
        storeShared4(to, w[0], w[1], w[2], w[3]);
    }
};

// MatrixLoaders copy tiles of A and B, one after the other.
template <typename Tile, typename LoaderA, typename LoaderB>
struct MatrixLoaders {
    LoaderA& a;
    LoaderB& b;
    DEVICE_MEMBER void copy(u32 stage) {
        a.copy(stage);
        b.copy(stage + Tile::A::bytes);
    }
    DEVICE_MEMBER void prepare() {}
};

// gemmTensor computes the tile of a block, of matrix z of the batch. S is the type that the elements are stored in.
template <typename T, typename Tile, bool kMajorA, bool kMajorB, bool anyWidth, typename S>
DEVICE void gemmTensor(const Gemm<S, float>& g) {
    DYNAMIC_SHARED(u8, memory);
    const u32 ring = shared(memory);
    TilePlace place(blockX(), g.m, g.n, Tile::BM, Tile::BN);
    u32 first = blockY() * g.splitLength, last = smaller(g.k, first + g.splitLength);
    u32 count = ceilDiv(last - first, (u32)Tile::BK);
    u32 z = blockZ();
    typedef MatrixLoader<typename Tile::A, S, Tile::threads, !kMajorA, anyWidth> LoaderA;
    typedef MatrixLoader<typename Tile::B, S, Tile::threads, !kMajorB, anyWidth> LoaderB;
    LoaderA a(g.a + z * g.strideA, g.lda, kMajorA ? g.m : last, kMajorA ? last : g.m, kMajorA ? place.row : first, kMajorA ? first : place.row, g.widthA);
    LoaderB b(g.b + z * g.strideB, g.ldb, kMajorB ? g.n : last, kMajorB ? last : g.n, kMajorB ? place.column : first, kMajorB ? first : place.column, g.widthB);
    MatrixLoaders<Tile, LoaderA, LoaderB> load = {a, b};
    typename Tile::Sums sums;
    Tile::clear(sums);
    runRing<Tile>(sums, load, count, ring);
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
