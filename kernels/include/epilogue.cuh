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
