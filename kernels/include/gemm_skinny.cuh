// Products with few rows or few columns, bound by the memory that the large operand is read from: C (or its transpose) is X·Yᵀ with X of
// many rows of k, and Y of at most 8.
#pragma once
#include "gemm_problem.cuh"
#include "warp.cuh"

enum { gemmSwap = 64 }; // flags: X is op(B)ᵀ and Y is op(A), else X is op(A) and Y is op(B)ᵀ

// Skinny is the operands by their strides: element (r, k) of X is x[r·xr + k·xk].
template <typename T, typename R>
struct Skinny {
    u32 rows, few;
    const T *x, *y;
    i64 xr, xk, yr, yk;
    bool packedX, packedY, swap;

    DEVICE_MEMBER Skinny(const Gemm<T, R>& g, u32 z) {
        const T *a = g.a + z * g.strideA, *b = g.b + z * g.strideB;
        bool transA = g.flags & gemmTransA, transB = g.flags & gemmTransB;
        swap = g.flags & gemmSwap;
        i64 ar = transA ? 1 : g.lda, ak = transA ? g.lda : 1, br = transB ? g.ldb : 1, bk = transB ? 1 : g.ldb;
        rows = swap ? g.n : g.m, few = swap ? g.m : g.n;
        x = swap ? b : a, xr = swap ? br : ar, xk = swap ? bk : ak, packedX = g.flags & (swap ? gemmPackedB : gemmPackedA);
        y = swap ? a : b, yr = swap ? ar : br, yk = swap ? ak : bk, packedY = (g.flags & (swap ? gemmPackedA : gemmPackedB)) && yk == 1;
    }

    // finish ends element (r, j) of X·Yᵀ.
    DEVICE_MEMBER void finish(const Gemm<T, R>& g, u32 z, u32 r, u32 j, R sum) const {
        u32 row = swap ? j : r, column = swap ? r : j;
        if (g.partial) {
            g.store(z, blockY()).c[(i64)row * g.partialLd + column] = sum;
        } else if (sizeof(T) != 2 || g.flags & gemmWide) {
            one(g.template finish<R>(z), row, column, sum);
        } else if constexpr (sizeof(T) == 2) {
            one(g.template finish<T>(z), row, column, sum);
        }
    }
    template <typename C>
    static DEVICE_MEMBER void one(Finish<C, R> f, u32 row, u32 column, R sum) {
        i64 at = row * f.ld + column;
        R v = f.alpha * sum;
        if (f.beta != 0) v += f.beta * toReal(f.c[at]);
        if (f.bias) v += f.bias[column];
        if (f.residual) v += toReal(f.residual[at]);
        f.c[at] = rounded<C>(f.act == actNone ? v : f.act == actClamp ? atMost(atLeast(v, f.low), f.high) : activateOne(f.act, v));
    }
};

// gemmDots is for X that lies along k: a warp takes 4 rows, its lanes the pieces of 16 bytes of them in turn.
template <int J, typename T, typename R>
DEVICE void gemmDots(const Gemm<T, R>& g) {
    constexpr int V = 16 / sizeof(T), height = 4;
    constexpr int atOnce = sizeof(R) == 8 && J > 4 ? 4 : J; // rows of Y: all of them and the sums in f64 are more than the registers
    u32 z = blockZ();
    Skinny<T, R> s(g, z);
    auto firstRow = [](u32 thread) { return (blockX() * (blockWidth() / 32) + thread / 32) * height; };
    u32 r0 = firstRow(threadX());
    if (r0 >= s.rows) return;
    u32 k = blockY() * g.splitLength, last = smaller(g.k, k + g.splitLength);
    R sums[height * J];
#pragma unroll
    for (int i = 0; i < height * J; i++) sums[i] = 0;
    const T* x[height];
#pragma unroll
    for (int r = 0; r < height; r++) x[r] = s.x + smaller(r0 + r, s.rows - 1) * s.xr;
    if (s.packedX) {
        u32 whole = k + (last - k) / V * V; // splits begin at whole pieces
#pragma unroll 1
        for (u32 at = k + lane() * V; at < whole; at += 32 * V) {
            Pack<T> p[height];
#pragma unroll
            for (int r = 0; r < height; r++) p[r] = loadReadOnly(x[r] + at);
            const T* y = s.y + at * s.yk;
#pragma unroll
            for (int j0 = 0; j0 < J; j0 += atOnce) {
                Pack<T> q[atOnce]; // past the few rows, the last one again: nobody looks at those sums
#pragma unroll
                for (int j = 0; j < atOnce; j++) {
                    if (s.packedY) {
                        q[j] = loadPack(y);
                    } else {
#pragma unroll
                        for (int e = 0; e < V; e++) q[j][e] = y[e * s.yk];
                    }
                    y += j0 + j + 1 < s.few ? s.yr : 0;
                }
#pragma unroll
                for (int e = 0; e < V; e++)
#pragma unroll
                    for (int r = 0; r < height; r++)
#pragma unroll
                        for (int j = 0; j < atOnce; j++) sums[r * J + j0 + j] = mathFma(toReal(p[r][e]), toReal(q[j][e]), sums[r * J + j0 + j]);
            }
        }
        k = whole;
    }
#pragma unroll 1
    for (u32 at = k + lane(); at < last; at += 32) {
        R p[height];
#pragma unroll
        for (int r = 0; r < height; r++) p[r] = toReal(x[r][at]);
        const T* y = s.y + at * s.yk;
#pragma unroll
        for (int j = 0; j < J; j++) {
            R f = toReal(*y);
            y += j + 1 < s.few ? s.yr : 0;
#pragma unroll
            for (int r = 0; r < height; r++) sums[r * J + j] = mathFma(p[r], f, sums[r * J + j]);
        }
    }
    R mine = warpTransposeSum<height * J>(sums); // each lane finishes one result
#pragma unroll
    for (int mask = height * J; mask < 32; mask *= 2) mine += shuffledXor(mine, mask);
    u32 r = firstRow(opaque(threadX())) + lane() / J, j = lane() % J; // again: there are no registers to keep it in
    if (lane() < height * J && r < s.rows && j < s.few) s.finish(g, z, r, j, mine);
}

