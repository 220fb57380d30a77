// Cross-entropy of logits of f16 and bf16: see crossentropy.cuh.
#include "crossentropy.cuh"

CROSS_ENTROPY(f16, float, f16, 2)
CROSS_ENTROPY(bf16, float, bf16, 2)
