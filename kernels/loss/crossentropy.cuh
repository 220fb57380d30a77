// Softmax cross-entropy of rows of logits, forward and backward. Losses, their mean, the logarithms of the sums and the gradients of
// losses have the type that T is computed in.
#pragma once
#include "fault.cuh"
#include "logsum.cuh"
#include "row.cuh"
#include "stage.cuh"
#include "tile.cuh"

// Targets is what the logits are held against: class numbers (i32 or i64), or where there are none distributions.
template <typename T>
struct Targets {
    const void* labels;
    const T* probabilities;
    bool wide;
    u32 classes;
    double smoothing;
    bool ignore;
    i64 ignored;
    Fault* fault;
    u64 call;

    // label is the class of a sample, -1 for one that does not count. raises says whether this thread reports one outside the classes.
    DEVICE_MEMBER i64 label(u64 sample, bool raises) const {
        i64 l = wide ? ((const i64*)labels)[sample] : (i64)((const i32*)labels)[sample];
        if (ignore && l == ignored) return -1;
        if (l >= 0 && l < classes) return l;
        if (raises) raise(fault, call, (i64)sample, l);
        return -1;
    }
};

// crossEntropyRow is what a thread of a group adds to the loss of its row, whose elements it holds as v, less the row's maximum; log is the
// logarithm of the sum of exp(v).
template <typename T, bool classes, int E>
DEVICE Wide<T> lossTerms(const Wide<T> (&v)[E], const Slice<T>& s, const Targets<T>& to, const T* row, const T* probabilities, Wide<T> max,
                         Wide<T> log, i64 label) {
    typedef Wide<T> A;
    A keep = (A)(1 - to.smoothing), spread = (A)(to.smoothing / to.classes), loss = 0;
    if constexpr (classes) {
        if (s.rank == 0 && s.length > 0) loss = keep * ((max - widen(row[label])) + log);
        if (to.smoothing > 0) {
            A part[4] = {};
#pragma unroll
            for (int i = 0; i < E; i++)
                if (s.at(i) < s.length) part[i % 4] += log - v[i];
            loss += spread * total<4>(part);
        }
    } else {
        A q[E], part[4] = {};
        loadRow(q, probabilities, s, A(0));
#pragma unroll
        for (int i = 0; i < E; i++) {
            A weight = keep * q[i] + spread;
            if (s.at(i) < s.length && weight != 0) part[i % 4] += weight * (log - v[i]);
        }
        loss = total<4>(part);
    }
    return loss;
}

// crossEntropyRows gives each row to a group of threads that holds it in registers.
template <typename T, bool classes, int P>
DEVICE void crossEntropyRows(u64 rows, u32 threads, bool packed, const Targets<T>& to, const T* x, Wide<T>* losses, Wide<T>* lse) {
    typedef Wide<T> A;
    constexpr int E = P * Pack<T>::size;
    __shared__ A scratch[32];
    Group g(threads);
    u64 n = (u64)blockX() * g.count + g.number;
    bool live = n < rows;
    Slice<T> s{live ? to.classes : 0, g.size, g.rank, packed};
    const T* row = x + n * to.classes;
    A v[E], part[4] = {};
    loadRow(v, row, s, -infinity<A>());
    i64 label = 0;
    if (classes && live) label = to.label(n, g.rank == 0);
    A m = v[0];
#pragma unroll
    for (int i = 1; i < E; i++) m = Max()(m, v[i]);
    m = groupReduce(m, Max(), g, scratch);
#pragma unroll
    for (int i = 0; i < E; i++) {
        v[i] -= m;
        part[i % 4] += expOfDifference(v[i]);
    }
    A log = mathLog(groupReduce(total<4>(part), Sum(), g, scratch));
    A loss = 0;
    if (live && label >= 0) loss = lossTerms<T, classes>(v, s, to, row, to.probabilities + n * to.classes, m, log, label);
    if (!classes || to.smoothing > 0) loss = groupReduce(loss, Sum(), g, scratch);
    if (!live || g.rank != 0) return;
    losses[n] = loss;
    lse[n] = m + log;
}

