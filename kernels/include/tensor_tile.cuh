// Tiles that are multiplied on tensor cores: fragments come from shared memory by ldmatrix and are multiplied by mma.sync.
#pragma once
#include "mma.cuh"
#include "ring.cuh"

// TensorTile is how a block of threads computes a BM×BN tile of the result: warps of WM×WN, steps of BK, a ring of stages. ahead is for tiles whose
// threads have registers for the fragments of two steps.
template <typename T, int BM_, int BN_, int BK_, int WM_, int WN_, int stages_, bool kMajorA, bool kMajorB, bool ahead_ = true>
struct TensorTile {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, WM = WM_, WN = WN_, stages = stages_;
    static constexpr bool ahead = ahead_;
    static constexpr int warpsM = BM / WM, warpsN = BN / WN, threads = warpsM * warpsN * 32;
    static constexpr int step = Fragment<T>::K, steps = BK / step, fragmentsM = WM / 16, fragmentsN = WN / 8;
    typedef OperandTile<T, BM, BK, kMajorA> A;
    typedef OperandTile<T, BN, BK, kMajorB> B;
    static constexpr int stageBytes = A::bytes + B::bytes, ringBytes = stages * stageBytes;
    static_assert(fragmentsN % 2 == 0, "fragments of B are loaded in pairs");

    typedef float Sums[fragmentsM][fragmentsN][4];

    // Operands is the fragments of one step, as they lie in shared memory.
    struct Operands {
        u32 a[fragmentsM][4];
        u32 b[fragmentsN][2];
    };

    static DEVICE_MEMBER void clear(Sums& c) {
#pragma unroll
        for (int i = 0; i < fragmentsM; i++)
#pragma unroll
            for (int j = 0; j < fragmentsN; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) c[i][j][e] = 0;
    }

    static DEVICE_MEMBER u32 warpRow() { return warp() / warpsN * WM; }
    static DEVICE_MEMBER u32 warpColumn() { return warp() % warpsN * WN; }

    // load reads the fragments of step s from the stage at the shared address stage.
    static DEVICE_MEMBER void load(Operands& o, u32 stage, int s) {
        loadA(o, stage, s);
        loadB(o, stage + A::bytes, s);
    }

    static DEVICE_MEMBER void loadA(Operands& o, u32 tile, int s) {
        u32 l = lane(), m0 = warpRow(), first = 0;
        if constexpr (A::words) first = firstWord<A>(m0);
#pragma unroll
        for (int i = 0; i < fragmentsM; i++) {
            if constexpr (kMajorA) {
                loadMatrices(o.a[i], tile + i * 16 * A::rowBytes + A::at(m0 + l % 16, s * 2 + l / 16));
            } else if constexpr (sizeof(T) == 2) {
                loadTransposed(o.a[i], tile + A::at(s * 16 + l / 16 * 8 + l % 8, m0 / 8 + i * 2 + l / 8 % 2));
            } else {
#pragma unroll
                for (int r = 0; r < 4; r++) o.a[i][r] = word<A>(tile, first, s * 8 + r / 2 * 4, i * 16 + r % 2 * 8);
            }
        }
    }

    static DEVICE_MEMBER void loadB(Operands& o, u32 tile, int s) {
        u32 l = lane(), n0 = warpColumn(), first = 0;
        if constexpr (B::words) first = firstWord<B>(n0);
#pragma unroll
        for (int j = 0; j < fragmentsN; j += 2) {
            u32 d[4];
            if constexpr (kMajorB) {
                loadMatrices(d, tile + j * 8 * B::rowBytes + B::at(n0 + l / 16 * 8 + l % 8, s * 2 + l / 8 % 2));
            } else if constexpr (sizeof(T) == 2) {
                loadTransposed(d, tile + B::at(s * 16 + l % 16, n0 / 8 + j + l / 16));
            } else {
#pragma unroll
                for (int r = 0; r < 4; r++) d[r] = word<B>(tile, first, s * 8 + r % 2 * 4, j * 8 + r / 2 * 8);
            }
#pragma unroll
            for (int r = 0; r < 4; r++) o.b[j + r / 2][r % 2] = d[r];
        }
    }

    // firstWord is the offset of the lane's first word in a tile that is read by words: row lane%4, column lane/4 of the warp's own. word reads the one that
    // lies so many rows and columns further, multiples of 4 and 8. Its address is made of the first when it is read: there are no registers to keep them in.
    template <typename Tile>
    static DEVICE_MEMBER u32 firstWord(u32 column) {
        static_assert(WM % 32 == 0 && WN % 32 == 0, "the twist changes bits of the column that are 0 in the warp's own");
        column += lane() / 4;
        return opaque(Tile::at(lane() % 4, column / 4) + column % 4 * 4);
    }
    template <typename Tile>
    static DEVICE_MEMBER u32 word(u32 tile, u32 first, int row, int column) {
        u32 x, from = tile + (first ^ column % 32 * 4) + row * Tile::rowBytes + column / 32 * 128;
        asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(from) : "memory");
        return x;
    }

    // multiply adds the product of the fragments, which are rounded to tf32 on the way.
    static DEVICE_MEMBER void multiply(Sums& c, Operands& o) {
#pragma unroll
        for (int i = 0; i < fragmentsM; i++) {
            round(o.a[i]);
#pragma unroll
            for (int n = 0; n < fragmentsN; n++) {
                int j = i % 2 ? fragmentsN - 1 - n : n;
                if (i == 0) round(o.b[j]);
                Fragment<T>::multiply(c[i][j], o.a[i], o.b[j]);
            }
        }
    }

    template <int n>
    static DEVICE_MEMBER void round(u32 (&x)[n]) {
        if constexpr (sizeof(T) == 4) {
#pragma unroll
            for (int r = 0; r < n; r++) x[r] = toTF32(floatOf(x[r]));
        }
    }

    // multiply adds the product of the tiles of a stage.
    static DEVICE_MEMBER void multiply(Sums& c, u32 stage) {
#pragma unroll
        for (int s = 0; s < steps; s++) {
            Operands o;
            load(o, stage, s);
            multiply(c, o);
        }
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
