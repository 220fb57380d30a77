// Tiles of a convolution as a matrix product: what a block holds in shared memory, how warps multiply it, and the loop around them.
//
// A tile of an operand is 64 bytes deep (16 elements of f32, 32 of f16 or bf16) and comes by cp.async into a ring of stages. Two layouts:
//   by rows: a row (or column of B) after the other, 64 bytes each, its four chunks of 16 bytes permuted so that eight rows are read without conflict;
//   by depth: for each step of the depth all rows, chunks permuted likewise.
#pragma once
#include "async.cuh"
#include "mma.cuh"

enum Layout { byRows, byDepth };

// Multiplied<T> is how T is stored; f32 is multiplied on CUDA cores, the others on tensor cores.
template <typename T> struct Multiplied { typedef T Stored; static constexpr bool tensor = true; };
template <> struct Multiplied<float> { typedef float Stored; static constexpr bool tensor = false; };
template <> struct Multiplied<tf32> { typedef float Stored; static constexpr bool tensor = true; };

template <typename A, typename B> struct Same { static constexpr bool value = false; };
template <typename A> struct Same<A, A> { static constexpr bool value = true; };

// Tile is the shape of a block's tile, of its warps' tiles, and the number of stages of the ring.
template <typename T, int rows_, int columns_, int warpRows_, int warpColumns_, int stages_>
struct Tile {
    typedef T Multiplicand;
    typedef typename Multiplied<T>::Stored Stored;
    static constexpr bool tensor = Multiplied<T>::tensor;
    static constexpr int rows = rows_, columns = columns_, warpRows = warpRows_, warpColumns = warpColumns_, stages = stages_;
    static constexpr int threads = 32 * (rows / warpRows) * (columns / warpColumns);
    static constexpr int depth = 64 / sizeof(Stored);   // elements of a tile's depth
    static constexpr int chunk = 16 / sizeof(Stored);   // elements of a chunk
    static constexpr int rowBytes = 64 * rows, columnBytes = 64 * columns, stageBytes = rowBytes + columnBytes;
    static constexpr int stagedRows = rows / warpRows * 32, stagedWidth = columns + 8; // of results on their way out
    static constexpr int sharedBytes = stages * stageBytes > stagedRows * stagedWidth * 4 ? stages * stageBytes : stagedRows * stagedWidth * 4;

    // Where the tile of A (rows) or B (columns) has a chunk, in bytes.
    template <bool ofB> static DEVICE_MEMBER u32 atRows(u32 row, u32 chunk) {
        u32 twist = (tensor || !ofB) ? row >> 1 : row >> 2;
        return row * 64 + ((chunk ^ (twist & 3)) << 4);
    }
    template <bool ofB> static DEVICE_MEMBER u32 atDepth(u32 k, u32 chunk) {
        u32 twist = !tensor ? 0 : sizeof(Stored) == 4 ? 2 * (k & 3) : k & 7;
        return k * ((ofB ? columns : rows) * (u32)sizeof(Stored)) + ((chunk ^ twist) << 4);
    }
};

// Sums are a thread's share of the results of a tile.
template <typename S, Layout layoutA, Layout layoutB, bool tensor = S::tensor> struct Sums;

// On CUDA cores the warp is 8×4 threads: thread (m, n) has the rows m, m+8, … (by depth: 4m… of each 32) and the columns 4n… of each 16.
template <typename S, Layout layoutA, Layout layoutB>
struct Sums<S, layoutA, layoutB, false> {
    static constexpr int rows = S::warpRows / 8, columns = S::warpColumns / 4;
    float c[rows][columns];
    u32 warpRow, warpColumn, m, n;

