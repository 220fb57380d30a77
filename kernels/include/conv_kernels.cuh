// The kernels of convolution by tiles: gather (forward and by data) and the gradient by filters, each for one type and shape of tile.
#pragma once
#include "conv_load.cuh"
#include "gemm_epilogue.cuh"
#include "scalar_tile.cuh"
#include "tensor_tile.cuh"

// ConvResult is where a block's results go: out, by way of the epilogue; or, where it is not null, sums as they are, to be added up later or
// because the result is f32.
template <typename T>
struct ConvResult {
    T* out;
    float* sums;
    const float* bias;
    const T* residual;
    u32 act;
    float low, high;
    u32 packed; // rows allow accesses of 16 bytes

    // finish brings the sums of a tile there, by way of shared memory so that whole rows are written. place gives the element of the block's first column
    // in a row of the tile, which is column of the bias; negative for none. count columns are in the result.
    template <typename Tile, typename Place>
    DEVICE_MEMBER void finish(const typename Tile::Sums& total, u32 memory, u32 column, u32 count, Place place) const {
        Staged<float, Tile::BM, Tile::BN> block{memory};
        static_assert(block.bytes <= Tile::ringBytes, "the results fit the memory of the tiles");
        Tile::put(block, total);
        barrier();
        if (Same<T, float>::value || sums) {
            bool plain = sums; // by the same code as results of f32
            Finish<float, float, true> f = {plain ? sums : (float*)out, plain ? nullptr : (const float*)residual, plain ? nullptr : bias, 1, 1, 0, low, high, plain ? actNone : act, packed != 0};
            return finishPlaces<Tile::threads>(block, f, column, count, place);
        }
        Finish<T, float, true> f = {out, residual, bias, 1, 1, 0, low, high, act, packed != 0};
        finishPlaces<Tile::threads>(block, f, column, count, place);
    }
};

// convGather is one tile of a gather: blockX counts tiles of rows and, fastest, of columns, blockY groups, blockZ splits of the depth.
template <typename Tile, typename T, bool packed, bool backward>
DEVICE void convGather(const ConvPlan* plan, const ConvPass* passes, const ConvTap* taps, const T* x, const T* w, u64 sumsOfSplit, u64 columnTiles, u32 splits,
                       ConvResult<T> result) {
    DYNAMIC_SHARED(u8, memory);
    __shared__ Pixel pixels[Tile::BM];
    u32 columnTile = blockX(), rowTile = Divider(columnTiles).split(columnTile), group = blockY();
    const ConvPass* pass = convPass(plan, passes, rowTile);
    for (u32 i = threadX(); i < Tile::BM; i += Tile::threads) pixels[i] = convPixel(*plan, *pass, (rowTile - pass->tile) * Tile::BM + i);
    barrier();

    u32 depth = plan->depth;
    u32 tiles = backward ? pass->taps * ceilDiv(depth, (u32)Tile::BK) : ceilDiv(pass->taps * depth, (u32)Tile::BK);
    u32 share = ceilDiv(tiles, splits), first = smaller(blockZ() * share, tiles);
    GatherLoad<Tile, T, packed, backward> load(plan, pass, taps, x, w, pixels, group, columnTile * Tile::BN, first);
    typename Tile::Sums total;
    Tile::clear(total);
    runRing<Tile>(total, load, smaller(share, tiles - first), shared(memory));

    columnTile = opaque(blockX()), Divider(columnTiles).split(columnTile); // again: there are no registers to keep it in
    u32 column = columnTile * Tile::BN, channel = blockY() * plan->columns + column;
    if (result.sums) result.sums += blockZ() * sumsOfSplit;
    result.template finish<Tile>(total, shared(memory), channel, plan->columns - column, [&](u32 row) {
        i64 at = pixels[row].to;
        return at < 0 ? at : at + channel;
    });
}

