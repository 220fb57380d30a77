// The main loop of products and convolutions: tiles of two operands come through a ring of stages in shared memory (cp.async) and are multiplied.
//
// What is multiplied how is a Tile: TensorTile (tensor_tile.cuh) or ScalarTile (scalar_tile.cuh). What comes is a loader: MatrixLoaders of stored
// matrices (gemm_tile.cuh), or the gathers of a convolution (conv_load.cuh).
//
// A tile of operand A is BM rows (m) and BK columns (k), one of B is BN (n) and BK (k). In shared memory it lies as its source does: either rows
// of k ("k-major"), or rows of m or n. Pieces of 16 bytes are swapped within the rows so that neither copies nor reads meet bank conflicts.
#pragma once
#include "async.cuh"

// OperandTile is the place in shared memory of a tile of extent elements of m or n and BK of k. T is f16, bf16 or tf32 for tensor cores; float for CUDA
// cores, whose lanes read 16 neighbouring bytes each: of rows of k that are apart by a power of two, or of one row of m or n.
template <typename T, int extent, int BK, bool kMajor, int apart = 1>
struct OperandTile {
    static constexpr int rows = kMajor ? extent : BK, columns = kMajor ? BK : extent;
    static constexpr int pieceSize = 16 / sizeof(T), pieces = columns / pieceSize, rowBytes = columns * (int)sizeof(T), bytes = rows * rowBytes;
    static_assert(rowBytes == 64 || rowBytes % 128 == 0, "rows of 64 bytes, or of whole lines of banks");
    static constexpr bool words = !kMajor && sizeof(T) == 4; // are read: by tensor cores of 4 rows and 8 columns
    static constexpr int twistPeriod = words ? 4 : rowBytes == 64 && apart > 1 ? 4 * apart : 8 * apart;

    // at is the offset in bytes of a piece of 16 bytes.
    static DEVICE_MEMBER u32 at(u32 row, u32 piece) { return row * rowBytes + (piece ^ twist(row)) * 16; }
    static DEVICE_MEMBER u32 twist(u32 row) {
        if constexpr (words) return Same<T, float>::value ? 0 : row % 4 * 2;
        else if constexpr (rowBytes == 64) return row / (apart == 1 ? 2 : apart) % 4;
        else return row / apart % 8;
    }
};

// runRing adds count tiles of k to the sums. load.copy(at) starts the copies of the next tiles of A and B to the shared address at and moves on;
// load.prepare(), between barriers, makes what copies to come need. ring is the shared address of Tile::ringBytes bytes. When it returns, no copy is
// under way, and all threads have read what they need.
//
// A Tile that is ahead loads the fragments of the next step into registers while it multiplies those of the present one; others read as they multiply.
template <typename Tile, typename Load>
DEVICE void runRing(typename Tile::Sums& c, Load& load, u32 count, u32 ring) {
    constexpr int stages = Tile::stages;
    constexpr u32 stageBytes = Tile::stageBytes;
#pragma unroll 1
    for (u32 s = 0; s < stages - 1; s++) {
        if (s < count) load.copy(ring + s * stageBytes);
        commitAsync();
    }
    waitAsync<stages - 2>(); // the next tile has come, and all have read what they need of the stage that is filled next
    barrier();
    u32 read = ring, write = ring + (stages - 1) * stageBytes, end = ring + Tile::ringBytes;
    if constexpr (Tile::ahead) {
        constexpr int steps = Tile::steps;
        static_assert(steps % 2 == 0, "fragments alternate between two sets of registers");
        typename Tile::Operands o[2];
        if (count > 0) Tile::load(o[0], read, 0);
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
#pragma unroll
            for (int s = 0; s < steps; s++) {
                if (s == steps - 1) {
                    waitAsync<stages - 2>();
                    barrier();
                    read = read + stageBytes == end ? ring : read + stageBytes;
                    if (t + 1 < count) Tile::load(o[(s + 1) % 2], read, 0);
                } else {
                    Tile::load(o[(s + 1) % 2], read, s + 1);
                }
                if (s == 0) {
                    if (t + stages - 1 < count) load.copy(write);
                    load.prepare();
                    commitAsync();
                    write = write + stageBytes == end ? ring : write + stageBytes;
                }
                Tile::multiply(c, o[s % 2]);
            }
        }
    } else {
#pragma unroll 1
        for (u32 t = 0; t < count; t++) {
            if (t + stages - 1 < count) load.copy(write);
            load.prepare();
            commitAsync();
            write = write + stageBytes == end ? ring : write + stageBytes;
            Tile::multiply(c, read);
            read = read + stageBytes == end ? ring : read + stageBytes;
            waitAsync<stages - 2>();
            barrier();
        }
    }
    waitAsync<0>();
    barrier();
}
