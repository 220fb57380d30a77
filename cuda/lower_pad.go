package cuda

import (
	"encoding/binary"
	"fmt"
	"math"

	"palladio/kernels"
)

// padAxis is one axis of a Pad: its extent, borders, and step in the source, in units.
type padAxis struct{ n, before, after, step int }

func (a padAxis) padded() int { return a.before + a.n + a.after }

// pad lowers a Pad to copies of the largest unit that no border cuts.
func (l *lowering) pad(k kernels.Pad) (*Program, error) {
	p := &Program{}
	axes := make([]padAxis, len(k.Shape))
	step := 1
	for i := len(k.Shape) - 1; i >= 0; i-- {
		axes[i] = padAxis{k.Shape[i], k.Before[i], k.After[i], step}
		step *= k.Shape[i]
	}
	more := func(in, out Slot) []Slot { return []Slot{Int(int(k.Mode)), in, out} }
	if !l.padded(p, "pad_b%d", k.Type.Size(), axes, Operand(0), 0, more) {
		return nil, tooLarge(k, "units behind the first axis with a border")
	}
	return p, nil
}

// padConstant lowers a Move into a box of a dense tensor, the rest of which becomes Fill: one pass over dst. It says whether k is one.
func (l *lowering) padConstant(p *Program, k kernels.Move) bool {
	size := k.Type.Size()
	axes := make([]padAxis, len(k.Shape))
	if len(k.Dst.Shape) != len(k.Shape) || len(k.Shape) == 0 || kernels.Elems(k.Shape) == 0 {
		return false
	}
	step, offset := kernels.Elems(k.Dst.Shape), k.Dst.Offset
	for i, n := range k.Dst.Shape {
		step /= n
		before := offset / step
		offset %= step
		if k.Dst.Strides[i] != step && k.Shape[i] != 1 || before+k.Shape[i] > n {
			return false
		}
		axes[i] = padAxis{k.Shape[i], before, n - before - k.Shape[i], k.Src.Strides[i]}
	}
	value := pattern(k.Type, k.Fill)
	for bytes := size; bytes < 8; bytes *= 2 {
		value |= value << (8 * bytes)
	}
	more := func(in, out Slot) []Slot { return []Slot{in, out, Int(value)} }
	return l.padded(p, "pad_constant_b%d", size, axes, OperandAt(0, k.Src.Offset*size), k.Src.Offset*size, more)
}

// padded adds the launches of a padding of axes, the outermost first, with steps in elements of the source that begins off bytes into its operand. more makes
// the last arguments of an entry point. It adds nothing and gives false where one position of the outermost axis has more units than 32 bits number.
func (l *lowering) padded(p *Program, entry string, size int, axes []padAxis, in Slot, off int, more func(in, out Slot) []Slot) bool {
	run := 1 // elements behind the last axis that has a border, where they lie densely in the source
	last := len(axes) - 1
	for ; last >= 0 && axes[last].before == 0 && axes[last].after == 0 && (axes[last].step == run || axes[last].n == 1); last-- {
		run *= axes[last].n
	}
	unit := 16
	fits := func() bool {
		ok := run*size%unit == 0 && l.align >= unit && off%unit == 0
		for _, a := range axes[:last+1] {
			ok = ok && a.step*size%unit == 0
		}
		return ok
	}
	for unit > size && !fits() {
		unit /= 2
	}
	var table []padAxis // the innermost first, in units
	if n := run * size / unit; n > 1 || last < 0 {
		table = append(table, padAxis{n: n, step: 1})
	}
	for i := last; i >= 0; i-- {
		a := axes[i]
		a.step = a.step * size / unit
		table = append(table, a)
	}
	inner := 1
	for _, a := range table[:len(table)-1] {
		inner *= a.padded()
	}
	if inner > maxItems {
		return false
	}
	off = len(p.Constants)
	for _, a := range table {
		for _, v := range []uint64{divisor(min(a.padded(), maxItems)).value, uint64(a.before), uint64(a.n), uint64(a.step)} {
			p.Constants = binary.LittleEndian.AppendUint64(p.Constants, v)
		}
	}
	outer := table[len(table)-1].padded()
	part := max(1, maxItems/inner) // positions of the outermost axis in one launch
	for first := 0; first < outer; first += part {
		n := min(part, outer-first) * inner
		p.Launches = append(p.Launches, Launch{
			Module: Shipped("move/pad"),
			Entry:  fmt.Sprintf(entry, unit),
			Grid:   l.grid(n, moveThreads, 6),
			Block:  Dim{moveThreads, 1, 1},
			Args:   append([]Slot{Int(n), Int(first), Constant(off), Int(len(table))}, more(in, OperandAt(1, first*inner*unit))...),
		})
	}
	return true
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
		if max(inner, k.Before[a]+k.Shape[a]+k.After[a]) > math.MaxUint32 {
			return nil, tooLarge(k, "elements along or behind an axis with a border")
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
