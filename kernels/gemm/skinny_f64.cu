// Products of f64 with few rows or columns.
#include "gemm_skinny.cuh"

GEMM_SKINNY(double, double, gemm_f64, 4)
