package kernels

import "fmt"

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
