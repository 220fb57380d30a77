// Transposition of planes: dst[.., i, j] = src[.., j, i], where src lies dense along i and dst along j. A block takes one tile through shared
// memory, so that both sides are read and written along their own rows.
#include "axes.cuh"
#include "memory.cuh"

// Tiles says which tile of which plane a block has.
struct Tiles {
    u32 i, j; // first tile row and column
    Place plane;
};

// place splits the block's number: tiles along i, tiles along j, planes.
DEVICE Tiles place(u64 tilesI, u64 tilesJ, const Axis* table, u32 rank) {
    u32 i = blockX(), j = Divider(tilesI).split(i);
    u32 plane = Divider(tilesJ).split(j);
    return {i, j, Axes(table, rank).of(plane)};
}

// single moves tiles of 32×32 elements one by one, with any extents and alignment: a row of the tile is a word longer than it needs to be, so
// that a column's elements lie in different banks.
template <typename T>
DEVICE void single(T (&tile)[32][33], const T* src, T* dst, u32 ni, u32 nj, i64 srcStep, i64 dstStep, u64 tilesI, u64 tilesJ, const Axis* table, u32 rank) {
    Tiles t = place(tilesI, tilesJ, table, rank);
    src += t.plane.src;
    dst += t.plane.dst;
    u32 x = threadX() % 32, y = threadX() / 32;
#pragma unroll
    for (int k = 0; k < 32; k += 8) {
        u32 i = t.i * 32 + x, j = t.j * 32 + y + k;
        if (i < ni && j < nj) tile[y + k][x] = src[j * srcStep + i];
    }
    barrier();
#pragma unroll
    for (int k = 0; k < 32; k += 8) {
        u32 i = t.i * 32 + y + k, j = t.j * 32 + x;
        if (i < ni && j < nj) dst[i * dstStep + j] = tile[x][y + k];
    }
}

#define SINGLE(bytes, T)                                                                                                                         \
    KERNEL(256, 4) transpose_single_b##bytes(const T* src, T* dst, u32 ni, u32 nj, i64 srcStep, i64 dstStep, u64 tilesI, u64 tilesJ, const Axis* axes, u32 rank) { \
        __shared__ T tile[32][33];                                                                                                               \
        single<T>(tile, src, dst, ni, nj, srcStep, dstStep, tilesI, tilesJ, axes, rank);                                                         \
    }
SINGLE(1, u8)
SINGLE(2, u16)
SINGLE(4, u32)
SINGLE(8, u64)

// Square is P vectors of P elements of bytes bytes, in words: the part of a tile that one thread turns in its registers.
template <int bytes>
struct Square;

// select picks bytes of two words by a selector of prmt.
DEVICE u32 permute(u32 a, u32 b, u32 selector) {
    u32 d;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(selector));
    return d;
}

template <>
struct Square<8> { // 2×2, rows of 16 bytes
    static constexpr int P = 2, words = 4;
    static DEVICE_MEMBER void turn(u32 (&w)[P][words]) {
        u32 a = w[0][2], b = w[0][3];
        w[0][2] = w[1][0], w[0][3] = w[1][1];
        w[1][0] = a, w[1][1] = b;
    }
};
template <>
struct Square<4> { // 4×4, rows of 16 bytes
    static constexpr int P = 4, words = 4;
    static DEVICE_MEMBER void turn(u32 (&w)[P][words]) {
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int c = 0; c < r; c++) {
                u32 t = w[r][c];
                w[r][c] = w[c][r];
                w[c][r] = t;
            }
    }
};
template <>
struct Square<2> { // 8×8, rows of 16 bytes: words are pairs of elements
    static constexpr int P = 8, words = 4;
    static DEVICE_MEMBER void turn(u32 (&w)[P][words]) {
        u32 t[P][words];
#pragma unroll
        for (int r = 0; r < 8; r += 2)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                t[2 * c][r / 2] = permute(w[r][c], w[r + 1][c], 0x5410);
                t[2 * c + 1][r / 2] = permute(w[r][c], w[r + 1][c], 0x7632);
            }
#pragma unroll
        for (int r = 0; r < 8; r++)
#pragma unroll
            for (int c = 0; c < 4; c++) w[r][c] = t[r][c];
    }
};
template <>
struct Square<1> { // 8×8, rows of 8 bytes: blocks of 4×4
    static constexpr int P = 8, words = 2;
    static DEVICE_MEMBER void turn(u32 (&w)[P][words]) {
        u32 t[P][words];
#pragma unroll
        for (int r = 0; r < 2; r++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                u32 ab = permute(w[4 * r][c], w[4 * r + 1][c], 0x5140), cd = permute(w[4 * r + 2][c], w[4 * r + 3][c], 0x5140);
                u32 AB = permute(w[4 * r][c], w[4 * r + 1][c], 0x7362), CD = permute(w[4 * r + 2][c], w[4 * r + 3][c], 0x7362);
                t[4 * c][r] = permute(ab, cd, 0x5410);
                t[4 * c + 1][r] = permute(ab, cd, 0x7632);
                t[4 * c + 2][r] = permute(AB, CD, 0x5410);
                t[4 * c + 3][r] = permute(AB, CD, 0x7632);
            }
#pragma unroll
        for (int r = 0; r < 8; r++)
#pragma unroll
            for (int c = 0; c < 2; c++) w[r][c] = t[r][c];
    }
};

