// Depthwise convolution by square filters whose taps are neighbours. A thread has a few channels of two neighbouring columns of results and goes down the image: each
// row of pixels that it reads serves all results that see it, the filters lie in registers, and the row after it is under way meanwhile.
#pragma once
#include "conv_packed.cuh"
#include "conv_plan.cuh"

// Columns is a thread's piece of some neighbouring columns of a pass: image, first row and first column of the results, and how many rows and columns of them there are.
struct Columns {
    u32 image, row, at;
    i32 rows, columns;
    // Piece i of count, of the given rows and columns; across divides by the pieces beside each other, down by those below each other.
    DEVICE_MEMBER Columns(const ConvPass& p, u64 across, u64 down, u32 i, u32 count, u32 ofRows, u32 ofColumns) {
        at = i;
        row = Divider(across).split(at);
        image = Divider(down).split(row);
        row *= ofRows;
        at *= ofColumns;
        rows = i < count ? smaller(ofRows, p.count[1] - row) : 0;
        columns = i < count ? smaller(ofColumns, p.count[2] - at) : 0;
    }
};

// Rows reads the source of columns of results: step rows at a time, of as many pixels as the columns see.
template <typename T, int size, int taps, int step, int columns>
struct Rows {
    static constexpr int pixels = (columns - 1) * step + taps;
    typedef Packed<T, size> Block[step][pixels];
    const T* next;
    u32 row, rows;         // the next row; the rows of the image
    u32 rowsAt[pixels];    // of the image where pixel t of a row lies in it, else 0
    Distance pixel, line;

    DEVICE_MEMBER Rows(const ConvPlan& plan, const ConvPass& p, const T* x, const Columns& c, u32 channel)
        : pixel((i64)plan.sourceChannels * sizeof(T)), line((i64)plan.source[2] * plan.sourceChannels * sizeof(T)) {
        rows = plan.source[1];
        i64 first = (i64)c.row * step + p.shift[1];
        i32 at = (i32)c.at * step + p.shift[2];
        row = (u32)first;
#pragma unroll
        for (int t = 0; t < pixels; t++) rowsAt[t] = c.rows > 0 && (u32)(at + t) < plan.source[2] ? rows : 0;
        next = x + (((i64)c.image * rows + first) * plan.source[2] + at) * plan.sourceChannels + channel;
    }
    DEVICE_MEMBER void read(Block& v) {
#pragma unroll
        for (int j = 0; j < step; j++, row++, next = line.from(next)) {
            const T* p = next;
#pragma unroll
            for (int t = 0; t < pixels; t++, p = pixel.from(p)) v[j][t].load(p, row, rowsAt[t]);
        }
    }
    // some says whether a row of those that the last but one call has read lies in the image.
    DEVICE_MEMBER bool some() const {
        bool in = false;
#pragma unroll
        for (int j = 1; j <= step; j++) in |= row - (step + j) < rows;
        return in;
    }
};

