package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is the element type of a tensor.
type DType uint8

// The element types. Bool is one byte, 0 or 1.
const (
	Invalid DType = iota
	F32
	F64
	F16
	BF16
	I32
	I64
	U64
	U8
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0}, F32: {"f32", 4}, F64: {"f64", 8}, F16: {"f16", 2}, BF16: {"bf16", 2},
	I32: {"i32", 4}, I64: {"i64", 8}, U64: {"u64", 8}, U8: {"u8", 1}, Bool: {"bool", 1},
}

// Size is the number of bytes of one element.
func (t DType) Size() int {
	if int(t) >= len(dtypes) {
		return 0
	}
	return dtypes[t].size
}

// Float says whether the type is a floating-point type.
func (t DType) Float() bool { return t == F32 || t == F64 || t == F16 || t == BF16 }

func (t DType) String() string {
	if int(t) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(t))
	}
	return dtypes[t].name
}

// Epsilon is the unit roundoff of a floating-point type (half the gap between 1 and the next number), 0 for the others.
func (t DType) Epsilon() float64 {
	switch t {
	case F64:
		return 0x1p-53
	case F32:
		return 0x1p-24
	case F16:
		return 0x1p-11
	case BF16:
		return 0x1p-8
	}
	return 0
}

// Value is element i of a tensor of type t stored at b. 64-bit integers beyond 2^53 are rounded.
func (t DType) Value(b []byte, i int) float64 {
	ne := binary.NativeEndian
	switch t {
	case F32:
		return float64(math.Float32frombits(ne.Uint32(b[4*i:])))
	case F64:
		return math.Float64frombits(ne.Uint64(b[8*i:]))
	case F16:
		return F16Value(ne.Uint16(b[2*i:]))
	case BF16:
		return float64(BF16Value(ne.Uint16(b[2*i:])))
	case I32:
		return float64(int32(ne.Uint32(b[4*i:])))
	case I64:
		return float64(int64(ne.Uint64(b[8*i:])))
	case U64:
		return float64(ne.Uint64(b[8*i:]))
	}
	return float64(b[i]) // U8, Bool
}

// SetValue stores v as element i of a tensor of type t at b: rounded to the nearest floating-point number, converted as by Go to an integer
// type; a Bool is v != 0.
func (t DType) SetValue(b []byte, i int, v float64) {
	ne := binary.NativeEndian
	switch t {
	case F32:
		ne.PutUint32(b[4*i:], math.Float32bits(float32(v)))
	case F64:
		ne.PutUint64(b[8*i:], math.Float64bits(v))
	case F16:
		ne.PutUint16(b[2*i:], F16Bits(v))
	case BF16:
		ne.PutUint16(b[2*i:], BF16Bits(float32(v)))
	case I32:
		ne.PutUint32(b[4*i:], uint32(int32(v)))
	case I64:
		ne.PutUint64(b[8*i:], uint64(int64(v)))
	case U64:
		ne.PutUint64(b[8*i:], uint64(v))
	case Bool:
		b[i] = 0
		if v != 0 {
			b[i] = 1
		}
	default:
		b[i] = uint8(v)
	}
}

// roundedTo adds to a tolerance the rounding of results of about that error to F16 or BF16; other types round nothing more.
func roundedTo(t DType, tol Tolerance) Tolerance {
	switch t {
	case F16:
		tol.Abs += 0x1p-24 // the smallest number
		tol.Rel += 2 * F16.Epsilon()
	case BF16:
		tol.Rel += 2 * BF16.Epsilon() // both results are rounded, perhaps to neighbours
	}
	return tol
}
