// Normalisations. Statistics over rows (layer and RMS norm) are taken by a group of threads that holds the row in registers. Statistics over
// columns (batch, group and instance norm) take three launches: partial statistics of chunks of rows, their joining, and the map.
#pragma once
#include "row.cuh"
#include "tile.cuh"

// Parameters and statistics have the type that T is computed in.

// Affine is the parameters of y = act(scale·x̂ + bias); null where absent.
template <typename T>
struct Affine {
    const Wide<T>* scale;
    const Wide<T>* bias;
    bool relu;
};

template <typename A>
DEVICE A activated(A x, bool relu) { return relu && x < 0 ? A(0) : x; }

// inverseDeviation is 1/sqrt(variance + eps).
DEVICE float inverseDeviation(float variance, double eps) { return 1 / squareRoot(variance + (float)eps); }
DEVICE double inverseDeviation(double variance, double eps) { return 1 / squareRoot(variance + eps); }

template <typename A>
struct Pair {
    A first, second;
};
struct AddPairs {
    template <typename A> DEVICE_MEMBER Pair<A> operator()(const Pair<A>& a, const Pair<A>& b) const { return {a.first + b.first, a.second + b.second}; }
};

// unitOf reads the parameters of V neighbouring channels, or fills in what stands for absent ones.
template <typename T, int V>
DEVICE void unitOf(Wide<T> (&v)[V], const T* p, u64 at, Wide<T> absent) {
#pragma unroll
    for (int j = 0; j < V; j++) v[j] = absent;
    if (p) loadUnit<T, V>(v, p + at);
}

// normRows gives each row of c channels to a group of threads. The mean is corrected by the mean of the deviations from it, and the
// variance by what that moves it (Chan, Golub, LeVeque 1983, equation 1.7). mean is null for RMSNorm.
template <typename T, int P>
DEVICE void normRows(u64 rows, u32 c, u32 threads, bool packed, double eps, Affine<T> affine, const T* x, T* y, Wide<T>* mean, Wide<T>* invstd) {
    typedef Wide<T> A;
    constexpr int E = P * Pack<T>::size;
    __shared__ Pair<A> scratch[32];
    Group g(threads);
    u64 number = (u64)blockX() * g.count + g.number;
    Slice<T> s{number < rows ? c : 0, g.size, g.rank, packed};
    A v[E], m = 0, part[4] = {};
    loadRow(v, x + number * c, s, A(0));
    if (mean) {
#pragma unroll
        for (int i = 0; i < E; i++) part[i % 4] += v[i];
        m = groupReduce(total<4>(part), Sum(), g, (A*)scratch) / (A)c;
    }
    Pair<A> d = {0, 0};
#pragma unroll
    for (int i = 0; i < E; i++) {
        if (s.at(i) < s.length) {
            v[i] -= m;
            d.first += v[i];
            d.second += v[i] * v[i];
        }
    }
    d = groupReduce(d, AddPairs(), g, scratch);
    A shift = mean ? d.first / (A)c : A(0);
    A k = inverseDeviation(d.second / (A)c - shift * shift, eps);
    if (s.length > 0 && g.rank == 0) {
        if (mean) mean[number] = m + shift;
        invstd[number] = k;
    }
    A p[E];
#pragma unroll
    for (int i = 0; i < E; i++) v[i] = (v[i] - shift) * k;
    if (affine.scale) {
        loadRow(p, affine.scale, s, A(0));
#pragma unroll
        for (int i = 0; i < E; i++) v[i] *= p[i];
    }
    if (affine.bias) {
        loadRow(p, affine.bias, s, A(0));
#pragma unroll
        for (int i = 0; i < E; i++) v[i] += p[i];
    }
#pragma unroll
    for (int i = 0; i < E; i++) v[i] = activated(v[i], affine.relu);
    storeRow(y + number * c, s, v);
}

// normLong gives each row to a block, which reads it three times.
template <typename T, int V>
DEVICE void normLong(u64 c, double eps, Affine<T> affine, const T* x, T* y, Wide<T>* mean, Wide<T>* invstd) {
    typedef Wide<T> A;
    __shared__ Pair<double> scratch[32];
    Group g(blockWidth());
    const T* row = x + blockX() * c;
    u64 first = (u64)threadX() * V, step = (u64)blockWidth() * V;
    A m = 0;
    if (mean) {
        double sum = 0;
#pragma unroll 1
        for (u64 i = first; i < c; i += step) {
            A v[V];
            loadUnit<T, V>(v, row + i);
            sum += (double)total<V>(v);
        }
        m = (A)(groupReduce(sum, Sum(), g, (double*)scratch) / (double)c);
    }
    Pair<double> d = {0, 0};
#pragma unroll 1
    for (u64 i = first; i < c; i += step) {
        A v[V];
        loadUnit<T, V>(v, row + i);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] -= m;
        d.first += (double)total<V>(v);
#pragma unroll
        for (int j = 0; j < V; j++) v[j] *= v[j];
        d.second += (double)total<V>(v);
    }
    d = groupReduce(d, AddPairs(), g, scratch);
    double shift = mean ? d.first / (double)c : 0;
    A k = inverseDeviation((A)(d.second / (double)c - shift * shift), eps);
    if (threadX() == 0) {
        if (mean) mean[blockX()] = (A)(m + shift);
        invstd[blockX()] = k;
    }
    m = (A)(m + shift);
