// Convolutions of any geometry and type, a thread or a block to a result: for f64, for filters of more taps along their axes than a pixel's mask
// has bits, and for depthwise convolution with a depth multiplier.
#include "conv_plan.cuh"
#include "epilogue.cuh"
#include "half.cuh"
#include "warp.cuh"

typedef float f32;
typedef double f64;
template <typename T> struct Summed { typedef float Type; };
template <> struct Summed<double> { typedef double Type; };
DEVICE double toFloat(double x) { return x; }
DEVICE float rounded(float x, float) { return x; }
DEVICE double rounded(double x, double) { return x; }
DEVICE f16 rounded(float x, f16) { return to<f16>(x); }
DEVICE bf16 rounded(float x, bf16) { return to<bf16>(x); }

// gather is a gather, a thread to each element of the result; blockY counts passes. perSource and perResult are the filters' elements from one of the group's
// channels of the source to the next, and from one of the result; perTap from a tap to the next; perGroup from a group to the next.
template <typename T, typename A>
DEVICE void gather(const ConvPlan* plan, const ConvPass* passes, const T* x, const T* w, const A* bias, const T* residual, T* y, u64 batch, u64 perSource,
                   u64 perResult, u64 perTap, u64 perGroup, u32 act, A low, A high) {
    const ConvPass& p = passes[blockY()];
    u64 n = batch * p.count[0] * p.count[1] * p.count[2] * plan->resultChannels;
    for (u64 item = firstItem(); item < n; item += itemStep()) {
        u32 channel = (u32)(item % plan->resultChannels), group = channel / plan->columns;
        u64 row = item / plan->resultChannels;
        i32 origin[3];
        u64 to = 0;
        u64 at[3];
#pragma unroll
        for (int a = 2; a >= 0; a--) {
            at[a] = row % p.count[a];
            row /= p.count[a];
            origin[a] = (i32)(at[a] * p.step[a]) + p.shift[a];
        }
        to = row;
#pragma unroll
        for (int a = 0; a < 3; a++) to = to * plan->result[a] + p.first[a] + at[a] * p.stride[a];
        to = to * plan->resultChannels + channel;
        const T* filter = w + group * perGroup + (channel - group * plan->columns) * perResult;
        A sum = 0;
        i32 i0 = origin[0], t0 = p.tap[0];
        for (u32 n0 = p.axisTaps[0]; n0 > 0; n0--, i0 += p.shiftStep[0], t0 += p.tapStep[0]) {
            if ((u32)i0 >= plan->source[0]) continue;
            i32 i1 = origin[1], t1 = p.tap[1];
            for (u32 n1 = p.axisTaps[1]; n1 > 0; n1--, i1 += p.shiftStep[1], t1 += p.tapStep[1]) {
                if ((u32)i1 >= plan->source[1]) continue;
                i32 i2 = origin[2], t2 = p.tap[2];
                for (u32 n2 = p.axisTaps[2]; n2 > 0; n2--, i2 += p.shiftStep[2], t2 += p.tapStep[2]) {
                    if ((u32)i2 >= plan->source[2]) continue;
                    const T* from = x + (((row * plan->source[0] + i0) * plan->source[1] + i1) * plan->source[2] + i2) * plan->sourceChannels + (u64)group * plan->depth;
                    const T* f = filter + (((u64)t0 * p.filterExtent[1] + t1) * p.filterExtent[2] + t2) * perTap;
                    for (u32 c = 0; c < plan->depth; c++) sum += (A)toFloat(from[c]) * (A)toFloat(f[c * perSource]);
                }
            }
        }
        if (bias) sum += bias[channel];
        if (residual) sum += (A)toFloat(residual[to]);
        y[to] = rounded(activate(act, sum, low, high), T());
    }
}

// filter is the gradient by filters, a block to each of its elements.
template <typename T, typename A, typename O>
DEVICE void filter(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, O* dw, u64 batch, u64 n) {
    __shared__ A scratch[8];
    const ConvPass& p = *pass;
    u64 pixels = batch * p.count[0] * p.count[1] * p.count[2];
    for (u64 item = blockX(); item < n; item += gridWidth()) {
        u32 c = (u32)(item % plan->depth);
        u64 rest = item / plan->depth;
        u32 tap = (u32)(rest % plan->filterTaps), k = (u32)(rest / plan->filterTaps);
        i32 t[3];
#pragma unroll
        for (int a = 2; a >= 0; a--) {
            t[a] = (i32)(tap % p.axisTaps[a]) * p.shiftStep[a] + p.shift[a];
            tap /= p.axisTaps[a];
        }
        A sum = 0;
        for (u64 pixel = threadX(); pixel < pixels; pixel += 256) {
            u64 row = pixel;
            i32 at[3];
            bool inside = true;
#pragma unroll
            for (int a = 2; a >= 0; a--) {
                at[a] = (i32)(row % p.count[a] * p.step[a]) + t[a];
                row /= p.count[a];
                inside &= (u32)at[a] < plan->source[a];
            }
            if (!inside) continue;
            u64 from = (((row * plan->source[0] + at[0]) * plan->source[1] + at[1]) * plan->source[2] + at[2]) * plan->sourceChannels;
            sum += (A)toFloat(dy[pixel * plan->resultChannels + k]) * (A)toFloat(x[from + (u64)(k / plan->columns) * plan->depth + c]);
        }
        sum = blockReduce<256>(sum, Sum(), scratch);
        if (threadX() == 0) dw[item] = rounded(sum, O());
        barrier();
    }
}

#define PLAIN(T)                                                                                                                                         \
    KERNEL(256, 2) conv_plain_##T(const ConvPlan* plan, const ConvPass* passes, const T* x, const T* w, const Summed<T>::Type* bias, const T* residual,  \
                                  T* y, u64 batch, u64 perSource, u64 perResult, u64 perTap, u64 perGroup, u32 act, Summed<T>::Type low,                  \
                                  Summed<T>::Type high) {                                                                                                \
        gather<T, Summed<T>::Type>(plan, passes, x, w, bias, residual, y, batch, perSource, perResult, perTap, perGroup, act, low, high);                \
    }                                                                                                                                                    \
    KERNEL(256, 2) conv_plain_filter_##T(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, T* dw, u64 batch, u64 n) {                  \
        filter<T, Summed<T>::Type, T>(plan, pass, x, dy, dw, batch, n);                                                                                  \
    }
#define PLAIN_WIDE(T)                                                                                                                                    \
    KERNEL(256, 2) conv_plain_filter_##T##_f32(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, float* dw, u64 batch, u64 n) {        \
        filter<T, float, float>(plan, pass, x, dy, dw, batch, n);                                                                                        \
    }

PLAIN(f32)
PLAIN(f64)
PLAIN(f16)
PLAIN(bf16)
PLAIN_WIDE(f16)
PLAIN_WIDE(bf16)
