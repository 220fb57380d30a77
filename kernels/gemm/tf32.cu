// Matrix products of f32 on tensor cores, the multiplicands rounded to tf32.
#include "gemm_tile.cuh"

GEMM_TENSOR(tf32, float, gemm_tf32_128x256, 1, false, 128, 256, 16, 64, 64, 4)
GEMM_TENSOR(tf32, float, gemm_tf32_128x128, 2, false, 128, 128, 16, 64, 64, 4)
GEMM_TENSOR(tf32, float, gemm_tf32_64x64, 4, true, 64, 64, 32, 32, 32, 3)
