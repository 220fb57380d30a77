package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// columnNorm is a normalisation whose statistics run over rows: batch, group and instance norm. Each sample (all samples together, for
// batch norm) is a matrix of rows × c, seen as one of wide rows of fold rows each, so that few channels still fill vectors.
//
// Forward: one pass takes each block's mean and squared distances (the second look is in cache), the blocks are merged in float64 as
// by Chan, Golub & LeVeque (1979), one pass writes y. Backward: one pass for both sums, one for dx.
type columnNorm struct {
	streaming
	pool     *pool
	passes   normPasses
	v        *vecmath[float32]
	k        kernels.Norm
	backward bool
	relu     bool

	samples, rows, c, sets int // rows of one sample; sets of statistics of one sample
	fold, width            int // rows in a wide row, and its elements
	blockRows, blocks      int // wide rows in a block, blocks of a sample
	chunk                  int // blocks in a part of the pool's work

	o     normOperands
	args  []normArgs // one a thread
	phase normPhase
	// Parts of the workspace.
	partial []float64 // [samples, blocks, 2, c]: of each block the channels' means and squared distances, or the two sums
	channel []float64 // [samples, 2, c]: the same of each sample
	params  []float32 // [samples, 5, width]: the rows mean, a, b, c, d of normArgs
	scratch []float32 // [threads, 4, width]
}

type normPhase uint8

const (
	normStatistics normPhase = iota
	normMerge
	normApply
	normBackPrepare
	normBackSums
	normBackMerge
	normBackApply
)

func newColumnNorm(d *Device, k kernels.Norm, backward bool) *columnNorm {
	e := &columnNorm{streaming: newStreaming(), pool: d.pool, passes: newNormPasses(d.level), v: vecF32(d.level), k: k, backward: backward, relu: k.Act == kernels.ReLU,
		samples: 1, rows: k.N * k.Spatial, c: k.C, sets: k.C}
	if k.Kind == kernels.GroupNorm || k.Kind == kernels.InstanceNorm {
		e.samples, e.rows = k.N, k.Spatial
	}
	if k.Kind == kernels.GroupNorm {
		e.sets = k.Groups
	}
	e.fold = foldRows(e.c, e.rows)
	e.width = e.fold * e.c
	e.blockRows = max(normBlockBytes/(4*e.width), 8)
	e.blocks = max((e.rows/e.fold+e.blockRows-1)/e.blockRows, 1)
	perBlock := 4 * e.c * e.rows / e.blocks
	e.chunk = max(smallBytes/4/max(perBlock, 1), 1)
	e.args = make([]normArgs, e.pool.threads)
	return e
}

// foldRows is how many rows of c elements make a wide one: a multiple of a vector and, in large tensors, at least 256 elements, if
// there are as many rows.
func foldRows(c, rows int) int {
	const lanes = 16
	wide := min(max(rows*c/64, lanes), 256)
	if c >= wide {
		return 1
	}
	step := lanes
	for step > 1 && c*step/2%lanes == 0 {
		step /= 2
	}
	return max(min(step*((wide+step*c-1)/(step*c)), rows), 1)
}

func (e *columnNorm) Workspace() int {
	n := 8*e.samples*(e.blocks+1)*2*e.c + 4*e.samples*5*e.width + 4*len(e.args)*4*e.width
	return n + 64
}

// carve cuts n elements off the front of a workspace.
func carve[T kernels.Elem](w *kernels.Arg, n int) []T {
	var t T
	size := n * int(unsafe.Sizeof(t))
	s := kernels.Slice[T](kernels.Arg{Host: w.Host[:size]})
	w.Host = w.Host[size:]
	return s
}

func (e *columnNorm) Run(args []kernels.Arg, w kernels.Arg) error {
	e.o.bind(&e.k, e.backward, args)
	e.partial = carve[float64](&w, e.samples*e.blocks*2*e.c)
	e.channel = carve[float64](&w, e.samples*2*e.c)
	e.params = carve[float32](&w, e.samples*5*e.width)
	e.scratch = carve[float32](&w, len(e.args)*4*e.width)
	e.decide(resultOf(args, &e.k, e.backward), 4*e.width)
	e.stream = e.stream && e.rows%e.fold == 0
	switch {
	case e.backward:
		e.do(normBackPrepare)
		e.do(normBackSums)
		e.do(normBackMerge)
		e.parameterGradients()
		e.do(normBackApply)
	case e.k.Kind == kernels.BatchInference:
		e.do(normMerge)
		e.do(normApply)
	default:
		e.do(normStatistics)
		e.do(normMerge)
		e.do(normApply)
	}
	return nil
}

