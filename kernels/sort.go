package kernels

import (
	"fmt"
	"math"
	"math/bits"
)

// Sort sorts each row of a matrix and says where each element came from. The order is total: -0 equals +0, every NaN equals every
// other and is greater than +Inf (so it comes last, or first if Descending); equal elements keep the order of their positions in
// both directions. values[r, j] = in[r, indices[r, j]], bit for bit. ArgSort is its second output.
//
// Operands: in [Rows, Cols], values [Rows, Cols], indices [Rows, Cols].
type Sort struct {
	Type, Index DType // F32, F64, I32 or I64; I32 or I64
	Rows, Cols  int
	Descending  bool
}

// Family is "sort".
func (k Sort) Family() string { return "sort" }

// Operands lists in, values and indices.
func (k Sort) Operands() []Operand {
	s := []int{k.Rows, k.Cols}
	return []Operand{{"in", In, k.Type, s}, {"values", Out, k.Type, s}, {"indices", Out, k.Index, s}}
}

// Validate checks types and extents.
func (k Sort) Validate() error { return checkSorted("sort", k.Type, k.Index, k.Rows, k.Cols) }

func checkSorted(what string, t, index DType, rows, cols int) error {
	switch t {
	case F32, F64, I32, I64:
	default:
		return fmt.Errorf("%s: elements of type %s: want f32, f64, i32 or i64", what, t)
	}
	if cols > math.MaxInt32 {
		return fmt.Errorf("%s: rows of %d elements: want at most %d", what, cols, math.MaxInt32)
	}
	return checkIndexed(what, t, index, rows, cols)
}

// Cost counts n log2 n comparisons a row.
func (k Sort) Cost() Cost {
	return Traffic(k, int64(k.Rows)*int64(k.Cols)*int64(bits.Len(uint(max(k.Cols-1, 0)))))
}

// Tolerance asks for equal bits.
func (k Sort) Tolerance() Tolerance { return Tolerance{} }

func (k Sort) String() string {
	return fmt.Sprintf("sort %s %dx%d descending %t index %s", k.Type, k.Rows, k.Cols, k.Descending, k.Index)
}

// TopK gives the K largest elements of each row in descending order (the K smallest in ascending order if Smallest) and their
// positions: the first K columns of Sort with Descending = !Smallest, by Sort's order. So NaNs count as the largest elements, and of
// equal elements the earlier comes first.
//
// Operands: in [Rows, Cols], values [Rows, K], indices [Rows, K].
type TopK struct {
	Type, Index   DType // F32, F64, I32 or I64; I32 or I64
	Rows, Cols, K int
	Smallest      bool
}

// Family is "topk".
func (k TopK) Family() string { return "topk" }

// Operands lists in, values and indices.
func (k TopK) Operands() []Operand {
	s := []int{k.Rows, k.K}
	return []Operand{{"in", In, k.Type, []int{k.Rows, k.Cols}}, {"values", Out, k.Type, s}, {"indices", Out, k.Index, s}}
}

// Validate checks types and extents.
func (k TopK) Validate() error {
	if k.K < 0 || k.K > k.Cols {
		return fmt.Errorf("topk: %d of %d elements", k.K, k.Cols)
	}
	return checkSorted("topk", k.Type, k.Index, k.Rows, k.Cols)
}

// Cost counts a comparison an element.
func (k TopK) Cost() Cost { return Traffic(k, int64(k.Rows)*int64(k.Cols)) }

// Tolerance asks for equal bits.
func (k TopK) Tolerance() Tolerance { return Tolerance{} }

func (k TopK) String() string {
	return fmt.Sprintf("topk %s %dx%d k %d smallest %t index %s", k.Type, k.Rows, k.Cols, k.K, k.Smallest, k.Index)
}