template <int words>
DEVICE void loadRow(u32 (&w)[words], const void* p) {
    if constexpr (words == 4) {
        Word4 x = *(const Word4*)p;
        w[0] = x.x, w[1] = x.y, w[2] = x.z, w[3] = x.w;
    } else {
        Word2 x = *(const Word2*)p;
        w[0] = x.x, w[1] = x.y;
    }
}

template <int words>
DEVICE void storeRow(void* p, const u32 (&w)[words]) {
    if constexpr (words == 4) {
        Word4 x = {w[0], w[1], w[2], w[3]};
        *(Word4*)p = x;
    } else {
        Word2 x = {w[0], w[1]};
        *(Word2*)p = x;
    }
}

// packed moves tiles of 16P×16P elements by vectors of P. Vector c of row r lies at place c xor r/P of the tile's row, so that neither the
// threads that write a row nor those that read a column of vectors meet in a bank. Extents and steps are multiples of P.
template <int bytes>
DEVICE void packed(u8* tile, const u8* src, u8* dst, u32 ni, u32 nj, i64 srcStep, i64 dstStep, u64 tilesI, u64 tilesJ, const Axis* table, u32 rank) {
    using S = Square<bytes>;
    constexpr int P = S::P, side = 16 * P, row = side * bytes, unit = P * bytes;
    Tiles t = place(tilesI, tilesJ, table, rank);
    src += t.plane.src * bytes;
    dst += t.plane.dst * bytes;
    u32 x = threadX() % 16, y = threadX() / 16;
    u32 i = t.i * side + x * P;
#pragma unroll
    for (int k = 0; k < P; k++) { // 16 rows at a time
        u32 r = k * 16 + y, j = t.j * side + r;
        if (i < ni && j < nj) {
            u32 w[S::words];
            loadRow(w, src + (j * srcStep + i) * bytes);
            storeRow(tile + r * row + (x ^ (r / P)) * unit, w);
        }
    }
    barrier();
    u32 j = t.j * side + x * P; // this thread's square: rows x·P …, vector y
    i = t.i * side + y * P;
    if (i >= ni || j >= nj) return;
    u32 w[P][S::words];
#pragma unroll
    for (int k = 0; k < P; k++) loadRow(w[k], tile + (x * P + k) * row + (y ^ x) * unit);
    S::turn(w);
#pragma unroll
    for (int k = 0; k < P; k++) storeRow(dst + ((i + k) * dstStep + j) * bytes, w[k]);
}

#define PACKED(bytes)                                                                                                                             \
    KERNEL(256, 4) transpose_packed_b##bytes(const u8* src, u8* dst, u32 ni, u32 nj, i64 srcStep, i64 dstStep, u64 tilesI, u64 tilesJ, const Axis* axes, u32 rank) { \
        constexpr int side = 16 * Square<bytes>::P;                                                                                               \
        __shared__ __attribute__((aligned(16))) u8 tile[side * side * bytes];                                                                     \
        packed<bytes>(tile, src, dst, ni, nj, srcStep, dstStep, tilesI, tilesJ, axes, rank);                                                      \
    }
PACKED(1)
PACKED(2)
PACKED(4)
PACKED(8)
