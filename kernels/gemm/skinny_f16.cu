// Products of f16 with few rows or columns.
#include "gemm_skinny.cuh"

GEMM_SKINNY(f16, float, gemm_f16, 4)
