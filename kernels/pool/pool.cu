// Pooling of f32 and f64: see pool.cuh.
#include "pool.cuh"

POOL(float, f32)
POOL(double, f64)
