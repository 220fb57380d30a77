// Tiles that are multiplied on CUDA cores, in f32: lanes read 16 bytes of shared memory at a time, along k or along m and n, as the operands lie.
#pragma once
#include "memory.cuh"
#include "ring.cuh"

// ScalarTile is how a block of threads computes a BM×BN tile of the result: warps of WM×WN, steps of BK, a ring of stages. A warp is 8×4 threads.
// Thread (m, n) has the rows m, m + 8, …, or, where A lies along m, 4m to 4m + 3 of each 32; and the columns 4n to 4n + 3 of each 16.
template <int BM_, int BN_, int BK_, int WM_, int WN_, int stages_, bool kMajorA, bool kMajorB>
struct ScalarTile {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, WM = WM_, WN = WN_, stages = stages_;
    static constexpr bool ahead = false; // the registers hold the sums and one step's operands
    static constexpr int warpsN = BN / WN, threads = BM / WM * warpsN * 32, rows = WM / 8, columns = WN / 4;
    typedef OperandTile<float, BM, BK, kMajorA> A;
    typedef OperandTile<float, BN, BK, kMajorB, 4> B;
    static constexpr int stageBytes = A::bytes + B::bytes, ringBytes = stages * stageBytes;

    typedef float Sums[rows][columns];

    static DEVICE_MEMBER void clear(Sums& c) {
#pragma unroll
        for (int i = 0; i < rows; i++)
#pragma unroll
            for (int j = 0; j < columns; j++) c[i][j] = 0;
    }

    static DEVICE_MEMBER u32 warpRow() { return warp() / warpsN * WM; }
    static DEVICE_MEMBER u32 warpColumn() { return warp() % warpsN * WN; }

    // multiply adds the product of the tiles of a stage.
    static DEVICE_MEMBER void multiply(Sums& c, u32 stage) {
#pragma unroll 1 // four steps are many multiply-adds; more at a time spill
        for (u32 k = 0; k < BK; k += 4) multiplyFour(c, stage, stage + A::bytes, k);
    }

    // multiplyFour adds four steps of k. All rows share the loads of B: shared memory is what bounds these kernels.
    static DEVICE_MEMBER void multiplyFour(Sums& c, u32 tileA, u32 tileB, u32 k) {
        u32 m = lane() / 4, n = lane() % 4;
        float a[rows][4];
        if constexpr (kMajorA) {
            static_assert(8 % A::twistPeriod == 0, "rows 8 apart have the same twist");
            u32 at = tileA + A::at(warpRow() + m, k / 4);
#pragma unroll
            for (int i = 0; i < rows; i++) loadShared4(at + i * 8 * A::rowBytes, a[i][0], a[i][1], a[i][2], a[i][3]);
        } else {
#pragma unroll
            for (int q = 0; q < 4; q++)
#pragma unroll
                for (int i = 0; i < rows; i += 4)
                    loadShared4(tileA + A::at(k + q, (warpRow() + 8 * i) / 4 + m), a[i][q], a[i + 1][q], a[i + 2][q], a[i + 3][q]);
        }
        if constexpr (kMajorB) {
            u32 at = tileB + B::at(warpColumn() + 4 * n, k / 4);
#pragma unroll
            for (int j = 0; j < columns; j++) { // the twist of four neighbouring rows is the same, and that of rows 16 apart
                float b[4];
                loadShared4(at + (16 * (j / 4) + j % 4) * B::rowBytes, b[0], b[1], b[2], b[3]);
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
                    loadShared4(tileB + B::at(k + q, warpColumn() / 4 + j + n), b[0], b[1], b[2], b[3]);
#pragma unroll
                    for (int r = 0; r < 4; r++)
#pragma unroll
                        for (int i = 0; i < rows; i++) c[i][j + r] += a[i][q] * b[r];
                }
        }
    }

    // put stages the sums in shared memory as a Block (gemm_epilogue.cuh) of BM×BN.
    template <typename Block>
    static DEVICE_MEMBER void put(const Block& block, const Sums& c) {
        u32 m = lane() / 4, n = lane() % 4;
#pragma unroll
        for (int i = 0; i < rows; i++)
#pragma unroll
            for (int j = 0; j < columns; j += 4) {
                u32 row = warpRow() + (kMajorA ? m + 8 * i : 4 * m + i / 4 * 32 + i % 4);
                block.put4(row, warpColumn() + 4 * n + 4 * j, c[i][j], c[i][j + 1], c[i][j + 2], c[i][j + 3]);
            }
    }
};
