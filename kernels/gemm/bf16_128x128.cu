// Matrix products of bf16 on tensor cores: tiles of 128×128.
#include "gemm_tile.cuh"

GEMM_TENSOR(bf16, bf16, gemm_bf16_128x128, 2, false, 128, 128, 32, 64, 64, 4)
