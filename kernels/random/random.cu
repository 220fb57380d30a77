// Random numbers by counter (kernels.Random, kernels.Dropout): each thread draws blocks of four Philox words and makes 16 bytes of numbers of each where it
// can.
#include "divide.cuh"
#include "fast.cuh"
#include "math.cuh"
#include "memory.cuh"
#include "philox.cuh"
#include "wide.cuh"

// each calls make(words, values) for every block of the stream, which makes `per` values of it, and stores the values. Where those fill more than 16
// bytes, threads share a block, each drawing it anew, so that neighbours write neighbouring 16 bytes.
template <int per, typename T, typename F>
DEVICE void each(u64 n, const u64* counter, u32 stream, T* out, bool packed, F make) {
    constexpr int shares = per * sizeof(T) > 16 ? per * sizeof(T) / 16 : 1, mine = per / shares;
    u64 seed = counter[0], step = counter[1];
    u64 items = (n + mine - 1) / mine;
    for (u64 t = firstItem(); t < items; t += itemStep()) {
        T own[per];
        Words w = draw(seed, step, stream, (u32)(t / shares));
        if (shares == 2 && (t & 1)) w.w[0] = w.w[2], w.w[1] = w.w[3]; // a value a word: the second half's
        make(w, own);
        u64 first = t * mine;
        if (packed && first + mine <= n) {
            if constexpr (mine * sizeof(T) == 16) {
                Pack<T> p;
#pragma unroll
                for (int i = 0; i < mine; i++) p[i] = own[i];
                storePack(out + first, p);
            } else {
                *(u32*)(out + first) = own[0] | (u32)own[1] << 8 | (u32)own[2] << 16 | (u32)own[3] << 24;
            }
        } else {
#pragma unroll
            for (int i = 0; i < mine; i++)
                if (first + i < n) out[first + i] = own[i];
        }
    }
}

// whole is the integer of 53 bits that two words make.
DEVICE double whole(u32 high, u32 low) { return (double)(((u64)high << 32 | low) >> 11); }

KERNEL(256, 4) random_uniform_f32(u64 n, const u64* counter, u32 stream, float* out, u32 packed, float a, float width) {
    each<4>(n, counter, stream, out, packed, [=](const Words& x, float* v) {
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = addRounded(mulRounded(width, (float)(x.w[i] >> 8) * 0x1p-24f), a);
    });
}
KERNEL(256, 4) random_uniform_f64(u64 n, const u64* counter, u32 stream, double* out, u32 packed, double a, double width) {
    each<2>(n, counter, stream, out, packed, [=](const Words& x, double* v) {
#pragma unroll
        for (int i = 0; i < 2; i++) v[i] = addRounded(mulRounded(width, whole(x.w[2 * i], x.w[2 * i + 1]) * 0x1p-53), a);
    });
}

// turn gives cosine and sine of 2π times a fraction of 32 or 53 bits, whose nearest quarter and distance from it are given.
template <typename T>
DEVICE void turn(u32 quarter, T r, T& cos, T& sin) {
    T z = r * r, c = cosNear(z), s = sinNear(r, z);
    cos = quarter & 1 ? s : c;
    sin = quarter & 1 ? c : s;
    cos = (quarter + 1) & 2 ? -cos : cos;
    sin = quarter & 2 ? -sin : sin;
}

