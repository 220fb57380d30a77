// Products of bf16 with few rows or columns.
#include "gemm_skinny.cuh"

GEMM_SKINNY(bf16, float, gemm_bf16, 4)
