package ref

import (
	"math"

	"palladio/kernels"
)

// normSets says which set of values each element of x[N, Spatial, C] takes its statistics from, and how many values a set has.
func normSets(k kernels.Norm) (set func(i int) int, sets, size int) {
	sets = kernels.Elems(k.StatShape())
	switch k.Kind {
	case kernels.LayerNorm, kernels.RMSNorm:
		set, size = func(i int) int { return i / k.C }, k.C
	case kernels.GroupNorm, kernels.InstanceNorm:
		per := k.C
		if k.Kind == kernels.GroupNorm {
			per = k.Groups
		}
		set = func(i int) int { return i/(k.Spatial*k.C)*per + i%k.C/(k.C/per) }
		size = k.Spatial * (k.C / per)
	default:
		set, size = func(i int) int { return i % k.C }, k.N*k.Spatial
	}
	return set, sets, size
}

// operands hands out a kernel's tensors in order, each only where it is present.
type operands struct{ t []tensor }

func (o *operands) next() tensor {
	t := o.t[0]
	o.t = o.t[1:]
	return t
}

func (o *operands) optional(present bool) (t tensor) {
	if present {
		t = o.next()
	}
	return t
}

// or reads element i of a tensor that may be absent.
func (t tensor) or(i int, absent float64) float64 {
	if t.typ == kernels.Invalid {
		return absent
	}
	return t.at(i)
}

func norm(k kernels.Norm) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		o := operands{t}
		x := o.next()
		scale, bias := o.optional(k.Scale), o.optional(k.Bias)
		running := k.Kind == kernels.BatchInference || k.Kind == kernels.BatchTraining && k.Running
		runningMean, runningVar := o.optional(running), o.optional(running)
		y := o.next()
		set, sets, size := normSets(k)
		mean, invstd := make([]float64, sets), make([]float64, sets)
		if k.Kind == kernels.BatchInference {
			for i := range mean {
				mean[i], invstd[i] = runningMean.at(i), 1/math.Sqrt(runningVar.at(i)+k.Eps)
			}
		} else {
			variance := make([]float64, sets)
			if k.Kind != kernels.RMSNorm {
				for i := range x.len() {
					mean[set(i)] += x.at(i) / float64(size)
				}
			}
			for i := range x.len() {
				d := x.at(i) - mean[set(i)]
				variance[set(i)] += d * d / float64(size)
			}
			for i, v := range variance {
				invstd[i] = 1 / math.Sqrt(v+k.Eps)
			}
			if running && size > 0 {
				n := float64(size)
				for i := range sets {
					runningMean.set(i, (1-k.Momentum)*runningMean.at(i)+k.Momentum*mean[i])
					runningVar.set(i, (1-k.Momentum)*runningVar.at(i)+k.Momentum*variance[i]*n/(n-1))
				}
			}
			if k.Kind != kernels.RMSNorm {
				o.next().fill(mean)
			}
			o.next().fill(invstd)
		}
		for i := range x.len() {
			v := scale.or(i%k.C, 1)*(x.at(i)-mean[set(i)])*invstd[set(i)] + bias.or(i%k.C, 0)
			if k.Act == kernels.ReLU && v < 0 {
				v = 0
			}
			y.set(i, v)
		}
	})
}

// fill writes all elements.
func (t tensor) fill(v []float64) {
	for i, v := range v {
		t.set(i, v)
	}
}

func normBackward(b kernels.NormBackward) (kernels.Exec, error) {
	k := b.Of
	return run(b, func(t []tensor) {
		o := operands{t}
		x, dy := o.next(), o.next()
		scale, bias := o.optional(k.Scale), o.optional(k.Bias && k.Act == kernels.ReLU)
		set, sets, size := normSets(k)
		mean, invstd := make([]float64, sets), make([]float64, sets)
		if k.Kind == kernels.BatchInference {
			m, v := o.next(), o.next()
			for i := range mean {
				mean[i], invstd[i] = m.at(i), 1/math.Sqrt(v.at(i)+k.Eps)
			}
		} else {
			m, s := o.optional(k.Kind != kernels.RMSNorm), o.next()
			for i := range mean {
				mean[i], invstd[i] = m.or(i, 0), s.at(i)
			}
		}
		dx, dscale, dbias := o.next(), o.optional(k.Scale), o.optional(k.Bias)

		n := x.len()
		xhat, g := make([]float64, n), make([]float64, n)
		sumScale, sumBias := make([]float64, k.C), make([]float64, k.C)
		meanG, meanGX := make([]float64, sets), make([]float64, sets) // E[scale·g], E[scale·g·x̂]
		for i := range n {
			c, s := i%k.C, set(i)
			xhat[i] = (x.at(i) - mean[s]) * invstd[s]
			g[i] = dy.at(i)
			if z := scale.or(c, 1)*xhat[i] + bias.or(c, 0); k.Act == kernels.ReLU && !(z > 0) {
				g[i] = 0
			}
			sumBias[c] += g[i]
			sumScale[c] += g[i] * xhat[i]
			meanG[s] += scale.or(c, 1) * g[i] / float64(size)
			meanGX[s] += scale.or(c, 1) * g[i] * xhat[i] / float64(size)
		}
		for i := range n {
			c, s := i%k.C, set(i)
			v := scale.or(c, 1) * g[i]
			switch k.Kind {
			case kernels.BatchInference:
			case kernels.RMSNorm:
				v -= xhat[i] * meanGX[s]
			default:
				v -= meanG[s] + xhat[i]*meanGX[s]
			}
			dx.set(i, invstd[s]*v)
		}
		if k.Scale {
			dscale.fill(sumScale)
		}
		if k.Bias {
			dbias.fill(sumBias)
		}
	})
}
