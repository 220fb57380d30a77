package ref

import (
	"fmt"
	"math"

	"palladio/kernels"
)

// lines calls f with the flat positions of each line along the softmax's axis.
func lines(k kernels.Softmax, f func(at []int)) {
	at := make([]int, k.Len)
	for o := range k.Outer {
		for i := range k.Inner {
			for j := range at {
				at[j] = (o*k.Len+j)*k.Inner + i
			}
			f(at)
		}
	}
}

// logSumExp is log Σ exp(x) over the given positions, with the maximum taken out.
func logSumExp(x tensor, at []int) float64 {
	m, sum := math.Inf(-1), 0.0
	for _, i := range at {
		m = math.Max(m, x.at(i))
	}
	for _, i := range at {
		sum += math.Exp(x.at(i) - m)
	}
	return m + math.Log(sum)
}

func softmax(k kernels.Softmax) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		x, y := t[0], t[1]
		lines(k, func(at []int) {
			lse := logSumExp(x, at)
			for _, i := range at {
				if k.Log {
					y.set(i, x.at(i)-lse)
				} else {
					y.set(i, math.Exp(x.at(i)-lse))
				}
			}
		})
	})
}

func softmaxBackward(k kernels.SoftmaxBackward) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		y, dy, dx := t[0], t[1], t[2]
		lines(k.Of, func(at []int) {
			sum := 0.0
			for _, i := range at {
				if k.Of.Log {
					sum += dy.at(i)
				} else {
					sum += y.at(i) * dy.at(i)
				}
			}
			for _, i := range at {
				if k.Of.Log {
					dx.set(i, dy.at(i)-math.Exp(y.at(i))*sum)
				} else {
					dx.set(i, y.at(i)*(dy.at(i)-sum))
				}
			}
		})
	})
}

// smoothed fills q with sample n's smoothed target distribution. It says whether the sample counts.
func smoothed(k kernels.CrossEntropy, labels tensor, n int, q []float64) (bool, error) {
	clear(q)
	if k.Labels == k.Type {
		for c := range q {
			q[c] = labels.at(n*k.C + c)
		}
	} else {
		label := labels.at(n)
		if k.Ignore && label == float64(k.IgnoreIndex) {
			return false, nil
		}
		if label < 0 || label >= float64(k.C) {
			return false, fmt.Errorf("%s: label %v of sample %d, want 0 to %d", k, label, n, k.C-1)
		}
		q[int(label)] = 1
	}
	for c := range q {
		q[c] = (1-k.Smoothing)*q[c] + k.Smoothing/float64(k.C)
	}
	return true, nil
}

func crossEntropy(k kernels.CrossEntropy) (kernels.Exec, error) {
	return runChecked(k, func(t []tensor) error {
		x, labels, losses, mean, lse := t[0], t[1], t[2], t[3], t[4]
		q, at := make([]float64, k.C), make([]int, k.C)
		total, count := 0.0, 0
		for n := range k.N {
			counts, err := smoothed(k, labels, n, q)
			if err != nil {
				return err
			}
			for c := range at {
				at[c] = n*k.C + c
			}
			l, loss := logSumExp(x, at), 0.0
			if counts {
				for c := range q {
					if q[c] != 0 {
						loss += q[c] * (l - x.at(at[c]))
					}
				}
				count++
			}
			total += loss
			losses.set(n, loss)
			lse.set(n, l)
		}
		mean.set(0, total/float64(max(count, 1)))
		return nil
	})
}

func crossEntropyBackward(b kernels.CrossEntropyBackward) (kernels.Exec, error) {
	k := b.Of
	return runChecked(b, func(t []tensor) error {
		x, labels, lse, upstream, dx := t[0], t[1], t[2], t[3], t[4]
		q, counts := make([]float64, k.C), make([]bool, k.N)
		count := 0
		for n := range k.N {
			var err error
			if counts[n], err = smoothed(k, labels, n, q); err != nil {
				return err
			}
			if counts[n] {
				count++
			}
		}
		d := func(n int) float64 { return upstream.at(0) / float64(max(count, 1)) }
		if b.PerSample {
			d = upstream.at
		}
		for n := range k.N {
			if !counts[n] {
				for c := range q {
					dx.set(n*k.C+c, 0)
				}
				continue
			}
			if _, err := smoothed(k, labels, n, q); err != nil {
				return err
			}
			weight, l := 0.0, lse.at(n)
			for _, v := range q {
				weight += v
			}
			for c := range q {
				dx.set(n*k.C+c, d(n)*(math.Exp(x.at(n*k.C+c)-l)*weight-q[c]))
			}
		}
		return nil
	})
}
