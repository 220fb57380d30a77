// Matrix products of f16 on tensor cores: tiles of 128×256.
#include "gemm_tile.cuh"

GEMM_TENSOR(f16, f16, gemm_f16_128x256, 1, false, 128, 256, 32, 64, 64, 4)
