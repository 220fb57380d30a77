// Products of f32 with few rows or columns.
#include "gemm_skinny.cuh"

GEMM_SKINNY(float, float, gemm_f32, 4)
