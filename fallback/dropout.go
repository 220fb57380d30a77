package fallback

import (
	"math"

	"palladio/kernels"
)

// dropoutExec is a call of Dropout.
type dropoutExec struct {
	pool      *pool
	k         kernels.Dropout
	draws     draws
	threshold uint64
	scratch   []drawScratch
	x, y      kernels.Arg
	words     []uint32 // one for each draw, where several elements share it
	drawing   bool     // the pass that makes words is under way
	v         *vecmath[float32]
}

func (d *Device) prepareDropout(k kernels.Dropout) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	e := &dropoutExec{pool: d.pool, k: k, draws: newDraws(d.level), threshold: k.Threshold(), scratch: make([]drawScratch, d.pool.threads), v: vecF32(d.level)}
	for i := range e.scratch {
		e.scratch[i].philox.stream = k.Stream
	}
	return e, nil
}

// flat says whether every element has a draw of its own and the vector routines apply, so that words need not be kept.
func (e *dropoutExec) flat() bool { return e.k.Middle == 1 && e.k.Type == kernels.F32 }

// Workspace holds the words of all draws.
func (e *dropoutExec) Workspace() int {
	if e.flat() {
		return 0
	}
	return 4 * e.k.Outer * e.k.Inner
}

// Run drops elements.
func (e *dropoutExec) Run(args []kernels.Arg, workspace kernels.Arg) error {
	n := e.k.Outer * e.k.Inner
	if n*e.k.Middle == 0 {
		return nil
	}
	if e.threshold > math.MaxUint32 { // everything is dropped
		clear(args[2].Host)
		return nil
	}
	counter := kernels.Slice[uint64](args[0])
	for i := range e.scratch {
		e.scratch[i].philox.setKeys(counter[0])
		e.scratch[i].philox.step = counter[1]
	}
	e.x, e.y = args[1], args[2]
	e.words, e.drawing = kernels.Slice[uint32](workspace), true
	e.pool.inParts((n+drawBlock-1)/drawBlock, 8*n, e)
	if !e.flat() {
		e.drawing = false
		e.pool.inParts(e.rowParts(), 2*len(args[1].Host), e)
	}
	e.x, e.y, e.words = kernels.Arg{}, kernels.Arg{}, nil
	return nil
}

func (e *dropoutExec) part(i, worker int) {
	if !e.drawing {
		e.rows(i, worker)
		return
	}
	s, n := &e.scratch[worker], e.k.Outer*e.k.Inner
	for lo := i * drawBlock; lo < min((i+1)*drawBlock, n); lo += drawBatch {
		hi := min(lo+drawBatch, n)
		e.draws.fill(s, lo, hi-lo)
		if e.flat() {
			e.drop(s, kernels.Slice[float32](e.y)[lo:hi], kernels.Slice[float32](e.x)[lo:hi], s.words[:])
		} else {
			copy(e.words[lo:hi], s.words[:])
		}
	}
}

// drop drops elements by their words.
func (e *dropoutExec) drop(s *drawScratch, y, x []float32, words []uint32) {
	s.args.c[0] = math.Float32frombits(uint32(e.threshold) ^ 1<<31)
	s.args.c[1] = float32(e.k.Scale())
	whole := len(y) / maxDraw * maxDraw
	if whole > 0 {
		s.args.dst, s.args.src, s.args.words, s.args.n = &y[0], &x[0], &words[0], whole
		e.draws.dropout(&s.args)
	}
	if n := len(y) - whole; n > 0 {
		s.args.dst, s.args.src, s.args.words, s.args.n = &y[whole], &x[whole], &words[whole], n
		genericDropout(&s.args)
	}
}

// perPart is the number of rows of Inner elements that one part of the second pass handles.
func (e *dropoutExec) perPart() int { return max(1, drawBlock/e.k.Inner) }

func (e *dropoutExec) rowParts() int { return (e.k.Outer*e.k.Middle + e.perPart() - 1) / e.perPart() }

// rows drops the rows of part i by the words of their outer index.
func (e *dropoutExec) rows(i, worker int) {
	lo, hi, n := i*e.perPart(), min((i+1)*e.perPart(), e.k.Outer*e.k.Middle), e.k.Inner
	if e.k.Type == kernels.F64 {
		x, y, scale := kernels.Slice[float64](e.x)[lo*n:hi*n], kernels.Slice[float64](e.y)[lo*n:hi*n], e.k.Scale()
		for j := range y {
			v := x[j] * scale
			if word := e.words[(lo+j/n)/e.k.Middle*n+j%n]; uint64(word) < e.threshold {
				v = 0
			}
			y[j] = v
		}
		return
	}
	x, y := kernels.Slice[float32](e.x), kernels.Slice[float32](e.y)
	if n == 1 {
		e.runs(y, x, lo, hi)
		return
	}
	for row := lo; row < hi; row++ {
		o := row / e.k.Middle
		e.drop(&e.scratch[worker], y[row*n:(row+1)*n], x[row*n:(row+1)*n], e.words[o*n:(o+1)*n])
	}
}

// runs keeps or drops runs of Middle elements that share a word.
func (e *dropoutExec) runs(y, x []float32, lo, hi int) {
	for lo < hi {
		o := lo / e.k.Middle
		end := min(hi, (o+1)*e.k.Middle)
		if uint64(e.words[o]) < e.threshold {
			clear(y[lo:end])
		} else {
			e.v.apply2s(kernels.Mul, y[lo:end], x[lo:end], float32(e.k.Scale()))
		}
		lo = end
	}
}
