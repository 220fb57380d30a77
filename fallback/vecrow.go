package fallback

import "math"

// genericRows fills in the portable reductions of rows. Eight interleaved partial results stand for the lanes of a vector.
func (v *vecmath[T]) genericRows() {
	v.rowSum = func(a *T, n int) T { return lanesOf(vector(a, n), func(x T) T { return x }) }
	v.rowSumAbs = func(a *T, n int) T { return lanesOf(vector(a, n), func(x T) T { return T(math.Abs(float64(x))) }) }
	v.rowSumSq = func(a *T, n int) T { return lanesOf(vector(a, n), func(x T) T { return x * x }) }
	v.rowProd = func(a *T, n int) T {
		p := T(1)
		for _, x := range vector(a, n) {
			p *= x
		}
		return p
	}
	v.rowMax = func(a *T, n int) T {
		m := T(math.Inf(-1))
		for _, x := range vector(a, n) {
			m = max(m, x)
		}
		return m
	}
	v.rowMin = func(a *T, n int) T {
		m := T(math.Inf(1))
		for _, x := range vector(a, n) {
			m = min(m, x)
		}
		return m
	}
	v.rowDot = func(a, b *T, n int) T {
		y, i := vector(b, n), -1
		return lanesOf(vector(a, n), func(x T) T { i++; return x * y[i] })
	}
	v.rowSqDev = func(a *T, mean T, n int) T {
		return lanesOf(vector(a, n), func(x T) T { return (x - mean) * (x - mean) })
	}
	v.rowExpSum = func(dst, a *T, m T, n int) T {
		d, i := vector(dst, n), -1
		return lanesOf(vector(a, n), func(x T) T {
			i++
			d[i] = T(math.Exp(float64(x - m)))
			return d[i]
		})
	}
}

// lanesOf adds up f of the elements in eight interleaved sums.
func lanesOf[T real](a []T, f func(T) T) T {
	var s [8]T
	for len(a) >= 8 {
		for l := range s {
			s[l] += f(a[l])
		}
		a = a[8:]
	}
	for l, x := range a {
		s[l] += f(x)
	}
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}
