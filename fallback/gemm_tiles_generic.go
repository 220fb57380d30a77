package fallback

import "unsafe"

// genericKernels are the tiles in plain Go: 4×4 in registers.
func genericKernels[T float]() *gemmKernels[T] {
	rows := []stridedTile[T]{goTileRows[T](1), goTileRows[T](2), goTileRows[T](3), goTileRows[T](4)}
	return &gemmKernels[T]{
		mr: 4, nr: 4, lanes: 2, kc: 256, mc: 64, nc: 2048, directB: 4096, directK: 256,
		packed: func(k int, a, b, c *T, ldc, n, flags int, bias, clamp *T) {
			goTile(4, k, a, 1, 4, b, 4, c, ldc, n, flags, bias, clamp)
		},
		strided:   [2][]stridedTile[T]{rows, rows},
		wide:      [][]wideTile[T]{1: {{goWide, goWideRow[T]}, {4, rows[0]}, {2, rows[0]}}},
		dot:       [4]dotTile[T]{{4, goDot[T](4, 1), goDot[T](1, 1)}, {4, goDot[T](4, 2), goDot[T](1, 2)}, {2, goDot[T](2, 4), goDot[T](1, 4)}, {1, goDot[T](1, 8), goDot[T](1, 8)}},
		packLanes: 4, packRows: goPackRows[T], packTrans: goPackTransposed[T],
	}
}

// goTileRows is the tile of m rows.
func goTileRows[T float](m int) stridedTile[T] {
	return func(k int, a *T, rs, cs int, b *T, ldb int, c *T, ldc, n, flags int, bias, clamp *T) {
		goTile(m, k, a, rs, cs, b, ldb, c, ldc, n, flags, bias, clamp)
	}
}

// goTile is a tile of up to 4×4, by pairs of rows.
func goTile[T float](m, k int, a *T, rs, cs int, b *T, ldb int, c *T, ldc, n, flags int, bias, clamp *T) {
	i := 0
	for ; n == 4 && i+2 <= m; i += 2 {
		s := goPair(k, at(a, i*rs), rs, cs, b, ldb)
		goStore(s[:4], at(c, i*ldc), flags, bias, clamp)
		goStore(s[4:], at(c, (i+1)*ldc), flags, bias, clamp)
	}
	for ; i < m; i++ {
		var sum [4]T
		goRow(sum[:n], k, at(a, i*rs), cs, b, ldb)
		goStore(sum[:n], at(c, i*ldc), flags, bias, clamp)
	}
}

// goWide is the number of columns of the tile of one row.
const goWide = 64

// goWideRow is the tile of one row.
func goWideRow[T float](k int, a *T, _, cs int, b *T, ldb int, c *T, _, n, flags int, bias, clamp *T) {
	var sum [goWide]T
	goRow(sum[:n], k, a, cs, b, ldb)
	goStore(sum[:n], c, flags, bias, clamp)
}

// goStore finishes a row of sums and stores it.
func goStore[T float](sum []T, c *T, flags int, bias, clamp *T) {
	for j, s := range sum {
		y := at(c, j)
		if flags&tileAccumulate != 0 {
			s += *y
		}
		if flags&tileBias != 0 {
			s += *at(bias, j)
		}
		if flags&tileClamp != 0 {
			s = goClamp(s, *clamp, *at(clamp, 1))
		}
		*y = s
	}
}

// goPair multiplies two rows of A by four columns of B, with all sums in registers.
func goPair[T float](k int, a *T, rs, cs int, b *T, ldb int) [8]T {
	var s0, s1, s2, s3, t0, t1, t2, t3 T
	size := int(unsafe.Sizeof(*a))
	pa, pb := unsafe.Pointer(a), unsafe.Pointer(b)
	rs, cs, ldb = rs*size, cs*size, ldb*size
	for p := range k {
		q, r := unsafe.Add(pa, p*cs), (*[4]T)(unsafe.Add(pb, p*ldb))
		x, y := *(*T)(q), *(*T)(unsafe.Add(q, rs))
		r0, r1, r2, r3 := r[0], r[1], r[2], r[3]
		s0 += x * r0
		s1 += x * r1
		s2 += x * r2
		s3 += x * r3
		t0 += y * r0
		t1 += y * r1
		t2 += y * r2
		t3 += y * r3
	}
	return [8]T{s0, s1, s2, s3, t0, t1, t2, t3}
}

// goRow adds a row of A times B to sum.
func goRow[T float](sum []T, k int, a *T, cs int, b *T, ldb int) {
	for p := range k {
		x, r := *at(a, p*cs), unsafe.Slice(at(b, p*ldb), len(sum))
		for j, y := range r {
			sum[j] += x * y
		}
	}
}

// goDot multiplies rows of x by q rows of y.
func goDot[T float](rows, q int) func(count, k int, x *T, ldx int, y *T, ldy int, out *T) {
	return func(count, k int, x *T, ldx int, y *T, ldy int, out *T) {
		for i := range count * rows {
			for j := range q {
				var sum [4]T
				a, b := unsafe.Slice(at(x, i*ldx), k), unsafe.Slice(at(y, j*ldy), k)
				for len(a) >= 4 && len(b) >= 4 {
					sum[0] += a[0] * b[0]
					sum[1] += a[1] * b[1]
					sum[2] += a[2] * b[2]
					sum[3] += a[3] * b[3]
					a, b = a[4:], b[4:]
				}
				for p := range a {
					sum[0] += a[p] * b[p]
				}
				*at(out, i*q+j) = (sum[0] + sum[1]) + (sum[2] + sum[3])
			}
		}
	}
}

// goClamp limits x to lo … hi; NaN stays NaN.
func goClamp[T float](x, lo, hi T) T {
	if x < lo {
		return lo
	}
	if x > hi {
		return hi
	}
	return x
}

func goPackRows[T float](dst, src *T, ld, w, k, stride int, alpha float64) {
	f := T(alpha)
	for p := range k {
		d, s := unsafe.Slice(at(dst, p*stride), w), unsafe.Slice(at(src, p*ld), w)
		for i, x := range s {
			d[i] = f * x
		}
	}
}

func goPackTransposed[T float](dst, src *T, ld, w, k, stride int, alpha float64) {
	f := T(alpha)
	for i := range w {
		s := unsafe.Slice(at(src, i*ld), k)
		for p, x := range s {
			*at(dst, p*stride+i) = f * x
		}
	}
}
