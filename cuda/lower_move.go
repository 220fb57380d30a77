package cuda

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"palladio/kernels"
)

// moveThreads is the number of threads of a block of the kernels that move data.
const moveThreads = 256

// maxItems is how many items one launch numbers in 32 bits.
const maxItems = math.MaxInt32

// moveAxis is one axis of a copy between strided views, with steps in elements or units.
type moveAxis struct{ n, dst, src int }

// far says whether the axis has steps that 32 bits do not hold.
func (a moveAxis) far() bool { return max(a.dst, -a.dst, a.src, -a.src) > maxItems }

// place is a byte of an operand.
type place struct{ operand, offset int }

func (p place) slot() Slot { return OperandAt(p.operand, p.offset) }

// move lowers a Move: a padding with a constant, or a copy, after a fill where the view leaves something.
func (l *lowering) move(k kernels.Move) (*Program, error) {
	p := &Program{}
	size := k.Type.Size()
	n := kernels.Elems(k.Dst.Shape)
	fills := !k.Keep && !k.Covers() && n > 0
	if fills && l.padConstant(p, k) {
		return p, nil
	}
	if fills {
		l.fill(p, place{1, 0}, n, k.Type, k.Fill)
	}
	axes := make([]moveAxis, len(k.Shape))
	for i, n := range k.Shape {
		axes[i] = moveAxis{n, k.Dst.Strides[i], k.Src.Strides[i]}
	}
	l.copyAxes(p, size, axes, place{1, k.Dst.Offset * size}, place{0, k.Src.Offset * size})
	return p, nil
}

// concat lowers a Concat: a copy for each part.
func (l *lowering) concat(k kernels.Concat) (*Program, error) {
	p := &Program{}
	row := 0
	for j, n := range k.Parts {
		axes := []moveAxis{{k.Outer, k.Total() * k.Inner, n * k.Inner}, {n * k.Inner, 1, 1}}
		l.copyAxes(p, k.Type.Size(), axes, place{len(k.Parts), row * k.Inner * k.Type.Size()}, place{j, 0})
		row += n
	}
	return p, nil
}

// pattern is the bits of a value of type t.
func pattern(t kernels.DType, v float64) uint64 {
	var b [8]byte
	t.SetValue(b[:], 0, v)
	return binary.NativeEndian.Uint64(b[:])
}

// fill writes a value over n elements.
func (l *lowering) fill(p *Program, to place, n int, t kernels.DType, v float64) {
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("move/move"),
		Entry:  fmt.Sprintf("move_fill_b%d", t.Size()),
		Grid:   l.grid(ceilDiv(n*t.Size(), 16), moveThreads, 8),
		Block:  Dim{moveThreads, 1, 1},
		Args:   []Slot{Int(n), to.slot(), Int(pattern(t, v)), flag(l.align >= 16 && to.offset%16 == 0)},
	})
}

// mergeAxes drops axes of extent 1, sorts the others by dst's steps, the smallest last, and merges those that run on into each other.
func mergeAxes(axes []moveAxis) []moveAxis {
	axes = slices.DeleteFunc(slices.Clone(axes), func(a moveAxis) bool { return a.n == 1 })
	slices.SortStableFunc(axes, func(a, b moveAxis) int { return cmp.Compare(max(b.dst, -b.dst), max(a.dst, -a.dst)) })
	for i := len(axes) - 2; i >= 0; i-- {
		a, b := axes[i], axes[i+1]
		if a.dst == b.dst*b.n && a.src == b.src*b.n {
			axes[i] = moveAxis{a.n * b.n, b.dst, b.src}
			axes = slices.Delete(axes, i+1, i+2)
		}
	}
	return axes
}

// copyAxes adds the launches of a copy of elements of size bytes along axes with steps in elements.
func (l *lowering) copyAxes(p *Program, size int, axes []moveAxis, dst, src place) {
	for _, a := range axes {
		if a.n == 0 {
			return
		}
	}
	axes = mergeAxes(axes)
	if len(axes) == 0 {
		axes = []moveAxis{{1, 1, 1}}
	}
	last := len(axes) - 1
	inner := axes[last]
	if last == 0 && inner.dst == 1 && inner.src == 1 {
		l.run(p, size, inner.n, dst, src)
		return
	}
	if i := slices.IndexFunc(axes, moveAxis.far); i >= 0 { // few: the tensor holds them all
		a := axes[i]
		rest := slices.Delete(slices.Clone(axes), i, i+1)
		for c := range a.n {
			l.copyAxes(p, size, rest, place{dst.operand, dst.offset + c*a.dst*size}, place{src.operand, src.offset + c*a.src*size})
		}
		return
	}
	if inner.dst == 1 && inner.src == 1 {
		unit, axes := l.widestUnit(size, axes, dst, src)
		l.stridedCopy(p, fmt.Sprintf("move_strided_b%d", unit), unit, unit, axes, dst, src)
		return
	}
	const small = 8 // planes narrower than that gain nothing from tiles
	across := slices.IndexFunc(axes[:last], func(a moveAxis) bool { return a.src == 1 })
	if inner.dst == 1 && across >= 0 && inner.n >= small && axes[across].n >= small {
		l.transpose(p, size, axes, across, dst, src)
		return
	}
	per := 16 / size
	packs := moveAxis{inner.n / per, per, per * inner.src}
	if inner.dst == 1 && per > 1 && l.align >= 16 && inner.n%per == 0 && dst.offset%16 == 0 && multiples(axes[:last], per) && !packs.far() {
		axes[last] = packs
		l.stridedCopy(p, fmt.Sprintf("move_gathered_b%d", size), size, size, axes, dst, src, Int(inner.src))
		return
	}
	l.stridedCopy(p, fmt.Sprintf("move_strided_b%d", size), size, size, axes, dst, src)
}

