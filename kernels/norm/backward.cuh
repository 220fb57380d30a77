// Gradients of normalisations: with x̂ = (x - mean)·invstd and g the gradient behind the activation,
//
//   dbias = Σ g,  dscale = Σ g·x̂,  dx = invstd·(scale·g - E[scale·g] - x̂·E[scale·g·x̂]).
#pragma once
#include "norm.cuh"

// behindActivation is dy where the activation lets it through.
template <typename A>
DEVICE A behindActivation(A dy, A xhat, A scale, A bias, bool relu) { return relu && !(scale * xhat + bias > 0) ? A(0) : dy; }

// leaveSums adds what the groups of a block have for the same elements of a row and writes it; groups smaller than a warp have added up within
// it. all is shared memory for E values a thread.
template <typename T, int E>
DEVICE void leaveSums(const Wide<T> (&sum)[E], Wide<T>* to, u32 c, const Group& g, bool packed, Wide<T>* all) {
    u32 span = larger(g.size, 32u), slots = blockWidth() / span;
    if (slots > 1) {
#pragma unroll
        for (int i = 0; i < E; i++) all[i * 256 + threadX()] = sum[i];
        barrier();
    }
    if (threadX() < g.size) {
        Slice<T> s{c, g.size, g.rank, packed};
#pragma unroll
        for (int i = 0; i < E; i++) {
            Wide<T> v = sum[i];
#pragma unroll 1
            for (u32 slot = 1; slot < slots; slot++) v += all[i * 256 + slot * span + threadX()];
            if (s.at(i) < c) to[s.at(i)] = v;
        }
    }
    barrier();
}

// normBackwardRows gives each row to a group of threads, and to each group rows that are stride groups apart. It writes dx and, where sums is
// not null, Σ g·x̂ and Σ g of the rows that a block saw: sums[block][2][c].
template <typename T, int P>
DEVICE void normBackwardRows(u64 rows, u32 c, u32 threads, bool packed, Affine<T> affine, const T* x, const T* dy, const Wide<T>* mean, const Wide<T>* invstd,
                             T* dx, Wide<T>* sums) {
    typedef Wide<T> A;
    constexpr int E = P * Pack<T>::size;
    __shared__ Pair<A> scratch[32];
    __shared__ A all[256 * E];
    Group g(threads);
    A scaleSum[E] = {}, biasSum[E] = {};
#pragma unroll 1
    for (u64 block = blockX(); block * g.count < rows; block += gridWidth()) {
        u64 number = block * g.count + g.number;
        bool live = number < rows;
        Slice<T> s{live ? c : 0, g.size, g.rank, packed};
        A m = mean && live ? mean[number] : A(0), k = live ? invstd[number] : A(0);
        A v[E], d[E], p[E];
        loadRow(v, x + number * c, s, A(0));
        loadRow(d, dy + number * c, s, A(0));
#pragma unroll
        for (int i = 0; i < E; i++) {
            v[i] = (v[i] - m) * k;
            p[i] = 1;
        }
        if (affine.scale) loadRow(p, affine.scale, s, A(0));
        if (affine.relu) {
            A b[E];
#pragma unroll
            for (int i = 0; i < E; i++) b[i] = 0;
            if (affine.bias) loadRow(b, affine.bias, s, A(0));
#pragma unroll
            for (int i = 0; i < E; i++) d[i] = behindActivation(d[i], v[i], p[i], b[i], true);
        }
        Pair<A> e = {0, 0};
#pragma unroll
        for (int i = 0; i < E; i++) {
            if (s.at(i) < s.length) {
                scaleSum[i] += d[i] * v[i];
                biasSum[i] += d[i];
                d[i] *= p[i];
                e.first += d[i];
                e.second += d[i] * v[i];
            }
        }
        e = groupReduce(e, AddPairs(), g, scratch);
        A meanG = mean ? e.first / (A)c : A(0), meanGX = e.second / (A)c;
#pragma unroll
        for (int i = 0; i < E; i++) v[i] = k * (d[i] - (meanG + v[i] * meanGX));
        storeRow(dx + number * c, s, v);
    }
    if (!sums) return;
    for (u32 mask = g.size; mask < 32; mask *= 2) {
#pragma unroll
        for (int i = 0; i < E; i++) {
            scaleSum[i] += shuffledXor(scaleSum[i], mask);
            biasSum[i] += shuffledXor(biasSum[i], mask);
        }
    }
    leaveSums<T>(scaleSum, sums + (u64)blockX() * 2 * c, c, g, packed, all);
    leaveSums<T>(biasSum, sums + ((u64)blockX() * 2 + 1) * c, c, g, packed, all);
}

