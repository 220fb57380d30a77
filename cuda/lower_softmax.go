package cuda

import "palladio/kernels"

// registerRow is how a kernel that holds rows in registers covers a row of n elements: by groups of threads of a power of two, each with up to
// packs·16 bytes of the row.
type registerRow struct {
	packs   int // of the entry point: the number in its name
	threads int // in a group
	block   int // threads in a block
	packed  bool
}

// registerRows chooses the smallest of the entry points, given by the packs that a thread holds, that covers a row of n elements in a warp; else
// the largest with as many threads as it needs, up to most. It says whether there is one.
func (l *lowering) registerRows(n, size, most int, packs ...int) (r registerRow, ok bool) {
	unit := 16 / size
	r.packed = l.vectorised(n, size)
	for _, r.packs = range packs {
		if r.threads = powerOfTwo(ceilDiv(n, r.packs*unit)); r.threads <= 32 {
			break
		}
	}
	r.block = max(256, r.threads)
	return r, r.threads <= most
}

// blocks is the number of blocks that rows take.
func (r *registerRow) blocks(rows int) int { return ceilDiv(rows, r.block/r.threads) }

func (l *lowering) softmax(k kernels.Softmax) *Program {
	return l.softmaxLaunch("softmax", k, Operand(0), Operand(1))
}

func (l *lowering) softmaxBackward(k kernels.SoftmaxBackward) *Program {
	return l.softmaxLaunch("softmax_backward", k.Of, Operand(0), Operand(1), Operand(2))
}

func (l *lowering) softmaxLaunch(name string, k kernels.Softmax, tensors ...Slot) *Program {
	if k.Outer*k.Len*k.Inner == 0 {
		return &Program{}
	}
	suffix, size := k.Type.String(), k.Type.Size()
	launch := func(kind string, blocks, threads int, args ...Slot) *Program {
		return &Program{Launches: []Launch{{
			Module: Shipped("softmax/softmax_" + suffix), Entry: name + "_" + kind + "_" + suffix,
			Grid: Dim{blocks, 1, 1}, Block: Dim{threads, 1, 1}, Args: append(append(args, flag(k.Log)), tensors...),
		}}}
	}
	if k.Inner > 1 {
		kind, unit := l.units(k.Inner, size)
		units := k.Inner / unit
		columns := columnsOfTile(units, k.Len)
		tiles := ceilDiv(units, columns)
		return launch("columns_"+kind, k.Outer*tiles, 256, Int(k.Len), Int(k.Inner), Int(tiles), Int(columns))
	}
	packs := []int{1, 8}
	if name != "softmax" {
		packs[1] = 4
	}
	if r, ok := l.registerRows(k.Len, size, 512, packs...); ok {
		kind := [...]string{1: "rows1", 4: "rows4", 8: "rows8"}[r.packs]
		return launch(kind, r.blocks(k.Outer), r.block, Int(k.Outer), Int(k.Len), Int(r.threads), flag(r.packed))
	}
	kind, _ := l.units(k.Len, size)
	return launch("long_"+kind, k.Outer, 1024, Int(k.Len))
}

// units says by how many elements rows of n can be read, and what entry points for that are called.
func (l *lowering) units(n, size int) (kind string, elements int) {
	if l.vectorised(n, size) {
		return "packed", 16 / size
	}
	return "single", 1
}
