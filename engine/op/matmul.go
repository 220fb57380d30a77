package op

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// MatMul is the matrix product of the last two axes, a [..., M, K] times b [..., K, N], where transA and transB say that an operand is stored
// transposed ([..., K, M], [..., N, K]). The axes before them broadcast by NumPy's rule.
func MatMul(a, b *gorgonia.Node, transA, transB bool) (*gorgonia.Node, error) {
	ks, err := floats("matmul", a, b)
	if err != nil {
		return nil, err
	}
	sa, sb := ks[0].shape, ks[1].shape
	if len(sa) < 2 || len(sb) < 2 {
		return nil, fmt.Errorf("matmul: shapes %v and %v: want at least two axes each; reshape vectors to matrices", sa, sb)
	}
	m, ka := matrix(sa, transA)
	kb, n := matrix(sb, transB)
	if ka != kb {
		return nil, fmt.Errorf("matmul: %v%s times %v%s: inner extents %d and %d differ", sa, transposeMark(transA), sb, transposeMark(transB), ka, kb)
	}
	batchA, batchB := sa[:len(sa)-2], sb[:len(sb)-2]
	if len(batchB) == 0 && len(batchA) > 0 && !transA { // one product: the batch is rows of a
		if a, err = Reshape(a, -1, ka); err != nil {
			return nil, err
		}
		y, err := product(a, b, transA, transB)
		if err != nil {
			return nil, err
		}
		return Reshape(y, append(slices.Clone(sa[:len(sa)-1]), n)...)
	}
	batch, err := BroadcastShape(batchA, batchB)
	if err != nil {
		return nil, fmt.Errorf("matmul: leading axes of %v and %v: %w", sa, sb, err)
	}
	if a, err = batched(a, batch); err != nil {
		return nil, err
	}
	if b, err = batched(b, batch); err != nil {
		return nil, err
	}
	y, err := product(a, b, transA, transB)
	if err != nil {
		return nil, err
	}
	return Reshape(y, append(slices.Clone(batch), m, n)...)
}

// matrix is the extents of the product's operand.
func matrix(shape []int, trans bool) (rows, cols int) {
	rows, cols = shape[len(shape)-2], shape[len(shape)-1]
	if trans {
		return cols, rows
	}
	return rows, cols
}

func transposeMark(t bool) string {
	if t {
		return "ᵀ"
	}
	return ""
}

// batched makes x [B, rows, cols], or [rows, cols] where it is shared by the whole batch.
func batched(x *gorgonia.Node, batch []int) (*gorgonia.Node, error) {
	s := []int(x.Shape())
	lead, mat := s[:len(s)-2], s[len(s)-2:]
	if kernels.Elems(lead) == 1 {
		return Reshape(x, mat...)
	}
	x, err := BroadcastTo(x, append(slices.Clone(batch), mat...)...)
	if err != nil {
		return nil, err
	}
	return Reshape(x, kernels.Elems(batch), mat[0], mat[1])
}

// product multiplies operands of two axes, or three with a batch in front; one of two axes is shared by the other's batch.
func product(a, b *gorgonia.Node, transA, transB bool) (*gorgonia.Node, error) {
	t, err := DType(a)
	if err != nil {
		return nil, err
	}
	sa, sb := []int(a.Shape()), []int(b.Shape())
	m, k := matrix(sa, transA)
	_, n := matrix(sb, transB)
	batch, shape := 1, []int{m, n}
	if len(sa) == 3 {
		batch = sa[0]
	} else if len(sb) == 3 {
		batch = sb[0]
	}
	if len(sa)+len(sb) > 4 {
		shape = []int{batch, m, n}
	}
	g := kernels.NewGEMM(t, batch, m, n, k, transA, transB)
	if len(sa) == 2 && len(shape) == 3 {
		g.StrideA = 0
	}
	if len(sb) == 2 && len(shape) == 3 {
		g.StrideB = 0
	}
	return call(g, shape, all(2), func(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		return productGradients(x[0], x[1], dy, transA, transB, need)
	}, a, b)
}

// productGradients is, for y = op(a)·op(b): d op(a) = dy·op(b)ᵀ and d op(b) = op(a)ᵀ·dy, transposed where the operand is stored so.
func productGradients(a, b, dy *gorgonia.Node, transA, transB bool, need []bool) (gorgonia.Nodes, error) {
	ds := make(gorgonia.Nodes, 2)
	var err error
	if need[0] {
		if transA {
			ds[0], err = product(b, dy, transB, true)
		} else {
			ds[0], err = product(dy, b, false, !transB)
		}
		if err == nil {
			ds[0], err = sumTo(ds[0], a.Shape())
		}
		if err != nil {
			return nil, err
		}
	}
	if need[1] {
		if transB {
			ds[1], err = product(dy, a, true, transA)
		} else {
			ds[1], err = product(a, dy, !transA, false)
		}
		if err == nil {
			ds[1], err = sumTo(ds[1], b.Shape())
		}
		if err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// Linear is x·wᵀ + bias over the last axis of x [..., in], with w [out, in] and bias [out], which may be nil.
func Linear(x, w, bias *gorgonia.Node) (*gorgonia.Node, error) {
	ks, err := floats("linear", present(x, w, bias)...)
	if err != nil {
		return nil, err
	}
	sx, sw := ks[0].shape, ks[1].shape
	if len(sx) < 1 || len(sw) != 2 || sx[len(sx)-1] != sw[1] {
		return nil, fmt.Errorf("linear: input %v and weights %v: want [..., in] and [out, in]", sx, sw)
	}
	if bias == nil {
		if len(sx) == 1 {
			if x, err = Reshape(x, 1, sw[1]); err != nil {
				return nil, err
			}
		}
		y, err := MatMul(x, w, false, true)
		if err != nil {
			return nil, err
		}
		return Reshape(y, append(slices.Clone(sx[:len(sx)-1]), sw[0])...)
	}
	if !slices.Equal(ks[2].shape, sw[:1]) {
		return nil, fmt.Errorf("linear: bias %v for weights %v: want [%d]", ks[2].shape, sw, sw[0])
	}
	if x, err = Reshape(x, kernels.Elems(sx[:len(sx)-1]), sw[1]); err != nil {
		return nil, err
	}
	g := kernels.NewGEMM(ks[0].typ, 1, x.Shape()[0], sw[0], sw[1], false, true)
	g.Bias = true
	y, err := call(g, []int{g.M, g.N}, all(3), func(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
		ds, err := productGradients(x[0], x[1], dy, false, true, need)
		if err != nil {
			return nil, err
		}
		ds = append(ds, nil)
		if need[2] {
			ds[2], err = Sum(dy, false, 0)
		}
		return ds, err
	}, x, w, bias)
	if err != nil {
		return nil, err
	}
	return Reshape(y, append(slices.Clone(sx[:len(sx)-1]), sw[0])...)
}

// present lists the nodes that are not nil, with the first two in any case, so that a missing one is reported.
func present(x ...*gorgonia.Node) []*gorgonia.Node {
	out := x[:min(2, len(x)):min(2, len(x))]
	for _, n := range x[len(out):] {
		if n != nil {
			out = append(out, n)
		}
	}
	return out
}
