package fallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestBlockedProduct compares the packed product at every level with a plain sum, over fringes and block borders.
func TestBlockedProduct(t *testing.T) {
	for _, l := range Levels() {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", l, threads), func(t *testing.T) {
				testBlocked[float32](t, l, threads, 1e-5)
				testBlocked[float64](t, l, threads, 1e-14)
			})
		}
	}
}

func testBlocked[T float](t *testing.T, l Level, threads int, tol float64) {
	p := newPool(threads)
	defer p.close()
	for _, s := range [][3]int{{1, 1, 1}, {14, 32, 8}, {15, 33, 5}, {6, 16, 3}, {29, 70, 130}, {64, 64, 64}, {97, 161, 401}, {400, 30, 10}} {
		for trans := range 4 {
			m, n, k := s[0], s[1], s[2]
			r := rand.New(rand.NewPCG(1, uint64(m*n*k)))
			a, b := normal[T](r, m*k), normal[T](r, k*n)
			g := kernelsOf[T](l)
			ta, tb := trans&1 != 0, trans&2 != 0
			lda, ldb := k, n
			if ta {
				lda = m
			}
			if tb {
				ldb = k
			}
			bias := normal[T](r, n)
			clamp := [2]T{-5, T(math.Inf(1))}
			const guard = 7
			ldc := n + 3
			c := normal[T](r, m*ldc+2*guard)
			old := append([]T(nil), c...)
			x := blockedProduct[T]{g: g, m: m, n: n, k: k, ldc: ldc, flags: tileBias | tileClamp, bias: &bias[0], clamp: &clamp[0], c: &c[guard],
				a: &matrixRows[T]{g, &a[0], lda, ta, 0.5}, b: &matrixColumns[T]{g, &b[0], ldb, tb}}
			x.plan(threads)
			x.run(p, make([]T, x.workspace()))
			for i := range c {
				row, j := (i-guard)/ldc, (i-guard)%ldc
				want, norm := float64(old[i]), 0.0
				if i >= guard && row < m && j < n {
					want, norm = float64(bias[j]), 1
					for q := range k {
						av, bv := a[row*k+q], b[q*n+j]
						if ta {
							av = a[q*m+row]
						}
						if tb {
							bv = b[j*k+q]
						}
						want += 0.5 * float64(av) * float64(bv)
						norm++
					}
					want = max(want, -5)
				}
				if d := math.Abs(float64(c[i]) - want); !(d <= tol*norm) {
					t.Fatalf("%v %v %v: element %d is %v, want %v", s, ta, tb, i, c[i], want)
				}
			}
		}
	}
}

// normal makes n standard normal numbers.
func normal[T float](r *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(r.NormFloat64())
	}
	return x
}
