// The kernels of convolution by tiles: gather (forward and by data) and the gradient by filters, each for one type and shape of tile.
#pragma once
#include "conv_epilogue.cuh"
#include "conv_load.cuh"

// ConvResult is where a block's results go: out, by way of the epilogue; or, where it is not null, sums as they are, to be added up later or
// because the result is f32.
template <typename T>
struct ConvResult {
    T* out;
    float* sums;
    ConvEpilogue<T> epilogue;
    u32 columns; // from the block's first to the end of its group
    u32 channel; // of the block's first column
    u32 wide;    // rows allow 16-byte accesses

    // store takes one 16-byte access of T from a column on; wide.
    DEVICE_MEMBER void store(i64 at, u32 column, float (&v)[Pack<T>::size]) const {
        if (sums == nullptr) return convStore(epilogue, out, at + column, channel + column, v);
#pragma unroll
        for (int i = 0; i < Pack<T>::size; i += 4) {
            Pack<float> p;
#pragma unroll
            for (int j = 0; j < 4; j++) p[j] = v[i + j];
            storePack(sums + at + column + i, p);
        }
    }
    DEVICE_MEMBER void store(i64 at, u32 column, float v) const {
        at += column;
        if (sums) sums[at] = v;
        else out[at] = to<T>(epilogue(v, at, channel + column));
    }
};

// The thread is asked for its number again, as any register that is held over the loop over the tiles is one too many.
// convFinish brings the sums of a tile to the result, by way of shared memory so that whole rows are written. place gives the element of
// the block's first column in a row of the tile; negative for none.
template <typename S, typename T, int part = 0, typename Total, typename Place>
DEVICE void convFinish(const Total& total, float* staged, const ConvResult<T>& result, Place place) {
    constexpr int n = Pack<T>::size, across = S::columns / n;
    total.template stage<part>(shared(staged));
    barrier();
    auto row = [&](u32 r) { return place(r / 32 * S::warpRows + part * 32 + r % 32); };
    if (result.wide) {
#pragma unroll 1
        for (u32 i = opaque(threadX()); i < S::stagedRows * across; i += S::threads) {
            u32 r = i / across, column = i % across * n;
            i64 at = row(r);
            if (at < 0 || column >= result.columns) continue;
            float v[n];
#pragma unroll
            for (int j = 0; j < n; j += 4) loadShared4(shared(staged + r * S::stagedWidth + column + j), v[j], v[j + 1], v[j + 2], v[j + 3]);
            result.store(at, column, v);
        }
    } else {
#pragma unroll 1
        for (u32 i = opaque(threadX()); i < S::stagedRows * S::columns; i += S::threads) {
            u32 r = i / S::columns, column = i % S::columns;
            i64 at = row(r);
            if (at >= 0 && column < result.columns) result.store(at, column, staged[r * S::stagedWidth + column]);
        }
    }
    if constexpr (part + 1 < S::warpRows / 32) {
        barrier();
        convFinish<S, T, part + 1>(total, staged, result, place);
    }
}


// convGather is one tile of a gather: blockX counts tiles of rows and, fastest, of columns, blockY groups, blockZ splits of the depth.
template <typename S, bool packed, bool backward, typename T = typename S::Stored>
DEVICE void convGather(const ConvPlan* plan, const ConvPass* passes, const ConvTap* taps, const T* x, const T* w, T* y, float* sums, u64 sumsOfSplit, u64 columnTiles,
                       u32 splits, u32 wide, ConvEpilogue<T> epilogue) {
    DYNAMIC_SHARED(float, ring);
    __shared__ Pixel pixels[S::rows];
    u32 columnTile = blockX(), rowTile = Divider(columnTiles).split(columnTile), group = blockY();
    const ConvPass* pass = convPass(plan, passes, rowTile);
    for (u32 i = threadX(); i < S::rows; i += S::threads) pixels[i] = convPixel(*plan, *pass, (rowTile - pass->tile) * S::rows + i);
    barrier();

    u32 depth = plan->depth, column = columnTile * S::columns;
    u32 tiles = backward ? pass->taps * ceilDiv(depth, (u32)S::depth) : ceilDiv(pass->taps * depth, (u32)S::depth);
    u32 share = ceilDiv(tiles, splits), first = smaller(blockZ() * share, tiles);
    GatherLoad<S, packed, backward> load;
    load.start(plan, pass, taps, x, w, pixels, group, column, first);
    Sums<S, byRows, backward ? byDepth : byRows> total;
    multiplyTiles<S>(smaller(share, tiles - first), shared(ring), load, total);
    columnTile = opaque(blockX()), Divider(columnTiles).split(columnTile); // again: there are no registers to keep it in
    column = columnTile * S::columns;
    u32 channel = blockY() * plan->columns + column;
    if (sums) sums += blockZ() * sumsOfSplit;
    ConvResult<T> result = {y, sums, epilogue, plan->columns - column, channel, wide};
    convFinish<S, T>(total, ring, result, [&](u32 row) { i64 at = pixels[row].to; return at < 0 ? at : at + channel; });
}

