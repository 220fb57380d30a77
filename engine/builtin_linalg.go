package engine

import (
	"slices"

	"palladio/engine/op"
	"palladio/kernels"
)

// The codes of gorgonia's linear algebra operators.
const (
	matMul = iota
	matVecMul
	vecDot
	outerProd
	batchedMatMul
)

func lowerLinearAlgebra(l *lowering, a attributes) bool {
	x, y, out := l.in[0], l.in[1], l.out[0]
	if !computes(x.Type) || x.Type != y.Type || out.Type != x.Type {
		return false
	}
	transA, transB := a.bool("transA"), a.bool("transB")
	switch a.uint("āBinaryOperator") {
	case matMul:
		return l.matMul(1, x, y, transA, transB)
	case matVecMul:
		if len(x.Shape) != 2 || y.Elems() == 0 {
			return false
		}
		y.Shape = []int{y.Elems(), 1}
		return l.matMul(1, x, y, transA, false)
	case vecDot:
		n := x.Elems()
		if y.Elems() != n {
			return false
		}
		x.Shape, y.Shape = []int{1, n}, []int{n, 1}
		return l.matMul(1, x, y, false, false)
	case outerProd:
		m, n := x.Elems(), y.Elems()
		l.elementwise(x.Type, []int{m, n}, []op.Tensor{x, y}, [][]int{outerStride(m, 0, 2), outerStride(n, 1, 2)},
			kernels.Instr{Op: kernels.Mul, A: 0, B: 1})
		return true
	case batchedMatMul:
		r := len(x.Shape)
		if r < 3 || len(y.Shape) != r || !slices.Equal(x.Shape[:r-2], y.Shape[:r-2]) {
			return false
		}
		batch := kernels.Elems(x.Shape[:r-2])
		x.Shape, y.Shape = x.Shape[r-2:], y.Shape[r-2:]
		return l.matMul(batch, x, y, transA, transB)
	}
	return false
}

// outerStride is the stride of a vector of n elements that lies along one axis of an outer product.
func outerStride(n, axis, rank int) []int {
	s := make([]int, rank)
	if n != 1 {
		s[axis] = 1
	}
	return s
}

// matMul emits a batch of matrix products; x and y have the shape of one matrix.
func (l *lowering) matMul(batch int, x, y op.Tensor, transA, transB bool) bool {
	if len(x.Shape) != 2 || len(y.Shape) != 2 {
		return false
	}
	m, k := x.Shape[0], x.Shape[1]
	if transA {
		m, k = k, m
	}
	k2, n := y.Shape[0], y.Shape[1]
	if transB {
		k2, n = n, k2
	}
	if k != k2 || batch*m*n != l.out[0].Elems() {
		return false
	}
	whole := func(t op.Tensor) op.Tensor { t.Shape = []int{batch, t.Shape[0], t.Shape[1]}; return t }
	l.Emit(kernels.NewGEMM(x.Type, batch, m, n, k, transA, transB), whole(x), whole(y), l.out[0])
	return true
}