// depthwiseSquare is one pass of a gather whose first axis is as good as another of images: count pieces of neighbouring columns. The block's threads go down together,
// so that what one has read lies in the L1 for the next.
template <typename T, int size, int taps, int step, int columns>
DEVICE void depthwiseSquare(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* w, T* y, u64 across, u64 down, u32 count, u32 rows, const ConvEpilogue<T>& epilogue) {
    constexpr int behind = (taps - 1) / step; // results of a column that are begun and not done
    DYNAMIC_SHARED(float, filters);           // [channels of the block][taps of a whole filter]
    const ConvPass& p = *pass;
    u32 width = blockWidth() * size, first = blockY() * width, channels = plan->resultChannels, whole = plan->filterTaps;
    u32 here = smaller(width, channels - first) * whole;
    for (u32 i = threadY() * blockWidth() + threadX(); i < here; i += blockWidth() * blockHeight()) filters[i] = toFloat(w[(u64)first * whole + i]);
    barrier();
    u32 channel = first + threadX() * size;
    bool there = channel < channels;
    if (!there) channel = first;
    float weight[taps][taps][size], bias[size];
    {
        i32 extent = p.filterExtent[2];
        u32 line = shared(filters + (channel - first) * whole + (u32)(p.tap[1] * extent + p.tap[2]));
#pragma unroll
        for (int t = 0; t < taps; t++, line += p.tapStep[1] * extent * 4) {
            u32 at = line;
#pragma unroll
            for (int u = 0; u < taps; u++, at += p.tapStep[2] * 4)
#pragma unroll
                for (int i = 0; i < size; i++) weight[t][u][i] = loadShared(at + i * whole * 4);
        }
    }
#pragma unroll
    for (int i = 0; i < size; i++) bias[i] = epilogue.bias ? epilogue.bias[channel + i] : 0;
    bool bare = !epilogue.residual && epilogue.act == actNone;
#pragma unroll 1
    for (u32 i = blockX() * blockHeight(); i < count; i += gridWidth() * blockHeight()) {
        Columns c(p, across, down, i + threadY(), there ? count : 0, rows, columns);
        Rows<T, size, taps, step, columns> source(*plan, p, x, c, channel);
        i64 beside = (i64)p.stride[2] * channels;
        Distance line(p.stride[1] * plan->result[2] * (i64)channels * sizeof(T)), column(beside * sizeof(T));
        T* to = y + (((i64)c.image * plan->result[1] + p.first[1] + c.row * p.stride[1]) * plan->result[2] + p.first[2] + c.at * p.stride[2]) * channels + channel;
        float sum[behind + 1][columns][size];
#pragma unroll
        for (int q = 0; q <= behind; q++)
#pragma unroll
            for (int o = 0; o < columns; o++)
#pragma unroll
                for (int i = 0; i < size; i++) sum[q][o][i] = bias[i];
        typename Rows<T, size, taps, step, columns>::Block pixel, ahead;
#pragma unroll
        for (int j = 0; j < step; j++)
#pragma unroll
            for (int t = 0; t < source.pixels; t++) pixel[j][t].zero();
#pragma unroll 1
        for (i32 m = -behind - 1; m < (i32)rows; m++) { // what is read now is for the next turn
            source.read(ahead);
            if (source.some()) {
#pragma unroll
                for (int q = behind; q >= 0; q--) // the results behind - q rows after the oldest
#pragma unroll
                    for (int j = 0; j < step; j++)
#pragma unroll
                        for (int u = 0; u < taps; u++)
#pragma unroll
                            for (int o = 0; o < columns; o++)
#pragma unroll
                                for (int i = 0; i < size; i++)
                                    if (j + q * step < taps) sum[behind - q][o][i] += pixel[j][o * step + u][i] * weight[j + q * step < taps ? j + q * step : 0][u][i];
            }
            if (m >= 0 && m < c.rows) {
                if (!bare) finishColumns(epilogue, to - y, beside, c.columns, sum[0]);
                T* at = to;
#pragma unroll
                for (int o = 0; o < columns; o++, at = column.from(at)) {
                    if (o >= c.columns) break;
                    Packed<T, size> out;
                    out.set(sum[0][o]);
                    out.store(at);
                }
                to = line.from(to);
            }
#pragma unroll
            for (int o = 0; o < columns; o++)
#pragma unroll
                for (int i = 0; i < size; i++) {
#pragma unroll
                    for (int q = 0; q < behind; q++) sum[q][o][i] = sum[q + 1][o][i];
                    sum[behind][o][i] = bias[i];
                }
#pragma unroll
            for (int j = 0; j < step; j++)
#pragma unroll
                for (int t = 0; t < source.pixels; t++) pixel[j][t] = ahead[j][t];
            barrier();
        }
    }
}

