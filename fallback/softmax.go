package fallback

import (
	"math"

	"palladio/kernels"
)

// softmaxBytes is about what a part of a softmax's or a loss's work reads.
const softmaxBytes = 32 << 10

// softmaxTile is how many neighbouring lines along an inner axis are done together, in the lanes.
const softmaxTile = 512

func (d *Device) prepareSoftmax(k kernels.Softmax) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newSoftmax(d, vecF64(d.level), k, false), nil
	}
	return newSoftmax(d, vecF32(d.level), k, false), nil
}

func (d *Device) prepareSoftmaxBackward(k kernels.SoftmaxBackward) (kernels.Exec, error) {
	if k.Of.Type == kernels.F64 {
		return newSoftmax(d, vecF64(d.level), k.Of, true), nil
	}
	return newSoftmax(d, vecF32(d.level), k.Of, true), nil
}

// softmaxExec runs a softmax or its gradient: contiguous lines one by one, in cache from the maximum to the quotient; lines along
// an inner axis many at a time.
type softmaxExec[T interface{ float32 | float64 }] struct {
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
	e := &softmaxExec[T]{pool: d.pool, v: v, k: k, backward: backward,
		lines: max(softmaxBytes/max(k.Len*k.Type.Size(), 1), 1), tiles: (k.Inner + softmaxTile - 1) / softmaxTile}
	e.room = k.Len
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
	m := e.v.max(x)
	if e.k.Log {
		sum := e.v.expSum(s, x, m)
		e.v.apply2s(kernels.Sub, y, x, m) // first m, then the rest: their sum would lose the digits of the rest
		e.v.apply2s(kernels.Sub, y, y, T(math.Log(sum)))
		return
	}
	sum := e.v.expSum(y, x, m)
	e.v.apply2s(kernels.Mul, y, y, T(1/sum))
}

func (e *softmaxExec[T]) lineBackward(dx, y, dy, s []T) {
	if e.k.Log {
		sum := e.v.sum(dy)
		e.v.apply(kernels.Exp, s, y)
		e.v.axpy(dx, s, T(-sum), dy)
		return
	}
	e.v.apply2s(kernels.Sub, s, dy, T(e.v.dot(y, dy)))
	e.v.apply2(kernels.Mul, dx, s, y)
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
			v.apply2(kernels.Sub, spare, at(e.a, j), shift)
			v.apply(kernels.Exp, spare, spare)
			v.apply2(kernels.Add, total, total, spare)
			if !e.k.Log {
				copy(at(e.out, j), spare)
			}
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
