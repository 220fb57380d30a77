// Depthwise convolution of f32, bf16 and f16, summed in f32: square filters; any taps, by 16 bytes of channels or, narrow, by one channel.
#include "conv_depthwise.cuh"
#include "conv_depthwise_square.cuh"

DEPTHWISE_SQUARES(f32, float)
DEPTHWISE(f32_any, float, 4)
DEPTHWISE(f32_narrow_any, float, 1)
DEPTHWISE_SQUARES(bf16, bf16)
DEPTHWISE(bf16_any, bf16, 8)
DEPTHWISE(bf16_narrow_any, bf16, 1)
DEPTHWISE_SQUARES(f16, f16)
DEPTHWISE(f16_any, f16, 8)
DEPTHWISE(f16_narrow_any, f16, 1)
