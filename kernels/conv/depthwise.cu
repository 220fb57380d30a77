// Depthwise convolution of f32, bf16 and f16, summed in f32; packed takes 16 bytes of channels, narrow one channel.
#include "conv_depthwise.cuh"

DEPTHWISE_KERNELS(f32, float, 4)
DEPTHWISE_ANY(f32_narrow, float, 1)
DEPTHWISE_KERNELS(bf16, bf16, 8)
DEPTHWISE_ANY(bf16_narrow, bf16, 1)
DEPTHWISE_KERNELS(f16, f16, 8)
DEPTHWISE_ANY(f16_narrow, f16, 1)
