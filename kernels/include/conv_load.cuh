// Loaders of a convolution's tiles: what one block copies to shared memory, tile after tile along the depth.
#pragma once
#include "conv_plan.cuh"
#include "ring.cuh"

// copyElements copies n single elements, where ok(i), from from(i) to the shared address to(first, j), i = first + j, or zeros: 4 bytes beside the thread; 2
// bytes by way of registers, several under way at a time. j is known when it is compiled.
template <typename T, int n, typename From, typename OK, typename To>
DEVICE void copyElements(From from, OK ok, To to) {
    constexpr int some = n < 8 ? n : 8;
    static_assert(n % some == 0, "whole batches");
#pragma unroll 1
    for (u32 i = 0; i < n; i += some) {
        if constexpr (sizeof(T) == 4) {
#pragma unroll
            for (int j = 0; j < some; j++) copyAsync<4>(to(i, j), from(i + j), ok(i + j));
        } else {
            u16 x[some];
#pragma unroll
            for (int j = 0; j < some; j++) x[j] = ok(i + j) ? from(i + j)->bits : (u16)0;
#pragma unroll
            for (int j = 0; j < some; j++) storeShared(to(i, j), x[j]);
        }
    }
}

// copyPieces copies n pieces of 16 bytes likewise.
template <int n, typename From, typename OK, typename To>
DEVICE void copyPieces(From from, OK ok, To to) {
#pragma unroll
    for (int i = 0; i < n; i++) copyAsync<16>(to(0, i), from(i), ok(i));
}

// TapWalk is the place of a thread along the depth of a gather, which counts the channels of the first tap, then those of the second, …
// The list of taps ends with one that is never inside. A tap is read when the one before is done, a tile before it is needed.
struct TapWalk {
    const ConvTap* next; // tap to be read
    u32 channel;
    ConvTap now;

    DEVICE_MEMBER void start(const ConvTap* taps, u32 firstTap, u32 firstChannel) {
        next = taps + firstTap, channel = firstChannel;
        nextTap();
    }
    DEVICE_MEMBER void nextTap() {
        Word4 w = *(const Word4*)next++;
        now.delta = (i64)(w.x | (u64)w.y << 32);
        now.test = w.z, now.filterTap = w.w;
    }
    DEVICE_MEMBER bool ended() const { return now.test == outsideTest; }
};

// Copies says which pieces or elements of a tile a thread copies: of one column of units, a row every apart rows.
template <typename Tile, int threads, bool packed>
struct Copies {
    static constexpr int unit = packed ? Tile::pieceSize : 1, units = Tile::columns / unit, apart = threads / units, count = Tile::rows / apart;
    static_assert(threads % units == 0 && Tile::rows % apart == 0, "every thread copies as much");
    static DEVICE_MEMBER u32 row() { return threadX() / units; }            // the thread's first
    static DEVICE_MEMBER u32 column() { return threadX() % units * unit; }  // its first element
    // at is the place of an element of a row that the thread copies.
    static DEVICE_MEMBER u32 at(u32 row) {
        constexpr int size = 16 / Tile::pieceSize;
        u32 c = column();
        return Tile::at(row, c / Tile::pieceSize) + (packed ? 0 : c % Tile::pieceSize * size);
    }
    template <typename T, typename From, typename OK>
    static DEVICE_MEMBER void copy(u32 tile, From from, OK ok) {
        constexpr int twists = apart < Tile::twistPeriod ? Tile::twistPeriod / apart : 1; // of its rows, in turn
        static_assert(count < 8 ? count % twists == 0 : 8 % twists == 0, "batches begin with the first twist");
        u32 first[twists];
#pragma unroll
        for (int t = 0; t < twists; t++) first[t] = opaque(tile + at(row() + t * apart));
        auto to = [&](u32 i, int j) { return first[j % twists] + (i + j / twists * twists) * apart * Tile::rowBytes; };
        if constexpr (packed) copyPieces<count>(from, ok, to);
        else copyElements<T, count>(from, ok, to);
    }
};

