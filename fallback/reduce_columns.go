package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// reduceColumns adds rows up column by column, a strip of columns at a time: up to stripRows rows in the arithmetic of T, in the
// first-level cache, and such sums in float64. Where there are few strips and many rows, the rows are cut into chunks, by the shape
// alone, whose results are joined in order. Narrow rows that follow one another in memory are taken several at a time, as one wide row,
// and folded at the end.
type reduceColumns[T real] struct {
	d      *Device
	v      *vecmath[T]
	op     kernels.ReduceOp
	layout reduceLayout
	count  int

	fold      int // rows taken as one
	width     int // columns of a wide row
	rows      int // wide rows of an output
	strip     int // columns of a strip
	strips    int // of a wide row
	chunkRows int // wide rows in a chunk
	chunks    int
	threads   bool

	in, out []T
	work    []byte
}

const (
	stripRows    = 128
	stripColumns = 1024
	foldedWidth  = 512 // narrower rows are folded
)

func newReduceColumns[T real](d *Device, v *vecmath[T], k kernels.Reduce, l reduceLayout) *reduceColumns[T] {
	e := &reduceColumns[T]{d: d, v: v, op: k.Op, layout: l, count: k.Count(), fold: 1, width: l.inner, rows: l.rows}
	if len(l.reduced) == 1 && l.reducedSteps[0] == l.inner { // all rows of an output follow one another
		e.fold = max(1, min(foldedWidth/l.inner, l.rows/4))
		e.width *= e.fold
		e.rows = ceilDiv(l.rows, e.fold)
	}
	e.strip = min(e.width, stripColumns)
	if e.op == kernels.ReduceLogSumExp { // whose rows are read twice
		e.strip = min(e.width, stripColumns/4)
	}
	if e.fold > 1 {
		e.strip = e.width
	}
	e.strips = ceilDiv(e.width, e.strip)
	e.chunkRows, e.chunks = e.rows, 1
	if l.outputs*e.strips < 16 && e.rows > stripRows {
		per := max(4*reduceChunk/e.width, ceilDiv(e.rows, 64))
		e.chunkRows = roundUp(max(per, 1), stripRows)
		e.chunks = ceilDiv(e.rows, e.chunkRows)
	}
	e.threads = kernels.Elems(k.Shape)*k.Type.Size() >= reduceParallel
	return e
}

// The work memory: for every part, or for every worker where the parts are whole outputs, partial results; then for every worker, four
// strips of T.
func (e *reduceColumns[T]) partials() int {
	if e.chunks > 1 {
		return e.parts()
	}
	return e.d.Threads()
}

func (e *reduceColumns[T]) parts() int { return e.layout.outputs * e.strips * e.chunks }

// Workspace is described above.
func (e *reduceColumns[T]) Workspace() int {
	return roundUp(e.partials()*e.strip*16, 64) + e.d.Threads()*4*e.stripBytes()
}

func (e *reduceColumns[T]) stripBytes() int { return roundUp(e.strip*8, 64) }

func (e *reduceColumns[T]) partial(i int) []partial {
	return partialsOf(e.work[i*e.strip*16:])[:e.strip]
}

func (e *reduceColumns[T]) stripOf(worker, i int) []T {
	at := roundUp(e.partials()*e.strip*16, 64) + (4*worker+i)*e.stripBytes()
	return kernels.Slice[T](kernels.Arg{Host: e.work[at : at+e.stripBytes()]})[:e.strip]
}

// Run reduces args[0] to args[1].
func (e *reduceColumns[T]) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.in, e.out, e.work = kernels.Slice[T](args[0]), kernels.Slice[T](args[1]), workspace.Host
	if e.threads {
		e.d.pool.run(e.parts(), e)
	} else {
		for i := range e.parts() {
			e.part(i, 0)
		}
	}
	if e.chunks > 1 {
		for s := range e.layout.outputs * e.strips {
			p := e.partial(s * e.chunks)
			for c := 1; c < e.chunks; c++ {
				for i, q := range e.partial(s*e.chunks + c) {
					p[i].join(e.op, q)
				}
			}
			e.store(s, p)
		}
	}
	e.in, e.out, e.work = nil, nil, nil
	return nil
}

// part reduces one chunk of one strip of one output.
func (e *reduceColumns[T]) part(i, worker int) {
	s, chunk := i/e.chunks, i%e.chunks
	first := chunk * e.chunkRows
	end := min(first+e.chunkRows, e.rows)
	if e.chunks == 1 && e.rows <= stripRows && e.fold == 1 && e.op != kernels.ReduceLogSumExp {
		e.direct(s, worker)
		return
	}
	p := e.partial(worker)
	if e.chunks > 1 {
		p = e.partial(i)
	}
	for c := range p {
		p[c] = identity(e.op)
	}
	for r := first; r < end; r += stripRows {
		if e.op == kernels.ReduceLogSumExp {
			e.addExponentials(p, s, r, min(r+stripRows, end), worker)
			continue
		}
		acc := e.stripOf(worker, 0)
		e.accumulate(acc, s, r, min(r+stripRows, end), worker)
		joinAll(e.op, p, acc)
	}
	if e.chunks == 1 {
		e.store(s, p)
	}
}