// do runs one phase over all samples or all blocks.
func (e *columnNorm) do(phase normPhase) {
	e.phase = phase
	if phase == normMerge || phase == normBackPrepare || phase == normBackMerge {
		e.pool.inParts(e.samples, 16*e.samples*e.blocks*e.c, e)
		return
	}
	e.pool.inParts((e.samples*e.blocks+e.chunk-1)/e.chunk, 4*e.samples*e.rows*e.c, e)
}

func (e *columnNorm) part(i, worker int) {
	switch e.phase {
	case normMerge:
		e.merge(i)
		return
	case normBackPrepare:
		e.backPrepare(i)
		return
	case normBackMerge:
		e.backMerge(i)
		return
	}
	all := e.samples * e.blocks
	for u := i * e.chunk; u < min((i+1)*e.chunk, all); u++ {
		sample, block := u/e.blocks, u%e.blocks
		if e.phase == normApply || e.phase == normBackApply { // backwards: the blocks seen last may still be in cache
			sample, block = (all-1-u)/e.blocks, (all-1-u)%e.blocks
		}
		switch e.phase {
		case normStatistics:
			e.statistics(sample, block, worker)
		case normBackSums:
			e.backSums(sample, block, worker)
		default:
			e.apply(sample, block, worker)
		}
	}
}

// span is the rows [lo, hi) of a block. The last block takes the rows that do not fill a wide row too.
func (e *columnNorm) span(block int) (lo, hi int) {
	lo = block * e.blockRows * e.fold
	if block == e.blocks-1 {
		return lo, e.rows
	}
	return lo, lo + e.blockRows*e.fold
}

// sweep runs a pass over a block: its whole wide rows, then what is left as a short one.
func (e *columnNorm) sweep(a *normArgs, sample, block int, pass func(p *normArgs)) {
	lo, hi := e.span(block)
	from := (sample*e.rows + lo) * e.c
	a.rows, a.cols = (hi-lo)/e.fold, e.width
	e.point(a, from)
	if a.rows > 0 {
		pass(a)
	}
	if rest := (hi - lo) % e.fold; rest > 0 {
		e.point(a, from+a.rows*e.width)
		a.rows, a.cols = 1, rest*e.c
		pass(a)
	}
}

// point aims the tensors of a pass at an element.
func (e *columnNorm) point(a *normArgs, at int) {
	a.x = unsafe.SliceData(e.o.x[at:])
	if e.backward {
		a.dy, a.out = unsafe.SliceData(e.o.dy[at:]), unsafe.SliceData(e.o.dx[at:])
	} else {
		a.out = unsafe.SliceData(e.o.y[at:])
	}
}

// rowOf is row i of width n of a matrix.
func rowOf[T any](m []T, i, n int) []T { return m[i*n : (i+1)*n : (i+1)*n] }

// folded adds up the fold parts of a wide row of sums: sum[j] for the channels j.
func (e *columnNorm) folded(a *normArgs, wide, sum []float32) {
	clear(sum)
	a.x, a.sum1, a.rows, a.cols = unsafe.SliceData(wide), unsafe.SliceData(sum), e.fold, e.c
	e.passes.columnSums(a)
}

// spread repeats the first c elements of a wide row over all of it.
func (e *columnNorm) spread(wide []float32) {
	for n := e.c; n < len(wide); n *= 2 {
		copy(wide[n:], wide[:n])
	}
}

// statistics takes the mean and the sum of squared distances of each channel over a block.
func (e *columnNorm) statistics(sample, block, worker int) {
	a := &e.args[worker]
	s := rowOf(e.scratch, worker, 4*e.width)
	wide, mean, sum := rowOf(s, 0, e.width), rowOf(s, 1, e.width), rowOf(s, 2, e.width)[:e.c]
	out := rowOf(e.partial, sample*e.blocks+block, 2*e.c)
	lo, hi := e.span(block)
	n := float64(hi - lo)

	clear(wide)
	a.sum1 = unsafe.SliceData(wide)
	e.sweep(a, sample, block, e.passes.columnSums)
	e.folded(a, wide, sum)
	share := 1 / n
	for j, v := range sum {
		out[j] = float64(v) * share
		mean[j] = float32(out[j])
	}
	e.spread(mean)

	clear(wide)
	a.mean, a.sum2 = unsafe.SliceData(mean), unsafe.SliceData(wide)
	e.sweep(a, sample, block, e.passes.columnSquares)
	e.folded(a, wide, sum)
	for j, v := range sum {
		d := out[j] - float64(mean[j]) // the distances were taken from the rounded mean
		out[e.c+j] = max(float64(v)-n*d*d, 0)
	}
}