// run adds the copy of n elements that lie side by side on both sides.
func (l *lowering) run(p *Program, size, n int, dst, src place) {
	packed := l.align >= 16 && dst.offset%16 == 0 && src.offset%16 == 0
	items := n
	if packed {
		items = ceilDiv(n*size, 16)
	}
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("move/move"),
		Entry:  fmt.Sprintf("move_run_b%d", size),
		Grid:   l.grid(items, moveThreads, 8),
		Block:  Dim{moveThreads, 1, 1},
		Args:   []Slot{Int(n), src.slot(), dst.slot(), flag(packed)},
	})
}

// multiples says whether dst's steps are multiples of n.
func multiples(axes []moveAxis, n int) bool {
	return !slices.ContainsFunc(axes, func(a moveAxis) bool { return a.dst%n != 0 })
}

// widestUnit finds the largest unit of up to 16 bytes in which the last axis, dense on both sides, may go, and gives the axes in it.
func (l *lowering) widestUnit(size int, axes []moveAxis, dst, src place) (int, []moveAxis) {
	last := len(axes) - 1
	for unit := 16; unit > size; unit /= 2 {
		fits := l.align >= unit && dst.offset%unit == 0 && src.offset%unit == 0 && axes[last].n*size%unit == 0
		for _, a := range axes[:last] {
			fits = fits && a.dst*size%unit == 0 && a.src*size%unit == 0
		}
		if !fits {
			continue
		}
		out := slices.Clone(axes)
		for i := range out[:last] {
			out[i].dst, out[i].src = out[i].dst*size/unit, out[i].src*size/unit
		}
		out[last].n = axes[last].n * size / unit
		return unit, out
	}
	return size, axes
}

// stridedCopy adds launches of an entry point that goes over the items of axes, no more of them in one than 32 bits count. Steps
// are in units of dstUnit and srcUnit bytes.
func (l *lowering) stridedCopy(p *Program, entry string, dstUnit, srcUnit int, axes []moveAxis, dst, src place, more ...Slot) {
	n := 1
	for _, a := range axes {
		n *= a.n
	}
	if n > maxItems { // halve the first axis that has something to halve
		i := slices.IndexFunc(axes, func(a moveAxis) bool { return a.n > 1 })
		low, high := slices.Clone(axes), slices.Clone(axes)
		half := axes[i].n / 2
		low[i].n, high[i].n = half, axes[i].n-half
		l.stridedCopy(p, entry, dstUnit, srcUnit, low, dst, src, more...)
		dst.offset += half * axes[i].dst * dstUnit
		src.offset += half * axes[i].src * srcUnit
		l.stridedCopy(p, entry, dstUnit, srcUnit, high, dst, src, more...)
		return
	}
	table, rank := p.axisTable(axes)
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("move/move"),
		Entry:  entry,
		Grid:   l.grid(n, moveThreads, 8),
		Block:  Dim{moveThreads, 1, 1},
		Args:   append([]Slot{Int(n), table, Int(rank), src.slot(), dst.slot()}, more...),
	})
}

// axisTable adds a table for Axes (kernels/include/axes.cuh) to the program's constants.
func (p *Program) axisTable(axes []moveAxis) (Slot, int) {
	off := len(p.Constants)
	rank := max(3, len(axes))
	for i := range rank {
		a := moveAxis{1, 0, 0}
		if j := len(axes) - 1 - i; j >= 0 {
			a = axes[j]
		}
		p.Constants = binary.LittleEndian.AppendUint64(p.Constants, divisor(a.n).value)
		p.Constants = binary.LittleEndian.AppendUint32(p.Constants, uint32(int32(a.dst)))
		p.Constants = binary.LittleEndian.AppendUint32(p.Constants, uint32(int32(a.src)))
	}
	return Constant(off), rank
}

// transpose adds the launch of a copy in which the last axis is dense in dst, and another one in src.
func (l *lowering) transpose(p *Program, size int, axes []moveAxis, across int, dst, src place) {
	last := len(axes) - 1
	i, j := axes[across], axes[last]
	planes := slices.Delete(slices.Clone(axes[:last]), across, across+1)
	per := min(8, 16/size) // elements of a vector
	side, entry := 32, "transpose_single_b%d"
	fits := l.align >= 16 && dst.offset%(per*size) == 0 && src.offset%(per*size) == 0
	for _, n := range []int{i.n, i.dst, j.n, j.src} {
		fits = fits && n%per == 0
	}
	for _, a := range planes {
		fits = fits && a.dst%per == 0 && a.src%per == 0
	}
	if fits {
		side, entry = 16*per, "transpose_packed_b%d"
	}
	tilesI, tilesJ := ceilDiv(i.n, side), ceilDiv(j.n, side)
	blocks := tilesI * tilesJ
	for _, a := range planes {
		blocks *= a.n
	}
	table, rank := p.axisTable(planes)
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("move/transpose"),
		Entry:  fmt.Sprintf(entry, size),
		Grid:   Dim{blocks, 1, 1},
		Block:  Dim{moveThreads, 1, 1},
		Args:   []Slot{src.slot(), dst.slot(), Int(i.n), Int(j.n), Int(j.src), Int(i.dst), divisor(tilesI), divisor(tilesJ), table, Int(rank)},
	})
}
