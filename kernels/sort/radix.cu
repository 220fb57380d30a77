// Long rows: a stable radix sort, 8 bits a pass from the lowest. A row is cut into tiles; a pass counts each tile's digits, adds the counts up over
// digits and tiles, and moves each element to its place (Satish, Harris, Garland: Designing efficient sorting algorithms for manycore GPUs, 2009).
#include "order.cuh"
#include "warp.cuh"

#define THREADS 256
#define WARPS (THREADS / 32)
#define DIGITS 256
#define ROUNDS 16                     // of 32 elements that a warp takes
#define TILE (THREADS * ROUNDS)       // elements of a tile

// peers are the lanes of the warp with the same digit.
DEVICE u32 peers(u32 digit) {
#ifdef __clang__
    u32 mask;
    asm volatile("match.any.sync.b32 %0, %1, 0xffffffff;" : "=r"(mask) : "r"(digit));
    return mask;
#else
    return __match_any_sync(~0u, digit);
#endif
}

// keys turns numbers into keys.
template <typename T, typename K>
DEVICE void keys(u64 n, K flip, const T* in, K* out) {
    for (u64 i = firstItem(); i < n; i += itemStep()) out[i] = sortKey(in[i]) ^ flip;
}

// tally counts the digits of a warp's part of a tile, lanes with equal digits together. Elements lie in the order of rounds and lanes. digit(i)
// gives the digit of element i of the tile, visit is told the digit, the number of equal ones before it in the part, and whether there is an element.
template <typename F, typename G>
DEVICE void tally(u32* counts, u32 n, F digit, G visit) {
    u32 first = warp() * 32 * ROUNDS + lane();
#pragma unroll 1
    for (int round = 0; round < ROUNDS; round++) {
        u32 i = first + round * 32;
        bool present = i < n;
        u32 d = present ? digit(i) : DIGITS; // absent ones have a digit of their own
        u32 same = peers(d);
        u32 below = __builtin_popcount(same & ((1u << lane()) - 1));
        u32 before = present ? counts[d] : 0;
        warpBarrier();
        if (present && below == 0) counts[d] = before + __builtin_popcount(same);
        warpBarrier();
        visit(i, d, before + below, present);
    }
}

// count writes how often each digit appears in each tile: counts[row][digit][tile].
template <typename K>
DEVICE void count(u32 (&counts)[WARPS][DIGITS], u32 cols, u32 tiles, u32 shift, const K* in, u32* out) {
    u32 row = blockX() / tiles, tile = blockX() - row * tiles;
    for (u32 i = threadX(); i < WARPS * DIGITS; i += THREADS) (&counts[0][0])[i] = 0;
    barrier();
    in += (u64)row * cols + (u64)tile * TILE;
    u32 n = smaller((u32)TILE, cols - tile * TILE);
    tally(counts[warp()], n, [=](u32 i) { return (u32)(in[i] >> shift) % DIGITS; }, [](u32, u32, u32, bool) {});
    barrier();
    u32 sum = 0;
    for (u32 w = 0; w < WARPS; w++) sum += counts[w][threadX()];
    out[((u64)row * DIGITS + threadX()) * tiles + tile] = sum;
}

// scan replaces the counts of a row by the sums of those before them: a block for each row.
DEVICE void scan(u32* warpSums, u32 n, u32* counts) {
    counts += (u64)blockX() * n;
    u32 carry = 0;
    for (u32 base = 0; base < n; base += THREADS) {
        u32 i = base + threadX();
        u32 x = i < n ? counts[i] : 0, sum = x;
#pragma unroll
        for (u32 by = 1; by < 32; by *= 2) {
            u32 y = shuffleUp(sum, by);
            if (lane() >= by) sum += y;
        }
        barrier();
        if (lane() == 31) warpSums[warp()] = sum;
        barrier();
        u32 before = carry;
        for (u32 w = 0; w < WARPS; w++) {
            u32 s = warpSums[w];
            before += w < warp() ? s : 0;
            carry += s;
        }
        if (i < n) counts[i] = before + sum - x;
    }
}

// scatter moves each element of a tile to its place in the row. Without positions, an element's is its place.
template <typename K>
DEVICE void scatter(u32 (&counts)[WARPS][DIGITS], u32 cols, u32 tiles, u32 shift, const K* in, const u32* positionsIn, const u32* offsets, K* out,
                    u32* positionsOut) {
    u32 row = blockX() / tiles, tile = blockX() - row * tiles;
    for (u32 i = threadX(); i < WARPS * DIGITS; i += THREADS) (&counts[0][0])[i] = 0;
    barrier();
    u64 base = (u64)row * cols;
    u32 first = tile * TILE, n = smaller((u32)TILE, cols - first);
    const K* from = in + base + first;
    auto digit = [=](u32 i) { return (u32)(from[i] >> shift) % DIGITS; };
    tally(counts[warp()], n, digit, [](u32, u32, u32, bool) {});
    barrier();
    u32 at = offsets[((u64)row * DIGITS + threadX()) * tiles + tile]; // where this thread's digit begins
    for (u32 w = 0; w < WARPS; w++) {
        u32 c = counts[w][threadX()];
        counts[w][threadX()] = at;
        at += c;
    }
    barrier();
    tally(counts[warp()], n, digit, [=](u32 i, u32, u32 to, bool present) {
        if (!present) return;
        out[base + to] = from[i];
        positionsOut[base + to] = positionsIn ? positionsIn[base + first + i] : first + i;
    });
}

KERNEL(THREADS, 4) radix_scan(u32 n, u32* counts) {
    __shared__ u32 warpSums[WARPS];
    scan(warpSums, n, counts);
}

#define RADIX(bits, K)                                                                                                          \
    KERNEL(THREADS, 4) radix_count_##bits(u32 cols, u32 tiles, u32 shift, const K* in, u32* out) {                              \
        __shared__ u32 counts[WARPS][DIGITS];                                                                                   \
        count<K>(counts, cols, tiles, shift, in, out);                                                                          \
    }                                                                                                                           \
    KERNEL(THREADS, 4) radix_scatter_##bits(u32 cols, u32 tiles, u32 shift, const K* in, const u32* positionsIn, const u32* offsets, \
                                            K* out, u32* positionsOut) {                                                        \
        __shared__ u32 counts[WARPS][DIGITS];                                                                                   \
        scatter<K>(counts, cols, tiles, shift, in, positionsIn, offsets, out, positionsOut);                                    \
    }
RADIX(32, u32)
RADIX(64, u64)

#define KEYS(T, suffix, K) \
    KERNEL(256, 8) radix_keys_##suffix(u64 n, u64 flip, const T* in, K* out) { keys<T, K>(n, (K)flip, in, out); }
KEYS(float, f32, u32)
KEYS(double, f64, u64)
KEYS(i32, i32, u32)
KEYS(i64, i64, u64)
