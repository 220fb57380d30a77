package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// gemmMode is a way to compute a product.
type gemmMode uint8

const (
	gemmDirect  gemmMode = iota // strided tiles on the stored matrices: small and skinny products
	gemmDot                     // dot products of rows: few rows or columns, along which the operands lie
	gemmFlipped                 // few columns, from a transposed A: direct on the transposed product
	gemmBlocked                 // packed blocks
)

// gemmExec runs one GEMM. The matrices are as stored after simplify.
type gemmExec[T float] struct {
	k        kernels.GEMM
	pool     *pool
	g        *gemmKernels[T]
	mode     gemmMode
	workers  []gemmWorker[T] // of the threads that multiply whole matrices; else one
	perBatch bool            // blocked: each part is a whole matrix
	split    gemmSplit       // of direct and dot
	inPlace  bool            // direct on one thread, without copies and epilogue

	a, b, bias, residual, c *T // operands of the current run
	work                    []T
	scratch                 int // elements of work for each thread in direct mode
}

// gemmSplit cuts a product into parts: chunks of the batch, blocks of rows and of columns.
type gemmSplit struct{ batch, rows, cols int }

// prepareGEMM plans a product. Products of halves go by way of f32; TF32 allows less exact products, which would not be faster here.
func prepareGEMM(d *Device, k kernels.GEMM) (kernels.Exec, error) {
	if k.Type == kernels.F16 || k.Type == kernels.BF16 {
		wide := k
		wide.Type, wide.OutType = kernels.F32, kernels.F32
		return d.widened(k, wide)
	}
	k = simplifyGEMM(k)
	if k.Type == kernels.F64 {
		g := kernelsOf[float64](d.level)
		return newGEMM[float64](d, k, g.choose(k)), nil
	}
	g := kernelsOf[float32](d.level)
	return newGEMM[float32](d, k, g.choose(k)), nil
}

// newGEMM plans a simplified product in a mode that suits it.
func newGEMM[T float](d *Device, k kernels.GEMM, mode gemmMode) *gemmExec[T] {
	e := &gemmExec[T]{k: k, pool: d.pool, g: kernelsOf[T](d.level), mode: mode}
	if d.pool.threads == 1 || !worthSharing(k) {
		e.pool = &serial
	}
	threads := e.pool.threads
	count := 1
	if e.mode == gemmBlocked {
		e.perBatch = threads > 1 && k.Batch >= 2*threads
		if e.perBatch {
			count, threads = threads, 1
		}
	} else {
		e.split = e.cut(threads)
		e.scratch = e.directScratch()
		count = threads
	}
	e.workers = make([]gemmWorker[T], count)
	for i := range e.workers {
		e.workers[i].init(e.g, vecmathOf[T](d.level), k, threads)
	}
	e.inPlace = mode == gemmDirect && e.pool == &serial && e.scratch == 0 && !e.workers[0].product.before && !e.workers[0].product.after
	return e
}

// simplifyGEMM rewrites a product as an equal one that is easier to run: a batch with one B as more rows, a column
// vector as a row of a transposed matrix.
func simplifyGEMM(k kernels.GEMM) kernels.GEMM {
	if k.Batch > 1 && k.StrideB == 0 && !k.TransA && k.StrideA == k.M*k.LDA && k.StrideC == k.M*k.LDC {
		k.M, k.Batch = k.M*k.Batch, 1
	}
	if k.Batch <= 1 {
		k.StrideA, k.StrideB, k.StrideC = 0, 0, 0
	}
	if k.N == 1 && !k.TransB && k.LDB == 1 {
		k.TransB, k.LDB = true, max(k.K, 1)
	}
	return k
}

// worthSharing says whether a product is long enough to wake other threads for.
func worthSharing(k kernels.GEMM) bool { return nanoseconds(k) > 15e3 }

// nanoseconds is a rough estimate of a product's time on one thread.
func nanoseconds(k kernels.GEMM) float64 {
	c := k.Cost()
	return max(float64(c.FLOPs)/100, float64(c.Bytes())/20)
}

// choose picks the mode for a simplified product.
func (g *gemmKernels[T]) choose(k kernels.GEMM) gemmMode {
	switch {
	case k.K >= dotLength && k.TransB && k.M <= dotRows, !k.TransA && dotColumnsPay(k.M, k.N, k.K):
		return gemmDot
	case k.TransA && k.N <= dotRows && k.M > k.N:
		return gemmFlipped
	case k.M <= g.mr && !k.TransB, k.N <= g.nr && !k.TransA:
		return gemmDirect
	case k.K*k.N <= g.directB && k.K <= g.directK && !g.conflicting(k) && (!k.TransB || !worthSharing(k)): // else each thread would transpose B
		return gemmDirect
	}
	return gemmBlocked
}

