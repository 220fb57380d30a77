// Optimisers' steps of f32 and f64: see optim.cuh.
#include "optim.cuh"

OPTIM(float, f32, 4)
OPTIM(double, f64, 2)

KERNEL(256, 1) lamb_ratio(u32 count, double* sums) { lambRatio(count, sums); }
