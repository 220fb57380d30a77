// Tensor-core products of one warp (mma.sync, sm_80) and the loads that make their operands (ldmatrix).
//
// With g = lane/4, t = lane%4 and E elements in a register (tf32 1, f16 and bf16 2), of D = A·B + C with A 16×K, B K×8, C and D 16×8:
//   register r of A holds row g + 8(r&1), columns tE.. + 4E(r>>1);  register r of B holds rows tE.. + 4Er, column g;
//   value i of C and D is row g + 8(i>>1), column 2t + (i&1).
// Source: PTX ISA, matrix fragments for mma.m16n8k8 and mma.m16n8k16.
#pragma once
#include "half.cuh"
#include "memory.cuh"

struct tf32 { u32 bits; }; // an f32 of which the upper 19 bits count

// loadMatrices reads 1, 2 or 4 matrices of 8 rows of 16 bytes from shared memory; lanes 8i to 8i+7 give the rows' addresses of matrix i. Each
// lane gets 4 bytes of each matrix: of row g, bytes 4t... transposed is for 16-bit elements: the elements (2t, g) and (2t+1, g).
DEVICE void loadMatrices(u32 (&d)[1], u32 row) { asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(d[0]) : "r"(row) : "memory"); }
DEVICE void loadMatrices(u32 (&d)[2], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(d[0]), "=r"(d[1]) : "r"(row) : "memory");
}
DEVICE void loadMatrices(u32 (&d)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(row) : "memory");
}
DEVICE void loadTransposed(u32 (&d)[2], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(d[0]), "=r"(d[1]) : "r"(row) : "memory");
}
DEVICE void loadTransposed(u32 (&d)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(row) : "memory");
}

// Fragment<T> says how one product of type T is made: K, the registers of A and B, and multiply, c += a·b.
template <typename T> struct Fragment;

#define MULTIPLY(name)                                                                                                          \
    static DEVICE_MEMBER void multiply(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {                                   \
        asm volatile("mma.sync.aligned." name " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                \
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                           \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                       \
    }
template <> struct Fragment<f16> {
    static constexpr int K = 16;
    MULTIPLY("m16n8k16.row.col.f32.f16.f16.f32")
};
template <> struct Fragment<bf16> {
    static constexpr int K = 16;
    MULTIPLY("m16n8k16.row.col.f32.bf16.bf16.f32")
};
template <> struct Fragment<tf32> {
    static constexpr int K = 8;
    MULTIPLY("m16n8k8.row.col.f32.tf32.tf32.f32")
};
#undef MULTIPLY
