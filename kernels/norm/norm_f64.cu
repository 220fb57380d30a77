// Normalisations of f64: see norm.cuh and backward.cuh.
#include "entries.cuh"

NORM(double, double, f64, 8, 4)
