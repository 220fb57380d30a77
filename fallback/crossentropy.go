package fallback

import (
	"fmt"
	"math"

	"palladio/kernels"
)

// widenedCrossEntropy is the loss with logits, and distributions, of F32.
func widenedCrossEntropy(k kernels.CrossEntropy) kernels.CrossEntropy {
	if k.Labels == k.Type {
		k.Labels = kernels.F32
	}
	k.Type = kernels.F32
	return k
}

func (d *Device) prepareCrossEntropy(k kernels.CrossEntropy) (kernels.Exec, error) {
	if isHalf(k.Type) {
		return d.widened(k, widenedCrossEntropy(k))
	}
	if k.Type == kernels.F64 {
		return newCrossEntropy(d, vecF64(d.level), k, false, false), nil
	}
	return newCrossEntropy(d, vecF32(d.level), k, false, false), nil
}

func (d *Device) prepareCrossEntropyBackward(k kernels.CrossEntropyBackward) (kernels.Exec, error) {
	if isHalf(k.Of.Type) {
		return d.widened(k, kernels.CrossEntropyBackward{Of: widenedCrossEntropy(k.Of), PerSample: k.PerSample})
	}
	if k.Of.Type == kernels.F64 {
		return newCrossEntropy(d, vecF64(d.level), k.Of, true, k.PerSample), nil
	}
	return newCrossEntropy(d, vecF32(d.level), k.Of, true, k.PerSample), nil
}

// crossEntropyExec runs a cross-entropy or its gradient, a row of logits at a time: one look at memory forward, one look and one
// write backward.
type crossEntropyExec[T interface{ float32 | float64 }] struct {
	streaming
	pool                *pool
	v                   *vecmath[T]
	k                   kernels.CrossEntropy
	backward, perSample bool
	rows                int // in a part of the work

	logits, losses, mean, lse []T
	upstream, dlogits         []T
	classes32                 []int32
	classes64                 []int64
	probabilities             []T
	scratch                   []T
	share                     T // the gradient of each sample that counts, where that of the mean is given
}

func newCrossEntropy[T interface{ float32 | float64 }](d *Device, v *vecmath[T], k kernels.CrossEntropy, backward, perSample bool) *crossEntropyExec[T] {
	return &crossEntropyExec[T]{streaming: newStreaming(), pool: d.pool, v: v, k: k, backward: backward, perSample: perSample,
		rows: max(softmaxBytes/(k.C*k.Type.Size()), 1)}
}

func (e *crossEntropyExec[T]) Workspace() int { return e.pool.threads * softmaxChunk * e.k.Type.Size() }

func (e *crossEntropyExec[T]) Run(args []kernels.Arg, w kernels.Arg) error {
	e.logits = kernels.Slice[T](args[0])
	switch e.k.Labels {
	case kernels.I32:
		e.classes32 = kernels.Slice[int32](args[1])
	case kernels.I64:
		e.classes64 = kernels.Slice[int64](args[1])
	default:
		e.probabilities = kernels.Slice[T](args[1])
	}
	e.scratch = kernels.Slice[T](w)
	count, err := e.check()
	if err != nil {
		return err
	}
	if e.backward {
		e.lse, e.upstream, e.dlogits = kernels.Slice[T](args[2]), kernels.Slice[T](args[3]), kernels.Slice[T](args[4])
		e.decide(args[4], 0)
		if !e.perSample {
			e.share = T(float64(e.upstream[0]) / float64(max(count, 1)))
		}
	} else {
		e.losses, e.mean, e.lse = kernels.Slice[T](args[2]), kernels.Slice[T](args[3]), kernels.Slice[T](args[4])
	}
	e.pool.inParts((e.k.N+e.rows-1)/e.rows, 2*e.k.Type.Size()*e.k.N*e.k.C, e)
	if !e.backward {
		sum := 0.0
		for _, l := range e.losses {
			sum += float64(l)
		}
		e.mean[0] = T(sum / float64(max(count, 1)))
	}
	return nil
}

// label is the class of a sample, and whether the sample counts. It is only asked of classes.
func (e *crossEntropyExec[T]) label(n int) (class int64, counts bool) {
	if e.classes32 != nil {
		class = int64(e.classes32[n])
	} else {
		class = e.classes64[n]
	}
	return class, !e.k.Ignore || class != e.k.IgnoreIndex
}

