// Loaders of a convolution's tiles: what one block copies to shared memory, tile after tile along the depth.
#pragma once
#include "conv_plan.cuh"
#include "conv_tile.cuh"

// opaque hides how x came about, so that sums with it are made where they are used and not kept in registers throughout a loop.
DEVICE i64 opaque(i64 x) {
    asm volatile("" : "+l"(x));
    return x;
}
DEVICE u32 opaque(u32 x) {
    asm volatile("" : "+r"(x));
    return x;
}

// copyElement copies one element where ok, or a zero: 4 bytes beside the thread, 2 bytes through a register.
DEVICE void copyElement(u32 at, const float* from, bool ok) { copyAsync<4>(at, from, ok); }
template <typename T> DEVICE void copyElement(u32 at, const T* from, bool ok) {
    u16 x = 0;
    if (ok) x = from->bits;
    storeShared(at, x);
}

// TapWalk is the place of a thread along the depth of a gather, which counts the channels of the first tap, then those of the second, …
// The list of taps ends with two that are never inside. early: the next tap is read a tap ahead; else there are no registers for that.
template <bool early>
struct TapWalk {
    const ConvTap* next; // tap to be read
    u32 channel;
    ConvTap now, ahead;

    DEVICE_MEMBER void start(const ConvTap* taps, u32 firstTap, u32 firstChannel) {
        next = taps + firstTap, channel = firstChannel;
        if (early) read(ahead);
        nextTap();
    }
    DEVICE_MEMBER void nextTap() {
        if (early) now = ahead, read(ahead);
        else read(now);
    }
    DEVICE_MEMBER void read(ConvTap& x) {
        Word4 w = *(const Word4*)next;
        x.delta = (i64)(w.x | (u64)w.y << 32);
        x.test = w.z, x.filterTap = w.w;
        next++;
    }
    DEVICE_MEMBER bool ended() const { return now.test == outsideTest; }
};

// GatherLoad loads the tiles of a gather: A is the source at the taps of each of the block's pixels, by rows; B the filters. packed copies 16 bytes at a
// time, else an element at a time. Forward, the filters lie by rows and the depth counts the channels of all taps without a gap; backward they
// lie by depth, and the depth counts the channels of each tap up to a whole tile.
template <typename S, bool packed, bool backward>
struct GatherLoad {
    typedef typename S::Stored T;
    static constexpr bool kept = packed && sizeof(T) == 2; // the thread's rows are kept in registers
    static constexpr int unit = packed ? S::chunk : 1;              // elements of a copy
    static constexpr int units = S::depth / unit;                   // of a row's depth
    static constexpr int step = S::threads / units;                 // rows from one copy of a thread to its next
    static constexpr int copies = S::rows / step, copiesB = S::columns / step;
    static constexpr int across = S::columns / unit;                // copies of one step of the depth of B, backward
    static constexpr int stepDepth = S::threads / across, copiesDepth = S::depth / stepDepth;

    TapWalk<kept> walk;
    const ConvPlan* plan;        // what is used once a tile is read from it each time, to save registers
    u32 n;                       // the thread's (first) column of B
    const T* source;             // of the group
    const Pixel* pixels;         // of the block, in shared memory
    const T* from[kept ? copies : 1]; // of the thread's rows, where there are registers for them
    u32 inside[kept ? copies : 1];
    const T* filter;             // forward: the thread's first row, at the place along the depth; backward: at its first channel and column
    u32 row, unitAt;             // the thread's first row, and the first element of its copies
    u32 rowB;                    // backward: the thread's first step of the depth of B

    // filterRow is the filters' elements from a row of B to the next: forward from one of the result's channels, backward from one of the source's.
    DEVICE_MEMBER i64 filterRow() const { return (i64)plan->filterTaps * (backward ? plan->columns : plan->depth); }

    DEVICE_MEMBER void start(const ConvPlan* geometry, const ConvPass* pass, const ConvTap* taps, const T* x, const T* w, const Pixel* table, u32 group, u32 column, u32 firstTile) {
        plan = geometry, pixels = table;
        u32 depth = plan->depth;
        row = threadX() / units, unitAt = threadX() % units * unit;
        source = x + (i64)group * depth;
        if (kept) {
#pragma unroll
            for (int i = 0; i < copies; i++) from[i] = source + table[row + i * step].from, inside[i] = table[row + i * step].inside;
        }
        if (backward) {
            u32 tiles = ceilDiv(depth, (u32)S::depth), tap = firstTile / tiles;
            walk.start(taps + pass->firstTap, tap, (firstTile - tap * tiles) * S::depth);
            rowB = threadX() / across;
            n = column + threadX() % across * unit;
            filter = w + ((i64)group * depth + rowB) * filterRow() + n;
        } else {
            u32 k = firstTile * S::depth + unitAt, tap = smaller(k / depth, pass->taps);
            walk.start(taps + pass->firstTap, tap, k - tap * depth);
            n = column + row;
            filter = w + ((i64)group * plan->columns + n) * filterRow() + k;
        }
    }
    DEVICE_MEMBER void prepareFirst() {}
    DEVICE_MEMBER void prepare() {}

