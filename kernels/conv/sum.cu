// The ends of convolutions that are split along their depth: partial sums are added up in order, then the epilogue; and the gradient of the bias.
#include "conv_epilogue.cuh"

DEVICE double toFloat(double x) { return x; }

// addBatches adds the sums that lie apart to v, in order, from split s on while so many are left. Those of a batch are loaded together: where results are few,
// so are the threads, and each has many splits to wait for.
template <int batch, int size, typename Load>
DEVICE u32 addBatches(float (&v)[size], const float* sums, u64 apart, u32 s, u32 splits, Load load) {
#pragma unroll 1
    for (; s + batch <= splits; s += batch) {
        float x[batch][size];
#pragma unroll
        for (int i = 0; i < batch; i++) load(x[i], sums + (s + i) * apart);
#pragma unroll
        for (int i = 0; i < batch; i++)
#pragma unroll
            for (int j = 0; j < size; j++) v[j] += x[i][j];
    }
    return s;
}
template <int size, typename Load>
DEVICE void addSplits(float (&v)[size], const float* sums, u64 apart, u32 splits, Load load) {
    u32 s = addBatches<32 / (size < 4 ? 4 : size)>(v, sums, apart, 0, splits, load);
    s = addBatches<2>(v, sums, apart, s, splits, load);
    addBatches<1>(v, sums, apart, s, splits, load);
}

// add: out[i] = epilogue(sums[i] + sums[i + n] + …), splits terms; the bias' channel is i modulo channels. packed: n and channels are multiples of
// the elements of an access, and operands are aligned.
template <typename T>
DEVICE void add(u64 n, u64 channels, u32 splits, const float* sums, T* out, u32 packed, ConvEpilogue<T> epilogue) {
    constexpr int size = Pack<T>::size;
    if (packed) {
        for (u64 i = firstItem() * size; i < n; i += itemStep() * size) {
            float v[size] = {};
            addSplits(v, sums + i, n, splits, [](float (&x)[size], const float* from) {
#pragma unroll
                for (int j = 0; j < size; j += 4) {
                    Pack<float> p = loadPack(from + j);
#pragma unroll
                    for (int q = 0; q < 4; q++) x[j + q] = p[q];
                }
            });
            convStore(epilogue, out, i, (u32)(i % channels), v);
        }
    } else {
        for (u64 i = firstItem(); i < n; i += itemStep()) {
            float v[1] = {};
            addSplits(v, sums + i, n, splits, [](float (&x)[1], const float* from) { x[0] = *from; });
            out[i] = to<T>(epilogue(v[0], i, (u32)(i % channels)));
        }
    }
}

// bias: sums[b, k] is the sum of dy[r, k] over the rows of share b = blockY, in a fixed order. A block is 32 channels by 8 rows.
template <typename T, typename A>
DEVICE void bias(u64 rows, u32 channels, const T* dy, A* sums, u64 share) {
    __shared__ A part[8][33];
    u32 k = blockX() * 32 + threadX() % 32, y = threadX() / 32;
    u64 end = smaller(rows, (blockY() + 1) * share);
    A v = 0;
    if (k < channels)
        for (u64 r = blockY() * share + y; r < end; r += 8) v += (A)toFloat(dy[r * channels + k]);
    part[y][threadX() % 32] = v;
    barrier();
    if (y > 0 || k >= channels) return;
#pragma unroll
    for (int i = 1; i < 8; i++) v += part[i][threadX()];
    sums[(u64)blockY() * channels + k] = v;
}

#define ENDS(T)                                                                                                                                          \
    KERNEL(256, 4) conv_add_##T(u64 n, u64 channels, u32 splits, const float* sums, const float* bias, const T* residual, T* out, u32 packed, u32 act,   \
                                float low, float high) {                                                                                                 \
        add<T>(n, channels, splits, sums, out, packed, {bias, residual, act, low, high});                                                                \
    }                                                                                                                                                    \
    KERNEL(256, 4) conv_bias_##T(u64 rows, u32 channels, const T* dy, float* sums, u64 share) { bias<T, float>(rows, channels, dy, sums, share); }

typedef float f32;
ENDS(f32)
ENDS(bf16)
ENDS(f16)
KERNEL(256, 4) conv_bias_f64(u64 rows, u32 channels, const double* dy, double* sums, u64 share) { bias<double, double>(rows, channels, dy, sums, share); }
