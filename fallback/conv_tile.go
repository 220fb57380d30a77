package fallback

import "unsafe"

// rowsKernel computes one tile of the result of a convolution: some rows (pixels) by at most one panel of columns (filters).
// See convRowsGeneric for its meaning; next is the distance in bytes from a tile's offsets to the next one's, whose rows are fetched ahead.
type rowsKernel func(x, b, y, bias, residual *float32, off, out *int, segs, n, next, xstep, bstep, cols int, lo, hi float32)

// outerKernel computes one tile of a sum of outer products. See convOuterGeneric for its meaning.
type outerKernel func(a, b, y *float32, seg *int, segs, astep, bstep, ystep, cols, add int)

// tileKernels are the micro-kernels for some range of columns, indexed by the rows of the tile; index 0 is unused.
type tileKernels struct {
	rows  []rowsKernel
	outer []outerKernel
}

// convTiles is the set of micro-kernels of a level.
type convTiles struct {
	width  int                                      // columns of a panel
	full   tileKernels                              // tiles of width columns
	tail   tileKernels                              // of fewer
	narrow tileKernels                              // of at most width/2; may be empty
	pack8  func(x, y *float32, xstep, ystep, n int) // transposes 8 rows of 8n elements; nil: none
}

// kernels are the micro-kernels for a panel of cols columns.
func (t *convTiles) kernels(cols int) tileKernels {
	switch {
	case cols == t.width:
		return t.full
	case cols <= t.width/2 && len(t.narrow.rows) > 0:
		return t.narrow
	}
	return t.tail
}

// maxRows is the most rows that a tile may have when the result has cols columns, in panels of width and a last one.
func (t *convTiles) maxRows(cols int) int {
	if cols%t.width == 0 {
		return len(t.full.rows) - 1
	}
	return min(len(t.full.rows), len(t.kernels(cols%t.width).rows)) - 1
}

// portableTiles are the micro-kernels in plain Go.
var portableTiles = func() *convTiles {
	const rows = 4
	k := tileKernels{make([]rowsKernel, rows+1), make([]outerKernel, rows+1)}
	for mr := 1; mr <= rows; mr++ {
		k.rows[mr] = func(x, b, y, bias, residual *float32, off, out *int, segs, n, next, xstep, bstep, cols int, lo, hi float32) {
			convRowsGeneric(mr, x, b, y, bias, residual, off, out, segs, n, xstep, bstep, cols, lo, hi)
		}
		k.outer[mr] = func(a, b, y *float32, seg *int, segs, astep, bstep, ystep, cols, add int) {
			convOuterGeneric(mr, a, b, y, seg, segs, astep, bstep, ystep, cols, add)
		}
	}
	return &convTiles{width: portableWidth, full: k, tail: k}
}()

const portableWidth = 8

// floatAt is p moved by some bytes. The zeros that stand for padding are reached from the image by an offset, across
// allocations, which is sound (both are held, nothing moves) but not what the race detector's pointer check expects.
//
//go:nocheckptr
func floatAt(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }
func intAt(p *int, i int) int                { return *(*int)(unsafe.Add(unsafe.Pointer(p), 8*i)) }

func floatsAt(p *float32, bytes, n int) []float32 { return unsafe.Slice(floatAt(p, bytes), n) }

// convRowsGeneric computes a tile of mr rows and cols columns:
//
//	t[i][j] = bias[j] + Σ over s < segs, k < n of x[off[s][i] + k·xstep] · b[(s·n + k)·bstep + j]
//	y[out[i] + j] = min(max(t[i][j] + residual[out[i] + j], lo), hi)   for j < cols
//
// Offsets and steps are in bytes; bias and residual may be nil.
func convRowsGeneric(mr int, x, b, y, bias, residual *float32, off, out *int, segs, n, xstep, bstep, cols int, lo, hi float32) {
	for i := range mr {
		var t [portableWidth]float32
		if bias != nil {
			copy(t[:], floatsAt(bias, 0, cols))
		}
		for s := range segs {
			o := intAt(off, s*mr+i)
			for k := range n {
				v := *floatAt(x, o+k*xstep)
				for j, w := range floatsAt(b, (s*n+k)*bstep, cols) {
					t[j&(portableWidth-1)] += v * w
				}
			}
		}
		o := intAt(out, i)
		if residual != nil {
			for j, v := range floatsAt(residual, o, cols) {
				t[j] += v
			}
		}
		for j := range floatsAt(y, o, cols) {
			v := t[j]
			if v < lo {
				v = lo
			}
			if v > hi {
				v = hi
			}
			floatsAt(y, o, cols)[j] = v
		}
	}
}

// convOuterGeneric computes a tile of mr rows and cols columns:
//
//	t[i][j] = Σ over segments {ao, bo, n}, k < n of a[ao + k·astep + i] · b[bo + k·bstep + j]
//	y[i·ystep + j] = t[i][j], or added to it where add is not 0, for j < cols
//
// Offsets and steps are in bytes.
func convOuterGeneric(mr int, a, b, y *float32, seg *int, segs, astep, bstep, ystep, cols, add int) {
	var t [4][portableWidth]float32
	for s := range segs {
		ao, bo, n := intAt(seg, 3*s), intAt(seg, 3*s+1), intAt(seg, 3*s+2)
		for k := range n {
			br := floatsAt(b, bo+k*bstep, cols)
			for i, v := range floatsAt(a, ao+k*astep, mr) {
				for j, w := range br {
					t[i&3][j&(portableWidth-1)] += v * w
				}
			}
		}
	}
	for i := range mr {
		for j := range floatsAt(y, i*ystep, cols) {
			if add != 0 {
				t[i][j] += floatsAt(y, i*ystep, cols)[j]
			}
			floatsAt(y, i*ystep, cols)[j] = t[i][j]
		}
	}
}