// crossEntropyShort gives each row, of up to 128 bytes, to a thread; with class numbers only.
template <typename T>
DEVICE void crossEntropyShort(u64 rows, const Targets<T>& to, const T* x, Wide<T>* losses, Wide<T>* lse) {
    typedef Wide<T> A;
    __shared__ Stage<A, 128 / sizeof(A)> stage;
    u64 first, n = (u64)blockX() * 256 + threadX();
    u32 own = stagedRows(rows, to.classes, first), row = threadX() * to.classes;
    stageIn(stage, x + first, own * to.classes);
    if (threadX() >= own) return;
    A m = -infinity<A>(), sum = 0, differences = 0;
#pragma unroll 1
    for (u32 k = 0; k < to.classes; k++) m = Max()(m, stage.at(row + k));
#pragma unroll 1
    for (u32 k = 0; k < to.classes; k++) {
        A d = stage.at(row + k) - m;
        differences += d;
        sum += expOfDifference(d);
    }
    A log = mathLog(sum), loss = 0;
    i64 label = to.label(n, true);
    if (label >= 0) {
        loss = (A)(1 - to.smoothing) * ((m - stage.at(row + (u32)label)) + log);
        if (to.smoothing > 0) loss += (A)to.smoothing * log - (A)(to.smoothing / to.classes) * differences;
    }
    losses[n] = loss;
    lse[n] = m + log;
}

// crossEntropyLong gives each row to a block, which reads it once, and once more against a distribution.
template <typename T, bool classes, int V>
DEVICE void crossEntropyLong(const Targets<T>& to, const T* x, Wide<T>* losses, Wide<T>* lse) {
    typedef Wide<T> A;
    __shared__ LogSum<A> scratch[32];
    Group g(blockWidth());
    u64 n = blockX();
    const T* row = x + n * to.classes;
    u64 stride = blockWidth() * V;
    LogSum<A> s = emptyLogSum<A>();
    double logits = 0; // their sum, where all classes count alike
    bool even = classes && to.smoothing > 0;
    eachRow<(V > 4 ? 1 : 3)>(threadX() * V, to.classes, stride, [&](auto units, u64 i) {
        constexpr int N = decltype(units)::count;
        A v[N][V];
        loadRows(v, row + i, stride);
        absorb(s, (const A(&)[N * V])v);
        if (even) logits += (double)total<N * V>((const A*)v);
    });
    s = groupReduce(s, JoinLogSums(), g, scratch);
    if (!(magnitude(s.max) < infinity<A>())) s.sum = doubleOf(0x7ff8000000000000ull); // as exp(x - max) in a row with an infinity
    A log = mathLog((A)s.sum);
    i64 label = 0;
    if (classes) label = to.label(n, threadX() == 0);
    A keep = (A)(1 - to.smoothing), spread = (A)(to.smoothing / to.classes);
    double loss = even ? -(double)spread * logits : 0;
    if constexpr (!classes) {
        eachRow<(V > 4 ? 1 : 2)>(threadX() * V, to.classes, stride, [&](auto units, u64 i) {
            constexpr int N = decltype(units)::count;
            A v[N][V], q[N][V];
            loadRows(v, row + i, stride);
            loadRows(q, to.probabilities + n * to.classes + i, stride);
#pragma unroll
            for (int u = 0; u < N; u++) {
#pragma unroll
                for (int j = 0; j < V; j++) {
                    A weight = keep * q[u][j] + spread;
                    v[u][j] = weight == 0 ? A(0) : weight * ((s.max - v[u][j]) + log);
                }
                loss += (double)total<V>(v[u]);
            }
        });
    }
    if (classes && threadX() == 0) {
        if (even) loss += to.smoothing * ((double)s.max + (double)log);
        if (label >= 0) loss += (double)(keep * ((s.max - widen(row[label])) + log));
    }
    loss = groupReduce(loss, Sum(), g, (double*)scratch);
    if (threadX() != 0) return;
    losses[n] = label < 0 ? A(0) : (A)loss;
    lse[n] = s.max + log;
}