// normBackwardLong gives each row to a block, which reads it twice.
template <typename T, int V>
DEVICE void normBackwardLong(u64 c, Affine<T> affine, const T* x, const T* dy, const Wide<T>* mean, const Wide<T>* invstd, T* dx) {
    typedef Wide<T> A;
    __shared__ Pair<double> scratch[32];
    u64 row = blockX() * c;
    A m = mean ? mean[blockX()] : A(0), k = invstd[blockX()];
    auto each = [&](auto f) {
#pragma unroll 1
        for (u64 i = (u64)threadX() * V; i < c; i += (u64)blockWidth() * V) {
            A v[V], d[V], scale[V], bias[V];
            loadUnit<T, V>(v, x + row + i);
            loadUnit<T, V>(d, dy + row + i);
            unitOf<A, V>(scale, affine.scale, i, A(1));
            unitOf<A, V>(bias, affine.bias, i, A(0));
#pragma unroll
            for (int j = 0; j < V; j++) {
                v[j] = (v[j] - m) * k;
                d[j] = behindActivation(d[j], v[j], scale[j], bias[j], affine.relu) * scale[j];
            }
            f(i, v, d);
        }
    };
    Pair<double> e = {0, 0};
    each([&](u64, const A(&v)[V], const A(&d)[V]) {
        A w[V];
#pragma unroll
        for (int j = 0; j < V; j++) w[j] = v[j] * d[j];
        e.first += (double)total<V>(d);
        e.second += (double)total<V>(w);
    });
    e = groupReduce(e, AddPairs(), Group(blockWidth()), scratch);
    A meanG = mean ? (A)(e.first / (double)c) : A(0), meanGX = (A)(e.second / (double)c);
    each([&](u64 i, const A(&v)[V], const A(&d)[V]) {
        A w[V];
#pragma unroll
        for (int j = 0; j < V; j++) w[j] = k * (d[j] - (meanG + v[j] * meanGX));
        storeUnit<T, V>(dx + row + i, w);
    });
}

// normSums writes Σ g·x̂ and Σ g of each chunk and channel: sums[n, chunks, 2, c]. Where groups is 0 the statistics are those of rows (mean
// null for a mean of 0).
template <typename T, int V>
DEVICE void normSums(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps, const Wide<T>* mean, const Wide<T>* deviation,
                     Affine<T> affine, const T* x, const T* dy, Wide<T>* sums) {
    typedef Wide<T> A;
    __shared__ Pair<double> scratch[256 * V];
    Tile t(columns);
    Feature f(n, s, c, tiles, chunk, t, V);
    A m[V], k[V], scale[V], bias[V];
    channelStatistics<T, V>(m, k, f, groups, eps, mean, deviation);
#pragma unroll
    for (int j = 0; j < V; j++) {
        scale[j] = 1;
        bias[j] = 0;
    }
    if (f.live()) {
        unitOf<A, V>(scale, affine.scale, f.channel, A(1));
        unitOf<A, V>(bias, affine.bias, f.channel, A(0));
    }
    Pair<double> all[V];
#pragma unroll
    for (int j = 0; j < V; j++) all[j] = {0, 0};
    eachRow<rowsAtOnce<V>>(f.from, f.end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V], d[N][V];
        loadRows(v, x + f.at(r), t.height * c);
        loadRows(d, dy + f.at(r), t.height * c);
        if (groups == 0) {
#pragma unroll
            for (int u = 0; u < N; u++) {
                u64 row = f.sample * s + r + u * t.height;
                A rowMean = mean ? mean[row] : A(0), rowK = deviation[row];
#pragma unroll
                for (int j = 0; j < V; j++) v[u][j] = (v[u][j] - rowMean) * rowK;
            }
        }
#pragma unroll
        for (int j = 0; j < V; j++) {
            A g[N], gx[N];
#pragma unroll
            for (int u = 0; u < N; u++) {
                A xhat = (v[u][j] - m[j]) * k[j];
                g[u] = behindActivation(d[u][j], xhat, scale[j], bias[j], affine.relu);
                gx[u] = g[u] * xhat;
            }
            all[j].first += (double)total<N>(gx);
            all[j].second += (double)total<N>(g);
        }
    });
    joinTile(all, AddPairs(), t, scratch);
    if (t.y != 0 || !f.live()) return;
    A* to = sums + (f.sample * gridHeight() + blockY()) * 2 * c + f.channel;