#pragma unroll 1
    for (u64 i = first; i < c; i += step) {
        A v[V], scale[V], bias[V];
        loadUnit<T, V>(v, row + i);
        unitOf<A, V>(scale, affine.scale, i, A(1));
        unitOf<A, V>(bias, affine.bias, i, A(0));
#pragma unroll
        for (int j = 0; j < V; j++) v[j] = activated((v[j] - m) * k * scale[j] + bias[j], affine.relu);
        storeUnit<T, V>(y + blockX() * c + i, v);
    }
}

// Feature is a feature map seen as [n, s, c] and the part of it that a block takes: a tile of channels of one sample in block x, a chunk of rows in
// block y.
struct Feature {
    u64 n, s, c;      // extents
    u64 sample;       // of the block
    u64 channel;      // first of the thread's
    u64 from, end;    // rows of the thread: from, from + height, … below end
    u64 chunk;        // rows of a chunk
    // Kernels that read again what an earlier launch has read go through it in reverse: its end is still in the L2.
    DEVICE_MEMBER Feature(u64 n, u64 s, u64 c, u32 tiles, u64 chunk, const Tile& t, u32 unit, bool reverse = false) : n(n), s(s), c(c), chunk(chunk) {
        u32 x = reverse ? gridWidth() - 1 - blockX() : blockX(), y = reverse ? gridHeight() - 1 - blockY() : blockY();
        sample = x / tiles;
        channel = ((u64)(x % tiles) * t.width + t.x) * unit;
        from = y * chunk + t.y;
        end = channel < c ? smaller(y * chunk + chunk, s) : 0;
    }
    DEVICE_MEMBER bool live() const { return channel < c; }
    DEVICE_MEMBER u64 at(u64 row) const { return (sample * s + row) * c + channel; }
    // partAt is where the partial result of the block's chunk goes: [n, chunks, c].
    DEVICE_MEMBER u64 partAt() const { return (sample * gridHeight() + blockY()) * c + channel; }
};

// Spread is the count, mean and sum of squared deviations of some numbers.
template <typename A>
struct Spread {
    A count, mean, squares;
};

// MergeSpreads joins two sets of numbers (Chan, Golub, LeVeque 1979). A mean that is infinite stays so, as in a sum.
struct MergeSpreads {
    template <typename A>
    DEVICE_MEMBER Spread<A> operator()(const Spread<A>& a, const Spread<A>& b) const {
        A n = a.count + b.count;
        A share = n == 0 ? A(0) : b.count / n;
        A d = b.mean - a.mean;
        A mean = b.count == 0 ? a.mean : a.count == 0 ? b.mean : a.mean + d * share;
        if (!(magnitude(a.mean) < infinity<A>())) mean = a.mean + b.mean;
        A squares = a.squares + b.squares;
        if (a.count != 0 && b.count != 0) squares += d * d * a.count * share;
        return {n, mean, squares};
    }
};

// normStatistics writes the mean and the sum of squared deviations of each chunk and channel. centred is false for none of the kinds that come here.
template <typename T, int V>
DEVICE void normStatistics(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, const T* x, Wide<T>* means, Wide<T>* squares) {
    typedef Wide<T> A;
    __shared__ Spread<A> scratch[256 * V];
    Tile t(columns);
    Feature f(n, s, c, tiles, chunk, t, V);
    Spread<A> all[V];
#pragma unroll
    for (int j = 0; j < V; j++) all[j] = {0, 0, 0};
    eachRow<rowsAtOnce<V>>(f.from, f.end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V];
        loadRows(v, x + f.at(r), t.height * c);
#pragma unroll
        for (int j = 0; j < V; j++) {
            A w[N], d[N];
#pragma unroll
            for (int u = 0; u < N; u++) w[u] = v[u][j];
            Spread<A> some = {N, total<N>(w) * (A(1) / N), 0};
#pragma unroll
            for (int u = 0; u < N; u++) d[u] = (w[u] - some.mean) * (w[u] - some.mean);
            some.squares = total<N>(d);
            all[j] = MergeSpreads()(all[j], some);
        }
    });
    joinTile(all, MergeSpreads(), t, scratch);
    if (t.y != 0 || !f.live()) return;
#pragma unroll
    for (int j = 0; j < V; j++) {
        means[f.partAt() + j] = all[j].mean;
        squares[f.partAt() + j] = all[j].squares;
    }
}

