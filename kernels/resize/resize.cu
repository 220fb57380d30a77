// Resizing of f32 and f64: see resize.cuh.
#include "resize.cuh"

RESIZE(float, float, f32)
RESIZE(double, double, f64)
