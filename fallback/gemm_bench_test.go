package fallback

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkBlockedProduct(b *testing.B) {
	for _, l := range Levels() {
		for _, threads := range []int{1, 2} {
			for _, n := range []int{128, 256, 512, 1024, 2048} {
				b.Run(fmt.Sprintf("%s/t%d/%d", l, threads, n), func(b *testing.B) {
					p := newPool(threads)
					defer p.close()
					r := rand.New(rand.NewPCG(1, 1))
					x, y, c := normal[float32](r, n*n), normal[float32](r, n*n), make([]float32, n*n)
					g := kernelsOf[float32](l)
					e := blockedProduct[float32]{g: g, m: n, n: n, k: n, ldc: n, c: &c[0], a: &matrixRows[float32]{g, &x[0], n, false, 1}, b: &matrixColumns[float32]{g, &y[0], n, false}}
					e.plan(threads)
					w := make([]float32, e.workspace())
					best := time.Hour
					for b.Loop() {
						t := time.Now()
						e.run(p, w)
						best = min(best, time.Since(t))
					}
					b.ReportMetric(2*float64(n*n*n)/float64(best.Nanoseconds()), "GFLOP/s")
				})
			}
		}
	}
}
