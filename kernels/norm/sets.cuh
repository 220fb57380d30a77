// Group norm of sets that a block can hold in registers: one pass over memory, forward and backward. The channels of a group are a power of two of
// packs, side by side in the block's tile; each thread holds up to R rows of its unit.
#pragma once
#include "backward.cuh"

// SetTile is the part of a set of s rows by t.width units that a thread holds.
struct SetTile {
    Tile t;
    u64 sample, channel, first; // of the thread's unit
    u32 s, c;
    DEVICE_MEMBER SetTile(u32 s, u32 c, u32 groups, u32 units, u32 V) : t(units), s(s), c(c) {
        sample = blockX() / groups;
        channel = (u64)(blockX() % groups) * units * V + t.x * V;
        first = sample * s * c + channel;
    }
    DEVICE_MEMBER bool has(int i) const { return t.y + i * t.height < s; }
    DEVICE_MEMBER u64 at(int i) const { return first + (u64)(t.y + i * t.height) * c; }
    // load fills v with the thread's rows, and with zeros where there are none.
    template <typename T, int R, int V>
    DEVICE_MEMBER void load(Wide<T> (&v)[R][V], const T* x) const {
#pragma unroll
        for (int i = 0; i < R; i++) {
#pragma unroll
            for (int j = 0; j < V; j++) v[i][j] = 0;
            if (has(i)) loadUnit<T, V>(v[i], x + at(i));
        }
    }
    template <typename T, int R, int V>
    DEVICE_MEMBER void store(T* y, const Wide<T> (&v)[R][V]) const {
#pragma unroll
        for (int i = 0; i < R; i++)
            if (has(i)) storeUnit<T, V>(y + at(i), v[i]);
    }
};

// normSets gives each set to a block.
template <typename T, int R>
DEVICE void normSets(u32 s, u32 c, u32 groups, u32 units, double eps, Affine<T> affine, const T* x, T* y, Wide<T>* mean, Wide<T>* invstd) {
    typedef Wide<T> A;
    constexpr int V = Pack<T>::size;
    __shared__ Pair<A> scratch[8];
    SetTile set(s, c, groups, units, V);
    Group g(256);
    A count = (A)s * (A)(units * V), v[R][V], part[4] = {};
    set.load(v, x);
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int j = 0; j < V; j++) part[j % 4] += v[i][j];
    A m = groupReduce(total<4>(part), Sum(), g, (A*)scratch) / count;
    Pair<A> d = {0, 0};
#pragma unroll
    for (int i = 0; i < R; i++) {
        if (!set.has(i)) continue;
#pragma unroll
        for (int j = 0; j < V; j++) {
            v[i][j] -= m;
            d.first += v[i][j];
            d.second += v[i][j] * v[i][j];
        }
    }
    d = groupReduce(d, AddPairs(), g, scratch);
    A shift = d.first / count, k = inverseDeviation(d.second / count - shift * shift, eps);
    if (threadX() == 0) {
        mean[blockX()] = m + shift;
        invstd[blockX()] = k;
    }
    A scale[V], bias[V];
    unitOf<A, V>(scale, affine.scale, set.channel, A(1));
    unitOf<A, V>(bias, affine.bias, set.channel, A(0));
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int j = 0; j < V; j++) v[i][j] = activated((v[i][j] - shift) * k * scale[j] + bias[j], affine.relu);
    set.store(y, v);
}

// normBackwardSets gives each set to a block; Σ g·x̂ and Σ g of its channels go to sums[n, 2, c].
template <typename T, int R>
DEVICE void normBackwardSets(u32 s, u32 c, u32 groups, u32 units, Affine<T> affine, const T* x, const T* dy, const Wide<T>* mean,
                             const Wide<T>* invstd, T* dx, Wide<T>* sums) {
    typedef Wide<T> A;
    constexpr int V = Pack<T>::size;
    __shared__ Pair<A> scratch[256 * V];
    SetTile set(s, c, groups, units, V);
    A count = (A)s * (A)(units * V), m = mean[blockX()], k = invstd[blockX()];
    A v[R][V], d[R][V], scale[V], bias[V];
    set.load(v, x);
    set.load(d, dy);
    unitOf<A, V>(scale, affine.scale, set.channel, A(1));
    unitOf<A, V>(bias, affine.bias, set.channel, A(0));
    Pair<A> sum[V], e = {0, 0};
#pragma unroll
    for (int j = 0; j < V; j++) {
        sum[j] = {0, 0};
#pragma unroll
        for (int i = 0; i < R; i++) {
            if (!set.has(i)) continue;
            v[i][j] = (v[i][j] - m) * k;
            d[i][j] = behindActivation(d[i][j], v[i][j], scale[j], bias[j], affine.relu);
            sum[j].first += d[i][j] * v[i][j];
            sum[j].second += d[i][j];
        }
        e.first += scale[j] * sum[j].second;
        e.second += scale[j] * sum[j].first;
    }
    e = groupReduce(e, AddPairs(), Group(256), scratch);
    A meanG = e.first / count, meanGX = e.second / count;
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int j = 0; j < V; j++) v[i][j] = k * (scale[j] * d[i][j] - (meanG + v[i][j] * meanGX));
    set.store(dx, v);
    if (!sums) return;
    joinTile(sum, AddPairs(), set.t, scratch);
    if (set.t.y != 0) return;
#pragma unroll
    for (int j = 0; j < V; j++) {
        sums[set.sample * 2 * c + set.channel + j] = sum[j].first;
        sums[(set.sample * 2 + 1) * c + set.channel + j] = sum[j].second;
    }
}
