package fallback

import (
	"math"

	"palladio/kernels"
)

// reduceRows reduces contiguous rows. The elements of one output are cut into chunks by the shape alone; each chunk is reduced by one
// thread, block by block, and the chunks' results are joined in order.
type reduceRows[T real] struct {
	d      *Device
	v      *vecmath[T]
	op     kernels.ReduceOp
	layout reduceLayout
	count  int

	f       rowFn[T] // reduces a block; nil for log-sum-exp
	chunks  int      // of an output
	perRow  int      // chunks in a row, if rows are long
	perPart int      // outputs in a part, if each is one chunk
	partial []partial
	threads bool

	in, out []T
	scratch [][]T // of a worker, for exponentials
}

func newReduceRows[T real](d *Device, v *vecmath[T], k kernels.Reduce, l reduceLayout) *reduceRows[T] {
	e := &reduceRows[T]{d: d, v: v, op: k.Op, layout: l, count: k.Count(), chunks: 1, perRow: 1}
	if l.outputs < 64 && e.count > reduceChunk {
		e.perRow = ceilDiv(l.inner, reduceChunk)
		e.chunks = l.rows * e.perRow
		if e.perRow == 1 {
			e.chunks = ceilDiv(l.rows, e.chunkRows())
		}
		e.partial = make([]partial, l.outputs*e.chunks)
	}
	e.perPart = max(1, reduceChunk/e.count)
	e.f = map[kernels.ReduceOp]rowFn[T]{kernels.ReduceSum: v.rowSum, kernels.ReduceMean: v.rowSum, kernels.ReduceL1: v.rowSumAbs,
		kernels.ReduceL2: v.rowSumSq, kernels.ReduceSumSq: v.rowSumSq, kernels.ReduceProd: v.rowProd, kernels.ReduceMax: v.rowMax,
		kernels.ReduceMin: v.rowMin}[k.Op]
	e.threads = kernels.Elems(k.Shape)*k.Type.Size() >= reduceParallel
	if k.Op == kernels.ReduceLogSumExp {
		for range d.Threads() {
			e.scratch = append(e.scratch, make([]T, rowBlock))
		}
	}
	return e
}

// chunkRows is the number of rows in a chunk, if rows are short.
func (e *reduceRows[T]) chunkRows() int { return max(1, reduceChunk/e.layout.inner) }

// Workspace is empty.
func (*reduceRows[T]) Workspace() int { return 0 }

// Run reduces args[0] to args[1].
func (e *reduceRows[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.in, e.out = kernels.Slice[T](args[0]), kernels.Slice[T](args[1])
	parts := ceilDiv(e.layout.outputs, e.perPart)
	if e.chunks > 1 {
		parts = len(e.partial)
	}
	if e.threads {
		e.d.pool.run(parts, e)
	} else {
		for i := range parts {
			e.part(i, 0)
		}
	}
	if e.chunks > 1 {
		for o := range e.layout.outputs {
			p := identity(e.op)
			for _, q := range e.partial[o*e.chunks : (o+1)*e.chunks] {
				p.join(e.op, q)
			}
			e.out[o] = T(p.finish(e.op, e.count))
		}
	}
	e.in, e.out = nil, nil
	return nil
}

func (e *reduceRows[T]) part(i, worker int) {
	if e.chunks > 1 {
		e.partial[i] = e.chunk(i/e.chunks, i%e.chunks, worker)
		return
	}
	first, end := i*e.perPart, min((i+1)*e.perPart, e.layout.outputs)
	if n := e.layout.inner; e.layout.rows == 1 && n <= rowBlock && e.f != nil { // one block an output, one after another
		for o := first; o < end; o++ {
			p := partial{value: float64(e.f(&e.in[o*n], n))}
			e.out[o] = T(p.finish(e.op, e.count))
		}
		return
	}
	for o := first; o < end; o++ {
		p := e.someRows(o, 0, e.layout.rows, worker)
		e.out[o] = T(p.finish(e.op, e.count))
	}
}

// chunk reduces one chunk of an output.
func (e *reduceRows[T]) chunk(output, chunk, worker int) partial {
	if e.perRow == 1 {
		return e.someRows(output, chunk*e.chunkRows(), min((chunk+1)*e.chunkRows(), e.layout.rows), worker)
	}
	l := &e.layout
	row, col := chunk/e.perRow, chunk%e.perRow*reduceChunk
	at := position(output, l.kept, l.keptStrides) + position(row, l.reduced, l.reducedSteps)
	p := identity(e.op)
	e.row(&p, e.in[at+col:at+min(col+reduceChunk, l.inner)], worker)
	return p
}

// someRows reduces the rows from first to end of an output.
func (e *reduceRows[T]) someRows(output, first, end, worker int) partial {
	l := &e.layout
	base := position(output, l.kept, l.keptStrides)
	p := identity(e.op)
	for r := first; r < end; r++ {
		at := base + position(r, l.reduced, l.reducedSteps)
		e.row(&p, e.in[at:at+l.inner], worker)
	}
	return p
}

// row adds a row to p.
func (e *reduceRows[T]) row(p *partial, x []T, worker int) {
	if e.f == nil {
		for ; len(x) > 0; x = x[min(len(x), rowBlock):] {
			e.exponentials(p, x[:min(len(x), rowBlock)], worker)
		}
		return
	}
	for len(x) > 0 {
		n := min(len(x), rowBlock)
		p.join(e.op, partial{value: float64(e.f(&x[0], n))})
		x = x[n:]
	}
}

// exponentials adds a block to a log-sum-exp.
func (e *reduceRows[T]) exponentials(p *partial, x []T, worker int) {
	q := partial{max: float64(e.v.max(x))}
	if !math.IsInf(q.max, 0) && !math.IsNaN(q.max) {
		q.value = e.v.expSum(e.scratch[worker], x, T(q.max))
	}
	p.joinExp(q)
}
