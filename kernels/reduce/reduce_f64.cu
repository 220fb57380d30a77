// Reductions of f64: see reduce.cuh.
#include "reduce.cuh"

REDUCTIONS(double, f64)