// crossEntropyAdd leaves the sum of the losses that its block sees, and the number of samples of them that count, for crossEntropyMean.
template <typename A>
DEVICE void crossEntropyAdd(u64 rows, const Targets<A>& to, const A* losses, double* sums) {
    __shared__ double scratch[32];
    Group g(blockWidth());
    double loss = 0, count = 0;
    eachRow<4>(firstItem(), rows, itemStep(), [&](auto some, u64 n) {
        constexpr int N = decltype(some)::count;
        A v[N];
#pragma unroll
        for (int u = 0; u < N; u++) v[u] = losses[n + u * itemStep()];
        loss += (double)total<N>(v);
        count += N;
        if (to.ignore) {
#pragma unroll
            for (int u = 0; u < N; u++) count -= to.label(n + u * itemStep(), false) < 0;
        }
    });
    loss = groupReduce(loss, Sum(), g, scratch);
    count = groupReduce(count, Sum(), g, scratch);
    if (threadX() != 0) return;
    sums[blockX()] = loss;
    sums[gridWidth() + blockX()] = count;
}

// crossEntropyMean adds what the blocks left: the mean is over the samples that count, 0 if there are none.
template <typename A>
DEVICE void crossEntropyMean(u32 blocks, const double* sums, A* mean) {
    __shared__ double scratch[32];
    Group g(blockWidth());
    double loss = 0, count = 0;
#pragma unroll 1
    for (u32 i = threadX(); i < blocks; i += blockWidth()) {
        loss += sums[i];
        count += sums[blocks + i];
    }
    loss = groupReduce(loss, Sum(), g, scratch);
    count = groupReduce(count, Sum(), g, scratch);
    if (threadX() == 0) *mean = (A)(loss / larger(count, 1.0));
}

// crossEntropyCount writes for each block how many of its samples count.
DEVICE void crossEntropyCount(u64 rows, const Targets<float>& to, u32* counts) {
    __shared__ u32 scratch[32];
    u32 count = 0;
    for (u64 n = firstItem(); n < rows; n += itemStep()) count += to.label(n, false) >= 0;
    count = groupReduce(count, Sum(), Group(blockWidth()), scratch);
    if (threadX() == 0) counts[blockX()] = count;
}

// crossEntropyBackward gives each row to a group of threads. upstream is the gradient of each loss or, where it is shared, of the mean, over the
// samples that count: rows, or what the given blocks counted.
template <typename T, bool classes, int V>
DEVICE void crossEntropyBackward(u64 rows, u32 threads, bool shared, const u32* counts, u32 blocks, const Targets<T>& to, const T* x,
                                 const Wide<T>* lse, const Wide<T>* upstream, T* dx) {
    typedef Wide<T> A;
    __shared__ A scratch[32];
    __shared__ A each;
    Group g(threads);
    if (shared) {
        if (threadX() == 0) {
            u64 count = counts ? 0 : rows;
#pragma unroll 4
            for (u32 i = 0; i < blocks; i++) count += counts[i];
            each = (A)((double)upstream[0] / (double)larger(count, (u64)1));
        }
        barrier();
    }
    A keep = (A)(1 - to.smoothing), spread = (A)(to.smoothing / to.classes);
#pragma unroll 1
    for (u64 block = blockX(); block * g.count < rows; block += gridWidth()) {
        u64 n = block * g.count + g.number;
        bool live = n < rows;
        u64 first = n * to.classes;
        u32 length = live ? to.classes : 0;
        i64 label = 0;
        if (classes && live) label = to.label(n, g.rank == 0);
        A weight = 1;
        if constexpr (!classes) {
            A sum = 0;
#pragma unroll 1
            for (u32 i = g.rank * V; i < length; i += g.size * V) {
                A q[V];
                loadUnit<T, V>(q, to.probabilities + first + i);
                sum += total<V>(q);
            }
            weight = keep * groupReduce(sum, Sum(), g, scratch) + (A)to.smoothing;
        }
        if (!live) continue;
        A d = shared ? each : upstream[n], l = lse[n];
        bool counts = !classes || label >= 0;
#pragma unroll 1
        for (u32 i = g.rank * V; i < length; i += g.size * V) {
            A v[V], q[V];
            loadUnit<T, V>(v, x + first + i);
#pragma unroll
            for (int j = 0; j < V; j++) q[j] = i + j == (u64)label ? A(1) : A(0);
            if constexpr (!classes) loadUnit<T, V>(q, to.probabilities + first + i);
#pragma unroll
            for (int j = 0; j < V; j++) {
                v[j] = d * (mathExp(v[j] - l) * weight - (keep * q[j] + spread));
                if (!counts) v[j] = 0;
            }
            storeUnit<T, V>(dx + first + i, v);
        }
    }
}