// depthwiseSquareFilter sums the gradient by filters over a share of the pieces: sums[split][channel][tap]. blockY counts blocks of channels, blockZ splits. A thread
// keeps the gradients of the results that see a row of pixels. The block's threads are added up in order.
template <typename T, int size, int taps, int step, int columns, int threads>
DEVICE void depthwiseSquareFilter(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, float* sums, u64 across, u64 down, u32 count, u32 share, u32 rows) {
    constexpr int behind = (taps - 1) / step;
    static_assert(columns == 2, "a thread reads the gradients of two columns");
    __shared__ float part[taps * size * threads];
    const ConvPass& p = *pass;
    u32 channels = plan->resultChannels, first = blockY() * blockWidth() * size, channel = first + threadX() * size;
    float sum[taps][taps][size] = {};
    u32 end = smaller(count, (blockZ() + 1) * share);
#pragma unroll 1
    for (u32 i = blockZ() * share; i < end; i += blockHeight()) {
        Columns c(p, across, down, i + threadY(), channel < channels ? end : 0, rows, columns);
        Rows<T, size, taps, step, columns> source(*plan, p, x, c, channel);
        Distance line((i64)p.count[2] * channels * sizeof(T));
        const T* from = dy + (((i64)c.image * p.count[1] + c.row) * p.count[2] + c.at) * channels + channel;
        typename Rows<T, size, taps, step, columns>::Block pixel, ahead;
        Packed<T, size> gradient[behind + 1][columns], later[columns]; // gradient[q] are those of the results q rows ago
#pragma unroll
        for (int q = 0; q <= behind; q++)
#pragma unroll
            for (int o = 0; o < columns; o++) gradient[q][o].zero();
#pragma unroll
        for (int j = 0; j < step; j++)
#pragma unroll
            for (int t = 0; t < source.pixels; t++) pixel[j][t].zero();
#pragma unroll 1
        for (i32 m = 0; m <= (i32)rows + behind; m++, from = line.from(from)) { // what is read now is for the next turn
            source.read(ahead);
#pragma unroll
            for (int o = 0; o < columns; o++) later[o].load(o == 0 ? from : source.pixel.from(from), m, o < c.columns ? c.rows : 0);
            if (source.some()) {
#pragma unroll
                for (int q = 0; q <= behind; q++)
#pragma unroll
                    for (int j = 0; j < step; j++)
#pragma unroll
                        for (int o = 0; o < columns; o++)
#pragma unroll
                            for (int u = 0; u < taps; u++)
#pragma unroll
                                for (int i = 0; i < size; i++)
                                    if (j + q * step < taps) sum[j + q * step < taps ? j + q * step : 0][u][i] += pixel[j][o * step + u][i] * gradient[q][o][i];
            }
#pragma unroll
            for (int o = 0; o < columns; o++) {
#pragma unroll
                for (int q = behind; q > 0; q--) gradient[q][o] = gradient[q - 1][o];
                gradient[0][o] = later[o];
            }
#pragma unroll
            for (int j = 0; j < step; j++)
#pragma unroll
                for (int t = 0; t < source.pixels; t++) pixel[j][t] = ahead[j][t];
            barrier();
        }
    }
    u32 me = threadY() * blockWidth() + threadX(), here = smaller(blockWidth() * size, channels - first);
#pragma unroll
    for (int t = 0; t < taps; t++) {
        barrier();
#pragma unroll
        for (int u = 0; u < taps; u++)
#pragma unroll
            for (int i = 0; i < size; i++) part[(u * blockHeight() + threadY()) * blockWidth() * size + threadX() * size + i] = sum[t][u][i];
        barrier();
#pragma unroll 1
        for (u32 i = me; i < here; i += blockWidth() * blockHeight())
#pragma unroll 1
            for (int u = 0; u < taps; u++) {
                float s = 0;
#pragma unroll 1
                for (u32 j = 0; j < blockHeight(); j++) s += part[(u * blockHeight() + j) * blockWidth() * size + i];
                sums[((u64)blockZ() * channels + first + i) * plan->filterTaps + t * taps + u] = s;
            }
    }
}

#define DEPTHWISE_SQUARE(name, T, size, taps, step, columns, blocks)                                                                                          \
    KERNEL(128, blocks) conv_depthwise_##name(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* w, const float* bias, const T* residual, T* y, \
                                              u64 across, u64 down, u32 count, u32 rows, u32 act, float low, float high) {                                     \
        depthwiseSquare<T, size, taps, step, columns>(plan, pass, x, w, y, across, down, count, rows, {bias, residual, act, low, high});                       \
    }
#define DEPTHWISE_SQUARE_FILTER(name, T, size, taps, step, columns, threads)                                                                               \
    KERNEL(threads, 1) conv_depthwise_filter_##name(const ConvPlan* plan, const ConvPass* pass, const T* x, const T* dy, float* sums, u64 across, u64 down,  \
                                                    u32 count, u32 share, u32 rows) {                                                                      \
        depthwiseSquareFilter<T, size, taps, step, columns, threads>(plan, pass, x, dy, sums, across, down, count, share, rows);                             \
    }
// DEPTHWISE_SQUARES: filters of 3, 5 and 7 by as many taps; 3 and 5 also at stride 2. A change of a number is one of cuda/lower_conv_square.go too.
#define DEPTHWISE_SQUARES(suffix, T)                                  \
    DEPTHWISE_SQUARE(suffix##_3x3, T, 4, 3, 1, 2, 4)                  \
    DEPTHWISE_SQUARE(suffix##_5x5, T, 2, 5, 1, 2, 4)                  \
    DEPTHWISE_SQUARE(suffix##_7x7, T, 2, 7, 1, 2, 2)                  \
    DEPTHWISE_SQUARE(suffix##_3x3_stride2, T, 2, 3, 2, 2, 4)          \
    DEPTHWISE_SQUARE(suffix##_5x5_stride2, T, 2, 5, 2, 2, 3)          \
    DEPTHWISE_SQUARE_FILTER(suffix##_3x3, T, 4, 3, 1, 2, 384)         \
    DEPTHWISE_SQUARE_FILTER(suffix##_5x5, T, 2, 5, 1, 2, 384)         \
    DEPTHWISE_SQUARE_FILTER(suffix##_7x7, T, 2, 7, 1, 2, 256)         \
    DEPTHWISE_SQUARE_FILTER(suffix##_3x3_stride2, T, 2, 3, 2, 2, 512) \
    DEPTHWISE_SQUARE_FILTER(suffix##_5x5_stride2, T, 2, 5, 2, 2, 256)
