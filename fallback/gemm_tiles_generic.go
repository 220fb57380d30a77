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

// goTile is a tile of up to 4×4, by columns of 4 rows or one element at a time.
func goTile[T float](m, k int, a *T, rs, cs int, b *T, ldb int, c *T, ldc, n, flags int, bias, clamp *T) {
	for j := range n {
		var sum [4]T
		if m == 4 {
			sum = goDot4(k, a, rs, cs, at(b, j), ldb)
		} else {
			for i := range m {
				for p := range k {
					sum[i] += *at(a, i*rs+p*cs) * *at(b, p*ldb+j)
				}
			}
		}
		for i := range m {
			y, s := at(c, i*ldc+j), sum[i]
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
}

// goDot4 multiplies four rows of A by one column of B.
func goDot4[T float](k int, a *T, rs, cs int, b *T, ldb int) [4]T {
	var s0, s1, s2, s3 T
	size := int(unsafe.Sizeof(*a))
	pa, pb := unsafe.Pointer(a), unsafe.Pointer(b)
	for p := 0; p < k; p++ {
		q := unsafe.Add(pa, p*cs*size)
		x := *(*T)(unsafe.Add(pb, p*ldb*size))
		s0 += *(*T)(q) * x
		s1 += *(*T)(unsafe.Add(q, rs*size)) * x
		s2 += *(*T)(unsafe.Add(q, 2*rs*size)) * x
		s3 += *(*T)(unsafe.Add(q, 3*rs*size)) * x
	}
	return [4]T{s0, s1, s2, s3}
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
