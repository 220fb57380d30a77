package kernels

import "fmt"

// Concat joins tensors along an axis. Seen as [Outer, Parts[j], Inner], with Outer and Inner the products of the extents before and
// after the axis, part j goes to rows Parts[0]+…+Parts[j-1] onwards of out. Its gradient is a Sliced for each part.
//
// Operands: in0 [Outer, Parts[0], Inner], in1, …, out [Outer, ΣParts, Inner].
type Concat struct {
	Type         DType
	Outer, Inner int
	Parts        []int
}

// NewConcat joins tensors of the given shapes along an axis.
func NewConcat(t DType, axis int, shapes ...[]int) (Concat, error) {
	k := Concat{Type: t, Outer: 1, Inner: 1}
	for j, s := range shapes {
		if axis < 0 || axis >= len(s) || len(s) != len(shapes[0]) {
			return k, fmt.Errorf("concat: axis %d of shape %v (part %d; part 0 is %v)", axis, s, j, shapes[0])
		}
		for i, n := range s {
			switch {
			case i != axis && n != shapes[0][i]:
				return k, fmt.Errorf("concat along axis %d: part %d is %v, part 0 is %v: axis %d differs", axis, j, s, shapes[0], i)
			case j == 0 && i < axis:
				k.Outer *= n
			case j == 0 && i > axis:
				k.Inner *= n
			}
		}
		k.Parts = append(k.Parts, s[axis])
	}
	return k, k.Validate()
}

// Family is "concat".
func (k Concat) Family() string { return "concat" }

// Total is the extent of the joined axis.
func (k Concat) Total() int {
	n := 0
	for _, p := range k.Parts {
		n += p
	}
	return n
}

// Operands lists the parts and out.
func (k Concat) Operands() []Operand {
	var ops []Operand
	for j, p := range k.Parts {
		ops = append(ops, Operand{fmt.Sprintf("in%d", j), In, k.Type, []int{k.Outer, p, k.Inner}})
	}
	return append(ops, Operand{"out", Out, k.Type, []int{k.Outer, k.Total(), k.Inner}})
}

// Validate checks the extents.
func (k Concat) Validate() error {
	if k.Type.Size() == 0 {
		return fmt.Errorf("concat: elements of type %s", k.Type)
	}
	if len(k.Parts) == 0 {
		return fmt.Errorf("concat: nothing to join")
	}
	for j, p := range k.Parts {
		if err := CheckShape(fmt.Sprintf("concat: part %d", j), []int{k.Outer, p, k.Inner}, 0); err != nil {
			return err
		}
	}
	return CheckShape("concat", []int{k.Outer, k.Total(), k.Inner}, 0)
}

// Cost counts a copy.
func (k Concat) Cost() Cost { return Traffic(k, 0) }

// Tolerance asks for equal bits.
func (k Concat) Tolerance() Tolerance { return Tolerance{} }

func (k Concat) String() string {
	return fmt.Sprintf("concat %s %dx%vx%d", k.Type, k.Outer, k.Parts, k.Inner)
}
