package cuda

import (
	"fmt"
	"math/bits"

	"palladio/kernels"
)

// indexFault is the error of an index out of range.
func indexFault(k kernels.Kernel, extent int) func(position, value int64) error {
	return func(position, value int64) error { return kernels.IndexError(k, int(position), int(value), extent) }
}

// indexLaunch is a launch of a loop over items.
func (l *lowering) indexLaunch(entry string, items int, args ...Slot) Launch {
	const threads = 256
	return Launch{Module: Shipped("index/index"), Entry: entry, Grid: l.grid(items, threads, 8), Block: Dim{threads, 1, 1}, Args: args}
}

// gather lowers a Gather to copies of the largest unit that divides a row.
func (l *lowering) gather(k kernels.Gather) (*Program, error) {
	p := &Program{Fault: indexFault(k, k.Extent)}
	bytes := k.Inner * k.Type.Size()
	rows := k.Outer * k.Count
	if bytes == 0 || rows == 0 {
		return p, nil
	}
	unit := 16
	for unit > k.Type.Size() && (bytes%unit != 0 || l.align < unit) {
		unit /= 2
	}
	width := bytes / unit
	if max(width, k.Count) > maxItems {
		return nil, tooLarge(k, "indices, or units of a row")
	}
	part := max(1, maxItems/width)
	for first := 0; first < rows; first += part {
		n := min(part, rows-first) * width
		p.Launches = append(p.Launches, l.indexLaunch(fmt.Sprintf("gather_b%d_%s", unit, k.Index), n,
			Int(n), Int(first), divisor(width), divisor(k.Count), Int(k.Extent), flag(k.Batched),
			Operand(0), Operand(1), Operand(2), FaultRecord(), CallNumber()))
	}
	return p, nil
}

// scatterAdd lowers a ScatterAdd: the positions are sorted by their indices, stably, and each row of out adds up those that name it, in that order.
func (l *lowering) scatterAdd(k kernels.ScatterAdd) (*Program, error) {
	p := &Program{Fault: indexFault(k, k.Extent)}
	size := k.Type.Size()
	out := k.Outer * k.Extent * k.Inner
	lists := 1
	if k.Batched {
		lists = k.Outer
	}
	n := lists * k.Count
	if max(k.Extent, k.Inner, k.Count) > maxItems {
		return nil, tooLarge(k, "rows, elements of one, or indices")
	}
	if out == 0 || n == 0 {
		if out > 0 && !k.Into {
			l.fill(p, place{2, 0}, out, k.Type, 0)
		}
		return p, nil
	}
	room := [2]pairs{p.pairs(n, 32), p.pairs(n, 32)}
	starts := p.scratch(4 * lists * (k.Extent + 1))
	p.Launches = append(p.Launches, l.indexLaunch("scatter_keys_"+k.Index.String(), n,
		Int(n), Int(k.Extent), Operand(0), Scratch(room[0].keys), FaultRecord(), CallNumber()))
	sorted := room[1]
	if k.Count <= networkSide {
		l.network(p, "sort_merge_32", lists, k.Count, Int(lists), Int(k.Count), Int(1), Int(k.Count),
			Scratch(room[0].keys), Int(0), Scratch(sorted.keys), Scratch(sorted.positions))
	} else {
		sorted = l.radixPasses(p, lists, k.Count, 32, bits.Len(uint(k.Extent)), room)
	}
	p.Launches = append(p.Launches, l.indexLaunch("scatter_starts", lists*(k.Extent+1),
		Int(lists), Int(k.Extent), Int(k.Count), Scratch(sorted.keys), Scratch(starts)))
	entry, width := "scatter_add_"+k.Type.String(), k.Inner
	if l.vectorised(k.Inner, size) {
		entry, width = entry+"_packed", k.Inner*size/16
	}
	p.Launches = append(p.Launches, l.indexLaunch(entry, k.Outer*k.Extent*width,
		Int(k.Outer), Int(k.Extent), Int(width), Int(k.Count), flag(k.Batched), flag(k.Into),
		Scratch(starts), Scratch(sorted.positions), Operand(1), Operand(2)))
	return p, nil
}

// oneHot lowers a OneHot: Off everywhere, then On at the labels' places.
func (l *lowering) oneHot(k kernels.OneHot) (*Program, error) {
	p := &Program{Fault: indexFault(k, k.Classes)}
	if n := k.Count * k.Classes; n > 0 {
		l.fill(p, place{1, 0}, n, k.Type, k.Off)
	}
	if k.Count > 0 {
		p.Launches = append(p.Launches, l.indexLaunch(fmt.Sprintf("one_hot_b%d_%s", k.Type.Size(), k.Index), k.Count,
			Int(k.Count), Int(k.Classes), Int(pattern(k.Type, k.On)), Operand(0), Operand(1), FaultRecord(), CallNumber()))
	}
	return p, nil
}
