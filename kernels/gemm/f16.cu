// Matrix products of f16 on tensor cores.
#include "gemm_tile.cuh"

GEMM_TENSOR(f16, f16, gemm_f16_128x256, 1, false, 128, 256, 32, 64, 64, 4)
GEMM_TENSOR(f16, f16, gemm_f16_128x128, 2, false, 128, 128, 32, 64, 64, 4)
GEMM_TENSOR(f16, f16, gemm_f16_64x64, 4, true, 64, 64, 64, 32, 32, 3)

KERNEL(128, 6) gemm_f16_sums(GEMM_PARAMETERS(f16, float), u32 splits) {
    Gemm<f16, float> g = GEMM_ARGUMENTS;
    if (flags & gemmWide) finishSums<float>(g, splits);
    else finishSums<f16>(g, splits);
}
