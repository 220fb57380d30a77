// The protocol of a rival: it reads a request a line on standard input and answers a line on standard output.
//
//	gemm BATCH M N K TA TB SECONDS                                        ->  ok SECONDS_PER_CALL CHECKSUM
//	conv DIR N H W C K R S STRIDE PAD DILATION GROUPS SECONDS             ->  ok SECONDS_PER_CALL CHECKSUM
//
// DIR is fwd, bwd_data or bwd_filter. Matrices are row-major f32; images and filters are given as NHWC and KRSC. Both are filled by
// fill(), so the checksum (the mean of |y|) shows that rivals compute the same thing. What is not supported is answered "no REASON".
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// fill writes the numbers that every contender uses: uniform in [-0.5, 0.5), by a multiplicative hash of index and seed.
static void fill(float *x, size_t n, uint32_t seed) {
  for (size_t i = 0; i < n; i++)
    x[i] = (float)((((uint32_t)i + seed * 977u) * 2654435761u) >> 8) / 16777216.0f - 0.5f;
}

static double mean_abs(const float *x, size_t n) {
  double s = 0;
  for (size_t i = 0; i < n; i++) s += fabs((double)x[i]);
  return n ? s / (double)n : 0;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// MEASURE runs `call` for about `budget` seconds in up to 64 equal bursts and sets `result` to the median time of one call.
#define MEASURE(call, budget, result)                                   \
  do {                                                                  \
    call;                                                               \
    double t0 = now();                                                  \
    call;                                                               \
    double once = now() - t0;                                           \
    int burst = (int)((budget) / 16 / (once + 1e-9));                   \
    if (burst < 1) burst = 1;                                           \
    double times[64];                                                   \
    int n_times = 0;                                                    \
    double start = now();                                               \
    while (n_times < 64 && (n_times < 3 || now() - start < (budget))) { \
      double b0 = now();                                                \
      for (int i_ = 0; i_ < burst; i_++) call;                          \
      times[n_times++] = (now() - b0) / burst;                          \
    }                                                                   \
    qsort(times, (size_t)n_times, sizeof times[0], by_value);           \
    result = times[n_times / 2];                                        \
  } while (0)

static inline float *floats(size_t n) {
  void *p = NULL;
  if (posix_memalign(&p, 64, (n ? n : 1) * sizeof(float))) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return (float *)p;
}