    DEVICE_MEMBER Sums() {
        warpRow = warp() % (S::rows / S::warpRows) * S::warpRows;
        warpColumn = warp() / (S::rows / S::warpRows) * S::warpColumns;
        m = lane() / 4, n = lane() % 4;
#pragma unroll
        for (int i = 0; i < rows; i++)
#pragma unroll
            for (int j = 0; j < columns; j++) c[i][j] = 0;
    }
    DEVICE_MEMBER void add(u32 tileA, u32 tileB) {
#pragma unroll 1 // four steps are 256 multiply-adds; more at a time spill
        for (int k = 0; k < S::depth; k += 4) addFour(tileA, tileB, k);
    }
    // addFour adds four steps of the depth. All rows share the loads of B: shared memory is what bounds these kernels.
    DEVICE_MEMBER void addFour(u32 tileA, u32 tileB, int k) {
        float a[rows][4];
        if constexpr (layoutA == byRows) {
            u32 at = tileA + S::template atRows<false>(warpRow + m, k / 4);
#pragma unroll
            for (int i = 0; i < rows; i++) loadShared4(at + i * 512, a[i][0], a[i][1], a[i][2], a[i][3]);
        } else {
#pragma unroll
            for (int q = 0; q < 4; q++)
#pragma unroll
                for (int i = 0; i < rows; i += 4)
                    loadShared4(tileA + S::template atDepth<false>(k + q, (warpRow + 8 * i) / 4 + m), a[i][q], a[i + 1][q], a[i + 2][q], a[i + 3][q]);
        }
        if constexpr (layoutB == byRows) {
            u32 at = tileB + S::template atRows<true>(warpColumn + 4 * n, k / 4);
#pragma unroll
            for (int j = 0; j < columns; j++) {
                float b[4];
                loadShared4(at + (16 * (j / 4) + j % 4) * 64, b[0], b[1], b[2], b[3]);
#pragma unroll
                for (int q = 0; q < 4; q++)
#pragma unroll
                    for (int i = 0; i < rows; i++) c[i][j] += a[i][q] * b[q];
            }
        } else {
#pragma unroll
            for (int q = 0; q < 4; q++)
#pragma unroll
                for (int j = 0; j < columns; j += 4) {
                    float b[4];
                    loadShared4(tileB + S::template atDepth<true>(k + q, warpColumn / 4 + j + n), b[0], b[1], b[2], b[3]);
#pragma unroll
                    for (int r = 0; r < 4; r++)
#pragma unroll
                        for (int i = 0; i < rows; i++) c[i][j + r] += a[i][q] * b[r];
                }
        }
    }
    // stage writes the 32 rows of part of each warp to rows of stagedWidth floats.
    template <int part> DEVICE_MEMBER void stage(u32 at) const {
        u32 row = warpRow / S::warpRows * 32;
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < columns; j += 4) {
                const float* v = c[4 * part + i] + j;
                u32 r = row + (layoutA == byRows ? m + 8 * i : 4 * m + i);
                storeShared4(at + (r * S::stagedWidth + warpColumn + 4 * n + 4 * j) * 4, v[0], v[1], v[2], v[3]);
            }
    }
};

// On tensor cores the warp's tile is made of products of 16×8 results.
template <typename S, Layout layoutA, Layout layoutB>
struct Sums<S, layoutA, layoutB, true> {
    typedef typename S::Multiplicand T;
    static constexpr int rows = S::warpRows / 16, columns = S::warpColumns / 8;
    static constexpr bool wide = sizeof(typename S::Stored) == 4;
    float c[rows][columns][4];
    u32 warpRow, warpColumn;

