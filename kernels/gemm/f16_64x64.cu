// Matrix products of f16 on tensor cores: tiles of 64×64.
#include "gemm_tile.cuh"

GEMM_TENSOR(f16, f16, gemm_f16_64x64, 4, true, 64, 64, 64, 32, 32, 3)
