package fallback

import (
	"slices"

	"palladio/kernels"
)

// eltLayout is how an element-wise kernel walks over its shape: rows along the innermost axis, after axes that every input walks
// through alike have been merged. A block is a stretch of the flat output: part of one row, or several whole rows if rows are short.
type eltLayout struct {
	outer   []int   // extents of the outer axes
	row     int     // extent of the innermost axis
	strides [][]int // of each input: of the outer axes, then of the innermost one
	n       int     // elements
	rows    int     // n / row

	block    int // elements of a full block
	perBlock int // whole rows in a block; 0 if a block is part of a row
	perRow   int // blocks in a row, if perBlock is 0
	blocks   int
	tiled    bool // blocks of eltTileRows neighbouring rows follow one another, for the inputs that tile says
}

// eltTileRows is the number of rows that a tile has: neighbouring elements of float32 in a cache line.
const eltTileRows = 16

// shortRow is the length below which several rows share a block.
const shortRow = 512

// newEltLayout merges axes. setBlocks completes it.
func newEltLayout(k kernels.Elementwise) eltLayout {
	var shape []int
	strides := make([][]int, len(k.Inputs))
	for d, extent := range k.Shape {
		if extent == 1 {
			continue
		}
		last := len(shape) - 1
		merge := last >= 0
		for i, in := range k.Inputs {
			merge = merge && strides[i][last] == in.Strides[d]*extent
		}
		if merge {
			shape[last] *= extent
		} else {
			shape = append(shape, extent)
		}
		for i, in := range k.Inputs {
			if merge {
				strides[i][last] = in.Strides[d]
			} else {
				strides[i] = append(strides[i], in.Strides[d])
			}
		}
	}
	if len(shape) == 0 {
		shape = []int{1}
		for i := range strides {
			strides[i] = []int{0}
		}
	}
	last := len(shape) - 1
	l := eltLayout{outer: shape[:last], row: shape[last], strides: strides, n: kernels.Elems(shape)}
	l.rows = kernels.Elems(l.outer)
	return l
}

// dense says whether an input lies like the output.
func (l *eltLayout) dense(input int) bool {
	return slices.Equal(l.strides[input], kernels.DenseStrides(append(slices.Clone(l.outer), l.row)))
}

// fixed says whether an input is one element.
func (l *eltLayout) fixed(input int) bool {
	return !slices.ContainsFunc(l.strides[input], func(s int) bool { return s != 0 })
}

// along is an input's stride along the rows.
func (l *eltLayout) along(input int) int { return l.strides[input][len(l.outer)] }

// sameRow says whether every row of an input is the same.
func (l *eltLayout) sameRow(input int) bool {
	return !slices.ContainsFunc(l.strides[input][:len(l.outer)], func(s int) bool { return s != 0 })
}

// short says whether a block is to hold several rows.
func (l *eltLayout) short() bool { return l.row < shortRow && len(l.outer) > 0 }

// tile says whether an input lies across the rows: its neighbouring elements belong to neighbouring rows. Such an input is brought
// in by tiles, so that a cache line is read once and not for every row anew.
func (l *eltLayout) tile(input int) bool {
	last := len(l.outer) - 1
	return last >= 0 && !l.short() && l.along(input) > 1 && l.strides[input][last] == 1
}

// setBlocks cuts the elements into blocks of about the given number.
func (l *eltLayout) setBlocks(elements int) {
	if l.short() {
		l.perBlock = max(1, elements/l.row)
		l.block = l.perBlock * l.row
		l.blocks = (l.rows + l.perBlock - 1) / l.perBlock
		return
	}
	l.block = elements
	l.perRow = (l.row + elements - 1) / elements
	l.blocks = l.rows * l.perRow
}

// bounds gives a block's first row, its first column, and its number of elements.
func (l *eltLayout) bounds(block int) (row, col, n int) {
	if l.perBlock > 0 {
		row = block * l.perBlock
		return row, 0, min(l.perBlock, l.rows-row) * l.row
	}
	if l.tiled {
		row, col = l.tileBounds(block)
		return row, col, min(l.block, l.row-col)
	}
	row = block
	if l.perRow > 1 {
		row = block / l.perRow
		col = (block - row*l.perRow) * l.block
	}
	return row, col, min(l.block, l.row-col)
}

// tileBounds is bounds for tiled layouts: blocks go down the rows of a tile first.
func (l *eltLayout) tileBounds(block int) (row, col int) {
	extent := l.outer[len(l.outer)-1]
	outside := block / (extent * l.perRow)
	block -= outside * extent * l.perRow
	tiles := block / (eltTileRows * l.perRow)
	block -= tiles * eltTileRows * l.perRow
	height := min(eltTileRows, extent-tiles*eltTileRows)
	return outside*extent + tiles*eltTileRows + block%height, block / height * l.block
}

// tileOf is the first row of a row's tile, and the tile's number of rows.
func (l *eltLayout) tileOf(row int) (first, height int) {
	extent := l.outer[len(l.outer)-1]
	inside := row % extent
	first = inside - inside%eltTileRows
	return row - inside + first, min(eltTileRows, extent-first)
}

// rowStart is where a row of an input begins.
func (l *eltLayout) rowStart(input, row int) int {
	s, off := l.strides[input], 0
	for d := len(l.outer) - 1; d >= 0; d-- {
		if d == 0 {
			return off + row*s[0]
		}
		q := row / l.outer[d]
		off += (row - q*l.outer[d]) * s[d]
		row = q
	}
	return off
}
