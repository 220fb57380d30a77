// Convolution of f32, rounded to tf32, on tensor cores, with sums in f32.
#include "conv_kernels.cuh"

typedef TileOf<tf32, 128, 128, 16, 64, 32, 4, false> Tile128x128;
typedef TileOf<tf32, 128, 64, 16, 64, 32, 4, false> Tile128x64;
typedef TileOf<tf32, 64, 64, 16, 32, 32, 4> Tile64x64;
typedef TileOf<tf32, 64, 64, 16, 32, 32, 4, false> Narrow64x64;

CONV_KERNELS(tf32_128x128, float, Tile128x128, 2, true)
CONV_KERNELS(tf32_128x64, float, Tile128x64, 3, true)
CONV_KERNELS(tf32_64x64, float, Tile64x64, 4, true)
CONV_KERNELS(tf32_narrow_64x64, float, Narrow64x64, 4, false)
