// Normalisations of bf16, with parameters and statistics of f32: see norm.cuh and backward.cuh.
#include "entries.cuh"

NORM(bf16, float, bf16, 4, 2)
