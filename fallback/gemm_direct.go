package fallback

// directScratch is the scratch of one thread in elements.
func (e *gemmExec[T]) directScratch() int {
	switch e.mode {
	case gemmDot:
		return dotScratch(e.k.K)
	case gemmFlipped:
		return roundUp(e.k.N*e.split.rows, 16)
	}
	return e.copyScratch() + e.tailScratch()
}

// copyScratch is the part of the scratch of direct that holds a transposed B or a scaled A.
func (e *gemmExec[T]) copyScratch() int {
	k, n := &e.k, 0
	switch {
	case k.TransB:
		n = k.K * roundUp(e.split.cols, e.g.packLanes)
	case k.Alpha != 1:
		n = k.K * e.split.rows
	default:
		return 0
	}
	return roundUp(n+packSlack, 16)
}

// tailScratch is the part of the scratch of direct that holds the last columns of B.
func (e *gemmExec[T]) tailScratch() int {
	if e.tail() == 0 {
		return 0
	}
	return dotScratch(e.k.K)
}

// tail is the number of last columns that direct computes by dot products: a tile of so few would leave most lanes idle.
func (e *gemmExec[T]) tail() int {
	k := &e.k
	tail := k.N % e.g.nr
	if k.N < e.g.nr || tail == 0 || tail > 4 || k.TransA || !dotColumnsPay(k.M, tail, k.K) {
		return 0
	}
	return tail
}

// direct multiplies rows i0 … i0+m-1 and columns j0 … j0+n-1 of the matrices that w is bound to, as they are stored. A transposed B
// and a scaled A are copied first.
func (e *gemmExec[T]) direct(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	k, g, p := &e.k, e.g, &w.product
	if p.before {
		p.epilogue.before(i0, m, j0, n)
	}
	all := n
	if tail := e.tail(); tail > 0 && j0+n == k.N {
		n -= tail
		e.dotColumns(w, i0, m, j0+n, tail, work[e.copyScratch():])
	}
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
		flags |= tileAccumulate
	}
	if flags&tileBias != 0 {
		bias = at(bias, j0)
	}
	g.multiplyStrided(m, n, k.K, a, rs, cs, b, ldb, at(p.c, i0*k.LDC+j0), k.LDC, flags, bias, p.clamp)
	if p.after {
		p.epilogue.after(i0, m, j0, all)
	}
}

// flipped multiplies rows i0 … i0+m-1 of a transposed A by few columns: as the product op(B)ᵀ·A, whose rows are long, into scratch.
func (e *gemmExec[T]) flipped(w *gemmWorker[T], i0, m int, work []T) {
	k, p := &e.k, &w.product
	if p.before {
		p.epilogue.before(i0, m, 0, k.N)
	}
	rs, cs := 1, k.LDB
	if k.TransB {
		rs, cs = k.LDB, 1
	}
	e.g.multiplyStrided(k.N, m, k.K, w.columns.data, rs, cs, at(w.rows.data, i0), k.LDA, &work[0], m, 0, nil, nil)
	for i := range m {
		for j := range k.N {
			e.store(w, i0+i, j, work[j*m+i])
		}
	}
	if p.after {
		p.epilogue.after(i0, m, 0, k.N)
	}
}

// store finishes one sum and stores it.
func (e *gemmExec[T]) store(w *gemmWorker[T], i, j int, sum T) {
	p := &w.product
	c := at(p.c, i*p.ldc+j)
	sum *= w.alpha
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
