// Softmax of f16: see softmax.cuh.
#include "softmax.cuh"

SOFTMAX(f16, f16, 4, 2)
