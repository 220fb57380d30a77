package kernels

import (
	"fmt"
	"math"
	"strings"
)

// GEMM is the general matrix product of a batch of matrices, with everything that usually follows it:
//
//	C[b] = act(Alpha · op(A[b]) · op(B[b]) + Beta · C[b] + bias + residual[b])
//
// op(A) is M×K and op(B) is K×N, where op transposes the stored matrix if TransA or TransB is set: A is then stored K×M, B N×K
// (Dongarra et al., A Set of Level 3 Basic Linear Algebra Subprograms, 1990, in row-major order; the batch as in cuBLAS'
// gemmStridedBatched). Bias has N elements, one a column; residual is laid out like C. With Beta = 0, C is not read. With
// K = 0 the product is zero.
//
// Products of F16 and BF16 are summed in f32 and rounded once, after the epilogue; their bias is F32. With TF32, which is for Type F32
// alone, a device may round the elements of A and B to tf32 (11 bits, to the nearest) before it multiplies; sums are in f32 all the same.
//
// Operands: A, B, [bias], [residual], C.
type GEMM struct {
	Type           DType // of A and B: F32, F64, F16 or BF16
	OutType        DType // of C and residual: Invalid means Type; F32 is allowed with F16 and BF16 too
	TF32           bool
	Batch, M, N, K int
	TransA, TransB bool
	LDA, LDB, LDC  int // elements from one stored row to the next
	// StrideA, StrideB and StrideC are the elements from one matrix of the batch to the next; StrideA or StrideB = 0 shares one matrix
	// over the batch. They are ignored where Batch is 1.
	StrideA, StrideB, StrideC int
	Alpha, Beta               float64
	Epilogue
}

// NewGEMM is C = op(A)·op(B) on dense matrices, one pair of them for each element of the batch: the leading dimensions and batch strides
// are those of contiguous tensors, Alpha is 1 and Beta 0.
func NewGEMM(t DType, batch, m, n, k int, transA, transB bool) GEMM {
	g := GEMM{Type: t, Batch: batch, M: m, N: n, K: k, TransA: transA, TransB: transB, Alpha: 1}
	_, g.LDA = g.storedA()
	_, g.LDB = g.storedB()
	g.LDA, g.LDB, g.LDC = max(g.LDA, 1), max(g.LDB, 1), max(n, 1)
	g.StrideA, g.StrideB, g.StrideC = m*k, k*n, m*n
	return g
}

// Family is "gemm".
func (g GEMM) Family() string { return "gemm" }

// storedA is the stored extent of one matrix A.
func (g GEMM) storedA() (rows, cols int) {
	if g.TransA {
		return g.K, g.M
	}
	return g.M, g.K
}

// storedB is the stored extent of one matrix B.
func (g GEMM) storedB() (rows, cols int) {
	if g.TransB {
		return g.N, g.K
	}
	return g.K, g.N
}

// ResultType is the type of C and of the residual.
func (g GEMM) ResultType() DType {
	if g.OutType == Invalid {
		return g.Type
	}
	return g.OutType
}

// Operands lists a, b, then bias and residual where present, then c. A dense operand has its matrix' shape, with the batch in front
// where it has one; a strided one is flat, up to its last element.
func (g GEMM) Operands() []Operand {
	ra, ca := g.storedA()
	rb, cb := g.storedB()
	shapeC := g.layout(g.M, g.N, g.LDC, g.StrideC)
	ops := []Operand{
		{"a", In, g.Type, g.layout(ra, ca, g.LDA, g.StrideA)},
		{"b", In, g.Type, g.layout(rb, cb, g.LDB, g.StrideB)},
	}
	if g.Bias {
		ops = append(ops, Operand{"bias", In, accumulator(g.Type), []int{g.N}})
	}
	if g.Residual {
		ops = append(ops, Operand{"residual", In, g.ResultType(), shapeC})
	}
	dir := Out
	if g.Beta != 0 || Elems(shapeC) != g.Batch*g.M*g.N { // gaps between the rows keep what they hold
		dir = InOut
	}
	return append(ops, Operand{"c", dir, g.ResultType(), shapeC})
}

// layout is the operand shape of a batch of rows×cols matrices.
func (g GEMM) layout(rows, cols, ld, stride int) []int {
	if g.Batch == 1 || stride == 0 {
		if ld == cols || rows <= 1 {
			return []int{rows, cols}
		}
	} else if (ld == cols || rows <= 1) && stride == rows*cols {
		return []int{g.Batch, rows, cols}
	}
	if rows == 0 || cols == 0 || g.Batch == 0 {
		return []int{0}
	}
	n := (rows-1)*ld + cols
	if g.Batch > 1 {
		n += (g.Batch - 1) * stride
	}
	return []int{n}
}