// GatherLoad loads the tiles of a gather: A is the source at the taps of each of the block's pixels, by rows of k; B the filters. packed copies 16 bytes at
// a time, else an element at a time. Forward, the filters lie along k too, and the depth counts the channels of all taps without a gap; backward they
// lie along n, and the depth counts the channels of each tap up to a whole tile.
template <typename Tile, typename T, bool packed, bool backward>
struct GatherLoad {
    typedef Copies<typename Tile::A, Tile::threads, packed> CopiesA;
    typedef Copies<typename Tile::B, Tile::threads, packed> CopiesB;
    static constexpr bool kept = packed && sizeof(T) == 2 && (!backward || Tile::BM * Tile::BN <= 32 * Tile::threads); // the thread's rows are kept in registers
    static constexpr u32 BK = Tile::BK;

    TapWalk walk;
    const ConvPlan* plan;        // what is used once a tile is read from it each time, to save registers
    u32 n;                       // the thread's (first) column of B
    const T* source;             // of the group
    const Pixel* pixels;         // of the block, in shared memory
    const T* from[kept ? CopiesA::count : 1]; // of the thread's rows, where there are registers for them
    u32 inside[kept ? CopiesA::count : 1];
    const T* filter;             // forward: the thread's first row, at the place along the depth; backward: at its first channel and column

    // filterRow is the filters' elements from a row of B to the next: forward from one of the result's channels, backward from one of the source's.
    DEVICE_MEMBER i64 filterRow() const { return (i64)plan->filterTaps * (backward ? plan->columns : plan->depth); }

    DEVICE_MEMBER GatherLoad(const ConvPlan* geometry, const ConvPass* pass, const ConvTap* taps, const T* x, const T* w, const Pixel* table, u32 group, u32 column, u32 firstTile) {
        plan = geometry, pixels = table;
        u32 depth = plan->depth;
        source = x + (i64)group * depth;
        if (kept) {
#pragma unroll
            for (int i = 0; i < CopiesA::count; i++) {
                const Pixel& p = table[CopiesA::row() + i * CopiesA::apart];
                from[i] = source + p.from, inside[i] = p.inside;
            }
        }
        if (backward) {
            u32 tiles = ceilDiv(depth, BK), tap = firstTile / tiles;
            walk.start(taps + pass->firstTap, tap, (firstTile - tap * tiles) * BK);
            n = column + CopiesB::column();
            filter = w + ((i64)group * depth + CopiesB::row()) * filterRow() + n;
        } else {
            u32 k = firstTile * BK + CopiesA::column(), tap = smaller(k / depth, pass->taps);
            walk.start(taps + pass->firstTap, tap, k - tap * depth);
            n = column + CopiesB::row();
            filter = w + ((i64)group * plan->columns + n) * filterRow() + k;
        }
    }
    DEVICE_MEMBER void prepare() {}

