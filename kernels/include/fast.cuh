// Approximate instructions by name, and arithmetic that is never joined into an FMA.
//
// clang and ptxas join a·b + c into one FMA (as kernels.Elementwise allows); where each step must be rounded, the functions ...Rounded do it.
#pragma once
#include "cuda.cuh"

#define PTX1(name, op, T, c)                       \
    DEVICE T name(T x) {                           \
        T y;                                       \
        asm(op " %0, %1;" : "=" c(y) : c(x));      \
        return y;                                  \
    }
#define PTX2(name, op, T, c)                            \
    DEVICE T name(T a, T b) {                           \
        T y;                                            \
        asm(op " %0, %1, %2;" : "=" c(y) : c(a), c(b)); \
        return y;                                       \
    }
PTX1(exp2Fast, "ex2.approx.ftz.f32", float, "f")  // relative error 2^-22; denormal numbers are 0
PTX1(log2Fast, "lg2.approx.ftz.f32", float, "f")  // absolute error 2^-22 near 1
PTX1(recipFast, "rcp.approx.ftz.f32", float, "f") // 1 unit
PTX1(rsqrtFast, "rsqrt.approx.f32", float, "f")   // 2^-22.9
PTX1(tanhFast, "tanh.approx.f32", float, "f")     // relative error 2^-11
PTX2(divideFast, "div.full.f32", float, "f")      // 2 units
PTX2(mulRounded, "mul.rn.f32", float, "f")
PTX2(mulRounded, "mul.rn.f64", double, "d")
PTX2(addRounded, "add.rn.f32", float, "f")
PTX2(addRounded, "add.rn.f64", double, "d")
PTX2(subRounded, "sub.rn.f32", float, "f")
PTX2(subRounded, "sub.rn.f64", double, "d")
#undef PTX1
#undef PTX2
