// Convolution of tf32 on tensor cores, with sums in f32.
#include "conv_kernels.cuh"

typedef Tile<tf32, 128, 128, 64, 32, 4> Tile128x128;
typedef Tile<tf32, 128, 64, 64, 32, 4> Tile128x64;
typedef Tile<tf32, 64, 64, 32, 32, 4> Tile64x64;

CONV_KERNELS(tf32_128x128, Tile128x128, 2, true)
CONV_KERNELS(tf32_128x64, Tile128x64, 3, true)
CONV_KERNELS(tf32_64x64, Tile64x64, 4, true)
CONV_KERNELS(tf32_narrow_128x64, Tile128x64, 3, false)
CONV_KERNELS(tf32_narrow_64x64, Tile64x64, 4, false)
