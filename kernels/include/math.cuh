// Elementary functions of float and double in plain arithmetic: no tables but 2/π for huge angles, no approximate instructions, so that
// a GPU and the simulator give the same bits. Each reduces its argument to a small interval and evaluates a minimax polynomial there
// (the float ones are those of the CPU device, see docs/vector-math.md). Largest errors in units of the last place of the result are in
// docs/gpu-math.md: at most 3 for float and double, 5 for gelu. Denormal
// numbers, infinities and NaN are handled everywhere.
#pragma once
#include "cuda.cuh"

DEVICE float mathFma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE double mathFma(double a, double b, double c) { return __builtin_fma(a, b, c); }
DEVICE float mathAbs(float x) { return floatOf(bitsOf(x) & 0x7fffffff); }
DEVICE double mathAbs(double x) { return doubleOf(bitsOf(x) & 0x7fffffffffffffffull); }
DEVICE float mathSqrt(float x) { return __builtin_sqrtf(x); }
DEVICE double mathSqrt(double x) { return __builtin_sqrt(x); }

// withSign gives the absolute value a the sign of s.
DEVICE float withSign(float a, float s) { return floatOf(bitsOf(a) | (bitsOf(s) & 0x80000000u)); }
DEVICE double withSign(double a, double s) { return doubleOf(bitsOf(a) | (bitsOf(s) & 0x8000000000000000ull)); }

// atMost and atLeast pass NaN on.
template <typename T>
DEVICE T atMost(T x, T limit) {
    return x > limit ? limit : x;
}
template <typename T>
DEVICE T atLeast(T x, T limit) {
    return x < limit ? limit : x;
}

// horner is the polynomial c0 + x (c1 + x (c2 + …)).
template <typename T>
DEVICE T horner(T, T c) {
    return c;
}
template <typename T, typename... R>
DEVICE T horner(T x, T c, R... rest) {
    return mathFma(horner(x, rest...), x, c);
}

// Adding and taking away 1.5·2^23 (1.5·2^52) rounds to an integer, which the sum's low bits hold.
#define ROUND_F32 12582912.0f
#define ROUND_F64 6755399441055744.0

// scaled is p·2^n, rounded once: denormal results and overflow included, for |n| up to 252 (2044).
DEVICE float scaled(float p, int n) {
    int half = n >> 1;
    return p * floatOf((u32)(half + 127) << 23) * floatOf((u32)(n - half + 127) << 23);
}
DEVICE double scaled(double p, int n) {
    int half = n >> 1;
    return p * doubleOf((u64)(u32)(half + 1023) << 52) * doubleOf((u64)(u32)(n - half + 1023) << 52);
}

// ExpParts is x = n log 2 + r with |r| at most log(2)/2 and whole n.
template <typename T>
struct ExpParts {
    T r;
    int n;
};

DEVICE ExpParts<float> expParts(float x) {
    float t = mathFma(x, 0x1.715476p+0f, ROUND_F32), n = t - ROUND_F32;
    float r = mathFma(n, -0x1.62e430p-1f, x);
    return {mathFma(n, 0x1.05c610p-29f, r), (int)(bitsOf(t) - bitsOf(ROUND_F32))};
}
DEVICE ExpParts<double> expParts(double x) {
    double t = mathFma(x, 0x1.71547652b82fep+0, ROUND_F64), n = t - ROUND_F64;
    double r = mathFma(n, -0x1.62e42fefa39efp-1, x);
    return {mathFma(n, -0x1.abc9e3b39803fp-56, r), (int)(u32)bitsOf(t)};
}

// expTail is (exp(r)-1-r)/r² for |r| ≤ log(2)/2; relative error of the exponential 2^-28.2 (2^-59).
DEVICE float expTail(float r) {
    return horner(r, 0.4999999403953552f, 0.1666651964187622f, 0.04166824370622635f, 0.008368839509785175f, 0.0013822948094457388f);
}
DEVICE double expTail(double r) {
    return horner(r, 0.5, 0.16666666666666688, 0.041666666666666824, 0.008333333333313944, 0.001388888888877834, 0.0001984126990300629,
                  2.48015875539138e-05, 2.7557229485305933e-06, 2.7557083628813656e-07, 2.5113387410905816e-08, 2.09650724495264e-09);
}

