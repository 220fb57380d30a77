// Cross-entropy of f32 and f64: see crossentropy.cuh.
#include "crossentropy.cuh"

CROSS_ENTROPY(float, float, f32, 4)
CROSS_ENTROPY(double, double, f64, 4)

KERNEL(1024, 1) cross_entropy_count(u64 rows, LABELS, u32* counts) { crossEntropyCount(rows, TARGETS(float, nullptr), counts); }
KERNEL(256, 4) cross_entropy_add_f32(u64 rows, LABELS, const float* losses, double* sums) {
    crossEntropyAdd(rows, TARGETS(float, nullptr), losses, sums);
}
KERNEL(256, 4) cross_entropy_add_f64(u64 rows, LABELS, const double* losses, double* sums) {
    crossEntropyAdd(rows, TARGETS(double, nullptr), losses, sums);
}
KERNEL(256, 1) cross_entropy_mean_f32(u32 blocks, const double* sums, float* mean) { crossEntropyMean(blocks, sums, mean); }
KERNEL(256, 1) cross_entropy_mean_f64(u32 blocks, const double* sums, double* mean) { crossEntropyMean(blocks, sums, mean); }
