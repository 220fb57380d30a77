// Reductions of f32: see reduce.cuh.
#include "reduce.cuh"

REDUCTIONS(float, f32)
