package cuda

import (
	"strconv"

	"palladio/kernels"
)

// registerRow is how a kernel that holds rows in registers covers a row of n elements: by groups of threads of a power of two, each with up to
// packs·16 bytes of the row.
type registerRow struct {
	packs   int // of the entry point: the number in its name
	threads int // in a group
	block   int // threads in a block
	packed  bool
}

// registerRows chooses the entry point for one pack a thread if that covers a row of n elements in a warp; else the one for the given packs (half as many of
// 16-bit elements, which take twice their bytes in registers) with as many threads as it needs, up to most. It says whether that is enough.
func (l *lowering) registerRows(n int, t kernels.DType, most, packs int) (r registerRow, ok bool) {
	size := t.Size()
	if size == 2 {
		packs /= 2
	}
	r.packed = l.vectorised(n, size)
	for _, r.packs = range []int{1, packs} {
		if r.threads = powerOfTwo(ceilDiv(n, r.packs*(16/size))); r.threads <= 32 {
			break
		}
	}
	r.block = max(256, r.threads)
	return r, r.threads <= most
}

// kind is the part of an entry point's name that says how many packs a thread holds.
func (r *registerRow) kind(rows string) string { return rows + strconv.Itoa(r.packs) }

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
	most, short := 8, 128
	if name != "softmax" {
		most, short = 4, 64 // there are two rows
	}
	if l.short(k.Outer, k.Len*max(size, 4), short) {
		return launch("short", ceilDiv(k.Outer, 256), 256, Int(k.Outer), Int(k.Len))
	}
	if r, ok := l.registerRows(k.Len, k.Type, 512, most); ok {
		return launch(r.kind("rows"), r.blocks(k.Outer), r.block, Int(k.Outer), Int(k.Len), Int(r.threads), flag(r.packed))
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
