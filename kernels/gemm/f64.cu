// Matrix products of f64.
#include "gemm_cores.cuh"

#define GEMM_CORES(name, blocks, ...)                                               \
    KERNEL((CoreTile<double, __VA_ARGS__>::threads), blocks) name(GEMM_PARAMETERS(double, double)) { \
        Gemm<double, double> g = GEMM_ARGUMENTS;                                    \
        gemmCores<CoreTile<double, __VA_ARGS__>>(g);                                \
    }
GEMM_CORES(gemm_f64_64x64, 4, 64, 64, 8, 64, 32, 8)
GEMM_CORES(gemm_f64_32x32, 6, 32, 32, 8, 32, 16, 8)
