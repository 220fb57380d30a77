// Normalisations of f32: see norm.cuh and backward.cuh.
#include "entries.cuh"

NORM(float, float, f32, 8, 4)
