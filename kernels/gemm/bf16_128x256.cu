// Matrix products of bf16 on tensor cores: tiles of 128×256.
#include "gemm_tile.cuh"

GEMM_TENSOR(bf16, bf16, gemm_bf16_128x256, 1, false, 128, 256, 32, 64, 64, 4)
