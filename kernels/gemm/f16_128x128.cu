// Matrix products of f16 on tensor cores: tiles of 128×128.
#include "gemm_tile.cuh"

GEMM_TENSOR(f16, f16, gemm_f16_128x128, 2, false, 128, 128, 32, 64, 64, 4)
