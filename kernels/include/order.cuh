// Sorting order as unsigned integers: the order of kernels.Sort, in which the two zeros are equal, and all NaNs are equal and last.
#pragma once
#include "cuda.cuh"

// sortKey maps a number to an unsigned integer of its size that orders as it does.
DEVICE u32 sortKey(i32 x) { return (u32)x ^ 0x80000000u; }
DEVICE u64 sortKey(i64 x) { return (u64)x ^ 0x8000000000000000ull; }
DEVICE u32 sortKey(float x) {
    u32 b = bitsOf(x == 0.0f ? 0.0f : x);
    u32 key = b >> 31 ? ~b : b | 0x80000000u;
    return x != x ? ~0u : key;
}
DEVICE u64 sortKey(double x) {
    u64 b = bitsOf(x == 0.0 ? 0.0 : x);
    u64 key = b >> 63 ? ~b : b | 0x8000000000000000ull;
    return x != x ? ~0ull : key;
}

// Keyed is a key and the position that it came from. Positions differ, so the order is total, and sorting by it is stable.
template <typename K>
struct Keyed {
    K key;
    u32 position;
};

template <typename K>
DEVICE bool after(K a, u32 i, K b, u32 j) { return a > b || (a == b && i > j); }