KERNEL(256, 4) random_normal_f32(u64 n, const u64* counter, u32 stream, float* out, u32 packed, float mean, float deviation) {
    each<4>(n, counter, stream, out, packed, [=](const Words& x, float* v) {
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            float u = (float)((u64)x.w[i] + 1) * 0x1p-32f; // rounded once
            float radius = mathSqrt(-2.0f * mathLog(u));
            u32 w = x.w[i + 1], quarter = (w + (1u << 29)) >> 30;
            float cos, sin;
            turn(quarter, (float)(i32)(w - (quarter << 30)) * 1.4629180792671596e-09f, cos, sin); // 2π·2^-32
            v[i] = mathFma(deviation, radius * cos, mean);
            v[i + 1] = mathFma(deviation, radius * sin, mean);
        }
    });
}
KERNEL(256, 2) random_normal_f64(u64 n, const u64* counter, u32 stream, double* out, u32 packed, double mean, double deviation) {
    each<2>(n, counter, stream, out, packed, [=](const Words& x, double* v) {
        double u = (whole(x.w[0], x.w[1]) + 1.0) * 0x1p-53;
        double radius = mathSqrt(-2.0 * mathLog(u));
        u64 w = (u64)x.w[2] << 32 | x.w[3];
        w &= ~0x7ffull; // the 53 bits that count
        u32 quarter = (u32)((w + (1ull << 61)) >> 62);
        double cos, sin;
        turn(quarter, (double)(i64)(w - ((u64)quarter << 62)) * 0x1.921fb54442d18p-62, cos, sin); // 2π·2^-64
        v[0] = mathFma(deviation, radius * cos, mean);
        v[1] = mathFma(deviation, radius * sin, mean);
    });
}

// bernoulli writes one where a word is below the threshold, which may be 2^32.
template <typename T>
DEVICE void bernoulli(u64 n, const u64* counter, u32 stream, T* out, bool packed, u64 threshold) {
    each<4>(n, counter, stream, out, packed, [=](const Words& x, T* v) {
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = x.w[i] < threshold ? T(1) : T(0);
    });
}
KERNEL(256, 4) random_bernoulli_u8(u64 n, const u64* counter, u32 stream, u8* out, u32 packed, u64 threshold) { bernoulli(n, counter, stream, out, packed, threshold); }
KERNEL(256, 4) random_bernoulli_f32(u64 n, const u64* counter, u32 stream, float* out, u32 packed, u64 threshold) { bernoulli(n, counter, stream, out, packed, threshold); }
KERNEL(256, 4) random_bernoulli_f64(u64 n, const u64* counter, u32 stream, double* out, u32 packed, u64 threshold) { bernoulli(n, counter, stream, out, packed, threshold); }

// integer writes base + floor(word · width / 2^32); width is at most 2^32.
template <typename T>
DEVICE void integer(u64 n, const u64* counter, u32 stream, T* out, bool packed, i64 base, u64 width) {
    each<4>(n, counter, stream, out, packed, [=](const Words& x, T* v) {
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = (T)((i64)(x.w[i] * width >> 32) + base);
    });
}
KERNEL(256, 4) random_integer_i32(u64 n, const u64* counter, u32 stream, i32* out, u32 packed, i64 base, u64 width) { integer(n, counter, stream, out, packed, base, width); }
KERNEL(256, 4) random_integer_i64(u64 n, const u64* counter, u32 stream, i64* out, u32 packed, i64 base, u64 width) { integer(n, counter, stream, out, packed, base, width); }

// kept is x scaled, or zero where its word is below the threshold.
template <typename T>
DEVICE T kept(u32 word, u64 threshold, T x, Wide<T> scale) {
    return narrow<T>(word < threshold ? Wide<T>(0) : mulRounded(widen(x), scale));
}

DEVICE u32 wordOf(const Words& x, u32 i) { return i & 2 ? i & 1 ? x.w[3] : x.w[2] : i & 1 ? x.w[1] : x.w[0]; }

// dropout with a word for each element, in order: 16 bytes a thread, which are two blocks of words or one, or half of one.
template <typename T>
DEVICE void dropoutFlat(u64 n, const u64* counter, u32 stream, const T* x, T* y, bool packed, u64 threshold, Wide<T> scale) {
    u64 seed = counter[0], step = counter[1];
    constexpr int size = Pack<T>::size, blocks = size > 4 ? size / 4 : 1, shares = size < 4 ? 4 / size : 1;
    for (u64 t = firstItem(); t < (n + size - 1) / size; t += itemStep()) {
        Words w[blocks];
#pragma unroll
        for (int b = 0; b < blocks; b++) w[b] = draw(seed, step, stream, (u32)(t / shares * blocks + b));
        if (shares == 2 && (t & 1)) w[0].w[0] = w[0].w[2], w[0].w[1] = w[0].w[3];
        u64 first = t * size;
        if (packed && first + size <= n) {
            Pack<T> p = loadPack(x + first);
#pragma unroll
            for (int i = 0; i < size; i++) p[i] = kept(w[i / 4].w[i % 4], threshold, p[i], scale);
            storePack(y + first, p);
        } else {
#pragma unroll
            for (int i = 0; i < size; i++)
                if (first + i < n) y[first + i] = kept(w[i / 4].w[i % 4], threshold, x[first + i], scale);
        }
    }
}

