// Softmax of f64: see softmax.cuh.
#include "softmax.cuh"

SOFTMAX(double, f64, 8, 4)
