// The geometry of a convolution, as cuda/conv_plan.go writes it into a program's table of constants.
//
// Forward and backward by data are both gathers: a pixel of the result, i in a box of pixels, is a sum over taps of pixels of the source,
// i·step + shift + tap·shiftStep. Forward there is one such pass. Backward with a stride there is one for each residue class of the result's
// pixels: each class sees its own taps and is a dense gather, so that no product with a zero is made.
#pragma once
#include "divide.cuh"
#include "memory.cuh"

struct ConvPlan {
    u32 source[3], result[3];             // spatial extents
    u32 sourceChannels, resultChannels;   // of a pixel
    u32 depth, columns;                   // channels of one group: summed over, and made
    u32 filterTaps;                       // taps of a whole filter
    u32 passes;
};

struct ConvPass {
    u32 tile, rows;                  // number of the pass's first tile of rows; rows: pixels of all images
    u32 count[3];                    // pixels along each axis
    u32 taps;
    u64 divide[3];                   // by count, for Divider
    u32 step[3];                     // of the source for a pixel
    u32 first[3], stride[3];         // pixels of the result that are made
    u32 axisTaps[3];
    i32 shift[3], shiftStep[3];
    i32 tap[3], tapStep[3];          // of the filter
    u32 firstTap;                    // in the list of taps
    u32 filterExtent[3];             // taps of a whole filter along each axis
};

// ConvTap is one tap of a pass: where its source lies from the pixel's own, in elements; the bits that a pixel's mask must have for
// it to be inside; and the tap of the filter.
struct ConvTap {
    i64 delta;
    u32 test, filterTap;
};

static_assert(sizeof(ConvPlan) == 48 && sizeof(ConvPass) == 160 && sizeof(ConvTap) == 16, "as written by cuda/conv_plan.go");

// outsideTest is in no pixel's mask.
constexpr u32 outsideTest = 0x80000000u;

// Pixel is a row of a gather: the source's element of tap 0 without shift, the taps that lie inside the image (a bit for each of the taps along
// each axis, of which there are at most 31), and the element of the result.
struct Pixel {
    i64 from, to;
    u32 inside;
};

// convIndex splits a row into image and pixel.
struct ConvIndex {
    u32 image, at[3];
    DEVICE_MEMBER ConvIndex(const ConvPass& p, u32 row) {
        at[2] = row;
        at[1] = Divider(p.divide[2]).split(at[2]);
        at[0] = Divider(p.divide[1]).split(at[1]);
        image = Divider(p.divide[0]).split(at[0]);
    }
};

DEVICE Pixel convPixel(const ConvPlan& plan, const ConvPass& p, u32 row) {
    Pixel x = {0, -1, 0};
    if (row >= p.rows) return x;
    ConvIndex i(p, row);
    i64 from = i.image, to = i.image;
    u32 bit = 1;
#pragma unroll
    for (int a = 0; a < 3; a++) {
        i32 origin = (i32)(i.at[a] * p.step[a]);
        from = from * plan.source[a] + origin;
        to = to * plan.result[a] + (p.first[a] + i.at[a] * p.stride[a]);
        i32 at = origin + p.shift[a];
        for (u32 t = p.axisTaps[a]; t > 0; t--) {
            if ((u32)at < plan.source[a]) x.inside |= bit;
            at += p.shiftStep[a];
            bit <<= 1;
        }
    }
    x.from = from * plan.sourceChannels;
    x.to = to * plan.resultChannels;
    return x;
}

// convPass finds the pass of a tile of rows.
DEVICE const ConvPass* convPass(const ConvPlan* plan, const ConvPass* passes, u32 tile) {
    u32 low = 0, high = plan->passes; // the pass lies in [low, high)
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (tile >= passes[middle].tile) low = middle;
        else high = middle;
    }
    return passes + low;
}