// Validate checks the type, the extents, the strides, the factors and the epilogue.
func (g GEMM) Validate() error {
	if !g.Type.Float() {
		return fmt.Errorf("gemm: multiplies f32, f64, f16 or bf16, not %s", g.Type)
	}
	if out := g.ResultType(); out != g.Type && out != accumulator(g.Type) {
		return fmt.Errorf("gemm: results of type %s from %s: want %s or %s", out, g.Type, g.Type, accumulator(g.Type))
	}
	if g.TF32 && g.Type != F32 {
		return fmt.Errorf("gemm: TF32 is a way to multiply f32, not %s", g.Type)
	}
	for _, e := range []struct {
		name string
		v    int
	}{{"batch", g.Batch}, {"M", g.M}, {"N", g.N}, {"K", g.K}} {
		if e.v < 0 {
			return fmt.Errorf("gemm: %s is %d, want at least 0", e.name, e.v)
		}
	}
	ra, ca := g.storedA()
	rb, cb := g.storedB()
	for _, o := range []struct {
		name                   string
		rows, cols, ld, stride int
	}{{"A", ra, ca, g.LDA, g.StrideA}, {"B", rb, cb, g.LDB, g.StrideB}, {"C", g.M, g.N, g.LDC, g.StrideC}} {
		if o.ld < max(o.cols, 1) {
			return fmt.Errorf("gemm: %s is stored as %d×%d, so its leading dimension is at least %d, not %d", o.name, o.rows, o.cols, max(o.cols, 1), o.ld)
		}
		if o.stride < 0 {
			return fmt.Errorf("gemm: the batch stride of %s is %d, want at least 0", o.name, o.stride)
		}
		if err := CheckShape("gemm: "+o.name, []int{max(g.Batch, 1), max(o.stride, 1)}, 0); err != nil {
			return err
		}
		if err := CheckShape("gemm: "+o.name, []int{max(o.rows, 1), o.ld}, 0); err != nil {
			return err
		}
	}
	if g.Batch > 1 && g.M > 0 && g.N > 0 {
		apart := g.StrideC >= (g.M-1)*g.LDC+g.N
		interleaved := g.StrideC >= g.N && (g.Batch-1)*g.StrideC+g.N <= g.LDC
		if !apart && !interleaved {
			return fmt.Errorf("gemm: a batch of %d results of %d×%d overlaps with leading dimension %d and batch stride %d", g.Batch, g.M, g.N, g.LDC, g.StrideC)
		}
	}
	if g.Alpha == 0 || math.IsNaN(g.Alpha) || math.IsInf(g.Alpha, 0) {
		return fmt.Errorf("gemm: alpha is %v, want a finite factor other than 0 (NewGEMM sets 1)", g.Alpha)
	}
	if math.IsNaN(g.Beta) || math.IsInf(g.Beta, 0) {
		return fmt.Errorf("gemm: beta is %v, want a finite factor", g.Beta)
	}
	if err := g.Epilogue.Validate(); err != nil {
		return fmt.Errorf("gemm: %w", err)
	}
	return nil
}

// Cost counts 2MNK operations a matrix and each element of A, B, bias, residual and C once; the gaps of strided operands are
// not counted.
func (g GEMM) Cost() Cost {
	size, sizeC := int64(g.Type.Size()), int64(g.ResultType().Size())
	batch, c := int64(g.Batch), int64(g.M)*int64(g.N)
	a, b := int64(g.M)*int64(g.K), int64(g.K)*int64(g.N)
	if g.StrideA != 0 {
		a *= batch
	}
	if g.StrideB != 0 {
		b *= batch
	}
	read := (a + b) * size
	if g.Bias {
		read += int64(g.N * accumulator(g.Type).Size())
	}
	if g.Residual {
		read += batch * c * sizeC
	}
	if g.Beta != 0 {
		read += batch * c * sizeC
	}
	return Cost{FLOPs: 2 * batch * c * int64(g.K), Read: read, Written: batch * c * sizeC}
}

// MayAlias allows the result over the residual, unless C is read or has gaps.
func (g GEMM) MayAlias(out, in int) bool {
	residual := 2
	if g.Bias {
		residual++
	}
	ops := g.Operands()
	return g.Residual && ops[len(ops)-1].Dir == Out && in == residual && out == in+1
}

// Tolerance follows the error of a sum of K rounded products in any order, for operands of about unit size; of tf32, the error that rounding the
// operands at random makes; and the rounding of the result.
func (g GEMM) Tolerance() Tolerance {
	u := accumulator(g.Type).Epsilon()
	k, alpha := float64(g.K), math.Abs(g.Alpha)
	t := Tolerance{Abs: u * (4 + 2*k*alpha), Rel: 16 * u, Norm: u * (8 + 2*math.Sqrt(k))}
	if g.TF32 {
		const half = 0x1p-11 // of tf32
		t = Tolerance{Abs: half * (1 + 4*math.Sqrt(k)*alpha), Rel: 4 * half, Norm: 4 * half}
	}
	return roundedTo(g.ResultType(), t)
}

func (g GEMM) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gemm %s", multiplyType(g.Type, g.TF32))
	if g.ResultType() != g.Type {
		fmt.Fprintf(&b, " to %s", g.OutType)
	}
	if g.Batch != 1 {
		fmt.Fprintf(&b, " %d×", g.Batch)
	}
	fmt.Fprintf(&b, " %dx%dx%d %s%s", g.M, g.N, g.K, transposed(g.TransA), transposed(g.TransB))
	d := NewGEMM(g.Type, g.Batch, g.M, g.N, g.K, g.TransA, g.TransB)
	if g.LDA != d.LDA || g.LDB != d.LDB || g.LDC != d.LDC {
		fmt.Fprintf(&b, " ld(%d,%d,%d)", g.LDA, g.LDB, g.LDC)
	}
	if g.Batch != 1 && (g.StrideA != d.StrideA || g.StrideB != d.StrideB || g.StrideC != d.StrideC) {
		fmt.Fprintf(&b, " stride(%d,%d,%d)", g.StrideA, g.StrideB, g.StrideC)
	}
	if g.Alpha != 1 {
		fmt.Fprintf(&b, " alpha=%v", g.Alpha)
	}
	if g.Beta != 0 {
		fmt.Fprintf(&b, " beta=%v", g.Beta)
	}
	return b.String() + g.Epilogue.String()
}

// transposed is BLAS' letter for a matrix that is used as stored or transposed.
func transposed(t bool) string {
	if t {
		return "T"
	}
	return "N"
}
