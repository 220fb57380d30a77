// Convolution of bf16 on tensor cores, with sums in f32.
#include "conv_kernels.cuh"

typedef TileOf<bf16, 128, 128, 32, 64, 64, 4> Tile128x128;
typedef TileOf<bf16, 128, 64, 32, 64, 32, 4> Tile128x64;
typedef TileOf<bf16, 64, 64, 32, 32, 32, 4> Tile64x64;

CONV_KERNELS(bf16_128x128, bf16, Tile128x128, 2, true)
CONV_KERNELS(bf16_128x64, bf16, Tile128x64, 3, true)
CONV_KERNELS(bf16_64x64, bf16, Tile64x64, 4, true)
CONV_KERNELS(bf16_narrow_64x64, bf16, Tile64x64, 4, false)
