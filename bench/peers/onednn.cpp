// oneDNN as a rival; see protocol.h. Convolutions use the library's own blocked layouts ("any"); the reorders at the borders are not timed.
#include "protocol.h"
#include <dnnl.hpp>
#include <unordered_map>

using namespace dnnl;
using dims = memory::dims;
using tag = memory::format_tag;
using dt = memory::data_type;

static engine eng(engine::kind::cpu, 0);
static dnnl::stream strm(eng);

static memory filled(const dims &d, tag t, uint32_t seed) {
  memory m({d, dt::f32, t}, eng);
  fill((float *)m.get_data_handle(), m.get_desc().get_size() / 4, seed);
  return m;
}

static memory to(memory &m, const memory::desc &d) {
  if (m.get_desc() == d) return m;
  memory r(d, eng);
  reorder(m, r).execute(strm, m, r);
  strm.wait();
  return r;
}

static void answer(double secs, memory &out, const dims &d, tag t) {
  memory::desc plain(d, dt::f32, t);
  memory p = to(out, plain);
  size_t n = 1;
  for (auto x : d) n *= (size_t)x;
  printf("ok %.9g %.9g\n", secs, mean_abs((float *)p.get_data_handle(), n));
}

static void gemm(const char *args) {
  long batch, m, n, k;
  int ta, tb;
  double budget, secs;
  if (sscanf(args, "%ld %ld %ld %ld %d %d %lf", &batch, &m, &n, &k, &ta, &tb, &budget) != 7) {
    puts("no: bad request");
    return;
  }
  memory a = filled({batch, m, k}, ta ? tag::acb : tag::abc, 1), b = filled({batch, k, n}, tb ? tag::acb : tag::abc, 2);
  memory c({{batch, m, n}, dt::f32, tag::abc}, eng);
  if (batch == 1) {
    float *pa = (float *)a.get_data_handle(), *pb = (float *)b.get_data_handle(), *pc = (float *)c.get_data_handle();
    MEASURE(dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, pa, ta ? m : k, pb, tb ? k : n, 0, pc, n), budget, secs);
  } else {
    matmul::primitive_desc pd({a.get_desc(), b.get_desc(), c.get_desc()}, eng);
    matmul prim(pd);
    std::unordered_map<int, memory> io{{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
    MEASURE((prim.execute(strm, io), strm.wait()), budget, secs);
  }
  answer(secs, c, {batch, m, n}, tag::abc);
}

static void conv(const char *args) {
  char dir[16];
  long N, H, W, C, K, R, S, st, pad, dil, G;
  double budget, secs;
  if (sscanf(args, "%15s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %lf", dir, &N, &H, &W, &C, &K, &R, &S, &st, &pad, &dil, &G, &budget) != 13) {
    puts("no: bad request");
    return;
  }
  long P = (H + 2 * pad - dil * (R - 1) - 1) / st + 1, Q = (W + 2 * pad - dil * (S - 1) - 1) / st + 1;
  dims xd{N, C, H, W}, yd{N, K, P, Q}, wd = G == 1 ? dims{K, C, R, S} : dims{G, K / G, C / G, R, S};
  tag wtag = G == 1 ? tag::acdb : tag::abdec; // KRSC
  auto any = [](const dims &d) { return memory::desc(d, dt::f32, tag::any); };
  dims s{st, st}, d{dil - 1, dil - 1}, p{pad, pad};
  auto alg = algorithm::convolution_auto;
  convolution_forward::primitive_desc fpd({prop_kind::forward_training, alg, any(xd), any(wd), any(yd), s, d, p, p}, eng);
  memory x = filled(xd, tag::acdb, 1), w = filled(wd, wtag, 2), y = filled(yd, tag::acdb, 3);
  std::unordered_map<int, memory> io;
  if (!strcmp(dir, "fwd")) {
    convolution_forward prim(fpd);
    memory out(fpd.dst_desc(), eng);
    io = {{DNNL_ARG_SRC, to(x, fpd.src_desc())}, {DNNL_ARG_WEIGHTS, to(w, fpd.weights_desc())}, {DNNL_ARG_DST, out}};
    MEASURE((prim.execute(strm, io), strm.wait()), budget, secs);
    answer(secs, out, yd, tag::acdb);
  } else if (!strcmp(dir, "bwd_data")) {
    convolution_backward_data::primitive_desc pd({algorithm::convolution_direct, any(xd), any(wd), any(yd), s, d, p, p}, eng, fpd);
    convolution_backward_data prim(pd);
    memory out(pd.diff_src_desc(), eng);
    io = {{DNNL_ARG_DIFF_DST, to(y, pd.diff_dst_desc())}, {DNNL_ARG_WEIGHTS, to(w, pd.weights_desc())}, {DNNL_ARG_DIFF_SRC, out}};
    MEASURE((prim.execute(strm, io), strm.wait()), budget, secs);
    answer(secs, out, xd, tag::acdb);
  } else {
    convolution_backward_weights::primitive_desc pd({algorithm::convolution_direct, any(xd), any(wd), any(yd), s, d, p, p}, eng, fpd);
    convolution_backward_weights prim(pd);
    memory out(pd.diff_weights_desc(), eng);
    io = {{DNNL_ARG_SRC, to(x, pd.src_desc())}, {DNNL_ARG_DIFF_DST, to(y, pd.diff_dst_desc())}, {DNNL_ARG_DIFF_WEIGHTS, out}};
    MEASURE((prim.execute(strm, io), strm.wait()), budget, secs);
    answer(secs, out, wd, wtag);
  }
}

int main() {
  const dnnl_version_t *v = dnnl_version();
  printf("ready onednn %d.%d.%d\n", v->major, v->minor, v->patch);
  fflush(stdout);
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    try {
      if (!strncmp(line, "gemm ", 5))
        gemm(line + 5);
      else if (!strncmp(line, "conv ", 5))
        conv(line + 5);
      else
        puts("no: only gemm and conv");
    } catch (const dnnl::error &e) {
      printf("no: %s\n", e.what());
    }
    fflush(stdout);
  }
}
