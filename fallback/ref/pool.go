package ref

import (
	"math"

	"palladio/kernels"
)

// windows calls f with each output position of one image, flat, the flat image positions that it sees, and by how many an
// average divides.
func windows(k kernels.Pool, f func(out int, in []int, divisor int)) {
	each(k.Out(), func(out int, p []int) {
		in, divisor := []int{0}, 1
		for d := range p {
			lo, hi, padded := k.Range(d, p[d])
			var next []int
			for _, i := range in {
				for h := lo; h < hi; h++ {
					next = append(next, i*k.In[d]+h)
				}
			}
			in = next
			if k.CountPad {
				divisor *= padded
			} else {
				divisor *= hi - lo
			}
		}
		f(out, in, divisor)
	})
}

func pool(k kernels.Pool) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, y := t[0], t[1]
		inSize, outSize := kernels.Elems(k.In), kernels.Elems(k.Out())
		windows(k, func(out int, in []int, divisor int) {
			for n := range k.N {
				for c := range k.C {
					value := func(i int) float64 { return x.at((n*inSize+i)*k.C + c) }
					o := (n*outSize+out)*k.C + c
					if k.Kind == kernels.AvgPool {
						sum := 0.0
						for _, i := range in {
							sum += value(i)
						}
						y.set(o, sum/float64(divisor))
						continue
					}
					best := in[0]
					for _, i := range in {
						if !math.IsNaN(value(best)) && (value(i) > value(best) || math.IsNaN(value(i))) {
							best = i
						}
					}
					y.set(o, value(best))
					if k.Argmax {
						t[2].set(o, float64(best))
					}
				}
			}
		})
	})
}

func poolBackward(b kernels.PoolBackward) (kernels.Exec, error) {
	k := b.Of
	return run(b, func(t []tensor) {
		dy, dx := t[0], t[len(t)-1]
		sum := make([]float64, dx.len())
		inSize, outSize := kernels.Elems(k.In), kernels.Elems(k.Out())
		windows(k, func(out int, in []int, divisor int) {
			for n := range k.N {
				for c := range k.C {
					o := (n*outSize+out)*k.C + c
					if k.Kind == kernels.MaxPool {
						sum[(n*inSize+int(t[1].at(o)))*k.C+c] += dy.at(o)
						continue
					}
					for _, i := range in {
						sum[(n*inSize+i)*k.C+c] += dy.at(o) / float64(divisor)
					}
				}
			}
		})
		dx.fill(sum)
	})
}

// sources calls f with each output position of one image, flat, each input position that it takes, flat, and its weight.
func sources(k kernels.Resize, f func(out, in int, weight float64)) {
	each(k.Out, func(out int, p []int) {
		var walk func(d, in int, weight float64)
		walk = func(d, in int, weight float64) {
			if d == len(p) {
				f(out, in, weight)
				return
			}
			i, j, t := k.Source(d, p[d])
			walk(d+1, in*k.In[d]+i, weight*(1-t))
			if t != 0 {
				walk(d+1, in*k.In[d]+j, weight*t)
			}
		}
		walk(0, 0, 1)
	})
}

func resize(k kernels.Resize) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, y := t[0], t[1]
		sum := make([]float64, y.len())
		inSize, outSize := kernels.Elems(k.In), kernels.Elems(k.Out)
		sources(k, func(out, in int, weight float64) {
			for n := range k.N {
				for c := range k.C {
					sum[(n*outSize+out)*k.C+c] += weight * x.at((n*inSize+in)*k.C+c)
				}
			}
		})
		y.fill(sum)
	})
}

func resizeBackward(b kernels.ResizeBackward) (kernels.Exec, error) {
	k := b.Of
	return run(b, func(t []tensor) {
		dy, dx := t[0], t[1]
		sum := make([]float64, dx.len())
		inSize, outSize := kernels.Elems(k.In), kernels.Elems(k.Out)
		sources(k, func(out, in int, weight float64) {
			for n := range k.N {
				for c := range k.C {
					sum[(n*inSize+in)*k.C+c] += weight * dy.at((n*outSize+out)*k.C+c)
				}
			}
		})
		dx.fill(sum)
	})
}