// gemmSweep is for X that lies along its rows: a lane takes 16 bytes of rows, the 4 warps of a block every fourth k; their sums meet in shared
// memory, to which Y comes by chunks of k.
template <int J, typename T, typename R>
DEVICE void gemmSweep(const Gemm<T, R>& g) {
    constexpr int V = 16 / sizeof(T), width = 32 * V, warps = 4, chunk = 128, unroll = 4;
    __shared__ R parts[warps][J][width];
    __shared__ R ys[chunk][J];
    u32 z = blockZ();
    Skinny<T, R> s(g, z);
    u32 r0 = blockX() * width, mine = r0 + lane() * V;
    u32 first = blockY() * g.splitLength, last = smaller(g.k, first + g.splitLength);
    R sums[J][V];
#pragma unroll
    for (int j = 0; j < J; j++)
#pragma unroll
        for (int e = 0; e < V; e++) sums[j][e] = 0;
    bool whole = s.packedX && mine + V <= s.rows;
#pragma unroll 1
    for (u32 k0 = first; k0 < last; k0 += chunk) {
        barrier();
#pragma unroll 1
        for (u32 i = threadX(); i < chunk * J; i += warps * 32) {
            u32 j = i / chunk, k = i % chunk;
            R y = 0;
            if (j < s.few && k0 + k < last) y = toReal(s.y[j * s.yr + (k0 + k) * s.yk]);
            ys[k][j] = y;
        }
        barrier();
#pragma unroll 1
        for (u32 k = warp(); k < chunk && k0 + k < last; k += warps * unroll) {
            Pack<T> p[unroll];
#pragma unroll
            for (int i = 0; i < unroll; i++) {
                p[i] = packOf<T>(0, 0, 0, 0);
                u32 at = k0 + k + i * warps;
                if (at < last) {
                    const T* x = s.x + at * s.xk + mine;
                    if (whole) {
                        p[i] = loadReadOnly(x);
                    } else {
#pragma unroll
                        for (int e = 0; e < V; e++)
                            if (mine + e < s.rows) p[i][e] = x[e];
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < unroll; i++)
#pragma unroll
                for (int j = 0; j < J; j++) {
                    R y = ys[k + i * warps][j];
#pragma unroll
                    for (int e = 0; e < V; e++) sums[j][e] = mathFma(toReal(p[i][e]), y, sums[j][e]);
                }
        }
    }
#pragma unroll
    for (int j = 0; j < J; j++)
#pragma unroll
        for (int e = 0; e < V; e++) parts[warp()][j][e * 32 + lane()] = sums[j][e];
    barrier();
#pragma unroll 1
    for (u32 i = threadX(); i < J * width; i += warps * 32) {
        u32 j = i / width, at = i % width;
        if (r0 + at >= s.rows || j >= s.few) continue;
        u32 from = at % V * 32 + at / V;
        R sum = parts[0][j][from];
#pragma unroll
        for (int w = 1; w < warps; w++) sum += parts[w][j][from];
        s.finish(g, z, r0 + at, j, sum);
    }
}

// GEMM_SKINNY defines the entry points of one type: dots and sweeps with 1 and up to 8 of the few rows.
#define GEMM_SKINNY(T, R, name, wide)                                                              \
    KERNEL(128, 8) name##_dots1(GEMM_PARAMETERS(T, R)) { gemmDots<1, T, R>(GEMM_ARGUMENTS); }      \
    KERNEL(128, wide) name##_dots8(GEMM_PARAMETERS(T, R)) { gemmDots<8, T, R>(GEMM_ARGUMENTS); }   \
    KERNEL(128, 8) name##_sweep1(GEMM_PARAMETERS(T, R)) { gemmSweep<1, T, R>(GEMM_ARGUMENTS); }    \
    KERNEL(128, wide) name##_sweep8(GEMM_PARAMETERS(T, R)) { gemmSweep<8, T, R>(GEMM_ARGUMENTS); }
