// Reductions of bf16 that poolings of whole maps need: see reduce.cuh.
#include "reduce.cuh"

REDUCTION_OF_COLUMNS(sum, SumFold, bf16, bf16)
REDUCTION_OF_COLUMNS(argmax, ArgMaxFold, bf16, bf16)