// check counts the samples that are not ignored and finds labels outside the classes.
func (e *crossEntropyExec[T]) check() (count int, err error) {
	if e.k.Labels == e.k.Type {
		return e.k.N, nil
	}
	for n := range e.k.N {
		class, counts := e.label(n)
		if !counts {
			continue
		}
		if class < 0 || class >= int64(e.k.C) {
			return 0, fmt.Errorf("%s: label %d of sample %d, want 0 to %d", e.k, class, n, e.k.C-1)
		}
		count++
	}
	return count, nil
}

func (e *crossEntropyExec[T]) part(i, worker int) {
	s := rowOf(e.scratch, worker, softmaxChunk)
	for n := i * e.rows; n < min((i+1)*e.rows, e.k.N); n++ {
		if e.backward {
			e.gradient(n, s)
		} else {
			e.loss(n, s)
		}
	}
}

// loss computes in differences from the row's maximum, in float64 where numbers meet: large logits cost no digits.
func (e *crossEntropyExec[T]) loss(n int, s []T) {
	x := rowOf(e.logits, n, e.k.C)
	m, sum := e.v.logSumExp(x, s)
	log := math.Log(sum)
	e.lse[n] = T(float64(m) + log)
	smooth := e.k.Smoothing
	loss := 0.0
	if e.probabilities != nil {
		loss = (1 - smooth) * e.against(rowOf(e.probabilities, n, e.k.C), x, m, log, s)
	} else {
		label, counts := e.label(n)
		if !counts {
			e.losses[n] = 0
			return
		}
		loss = (1 - smooth) * (float64(m) - float64(x[label]) + log)
	}
	if smooth > 0 {
		inChunks(e.k.C, func(lo, hi int) {
			e.v.apply2s(kernels.Sub, s[:hi-lo], x[lo:hi], m)
			loss += smooth / float64(e.k.C) * (log*float64(hi-lo) - e.v.sum(s[:hi-lo]))
		})
	}
	e.losses[n] = T(loss)
}

// against is Σ q·(m + log - x).
func (e *crossEntropyExec[T]) against(q, x []T, m T, log float64, s []T) float64 {
	loss := 0.0
	inChunks(e.k.C, func(lo, hi int) {
		e.v.apply2s(kernels.Sub, s[:hi-lo], x[lo:hi], m)
		loss += log*e.v.sum(q[lo:hi]) - e.v.dot(q[lo:hi], s)
	})
	if !math.IsNaN(loss) {
		return loss
	}
	loss = 0 // perhaps from 0·Inf, which counts as 0
	for c, p := range q {
		if p != 0 {
			loss += float64(p) * (float64(m) - float64(x[c]) + log)
		}
	}
	return loss
}

func (e *crossEntropyExec[T]) gradient(n int, s []T) {
	dx, x, lse := rowOf(e.dlogits, n, e.k.C), rowOf(e.logits, n, e.k.C), e.lse[n]
	d, smooth := float64(e.share), e.k.Smoothing
	if e.perSample {
		d = float64(e.upstream[n])
	}
	even := -d * smooth / float64(e.k.C) // what smoothing takes from each class
	if e.probabilities != nil {
		q := rowOf(e.probabilities, n, e.k.C)
		weight := (1-smooth)*e.v.sum(q) + smooth
		inChunks(e.k.C, func(lo, hi int) {
			y := place(dx[lo:hi], s, e.stream)
			e.v.expSum(y, x[lo:hi], lse)
			e.v.scaleShift(y, y, T(d*weight), T(even))
			e.v.axpy(y, q[lo:hi], T(-d*(1-smooth)), y)
			e.v.emit(dx[lo:hi], y, e.stream)
		})
		return
	}
	label, counts := e.label(n)
	if !counts {
		clear(dx)
		return
	}
	inChunks(e.k.C, func(lo, hi int) {
		y := place(dx[lo:hi], s, e.stream)
		e.v.expSum(y, x[lo:hi], lse)
		e.v.scaleShift(y, y, T(d), T(even))
		if l := int(label) - lo; l >= 0 && l < len(y) {
			y[l] -= T(d * (1 - smooth))
		}
		e.v.emit(dx[lo:hi], y, e.stream)
	})
}