// dropoutRows has a word for each (o, i) of [outer, middle, inner]: a thread goes down a column of rows of middle.
template <typename T>
DEVICE void dropoutRows(u64 columns, u32 inner, u64 middle, u32 rows, const u64* counter, u32 stream, const T* x, T* y, u64 threshold, Wide<T> scale) {
    u64 seed = counter[0], step = counter[1];
    u64 parts = (middle + rows - 1) / rows;
    for (u64 t = firstItem(); t < columns * parts; t += itemStep()) {
        u64 row = t / inner; // [outer, parts, inner]
        u32 i = (u32)(t - row * inner);
        u64 o = row / parts, m = (row - o * parts) * rows, j = o * inner + i;
        u32 word = wordOf(draw(seed, step, stream, (u32)(j / 4)), (u32)j & 3);
        u64 at = (o * middle + m) * inner + i, end = smaller(m + rows, middle);
        for (; m < end; m++, at += inner) y[at] = kept(word, threshold, x[at], scale);
    }
}

// dropoutWhole has a word for each o of [outer, middle]: a block goes along a row.
template <typename T>
DEVICE void dropoutWhole(u64 middle, u32 blocksPerRow, const u64* counter, u32 stream, const T* x, T* y, bool packed, u64 threshold, Wide<T> scale) {
    u64 o = blockX() / blocksPerRow;
    u32 part = blockX() - (u32)o * blocksPerRow;
    u32 word = wordOf(draw(counter[0], counter[1], stream, (u32)(o / 4)), (u32)o & 3);
    x += o * middle;
    y += o * middle;
    constexpr int size = Pack<T>::size;
    u64 first = part * blockWidth() + threadX(), step = (u64)blocksPerRow * blockWidth(), done = 0;
    if (packed) {
        u64 packs = middle / size;
        for (u64 i = first; i < packs; i += step) {
            Pack<T> p = loadPack(x + i * size);
#pragma unroll
            for (int j = 0; j < size; j++) p[j] = kept(word, threshold, p[j], scale);
            storePack(y + i * size, p);
        }
        done = packs * size;
    }
    for (u64 i = done + first; i < middle; i += step) y[i] = kept(word, threshold, x[i], scale);
}

#define DROPOUT(T, suffix)                                                                                                                           \
    KERNEL(256, 4) dropout_flat_##suffix(u64 n, const u64* counter, u32 stream, const T* x, T* y, u32 packed, u64 threshold, Wide<T> scale) {              \
        dropoutFlat(n, counter, stream, x, y, packed, threshold, scale);                                                                             \
    }                                                                                                                                                \
    KERNEL(256, 4) dropout_rows_##suffix(u64 columns, u32 inner, u64 middle, u32 rows, const u64* counter, u32 stream, const T* x, T* y, u64 threshold, Wide<T> scale) { \
        dropoutRows(columns, inner, middle, rows, counter, stream, x, y, threshold, scale);                                                          \
    }                                                                                                                                                \
    KERNEL(256, 4) dropout_whole_##suffix(u64 middle, u32 blocksPerRow, const u64* counter, u32 stream, const T* x, T* y, u32 packed, u64 threshold, Wide<T> scale) { \
        dropoutWhole(middle, blocksPerRow, counter, stream, x, y, packed, threshold, scale);                                                         \
    }
DROPOUT(float, f32)
DROPOUT(double, f64)
DROPOUT(f16, f16)
DROPOUT(bf16, bf16)