// convFilter is one tile of the gradient by filters: blockX counts tiles of filters and, fastest, of taps and channels, blockY groups, blockZ splits of the pixels.
template <typename Tile, typename T, bool packed>
DEVICE void convFilter(const ConvPlan* plan, const ConvPass* pass, const ConvTap* taps, const T* x, const T* dy, u64 sumsOfSplit, u64 columnTiles, u32 splits,
                       ConvResult<T> result) {
    DYNAMIC_SHARED(u8, memory);
    __shared__ Pixel pixels[Tile::stages * Tile::BK];
    u32 columnTile = blockX(), rowTile = Divider(columnTiles).split(columnTile), group = blockY();
    u32 row = rowTile * Tile::BM, column = columnTile * Tile::BN;
    u32 tiles = ceilDiv(pass->rows, (u32)Tile::BK), share = ceilDiv(tiles, splits), first = smaller(blockZ() * share, tiles);
    FilterLoad<Tile, T, packed> load(plan, pass, taps, x, dy, pixels, group, row, column, first);
    typename Tile::Sums total;
    Tile::clear(total);
    runRing<Tile>(total, load, smaller(share, tiles - first), shared(memory));

    u32 width = plan->filterTaps * plan->depth, filters = plan->columns;
    if (result.sums) result.sums += blockZ() * sumsOfSplit;
    result.template finish<Tile>(total, shared(memory), column, width - column,
                                 [&](u32 m) { return row + m < filters ? (i64)(group * filters + row + m) * width + column : (i64)-1; });
}

// TileOf<T> gives the tiles of a type: float on CUDA cores, tf32, f16 and bf16 on tensor cores.
template <typename T, int BM, int BN, int BK, int WM, int WN, int stages, bool ahead = true>
struct TileOf {
    template <bool kMajorA, bool kMajorB> using By = TensorTile<T, BM, BN, BK, WM, WN, stages, kMajorA, kMajorB, ahead>;
};
template <int BM, int BN, int BK, int WM, int WN, int stages, bool ahead>
struct TileOf<float, BM, BN, BK, WM, WN, stages, ahead> {
    template <bool kMajorA, bool kMajorB> using By = ScalarTile<BM, BN, BK, WM, WN, stages, kMajorA, kMajorB>;
};

// CONV_KERNELS defines the kernels of one shape of tile. S is how elements are stored.
#define CONV_GATHER(name, S, Tile, blocks, packed, backward)                                                                                        \
    KERNEL((Tile::By<true, !backward>::threads), blocks) name(const ConvPlan* plan, const ConvPass* passes, const ConvTap* taps, const S* x, const S* w, \
                                                            const float* bias, const S* residual, S* y, float* sums, u64 sumsOfSplit,               \
                                                            u64 columnTiles, u32 splits, u32 wide, u32 act, float low, float high) {                \
        convGather<Tile::By<true, !backward>, S, packed, backward>(plan, passes, taps, x, w, sumsOfSplit, columnTiles, splits,                        \
                                                                 {y, sums, bias, residual, act, low, high, wide});                                  \
    }
#define CONV_FILTER(name, S, Tile, blocks, packed)                                                                                                  \
    KERNEL((Tile::By<false, false>::threads), blocks) name(const ConvPlan* plan, const ConvPass* pass, const ConvTap* taps, const S* x, const S* dy, S* dw, \
                                                         float* sums, u64 sumsOfSplit, u64 columnTiles, u32 splits, u32 wide) {                     \
        convFilter<Tile::By<false, false>, S, packed>(plan, pass, taps, x, dy, sumsOfSplit, columnTiles, splits, {dw, sums, nullptr, nullptr, actNone, 0, 0, wide}); \
    }
#define CONV_KERNELS(suffix, S, Tile, blocks, packed)                   \
    CONV_GATHER(conv_forward_##suffix, S, Tile, blocks, packed, false)  \
    CONV_GATHER(conv_backward_##suffix, S, Tile, blocks, packed, true)  \
    CONV_FILTER(conv_filter_##suffix, S, Tile, blocks, packed)
