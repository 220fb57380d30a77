package bench

import (
	"fmt"

	"palladio/kernels"
)

// gemmWork is C = op(A)·op(B), batched.
type gemmWork struct {
	batch, m, n, k int
	ta, tb         bool
}

func (w gemmWork) label() string {
	s := fmt.Sprintf("%d×%d×%d", w.m, w.n, w.k)
	if w.batch > 1 {
		s = fmt.Sprintf("%d of %s", w.batch, s)
	}
	if w.ta {
		s += " Aᵀ"
	}
	if w.tb {
		s += " Bᵀ"
	}
	return s
}

func (w gemmWork) request() string {
	return fmt.Sprintf("gemm %d %d %d %d %d %d", w.batch, w.m, w.n, w.k, digit(w.ta), digit(w.tb))
}

func (w gemmWork) kernel() kernels.Kernel {
	return kernels.NewGEMM(kernels.F32, w.batch, w.m, w.n, w.k, w.ta, w.tb)
}

func (w gemmWork) flops() int64 { return w.kernel().Cost().FLOPs }

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// squareGEMM are the sizes of the first bar.
func squareGEMM() []workload {
	var ws []workload
	for _, n := range []int{256, 384, 512, 768, 1024, 1536, 2048} {
		ws = append(ws, gemmWork{batch: 1, m: n, n: n, k: n})
	}
	return ws
}

// oddGEMM are the odd and skinny shapes: rows of a linear layer at batch 1, few columns, short inner dimension, many small products.
func oddGEMM() []workload {
	return []workload{
		gemmWork{batch: 1, m: 1, n: 1024, k: 1024},
		gemmWork{batch: 1, m: 1, n: 1024, k: 1024, tb: true},
		gemmWork{batch: 1, m: 1024, n: 7, k: 1024},
		gemmWork{batch: 1, m: 512, n: 512, k: 37},
		gemmWork{batch: 1, m: 127, n: 129, k: 131},
		gemmWork{batch: 1, m: 1000, n: 1000, k: 1000, ta: true},
		gemmWork{batch: 1000, m: 16, n: 16, k: 16},
	}
}
