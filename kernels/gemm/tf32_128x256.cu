// Matrix products of f32, rounded to tf32, on tensor cores: tiles of 128×256.
#include "gemm_tile.cuh"

GEMM_TENSOR(tf32, float, gemm_tf32_128x256, 1, false, 128, 256, 16, 64, 64, 4)
