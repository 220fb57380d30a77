// Matrix products of f32, rounded to tf32, on tensor cores: tiles of 64×64.
#include "gemm_tile.cuh"

GEMM_TENSOR(tf32, float, gemm_tf32_64x64, 4, true, 64, 64, 32, 32, 32, 3)
