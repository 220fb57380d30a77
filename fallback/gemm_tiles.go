package fallback

import "unsafe"

// This file and gemm_blocked.go are what matrix products and convolutions are built from: the geometry of the
// micro-kernels of each level, packing, and the product of packed panels.

// float is an element type of matrix products.
type float interface{ float32 | float64 }

// The flags of a tile kernel: what it adds to the sum over k before it stores.
const (
	tileAccumulate = 1 << iota // the old value of C
	tileBias                   // bias[j]
	tileClamp                  // limit to clamp[0] … clamp[1]; NaN stays NaN
)

// A packedTile multiplies an A panel of [k][mr] by a B panel of [k][nr] into mr×n elements of C, nr-lanes < n ≤ nr:
//
//	c[i*ldc+j] = clamp(Σ_p a[p*mr+i]·b[p*nr+j] + c[i*ldc+j] + bias[j])
//
// with the terms that flags asks for. It may read up to nr columns of b, and stores n.
type packedTile[T float] func(k int, a, b, c *T, ldc, n, flags int, bias, clamp *T)

// A stridedTile does the same for a[i*rs+p*cs] and b[p*ldb+j]. It reads and writes no column past n.
type stridedTile[T float] func(k int, a *T, rs, cs int, b *T, ldb int, c *T, ldc, n, flags int, bias, clamp *T)

// A packing copies into a panel, scaled by alpha: w columns at steps of 1 (packRows) or of ld (packTransposed) in src
// become columns 0 … w-1 of dst, for p < k.
//
//	packRows:       dst[p*stride+i] = alpha·src[p*ld+i]
//	packTransposed: dst[p*stride+i] = alpha·src[i*ld+p]   (w ≤ packLanes)
//
// They write w rounded up to packLanes elements for each p, in ascending order of p.
type packing[T float] func(dst, src *T, ld, w, k, stride int, alpha float64)

// gemmKernels is the set of micro-kernels of one level and element type.
type gemmKernels[T float] struct {
	mr, nr int // rows and columns of the packed tile
	lanes  int // elements of a vector; nr = 2·lanes
	// kc, mc and nc are the blocks of the packed product: a B panel of kc×nr stays in L1 or near it, an A block of mc×kc in L2,
	// a B block of kc×nc in L3.
	kc, mc, nc int
	// Matrices B of up to directB elements and directK rows are multiplied in place: packing would cost more than it saves.
	directB, directK int
	packed           packedTile[T]
	strided          [2][]stridedTile[T] // [vectors-1][rows-1]
	wide             [][]wideTile[T]     // [rows], widest first
	dot              [4]dotTile[T]       // [log2 of the rows of y]
	packLanes        int
	packRows         packing[T]
	packTrans        packing[T]
}

// wideTile is a strided tile of more than two vectors, for products of few rows, which stream B.
type wideTile[T float] struct {
	cols int
	tile stridedTile[T]
}

// dotTile multiplies rows by rows: out[i*q+j] = Σ_p x[i*ldx+p]·y[j*ldy+p], for q = 1, 2, 4 or 8 rows of y and count groups of rows
// rows of x (many), or count rows (one).
type dotTile[T float] struct {
	rows      int
	many, one func(count, k int, x *T, ldx int, y *T, ldy int, out *T)
}

// packSlack is the number of elements that a packing may write past the end of the last panel.
const packSlack = 16

// kernelsOf are the kernels of a level for the element type.
func kernelsOf[T float](l Level) *gemmKernels[T] {
	var t T
	if _, single := any(t).(float32); single {
		return any(sgemmLevels[l]).(*gemmKernels[T])
	}
	return any(dgemmLevels[l]).(*gemmKernels[T])
}

// at is element i of the array that p points into.
func at[T float](p *T, i int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p))))
}

// ceilDiv rounds a/b up.
func ceilDiv(a, b int) int { return (a + b - 1) / b }

// roundUp rounds a up to a multiple of b.
func roundUp(a, b int) int { return ceilDiv(a, b) * b }

// packedA is the number of elements of m×k packed into A panels, and packedB of k×n into B panels, with slack.
func (g *gemmKernels[T]) packedA(m, k int) int { return roundUp(m, g.mr)*k + packSlack }
func (g *gemmKernels[T]) packedB(k, n int) int { return roundUp(n, g.nr)*k + packSlack }

