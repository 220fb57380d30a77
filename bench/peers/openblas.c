// OpenBLAS as a rival; see protocol.h.
#include "protocol.h"
#include <cblas.h>

static void gemm(const char *args) {
  int batch, m, n, k, ta, tb;
  double budget, secs;
  if (sscanf(args, "%d %d %d %d %d %d %lf", &batch, &m, &n, &k, &ta, &tb, &budget) != 7) {
    puts("no: bad request");
    return;
  }
  size_t sa = (size_t)m * k, sb = (size_t)k * n, sc = (size_t)m * n;
  float *a = floats(sa * batch), *b = floats(sb * batch), *c = floats(sc * batch);
  fill(a, sa * batch, 1);
  fill(b, sb * batch, 2);
  CBLAS_TRANSPOSE opa = ta ? CblasTrans : CblasNoTrans, opb = tb ? CblasTrans : CblasNoTrans;
  int lda = ta ? m : k, ldb = tb ? k : n;
  if (m == 1 && batch == 1 && !ta) // what a user of BLAS would call
    MEASURE(cblas_sgemv(CblasRowMajor, tb ? CblasNoTrans : CblasTrans, tb ? n : k, tb ? k : n, 1, b, ldb, a, 1, 0, c, 1), budget, secs);
  else
    MEASURE(for (int i = 0; i < batch; i++) cblas_sgemm(CblasRowMajor, opa, opb, m, n, k, 1, a + i * sa, lda, b + i * sb, ldb, 0, c + i * sc, n), budget, secs);
  printf("ok %.9g %.9g\n", secs, mean_abs(c, sc * batch));
  free(a);
  free(b);
  free(c);
}

int main(void) {
  char line[512];
  printf("ready openblas %s\n", openblas_get_config());
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    if (!strncmp(line, "gemm ", 5))
      gemm(line + 5);
    else
      puts("no: only gemm");
    fflush(stdout);
  }
}
