// The main loop of products on tensor cores: tiles of A and B come through a ring of stages in shared memory (cp.async), fragments of the next
// step are loaded (ldmatrix) while mma.sync works on those of the present one. Convolutions use it with loaders of their own.
//
// A tile of operand A is BM rows (m) and BK columns (k), one of B is BN (n) and BK (k). In shared memory it lies as its source does: either rows
// of k ("k-major"), or rows of m or n. Pieces of 16 bytes are swapped within the rows so that neither copies nor ldmatrix meet bank conflicts.
#pragma once
#include "async.cuh"
#include "mma.cuh"

// OperandTile is the place in shared memory of a tile of extent elements of m or n and BK of k; T is f16, bf16 or tf32.
template <typename T, int extent, int BK, bool kMajor>
struct OperandTile {
    static constexpr int rows = kMajor ? extent : BK, columns = kMajor ? BK : extent;
    static constexpr int pieceSize = 16 / sizeof(T), pieces = columns / pieceSize, rowBytes = columns * (int)sizeof(T), bytes = rows * rowBytes;
    static_assert(rowBytes == 64 || rowBytes % 128 == 0, "rows of 64 bytes, or of whole lines of banks");

    static constexpr int twistPeriod = !kMajor && sizeof(T) == 4 ? 4 : 8;

    // at is the offset in bytes of a piece of 16 bytes.
    static DEVICE_MEMBER u32 at(u32 row, u32 piece) { return row * rowBytes + (piece ^ twist(row)) * 16; }
    static DEVICE_MEMBER u32 twist(u32 row) {
        if constexpr (!kMajor && sizeof(T) == 4) return row % 4 * 2; // single words are read, of 4 rows and 8 columns
        else if constexpr (rowBytes == 64) return row / 2 % 4;
        else return row % 8;
    }
};

// TensorTile is how a block of threads computes a BM×BN tile of the result: warps of WM×WN, steps of BK, a ring of stages.
template <typename T, int BM_, int BN_, int BK_, int WM_, int WN_, int stages_, bool kMajorA, bool kMajorB>
struct TensorTile {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, WM = WM_, WN = WN_, stages = stages_;
    static constexpr int warpsM = BM / WM, warpsN = BN / WN, threads = warpsM * warpsN * 32;
    static constexpr int step = Fragment<T>::K, steps = BK / step, fragmentsM = WM / 16, fragmentsN = WN / 8;
    typedef OperandTile<T, BM, BK, kMajorA> A;
    typedef OperandTile<T, BN, BK, kMajorB> B;
    static constexpr int stageBytes = A::bytes + B::bytes, ringBytes = stages * stageBytes;
    static_assert(steps % 2 == 0, "fragments alternate between two sets of registers");
    static_assert(fragmentsN % 2 == 0, "fragments of B are loaded in pairs");

    typedef float Sums[fragmentsM][fragmentsN][4];

    // Operands is the fragments of one step.
    struct Operands {
        u32 a[fragmentsM][4];
        u32 b[fragmentsN][2];
    };

    static DEVICE_MEMBER u32 warpRow() { return warp() / warpsN * WM; }
    static DEVICE_MEMBER u32 warpColumn() { return warp() % warpsN * WN; }

    // load reads the fragments of step s from the stage at the shared address stage.
    static DEVICE_MEMBER void load(Operands& o, u32 stage, int s) {
        loadA(o, stage, s);
        loadB(o, stage + A::bytes, s);
    }

    static DEVICE_MEMBER void loadA(Operands& o, u32 tile, int s) {
        u32 l = lane(), m0 = warpRow();
#pragma unroll
        for (int i = 0; i < fragmentsM; i++) {
            if constexpr (kMajorA) {
                loadMatrices(o.a[i], tile + i * 16 * A::rowBytes + A::at(m0 + l % 16, s * 2 + l / 16));
            } else if constexpr (sizeof(T) == 2) {
                loadTransposed(o.a[i], tile + A::at(s * 16 + l / 16 * 8 + l % 8, m0 / 8 + i * 2 + l / 8 % 2));
            } else {
#pragma unroll
                for (int r = 0; r < 4; r++) o.a[i][r] = word<A>(tile, s * 8 + l % 4 + r / 2 * 4, m0 + i * 16 + l / 4 + r % 2 * 8);
            }
        }
        if constexpr (sizeof(T) == 4) {
#pragma unroll
            for (int i = 0; i < fragmentsM; i++)
#pragma unroll
                for (int r = 0; r < 4; r++) o.a[i][r] = toTF32(floatOf(o.a[i][r]));
        }
    }