// conflicting says whether the rows of B that a tile walks down fall into so few sets of the caches that they push each other out:
// they lie a multiple of half a page apart, and are many.
func (g *gemmKernels[T]) conflicting(k kernels.GEMM) bool {
	return k.LDB*k.Type.Size()%2048 == 0 && k.K > 256
}

// cut splits a product for a number of threads: into as many parts for each, at least a tile and some microseconds long.
func (e *gemmExec[T]) cut(threads int) gemmSplit {
	k := e.k
	s := gemmSplit{max(k.Batch, 1), max(k.M, 1), max(k.N, 1)}
	if threads == 1 {
		return s
	}
	parts := min(roundUp(int(nanoseconds(k)/3e3), threads), 16*threads)
	switch {
	case k.Batch >= 2*threads:
		s.batch = ceilDiv(k.Batch, parts)
	case e.mode == gemmFlipped:
		s.batch, s.rows = 1, roundUp(ceilDiv(k.M, min(parts, 4*threads)), 4*e.g.nr)
	case k.M >= k.N:
		s.batch, s.rows = 1, ceilDiv(k.M, min(parts, roundUp(ceilDiv(k.M, e.g.mr), threads)))
	default:
		s.batch, s.cols = 1, roundUp(ceilDiv(k.N, min(parts, roundUp(ceilDiv(k.N, 4*e.g.nr), threads))), e.g.nr)
	}
	return s
}

// parts is the number of parts of a split.
func (s gemmSplit) parts(k kernels.GEMM) int {
	return ceilDiv(k.Batch, s.batch) * ceilDiv(k.M, s.rows) * ceilDiv(k.N, s.cols)
}

// Workspace is the scratch of packing.
func (e *gemmExec[T]) Workspace() int {
	var t T
	n := e.scratch * len(e.workers)
	if e.mode == gemmBlocked {
		n = e.workers[0].product.workspace() * len(e.workers)
	}
	return n * int(unsafe.Sizeof(t))
}

// Run computes the product.
func (e *gemmExec[T]) Run(args []kernels.Arg, workspace kernels.Arg) error {
	k := &e.k
	if k.Batch == 0 || k.M == 0 || k.N == 0 {
		return nil
	}
	e.a, e.b = data[T](args[0]), data[T](args[1])
	next := 2
	if k.Bias {
		e.bias = data[T](args[next])
		next++
	}
	if k.Residual {
		e.residual = data[T](args[next])
		next++
	}
	e.c = data[T](args[next])
	e.work = kernels.Slice[T](workspace)
	switch {
	case e.inPlace:
		e.runInPlace()
	case e.mode != gemmBlocked && e.pool == &serial:
		for q := range k.Batch {
			e.bind(&e.workers[0], q)
			e.block(&e.workers[0], 0, k.M, 0, k.N, e.work)
		}
	case e.mode != gemmBlocked:
		e.pool.run(e.split.parts(*k), e)
	case e.perBatch:
		e.pool.run(k.Batch, e)
	default:
		w := &e.workers[0]
		for q := range k.Batch {
			e.bind(w, q)
			w.product.run(e.pool, e.work)
		}
	}
	e.a, e.b, e.bias, e.residual, e.c, e.work = nil, nil, nil, nil, nil, nil
	return nil
}

// runInPlace is the short way of small products that need neither copies nor more of an epilogue than the tiles have.
func (e *gemmExec[T]) runInPlace() {
	k, p := &e.k, &e.workers[0].product
	rs, cs := k.LDA, 1
	if k.TransA {
		rs, cs = 1, k.LDA
	}
	for q := range k.Batch {
		e.g.multiplyStrided(k.M, k.N, k.K, at(e.a, q*k.StrideA), rs, cs, at(e.b, q*k.StrideB), k.LDB, at(e.c, q*k.StrideC), k.LDC, p.flags, e.bias, p.clamp)
	}
}

// data is the first element of an argument, nil where it is empty.
func data[T float](a kernels.Arg) *T { return (*T)(unsafe.Pointer(unsafe.SliceData(a.Host))) }

// bind gives a worker the operands of matrix q.
func (e *gemmExec[T]) bind(w *gemmWorker[T], q int) {
	k := &e.k
	w.rows.data, w.columns.data = at(e.a, q*k.StrideA), at(e.b, q*k.StrideB)
	w.product.c = at(e.c, q*k.StrideC)
	w.product.bias = e.bias
	w.epilogue.c = w.product.c
	if k.Residual {
		w.epilogue.residual = at(e.residual, q*k.StrideC)
	}
}