    DEVICE_MEMBER void next(u32 a, u32 b) {
        u32 depth = plan->depth, channel = walk.channel + (backward ? unitAt : 0);
        bool some = !backward || channel < depth;
        i64 delta = walk.now.delta + channel;
        u32 test = some ? walk.now.test : outsideTest;
        copyA(a, delta, test);
        if (backward) {
            copyDepthB(b, depth);
            if ((walk.channel += S::depth) >= depth) walk.channel = 0, walk.nextTap();
        } else {
            copyRowsB(b, !walk.ended());
            filter += S::depth;
            for (walk.channel += S::depth; walk.channel >= depth && !walk.ended(); walk.channel -= depth) walk.nextTap();
        }
    }
    DEVICE_MEMBER void copyA(u32 a, i64 delta, u32 test) {
#pragma unroll
        for (int i = 0; i < copies; i++) {
            u32 r = row + i * step;
            u32 to = a + S::template atRows<false>(r, unitAt / S::chunk);
            if constexpr (kept) {
                copyAsync<16>(to, from[i] + delta, (inside[i] & test) == test);
            } else {
                const T* p = source + pixels[r].from + delta;
                bool ok = (pixels[r].inside & test) == test;
                if constexpr (packed) copyAsync<16>(to, p, ok);
                else copyElement(to + unitAt % S::chunk * (u32)sizeof(T), p, ok);
            }
        }
    }
    DEVICE_MEMBER void copyRowsB(u32 b, bool some) {
        const T* p = filter;
        i64 apart = opaque(step * filterRow());
        u32 columns = plan->columns;
#pragma unroll
        for (int i = 0; i < copiesB; i++, p += apart) {
            u32 r = row + i * step;
            bool ok = some && n + i * step < columns;
            u32 to = b + S::template atRows<true>(r, unitAt / S::chunk);
            if constexpr (packed) copyAsync<16>(to, p, ok);
            else copyElement(to + unitAt % S::chunk * (u32)sizeof(T), p, ok);
        }
    }
    DEVICE_MEMBER void copyDepthB(u32 b, u32 depth) {
        u32 columns = plan->columns;
        i64 apart = opaque(filterRow());
        const T* p = filter + walk.channel * apart + (i64)walk.now.filterTap * columns;
        apart = opaque(stepDepth * apart);
        u32 chunk = threadX() % across * unit / S::chunk, within = threadX() % across * unit % S::chunk;
#pragma unroll
        for (int i = 0; i < copiesDepth; i++, p += apart) {
            u32 k = rowB + i * stepDepth;
            bool ok = n < columns && walk.channel + k < depth && !walk.ended();
            u32 to = b + S::template atDepth<true>(k, chunk);
            if constexpr (packed) copyAsync<16>(to, p, ok);
            else copyElement(to + within * (u32)sizeof(T), p, ok);
        }
    }
};

// FilterLoad loads the tiles of the gradient by filters: the depth counts pixels, A is the result's gradient and B the source at the columns' taps and
// channels, both by depth. The pixels' places are worked out in shared memory, some tiles ahead, by the first threads.
template <typename S, bool packed>
struct FilterLoad {
    typedef typename S::Stored T;
    static constexpr int unit = packed ? S::chunk : 1;
    static constexpr int acrossA = S::rows / unit, acrossB = S::columns / unit;
    static constexpr int stepA = S::threads / acrossA, stepB = S::threads / acrossB;

    const ConvPlan* plan;
    const ConvPass* pass;
    Pixel* pixels;         // stages tables of a tile's pixels, in shared memory
    u32 prepared, slot;    // the next tile to prepare, in pixels, and its table; the table of the next tile to load
    u32 loading;
    const T *gradient, *source;
    bool someA, someB;
    u32 test;

    DEVICE_MEMBER void start(const ConvPlan* p, const ConvPass* q, const ConvTap* taps, const T* x, const T* dy, Pixel* table, u32 group, u32 row, u32 column, u32 firstTile) {
        plan = p, pass = q, pixels = table, prepared = firstTile * S::depth, slot = 0, loading = 0;
        u32 m = row + threadX() % acrossA * unit, n = column + threadX() % acrossB * unit;
        someA = m < p->columns;
        someB = n < p->filterTaps * p->depth;
        gradient = dy + (i64)group * p->columns + m;
        u32 tap = n / p->depth;
        test = outsideTest;
        source = x + (i64)group * p->depth;
        if (someB) {
            test = taps[tap].test;
            source += taps[tap].delta + (n - tap * p->depth);
        }
    }
    DEVICE_MEMBER void prepareFirst() {
#pragma unroll 1
        for (int s = 0; s < S::stages; s++) prepare();
        barrier();
    }
    DEVICE_MEMBER void prepare() {
        if (threadX() < S::depth) {
            Pixel x = convPixel(*plan, *pass, prepared + threadX());
            pixels[slot * S::depth + threadX()] = x;
        }
        prepared += S::depth;
        slot = slot + 1 == S::stages ? 0 : slot + 1;
    }
    DEVICE_MEMBER void next(u32 a, u32 b) {
        const Pixel* table = pixels + loading * S::depth;
        loading = loading + 1 == S::stages ? 0 : loading + 1;
        u32 chunk = threadX() % acrossA * unit / S::chunk, within = threadX() % acrossA * unit % S::chunk * (u32)sizeof(T);
#pragma unroll
        for (int k = threadX() / acrossA, i = 0; i < S::depth / stepA; i++, k += stepA) {
            i64 at = table[k].to;
            copy(a + S::template atDepth<false>(k, chunk) + within, gradient + at, someA && at >= 0);
        }
        chunk = threadX() % acrossB * unit / S::chunk, within = threadX() % acrossB * unit % S::chunk * (u32)sizeof(T);
#pragma unroll
        for (int k = threadX() / acrossB, i = 0; i < S::depth / stepB; i++, k += stepB)
            copy(b + S::template atDepth<true>(k, chunk) + within, source + table[k].from, (table[k].inside & test) == test);
    }
    static DEVICE_MEMBER void copy(u32 to, const T* p, bool ok) {
        if constexpr (packed) copyAsync<16>(to, p, ok);
        else copyElement(to, p, ok);
    }
};