    DEVICE_MEMBER Sums() {
        warpRow = warp() % (S::rows / S::warpRows) * S::warpRows;
        warpColumn = warp() / (S::rows / S::warpRows) * S::warpColumns;
#pragma unroll
        for (int i = 0; i < rows; i++)
#pragma unroll
            for (int j = 0; j < columns; j++)
#pragma unroll
                for (int r = 0; r < 4; r++) c[i][j][r] = 0;
    }
    // Half a tile's depth is one product deep: 8 elements of 4 bytes or 16 of 2.
    DEVICE_MEMBER void add(u32 tileA, u32 tileB) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            u32 a[rows][4], b[columns][2];
#pragma unroll
            for (int i = 0; i < rows; i++) loadA(a[i], tileA, half, warpRow + 16 * i);
#pragma unroll
            for (int j = 0; j < columns; j += 2) loadB(b[j], b[j + 1], tileB, half, warpColumn + 8 * j);
#pragma unroll
            for (int i = 0; i < rows; i++)
#pragma unroll
                for (int j = 0; j < columns; j++) Fragment<T>::multiply(c[i][j], a[i], b[j]);
        }
    }
    static DEVICE_MEMBER u32 rounded(u32 x) { return wide ? toTF32(floatOf(x)) : x; }
    static DEVICE_MEMBER u32 loadWord(u32 at) {
        u32 x;
        asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(at) : "memory");
        return x;
    }
    DEVICE_MEMBER void loadA(u32 (&a)[4], u32 tile, int half, u32 row) {
        u32 l = lane();
        if constexpr (layoutA == byRows) {
            loadMatrices(a, tile + S::template atRows<false>(row + l % 16, 2 * half + l / 16));
        } else if constexpr (!wide) {
            loadTransposed(a, tile + S::template atDepth<false>(16 * half + l % 8 + l / 16 * 8, row / 8 + l / 8 % 2));
        } else {
#pragma unroll
            for (int r = 0; r < 4; r++) a[r] = loadWord(atWord<false>(tile, 8 * half + 4 * (r >> 1) + l % 4, row + 8 * (r & 1) + l / 4));
        }
        if constexpr (wide)
#pragma unroll
            for (int r = 0; r < 4; r++) a[r] = rounded(a[r]);
    }
    DEVICE_MEMBER void loadB(u32 (&b0)[2], u32 (&b1)[2], u32 tile, int half, u32 column) {
        u32 l = lane(), b[4];
        if constexpr (layoutB == byRows) {
            loadMatrices(b, tile + S::template atRows<true>(column + l % 8 + l / 16 * 8, 2 * half + l / 8 % 2));
        } else if constexpr (!wide) {
            loadTransposed(b, tile + S::template atDepth<true>(16 * half + l % 16, column / 8 + l / 16));
        } else {
#pragma unroll
            for (int r = 0; r < 4; r++) b[r] = loadWord(atWord<true>(tile, 8 * half + 4 * (r & 1) + l % 4, column + 8 * (r >> 1) + l / 4));
        }
        b0[0] = rounded(b[0]), b0[1] = rounded(b[1]), b1[0] = rounded(b[2]), b1[1] = rounded(b[3]);
    }
    template <bool ofB> static DEVICE_MEMBER u32 atWord(u32 tile, u32 k, u32 i) { return tile + S::template atDepth<ofB>(k, i / 4) + i % 4 * 4; }

    template <int part> DEVICE_MEMBER void stage(u32 at) const {
        u32 l = lane(), row = warpRow / S::warpRows * 32 + l / 4;
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < columns; j++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const float* v = c[2 * part + i][j] + 2 * h;
                    storeShared2(at + ((row + 16 * i + 8 * h) * S::stagedWidth + warpColumn + 8 * j + 2 * (l % 4)) * 4, v[0], v[1]);
                }
    }
};

// multiplyTiles sums the products of a number of tiles. load.next(a, b) begins the copies of the next tile to those addresses;
// load.prepare() makes what that needs for the tile stages later, and is followed by a barrier.
template <typename S, typename Load, typename Total>
DEVICE void multiplyTiles(u32 tiles, u32 ring, Load& load, Total& sums) {
    load.prepareFirst();
#pragma unroll 1
    for (int s = 0; s < S::stages - 1; s++) {
        if (s < tiles) load.next(ring + s * S::stageBytes, ring + s * S::stageBytes + S::rowBytes);
        commitAsync();
    }
    constexpr u32 size = S::stages * S::stageBytes;
    u32 at = 0;
#pragma unroll 1
    for (u32 left = tiles; left > 0; left--) {
        waitAsync<S::stages - 2>();
        barrier();
        u32 ahead = ring + (at == 0 ? size : at) - S::stageBytes;
        if (left >= S::stages) load.next(ahead, ahead + S::rowBytes);
        load.prepare();
        commitAsync();
        sums.add(ring + at, ring + at + S::rowBytes);
        if ((at += S::stageBytes) == size) at = 0;
    }
    waitAsync<0>();
    barrier();
}
