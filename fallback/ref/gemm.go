package ref

import (
	"math"

	"palladio/kernels"
)

// gemm computes C = act(Alpha·op(A)·op(B) + Beta·C + bias + residual), one element at a time.
func gemm(k kernels.GEMM) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		a, b, c := t[0], t[1], t[len(t)-1]
		var bias, residual tensor
		next := 2
		if k.Bias {
			bias = t[next]
			next++
		}
		if k.Residual {
			residual = t[next]
		}
		for q := range k.Batch {
			for i := range k.M {
				for j := range k.N {
					sum := 0.0
					for p := range k.K {
						sum += a.at(q*k.StrideA+stored(k.TransA, i, p, k.LDA)) * b.at(q*k.StrideB+stored(k.TransB, p, j, k.LDB))
					}
					o := q*k.StrideC + i*k.LDC + j
					sum *= k.Alpha
					if k.Beta != 0 {
						sum += k.Beta * c.at(o)
					}
					if k.Bias {
						sum += bias.at(j)
					}
					if k.Residual {
						sum += residual.at(o)
					}
					c.set(o, activate(k.Act, sum))
				}
			}
		}
	})
}

// stored is where element (i, j) of a matrix lies that is stored in rows of ld elements, or transposed.
func stored(trans bool, i, j, ld int) int {
	if trans {
		i, j = j, i
	}
	return i*ld + j
}

// activate applies the function that ends an epilogue.
func activate(a kernels.Activation, x float64) float64 {
	switch a.Op {
	case kernels.NoOp:
		return x
	case kernels.Clamp:
		if math.IsNaN(x) {
			return x
		}
		return min(max(x, a.Min), a.Max)
	}
	return Apply(a.Op, x, 0, 0)
}