// merge joins the blocks of a sample, gives the statistics and prepares the rows of parameters.
func (e *columnNorm) merge(sample int) {
	p := rowOf(e.params, sample, 5*e.width)
	mean, a, b := rowOf(p, 0, e.width), rowOf(p, 1, e.width), rowOf(p, 2, e.width)
	if e.k.Kind == kernels.BatchInference {
		e.inference(mean, a)
	} else {
		e.mergeChannels(sample)
		e.mergeSets(sample, mean, a)
	}
	clear(b[:e.c])
	copy(b, e.o.bias)
	e.spread(mean)
	e.spread(a)
	e.spread(b)
}

// inference fills in the mean and the factor of each channel from the running statistics.
func (e *columnNorm) inference(means, factors []float32) {
	copy(means, e.o.runningMean)
	factors = factors[:e.c]
	e.v.apply2s(kernels.Add, factors, e.o.runningVar, float32(e.k.Eps))
	e.v.apply(kernels.Rsqrt, factors, factors)
	if e.o.scale != nil {
		e.v.apply2(kernels.Mul, factors, factors, e.o.scale)
	}
}

// mergeChannels joins the blocks of a sample for each channel.
func (e *columnNorm) mergeChannels(sample int) {
	t := rowOf(e.channel, sample, 2*e.c)
	mean, square := t[:e.c], t[e.c:]
	clear(t)
	if e.rows == 0 {
		return
	}
	for block := range e.blocks {
		lo, hi := e.span(block)
		share := float64(hi-lo) / float64(e.rows)
		for j, v := range rowOf(e.partial, sample*e.blocks+block, 2*e.c)[:e.c] {
			mean[j] += share * v
		}
	}
	for block := range e.blocks {
		lo, hi := e.span(block)
		n, p := float64(hi-lo), rowOf(e.partial, sample*e.blocks+block, 2*e.c)
		for j := range mean {
			d := p[j] - mean[j]
			square[j] += p[e.c+j] + n*d*d
		}
	}
}

// mergeSets joins the channels of each set, writes the statistics and the running ones, and fills in the mean and the factor
// of each channel.
func (e *columnNorm) mergeSets(sample int, means, factors []float32) {
	t := rowOf(e.channel, sample, 2*e.c)
	per := e.c / e.sets
	n := float64(e.rows)
	for set := range e.sets {
		mean, square := 0.0, 0.0
		for j := set * per; j < (set+1)*per; j++ {
			mean += t[j] / float64(per)
		}
		for j := set * per; j < (set+1)*per; j++ {
			square += t[e.c+j] + n*(t[j]-mean)*(t[j]-mean)
		}
		size := n * float64(per)
		variance := 0.0
		if size > 0 {
			variance = square / size
		}
		invstd := 1 / math.Sqrt(variance+e.k.Eps)
		e.o.mean[sample*e.sets+set], e.o.invstd[sample*e.sets+set] = float32(mean), float32(invstd)
		if e.o.runningMean != nil && size > 0 {
			m := e.k.Momentum
			e.o.runningMean[set] = float32((1-m)*float64(e.o.runningMean[set]) + m*mean)
			e.o.runningVar[set] = float32((1-m)*float64(e.o.runningVar[set]) + m*square/(size-1))
		}
		for j := set * per; j < (set+1)*per; j++ {
			means[j] = float32(mean)
			factors[j] = float32(float64(or(e.o.scale, j, 1)) * float64(float32(invstd))) // as the backward pass will see it
		}
	}
}

// apply writes y or dx of a block.
func (e *columnNorm) apply(sample, block, worker int) {
	args, p := &e.args[worker], rowOf(e.params, sample, 5*e.width)
	e.parameters(args, p)
	if e.backward {
		e.sweep(args, sample, block, e.passes.columnBackX[normVariant(e.relu, e.stream)])
	} else {
		e.sweep(args, sample, block, e.passes.columnAffine[normVariant(e.relu, e.stream)])
	}
}

func (e *columnNorm) parameters(args *normArgs, p []float32) {
	for i, f := range []**float32{&args.mean, &args.a, &args.b, &args.c, &args.d} {
		*f = unsafe.SliceData(rowOf(p, i, e.width))
	}
}