// expm1Tail is the same with an error relative to exp(r)-1: 2^-31 (2^-63).
DEVICE float expm1Tail(float r) {
    return horner(r, 0.5f, 0.1666666567325592f, 0.04166649281978607f, 0.008333543315529823f, 0.001393236219882965f, 0.00019764379248954356f);
}
DEVICE double expm1Tail(double r) {
    return horner(r, 0.5, 0.16666666666666669, 0.04166666666666668, 0.00833333333333166, 0.0013888888888876284, 0.0001984126984612639,
                  2.480158734550644e-05, 2.7557313227174886e-06, 2.7557252948764406e-07, 2.5055316807849673e-08, 2.0921998862439395e-09,
                  1.5483129042785274e-10);
}

// Where exp has long vanished, and where it has overflowed.
DEVICE float expRange(float x) { return atLeast(atMost(x, 89.0f), -104.0f); }
DEVICE double expRange(double x) { return atLeast(atMost(x, 710.0), -746.0); }

template <typename T>
DEVICE T mathExp(T x) {
    ExpParts<T> p = expParts(expRange(x));
    T e = mathFma(expTail(p.r), p.r, T(1));
    return scaled(mathFma(e, p.r, T(1)), p.n);
}

DEVICE float mathExp2(float x) {
    x = atLeast(atMost(x, 129.0f), -151.0f);
    float t = x + ROUND_F32, r = x - (t - ROUND_F32);
    float p = horner(r, 0.6931471824645996f, 0.24022650718688965f, 0.055504050105810165f, 0.009618086740374565f, 0.0013337950222194195f,
                     0.0001545217673992738f, 1.4330196790979244e-05f);
    return scaled(mathFma(p, r, 1.0f), (int)(bitsOf(t) - bitsOf(ROUND_F32)));
}
DEVICE double mathExp2(double x) {
    x = atLeast(atMost(x, 1025.0), -1077.0);
    double t = x + ROUND_F64, r = x - (t - ROUND_F64);
    double p = horner(r, 0.6931471805599453, 0.24022650695909997, 0.05550410866482376, 0.009618129107670747, 0.0013333558145900138,
                      0.00015403530315128162, 1.5252734318186827e-05, 1.3215549908402744e-06, 1.0177863231065061e-07, 7.0318273929811336e-09,
                      4.484297217177377e-10, 5.707614538046458e-11);
    return scaled(mathFma(p, r, 1.0), (int)(u32)bitsOf(t));
}

DEVICE float powerOfTwo(float, int n) { return floatOf((u32)(n + 127) << 23); }
DEVICE double powerOfTwo(double, int n) { return doubleOf((u64)(u32)(n + 1023) << 52); }
DEVICE float tiny(float) { return 0x1p-25f; }
DEVICE double tiny(double) { return 0x1p-54; }
DEVICE float expm1Range(float x) { return atLeast(atMost(x, 89.0f), -18.0f); }
DEVICE double expm1Range(double x) { return atLeast(atMost(x, 710.0), -38.0); }

// mathExpm1 is 2 (2^(n-1) (exp(r)-1) + (2^(n-1) - 1/2)): the half keeps 2^(n-1) finite where exp is.
template <typename T>
DEVICE T mathExpm1(T x) {
    ExpParts<T> p = expParts(expm1Range(x));
    T q = mathFma(expm1Tail(p.r) * p.r, p.r, p.r);
    T h = powerOfTwo(T(0), p.n - 1);
    T y = mathFma(q, h, h - T(0.5));
    return mathAbs(x) < tiny(x) ? x : y + y; // halves lose bits of denormal numbers
}

// LogParts is x = 2^e (1+f) with 1+f from √½ to √2.
template <typename T>
struct LogParts {
    T e, f;
};

