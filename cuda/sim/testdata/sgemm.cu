// A plain matrix product for the simulator's tests and benchmarks: C = A B, row-major, tiles of 128 x 128, 8 x 8 a thread, 8 of K at a time.
// All extents are multiples of the tile's.
#include "cuda.cuh"

struct alignas(16) Four { float v[4]; };

DEVICE Four load4(const float* p) {
    Four r;
    asm volatile("ld.global.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(r.v[0]), "=f"(r.v[1]), "=f"(r.v[2]), "=f"(r.v[3]) : "l"(p));
    return r;
}

KERNEL(256, 1) k(const float* a, const float* b, float* c, u32 n, u32 depth) {
    __shared__ float sa[2][8][128];
    __shared__ float sb[2][8][128];
    u32 t = threadX(), tx = t % 16, ty = t / 16;
    const float* pa = a + (u64)(blockY() * 128 + t / 2) * depth + t % 2 * 4;
    const float* pb = b + (u64)(t / 32) * n + blockX() * 128 + t % 32 * 4;
    float sum[8][8] = {};
    Four ra = load4(pa), rb = load4(pb);
    u32 stage = 0;
    for (u32 k0 = 0; k0 < depth; k0 += 8) {
#pragma unroll
        for (int i = 0; i < 4; i++) sa[stage][t % 2 * 4 + i][t / 2] = ra.v[i];
#pragma unroll
        for (int i = 0; i < 4; i++) sb[stage][t / 32][t % 32 * 4 + i] = rb.v[i];
        barrier();
        if (k0 + 8 < depth) {
            pa += 8;
            pb += 8 * n;
            ra = load4(pa);
            rb = load4(pb);
        }
#pragma unroll
        for (int k = 0; k < 8; k++) {
            float x[8], y[8];
#pragma unroll
            for (int i = 0; i < 8; i++) x[i] = sa[stage][k][ty * 8 + i];
#pragma unroll
            for (int j = 0; j < 8; j++) y[j] = sb[stage][k][tx * 8 + j];
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 8; j++) sum[i][j] += x[i] * y[j];
        }
        stage ^= 1;
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) c[(u64)(blockY() * 128 + ty * 8 + i) * n + blockX() * 128 + tx * 8 + j] = sum[i][j];
}