#define LABELS const void *labels, u32 wide, u32 classes, double smoothing, u32 ignore, i64 ignored, Fault *fault, u64 call
#define TARGETS(T, p) {labels, p, wide != 0, classes, smoothing, ignore != 0, ignored, fault, call}

// The parameters are those of class numbers; of distributions, labels is the array of them.
#define CROSS_ENTROPY_ROWS(T, A, suffix, name, isClasses, P, THREADS, BLOCKS)                                                                   \
    KERNEL(THREADS, BLOCKS) cross_entropy_##name##_rows##P##_##suffix(u64 rows, u32 threads, u32 packed, LABELS, const T* x, A* losses, A* lse) {\
        crossEntropyRows<T, isClasses, P>(rows, threads, packed, TARGETS(T, (const T*)labels), x, losses, lse);                           \
    }
#define CROSS_ENTROPY_UNITS(T, A, suffix, name, isClasses, kind, V)                                                                             \
    KERNEL(512, 2) cross_entropy_##name##_long_##kind##_##suffix(LABELS, const T* x, A* losses, A* lse) {              \
        crossEntropyLong<T, isClasses, V>(TARGETS(T, (const T*)labels), x, losses, lse);                                            \
    }                                                                                                                                           \
    KERNEL(256, 4) cross_entropy_backward_##name##_##kind##_##suffix(u64 rows, u32 threads, u32 shared, const u32* counts, u32 blocks, LABELS,  \
                                                                     const T* x, const A* lse, const A* upstream, T* dx) {                      \
        crossEntropyBackward<T, isClasses, V>(rows, threads, shared, counts, blocks, TARGETS(T, (const T*)labels), x, lse, upstream, dx);       \
    }
#define CROSS_ENTROPY_OF(T, A, suffix, name, isClasses, rows)                          \
    CROSS_ENTROPY_ROWS(T, A, suffix, name, isClasses, 1, 256, 4)                 \
    CROSS_ENTROPY_ROWS(T, A, suffix, name, isClasses, rows, 512, 1)                 \
    CROSS_ENTROPY_UNITS(T, A, suffix, name, isClasses, single, 1)                \
    CROSS_ENTROPY_UNITS(T, A, suffix, name, isClasses, packed, Pack<T>::size)
#define CROSS_ENTROPY_SHORT(T, A, suffix)                                                                                                       \
    KERNEL(256, 4) cross_entropy_classes_short_##suffix(u64 rows, LABELS, const T* x, A* losses, A* lse) {                                      \
        crossEntropyShort<T>(rows, TARGETS(T, nullptr), x, losses, lse);                                                                        \
    }
#define CROSS_ENTROPY(T, A, suffix, rows)                     \
    CROSS_ENTROPY_SHORT(T, A, suffix) \
    CROSS_ENTROPY_OF(T, A, suffix, classes, true, rows)       \
    CROSS_ENTROPY_OF(T, A, suffix, distributions, false, rows)