// part does one part of a split, or one matrix of the batch.
func (e *gemmExec[T]) part(i, worker int) {
	k := &e.k
	w := &e.workers[worker]
	if e.mode == gemmBlocked {
		e.bind(w, i)
		n := w.product.workspace()
		w.product.run(&serial, e.work[worker*n:(worker+1)*n])
		return
	}
	rows, cols := ceilDiv(k.M, e.split.rows), ceilDiv(k.N, e.split.cols)
	i0, j0 := i%rows*e.split.rows, i/rows%cols*e.split.cols
	m, n := min(e.split.rows, k.M-i0), min(e.split.cols, k.N-j0)
	first := i / rows / cols * e.split.batch
	work := e.work[worker*e.scratch : (worker+1)*e.scratch]
	for q := first; q < min(first+e.split.batch, k.Batch); q++ {
		e.bind(w, q)
		e.block(w, i0, m, j0, n, work)
	}
}

// block computes a block of the matrices that w is bound to.
func (e *gemmExec[T]) block(w *gemmWorker[T], i0, m, j0, n int, work []T) {
	switch e.mode {
	case gemmDot:
		e.dot(w, i0, m, j0, n, work)
	case gemmFlipped:
		e.flipped(w, i0, m, work)
	default:
		e.direct(w, i0, m, j0, n, work)
	}
}

// serial runs tasks on the caller's goroutine alone.
var serial = pool{threads: 1}

// gemmWorker is what one thread needs to multiply a whole matrix, or all threads together.
type gemmWorker[T float] struct {
	product  blockedProduct[T]
	rows     matrixRows[T]
	columns  matrixColumns[T]
	epilogue gemmEpilogue[T]
	clamp    [2]T
	alpha    T
	plain    bool   // nothing follows the product
	dots     [256]T // results of dot tiles
}

func (w *gemmWorker[T]) init(g *gemmKernels[T], v *vecmath[T], k kernels.GEMM, threads int) {
	w.rows = matrixRows[T]{g: g, ld: k.LDA, trans: k.TransA, alpha: k.Alpha}
	w.columns = matrixColumns[T]{g: g, ld: k.LDB, trans: k.TransB}
	w.epilogue = gemmEpilogue[T]{v: v, ldc: k.LDC, beta: T(k.Beta)}
	flags := 0
	if k.Bias {
		flags |= tileBias
	}
	after := false
	switch k.Act.Op {
	case kernels.NoOp:
	case kernels.ReLU:
		flags |= tileClamp
		w.clamp = [2]T{0, T(math.Inf(1))}
	case kernels.Clamp:
		flags |= tileClamp
		w.clamp = [2]T{T(k.Act.Min), T(k.Act.Max)}
	default:
		after = true
		w.epilogue.act = v.unary[k.Act.Op]
	}
	w.product = blockedProduct[T]{
		g: g, m: k.M, n: k.N, k: k.K, ldc: k.LDC, flags: flags, clamp: &w.clamp[0],
		a: &w.rows, b: &w.columns, epilogue: &w.epilogue, before: k.Residual || k.Beta != 0, after: after,
	}
	w.alpha, w.plain = T(k.Alpha), k.Alpha == 1 && k.Beta == 0 && k.Epilogue.None()
	w.product.plan(threads)
}

// gemmEpilogue is what a product adds to blocks of C beside bias and clamp: C·beta and the residual before, other activations after.
type gemmEpilogue[T float] struct {
	v           *vecmath[T]
	act         unaryFn[T]
	c, residual *T
	ldc         int
	beta        T
}

func (e *gemmEpilogue[T]) before(i0, rows, j0, cols int) {
	for i := i0; i < i0+rows; i++ {
		c := at(e.c, i*e.ldc+j0)
		switch {
		case e.residual == nil && e.beta == 1:
		case e.residual == nil:
			e.v.binary[kernels.Mul][scalarB](c, c, &e.beta, cols)
		case e.beta == 0:
			e.v.unary[kernels.Copy](c, at(e.residual, i*e.ldc+j0), cols)
		default:
			e.v.ternary[kernels.FMA][scalarB](c, c, &e.beta, at(e.residual, i*e.ldc+j0), cols)
		}
	}
}

func (e *gemmEpilogue[T]) after(i0, rows, j0, cols int) {
	for i := i0; i < i0+rows; i++ {
		c := at(e.c, i*e.ldc+j0)
		e.act(c, c, cols)
	}
}

// vecmathOf is a level's table for an element type.
func vecmathOf[T float](l Level) *vecmath[T] {
	if v, ok := any(vecF32(l)).(*vecmath[T]); ok {
		return v
	}
	return any(vecF64(l)).(*vecmath[T])
}
