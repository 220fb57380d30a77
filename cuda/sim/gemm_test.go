package sim

import (
	"math"
	"os"
	"testing"
)

// sgemm runs the matrix product of testdata on an n by n product of depth k.
type sgemm struct {
	g       *GPU
	e       *Entry
	a, b, c uint64
	n, k    int
}

func newSGEMM(t testing.TB, o Options, n, k int) *sgemm {
	t.Helper()
	g := testGPU(t, o)
	text, err := os.ReadFile("testdata/sgemm.ptx")
	if err != nil {
		t.Fatal(err)
	}
	s := &sgemm{g: g, e: loadKernel(t, g, string(text)), n: n, k: k}
	s.a, s.b = floats(t, g, n*k, 1), floats(t, g, k*n, 2)
	s.c = words(t, g, make([]uint32, n*n))
	return s
}

// floats allocates n small numbers.
func floats(t testing.TB, g *GPU, n int, seed uint32) uint64 {
	v := make([]uint32, n)
	for i := range v {
		seed = seed*1664525 + 1013904223
		v[i] = math.Float32bits(float32(int32(seed)>>24) / 64)
	}
	return words(t, g, v)
}

func (s *sgemm) run(t testing.TB) *Report {
	t.Helper()
	r, err := s.g.Launch(t.Context(), s.e, Config{Grid: [3]int{s.n / 128, s.n / 128, 1}, Block: [3]int{256, 1, 1}},
		[]uint64{s.a, s.b, s.c, uint64(s.n), uint64(s.k)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMatrixProduct(t *testing.T) {
	const n, k = 256, 40
	s := newSGEMM(t, Options{}, n, k)
	s.run(t)
	a, b, c := readWords(t, s.g, s.a, n*k), readWords(t, s.g, s.b, k*n), readWords(t, s.g, s.c, n*n)
	for i := range n {
		for j := range n {
			sum := 0.0 // every product and sum is exact
			for l := range k {
				sum += float64(math.Float32frombits(a[i*k+l])) * float64(math.Float32frombits(b[l*n+j]))
			}
			if got := math.Float32frombits(c[i*n+j]); float64(got) != sum {
				t.Fatalf("element %d, %d is %v, want %v", i, j, got, sum)
			}
		}
	}
}

// BenchmarkMatrixProduct reports the simulator's speed on a product on CUDA cores, alone, under the profile and under the checks.
func BenchmarkMatrixProduct(b *testing.B) {
	for _, c := range []struct {
		name string
		o    Options
	}{{"alone", Options{}}, {"profile", Options{Profile: true}}, {"checks", Options{Sanitize: true}}} {
		b.Run(c.name, func(b *testing.B) {
			s := newSGEMM(b, c.o, 256, 512)
			var instructions int64
			b.ReportAllocs()
			for b.Loop() {
				instructions += s.run(b).ThreadInstructions
			}
			b.ReportMetric(float64(instructions)/b.Elapsed().Seconds()/1e6, "Mthread-instr/s")
		})
	}
}
