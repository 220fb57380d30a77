// Reductions of f16: see reduce.cuh.
#include "reduce.cuh"

REDUCTIONS(f16, f16)
