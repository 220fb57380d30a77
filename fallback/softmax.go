package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// softmaxBytes is about what a part of a softmax's or a loss's work reads.
const softmaxBytes = 32 << 10

// softmaxChunk is how many elements of a long line pass through several routines at a time: few enough for the first-level cache.
const softmaxChunk = 2048

// softmaxTile is how many neighbouring lines along an inner axis are done together, in the lanes.
const softmaxTile = 256

func (d *Device) prepareSoftmax(k kernels.Softmax) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	if k.Type == kernels.F64 {
		return newSoftmax(d, vecF64(d.level), k, false), nil
	}
	return newSoftmax(d, vecF32(d.level), k, false), nil
}

func (d *Device) prepareSoftmaxBackward(k kernels.SoftmaxBackward) (kernels.Exec, error) {
	if isHalf(k.Of.Type) {
		wide := k
		wide.Of.Type = kernels.F32
		return d.widened(k, wide)
	}
	if k.Of.Type == kernels.F64 {
		return newSoftmax(d, vecF64(d.level), k.Of, true), nil
	}
	return newSoftmax(d, vecF32(d.level), k.Of, true), nil
}

// softmaxExec runs a softmax or its gradient: contiguous lines one by one, in cache from the maximum to the quotient; lines along
// an inner axis many at a time.
type softmaxExec[T interface{ float32 | float64 }] struct {
	streaming
	pool     *pool
	v        *vecmath[T]
	k        kernels.Softmax
	backward bool
	lines    int // contiguous lines in a part of the work
	tiles    int // of an inner axis
	room     int // elements of scratch memory of a thread

	a, b, out []T // x, or y and dy; y or dx
	scratch   []T
}

func newSoftmax[T interface{ float32 | float64 }](d *Device, v *vecmath[T], k kernels.Softmax, backward bool) *softmaxExec[T] {
	e := &softmaxExec[T]{streaming: newStreaming(), pool: d.pool, v: v, k: k, backward: backward,
		lines: max(softmaxBytes/max(k.Len*k.Type.Size(), 1), 1), tiles: (k.Inner + softmaxTile - 1) / softmaxTile}
	e.room = softmaxChunk
	if k.Inner > 1 {
		e.room = 3 * softmaxTile
	}
	return e
}

func (e *softmaxExec[T]) Workspace() int { return e.pool.threads * e.room * e.k.Type.Size() }

func (e *softmaxExec[T]) Run(args []kernels.Arg, w kernels.Arg) error {
	k := &e.k
	if k.Outer*k.Len*k.Inner == 0 {
		return nil
	}
	e.a, e.out = kernels.Slice[T](args[0]), kernels.Slice[T](args[len(args)-1])
	if e.backward {
		e.b = kernels.Slice[T](args[1])
	}
	e.decide(args[len(args)-1], 0)
	e.scratch = kernels.Slice[T](w)
	parts := (k.Outer + e.lines - 1) / e.lines
	if k.Inner > 1 {
		parts = k.Outer * e.tiles
	}
	e.pool.inParts(parts, 4*k.Type.Size()*k.Outer*k.Len*k.Inner, e)
	return nil
}

func (e *softmaxExec[T]) part(i, worker int) {
	s := rowOf(e.scratch, worker, e.room)
	if e.k.Inner > 1 {
		e.tile(i/e.tiles, i%e.tiles*softmaxTile, s)
		return
	}
	for line := i * e.lines; line < min((i+1)*e.lines, e.k.Outer); line++ {
		a, out := rowOf(e.a, line, e.k.Len), rowOf(e.out, line, e.k.Len)
		if e.backward {
			e.lineBackward(out, a, rowOf(e.b, line, e.k.Len), s)
		} else {
			e.line(out, a, s)
		}
	}
}

func (e *softmaxExec[T]) line(y, x, s []T) {
	if e.k.Log {
		m, sum := e.v.logSumExp(x, s)
		log := T(math.Log(sum))
		inChunks(len(x), func(lo, hi int) { // first m, then the rest: their sum would lose the digits of the rest
			e.v.apply2s(kernels.Sub, s[:hi-lo], x[lo:hi], m)
			e.v.apply2s(kernels.Sub, place(y[lo:hi], s, e.stream), s[:hi-lo], log)
			e.v.emit(y[lo:hi], s, e.stream)
		})
		return
	}
	sum := e.v.expSum(y, x, e.v.max(x))
	e.v.apply2s(kernels.Mul, y, y, T(1/sum))
}

