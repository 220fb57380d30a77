// Reductions of f16 that poolings of whole maps need: see reduce.cuh.
#include "reduce.cuh"

REDUCTION_OF_COLUMNS(sum, SumFold, f16, f16)
REDUCTION_OF_COLUMNS(argmax, ArgMaxFold, f16, f16)