#pragma unroll
    for (int j = 0; j < V; j++) {
        to[j] = (A)all[j].first;
        to[c + j] = (A)all[j].second;
    }
}

// normParameters adds the parts, sums[parts, 2, c], to dscale and dbias.
template <typename T>
DEVICE void normParameters(u64 parts, u64 c, u32 columns, const Wide<T>* sums, Wide<T>* dscale, Wide<T>* dbias) {
    __shared__ double scratch[256];
    Tile t(columns);
    u64 i = (u64)blockX() * t.width + t.x;
    bool live = i < 2 * c;
    double s[1] = {0};
    eachRow<4>(t.y, live ? parts : 0, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        Wide<T> v[N];
#pragma unroll
        for (int u = 0; u < N; u++) v[u] = sums[(r + u * t.height) * 2 * c + i];
#pragma unroll
        for (int u = 0; u < N; u++) s[0] += (double)v[u];
    });
    joinTile(s, Sum(), t, scratch);
    if (t.y != 0 || !live) return;
    Wide<T>* to = i < c ? dscale : dbias;
    if (to) to[i < c ? i : i - c] = (Wide<T>)s[0];
}

// normExpectations gives E[scale·g] and E[scale·g·x̂] of each set from the sums of its chunks: expectations[set] and expectations[sets + set].
template <typename T>
DEVICE void normExpectations(u64 sets, u32 threads, u64 groups, u64 s, u64 c, u64 chunks, const Wide<T>* sums, const Wide<T>* scale, Wide<T>* expectations) {
    __shared__ Pair<double> scratch[32];
    Group g(threads);
    u64 set = (u64)blockX() * g.count + g.number, members = c / groups;
    u64 sample = set / groups, channel = set % groups * members;
    u64 parts = set < sets ? chunks * members : 0;
    Pair<double> e = {0, 0};
#pragma unroll 1
    for (u64 i = g.rank; i < parts; i += g.size) {
        u64 k = i / members, j = channel + i % members, at = (sample * chunks + k) * 2 * c + j;
        double w = scale ? (double)scale[j] : 1;
        e.first += w * (double)sums[at + c];
        e.second += w * (double)sums[at];
    }
    e = groupReduce(e, AddPairs(), g, scratch);
    if (set >= sets || g.rank != 0) return;
    double count = (double)s * (double)members;
    expectations[set] = (Wide<T>)(e.first / count);
    expectations[sets + set] = (Wide<T>)(e.second / count);
}

// normBackwardApply maps dy to dx by sums that are there; expectations is null for inference, whose statistics do not depend on x.
template <typename T, int V>
DEVICE void normBackwardApply(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps, const Wide<T>* mean, const Wide<T>* deviation,
                              Affine<T> affine, const T* x, const T* dy, const Wide<T>* expectations, T* dx) {
    typedef Wide<T> A;
    Tile t(columns);
    Feature f(n, s, c, tiles, chunk, t, V, true);
    if (!f.live()) return;
    A m[V], k[V], scale[V], bias[V], g[V], gx[V];
    channelStatistics<T, V>(m, k, f, groups, eps, mean, deviation);
    unitOf<A, V>(scale, affine.scale, f.channel, A(1));
    unitOf<A, V>(bias, affine.bias, f.channel, A(0));
#pragma unroll
    for (int j = 0; j < V; j++) g[j] = gx[j] = 0;
    if (expectations) {
        ofChannels(g, f, groups, expectations);
        ofChannels(gx, f, groups, expectations + n * groups);
    }
    eachRow<rowsAtOnce<V> / 2>(f.from, f.end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V], d[N][V];
        loadRows(v, x + f.at(r), t.height * c);
        loadRows(d, dy + f.at(r), t.height * c);
#pragma unroll
        for (int u = 0; u < N; u++)
#pragma unroll
            for (int j = 0; j < V; j++) {
                A xhat = (v[u][j] - m[j]) * k[j];
                A behind = behindActivation(d[u][j], xhat, scale[j], bias[j], affine.relu);
                v[u][j] = k[j] * (scale[j] * behind - (g[j] + xhat * gx[j]));
            }
        storeRows(dx + f.at(r), t.height * c, v);
    });
}
