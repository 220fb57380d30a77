// Depthwise convolution: each channel has its own filter. These kernels take any taps: a thread has one 16-byte vector of channels (or one channel) and a strip of
// four results along the last axis, which share the weights. conv_depthwise_square.cuh has those of the usual filters.
#pragma once
#include "conv_packed.cuh"
#include "conv_plan.cuh"

constexpr int stripLength = 4;

// Channels is a vector of size channels, read as f32.
template <typename T, int size>
struct Channels {
    float v[size];

    DEVICE_MEMBER void zero() {
#pragma unroll
        for (int i = 0; i < size; i++) v[i] = 0;
    }
    DEVICE_MEMBER void load(const T* p, bool ok) {
        if (!ok) return zero();
        if constexpr (size > 1) {
            Pack<T> x = loadReadOnly(p);
#pragma unroll
            for (int i = 0; i < size; i++) v[i] = toFloat(x[i]);
        } else {
            v[0] = toFloat(*p);
        }
    }
    DEVICE_MEMBER void add(const Channels& a, const Channels& b) {
#pragma unroll
        for (int i = 0; i < size; i++) v[i] += a.v[i] * b.v[i];
    }
};

template <int size> DEVICE void loadWeights(float (&v)[size], const float* p) {
    if constexpr (size % 4 == 0) {
#pragma unroll
        for (int i = 0; i < size; i += 4) loadShared4(shared(p + i), v[i], v[i + 1], v[i + 2], v[i + 3]);
    } else {
#pragma unroll
        for (int i = 0; i < size; i++) v[i] = p[i];
    }
}

// Strip is a place along a pass: image, pixel along the first two axes, first pixel of the strip along the last.
struct Strip {
    u32 image, at[3];
    DEVICE_MEMBER Strip(const ConvPass& p, u64 strips, u32 i) {
        at[2] = i;
        at[1] = Divider(strips).split(at[2]);
        at[2] *= stripLength;
        at[0] = Divider(p.divide[1]).split(at[1]);
        image = Divider(p.divide[0]).split(at[0]);
    }
};

// depthwise is one pass of a gather. A block is blockWidth vectors of channels by blockHeight strips; blockY counts blocks of channels. strips divides by the strips
// of a line, of which there are count in all.
template <typename T, int size>
DEVICE void depthwise(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* w, T* y, u64 strips, u32 count, const ConvEpilogue<T>& epilogue) {
    DYNAMIC_SHARED(float, weights); // [taps of the pass][channels of the block]
    const ConvPass& p = *pass;
    u32 width = blockWidth() * size, first = blockY() * width, channels = plan->resultChannels;
    u32 n = p.axisTaps[0] * p.axisTaps[1] * p.axisTaps[2];
    for (u32 i = threadY() * blockWidth() + threadX(); i < n * width; i += 256) {
        u32 c = i % width, t = i / width;
        u32 t2 = t % p.axisTaps[2], rest = t / p.axisTaps[2], t1 = rest % p.axisTaps[1], t0 = rest / p.axisTaps[1];
        u32 tap = ((u32)(p.tap[0] + (i32)t0 * p.tapStep[0]) * p.filterExtent[1] + (u32)(p.tap[1] + (i32)t1 * p.tapStep[1])) * p.filterExtent[2] + (u32)(p.tap[2] + (i32)t2 * p.tapStep[2]);
        weights[i] = first + c < channels ? toFloat(w[(u64)(first + c) * plan->filterTaps + tap]) : 0;
    }
    barrier();
    u32 channel = first + threadX() * size;
    if (channel >= channels) return;
    u32 extent = plan->source[2], last = p.axisTaps[2];

    for (u32 i = blockX() * blockHeight() + threadY(); i < count; i += gridWidth() * blockHeight()) {
        Strip at(p, strips, i);
        Channels<T, size> sum[stripLength];
#pragma unroll
        for (int o = 0; o < stripLength; o++) sum[o].zero();
        i32 i0 = (i32)(at.at[0] * p.step[0]) + p.shift[0], i2 = (i32)(at.at[2] * p.step[2]) + p.shift[2];
        const float* f = weights + threadX() * size;
#pragma unroll 1
        for (u32 n0 = p.axisTaps[0]; n0 > 0; n0--, i0 += p.shiftStep[0]) {
            i32 i1 = (i32)(at.at[1] * p.step[1]) + p.shift[1];
#pragma unroll 1
            for (u32 n1 = p.axisTaps[1]; n1 > 0; n1--, i1 += p.shiftStep[1], f += last * width) {
                if ((u32)i0 >= plan->source[0] || (u32)i1 >= plan->source[1]) continue;
                const T* line = x + (((i64)at.image * plan->source[0] + i0) * plan->source[1] + i1) * extent * channels + channel;
                i32 from = i2;
#pragma unroll 1
                for (u32 t = 0; t < last; t++, from += p.shiftStep[2]) {
                    Channels<T, size> weight, pixel;
                    loadWeights(weight.v, f + t * width);
                    i32 e = from;
#pragma unroll
                    for (int o = 0; o < stripLength; o++, e += p.step[2]) {
                        pixel.load(line + (i64)e * channels, (u32)e < extent);
                        sum[o].add(pixel, weight);
                    }
                }
            }
        }
        i64 line0 = (i64)at.image * plan->result[0] + p.first[0] + at.at[0] * p.stride[0], line1 = line0 * plan->result[1] + p.first[1] + at.at[1] * p.stride[1];
        i64 to = line1 * plan->result[2] + p.first[2] + at.at[2] * p.stride[2];
#pragma unroll 1
        for (int o = 0; o < stripLength && at.at[2] + o < p.count[2]; o++, to += p.stride[2]) { // one copy of the epilogue: the sums move up
            i64 element = to * channels + channel;
            if constexpr (size > 1) {
                float v[1][size];
#pragma unroll
                for (int i = 0; i < size; i++) v[0][i] = sum[0].v[i] + (epilogue.bias ? epilogue.bias[channel + i] : 0);
                finishColumns(epilogue, element, 0, 1, v);
                Packed<T, size> out;
                out.set(v[0]);
                out.store(y + element);
            } else {
                y[element] = ::to<T>(epilogue(sum[0].v[0], element, channel));
            }
#pragma unroll
            for (int q = 0; q + 1 < stripLength; q++) sum[q] = sum[q + 1];
        }
    }
}

