// Reductions of bf16: see reduce.cuh.
#include "reduce.cuh"

REDUCTIONS(bf16, bf16)
