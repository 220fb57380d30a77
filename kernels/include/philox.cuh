// Random words by counter: Philox 4x32-10, exactly as kernels.Philox and kernels.Draw.
// Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 3.
#pragma once
#include "cuda.cuh"

struct Words { u32 w[4]; };

DEVICE Words philox(Words c, u32 key0, u32 key1) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u64 p0 = (u64)0xd2511f53u * c.w[0], p1 = (u64)0xcd9e8d57u * c.w[2];
        c = {{(u32)(p1 >> 32) ^ c.w[1] ^ key0, (u32)p1, (u32)(p0 >> 32) ^ c.w[3] ^ key1, (u32)p0}};
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return c;
}

// draw is block number block of a stream, for the run's seed and step.
DEVICE Words draw(u64 seed, u64 step, u32 stream, u32 block) {
    return philox({{block, stream, (u32)step, (u32)(step >> 32)}}, (u32)seed, (u32)(seed >> 32));
}
