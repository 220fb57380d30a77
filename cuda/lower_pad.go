package cuda

import (
	"encoding/binary"
	"fmt"

	"palladio/kernels"
)

// padAxis is one axis of a Pad: its extent, borders, and step in the source, in units.
type padAxis struct{ n, before, after, step int }

func (a padAxis) padded() int { return a.before + a.n + a.after }

// pad lowers a Pad to copies of the largest unit that no border cuts.
func (l *lowering) pad(k kernels.Pad) (*Program, error) {
	p := &Program{}
	run := k.Type.Size() // bytes behind the last axis that has a border
	last := len(k.Shape) - 1
	for ; last >= 0 && k.Before[last] == 0 && k.After[last] == 0; last-- {
		run *= k.Shape[last]
	}
	unit := 16
	for unit > k.Type.Size() && (run%unit != 0 || l.align < unit) {
		unit /= 2
	}
	var axes []padAxis // the innermost first
	step := run / unit
	if step > 1 || last < 0 {
		axes = append(axes, padAxis{n: step, step: 1})
	}
	for i := last; i >= 0; i-- {
		axes = append(axes, padAxis{k.Shape[i], k.Before[i], k.After[i], step})
		step *= k.Shape[i]
	}
	for _, a := range axes {
		for _, v := range []uint64{divisor(min(a.padded(), maxItems)).value, uint64(a.before), uint64(a.n), uint64(a.step)} {
			p.Constants = binary.LittleEndian.AppendUint64(p.Constants, v)
		}
	}
	inner := 1
	for _, a := range axes[:len(axes)-1] {
		inner *= a.padded()
	}
	outer := axes[len(axes)-1].padded()
	part := max(1, maxItems/inner) // positions of the outermost axis in one launch
	for first := 0; first < outer; first += part {
		n := min(part, outer-first) * inner
		p.Launches = append(p.Launches, Launch{
			Module: Shipped("move/pad"),
			Entry:  fmt.Sprintf("pad_b%d", unit),
			Grid:   l.grid(n, moveThreads, 6),
			Block:  Dim{moveThreads, 1, 1},
			Args:   []Slot{Int(n), Int(first), Constant(0), Int(len(axes)), Int(int(k.Mode)), Operand(0), OperandAt(1, first*inner*unit)},
		})
	}
	return p, nil
}

// padBackward lowers a PadBackward: each axis with a border is added up in a pass of its own, from the first.
func (l *lowering) padBackward(k kernels.PadBackward) (*Program, error) {
	p := &Program{}
	var axes []int
	for i := range k.Shape {
		if k.Before[i]+k.After[i] > 0 {
			axes = append(axes, i)
		}
	}
	if len(axes) == 0 {
		l.copyAxes(p, k.Type.Size(), []moveAxis{{kernels.Elems(k.Shape), 1, 1}}, place{1, 0}, place{0, 0})
		return p, nil
	}
	shape := k.OutShape()
	from := Operand(0)
	regions := [2]int{} // bytes of the two halves of the workspace, which take turns
	sizes := make([]int, len(axes))
	for pass, a := range axes {
		shape[a] = k.Shape[a]
		sizes[pass] = kernels.Elems(shape) * k.Type.Size()
		if pass < len(axes)-1 {
			regions[pass%2] = max(regions[pass%2], ceilDiv(sizes[pass], 256)*256)
		}
	}
	p.Workspace = regions[0] + regions[1]
	for pass, a := range axes {
		to := Scratch(pass % 2 * regions[0])
		if pass == len(axes)-1 {
			to = Operand(1)
		}
		inner := 1
		for d := a + 1; d < len(k.Shape); d++ {
			inner *= k.Before[d] + k.Shape[d] + k.After[d]
		}
		items := sizes[pass] / k.Type.Size()
		p.Launches = append(p.Launches, Launch{
			Module: Shipped("move/pad"),
			Entry:  "pad_backward_" + k.Type.String(),
			Grid:   l.grid(items, moveThreads, 6),
			Block:  Dim{moveThreads, 1, 1},
			Args:   []Slot{Int(items), Int(inner), Int(k.Shape[a]), Int(k.Before[a]), Int(k.After[a]), Int(int(k.Mode)), from, to},
		})
		from = to
	}
	return p, nil
}
