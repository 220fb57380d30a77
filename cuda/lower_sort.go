package cuda

import (
	"fmt"
	"math/bits"

	"palladio/kernels"
)

// The sizes that kernels/sort knows.
const (
	networkSide    = 2048 // most elements that a block sorts in shared memory
	networkThreads = 512
	radixThreads   = 256
	radixTile      = 4096 // elements of a tile of the radix sort
	radixDigits    = 256
)

// sort lowers a Sort.
func (l *lowering) sort(k kernels.Sort) (*Program, error) {
	return l.sorted(sorting{k.Type, k.Index, k.Rows, k.Cols, k.Cols, k.Descending}), nil
}

// topK lowers a TopK: the head of a sort.
func (l *lowering) topK(k kernels.TopK) (*Program, error) {
	return l.sorted(sorting{k.Type, k.Index, k.Rows, k.Cols, k.K, !k.Smallest}), nil
}

// sorting writes the first k elements of each sorted row and their positions. Operands: in, values, indices.
type sorting struct {
	t, index      kernels.DType
	rows, cols, k int
	descending    bool
}

// flip turns the keys over for a descending order.
func (s sorting) flip() Slot {
	switch {
	case !s.descending:
		return Int(0)
	case s.t.Size() == 4:
		return Int(uint32(1<<32 - 1))
	}
	return Int(^uint64(0))
}

func (s sorting) wide() Slot { return flag(s.index == kernels.I64) }

// sorted chooses by the length of the rows: a network in one block; for the head of long rows, heads of pieces, and heads of those; else a radix sort.
func (l *lowering) sorted(s sorting) *Program {
	p := &Program{}
	switch {
	case s.rows*s.k == 0:
	case s.cols <= networkSide:
		l.network(p, "sort_row_"+s.t.String(), s.rows, s.cols, Int(s.rows), Int(s.cols), Int(s.k), s.flip(), Operand(0), Operand(1), Operand(2), s.wide())
	case s.k <= networkSide/4:
		l.heads(p, s)
	default:
		l.radixSort(p, s)
	}
	return p
}

// network adds a launch of blocks that sort n elements each in shared memory.
func (l *lowering) network(p *Program, entry string, blocks, n int, args ...Slot) {
	threads := min(networkThreads, max(32, 1<<bits.Len(uint(min(n, networkSide)-1))/2))
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("sort/sort"), Entry: entry, Args: args,
		Grid: Dim{min(blocks, l.SMs*32), 1, 1}, Block: Dim{threads, 1, 1},
	})
}

// keyBytes is the size of a key.
func (s sorting) keyBits() int { return 8 * s.t.Size() }

// scratch takes n bytes of the workspace.
func (p *Program) scratch(n int) int {
	off := p.Workspace
	p.Workspace += ceilDiv(n, 256) * 256
	return off
}

// pairs is room for keys and positions.
type pairs struct{ keys, positions int }

func (p *Program) pairs(n, keyBits int) pairs {
	return pairs{p.scratch(n * keyBits / 8), p.scratch(4 * n)}
}

// heads keeps the first k of each piece of networkSide elements, and of pieces of those, until one is left.
func (l *lowering) heads(p *Program, s sorting) {
	parts := ceilDiv(s.cols, networkSide)
	room := [2]pairs{p.pairs(s.rows*parts*s.k, s.keyBits()), {}}
	if more := ceilDiv(parts*s.k, networkSide); parts > 1 {
		room[1] = p.pairs(s.rows*more*s.k, s.keyBits())
	}
	l.network(p, "sort_pieces_"+s.t.String(), s.rows*parts, networkSide,
		Int(s.rows), Int(s.cols), Int(parts), Int(s.k), s.flip(), Operand(0), Scratch(room[0].keys), Scratch(room[0].positions))
	now := 0
	for parts > 1 {
		n := parts * s.k
		parts = ceilDiv(n, networkSide)
		from, to := room[now], room[1-now]
		l.network(p, fmt.Sprintf("sort_merge_%d", s.keyBits()), s.rows*parts, min(n, networkSide),
			Int(s.rows), Int(n), Int(parts), Int(s.k), Scratch(from.keys), Scratch(from.positions), Scratch(to.keys), Scratch(to.positions))
		now = 1 - now
	}
	l.finish(p, s, room[now].positions, s.k)
}

// finish writes values and indices of sorted rows of positions, stride elements apart.
func (l *lowering) finish(p *Program, s sorting, positions, stride int) {
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("sort/sort"), Entry: "sort_finish_" + s.t.String(),
		Grid: l.grid(s.rows*s.k, 256, 4), Block: Dim{256, 1, 1},
		Args: []Slot{Int(s.rows), Int(s.cols), Int(s.k), Int(stride), Operand(0), Scratch(positions), Operand(1), Operand(2), s.wide()},
	})
}

// radixSort sorts long rows by digits of their keys.
func (l *lowering) radixSort(p *Program, s sorting) {
	n := s.rows * s.cols
	room := [2]pairs{p.pairs(n, s.keyBits()), p.pairs(n, s.keyBits())}
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("sort/radix"), Entry: "radix_keys_" + s.t.String(),
		Grid: l.grid(n, radixThreads, 8), Block: Dim{radixThreads, 1, 1},
		Args: []Slot{Int(n), s.flip(), Operand(0), Scratch(room[0].keys)},
	})
	sorted := l.radixPasses(p, s.rows, s.cols, s.keyBits(), s.keyBits(), room)
	l.finish(p, s, sorted.positions, s.cols)
}

// radixPasses sorts rows of keys of keyBits by their lowest significant bits, from room[0] and taking turns with room[1]. It returns where the
// result is.
func (l *lowering) radixPasses(p *Program, rows, cols, keyBits, significant int, room [2]pairs) pairs {
	tiles := ceilDiv(cols, radixTile)
	counts := p.scratch(4 * rows * radixDigits * tiles)
	now := 0
	for shift := 0; shift < significant; shift += 8 {
		from, to := room[now], room[1-now]
		positions := Scratch(from.positions)
		if shift == 0 {
			positions = Int(0)
		}
		add := func(entry string, blocks int, args ...Slot) {
			p.Launches = append(p.Launches, Launch{
				Module: Shipped("sort/radix"), Entry: entry, Grid: Dim{blocks, 1, 1}, Block: Dim{radixThreads, 1, 1}, Args: args,
			})
		}
		add(fmt.Sprintf("radix_count_%d", keyBits), rows*tiles, Int(cols), Int(tiles), Int(shift), Scratch(from.keys), Scratch(counts))
		add("radix_scan", rows, Int(radixDigits*tiles), Scratch(counts))
		add(fmt.Sprintf("radix_scatter_%d", keyBits), rows*tiles, Int(cols), Int(tiles), Int(shift), Scratch(from.keys), positions, Scratch(counts),
			Scratch(to.keys), Scratch(to.positions))
		now = 1 - now
	}
	return room[now]
}
