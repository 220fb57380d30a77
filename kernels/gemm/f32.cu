// Matrix products of f32 on the CUDA cores.
#include "gemm_cores.cuh"

#define GEMM_CORES(name, blocks, ...)                                              \
    KERNEL((CoreTile<float, __VA_ARGS__>::threads), blocks) name(GEMM_PARAMETERS(float, float)) { \
        Gemm<float, float> g = GEMM_ARGUMENTS;                                     \
        gemmCores<CoreTile<float, __VA_ARGS__>>(g);                                \
    }
GEMM_CORES(gemm_f32_128x128, 2, 128, 128, 16, 64, 32, 8)
// 64 results and 16 elements on the way a thread leave too little of 128 registers.
GEMM_CORES(gemm_f32_64x64, 6, 64, 64, 16, 64, 32, 8)
GEMM_CORES(gemm_f32_32x32, 8, 32, 32, 16, 32, 16, 8)
