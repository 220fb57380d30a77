// Package kernels is the vocabulary of work: every kernel Palladio can run is one Go type here.
//
// A kernel value says what is computed, on operands of which types and shapes, at what cost and to what
// tolerance. The machine emits kernels, devices run them, hardware models price them, the conformance table and
// the benchmarks enumerate them; all of them read the same value. Nothing here computes: the plain meaning
// of each kernel is in fallback/ref, the fast versions are in fallback (CPU) and cuda (GPU).
//
// Conventions, for all families:
//   - tensors are row-major and contiguous unless the kernel's own fields give strides (in elements);
//   - images and feature maps are channels-last: [N, spatial..., C]; filters are [K, spatial..., C/groups];
//   - a value that changes from step to step (learning rate, step number, random counter) is an operand, never
//     a field, so that one prepared plan serves every step;
//   - results do not depend on the number of threads.
//
// This package must never import another package of the project.
package kernels
