// What a reduction keeps of the elements seen so far, by operation. Each fold has
//
//   State                        its partial result
//   empty()                      the State of no elements
//   absorb(state, v, at, step)   adds N elements; those of one thread come in ascending order, v[j] has the number at + j·step
//   ordered                      whether the numbers of the elements matter; if not, at and step may be anything
//   join(a, b)                   the State of both; the order of the two does not matter
//   store(...)                   writes the result of output o
#pragma once
#include "logsum.cuh"

// Output is where results go and the last step towards them.
struct Output {
    void* out;      // null where an ArgFold gives values only
    void* values;   // ArgFold: where the elements found go, too, if anywhere
    double divisor; // SumFold: of a mean
    u32 mode;       // SquareFold: rooted; ArgFold: numbers64; all but ArgFold: wideResults
};

// The bits of an Output's mode: the root of the sum, numbers of type i64, results of 16-bit elements as f32.
constexpr u32 rooted = 1, numbers64 = 1, wideResults = 2;

// storeResult rounds a result to its type.
template <typename T>
DEVICE void storeResult(const Output& to, u64 o, Wide<T> y) {
    if constexpr (sizeof(T) == 2) {
        if (to.mode & wideResults) {
            ((float*)to.out)[o] = y;
            return;
        }
    }
    ((T*)to.out)[o] = narrow<T>(y);
}

template <typename T>
struct SumFold {
    typedef double State;
    static constexpr bool ordered = false;
    DEVICE_MEMBER static State empty() { return 0; }
    template <int N> DEVICE_MEMBER static void absorb(State& s, const Wide<T> (&v)[N], i64, i64) { s += (double)total<N>(v); }
    DEVICE_MEMBER static State join(State a, State b) { return a + b; }
    DEVICE_MEMBER static void store(const Output& to, u64 o, State s) { storeResult<T>(to, o, (Wide<T>)(s / to.divisor)); }
};

template <typename T>
struct AbsFold : SumFold<T> {
    template <int N> DEVICE_MEMBER static void absorb(double& s, const Wide<T> (&v)[N], i64, i64) {
        Wide<T> a[N];
#pragma unroll
        for (int j = 0; j < N; j++) a[j] = magnitude(v[j]);
        s += (double)total<N>(a);
    }
};

template <typename T>
struct SquareFold : SumFold<T> {
    template <int N> DEVICE_MEMBER static void absorb(double& s, const Wide<T> (&v)[N], i64, i64) {
        Wide<T> a[N];
#pragma unroll
        for (int j = 0; j < N; j++) a[j] = v[j] * v[j];
        s += (double)total<N>(a);
    }
    DEVICE_MEMBER static void store(const Output& to, u64 o, double s) {
        storeResult<T>(to, o, (Wide<T>)(to.mode & rooted ? squareRoot(s) : s));
    }
};

template <typename T>
struct ProductFold : SumFold<T> {
    DEVICE_MEMBER static double empty() { return 1; }
    template <int N> DEVICE_MEMBER static void absorb(double& s, const Wide<T> (&v)[N], i64, i64) {
#pragma unroll
        for (int j = 0; j < N; j++) s *= (double)v[j];
    }
    DEVICE_MEMBER static double join(double a, double b) { return a * b; }
};

template <typename T, typename Op, bool largest>
struct ExtremeFold {
    typedef Wide<T> State;
    static constexpr bool ordered = false;
    DEVICE_MEMBER static State empty() { return largest ? -infinity<State>() : infinity<State>(); }
    template <int N> DEVICE_MEMBER static void absorb(State& s, const Wide<T> (&v)[N], i64, i64) {
#pragma unroll
        for (int j = 0; j < N; j++) s = Op()(s, v[j]);
    }
    DEVICE_MEMBER static State join(State a, State b) { return Op()(a, b); }
    DEVICE_MEMBER static void store(const Output& to, u64 o, State s) { storeResult<T>(to, o, s); }
};
template <typename T> using MaxFold = ExtremeFold<T, Max, true>;
template <typename T> using MinFold = ExtremeFold<T, Min, false>;

template <typename T>
struct LogSumFold {
    typedef LogSum<Wide<T>> State;
    static constexpr bool ordered = false;
    DEVICE_MEMBER static State empty() { return emptyLogSum<Wide<T>>(); }
    template <int N> DEVICE_MEMBER static void absorb(State& s, const Wide<T> (&v)[N], i64, i64) { ::absorb(s, v); }
    DEVICE_MEMBER static State join(const State& a, const State& b) { return JoinLogSums()(a, b); }
    DEVICE_MEMBER static void store(const Output& to, u64 o, const State& s) {
        Wide<T> y = s.max;
        if (magnitude(y) < infinity<Wide<T>>()) y += mathLog((Wide<T>)s.sum);
        storeResult<T>(to, o, y);
    }
};

// A shuffle member by member leaves out the padding.
template <typename A>
DEVICE Indexed<A> shuffledXor(const Indexed<A>& x, u32 mask) { return {shuffledXor(x.value, mask), shuffledXor(x.index, mask)}; }

// ArgFold finds the first of the best elements. It starts with the number -1, which every element beats.
template <typename T, bool largest>
struct ArgFold {
    typedef Indexed<Wide<T>> State;
    static constexpr bool ordered = true;
    DEVICE_MEMBER static State empty() { return {0, -1}; }
    template <int N> DEVICE_MEMBER static void absorb(State& s, const Wide<T> (&v)[N], i64 at, i64 step) {
#pragma unroll
        for (int j = 0; j < N; j++) {
            bool better = largest ? v[j] > s.value : v[j] < s.value;
            if (s.index < 0 || (s.value == s.value && (better || v[j] != v[j]))) {
                s.value = v[j];
                s.index = at + j * step;
            }
        }
    }
    DEVICE_MEMBER static State join(const State& a, const State& b) {
        State s = a;
        bool na = a.value != a.value, nb = b.value != b.value;
        bool equal = (na && nb) || a.value == b.value;
        bool second = equal ? b.index < a.index : nb || (!na && (largest ? b.value > a.value : b.value < a.value));
        if (b.index >= 0 && (a.index < 0 || second)) s = b;
        return s;
    }
    DEVICE_MEMBER static void store(const Output& to, u64 o, const State& s) {
        if (to.out && to.mode & numbers64) ((i64*)to.out)[o] = s.index;
        if (to.out && !(to.mode & numbers64)) ((i32*)to.out)[o] = (i32)s.index;
        if (to.values) ((T*)to.values)[o] = narrow<T>(s.value);
    }
};
template <typename T> using ArgMaxFold = ArgFold<T, true>;
template <typename T> using ArgMinFold = ArgFold<T, false>;