// packA packs m×k of a matrix into panels of [k][mr], one after the other (panel i at i·mr·k). The matrix has its rows at steps of
// ld, or, transposed, its columns.
func (g *gemmKernels[T]) packA(dst, src *T, ld int, trans bool, m, k int, alpha float64) {
	for i := 0; i < m; i += g.mr {
		w, panel := min(g.mr, m-i), at(dst, i*k)
		if trans {
			g.packRows(panel, at(src, i), ld, w, k, g.mr, alpha)
			continue
		}
		g.packColumns(panel, at(src, i*ld), ld, w, k, g.mr, alpha)
	}
}

// packB packs k×n of a matrix into panels of [k][nr], one after the other (panel j at j·nr·k). The matrix has its rows at steps of
// ld, or, transposed, its columns.
func (g *gemmKernels[T]) packB(dst, src *T, ld int, trans bool, k, n int, alpha float64) {
	for j := 0; j < n; j += g.nr {
		w, panel := min(g.nr, n-j), at(dst, j*k)
		if trans {
			g.packColumns(panel, at(src, j*ld), ld, w, k, g.nr, alpha)
			continue
		}
		g.packRows(panel, at(src, j), ld, w, k, g.nr, alpha)
	}
}

// packColumns packs w rows of src as the columns of a panel: groups of packLanes from the last to the first, because a group may
// write past its columns into the next row's first ones.
func (g *gemmKernels[T]) packColumns(panel, src *T, ld, w, k, stride int, alpha float64) {
	for i := (w - 1) / g.packLanes * g.packLanes; i >= 0; i -= g.packLanes {
		g.packTrans(at(panel, i), at(src, i*ld), ld, min(g.packLanes, w-i), k, stride, alpha)
	}
}

// multiplyPanels is the macro-kernel: m×n of C from packed panels of A and B.
func (g *gemmKernels[T]) multiplyPanels(m, n, k int, a, b, c *T, ldc, flags int, bias, clamp *T) {
	for j := 0; j < n; j += g.nr {
		w, panel, biasJ := min(g.nr, n-j), at(b, j*k), bias
		if flags&tileBias != 0 {
			biasJ = at(bias, j)
		}
		for i := 0; i < m; i += g.mr {
			h := min(g.mr, m-i)
			if h == g.mr && w > g.nr-g.lanes {
				g.packed(k, at(a, i*k), panel, at(c, i*ldc+j), ldc, w, flags, biasJ, clamp)
				continue
			}
			g.strided[(w-1)/g.lanes][h-1](k, at(a, i*k), 1, g.mr, panel, g.nr, at(c, i*ldc+j), ldc, w, flags, biasJ, clamp)
		}
	}
}

// multiplyStrided is m×n of C from matrices in place: a[i*rs+p*cs], b[p*ldb+j].
func (g *gemmKernels[T]) multiplyStrided(m, n, k int, a *T, rs, cs int, b *T, ldb int, c *T, ldc, flags int, bias, clamp *T) {
	for j := 0; j < n; {
		t := g.stridedTiles(m, n-j)
		w, biasJ := min(t.cols, n-j), bias
		if flags&tileBias != 0 {
			biasJ = at(bias, j)
		}
		if t.tile != nil {
			t.tile(k, a, rs, cs, at(b, j), ldb, at(c, j), ldc, w, flags, biasJ, clamp)
		} else {
			tiles := g.strided[(w-1)/g.lanes]
			h := ceilDiv(m, ceilDiv(m, len(tiles))) // equal heights: short tiles leave the multipliers waiting
			for i := 0; i < m; i += h {
				h = min(h, m-i)
				tiles[h-1](k, at(a, i*rs), rs, cs, at(b, j), ldb, at(c, i*ldc+j), ldc, w, flags, biasJ, clamp)
			}
		}
		j += w
	}
}

// stridedTiles chooses the tile of the next columns: a wide one where there is one of m rows.
func (g *gemmKernels[T]) stridedTiles(m, n int) wideTile[T] {
	if m < len(g.wide) {
		for _, t := range g.wide[m] {
			if n > t.cols-g.lanes {
				return t
			}
		}
	}
	return wideTile[T]{cols: g.nr}
}
