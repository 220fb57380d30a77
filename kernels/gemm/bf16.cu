// Matrix products of bf16 on tensor cores.
#include "gemm_tile.cuh"

GEMM_TENSOR(bf16, bf16, gemm_bf16_128x256, 1, false, 128, 256, 32, 64, 64, 4)
GEMM_TENSOR(bf16, bf16, gemm_bf16_128x128, 2, false, 128, 128, 32, 64, 64, 4)
GEMM_TENSOR(bf16, bf16, gemm_bf16_64x64, 4, true, 64, 64, 64, 32, 32, 3)

KERNEL(128, 6) gemm_bf16_sums(GEMM_PARAMETERS(bf16, float), u32 splits) {
    Gemm<bf16, float> g = GEMM_ARGUMENTS;
    if (flags & gemmWide) finishSums<float>(g, splits);
    else finishSums<bf16>(g, splits);
}
