// Each elementary function of math.cuh by itself, as the generator of element-wise kernels takes it into its text. Nothing is launched from
// this module.
#include "math.cuh"

#define FUNCTION(name, f)                                                                                         \
    extern "C" __device__ __attribute__((noinline)) float name##_f32(float a) { return f(a); }                    \
    extern "C" __device__ __attribute__((noinline)) double name##_f64(double a) { return f(a); }

#define FUNCTION2(name, f)                                                                                        \
    extern "C" __device__ __attribute__((noinline)) float name##_f32(float a, float b) { return f(a, b); }        \
    extern "C" __device__ __attribute__((noinline)) double name##_f64(double a, double b) { return f(a, b); }

FUNCTION(exp, mathExp)
FUNCTION(exp2, mathExp2)
FUNCTION(expm1, mathExpm1)
FUNCTION(log, mathLog)
FUNCTION(log2, mathLog2)
FUNCTION(log1p, mathLog1p)
FUNCTION(sin, mathSin)
FUNCTION(cos, mathCos)
FUNCTION(tan, mathTan)
FUNCTION(tanh, mathTanh)
FUNCTION(erf, mathErf)
FUNCTION(sigmoid, mathSigmoid)
FUNCTION(softplus, mathSoftplus)
FUNCTION(gelu, mathGelu)
FUNCTION(gelu_tanh, mathGeluTanh)
FUNCTION(silu, mathSilu)
FUNCTION2(pow, mathPow)
FUNCTION2(mod, mathMod)
