package ref

import "palladio/kernels"

// convTerms calls f with the flat positions of every product x·w → y of a convolution, in a fixed order. The forward and both
// backward passes are sums over these same terms.
func convTerms(g kernels.ConvGeometry, f func(x, w, y int)) {
	image, result := g.Image(), g.Result()
	cg, kg := g.C/g.Groups, g.K/g.Groups
	if kernels.Elems(result) == 0 {
		return
	}
	each(result[:len(result)-1], func(pixel int, p []int) {
		each(g.Taps, func(tap int, t []int) {
			x := p[0]
			for d := range t {
				h := p[1+d]*g.Stride[d] + t[d]*g.Dilation[d] - g.PadLo[d]
				if h < 0 || h >= image[1+d] {
					return
				}
				x = x*image[1+d] + h
			}
			for k := range g.K {
				for c := range cg {
					f(x*g.C+k/kg*cg+c, (k*kernels.Elems(g.Taps)+tap)*cg+c, pixel*g.K+k)
				}
			}
		})
	})
}

func conv(k kernels.Conv) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, w, y := t[0], t[1], t[len(t)-1]
		sum := make([]float64, y.len())
		convTerms(k.ConvGeometry, func(i, j, o int) { sum[o] += x.at(i) * w.at(j) })
		convFinish(k.Epilogue, k.K, sum, t[2:])
	})
}

func convBackwardData(k kernels.ConvBackwardData) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		dy, w, dx := t[0], t[1], t[len(t)-1]
		sum := make([]float64, dx.len())
		convTerms(k.ConvGeometry, func(i, j, o int) { sum[i] += dy.at(o) * w.at(j) })
		convFinish(k.Epilogue, k.C, sum, t[2:])
	})
}

func convBackwardFilter(k kernels.ConvBackwardFilter) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, dy, dw := t[0], t[1], t[2]
		sum := make([]float64, dw.len())
		convTerms(k.ConvGeometry, func(i, j, o int) { sum[j] += dy.at(o) * x.at(i) })
		for i, v := range sum {
			dw.set(i, v)
		}
		if k.Bias {
			bias := make([]float64, k.K)
			for i := range dy.len() {
				bias[i%k.K] += dy.at(i)
			}
			for i, v := range bias {
				t[3].set(i, v)
			}
		}
	})
}

// convFinish applies the epilogue to sums and stores them; t holds [bias], [residual], result.
func convFinish(e kernels.Epilogue, channels int, sum []float64, t []tensor) {
	out := t[len(t)-1]
	for i, v := range sum {
		j := 0
		if e.Bias {
			v += t[j].at(i % channels)
			j++
		}
		if e.Residual {
			v += t[j].at(i)
		}
		out.set(i, activate(e.Act, v))
	}
}