// convFilter is one tile of the gradient by filters: blockX counts tiles of filters and, fastest, of taps and channels, blockY groups, blockZ splits of the pixels.
template <typename S, bool packed, typename T = typename S::Stored>
DEVICE void convFilter(const ConvPlan* plan, const ConvPass* pass, const ConvTap* taps, const T* x, const T* dy, T* dw, float* sums, u64 sumsOfSplit, u64 columnTiles,
                       u32 splits, u32 wide) {
    DYNAMIC_SHARED(float, ring);
    __shared__ Pixel pixels[S::stages * S::depth];
    u32 columnTile = blockX(), rowTile = Divider(columnTiles).split(columnTile), group = blockY();
    u32 row = rowTile * S::rows, column = columnTile * S::columns;
    u32 tiles = ceilDiv(pass->rows, (u32)S::depth), share = ceilDiv(tiles, splits), first = smaller(blockZ() * share, tiles);
    FilterLoad<S, packed> load;
    load.start(plan, pass, taps, x, dy, pixels, group, row, column, first);
    Sums<S, byDepth, byDepth> total;
    multiplyTiles<S>(smaller(share, tiles - first), shared(ring), load, total);

    u32 width = plan->filterTaps * plan->depth, filters = plan->columns;
    if (sums) sums += blockZ() * sumsOfSplit;
    ConvResult<T> result = {dw, sums, {nullptr, nullptr, 0, 0, 0}, width - column, column, wide};
    convFinish<S, T>(total, ring, result, [&](u32 m) { return row + m < filters ? (i64)(group * filters + row + m) * width + column : (i64)-1; });
}

// CONV_KERNELS defines the kernels of one shape of tile.
#define CONV_GATHER(name, S, blocks, packed, backward)                                                                                                          \
    KERNEL(S::threads, blocks) name(const ConvPlan* plan, const ConvPass* passes, const ConvTap* taps, const S::Stored* x, const S::Stored* w, const float* bias, \
                                    const S::Stored* residual, S::Stored* y, float* sums, u64 sumsOfSplit, u64 columnTiles, u32 splits, u32 wide, u32 act,    \
                                    float low, float high) {                                                                                                    \
        convGather<S, packed, backward>(plan, passes, taps, x, w, y, sums, sumsOfSplit, columnTiles, splits, wide, {bias, residual, act, low, high});         \
    }
#define CONV_FILTER(name, S, blocks, packed)                                                                                                                    \
    KERNEL(S::threads, blocks) name(const ConvPlan* plan, const ConvPass* pass, const ConvTap* taps, const S::Stored* x, const S::Stored* dy, S::Stored* dw,    \
                                    float* sums, u64 sumsOfSplit, u64 columnTiles, u32 splits, u32 wide) {                                                      \
        convFilter<S, packed>(plan, pass, taps, x, dy, dw, sums, sumsOfSplit, columnTiles, splits, wide);                                                        \
    }
#define CONV_KERNELS(suffix, S, blocks, packed)                    \
    CONV_GATHER(conv_forward_##suffix, S, blocks, packed, false)   \
    CONV_GATHER(conv_backward_##suffix, S, blocks, packed, true)   \
    CONV_FILTER(conv_filter_##suffix, S, blocks, packed)
