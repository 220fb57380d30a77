package fallback

// panelSource packs parts of an operand of a blocked product: a stored matrix, or one that exists only by a rule, such as the patches of
// an image that a convolution multiplies.
type panelSource[T float] interface {
	// packPanels packs rows (of A) or columns (of B) first … first+count-1 over p0 … p0+depth-1 of the inner dimension into panels at
	// dst, in the format of gemmKernels.packA or packB. It may write packSlack elements past the last panel. It is called
	// by several threads at once, for different parts.
	packPanels(dst *T, first, count, p0, depth int)
}

// blockEpilogue is what a product does to blocks of C beside bias and clamp. Both methods are called by several threads at once, for
// different blocks.
type blockEpilogue interface {
	// before fills the block of C before the first accumulation into it.
	before(i0, rows, j0, cols int)
	// after finishes the block once its sum is complete.
	after(i0, rows, j0, cols int)
}

// blockedProduct is C = A·B by blocks that fit the caches: for blocks of nc columns and kc of the inner dimension, B is packed once, by
// all threads together; then blocks of mc rows are packed and multiplied, each by one thread. Every element of C is the sum over k in
// ascending order, interrupted at multiples of kc, so that it does not depend on the number of threads.
//
// Set the first group of fields, call plan once, then run any number of times. A run allocates nothing.
type blockedProduct[T float] struct {
	g       *gemmKernels[T]
	m, n, k int
	ldc     int
	before  bool // call epilogue.before, and accumulate onto what it left
	after   bool // call epilogue.after

	// These may change from run to run.
	a, b        panelSource[T]
	c           *T
	flags       int // tileBias, tileClamp, tileAccumulate
	bias, clamp *T
	epilogue    blockEpilogue

	kc, mc, nc int // the blocks
	rowBlocks  int // blocks of up to mc rows, equal but for a panel
	cols       int // columns of a part: nc, or fewer where there are too few row blocks for the threads
	group      int // B panels that one part packs
	threads    int

	workA, workB []T
	packing      bool // which phase the pool is running
	j0, nj       int  // current columns
	p0, depth    int  // current part of the inner dimension
}

// plan chooses the blocks for a number of threads.
func (b *blockedProduct[T]) plan(threads int) {
	g := b.g
	b.threads = threads
	b.kc = roundUp(ceilDiv(b.k, max(ceilDiv(b.k, g.kc), 1)), 4)
	b.nc = min(roundUp(ceilDiv(b.n, max(ceilDiv(b.n, g.nc), 1)), g.nr), roundUp(b.n, g.nr))
	panels := ceilDiv(b.m, g.mr)
	b.rowBlocks = max(ceilDiv(b.m, g.mc), 1)
	if threads > 1 { // enough parts that an uneven machine still ends evenly, but not so small that packing costs
		b.rowBlocks = max(b.rowBlocks, min(4*threads, panels/4))
		if whole := roundUp(b.rowBlocks, threads); whole <= panels {
			b.rowBlocks = whole
		}
	}
	b.mc = ceilDiv(panels, b.rowBlocks) * g.mr
	b.cols = b.nc
	if threads > 1 && b.rowBlocks < 2*threads {
		b.cols = min(b.nc, max(roundUp(ceilDiv(b.nc, ceilDiv(2*threads, b.rowBlocks)), g.nr), 4*g.nr))
	}
	b.group = max(1, 16384/max(b.kc*g.nr, 1))
}

// rows is the range of a block of rows.
func (b *blockedProduct[T]) rows(i int) (first, count int) {
	panels := ceilDiv(b.m, b.g.mr)
	first = i * panels / b.rowBlocks * b.g.mr
	return first, min((i+1)*panels/b.rowBlocks*b.g.mr, b.m) - first
}

// workspace is the number of elements of scratch that run needs.
func (b *blockedProduct[T]) workspace() int {
	return b.threads*b.sizeA() + roundUp(b.g.packedB(b.kc, min(b.nc, roundUp(b.n, b.g.nr))), 16)
}

// sizeA is the part of the scratch that one thread packs A into: whole cache lines.
func (b *blockedProduct[T]) sizeA() int { return roundUp(b.g.packedA(b.mc, b.kc), 16) }

// run computes the product with scratch work, on the pool that it was planned for.
func (b *blockedProduct[T]) run(p *pool, work []T) {
	all := b.threads * b.sizeA()
	b.workA, b.workB = work[:all], work[all:]
	for b.j0 = 0; b.j0 < b.n; b.j0 += b.nc {
		b.nj = min(b.nc, b.n-b.j0)
		for b.p0 = 0; b.p0 < b.k; b.p0 += b.kc {
			b.depth = min(b.kc, b.k-b.p0)
			b.packing = true
			p.run(ceilDiv(b.nj, b.group*b.g.nr), b)
			b.packing = false
			p.run(b.rowBlocks*ceilDiv(b.nj, b.cols), b)
		}
	}
	b.workA, b.workB = nil, nil
}

// part packs some panels of B, or packs a block of A and multiplies it by B.
func (b *blockedProduct[T]) part(i, worker int) {
	if b.packing {
		first := i * b.group * b.g.nr
		b.b.packPanels(&b.workB[first*b.depth], b.j0+first, min(b.group*b.g.nr, b.nj-first), b.p0, b.depth)
		return
	}
	i0, m := b.rows(i % b.rowBlocks)
	j0 := i / b.rowBlocks * b.cols
	n := min(b.cols, b.nj-j0)
	a := &b.workA[worker*b.sizeA()]
	b.a.packPanels(a, i0, m, b.p0, b.depth)

	first, last := b.p0 == 0, b.p0+b.depth == b.k
	flags, bias := tileAccumulate, b.bias
	if first {
		flags = b.flags &^ tileClamp
		if b.before {
			b.epilogue.before(i0, m, b.j0+j0, n)
			flags |= tileAccumulate
		}
	}
	if last {
		flags |= b.flags & tileClamp
	}
	if flags&tileBias != 0 {
		bias = at(bias, b.j0+j0)
	}
	b.g.multiplyPanels(m, n, b.depth, a, &b.workB[j0*b.depth], at(b.c, i0*b.ldc+b.j0+j0), b.ldc, flags, bias, b.clamp)
	if last && b.after {
		b.epilogue.after(i0, m, b.j0+j0, n)
	}
}

// matrixRows is a stored A operand, scaled by alpha: m×k at steps of ld, or stored k×m and used transposed.
type matrixRows[T float] struct {
	g     *gemmKernels[T]
	data  *T
	ld    int
	trans bool
	alpha float64
}

func (s *matrixRows[T]) packPanels(dst *T, first, count, p0, depth int) {
	if s.trans {
		s.g.packA(dst, at(s.data, p0*s.ld+first), s.ld, true, count, depth, s.alpha)
		return
	}
	s.g.packA(dst, at(s.data, first*s.ld+p0), s.ld, false, count, depth, s.alpha)
}

// matrixColumns is a stored B operand: k×n at steps of ld, or stored n×k and used transposed.
type matrixColumns[T float] struct {
	g     *gemmKernels[T]
	data  *T
	ld    int
	trans bool
}

func (s *matrixColumns[T]) packPanels(dst *T, first, count, p0, depth int) {
	if s.trans {
		s.g.packB(dst, at(s.data, first*s.ld+p0), s.ld, true, depth, count, 1)
		return
	}
	s.g.packB(dst, at(s.data, p0*s.ld+first), s.ld, false, depth, count, 1)
}
