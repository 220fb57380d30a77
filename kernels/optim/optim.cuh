// Optimisers' steps, one or 16 bytes of parameters a thread and step, in place; and what goes with them. The operands hyper (learning rate, number
// of the step) and scale are read from memory. A scale of 0 skips the step.
#pragma once
#include "tile.cuh"
#include "warp.cuh"

// power is b^n for a whole n.
DEVICE double power(double b, double n) {
    double p = 1;
#pragma unroll 1
    for (u64 bits = (u64)n; bits > 0; bits >>= 1) {
        if (bits & 1) p *= b;
        b *= b;
    }
    return p;
}

// eachElement calls f with the position and V, the number of neighbouring elements that it is to take: a pack or one.
template <typename T, typename F>
DEVICE void eachElement(u64 n, bool packed, F f) {
    constexpr int V = Pack<T>::size;
    u64 done = 0;
    if (packed) {
        done = n / V * V;
        for (u64 i = firstItem() * V; i < done; i += itemStep() * V) f(Rows<V>(), i);
    }
    for (u64 i = done + firstItem(); i < n; i += itemStep()) f(Rows<1>(), i);
}

// update calls rule for each parameter with the scaled gradient, the parameter and N values of state, and writes what it leaves in them.
template <typename T, int N, typename Rule>
DEVICE void update(u64 n, bool packed, T scale, const T* grad, T* param, T* const (&state)[N], Rule rule) {
    eachElement<T>(n, packed, [&](auto unit, u64 i) {
        constexpr int V = decltype(unit)::count;
        T g[V], w[V], s[N][V] = {};
        loadUnit<T, V>(g, grad + i);
        loadUnit<T, V>(w, param + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            if (state[k]) loadUnit<T, V>(s[k], state[k] + i);
#pragma unroll
        for (int j = 0; j < V; j++) {
            T own[N];
#pragma unroll
            for (int k = 0; k < N; k++) own[k] = s[k][j];
            rule(scale * g[j], w[j], own);
#pragma unroll
            for (int k = 0; k < N; k++) s[k][j] = own[k];
        }
        storeUnit<T, V>(param + i, w);
#pragma unroll
        for (int k = 0; k < N; k++)
            if (state[k]) storeUnit<T, V>(state[k] + i, s[k]);
    });
}

// The constants of a rule come in f64 and are rounded to T.
template <typename T>
DEVICE void sgd(u64 n, bool packed, double momentum, double dampening, double decay, bool nesterov, const T* hyper, const T* scale, const T* grad,
                T* param, T* buffer) {
    T by = *scale, rate = hyper[0];
    if (by == 0) return;
    T mu = (T)momentum, keep = (T)(1 - dampening), lambda = (T)decay;
    T* const state[1] = {buffer};
    update(n, packed, by, grad, param, state, [&](T g, T& w, T(&s)[1]) {
        g += lambda * w;
        if (buffer) {
            s[0] = mu * s[0] + keep * g;
            g = nesterov ? g + mu * s[0] : s[0];
        }
        w -= rate * g;
    });
}

// Moments is what Adam's and LAMB's directions need beside the moments.
template <typename T>
struct Adams {
    T beta1, rest1, beta2, rest2, eps, inverse1, inverse2; // inverse: 1/(1 - beta^t)

    // The block's first thread takes the powers; all threads of the block must come here.
    DEVICE_MEMBER Adams(double b1, double b2, double e, double step) {
        __shared__ double bias[2];
        if (threadX() < 2) bias[threadX()] = 1 / (1 - power(threadX() == 0 ? b1 : b2, step));
        barrier();
        beta1 = (T)b1, rest1 = (T)(1 - b1), beta2 = (T)b2, rest2 = (T)(1 - b2), eps = (T)e;
        inverse1 = (T)bias[0], inverse2 = (T)bias[1];
    }
    DEVICE_MEMBER T direction(T m, T v) const { return m * inverse1 / (squareRoot(v * inverse2) + eps); }
    DEVICE_MEMBER void move(T g, T& m, T& v) const {
        m = beta1 * m + rest1 * g;
        v = beta2 * v + rest2 * (g * g);
    }
};

template <typename T>
DEVICE void adam(u64 n, bool packed, double beta1, double beta2, double eps, double decay, bool decoupled, const T* hyper, const T* scale,
                 const T* grad, T* param, T* m, T* v) {
    T by = *scale, rate = hyper[0];
    if (by == 0) return;
    Adams<T> a(beta1, beta2, eps, hyper[1]);
    T lambda = (T)decay, shrink = decoupled ? rate * lambda : T(0);
    T* const state[2] = {m, v};
    update(n, packed, by, grad, param, state, [&](T g, T& w, T(&s)[2]) {
        if (decoupled) w -= shrink * w;
        else g += lambda * w;
        a.move(g, s[0], s[1]);
        w -= rate * a.direction(s[0], s[1]);
    });
}

// lambMoments moves the moments and writes, for each block, the sums of the squares of the parameters and of the directions.
template <typename T>
DEVICE void lambMoments(u64 n, bool packed, double beta1, double beta2, double eps, double decay, const T* hyper, const T* scale, const T* grad,
                        const T* param, T* m, T* v, double* sums) {
    __shared__ double scratch[8];
    T by = *scale;
    if (by == 0) {
        if (threadX() == 0) sums[blockX()] = sums[gridWidth() + blockX()] = 0;
        return;
    }
    Adams<T> a(beta1, beta2, eps, hyper[1]);
    T lambda = (T)decay;
    double parameters = 0, directions = 0;
    eachElement<T>(n, packed, [&](auto unit, u64 i) {
        constexpr int V = decltype(unit)::count;
        T g[V], w[V], s[V], t[V];
        loadUnit<T, V>(g, grad + i);
        loadUnit<T, V>(w, param + i);
        loadUnit<T, V>(s, m + i);
        loadUnit<T, V>(t, v + i);
#pragma unroll
        for (int j = 0; j < V; j++) {
            a.move(by * g[j], s[j], t[j]);
            T r = a.direction(s[j], t[j]) + lambda * w[j];
            parameters += (double)w[j] * (double)w[j];
            directions += (double)r * (double)r;
        }
        storeUnit<T, V>(m + i, s);
        storeUnit<T, V>(v + i, t);
    });
    parameters = blockReduce<256>(parameters, Sum(), scratch);
    directions = blockReduce<256>(directions, Sum(), scratch);
    if (threadX() != 0) return;
    sums[blockX()] = parameters;
    sums[gridWidth() + blockX()] = directions;
}

// lambRatio turns the sums of count blocks into ‖w‖/‖r‖, in sums[0].
DEVICE void lambRatio(u32 count, double* sums) {
    __shared__ double scratch[8];
    double parameters = 0, directions = 0;
#pragma unroll 1
    for (u32 i = threadX(); i < count; i += 256) {
        parameters += sums[i];
        directions += sums[count + i];
    }
    parameters = blockReduce<256>(parameters, Sum(), scratch);
    directions = blockReduce<256>(directions, Sum(), scratch);
    if (threadX() == 0) sums[0] = parameters > 0 && directions > 0 ? squareRoot(parameters) / squareRoot(directions) : 1;
}

template <typename T>
DEVICE void lambStep(u64 n, bool packed, double beta1, double beta2, double eps, double decay, const T* hyper, const T* scale, T* param, const T* m,
                     const T* v, const double* ratio) {
    if (*scale == 0) return;
    T rate = (T)(hyper[0] * *ratio), lambda = (T)decay;
    Adams<T> a(beta1, beta2, eps, hyper[1]);
    eachElement<T>(n, packed, [&](auto unit, u64 i) {
        constexpr int V = decltype(unit)::count;
        T w[V], s[V], t[V];
        loadUnit<T, V>(w, param + i);
        loadUnit<T, V>(s, m + i);
        loadUnit<T, V>(t, v + i);
#pragma unroll
        for (int j = 0; j < V; j++) w[j] -= rate * (a.direction(s[j], t[j]) + lambda * w[j]);
        storeUnit<T, V>(param + i, w);
    });
}

template <typename T>
DEVICE void adaDelta(u64 n, bool packed, double rho, double eps, double decay, const T* hyper, const T* scale, const T* grad, T* param, T* s, T* u) {
    T by = *scale, rate = hyper[0];
    if (by == 0) return;
    T keep = (T)rho, rest = (T)(1 - rho), e = (T)eps, lambda = (T)decay;
    T* const state[2] = {s, u};
    update(n, packed, by, grad, param, state, [&](T g, T& w, T(&own)[2]) {
        g += lambda * w;
        own[0] = keep * own[0] + rest * (g * g);
        T d = squareRoot(own[1] + e) / squareRoot(own[0] + e) * g;
        own[1] = keep * own[1] + rest * (d * d);
        w -= rate * d;
    });
}

// a is null unless the rule is centred, buffer unless it has a momentum.
template <typename T>
DEVICE void rmsProp(u64 n, bool packed, double rho, double eps, double momentum, double decay, const T* hyper, const T* scale, const T* grad,
                    T* param, T* v, T* a, T* buffer) {
    T by = *scale, rate = hyper[0];
    if (by == 0) return;
    T keep = (T)rho, rest = (T)(1 - rho), e = (T)eps, mu = (T)momentum, lambda = (T)decay;
    T* const state[3] = {v, a, buffer};
    update(n, packed, by, grad, param, state, [&](T g, T& w, T(&own)[3]) {
        g += lambda * w;
        T q = own[0] = keep * own[0] + rest * (g * g);
        if (a) {
            own[1] = keep * own[1] + rest * g;
            q -= own[1] * own[1];
            if (q < 0) q = 0;
        }
        T d = g / (squareRoot(q) + e);
        if (buffer) {
            own[2] = mu * own[2] + d;
            d = own[2];
        }
        w -= rate * d;
    });
}

template <typename T>
DEVICE void ema(u64 n, bool packed, const T* decay, const T* x, T* average) {
    T rest = 1 - *decay;
    eachElement<T>(n, packed, [&](auto unit, u64 i) {
        constexpr int V = decltype(unit)::count;
        T v[V], a[V];
        loadUnit<T, V>(v, x + i);
        loadUnit<T, V>(a, average + i);
#pragma unroll
        for (int j = 0; j < V; j++) a[j] += rest * (v[j] - a[j]);
        storeUnit<T, V>(average + i, a);
    });
}

// clipScale adds count sums of squares to those of the launches before, in carried unless first; and, if last, gives norm and scale.
template <typename T>
DEVICE void clipScale(u32 count, bool first, bool last, double most, const T* const (&sums)[16], double* carried, T* norm, T* scale) {
    double total = first ? 0 : *carried;
#pragma unroll
    for (u32 j = 0; j < 16; j++)
        if (j < count) total += (double)*sums[j];
    if (!last) {
        *carried = total;
        return;
    }
    double n = squareRoot(total);
    *norm = (T)n;
    *scale = !(n < infinity<double>()) ? T(0) : n > most ? (T)(most / n) : T(1);
}

// lossScale takes the factor out of the gradients' norm and adapts it. The quotients are rounded as the formulas have them.
template <typename T>
DEVICE void lossScale(double interval, double most, double maxNorm, const T* norm, T* factor, T* steps, T* scale) {
    double n = (double)*norm, f = (double)*factor, count = (double)*steps + 1, s = 1 / f;
    if (magnitude(n) < infinity<double>()) {
        if (maxNorm > 0 && n / f > maxNorm) s *= maxNorm / (n / f);
        if (count == interval) {
            f = smaller(2 * f, most);
            count = 0;
        }
    } else {
        s = 0;
        f = larger(f / 2, 1.0);
        count = 0;
    }
    *factor = (T)f;
    *steps = (T)count;
    *scale = (T)s;
}

#define STEP(T) u64 n, u32 packed, const T *hyper, const T *scale, const T *grad, T *param
#define OPTIM(T, suffix, blocks)                                                                                                                       \
    KERNEL(256, blocks) sgd_##suffix(STEP(T), T* buffer, double momentum, double dampening, double decay, u32 nesterov) {                           \
        sgd<T>(n, packed, momentum, dampening, decay, nesterov, hyper, scale, grad, param, buffer);                                            \
    }                                                                                                                                          \
    KERNEL(256, blocks) adam_##suffix(STEP(T), T* m, T* v, double beta1, double beta2, double eps, double decay, u32 decoupled) {                   \
        adam<T>(n, packed, beta1, beta2, eps, decay, decoupled, hyper, scale, grad, param, m, v);                                              \
    }                                                                                                                                          \
    KERNEL(256, blocks) lamb_moments_##suffix(STEP(T), T* m, T* v, double beta1, double beta2, double eps, double decay, double* sums) {            \
        lambMoments<T>(n, packed, beta1, beta2, eps, decay, hyper, scale, grad, param, m, v, sums);                                            \
    }                                                                                                                                          \
    KERNEL(256, blocks) lamb_step_##suffix(STEP(T), const T* m, const T* v, double beta1, double beta2, double eps, double decay,                   \
                                      const double* ratio) {                                                                                   \
        lambStep<T>(n, packed, beta1, beta2, eps, decay, hyper, scale, param, m, v, ratio);                                                    \
    }                                                                                                                                          \
    KERNEL(256, blocks) adadelta_##suffix(STEP(T), T* s, T* u, double rho, double eps, double decay) {                                              \
        adaDelta<T>(n, packed, rho, eps, decay, hyper, scale, grad, param, s, u);                                                              \
    }                                                                                                                                          \
    KERNEL(256, blocks) rmsprop_##suffix(STEP(T), T* v, T* a, T* buffer, double rho, double eps, double momentum, double decay) {                   \
        rmsProp<T>(n, packed, rho, eps, momentum, decay, hyper, scale, grad, param, v, a, buffer);                                             \
    }                                                                                                                                          \
    KERNEL(256, 8) ema_##suffix(u64 n, u32 packed, const T* decay, const T* x, T* average) { ema<T>(n, packed, decay, x, average); }           \
    KERNEL(32, 1) loss_scale_##suffix(double interval, double most, double maxNorm, const T* norm, T* factor, T* steps, T* scale) {            \
        if (threadX() == 0) lossScale<T>(interval, most, maxNorm, norm, factor, steps, scale);                                                 \
    }                                                                                                                                          \
    KERNEL(32, 1) clip_scale_##suffix(u32 count, u32 first, u32 last, double most, const T* s0, const T* s1, const T* s2, const T* s3,         \
                                      const T* s4, const T* s5, const T* s6, const T* s7, const T* s8, const T* s9, const T* s10,              \
                                      const T* s11, const T* s12, const T* s13, const T* s14, const T* s15, double* carried, T* norm,          \
                                      T* scale) {                                                                                              \
        const T* const sums[16] = {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15};                                      \
        if (threadX() == 0) clipScale<T>(count, first, last, most, sums, carried, norm, scale);                                                \
    }
