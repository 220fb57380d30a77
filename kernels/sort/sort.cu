// Rows and pieces of rows that fit a block: a bitonic network in shared memory (Batcher, Sorting networks and their applications, 1968).
#include "order.cuh"

// Most elements of a block's network, and its threads.
#define SIDE 2048
#define THREADS 512

// network sorts n elements, a power of two, ascending by key and position.
template <typename K>
DEVICE void network(K* keys, u32* positions, u32 n) {
    for (u32 size = 2; size <= n; size *= 2) {
        for (u32 step = size / 2; step > 0; step /= 2) {
            barrier();
            for (u32 t = threadX(); t < n / 2; t += blockWidth()) {
                u32 i = 2 * t - (t & (step - 1)), j = i + step; // the pair's lower and upper place
                bool up = (i & size) == 0;
                K a = keys[i], b = keys[j];
                u32 x = positions[i], y = positions[j];
                if (after(a, x, b, y) == up) {
                    keys[i] = b, keys[j] = a;
                    positions[i] = y, positions[j] = x;
                }
            }
        }
    }
    barrier();
}

// powerOfTwoFrom is the smallest power of two that is at least n.
DEVICE u32 powerOfTwoFrom(u32 n) { return n <= 1 ? 1 : 1u << (32 - __builtin_clz(n - 1)); }

// load fills the network from n keys that key(i) and position(i) give; the rest sorts behind them all.
template <typename K, typename F, typename G>
DEVICE u32 load(K* keys, u32* positions, u32 n, F key, G position) {
    u32 side = powerOfTwoFrom(n);
    for (u32 i = threadX(); i < side; i += blockWidth()) {
        K k = ~K(0);
        u32 p = ~0u;
        if (i < n) k = key(i), p = position(i);
        keys[i] = k;
        positions[i] = p;
    }
    return side;
}

DEVICE void storeIndex(void* indices, u32 wide, u64 at, u32 value) {
    if (wide) ((i64*)indices)[at] = value;
    else ((i32*)indices)[at] = (i32)value;
}

// row sorts rows of at most SIDE columns and writes the first k of each: a block takes rows in turn.
template <typename T, typename K>
DEVICE void row(K* keys, u32* positions, u64 rows, u32 cols, u32 k, K flip, const T* in, T* values, void* indices, u32 wide) {
    for (u64 r = blockX(); r < rows; r += gridWidth()) {
        const T* from = in + r * cols;
        u32 side = load(keys, positions, cols, [=](u32 i) { return sortKey(from[i]) ^ flip; }, [](u32 i) { return i; });
        network(keys, positions, side);
        for (u32 i = threadX(); i < k; i += blockWidth()) {
            u32 p = positions[i];
            values[r * k + i] = from[p];
            storeIndex(indices, wide, r * k + i, p);
        }
        barrier();
    }
}

// pieces sorts pieces of at most SIDE elements of each row and writes the first k of each piece as keys and positions; a piece with fewer is filled with
// elements that come last. It is the first step of TopK for long rows.
template <typename T, typename K>
DEVICE void pieces(K* keys, u32* positions, u64 rows, u32 cols, u32 parts, u32 k, K flip, const T* in, K* keysOut, u32* positionsOut) {
    for (u64 block = blockX(); block < rows * parts; block += gridWidth()) {
        u64 r = block / parts;
        u32 first = (u32)(block - r * parts) * SIDE, n = smaller((u32)SIDE, cols - first);
        const T* from = in + r * cols + first;
        u32 side = load(keys, positions, n, [=](u32 i) { return sortKey(from[i]) ^ flip; }, [=](u32 i) { return first + i; });
        network(keys, positions, side);
        for (u32 i = threadX(); i < k; i += blockWidth()) {
            keysOut[block * k + i] = i < side ? keys[i] : ~K(0);
            positionsOut[block * k + i] = i < side ? positions[i] : ~0u;
        }
        barrier();
    }
}

// merge does the same with pieces of what an earlier step wrote, n of each row. Without positions, an element's is its place.
template <typename K>
DEVICE void merge(K* keys, u32* positions, u64 rows, u32 n, u32 parts, u32 k, const K* keysIn, const u32* positionsIn, K* keysOut, u32* positionsOut) {
    for (u64 block = blockX(); block < rows * parts; block += gridWidth()) {
        u64 r = block / parts;
        u32 first = (u32)(block - r * parts) * SIDE, count = smaller((u32)SIDE, n - first);
        const K* from = keysIn + r * n + first;
        const u32* where = positionsIn ? positionsIn + r * n + first : nullptr;
        u32 side = load(keys, positions, count, [=](u32 i) { return from[i]; }, [=](u32 i) { return where ? where[i] : first + i; });
        network(keys, positions, side);
        for (u32 i = threadX(); i < k; i += blockWidth()) {
            keysOut[block * k + i] = i < side ? keys[i] : ~K(0);
            positionsOut[block * k + i] = i < side ? positions[i] : ~0u;
        }
        barrier();
    }
}

// finish writes the first k elements of each sorted row of positions.
template <typename T>
DEVICE void finish(u64 rows, u32 cols, u32 k, u32 stride, const T* in, const u32* positions, T* values, void* indices, u32 wide) {
    for (u64 i = firstItem(); i < rows * k; i += itemStep()) {
        u64 r = i / k;
        u32 p = positions[r * stride + (i - r * k)];
        values[i] = in[r * cols + p];
        storeIndex(indices, wide, i, p);
    }
}

#define SORT(T, suffix, K)                                                                                                                    \
    KERNEL(THREADS, 2) sort_row_##suffix(u64 rows, u32 cols, u32 k, u64 flip, const T* in, T* values, void* indices, u32 wide) {              \
        __shared__ K keys[SIDE];                                                                                                              \
        __shared__ u32 positions[SIDE];                                                                                                       \
        row<T, K>(keys, positions, rows, cols, k, (K)flip, in, values, indices, wide);                                                        \
    }                                                                                                                                         \
    KERNEL(THREADS, 2) sort_pieces_##suffix(u64 rows, u32 cols, u32 parts, u32 k, u64 flip, const T* in, K* keysOut, u32* positionsOut) {     \
        __shared__ K keys[SIDE];                                                                                                              \
        __shared__ u32 positions[SIDE];                                                                                                       \
        pieces<T, K>(keys, positions, rows, cols, parts, k, (K)flip, in, keysOut, positionsOut);                                              \
    }                                                                                                                                         \
    KERNEL(256, 4) sort_finish_##suffix(u64 rows, u32 cols, u32 k, u32 stride, const T* in, const u32* positions, T* values, void* indices, u32 wide) { \
        finish(rows, cols, k, stride, in, positions, values, indices, wide);                                                                  \
    }

SORT(float, f32, u32)
SORT(double, f64, u64)
SORT(i32, i32, u32)
SORT(i64, i64, u64)

#define MERGE(bits, K)                                                                                                                       \
    KERNEL(THREADS, 2) sort_merge_##bits(u64 rows, u32 n, u32 parts, u32 k, const K* keysIn, const u32* positionsIn, K* keysOut, u32* positionsOut) { \
        __shared__ K keys[SIDE];                                                                                                             \
        __shared__ u32 positions[SIDE];                                                                                                      \
        merge<K>(keys, positions, rows, n, parts, k, keysIn, positionsIn, keysOut, positionsOut);                                            \
    }
MERGE(32, u32)
MERGE(64, u64)