    DEVICE_MEMBER void copy(u32 stage) {
        u32 depth = plan->depth, channel = walk.channel + (backward ? CopiesA::column() : 0);
        bool some = !backward || channel < depth;
        copyA(stage, walk.now.delta + channel, some ? walk.now.test : outsideTest);
        if (backward) {
            copyAlongN(stage + Tile::A::bytes, depth);
            if ((walk.channel += BK) >= depth) walk.channel = 0, walk.nextTap();
        } else {
            copyAlongK(stage + Tile::A::bytes, !walk.ended());
            filter += BK;
            for (walk.channel += BK; walk.channel >= depth && !walk.ended(); walk.channel -= depth) walk.nextTap();
        }
    }
    DEVICE_MEMBER void copyA(u32 tile, i64 delta, u32 test) {
        if constexpr (kept) {
            CopiesA::template copy<T>(tile, [&](u32 i) { return from[i] + delta; }, [&](u32 i) { return (inside[i] & test) == test; });
        } else {
            const Pixel* p = pixels + opaque(CopiesA::row());
            const T* x = source + delta;
            CopiesA::template copy<T>(tile, [&](u32 i) { return x + p[i * CopiesA::apart].from; }, [&](u32 i) { return (p[i * CopiesA::apart].inside & test) == test; });
        }
    }
    DEVICE_MEMBER void copyAlongK(u32 tile, bool some) {
        i64 apart = opaque(CopiesB::apart * filterRow());
        u32 columns = plan->columns;
        CopiesB::template copy<T>(tile, [&](u32 i) { return filter + i * apart; }, [&](u32 i) { return some && n + i * CopiesB::apart < columns; });
    }
    DEVICE_MEMBER void copyAlongN(u32 tile, u32 depth) {
        u32 columns = plan->columns, k = walk.channel + CopiesB::row();
        i64 apart = opaque(filterRow());
        const T* p = filter + walk.channel * apart + (i64)walk.now.filterTap * columns;
        apart = opaque(CopiesB::apart * apart);
        bool some = n < columns && !walk.ended();
        CopiesB::template copy<T>(tile, [&](u32 i) { return p + i * apart; }, [&](u32 i) { return some && k + i * CopiesB::apart < depth; });
    }
};

// FilterLoad loads the tiles of the gradient by filters: the depth counts pixels, A is the result's gradient and B the source at the columns' taps and
// channels, both along m and n. The pixels' places are worked out in shared memory, some tiles ahead, by the first threads.
template <typename Tile, typename T, bool packed>
struct FilterLoad {
    typedef Copies<typename Tile::A, Tile::threads, packed> CopiesA;
    typedef Copies<typename Tile::B, Tile::threads, packed> CopiesB;
    static constexpr u32 BK = Tile::BK, tables = Tile::stages;
    static_assert(BK <= Tile::threads, "a thread works out one pixel of a tile");

    const ConvPlan* plan;
    const ConvPass* pass;
    Pixel* pixels;         // tables of a tile's pixels, in shared memory
    u32 prepared, slot;    // the next tile to prepare, in pixels, and its table
    u32 loading;           // the table of the next tile to load
    const T *gradient, *source;
    bool someA;
    u32 test;

    DEVICE_MEMBER FilterLoad(const ConvPlan* p, const ConvPass* q, const ConvTap* taps, const T* x, const T* dy, Pixel* table, u32 group, u32 row, u32 column, u32 firstTile) {
        plan = p, pass = q, pixels = table, prepared = firstTile * BK, slot = 0, loading = 0;
        u32 m = row + CopiesA::column(), n = column + CopiesB::column();
        someA = m < p->columns;
        gradient = dy + (i64)group * p->columns + m;
        u32 tap = n / p->depth;
        test = outsideTest;
        source = x + (i64)group * p->depth;
        if (n < p->filterTaps * p->depth) {
            test = taps[tap].test;
            source += taps[tap].delta + (n - tap * p->depth);
        }
#pragma unroll 1
        for (u32 s = 0; s < tables; s++) prepare();
        barrier();
    }
    DEVICE_MEMBER void prepare() {
        if (threadX() < BK) pixels[slot * BK + threadX()] = convPixel(*plan, *pass, prepared + threadX());
        prepared += BK;
        slot = slot + 1 == tables ? 0 : slot + 1;
    }
    DEVICE_MEMBER void copy(u32 stage) {
        const Pixel* table = pixels + loading * BK;
        loading = loading + 1 == tables ? 0 : loading + 1;
        const Pixel *p = table + CopiesA::row(), *q = table + CopiesB::row();
        CopiesA::template copy<T>(stage, [&](u32 i) { return gradient + p[i * CopiesA::apart].to; }, [&](u32 i) { return someA && p[i * CopiesA::apart].to >= 0; });
        CopiesB::template copy<T>(stage + Tile::A::bytes, [&](u32 i) { return source + q[i * CopiesB::apart].from; },
                                  [&](u32 i) { return (q[i * CopiesB::apart].inside & test) == test; });
    }
};
