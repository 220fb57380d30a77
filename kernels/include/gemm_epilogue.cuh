// What products and convolutions do with a block of sums: scale, add, activate and store it (kernels.Epilogue), by rows of 16 bytes.
//
// Sums lie in shared memory in f32 (f64 for doubles), so that the code below is there once and not once for each register of a tile.
#pragma once
#include "epilogue.cuh"
#include "half.cuh"
#include "memory.cuh"

template <typename T> struct Accumulator { typedef float type; };
template <> struct Accumulator<double> { typedef double type; };

DEVICE double toReal(double x) { return x; }
DEVICE float toReal(float x) { return x; }
DEVICE float toReal(f16 x) { return toFloat(x); }
DEVICE float toReal(bf16 x) { return toFloat(x); }
template <typename T, typename A> DEVICE T rounded(A x) {
    if constexpr (sizeof(T) == 8) return x;
    else return to<T>((float)x);
}

// activateOne is activate as a function that is called: the rarer activations are long, and a module has many kernels.
template <typename A>
static __device__ __attribute__((noinline)) A activateOne(u32 act, A x) {
    return activate(act, x, A(0), A(0));
}

// Finish is y = act(alpha·x + beta·c + bias + residual) for rows of c. T is the type of c and of the residual, A that of the arithmetic. Only where
// packed is set are accesses to c and residual of 16 bytes; their rows then start at multiples of 16 bytes. fast takes activations by activateFast.
template <typename T, typename A, bool fast = false>
struct Finish {
    static constexpr int width = 16 / sizeof(T); // columns a call
    T* c;
    const T* residual; // null: none
    const A* bias;     // null: none
    i64 ld;
    A alpha, beta, low, high;
    u32 act;
    bool packed;

    // apply finishes columns col to col + min(count, width) of a row, given their sums.
    DEVICE_MEMBER void apply(i64 row, u32 col, A (&x)[width], u32 count) const {
        T* to = c + row * ld + col;
        bool whole = packed && count >= (u32)width;
#pragma unroll
        for (int i = 0; i < width; i++) x[i] *= alpha;
        if (beta != 0) add(to, beta, x, count, whole);
        if (bias) {
#pragma unroll
            for (int i = 0; i < width; i++) x[i] += (u32)i < count ? bias[col + i] : A(0);
        }
        if (residual) add(residual + row * ld + col, A(1), x, count, whole);
        if (act == actReLU) {
#pragma unroll
            for (int i = 0; i < width; i++) x[i] = mathRelu(x[i]);
        } else if (act == actClamp) {
#pragma unroll
            for (int i = 0; i < width; i++) x[i] = atMost(atLeast(x[i], low), high);
        } else if (act != actNone) {
#pragma unroll 1
            for (int i = 0; i < width; i++) { // the elements take turns at the first place: registers cannot be indexed by a variable
                A y;
                if constexpr (fast) y = activateFast(act, x[0], low, high);
                else y = activateOne(act, x[0]);
#pragma unroll
                for (int j = 0; j + 1 < width; j++) x[j] = x[j + 1];
                x[width - 1] = y;
            }
        }
        if (whole) {
            Pack<T> p;
#pragma unroll
            for (int i = 0; i < width; i++) p[i] = rounded<T>(x[i]);
            storePack(to, p);
        } else {
#pragma unroll
            for (int i = 0; i < width; i++)
                if ((u32)i < count) to[i] = rounded<T>(x[i]);
        }
    }

    static DEVICE_MEMBER void add(const T* from, A factor, A (&x)[width], u32 count, bool whole) {
        if (whole) {
            Pack<T> p = loadPack(from);
#pragma unroll
            for (int i = 0; i < width; i++) x[i] += factor * toReal(p[i]);
        } else {
#pragma unroll
            for (int i = 0; i < width; i++)
                if ((u32)i < count) x[i] += factor * toReal(from[i]);
        }
    }
};

// Staged is a block of sums of rows × cols elements in shared memory. Pieces of 16 bytes are swapped within a row, so that the rows of a
// fragment of mma.sync, which are 8 in a column of pieces, lie in different banks.
template <typename A, int rows, int cols>
struct Staged {
    static constexpr int pieceSize = 16 / sizeof(A), bytes = rows * cols * (int)sizeof(A);
    u32 at; // shared address

    DEVICE_MEMBER u32 piece(u32 row, u32 col) const { return at + (row * cols + ((col / pieceSize) ^ (row % 4 * 2)) * pieceSize + col % pieceSize) * (u32)sizeof(A); }
    DEVICE_MEMBER void put2(u32 row, u32 col, float x, float y) const { storeShared2(piece(row, col), x, y); }
    DEVICE_MEMBER void put4(u32 row, u32 col, float x, float y, float z, float w) const { storeShared4(piece(row, col), x, y, z, w); }
    DEVICE_MEMBER void put2(u32 row, u32 col, double x, double y) const {
        asm volatile("st.shared.v2.f64 [%0], {%1, %2};" ::"r"(piece(row, col)), "d"(x), "d"(y) : "memory");
    }
    // get reads width elements from col on, a multiple of width.
    template <int width>
    DEVICE_MEMBER void get(u32 row, u32 col, A (&x)[width]) const {
#pragma unroll
        for (int i = 0; i < width; i += pieceSize) {
            if constexpr (sizeof(A) == 4) {
                loadShared4(piece(row, col + i), x[i], x[i + 1], x[i + 2], x[i + 3]);
            } else {
                asm volatile("ld.shared.v2.f64 {%0, %1}, [%2];" : "=d"(x[i]), "=d"(x[i + 1]) : "r"(piece(row, col + i)) : "memory");
            }
        }
    }
};

// finishBlock finishes a staged block whose first element is element (row0, col0) of the m×n result. All threads take part.
template <int threads, typename T, typename A, int rows, int cols>
DEVICE void finishBlock(const Staged<A, rows, cols>& block, const Finish<T, A>& f, u32 row0, u32 col0, u32 m, u32 n) {
    constexpr int width = Finish<T, A>::width, perRow = cols / width;
#pragma unroll 1
    for (u32 i = threadX(); i < (u32)(rows * perRow); i += threads) {
        u32 r = i / perRow, j = i % perRow * width;
        if (row0 + r < m && col0 + j < n) {
            A x[width];
            block.get(r, j, x);
            f.apply(row0 + r, col0 + j, x, n - col0 - j);
        }
    }
}

// finishPlaces finishes a staged block whose row r is the elements of c from place(r) on, of columns col to col + count; a place below 0 is no row. The
// rows of f are then its elements: ld is 1. All threads take part.
template <int threads, typename T, typename A, bool fast, int rows, int cols, typename Place>
DEVICE void finishPlaces(const Staged<A, rows, cols>& block, const Finish<T, A, fast>& f, u32 col, u32 count, Place place) {
    constexpr int width = Finish<T, A>::width, perRow = cols / width;
#pragma unroll 1
    for (u32 i = threadX(); i < (u32)(rows * perRow); i += threads) {
        u32 r = i / perRow, j = i % perRow * width;
        if (j >= count) continue;
        i64 at = place(r);
        if (at < 0) continue;
        A x[width];
        block.get(r, j, x);
        f.apply(at - col, col + j, x, count - j);
    }
}
