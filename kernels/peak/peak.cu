// What a GPU's arithmetic can reach with no memory in the way: multiply-adds on registers, as the CPU's peaks are measured. Each thread has enough
// independent sums to cover the latency; steps is the number of times that all of them are added to.
#include "mma.cuh"

constexpr int threads = 256, blocksAtOnce = 2;

// On CUDA cores: 32 sums a thread, x = x·scale + part, which stay near part/(1 - scale).
KERNEL(threads, blocksAtOnce) peak_f32(u32 steps, float scale, float* out) {
    constexpr int sums = 32;
    float x[sums], part = 1.0f + (float)lane() / 64;
#pragma unroll
    for (int i = 0; i < sums; i++) x[i] = part + (float)i;
#pragma unroll 1
    for (u32 s = 0; s < steps; s++)
#pragma unroll
        for (int i = 0; i < sums; i++) x[i] = x[i] * scale + part;
    float all = 0;
#pragma unroll
    for (int i = 0; i < sums; i++) all += x[i];
    out[firstItem()] = all;
}

// On tensor cores: 8 products of 16×8 a warp (mma.sync). word is two numbers of about 1 (for tf32: one) in a register's layout; each thread varies it in
// a bit of the significand, since equal numbers would draw less power.
template <typename T>
DEVICE void products(u32 steps, u32 word, u32 bit, float* out) {
    constexpr int sums = 8;
    float c[sums][4] = {};
    u32 a[4], b[2];
#pragma unroll
    for (int i = 0; i < 4; i++) a[i] = word ^ (lane() >> i & 1) * bit;
#pragma unroll
    for (int i = 0; i < 2; i++) b[i] = word ^ (lane() >> (3 + i) & 1) * bit;
#pragma unroll 1
    for (u32 s = 0; s < steps; s++)
#pragma unroll
        for (int i = 0; i < sums; i++) Fragment<T>::multiply(c[i], a, b);
    float all = 0;
#pragma unroll
    for (int i = 0; i < sums; i++) all += c[i][0] + c[i][1] + c[i][2] + c[i][3];
    out[firstItem()] = all;
}

KERNEL(threads, blocksAtOnce) peak_tf32(u32 steps, u32 word, u32 bit, float* out) { products<tf32>(steps, word, bit, out); }
KERNEL(threads, blocksAtOnce) peak_bf16(u32 steps, u32 word, u32 bit, float* out) { products<bf16>(steps, word, bit, out); }
KERNEL(threads, blocksAtOnce) peak_f16(u32 steps, u32 word, u32 bit, float* out) { products<f16>(steps, word, bit, out); }