func (e *softmaxExec[T]) lineBackward(dx, y, dy, s []T) {
	if e.k.Log {
		sum := T(-e.v.sum(dy))
		inChunks(len(y), func(lo, hi int) {
			e.v.apply(kernels.Exp, s[:hi-lo], y[lo:hi])
			e.v.axpy(place(dx[lo:hi], s, e.stream), s[:hi-lo], sum, dy[lo:hi])
			e.v.emit(dx[lo:hi], s, e.stream)
		})
		return
	}
	dot := T(e.v.dot(y, dy))
	inChunks(len(y), func(lo, hi int) {
		e.v.apply2s(kernels.Sub, s[:hi-lo], dy[lo:hi], dot)
		e.v.apply2(kernels.Mul, place(dx[lo:hi], s, e.stream), s[:hi-lo], y[lo:hi])
		e.v.emit(dx[lo:hi], s, e.stream)
	})
}

// inChunks calls f with the bounds of the chunks of a line.
func inChunks(n int, f func(lo, hi int)) {
	for lo := 0; lo < n; lo += softmaxChunk {
		f(lo, min(lo+softmaxChunk, n))
	}
}

// place is where the last routine on a chunk writes: the result itself, or scratch memory whose contents emit will move.
func place[T any](dst, scratch []T, stream bool) []T {
	if stream {
		return scratch[:len(dst)]
	}
	return dst
}

// emit moves what lies in scratch memory to its place past the caches.
func (v *vecmath[T]) emit(dst, scratch []T, stream bool) {
	switch {
	case !stream:
	case len(dst)%16 == 0 && uintptr(unsafe.Pointer(&dst[0]))%64 == 0:
		v.streamCopy(&dst[0], &scratch[0], len(dst))
	default:
		copy(dst, scratch)
	}
}

// logSumExp gives the maximum m and Σ exp(x - m) of a line in one look at memory: chunk by chunk, each relative to its own maximum, joined in
// float64. s is scratch for a chunk.
func (v *vecmath[T]) logSumExp(x, s []T) (m T, sum float64) {
	m = T(math.Inf(-1))
	for len(x) > 0 {
		n := min(len(x), softmaxChunk)
		top := v.max(x[:n])
		switch part := 0.0; {
		case top == T(math.Inf(-1)): // nothing but -Inf adds nothing
		case !(top <= m): // a new maximum, or NaN
			part = v.expSum(s[:n], x[:n], top)
			sum, m = sum*math.Exp(float64(m)-float64(top))+part, top
		default:
			sum += v.expSum(s[:n], x[:n], top) * math.Exp(float64(top)-float64(m))
		}
		x = x[n:]
	}
	if m == T(math.Inf(-1)) {
		return m, math.NaN() // as 0/0
	}
	return m, sum
}

// tile does the lines that begin at the inner positions from first on.
func (e *softmaxExec[T]) tile(outer, first int, s []T) {
	n := min(softmaxTile, e.k.Inner-first)
	at := func(t []T, j int) []T {
		from := (outer*e.k.Len+j)*e.k.Inner + first
		return t[from : from+n : from+n]
	}
	total, spare, shift := s[:n], s[softmaxTile:softmaxTile+n], s[2*softmaxTile:2*softmaxTile+n]
	clear(total)
	v := e.v
	switch {
	case e.backward && e.k.Log:
		for j := range e.k.Len {
			v.apply2(kernels.Add, total, total, at(e.b, j))
		}
		for j := range e.k.Len {
			v.apply(kernels.Exp, spare, at(e.a, j))
			v.apply2(kernels.Mul, spare, spare, total)
			v.apply2(kernels.Sub, at(e.out, j), at(e.b, j), spare)
		}
	case e.backward:
		for j := range e.k.Len {
			v.mulAdd(total, at(e.a, j), at(e.b, j), total)
		}
		for j := range e.k.Len {
			v.apply2(kernels.Sub, spare, at(e.b, j), total)
			v.apply2(kernels.Mul, at(e.out, j), spare, at(e.a, j))
		}
	default:
		copy(shift, at(e.a, 0))
		for j := 1; j < e.k.Len; j++ {
			v.apply2(kernels.Max, shift, shift, at(e.a, j))
		}
		for j := range e.k.Len {
			to := spare
			if !e.k.Log {
				to = at(e.out, j)
			}
			v.apply2(kernels.Sub, to, at(e.a, j), shift)
			v.apply(kernels.Exp, to, to)
			v.apply2(kernels.Add, total, total, to)
		}
		if e.k.Log {
			v.apply(kernels.Log, total, total)
		} else {
			v.apply(kernels.Recip, total, total)
		}
		for j := range e.k.Len {
			if y := at(e.out, j); e.k.Log {
				v.apply2(kernels.Sub, y, at(e.a, j), shift)
				v.apply2(kernels.Sub, y, y, total)
			} else {
				v.apply2(kernels.Mul, y, y, total)
			}
		}
	}
}
