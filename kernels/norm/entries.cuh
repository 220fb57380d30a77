// The entry points for a type of elements. rows and backwardRows are the packs of a row that a thread holds at most.
#pragma once
#include "sets.cuh"

#define NORM_ROWS(T, A, suffix, P, THREADS, BLOCKS)                                                                                          \
    KERNEL(THREADS, BLOCKS) norm_rows##P##_##suffix(u64 rows, u32 c, u32 threads, u32 packed, double eps, const A* scale, const A* bias,     \
                                                    u32 relu, const T* x, T* y, A* mean, A* invstd) {                                        \
        normRows<T, P>(rows, c, threads, packed, eps, {scale, bias, relu != 0}, x, y, mean, invstd);                                         \
    }
#define NORM_BACKWARD_ROWS(T, A, suffix, P, THREADS, BLOCKS)                                                                                 \
    KERNEL(THREADS, BLOCKS) norm_backward_rows##P##_##suffix(u64 rows, u32 c, u32 threads, u32 packed, const A* scale, const A* bias,        \
                                                             u32 relu, const T* x, const T* dy, const A* mean, const A* invstd, T* dx,       \
                                                             A* sums) {                                                                      \
        normBackwardRows<T, P>(rows, c, threads, packed, {scale, bias, relu != 0}, x, dy, mean, invstd, dx, sums);                           \
    }

#define NORM_UNITS(T, A, suffix, kind, V)                                                                                                    \
    KERNEL(1024, 1) norm_long_##kind##_##suffix(u64 c, double eps, const A* scale, const A* bias, u32 relu, const T* x, T* y, A* mean,       \
                                                A* invstd) {                                                                                 \
        normLong<T, V>(c, eps, {scale, bias, relu != 0}, x, y, mean, invstd);                                                                \
    }                                                                                                                                        \
    KERNEL(1024, 1) norm_backward_long_##kind##_##suffix(u64 c, const A* scale, const A* bias, u32 relu, const T* x, const T* dy,            \
                                                         const A* mean, const A* invstd, T* dx) {                                            \
        normBackwardLong<T, V>(c, {scale, bias, relu != 0}, x, dy, mean, invstd, dx);                                                        \
    }                                                                                                                                        \
    KERNEL(256, sizeof(T) == 2 ? 2 : 3) norm_statistics_##kind##_##suffix(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, const T* x, A* means,           \
                                                     A* squares) {                                                                           \
        normStatistics<T, V>(n, s, c, tiles, columns, chunk, x, means, squares);                                                             \
    }                                                                                                                                        \
    KERNEL(256, 4) norm_apply_##kind##_##suffix(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps,              \
                                                const A* mean, const A* deviation, const A* scale, const A* bias, u32 relu, const T* x,      \
                                                T* y) {                                                                                      \
        normApply<T, V>(n, s, c, tiles, columns, chunk, groups, eps, mean, deviation, {scale, bias, relu != 0}, x, y);                       \
    }                                                                                                                                        \
    KERNEL(256, 2) norm_sums_##kind##_##suffix(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps,               \
                                               const A* mean, const A* deviation, const A* scale, const A* bias, u32 relu, const T* x,       \
                                               const T* dy, A* sums) {                                                                       \
        normSums<T, V>(n, s, c, tiles, columns, chunk, groups, eps, mean, deviation, {scale, bias, relu != 0}, x, dy, sums);                 \
    }                                                                                                                                        \
    KERNEL(256, sizeof(T) == 2 ? 2 : 4) norm_backward_apply_##kind##_##suffix(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps,     \
                                                         const A* mean, const A* deviation, const A* scale, const A* bias, u32 relu,         \
                                                         const T* x, const T* dy, const A* expectations, T* dx) {                            \
        normBackwardApply<T, V>(n, s, c, tiles, columns, chunk, groups, eps, mean, deviation, {scale, bias, relu != 0}, x, dy,               \
                                expectations, dx);                                                                                           \
    }

#define NORM_SETS(T, A, suffix, R)                                                                                                           \
    KERNEL(256, 2) norm_sets_##suffix(u32 s, u32 c, u32 groups, u32 units, double eps, const A* scale, const A* bias, u32 relu, const T* x,  \
                                      T* y, A* mean, A* invstd) {                                                                            \
        normSets<T, R>(s, c, groups, units, eps, {scale, bias, relu != 0}, x, y, mean, invstd);                                              \
    }                                                                                                                                        \
    KERNEL(256, 2) norm_backward_sets_##suffix(u32 s, u32 c, u32 groups, u32 units, const A* scale, const A* bias, u32 relu, const T* x,     \
                                               const T* dy, const A* mean, const A* invstd, T* dx, A* sums) {                                \
        normBackwardSets<T, R / 2>(s, c, groups, units, {scale, bias, relu != 0}, x, dy, mean, invstd, dx, sums);                            \
    }

#define NORM(T, A, suffix, rows, backwardRows)                                                                                                                   \
    NORM_ROWS(T, A, suffix, 1, 256, 4)                                                                                                       \
    NORM_ROWS(T, A, suffix, rows, 512, 1)                                                                                                       \
    NORM_BACKWARD_ROWS(T, A, suffix, 1, 256, sizeof(T) == 2 ? 2 : 4)                                                                                              \
    NORM_BACKWARD_ROWS(T, A, suffix, backwardRows, 256, 1)                                                                                              \
    NORM_SETS(T, A, suffix, (sizeof(T) == 2 ? 8 : 16))                                                                                        \
    NORM_UNITS(T, A, suffix, single, 1)                                                                                                      \
    NORM_UNITS(T, A, suffix, packed, Pack<T>::size)                                                                                          \
    KERNEL(256, 4) norm_join_##suffix(u64 sets, u32 threads, u64 groups, u64 s, u64 c, u64 chunks, u64 chunk, double eps, double momentum,   \
                                      const A* means, const A* squares, A* mean, A* invstd, A* runningMean, A* runningVariance) {            \
        normJoin<T>(sets, threads, groups, s, c, chunks, chunk, eps, momentum, means, squares, mean, invstd, runningMean, runningVariance);  \
    }                                                                                                                                        \
    KERNEL(256, 4) norm_parameters_##suffix(u64 parts, u64 c, u32 columns, const A* sums, A* dscale, A* dbias) {                             \
        normParameters<T>(parts, c, columns, sums, dscale, dbias);                                                                           \
    }                                                                                                                                        \
    KERNEL(256, 4) norm_expectations_##suffix(u64 sets, u32 threads, u64 groups, u64 s, u64 c, u64 chunks, const A* sums, const A* scale,    \
                                              A* expectations) {                                                                             \
        normExpectations<T>(sets, threads, groups, s, c, chunks, sums, scale, expectations);                                                 \
    }