// normJoin joins the chunks of the channels of each set; a set is a sample and one of groups groups of its channels. It writes mean and 1/deviation of
// each set, and moves the running statistics where there are any.
template <typename T>
DEVICE void normJoin(u64 sets, u32 threads, u64 groups, u64 s, u64 c, u64 chunks, u64 chunk, double eps, double momentum, const Wide<T>* means,
                     const Wide<T>* squares, Wide<T>* mean, Wide<T>* invstd, Wide<T>* runningMean, Wide<T>* runningVariance) {
    typedef Wide<T> A;
    __shared__ double scratch[32];
    Group g(threads);
    u64 set = (u64)blockX() * g.count + g.number, members = c / groups;
    u64 sample = set / groups, channel = set % groups * members;
    u64 parts = set < sets ? chunks * members : 0;
    auto rows = [&](u64 k) { return (double)smaller(chunk, s - k * chunk); };
    auto at = [&](u64 k, u64 j) { return (sample * chunks + k) * c + channel + j; };
    double count = (double)s * (double)members, sum = 0, spread = 0;
#pragma unroll 1
    for (u64 i = g.rank; i < parts; i += g.size) {
        u64 k = i / members;
        sum += rows(k) * (double)means[at(k, i % members)];
    }
    double m = groupReduce(sum, Sum(), g, scratch) / count;
    if (count == 0) m = 0;
#pragma unroll 1
    for (u64 i = g.rank; i < parts; i += g.size) {
        u64 k = i / members, a = at(k, i % members);
        double d = (double)means[a] - m;
        spread += (double)squares[a] + rows(k) * d * d;
    }
    spread = groupReduce(spread, Sum(), g, scratch);
    if (set >= sets || g.rank != 0) return;
    double variance = count == 0 ? 0 : spread / count;
    mean[set] = (A)m;
    invstd[set] = (A)(1 / squareRoot(variance + eps));
    if (runningMean && count > 0) {
        runningMean[set] = (A)((1 - momentum) * (double)runningMean[set] + momentum * m);
        runningVariance[set] = (A)((1 - momentum) * (double)runningVariance[set] + momentum * spread / (count - 1));
    }
}

// ofChannels reads what sets of c / groups channels have, for V neighbouring ones of the thread's.
template <int V, typename A>
DEVICE void ofChannels(A (&v)[V], const Feature& f, u64 groups, const A* values) {
    if (groups == f.c) {
        loadUnit<A, V>(v, values + f.sample * f.c + f.channel);
        return;
    }
    u32 members = (u32)f.c / (u32)groups;
#pragma unroll
    for (int j = 0; j < V; j++) v[j] = values[f.sample * groups + ((u32)f.channel + j) / members];
}

// channelStatistics reads mean and 1/deviation of the thread's channels. They are those of sets of c / groups channels, a
// variance in place of 1/deviation where eps is not 0, or (groups 0) they differ from row to row and this gives 0 and 1.
template <typename T, int V>
DEVICE void channelStatistics(Wide<T> (&m)[V], Wide<T> (&k)[V], const Feature& f, u64 groups, double eps, const Wide<T>* mean, const Wide<T>* deviation) {
#pragma unroll
    for (int j = 0; j < V; j++) {
        m[j] = 0;
        k[j] = 1;
    }
    if (!f.live() || groups == 0) return;
    ofChannels(m, f, groups, mean);
    ofChannels(k, f, groups, deviation);
    if (eps == 0) return;
#pragma unroll
    for (int j = 0; j < V; j++) k[j] = inverseDeviation(k[j], eps);
}

// normApply maps x to y by statistics that are there.
template <typename T, int V>
DEVICE void normApply(u64 n, u64 s, u64 c, u32 tiles, u32 columns, u64 chunk, u64 groups, double eps, const Wide<T>* mean, const Wide<T>* deviation,
                      Affine<T> affine, const T* x, T* y) {
    typedef Wide<T> A;
    Tile t(columns);
    Feature f(n, s, c, tiles, chunk, t, V, true);
    if (!f.live()) return;
    A m[V], k[V], scale[V], bias[V];
    channelStatistics<T, V>(m, k, f, groups, eps, mean, deviation);
    unitOf<A, V>(scale, affine.scale, f.channel, A(1));
    unitOf<A, V>(bias, affine.bias, f.channel, A(0));
#pragma unroll
    for (int j = 0; j < V; j++) k[j] *= scale[j];
    eachRow<rowsAtOnce<V>>(f.from, f.end, t.height, [&](auto rows, u64 r) {
        constexpr int N = decltype(rows)::count;
        A v[N][V];
        loadRows(v, x + f.at(r), t.height * c);
#pragma unroll
        for (int u = 0; u < N; u++)
#pragma unroll
            for (int j = 0; j < V; j++) v[u][j] = activated((v[u][j] - m[j]) * k[j] + bias[j], affine.relu);
        storeRows(y + f.at(r), t.height * c, v);
    });
}
