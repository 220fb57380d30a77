// Normalisations of f16, with parameters and statistics of f32: see norm.cuh and backward.cuh.
#include "entries.cuh"

NORM(f16, float, f16, 4, 2)
