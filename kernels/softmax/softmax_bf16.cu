// Softmax of bf16: see softmax.cuh.
#include "softmax.cuh"

SOFTMAX(bf16, bf16, 4, 2)
