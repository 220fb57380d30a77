// Borders made of the tensor's own elements (kernels.Pad) and their gradient.
#include "divide.cuh"
#include "memory.cuh"

enum { edge, reflect, wrap };

// source is the position along an axis of extent n that position i, counted from the first element of the interior, takes its value from.
DEVICE i64 source(u32 mode, i64 i, i64 n) {
    if (mode == edge) return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (mode == reflect) return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
    return i < 0 ? i + n : i >= n ? i - n : i;
}

// PadAxis is one axis of the table, the innermost first: the padded extent (a Divider's parameter), the border before, the extent and the
// step in the source, in units.
struct PadAxis {
    u64 padded;
    i64 before, n, step;
};

template <typename T>
DEVICE void pad(u32 items, i64 first, const PadAxis* axes, u32 rank, u32 mode, const T* in, T* out) {
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        u32 rest = (u32)i;
        i64 from = 0;
        for (u32 a = 0; a < rank; a++) {
            PadAxis x = axes[a];
            u32 c = rest;
            i64 at = 0;
            if (a + 1 < rank) rest = Divider(x.padded).split(c);
            else at = first; // the outermost takes what is left, and may begin further on
            from += source(mode, at + c - x.before, x.n) * x.step;
        }
        out[i] = in[from];
    }
}

DEVICE void spread(u64 value, u8& x) { x = (u8)value; }
DEVICE void spread(u64 value, u16& x) { x = (u16)value; }
DEVICE void spread(u64 value, u32& x) { x = (u32)value; }
DEVICE void spread(u64 value, u64& x) { x = value; }
DEVICE void spread(u64 value, Pack<u32>& x) {
    x[0] = x[2] = (u32)value;
    x[1] = x[3] = (u32)(value >> 32);
}

// padConstant surrounds a view of in with a value, given as a pattern of 8 bytes.
template <typename T>
DEVICE void padConstant(u32 items, i64 first, const PadAxis* axes, u32 rank, const T* in, T* out, u64 value) {
    for (u64 i = firstItem(); i < items; i += itemStep()) {
        u32 rest = (u32)i;
        i64 from = 0;
        bool inside = true;
        for (u32 a = 0; a < rank; a++) {
            PadAxis x = axes[a];
            u32 c = rest;
            i64 at = -x.before;
            if (a + 1 < rank) rest = Divider(x.padded).split(c);
            else at += first;
            at += c;
            inside = inside && at >= 0 && at < x.n;
            from += at * x.step;
        }
        T v;
        spread(value, v);
        if (inside) v = in[from];
        out[i] = v;
    }
}

#define PAD(bytes, T)                                                                                                          \
    KERNEL(256, 6) pad_b##bytes(u32 items, i64 first, const PadAxis* axes, u32 rank, u32 mode, const T* in, T* out) {          \
        pad(items, first, axes, rank, mode, in, out);                                                                          \
    }                                                                                                                          \
    KERNEL(256, 6) pad_constant_b##bytes(u32 items, i64 first, const PadAxis* axes, u32 rank, const T* in, T* out, u64 value) { \
        padConstant(items, first, axes, rank, in, out, value);                                                                 \
    }
PAD(1, u8)
PAD(2, u16)
PAD(4, u32)
PAD(8, u64)
PAD(16, Pack<u32>)

// quotient is a/b, which is much faster in 32 bits.
DEVICE u64 quotient(u64 a, u32 b) { return a >> 32 ? a / b : (u32)a / b; }

// padBackward adds up one axis: dx[o, j, i] = the sum of dy[o, p, i] over the padded positions p whose source is j, ascending. Seen
// as [outer, padded, inner] and [outer, n, inner].
template <typename T>
DEVICE void padBackward(u64 items, u32 inner, u32 n, u32 before, u32 after, u32 mode, const T* dy, T* dx) {
    i64 padded = (i64)before + n + after;
    for (u64 at = firstItem(); at < items; at += itemStep()) {
        u64 row = quotient(at, inner);
        u32 i = (u32)(at - row * inner);
        u64 outer = quotient(row, n);
        i64 j = (i64)(row - outer * n);
        const T* from = dy + (outer * padded + before) * inner + i; // of position 0
        T sum = 0;
        if (mode == edge) {
            i64 lo = j == 0 ? -(i64)before : j, hi = j == n - 1 ? (i64)n - 1 + after : j;
            for (i64 p = lo; p <= hi; p++) sum += from[p * inner];
        } else {
            i64 lo = mode == reflect ? -j : j - n, hi = mode == reflect ? 2 * ((i64)n - 1) - j : j + n;
            if (lo != j && lo < 0 && lo >= -(i64)before) sum += from[lo * inner];
            sum += from[j * inner];
            if (hi != j && hi >= n && hi < (i64)n + after) sum += from[hi * inner];
        }
        dx[at] = sum;
    }
}

#define PAD_BACKWARD(T, suffix)                                                                                                         \
    KERNEL(256, 6) pad_backward_##suffix(u64 items, u32 inner, u32 n, u32 before, u32 after, u32 mode, const T* dy, T* dx) {            \
        padBackward(items, inner, n, before, after, mode, dy, dx);                                                                      \
    }
PAD_BACKWARD(float, f32)
PAD_BACKWARD(double, f64)