// joinAll adds a strip to partial results.
func joinAll[T real](op kernels.ReduceOp, p []partial, acc []T) {
	switch op {
	case kernels.ReduceProd, kernels.ReduceMax, kernels.ReduceMin:
		for c, x := range acc {
			p[c].join(op, partial{value: float64(x)})
		}
	default:
		p = p[:len(acc)]
		for c, x := range acc {
			p[c].value += float64(x)
		}
	}
}

// direct reduces few rows straight into the output.
func (e *reduceColumns[T]) direct(s, worker int) {
	out, col := s/e.strips, s%e.strips*e.strip
	n := min(e.strip, e.width-col)
	acc := e.out[out*e.width+col:][:n]
	e.accumulate(acc, s, 0, e.rows, worker)
	switch e.op {
	case kernels.ReduceMean:
		e.v.apply2s(kernels.Div, acc, acc, T(e.count))
	case kernels.ReduceL2:
		e.v.apply(kernels.Sqrt, acc, acc)
	}
}

// rowAt is the part of wide row r that strip s of an output covers; the last wide row may be shorter.
func (e *reduceColumns[T]) rowAt(s, r int) []T {
	l := &e.layout
	out, col := s/e.strips, s%e.strips*e.strip
	at := position(out, l.kept, l.keptStrides)
	if e.fold > 1 {
		return e.in[at+r*e.width:][:min(e.width, l.rows*l.inner-r*e.width)]
	}
	return e.in[at+position(r, l.reduced, l.reducedSteps)+col:][:min(e.strip, e.width-col)]
}

// accumulate reduces the rows from first to end into acc.
func (e *reduceColumns[T]) accumulate(acc []T, s, first, end, worker int) {
	id := T(identity(e.op).value)
	e.v.fill(&acc[0], noescape(&id), len(acc))
	tmp := e.stripOf(worker, 1)
	for r := first; r < end; r++ {
		x := e.rowAt(s, r)
		a := acc[:len(x)]
		switch e.op {
		case kernels.ReduceMax:
			e.v.apply2(kernels.Max, a, a, x)
		case kernels.ReduceMin:
			e.v.apply2(kernels.Min, a, a, x)
		case kernels.ReduceProd:
			e.v.apply2(kernels.Mul, a, a, x)
		case kernels.ReduceL2, kernels.ReduceSumSq:
			e.v.mulAdd(a, x, x, a)
		case kernels.ReduceL1:
			e.v.apply(kernels.Abs, tmp[:len(x)], x)
			e.v.apply2(kernels.Add, a, a, tmp[:len(x)])
		default:
			e.v.apply2(kernels.Add, a, a, x)
		}
	}
}

// addExponentials adds rows to a strip of log-sum-exps: their maximum first, then the exponentials relative to it. An infinite
// maximum is replaced, to keep what does not matter from becoming NaN.
func (e *reduceColumns[T]) addExponentials(p []partial, s, first, end, worker int) {
	top, sum, tmp := e.stripOf(worker, 0), e.stripOf(worker, 1), e.stripOf(worker, 2)
	id := T(math.Inf(-1))
	e.v.fill(&top[0], noescape(&id), len(top))
	for r := first; r < end; r++ {
		x := e.rowAt(s, r)
		e.v.apply2(kernels.Max, top[:len(x)], top[:len(x)], x)
	}
	for c, m := range top {
		sum[c] = 0
		if math.IsInf(float64(m), 0) {
			tmp[c] = 0
		} else {
			tmp[c] = m
		}
	}
	for r := first; r < end; r++ {
		x := e.rowAt(s, r)
		y := e.stripOf(worker, 3)[:len(x)]
		e.v.apply2(kernels.Sub, y, x, tmp)
		e.v.apply(kernels.Exp, y, y)
		e.v.apply2(kernels.Add, sum[:len(x)], sum, y)
	}
	for c, m := range top {
		p[c].joinExp(partial{float64(sum[c]), float64(m)})
	}
}

// store writes the results of a strip, folded.
func (e *reduceColumns[T]) store(s int, p []partial) {
	l := &e.layout
	out, col := s/e.strips, s%e.strips*e.strip
	for c := range min(l.inner-col, e.strip) {
		q := p[c]
		for f := 1; f < e.fold; f++ {
			q.join(e.op, p[f*l.inner+c])
		}
		e.out[out*l.inner+col+c] = T(q.finish(e.op, e.count))
	}
}

// partialsOf sees work memory as partial results.
func partialsOf(b []byte) []partial {
	return unsafe.Slice((*partial)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(partial{})))
}
