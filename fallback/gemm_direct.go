package fallback

// dotRows is the number of rows of A up to which a product with a transposed B is computed by dot products.
const dotRows = 4

// directScratch is the scratch of one thread, in elements: a copy of op(B) in rows, or of A scaled; the results of dot products.
func (e *gemmExec[T]) directScratch() int {
	k, n := &e.k, 0
	switch {
	case e.mode == gemmDot && k.TransA:
		n = k.K * roundUp(k.M, e.g.packLanes)
	case e.mode == gemmDot:
	case k.TransB:
		n = k.K * roundUp(e.split.cols, e.g.packLanes)
	case k.Alpha != 1:
		n = k.K * e.split.rows
	default:
		return 0
	}
	return roundUp(n+packSlack, 16)
}

// direct multiplies rows i0 … i0+m-1 and columns j0 … j0+n-1 of the matrices that w is bound to, as they are stored. A transposed B
// and a scaled A are copied first.
func (e *gemmExec[T]) direct(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	k, g, p := &e.k, e.g, &w.product
	a, rs, cs := at(w.rows.data, i0*k.LDA), k.LDA, 1
	if k.TransA {
		a, rs, cs = at(w.rows.data, i0), 1, k.LDA
	}
	b, ldb := at(w.columns.data, j0), k.LDB
	switch {
	case k.K == 0:
	case k.TransB:
		src, stride := at(w.columns.data, j0*ldb), roundUp(n, g.packLanes)
		b = &work[0]
		g.packColumns(b, src, ldb, n, k.K, stride, k.Alpha)
		ldb = stride
	case k.Alpha == 1:
	case k.TransA:
		g.packRows(&work[0], a, k.LDA, m, k.K, m, k.Alpha)
		a, cs = &work[0], m
	default:
		g.packRows(&work[0], a, k.LDA, k.K, m, k.K, k.Alpha)
		a, rs = &work[0], k.K
	}
	flags, bias := p.flags, p.bias
	if p.before {
		p.epilogue.before(i0, m, j0, n)
		flags |= tileAccumulate
	}
	if flags&tileBias != 0 {
		bias = at(bias, j0)
	}
	g.multiplyStrided(m, n, k.K, a, rs, cs, b, ldb, at(p.c, i0*k.LDC+j0), k.LDC, flags, bias, p.clamp)
	if p.after {
		p.epilogue.after(i0, m, j0, n)
	}
}

// dot computes a block by dot products of rows of A and rows of B, streaming the operand that has more of them.
func (e *gemmExec[T]) dot(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	k, g, p := &e.k, e.g, &w.product
	if p.before {
		p.epilogue.before(i0, m, j0, n)
	}
	a, lda := at(w.rows.data, i0*k.LDA), k.LDA
	if k.TransA {
		a, lda = &work[0], k.K
		for i := range m { // few rows
			g.packRows(at(a, i*k.K), at(w.rows.data, i0+i), k.LDA, 1, k.K, 1, 1)
		}
	}
	if m > dotRows { // N is 1
		e.dotBlock(w, dotStream[T]{a, lda, i0, m}, dotStream[T]{w.columns.data, k.LDB, 0, 1}, false)
	} else {
		e.dotBlock(w, dotStream[T]{at(w.columns.data, j0*k.LDB), k.LDB, j0, n}, dotStream[T]{a, lda, i0, m}, true)
	}
	if p.after {
		p.epilogue.after(i0, m, j0, n)
	}
}

// dotStream is count rows of an operand, the first of which belongs to row or column first of C.
type dotStream[T float] struct {
	data  *T
	ld    int
	first int
	count int
}

// dotBlock multiplies the rows of x by the few of y. flipped says that x belongs to the columns of C.
func (e *gemmExec[T]) dotBlock(w *gemmWorker[T], x, y dotStream[T], flipped bool) {
	k := &e.k
	for j := 0; j < y.count; {
		level := 0
		for level < 2 && y.count-j >= 2<<level {
			level++
		}
		q, t := 1<<level, &e.g.dot[level]
		for i := 0; i < x.count; {
			rows, f := t.rows, t.many
			if x.count-i < rows {
				rows, f = 1, t.one
			}
			f(k.K, at(x.data, i*x.ld), x.ld, at(y.data, j*y.ld), y.ld, &w.dots[0])
			for s := range rows * q {
				row, col := x.first+i+s/q, y.first+j+s%q
				if flipped {
					row, col = col, row
				}
				e.storeDot(w, row, col, w.dots[s])
			}
			i += rows
		}
		j += q
	}
}

// storeDot finishes one element and stores it.
func (e *gemmExec[T]) storeDot(w *gemmWorker[T], i, j int, sum T) {
	p := &w.product
	c := at(p.c, i*p.ldc+j)
	sum *= T(e.k.Alpha)
	if p.before {
		sum += *c
	}
	if p.flags&tileBias != 0 {
		sum += *at(p.bias, j)
	}
	if p.flags&tileClamp != 0 {
		sum = goClamp(sum, w.clamp[0], w.clamp[1])
	}
	*c = sum
}
