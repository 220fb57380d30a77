package fallback

import "unsafe"

const (
	dotRows   = 8  // rows of A or columns of B up to which a product is computed by dot products
	dotLength = 32 // shorter ones do not pay
)

// dotColumnsPay says whether few columns are better computed by dot products, which end with a sum over lanes for each, than by tiles,
// which leave lanes idle.
func dotColumnsPay(m, n, k int) bool {
	return n <= dotRows && m >= 2*n && k >= [dotRows + 1]int{1: 16, 2: 24, 3: 48, 4: 48, 5: 96, 6: 96, 7: 96, 8: 128}[n]
}

// dotScratch is the scratch that the few rows or columns need, copied.
func dotScratch(k int) int { return roundUp(dotRows*k+packSlack, 16) }

// dotStream is count rows of an operand, the first of which belongs to row or column first of C.
type dotStream[T float] struct {
	data             *T
	ld, first, count int
}

// dot computes a block whose rows of A, or columns of B, are few: dot products of rows, streaming the other operand once.
func (e *gemmExec[T]) dot(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	k, p := &e.k, &w.product
	if p.before {
		p.epilogue.before(i0, m, j0, n)
	}
	if k.TransB && k.M <= dotRows {
		y := dotStream[T]{at(w.rows.data, i0*k.LDA), k.LDA, i0, m}
		if k.TransA {
			y.data = at(w.rows.data, i0)
		}
		e.gather(&y, !k.TransA, work)
		e.dotBlock(w, dotStream[T]{at(w.columns.data, j0*k.LDB), k.LDB, j0, n}, y, true)
	} else {
		e.dotColumns(w, i0, m, j0, n, work)
	}
	if p.after {
		p.epilogue.after(i0, m, j0, n)
	}
}

// dotColumns computes few columns of rows of A as stored.
func (e *gemmExec[T]) dotColumns(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	k := &e.k
	y := dotStream[T]{at(w.columns.data, j0), k.LDB, j0, n}
	if k.TransB {
		y.data = at(w.columns.data, j0*k.LDB)
	}
	e.gather(&y, k.TransB, work)
	e.dotBlock(w, dotStream[T]{at(w.rows.data, i0*k.LDA), k.LDA, i0, m}, y, false)
}

// gather copies the few rows into work, one after the other and up to a power of two, unless they lie in rows and are as many.
func (e *gemmExec[T]) gather(y *dotStream[T], inRows bool, work []T) {
	k, full := e.k.K, 1<<dotTileOf(y.count)
	if inRows && y.count == full {
		return
	}
	for i := range y.count {
		if inRows {
			e.g.packRows(&work[i*k], at(y.data, i*y.ld), k, k, 1, k, 1)
		} else {
			e.g.packRows(&work[i*k], at(y.data, i), y.ld, 1, k, 1, 1)
		}
	}
	clear(work[y.count*k : full*k])
	y.data, y.ld = &work[0], k
}

// dotTileOf is the index of the tile for a number of rows: the logarithm, rounded up.
func dotTileOf(rows int) int {
	l := 0
	for 1<<l < rows {
		l++
	}
	return l
}

// dotBlock multiplies the rows of x by the few of y, gathered. flipped says that x belongs to the columns of C.
func (e *gemmExec[T]) dotBlock(w *gemmWorker[T], x, y dotStream[T], flipped bool) {
	p := &w.product
	level := dotTileOf(y.count)
	q, t := 1<<level, &e.g.dot[level]
	direct := w.plain && (flipped && q == 1 || !flipped && y.count == q && p.ldc == q) // results lie in C as the tiles write them
	for i := 0; i < x.count; {
		rows, count, f := t.rows, min(x.count-i, len(w.dots)/q)/t.rows, t.many
		if count == 0 {
			rows, count, f = 1, x.count-i, t.one
		}
		if direct {
			c := at(p.c, y.first*p.ldc+x.first+i)
			if !flipped {
				c = at(p.c, (x.first+i)*p.ldc+y.first)
			}
			count = (x.count - i) / rows
			f(count, e.k.K, at(x.data, i*x.ld), x.ld, y.data, y.ld, c)
			i += rows * count
			continue
		}
		f(count, e.k.K, at(x.data, i*x.ld), x.ld, y.data, y.ld, &w.dots[0])
		for r := range rows * count {
			row, sums := x.first+i+r, w.dots[r*q:r*q+y.count]
			switch {
			case flipped:
				for j, sum := range sums {
					e.store(w, y.first+j, row, sum)
				}
			case w.plain:
				copy(unsafe.Slice(at(p.c, row*p.ldc+y.first), y.count), sums)
			default:
				for j, sum := range sums {
					e.store(w, row, y.first+j, sum)
				}
			}
		}
		i += rows * count
	}
}
