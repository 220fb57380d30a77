// Pooling of f16 and bf16: see pool.cuh.
#include "pool.cuh"

POOL(f16, f16)
POOL(bf16, bf16)
