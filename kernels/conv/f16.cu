// Convolution of f16 on tensor cores, with sums in f32.
#include "conv_kernels.cuh"

typedef TileOf<f16, 128, 128, 32, 64, 64, 4> Tile128x128;
typedef TileOf<f16, 128, 64, 32, 64, 32, 4> Tile128x64;
typedef TileOf<f16, 64, 64, 32, 32, 32, 4> Tile64x64;

CONV_KERNELS(f16_128x128, f16, Tile128x128, 2, true)
CONV_KERNELS(f16_128x64, f16, Tile128x64, 3, true)
CONV_KERNELS(f16_64x64, f16, Tile64x64, 4, true)
CONV_KERNELS(f16_narrow_64x64, f16, Tile64x64, 4, false)
