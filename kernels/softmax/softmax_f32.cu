// Softmax of f32: see softmax.cuh.
#include "softmax.cuh"

SOFTMAX(float, f32, 8, 4)
