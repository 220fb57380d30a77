// The end of products whose sums over k were made in parts.
#include "gemm_problem.cuh"

#define GEMM_SUMS(T, R, blocks)                                              \
    KERNEL(128, blocks) gemm_##T##_sums(GEMM_PARAMETERS(T, R), u32 splits) { \
        Gemm<T, R> g = GEMM_ARGUMENTS;                                       \
        if constexpr (sizeof(T) == 2) {                                      \
            if (!(flags & gemmWide)) return finishSums<T>(g, splits);        \
        }                                                                    \
        finishSums<R>(g, splits);                                            \
    }
typedef float f32;
typedef double f64;
GEMM_SUMS(f32, f32, 6)
GEMM_SUMS(f64, f64, 5)
GEMM_SUMS(f16, f32, 6)
GEMM_SUMS(bf16, f32, 6)
