// Matrix products of bf16 on tensor cores: tiles of 64×64.
#include "gemm_tile.cuh"

GEMM_TENSOR(bf16, bf16, gemm_bf16_64x64, 4, true, 64, 64, 64, 32, 32, 3)
