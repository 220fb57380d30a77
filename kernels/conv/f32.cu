// Convolution of f32 on CUDA cores.
#include "conv_kernels.cuh"

typedef TileOf<float, 128, 64, 16, 64, 32, 3> Tile128x64;
typedef TileOf<float, 128, 32, 16, 32, 32, 3> Tile128x32;
typedef TileOf<float, 64, 64, 16, 32, 32, 4> Tile64x64;

CONV_KERNELS(f32_128x64, float, Tile128x64, 2, true)
CONV_KERNELS(f32_128x32, float, Tile128x32, 4, true)
CONV_KERNELS(f32_64x64, float, Tile64x64, 4, true)
CONV_KERNELS(f32_narrow_128x64, float, Tile128x64, 2, false)
CONV_KERNELS(f32_narrow_64x64, float, Tile64x64, 3, false)
