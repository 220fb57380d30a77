package fallback

import (
	"palladio/kernels"
)

// argReduceExec searches lines of n elements, inner apart: outer·inner of them.
type argReduceExec[T real, I int32 | int64] struct {
	d               *Device
	v               *vecmath[T]
	min             bool
	outer, n, inner int
	perPart         int // of the outer lines
	threads         bool
	in              []T
	out             []I
	best            [][]T // of a worker: the best of each column so far
}

func argReduce(d *Device, k kernels.ArgReduce) (kernels.Exec, error) {
	if isHalf(k.Type) {
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	}
	switch {
	case k.Type == kernels.F64 && k.Index == kernels.I32:
		return newArgReduce[float64, int32](d, vecF64(d.level), k), nil
	case k.Type == kernels.F64:
		return newArgReduce[float64, int64](d, vecF64(d.level), k), nil
	case k.Index == kernels.I32:
		return newArgReduce[float32, int32](d, vecF32(d.level), k), nil
	}
	return newArgReduce[float32, int64](d, vecF32(d.level), k), nil
}

func newArgReduce[T real, I int32 | int64](d *Device, v *vecmath[T], k kernels.ArgReduce) *argReduceExec[T, I] {
	e := &argReduceExec[T, I]{d: d, v: v, min: k.Min, outer: kernels.Elems(k.Shape[:k.Axis]), n: k.Shape[k.Axis],
		inner: kernels.Elems(k.Shape[k.Axis+1:])}
	e.perPart = max(1, reduceChunk/max(1, e.n*e.inner))
	e.threads = kernels.Elems(k.Shape)*k.Type.Size() >= reduceParallel
	if e.inner > 1 {
		for range d.Threads() {
			e.best = append(e.best, make([]T, e.inner))
		}
	}
	return e
}

// Workspace is empty.
func (*argReduceExec[T, I]) Workspace() int { return 0 }

// Run searches args[0] and writes positions to args[1].
func (e *argReduceExec[T, I]) Run(args []kernels.Arg, _ kernels.Arg) error {
	if e.outer == 0 || e.inner == 0 {
		return nil
	}
	e.in, e.out = kernels.Slice[T](args[0]), kernels.Slice[I](args[1])
	parts := ceilDiv(e.outer, e.perPart)
	if e.threads {
		e.d.pool.run(parts, e)
	} else {
		for i := range parts {
			e.part(i, 0)
		}
	}
	e.in, e.out = nil, nil
	return nil
}

func (e *argReduceExec[T, I]) part(i, worker int) {
	for o := i * e.perPart; o < min((i+1)*e.perPart, e.outer); o++ {
		block := e.in[o*e.n*e.inner:][:e.n*e.inner]
		if e.inner == 1 {
			e.out[o] = I(e.search(block))
		} else {
			e.columns(block, e.out[o*e.inner:][:e.inner], e.best[worker])
		}
	}
}

// search finds the best of a row: the vector routine tells which value is the best of a block, and where the row's best grows, the block is
// looked through for it.
func (e *argReduceExec[T, I]) search(x []T) int {
	best := x[0]
	at := 0
	if best != best {
		return 0
	}
	for start := 0; start < len(x); start += rowBlock {
		block := x[start:min(start+rowBlock, len(x))]
		m := e.extreme(block)
		if m == m && !e.better(m, best) {
			continue
		}
		for i, v := range block {
			if v == m || v != v {
				best, at = v, start+i
				break
			}
		}
		if best != best {
			return at
		}
	}
	return at
}

func (e *argReduceExec[T, I]) extreme(x []T) T {
	if e.min {
		return e.v.min(x)
	}
	return e.v.max(x)
}

// better says whether a beats b, where b is a number.
func (e *argReduceExec[T, I]) better(a, b T) bool {
	if e.min {
		return a < b
	}
	return a > b
}

// columns searches all columns of a block of rows.
func (e *argReduceExec[T, I]) columns(x []T, out []I, best []T) {
	copy(best, x)
	clear(out)
	for r := 1; r < e.n; r++ {
		for c, v := range x[r*e.inner:][:e.inner] {
			b := best[c]
			if b == b && (e.better(v, b) || v != v) {
				best[c], out[c] = v, I(r)
			}
		}
	}
}
