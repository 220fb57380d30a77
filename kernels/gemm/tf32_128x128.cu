// Matrix products of f32, rounded to tf32, on tensor cores: tiles of 128×128.
#include "gemm_tile.cuh"

GEMM_TENSOR(tf32, float, gemm_tf32_128x128, 2, false, 128, 128, 16, 64, 64, 4)
