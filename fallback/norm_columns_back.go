package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// saved gives the mean and the inverse standard deviation of channel j of a sample.
func (e *columnNorm) saved(sample, j int) (mean, invstd float64) {
	if e.k.Kind == kernels.BatchInference {
		return float64(e.o.runningMean[j]), 1 / math.Sqrt(float64(e.o.runningVar[j])+e.k.Eps)
	}
	set := sample*e.sets + j/(e.c/e.sets)
	return float64(e.o.mean[set]), float64(e.o.invstd[set])
}

// backPrepare fills in the rows of parameters that the sums need: those of the forward pass, bit for bit, so that a fused ReLU is found
// open where it was.
func (e *columnNorm) backPrepare(sample int) {
	p := rowOf(e.params, sample, 5*e.width)
	mean, a, b := rowOf(p, 0, e.width), rowOf(p, 1, e.width), rowOf(p, 2, e.width)
	if e.k.Kind == kernels.BatchInference {
		e.inference(mean, a)
	} else {
		for j := range e.c {
			m, invstd := e.saved(sample, j)
			mean[j] = float32(m)
			a[j] = float32(float64(or(e.o.scale, j, 1)) * invstd)
		}
	}
	clear(b[:e.c])
	copy(b, e.o.bias)
	e.spread(mean)
	e.spread(a)
	e.spread(b)
}

// backSums takes Σ g and Σ g·(x - mean) of each channel over a block.
func (e *columnNorm) backSums(sample, block, worker int) {
	a := &e.args[worker]
	s := rowOf(e.scratch, worker, 4*e.width)
	wide1, wide2, sum := rowOf(s, 0, e.width), rowOf(s, 1, e.width), rowOf(s, 2, e.width)[:e.c]
	out := rowOf(e.partial, sample*e.blocks+block, 2*e.c)
	clear(wide1)
	clear(wide2)
	e.parameters(a, rowOf(e.params, sample, 5*e.width))
	a.sum1, a.sum2 = unsafe.SliceData(wide1), unsafe.SliceData(wide2)
	e.sweep(a, sample, block, e.passes.columnBackSums[normVariant(e.relu, false)])
	e.folded(a, wide1, sum)
	for j, v := range sum {
		out[j] = float64(v)
	}
	e.folded(a, wide2, sum)
	for j, v := range sum {
		out[e.c+j] = float64(v)
	}
}

// backMerge adds up the blocks of a sample, and fills in the rows of parameters of dx = a·g + c·(x - mean) + d.
func (e *columnNorm) backMerge(sample int) {
	t := rowOf(e.channel, sample, 2*e.c) // becomes Σ g and Σ g·x̂
	clear(t)
	for block := range e.blocks {
		for j, v := range rowOf(e.partial, sample*e.blocks+block, 2*e.c) {
			t[j] += v
		}
	}
	p := rowOf(e.params, sample, 5*e.width)
	c, d := rowOf(p, 3, e.width), rowOf(p, 4, e.width)
	per := e.c / e.sets
	size := float64(e.rows * per)
	for set := range e.sets {
		m1, m2 := 0.0, 0.0 // E[scale·g], E[scale·g·x̂]
		for j := set * per; j < (set+1)*per; j++ {
			_, invstd := e.saved(sample, j)
			t[e.c+j] *= invstd
			scale := float64(or(e.o.scale, j, 1))
			m1 += scale * t[j] / size
			m2 += scale * t[e.c+j] / size
		}
		if e.k.Kind == kernels.BatchInference {
			m1, m2 = 0, 0
		}
		for j := set * per; j < (set+1)*per; j++ {
			_, invstd := e.saved(sample, j)
			c[j] = float32(-m2 * invstd * invstd)
			d[j] = float32(-m1 * invstd)
		}
	}
	e.spread(c)
	e.spread(d)
}

// parameterGradients adds up the samples' sums, in their order.
func (e *columnNorm) parameterGradients() {
	for i, out := range [][]float32{e.o.dbias, e.o.dscale} {
		for j := range out {
			sum := 0.0
			for sample := range e.samples {
				sum += e.channel[(2*sample+i)*e.c+j]
			}
			out[j] = float32(sum)
		}
	}
}