// logParts takes x > 0 and finite; denormal numbers are scaled first.
DEVICE LogParts<float> logParts(float x) {
    bool small = x < 0x1p-126f;
    x = small ? x * 0x1p23f : x;
    u32 i = bitsOf(x) - 0x3f3504f3;
    float e = (float)((int)i >> 23) - (small ? 23.0f : 0.0f);
    return {e, floatOf((i & 0x007fffff) + 0x3f3504f3) - 1.0f};
}
DEVICE LogParts<double> logParts(double x) {
    bool small = x < 0x1p-1022;
    x = small ? x * 0x1p52 : x;
    u64 i = bitsOf(x) - 0x3fe6a09e667f3bcdull;
    double e = (double)((int)(i >> 32) >> 20) - (small ? 52.0 : 0.0);
    return {e, doubleOf((i & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull) - 1.0};
}

// logTail is log(1+f) - f; error relative to the logarithm 2^-30 (2^-59).
DEVICE float logTail(float f) {
    float p = horner(f, 0.3333331048488617f, -0.2499999701976776f, 0.20002223551273346f, -0.16668617725372314f, 0.1421816200017929f,
                     -0.12395449727773666f, 0.11888392269611359f, -0.11730218678712845f, 0.06808147579431534f);
    return mathFma(p, f, -0.5f) * (f * f);
}
DEVICE double logTail(double f) { // with s = f/(2+f), log(1+f) = 2 artanh s = f - f²/2 + s (f²/2 + R(s²))
    double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double r = z * horner(z, 0.6666666666666734, 0.3999999999941622, 0.2857142874219311, 0.22222198582183927, 0.18183564301991556,
                          0.1531404187296123, 0.1479611553369602);
    return mathFma(s, h + r, -h);
}

// logSum is e log 2 + log(1+f).
DEVICE float logSum(float e, float f) { return mathFma(e, 0x1.62e430p-1f, mathFma(e, -0x1.05c610p-29f, logTail(f)) + f); }
DEVICE double logSum(double e, double f) {
    return mathFma(e, 0x1.62e42fefa39efp-1, mathFma(e, 0x1.abc9e3b39803fp-56, logTail(f)) + f);
}

DEVICE float infinity(float) { return floatOf(0x7f800000); }
DEVICE double infinity(double) { return doubleOf(0x7ff0000000000000ull); }
DEVICE float notANumber(float) { return floatOf(0x7fc00000); }
DEVICE double notANumber(double) { return doubleOf(0x7ff8000000000000ull); }

// logSpecial puts right what a logarithm gives for x = 0, +Inf, and x < 0 or NaN.
template <typename T>
DEVICE T logSpecial(T x, T y) {
    y = x == infinity(x) ? x : y;
    y = x == T(0) ? -infinity(x) : y;
    return x >= T(0) ? y : notANumber(x);
}

template <typename T>
DEVICE T mathLog(T x) {
    LogParts<T> p = logParts(x);
    return logSpecial(x, logSum(p.e, p.f));
}

DEVICE float mathLog2(float x) {
    LogParts<float> p = logParts(x);
    float t = mathFma(logTail(p.f), 0x1.715476p+0f, p.f * 0x1.4ae0c0p-26f);
    return logSpecial(x, p.e + mathFma(p.f, 0x1.715476p+0f, t));
}
DEVICE double mathLog2(double x) {
    LogParts<double> p = logParts(x);
    double t = mathFma(logTail(p.f), 0x1.71547652b82fep+0, p.f * 0x1.777d0ffda0d24p-56);
    return logSpecial(x, p.e + mathFma(p.f, 0x1.71547652b82fep+0, t));
}

// log1pFinite is log(1+x) for finite x > -1, given u = 1+x rounded: with 1+x = 2^e (1+f), f = 2^-e x + (2^-e - 1) loses nothing of x
// to the rounding of 1+x. Where x is so large that 2^-e is denormal, the 1 is long lost in u.
DEVICE float log1pFinite(float x, float u) {
    u32 i = bitsOf(u) - 0x3f3504f3;
    int e = (int)i >> 23;
    float back = floatOf((u32)(127 - e) << 23);
    float f = x >= 0x1p100f ? floatOf((i & 0x007fffff) + 0x3f3504f3) - 1.0f : mathFma(x, back, back - 1.0f);
    return logSum((float)e, f);
}
DEVICE double log1pFinite(double x, double u) {
    u64 i = bitsOf(u) - 0x3fe6a09e667f3bcdull;
    int e = (int)(i >> 32) >> 20;
    double back = doubleOf((u64)(u32)(1023 - e) << 52);
    double f = x >= 0x1p900 ? doubleOf((i & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull) - 1.0 : mathFma(x, back, back - 1.0);
    return logSum((double)e, f);
}

template <typename T>
DEVICE T mathLog1p(T x) {
    T u = x + T(1);
    T y = logSpecial(u, log1pFinite(x, u));
    return x == T(0) ? x : y;
}

// mathTanh is odd: x + x³P(x²) up to 0.625, beyond it 1 - 2/(exp(2|x|)+1).
DEVICE float mathTanh(float x) {
    float a = mathAbs(x), z = x * x;
    float p = horner(z, -0.3333328366279602f, 0.133314847946167f, -0.05374300479888916f, 0.020649103447794914f, -0.0057154991663992405f);
    float far = 1.0f - 2.0f / (mathExp(a + a) + 1.0f);
    return a < 0.625f ? mathFma(p * z, x, x) : withSign(far, x);
}
// In double, m/(m+2) with m = exp(2|x|)-1.
DEVICE double mathTanh(double x) {
    double m = mathExpm1(2.0 * atMost(mathAbs(x), 22.0));
    return withSign(m / (m + 2.0), x);
}

// erfcRatio is erfc(t) exp(t²) for 0 ≤ t ≤ 28, as a polynomial in (t-c)/(t+c) over 1+2t (the form of Shepherd and Laframboise, Chebyshev
// approximation of (1+2x) exp(x²) erfc x, 1981); relative error 2^-55.
DEVICE double erfcRatio(double t) {
    const double c = 2.8284271247461903;
    double p = horner((t - c) / (t + c), 1.2569557574966255, -0.13235664380193518, -0.06344220228767503, 0.14029840675051083,
                      -0.11663847766139045, 0.0577660268660874, -0.014569341486479894, -0.0013370748283482617, 0.002120534358625655,
                      -0.0002293502735566268, -0.0002722195006552365, 5.626773337917399e-05, 4.21083207778562e-05, -9.021830270700247e-06,
                      -7.940078560869946e-06, 9.754989437215244e-07, 1.6425711466392984e-06, 4.5843167534224354e-08, -3.256901676696998e-07,
                      -6.535450057556427e-08, 5.248061823853332e-08, 1.955212803114128e-08, -4.977097527692462e-09, -2.6098381908589313e-09);
    return p / mathFma(2.0, t, 1.0);
}

// expMinusHalfSquare is exp(-t²/2), the square carried in two parts so that the exponential keeps its relative precision.
template <typename T>
DEVICE T expMinusHalfSquare(T t) {
    T h = T(-0.5) * t, s = h * t;
    T lost = mathFma(h, t, -s);
    T e = mathExp(s);
    return mathFma(e, lost, e);
}

// mathErf is odd: x + xP(x²) up to 1, beyond it 1 - exp(-Q(|x|)), Q a fit of -log erfc.
DEVICE float mathErf(float x) {
    float a = mathAbs(x);
    float near = mathFma(horner(x * x, 0.12837916612625122f, -0.3761262893676758f, 0.11283618211746216f, -0.02685512602329254f,
                                0.005190733820199966f, -0.0008030761382542551f, 7.920368079794571e-05f), x, x);
    float q = horner(atMost(a, 4.1f), -0.0001884789380710572f, 1.1295803785324097f, 0.6332162618637085f, 0.10842221230268478f,
                     -0.025210363790392876f, 0.004205264616757631f, -0.00044146014261059463f, 2.169561412301846e-05f);
    return a < 1.0f ? near : withSign(1.0f - mathExp(-q), x);
}
DEVICE double mathErf(double x) {
    double a = mathAbs(x), z = x * x;
    double near = mathFma(horner(z, 0.1283791670955126, -0.3761263890318411, 0.11283791670972051, -0.026866170648275813, 0.005223977655605504,
                                 -0.0008548328729054877, 0.0001205539404239002, -1.4927086490465126e-05, 1.648457333731466e-06,
                                 -1.6596441964783642e-07, 1.6289539947329914e-08, -1.7572390656231004e-09, 1.6275026543181307e-10), x, x);
    double t = atMost(a, 6.0);
    return a < 1.0 ? near : withSign(1.0 - mathExp(-t * t) * erfcRatio(t), x);
}

// SigmoidParts is a numerator and a denominator of 1/(1+exp(-z)) that keep its relative precision: 1 or exp(-|z|), and 1+exp(-|z|).
template <typename T>
struct SigmoidParts {
    T num, den;
};

template <typename T>
DEVICE SigmoidParts<T> sigmoidParts(T z) {
    T e = mathExp(-mathAbs(z));
    return {z < T(0) ? e : T(1), e + T(1)};
}

template <typename T>
DEVICE T mathSigmoid(T x) {
    SigmoidParts<T> s = sigmoidParts(x);
    return s.num / s.den;
}

template <typename T>
DEVICE T mathSilu(T x) {
    SigmoidParts<T> s = sigmoidParts(x);
    return x * s.num / s.den;
}

// mathGeluTanh uses (1+tanh u)/2 = sigmoid(2u).
template <typename T>
DEVICE T mathGeluTanh(T x) {
    const T c = T(1.5957691216057308); // 2 √(2/π)
    SigmoidParts<T> s = sigmoidParts(mathFma(x * x, T(0.044715) * c, c) * x);
    return x * (s.num / s.den);
}

// mathSoftplus is max(x, 0) + log(1+exp(-|x|)).
template <typename T>
DEVICE T mathSoftplus(T x) {
    T e = mathExp(-mathAbs(x));
    T y = log1pFinite(e, e + T(1));
    return x > T(0) ? x + y : y;
}

// mathGelu is x g for x < 0 and x (1-g) for x ≥ 0, with g = Φ(-|x|) = exp(-x²/2) R(|x|).
DEVICE float mathGelu(float x) {
    float t = atMost(mathAbs(x), 14.5f);
    float r = horner((t - 4.0f) / (t + 4.0f), 0.09441064298152924f, -0.17039772868156433f, 0.12437918037176132f, -0.07170692831277847f,
                     0.030865643173456192f, -0.00849709939211607f, 0.000502341310493648f, 0.0006564720533788204f, -0.00016796700947452337f,
                     -6.486463826149702e-05f);
    float g = expMinusHalfSquare(t) * r;
    return x * (x < 0.0f ? g : 1.0f - g);
}
DEVICE double mathGelu(double x) {
    double t = atMost(mathAbs(x), 39.0);
    double g = 0.5 * (expMinusHalfSquare(t) * erfcRatio(0.70710678118654752 * t));
    return x * (x < 0.0 ? g : 1.0 - g);
}

template <typename T>
DEVICE T mathRelu(T x) {
    return x < T(0) ? T(0) : x;
}

template <typename T>
DEVICE T mathHardSwish(T x) {
    return x * (atLeast(atMost(x + T(3), T(6)), T(0)) / T(6));
}

// The bits of 2/π behind a word of zeros, for angles that are too large to subtract multiples of π/2 from (Payne and Hanek, Radian
// reduction for trigonometric functions, 1983).
static __constant__ u64 twoOverPi[20] = {
    0, 0xa2f9836e4e441529ull, 0xfc2757d1f534ddc0ull, 0xdb6295993c439041ull, 0xfe5163abdebbc561ull, 0xb7246e3a424dd2e0ull, 0x06492eea09d1921cull,
    0xfe1deb1cb129a73eull, 0xe88235f52ebb4484ull, 0xe99c7026b45f7e41ull, 0x3991d639835339f4ull, 0x9c845f8bbdf9283bull, 0x1ff897ffde05980full,
    0xef2f118b5a0a6d1full, 0x6d367ecf27cb09b7ull, 0x4f463f669e5fea2dull, 0x7527bac7ebe5f17bull, 0x3d0739f78a5292eaull, 0x6bfb5fb11f8d5d08ull,
    0x56033046fc7b6babull};

// Angle is x = quarter π/2 + r with |r| at most π/4 (a hair more); only the low two bits of quarter count.
template <typename T>
struct Angle {
    T r;
    int quarter;
};

DEVICE u64 highProduct(u64 a, u64 b) { return (u64)(((unsigned __int128)a * b) >> 64); }

// hugeAngle takes finite |x| of at least 2^16. With x = m·2^e, the bits of 2/π that are worth more than 2^1 after the product with 2^e
// count full turns; the 192 bits that follow give the quarter and the fraction, to 2^-137.
DEVICE Angle<double> hugeAngle(double x) {
    u64 b = bitsOf(x);
    int first = (int)(b >> 52 & 0x7ff) - 1075 + 62; // of the window in the table's bits, which begin with 64 zeros
    u64 m = (b & 0x000fffffffffffffull) | 0x0010000000000000ull;
    int word = first >> 6, shift = first & 63;
    u64 w[4];
#pragma unroll
    for (int i = 0; i < 4; i++) w[i] = twoOverPi[word + i];
#pragma unroll
    for (int i = 0; i < 3; i++) w[i] = shift ? w[i] << shift | w[i + 1] >> (64 - shift) : w[i];
    u64 low = m * w[2], mid = m * w[1], top = m * w[0];
    u64 carry = highProduct(m, w[2]);
    mid += carry;
    top += highProduct(m, w[1]) + (mid < carry);
    int quarter = (int)(top >> 62);
    u64 hi = top << 2 | mid >> 62, lo = mid << 2 | low >> 62;
    bool negative = (hi >> 63) != 0; // more than half a quarter: the next one, less the rest
    quarter += negative;
    hi = negative ? ~hi : hi;
    lo = negative ? ~lo : lo;
    int zeros = __builtin_clzll(hi | 1);
    hi = zeros ? hi << zeros | lo >> (64 - zeros) : hi;
    double r = (double)hi * doubleOf((u64)(u32)(1023 - 64 - zeros) << 52) * 1.5707963267948966;
    negative = negative != (b >> 63 != 0);
    return {negative ? -r : r, b >> 63 ? -quarter : quarter};
}

DEVICE Angle<float> angle(float x) {
    if (mathAbs(x) > 0x1p17f) {
        if (mathAbs(x) >= infinity(x)) return {x - x, 0};
        Angle<double> a = hugeAngle((double)x);
        return {(float)a.r, a.quarter};
    }
    float t = mathFma(x, 0x1.45f306p-1f, ROUND_F32), n = t - ROUND_F32;
    float r = mathFma(n, -1.5707963705062866f, x);
    r = mathFma(n, 4.371138828673793e-08f, r);
    return {mathFma(n, 1.7151244994428829e-15f, r), (int)bitsOf(t)};
}
DEVICE Angle<double> angle(double x) {
    if (!(mathAbs(x) <= 0x1p20)) {
        if (!(mathAbs(x) < infinity(x))) return {x - x, 0};
        return hugeAngle(x);
    }
    double t = mathFma(x, 0x1.45f306dc9c883p-1, ROUND_F64), n = t - ROUND_F64;
    double r = mathFma(n, -0x1.921fb54442d18p+0, x);
    r = mathFma(n, -0x1.1a62633145c07p-54, r);
    return {mathFma(n, 0x1.f1976b7ed8fbcp-110, r), (int)(u32)bitsOf(t)};
}

// Sine and cosine of |r| ≤ π/4, given z = r².
DEVICE float sinNear(float r, float z) {
    return mathFma(horner(z, -0.1666666716337204f, 0.008333380334079266f, -0.0001985349808819592f, 2.8372410270094406e-06f) * z, r, r);
}
DEVICE double sinNear(double r, double z) {
    return mathFma(horner(z, -0.16666666666666632, 0.008333333333322455, -0.00019841269829813502, 2.7557313687618443e-06,
                          -2.5050756720858333e-08, 1.589668206727462e-10) * z, r, r);
}
DEVICE float cosNear(float z) {
    return horner(z, 1.0f, -0.5f, 0.0416666679084301f, -0.0013888980029150844f, 2.482200761733111e-05f, -2.887840082621551e-07f);
}
DEVICE double cosNear(double z) {
    double h = 0.5 * z, w = 1.0 - h; // what 1 - z/2 loses is added again
    double p = horner(z, 0.0416666666666666, -0.0013888888888874441, 2.4801587289636446e-05, -2.7557314387527937e-07, 2.087572706636848e-09,
                      -1.1359802701088478e-11);
    return w + mathFma(z * z, p, (1.0 - w) - h);
}

template <typename T>
DEVICE T mathSin(T x) {
    Angle<T> a = angle(x);
    T z = a.r * a.r;
    T y = a.quarter & 1 ? cosNear(z) : sinNear(a.r, z);
    y = a.quarter & 2 ? -y : y;
    return x == T(0) ? x : y;
}

template <typename T>
DEVICE T mathCos(T x) {
    Angle<T> a = angle(x);
    T z = a.r * a.r;
    T y = a.quarter & 1 ? sinNear(a.r, z) : cosNear(z);
    return (a.quarter + 1) & 2 ? -y : y;
}

DEVICE float mathTan(float x) {
    Angle<float> a = angle(x);
    float z = a.r * a.r;
    float p = horner(z, 0.3333335220813751f, 0.13332587480545044f, 0.05406774580478668f, 0.021244753152132034f, 0.010926841758191586f,
                     -1.9806222553597763e-05f, 0.004427778068929911f);
    float t = mathFma(p * z, a.r, a.r);
    float y = a.quarter & 1 ? -1.0f / t : t;
    return x == 0.0f ? x : y;
}
DEVICE double mathTan(double x) {
    Angle<double> a = angle(x);
    double z = a.r * a.r, s = sinNear(a.r, z), c = cosNear(z);
    double y = a.quarter & 1 ? -c / s : s / c;
    return x == 0.0 ? x : y;
}

// isWhole and isOdd tell exponents apart.
DEVICE bool isWhole(float x) { return __builtin_truncf(x) == x; }
DEVICE bool isWhole(double x) { return __builtin_trunc(x) == x; }

// powSpecial puts right what 2^(b log2|a|) gives for the cases that C99 and Go list.
template <typename T>
DEVICE T powSpecial(T a, T b, T y) {
    T inf = infinity(a), m = mathAbs(a), n = mathAbs(b);
    bool whole = isWhole(b) && n < inf, odd = whole && !isWhole(b * T(0.5));
    if (m == T(0) || m == inf) y = (b > T(0)) == (m == inf) ? inf : T(0);
    if (n == inf) y = m == T(1) ? T(1) : (b > T(0)) == (m > T(1)) ? inf : T(0);
    if (odd) y = withSign(y, a);
    if (a < T(0) && m < inf && !whole && n < inf) y = notANumber(a);
    if (a != a || b != b) y = notANumber(a);
    return b == T(0) || a == T(1) ? T(1) : y;
}

// In float, pow is computed in double: log2 by the series of artanh, error 2^-43, and 2^r, error 2^-34.
DEVICE float mathPow(float a, float b) {
    u64 i = bitsOf((double)mathAbs(a)) - 0x3fe6a09e667f3bcdull;
    double m = doubleOf((i & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull), s = (m - 1.0) / (m + 1.0);
    double log = mathFma(horner(s * s, 2.8853900817778486, 0.9617966941163077, 0.577077941436588, 0.4122093516049819, 0.3199014292339193,
                                0.28296373675557684), s, (double)((int)(i >> 32) >> 20));
    double y = atLeast(atMost(log * (double)b, 200.0), -200.0);
    double t = y + ROUND_F64;
    double p = horner(y - (t - ROUND_F64), 0.9999999999616221, 0.6931471807287474, 0.24022651198749753, 0.05550410352729812,
                      0.009618027173275616, 0.0013333923015487422, 0.00015469317047787703, 1.5201844432143554e-05);
    return powSpecial(a, b, (float)(p * doubleOf((u64)(u32)((int)(u32)bitsOf(t) + 1023) << 52)));
}

// In double, b log a is carried in two parts: with s = f/(2+f), log(1+f) = 2s + 2s³ (1/3 + s² Q(s²)), the first terms to 100 bits.
DEVICE double mathPow(double a, double b) {
    LogParts<double> l = logParts(mathAbs(a));
    double den = l.f + 2.0, rest = l.f - (den - 2.0);
    double s = l.f / den, low = mathFma(-s, rest, mathFma(-s, den, l.f)) / den; // f/(2+f) = s + low
    double z = s * s, zLow = mathFma(s, s, -z) + 2.0 * s * low;
    double q = z * horner(z, 0.2000000000000113, 0.14285714285048426, 0.11111111260218486, 0.0909089215976261, 0.07693379820123085,
                          0.06628380720165837, 0.0659843657381994);
    double third = 0x1.5555555555555p-2 + q, thirdLow = (0x1.5555555555555p-2 - third) + q + 0x1.5555555555555p-56;
    double c = z * third, cLow = mathFma(z, third, -c) + mathFma(zLow, third, z * thirdLow); // s² (1/3 + …)
    double d = s * c, dLow = mathFma(s, c, -d) + mathFma(low, c, s * cLow);
    // log(1+f)/2 = s + low + d + dLow; twice that and e log 2 are added from the largest down.
    double h = s + d, hLow = (s - h) + d + (low + dLow);
    double eHigh = l.e * 0x1.62e42fefa38p-1; // exact: the constant has 42 bits
    double sum = eHigh + 2.0 * h, sumLow = (eHigh - sum) + 2.0 * h + mathFma(l.e, 0x1.ef35793c7673p-45, 2.0 * hLow);
    if (l.e == 0.0) sum = 2.0 * h, sumLow = 2.0 * hLow;
    double high = sum + sumLow;
    sumLow = (sum - high) + sumLow;
    double y = high * b, yLow = mathFma(high, b, -y) + sumLow * b;
    yLow = mathAbs(y) < 800.0 ? yLow : 0.0; // far out, where the products may be infinite
    ExpParts<double> p = expParts(expRange(y));
    double r = p.r + yLow, e = mathFma(expTail(r), r, 1.0);
    return powSpecial(a, b, scaled(mathFma(e, r, 1.0), p.n));
}

// mathMod is the remainder of a/b with the sign of a, exactly: the mantissas are divided as integers, the quotient's bits a few at a time.
DEVICE float mathMod(float a, float b) {
    u32 x = bitsOf(a) & 0x7fffffff, y = bitsOf(b) & 0x7fffffff;
    if (x >= 0x7f800000 || y > 0x7f800000 || y == 0) return notANumber(a);
    if (x < y) return a;
    int ex = (int)(x >> 23), ey = (int)(y >> 23);
    u64 m = ex ? (x & 0x7fffff) | 0x800000 : x, n = ey ? (y & 0x7fffff) | 0x800000 : y;
    ex += ex == 0;
    ey += ey == 0;
    m %= n;
    for (int left = ex - ey; left > 0 && m;) {
        int step = left < 40 ? left : 40;
        m = (m << step) % n;
        left -= step;
    }
    float r = (float)m; // below 2^24: exact
    return withSign(scaled(r, ey - 150), a);
}
DEVICE double mathMod(double a, double b) {
    const u64 mantissa = 0x000fffffffffffffull, one = 0x0010000000000000ull, inf = 0x7ff0000000000000ull;
    u64 x = bitsOf(a) & 0x7fffffffffffffffull, y = bitsOf(b) & 0x7fffffffffffffffull;
    if (x >= inf || y > inf || y == 0) return notANumber(a);
    if (x < y) return a;
    int ex = (int)(x >> 52), ey = (int)(y >> 52);
    u64 m = ex ? (x & mantissa) | one : x, n = ey ? (y & mantissa) | one : y;
    ex += ex == 0;
    ey += ey == 0;
    m %= n;
    for (int left = ex - ey; left > 0 && m;) {
        int step = left < 11 ? left : 11;
        m = (m << step) % n;
        left -= step;
    }
    return withSign(scaled((double)m, ey - 1075), a);
}
