package kernels

import "fmt"

// PadMode says where the elements of a border come from. (A border of a constant is a Move: PadConstant.)
type PadMode uint8

// The borders of [a b c d], two wide.
const (
	PadEdge    PadMode = iota // a a|a b c d|d d
	PadReflect                // c b|a b c d|c b
	PadWrap                   // c d|a b c d|a b
	numPadModes
)

var padModes = [numPadModes]string{"edge", "reflect", "wrap"}

func (m PadMode) String() string {
	if m >= numPadModes {
		return fmt.Sprintf("padmode(%d)", uint8(m))
	}
	return padModes[m]
}

// Source is the element of an axis of extent n that position i of the padded axis, counted from the first element of the
// interior (so that the border has negative positions), takes its value from.
func (m PadMode) Source(i, n int) int {
	switch m {
	case PadReflect:
		if i < 0 {
			return -i
		}
		if i >= n {
			return 2*(n-1) - i
		}
	case PadWrap:
		if i < 0 {
			return i + n
		}
		if i >= n {
			return i - n
		}
	default:
		return max(0, min(n-1, i))
	}
	return i
}

// Pad surrounds a tensor with a border made of its own elements: Before[i] and After[i] of them along axis i.
// Reflection needs borders narrower than the axis, wrapping borders no wider than it.
//
// Operands: in [Shape], out [OutShape].
type Pad struct {
	Type                 DType
	Mode                 PadMode
	Shape, Before, After []int
}

// Family is "pad".
func (k Pad) Family() string { return "pad" }

// OutShape is the shape with its borders.
func (k Pad) OutShape() []int {
	out := make([]int, len(k.Shape))
	for i, n := range k.Shape {
		out[i] = k.Before[i] + n + k.After[i]
	}
	return out
}

// Operands lists in and out.
func (k Pad) Operands() []Operand {
	return []Operand{{"in", In, k.Type, k.Shape}, {"out", Out, k.Type, k.OutShape()}}
}

// Validate checks the borders.
func (k Pad) Validate() error { return validatePad("pad", k) }

func validatePad(what string, k Pad) error {
	if k.Type.Size() == 0 {
		return fmt.Errorf("%s: elements of type %s", what, k.Type)
	}
	if k.Mode >= numPadModes {
		return fmt.Errorf("%s: unknown mode %s", what, k.Mode)
	}
	if err := CheckShape(what, k.Shape, 1); err != nil {
		return err
	}
	if _, err := padded(what, k.Shape, k.Before, k.After); err != nil {
		return err
	}
	for i, n := range k.Shape {
		b := max(k.Before[i], k.After[i])
		if k.Mode == PadReflect && b >= n || k.Mode == PadWrap && b > n {
			return fmt.Errorf("%s %s: axis %d: border of %d on an extent of %d", what, k.Mode, i, b, n)
		}
	}
	return CheckShape(what, k.OutShape(), 1)
}

// Cost counts a copy.
func (k Pad) Cost() Cost { return Traffic(k, 0) }

// Tolerance asks for equal bits.
func (k Pad) Tolerance() Tolerance { return Tolerance{} }

func (k Pad) String() string {
	return fmt.Sprintf("pad %s %s %s %v %v", k.Mode, k.Type, dims(k.Shape), k.Before, k.After)
}

// PadBackward is the gradient of Pad: dx[j] is the sum of dy over the positions whose source is j, axis after axis from the first,
// positions ascending.
//
// Operands: dy [OutShape], dx [Shape].
type PadBackward struct{ Pad }

// Family is "pad_backward".
func (k PadBackward) Family() string { return "pad_backward" }

// Operands lists dy and dx.
func (k PadBackward) Operands() []Operand {
	return []Operand{{"dy", In, k.Type, k.OutShape()}, {"dx", Out, k.Type, k.Shape}}
}

// Validate checks the borders and that gradients are floating-point numbers.
func (k PadBackward) Validate() error {
	if k.Type != F32 && k.Type != F64 {
		return fmt.Errorf("pad backward: gradients in f32 or f64, not %s", k.Type)
	}
	return validatePad("pad backward", k.Pad)
}

// Cost counts an addition for each element of dy.
func (k PadBackward) Cost() Cost { return Traffic(k, int64(Elems(k.OutShape()))) }

// Tolerance covers sums of as many elements as the borders are wide, on data of unit scale.
func (k PadBackward) Tolerance() Tolerance {
	n := 1
	for i := range k.Shape {
		n *= 1 + max(k.Before[i], k.After[i])
	}
	e := k.Type.Epsilon()
	return Tolerance{Abs: 4 * e * float64(n), Rel: 4 * e}
}

func (k PadBackward) String() string {
	return fmt.Sprintf("pad_backward %s %s %s %v %v", k.Mode, k.Type, dims(k.Shape), k.Before, k.After)
}