// depthwiseFilter sums the gradient by filters over a share of the strips: sums[split][channel][tap]. blockX counts taps, blockY blocks of channels, blockZ splits. The
// block's strips are added up in order.
template <typename T, int size>
DEVICE void depthwiseFilter(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, float* sums, u64 strips, u32 count, u32 share) {
    __shared__ float part[256 * size];
    const ConvPass& p = *pass;
    u32 channels = plan->resultChannels, channel = (blockY() * blockWidth() + threadX()) * size;
    u32 tap = blockX(), t2 = tap % p.axisTaps[2], rest = tap / p.axisTaps[2], t1 = rest % p.axisTaps[1], t0 = rest / p.axisTaps[1];
    i32 shift0 = p.shift[0] + (i32)t0 * p.shiftStep[0], shift1 = p.shift[1] + (i32)t1 * p.shiftStep[1], shift2 = p.shift[2] + (i32)t2 * p.shiftStep[2];
    Channels<T, size> sum;
    sum.zero();
    u32 end = smaller(count, (blockZ() + 1) * share), extent = plan->source[2];
    if (channel < channels)
        for (u32 i = blockZ() * share + threadY(); i < end; i += blockHeight()) {
            Strip at(p, strips, i);
            i32 i0 = (i32)(at.at[0] * p.step[0]) + shift0, i1 = (i32)(at.at[1] * p.step[1]) + shift1, i2 = (i32)(at.at[2] * p.step[2]) + shift2;
            if ((u32)i0 >= plan->source[0] || (u32)i1 >= plan->source[1]) continue;
            const T* line = x + (((i64)at.image * plan->source[0] + i0) * plan->source[1] + i1) * extent * channels + channel;
            const T* gradient = dy + ((((i64)at.image * p.count[0] + at.at[0]) * p.count[1] + at.at[1]) * p.count[2] + at.at[2]) * channels + channel;
#pragma unroll
            for (int o = 0; o < stripLength; o++, i2 += p.step[2]) {
                Channels<T, size> pixel, g;
                g.load(gradient + (i64)o * channels, at.at[2] + o < p.count[2]);
                pixel.load(line + (i64)i2 * channels, (u32)i2 < extent);
                sum.add(pixel, g);
            }
        }
#pragma unroll
    for (int i = 0; i < size; i++) part[(i * blockHeight() + threadY()) * blockWidth() + threadX()] = sum.v[i];
    barrier();
    for (u32 i = threadY(); i < size; i += blockHeight()) {
        if (channel >= channels) break;
        float s = 0;
        for (u32 j = 0; j < blockHeight(); j++) s += part[(i * blockHeight() + j) * blockWidth() + threadX()];
        sums[((u64)blockZ() * channels + channel + i) * plan->filterTaps + tap] = s;
    }
}

#define DEPTHWISE(name, T, size)                                                                                                                        \
    KERNEL(256, 2) conv_depthwise_##name(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* w, const float* bias, const T* residual, T* y, \
                                         u64 strips, u32 count, u32 act, float low, float high) {                                                        \
        depthwise<T, size>(plan, pass, x, w, y, strips, count, {bias, residual, act, low, high});                                                        \
    }                                                                                                                                                    \
    KERNEL(256, 2) conv_depthwise_filter_##name(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, float* sums, u64 strips, u32 count, \
                                                u32 share) {                                                                                             \
        depthwiseFilter<T, size>(plan, pass, x, dy, sums, strips, count, share);                                                                         \
    }