    static DEVICE_MEMBER void loadB(Operands& o, u32 tile, int s) {
        u32 l = lane(), n0 = warpColumn();
#pragma unroll
        for (int j = 0; j < fragmentsN; j += 2) {
            u32 d[4];
            if constexpr (kMajorB) {
                loadMatrices(d, tile + j * 8 * B::rowBytes + B::at(n0 + l / 16 * 8 + l % 8, s * 2 + l / 8 % 2));
            } else if constexpr (sizeof(T) == 2) {
                loadTransposed(d, tile + B::at(s * 16 + l % 16, n0 / 8 + j + l / 16));
            } else {
#pragma unroll
                for (int r = 0; r < 4; r++) d[r] = word<B>(tile, s * 8 + l % 4 + r % 2 * 4, n0 + j * 8 + l / 4 + r / 2 * 8);
            }
#pragma unroll
            for (int r = 0; r < 4; r++) o.b[j + r / 2][r % 2] = sizeof(T) == 4 ? toTF32(floatOf(d[r])) : d[r];
        }
    }

    template <typename Tile>
    static DEVICE_MEMBER u32 word(u32 tile, u32 row, u32 column) {
        u32 x;
        asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(tile + Tile::at(row, column / 4) + column % 4 * 4) : "memory");
        return x;
    }

    static DEVICE_MEMBER void multiply(Sums& c, const Operands& o) {
#pragma unroll
        for (int i = 0; i < fragmentsM; i++)
#pragma unroll
            for (int j = 0; j < fragmentsN; j++) Fragment<T>::multiply(c[i][i % 2 ? fragmentsN - 1 - j : j], o.a[i], o.b[i % 2 ? fragmentsN - 1 - j : j]);
    }

    // run adds count tiles of k to the sums. a.copy(at) and b.copy(at) start the copies of their next tile to the shared address at
    // (of an A or B above) and move on; ring is the shared address of ringBytes bytes. No copy is under way when it returns.
    template <typename LoaderA, typename LoaderB>
    static DEVICE_MEMBER void run(Sums& c, LoaderA& a, LoaderB& b, u32 count, u32 ring) {
#pragma unroll 1
        for (u32 s = 0; s < stages - 1; s++) {
            if (s < count) {
                a.copy(ring + s * stageBytes);
                b.copy(ring + s * stageBytes + A::bytes);
            }
            commitAsync();
        }
        waitAsync<stages - 2>();
        barrier();
        u32 read = ring, write = ring + (stages - 1) * stageBytes, end = ring + ringBytes;
        Operands o[2];
        if (count > 0) load(o[0], read, 0);
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
#pragma unroll
            for (int s = 0; s < steps; s++) {
                if (s == steps - 1) { // the next tile has come, and all have read what they need of the stage that is filled next
                    waitAsync<stages - 2>();
                    barrier();
                    read = read + stageBytes == end ? ring : read + stageBytes;
                    if (t + 1 < count) load(o[(s + 1) % 2], read, 0);
                } else {
                    load(o[(s + 1) % 2], read, s + 1);
                }
                if (s == 0) {
                    if (t + stages - 1 < count) {
                        a.copy(write);
                        b.copy(write + A::bytes);
                    }
                    commitAsync();
                    write = write + stageBytes == end ? ring : write + stageBytes;
                }
                multiply(c, o[s % 2]);
            }
        }
        waitAsync<0>();
        barrier();
    }

    // put stages the sums in shared memory as a Block (gemm_epilogue.cuh) of BM×BN.
    template <typename Block>
    static DEVICE_MEMBER void put(const Block& block, const Sums& c) {
        constexpr int eightRows = 8 * BN * (int)sizeof(float); // a step down that keeps the place within a row
        u32 row = warpRow() + lane() / 4, column = warpColumn() + lane() % 4 * 2;
#pragma unroll
        for (int j = 0; j < fragmentsN; j++) {
            u32 at = block.piece(row, column + j * 8);
            unrolled<fragmentsM>([&](auto i) {
                storeSharedAt2<i.value * 2 * eightRows>(at, c[i.value][j][0], c[i.value][j][1]);
                storeSharedAt2<(i.value * 2 + 1) * eightRows>(at, c[i.value][j][2], c[i.value][j][3]);
            });
        }
    }
};

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
            else if (width == 4) copyPiece<4>(to, p, bytes);
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
