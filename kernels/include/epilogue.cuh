// The functions that end a matrix product or a convolution (kernels.Epilogue), chosen at run time.
#pragma once
#include "math.cuh"

// The numbers of the activations, as lowering passes them (activationCode in cuda).
enum Activation : u32 { actNone, actReLU, actGELU, actGELUTanh, actSiLU, actHardSwish, actTanh, actSigmoid, actClamp };

// activate applies an activation; low and high are the bounds of Clamp. NaN stays NaN.
template <typename T>
DEVICE T activate(u32 act, T x, T low, T high) {
    switch (act) {
    case actReLU: return mathRelu(x);
    case actGELU: return mathGelu(x);
    case actGELUTanh: return mathGeluTanh(x);
    case actSiLU: return mathSilu(x);
    case actHardSwish: return mathHardSwish(x);
    case actTanh: return mathTanh(x);
    case actSigmoid: return mathSigmoid(x);
    case actClamp: return atMost(atLeast(x, low), high);
    }
    return x;
}

// sigmoid1 is 1/(1+e^-x) within 2e-7; 0 and 1 at the infinities.
DEVICE float sigmoid1(float x) {
    float e, y;
    asm("ex2.approx.f32 %0, %1;" : "=f"(e) : "f"(x * -1.44269504f));
    asm("rcp.approx.f32 %0, %1;" : "=f"(y) : "f"(1 + e));
    return y;
}

// normalCDF is Φ(x) within 2e-7: erf of Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
DEVICE float normalCDF(float x) {
    float z = __builtin_fabsf(x) * 0.70710678f, t, e;
    asm("rcp.approx.f32 %0, %1;" : "=f"(t) : "f"(1 + 0.3275911f * z));
    asm("ex2.approx.f32 %0, %1;" : "=f"(e) : "f"(z * z * -1.44269504f));
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float tail = 0.5f * p * e;
    return x > 0 ? 1 - tail : tail;
}

// activateFast is activate in a few instructions, within 1e-6 of the largest value: all activations but erf's GELU are a clamp or a gate p·σ(q).
DEVICE float activateFast(u32 act, float x, float low, float high) {
    switch (act) {
    case actReLU: return x < 0 ? 0 : x;
    case actClamp: {
        float y = x < low ? low : x;
        return y > high ? high : y;
    }
    case actSigmoid: return sigmoid1(x);
    case actTanh: return 2 * sigmoid1(2 * x) - 1;
    case actSiLU: return x * sigmoid1(x);
    case actGELUTanh: return x * sigmoid1(1.59576912f * (x + 0.044715f * x * x * x));
    case actGELU: return x * normalCDF(x);
    case actHardSwish: {
        float gate = x < -3 ? 0 : x + 3;
        return x * (gate > 6 ? 6 : gate) * (1 / 6.f);
    }
    }
    return x;
}
