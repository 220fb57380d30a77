// Resizing of f16 and bf16: see resize.cuh.
#include "resize.cuh"

RESIZE(f16, float, f16)
RESIZE(bf16, float, bf16)
