package fallback

import "math"

// sqrt is the square root in T's precision.
func sqrt[T real](x T) T { return T(math.Sqrt(float64(x))) }

// step runs a rule on each parameter: it takes the decayed gradient and the parameter, and returns what is to be
// subtracted from it at rate 1.
func (p *optimState[T]) step(rule func(i int, g, w T) T) {
	grad, param := vector(p.grad, p.n), vector(p.param, p.n)
	for i, w := range param {
		param[i] = p.c[cKeep]*w - p.c[cRate]*rule(i, p.c[cScale]*grad[i]+p.c[cDecay]*w, w)
	}
}

// moments updates Adam's averages of one parameter.
func (p *optimState[T]) moments(m, v []T, i int, g T) {
	m[i] += p.c[cFirst] * (g - m[i])
	v[i] += p.c[cSecond] * (g*g - v[i])
}

// direction is LAMB's.
func (p *optimState[T]) direction(m, v, w T) T {
	return p.c[cCorr1]*m/(sqrt(p.c[cCorr2]*v)+p.c[cEps]) + p.c[cDecay]*w
}

// genericOptimRules are the portable rules.
func genericOptimRules[T real]() optimRules[T] {
	r := optimRules[T]{
		sgd: func(p *optimState[T]) {
			p.c[cKeep] = 1
			p.step(func(_ int, g, _ T) T { return g })
		},
		sgdMomentum: func(p *optimState[T]) {
			p.c[cKeep] = 1
			m := vector(p.state0, p.n)
			p.step(func(i int, g, _ T) T {
				m[i] = p.c[cMu]*m[i] + p.c[cDamp]*g
				return m[i]
			})
		},
		sgdNesterov: func(p *optimState[T]) {
			p.c[cKeep] = 1
			m := vector(p.state0, p.n)
			p.step(func(i int, g, _ T) T {
				m[i] = p.c[cMu]*m[i] + p.c[cDamp]*g
				return g + p.c[cMu]*m[i]
			})
		},
		adam: func(p *optimState[T]) {
			m, v := vector(p.state0, p.n), vector(p.state1, p.n)
			p.step(func(i int, g, _ T) T {
				p.moments(m, v, i, g)
				return m[i] / (sqrt(p.c[cCorr2]*v[i]) + p.c[cEps])
			})
		},
		lambMoments: genericLAMBMoments[T],
		lambApply: func(p *optimState[T]) {
			w, m, v := vector(p.param, p.n), vector(p.state0, p.n), vector(p.state1, p.n)
			for i := range w {
				w[i] -= p.c[cRate] * p.direction(m[i], v[i], w[i])
			}
		},
		adaDelta: func(p *optimState[T]) {
			p.c[cKeep] = 1
			s, u := vector(p.state0, p.n), vector(p.state1, p.n)
			p.step(func(i int, g, _ T) T {
				s[i] += p.c[cFirst] * (g*g - s[i])
				d := sqrt(u[i]+p.c[cEps]) / sqrt(s[i]+p.c[cEps]) * g
				u[i] += p.c[cFirst] * (d*d - u[i])
				return d
			})
		},
		ema: func(p *optimState[T]) {
			x, a := vector(p.grad, p.n), vector(p.state0, p.n)
			for i := range a {
				a[i] += p.c[cFirst] * (x[i] - a[i])
			}
		},
	}
	for variant := range r.rmsProp {
		r.rmsProp[variant] = genericRMSProp[T](variant&1 != 0, variant&2 != 0)
	}
	return r
}

func genericLAMBMoments[T real](p *optimState[T]) {
	grad, w := vector(p.grad, p.n), vector(p.param, p.n)
	m, v := vector(p.state0, p.n), vector(p.state1, p.n)
	var ww, rr [8]T // lanes, so that long sums stay accurate
	for i := range w {
		p.moments(m, v, i, p.c[cScale]*grad[i])
		d := p.direction(m[i], v[i], w[i])
		ww[i%8] += w[i] * w[i]
		rr[i%8] += d * d
	}
	p.sums = [2]T{}
	for l := range ww {
		p.sums[0] += ww[l]
		p.sums[1] += rr[l]
	}
}

func genericRMSProp[T real](centered, momentum bool) func(p *optimState[T]) {
	return func(p *optimState[T]) {
		p.c[cKeep] = 1
		v := vector(p.state0, p.n)
		var a, buffer []T
		switch { // states that a variant does not have are left out
		case centered && momentum:
			a, buffer = vector(p.state1, p.n), vector(p.state2, p.n)
		case centered:
			a = vector(p.state1, p.n)
		case momentum:
			buffer = vector(p.state1, p.n)
		}
		p.step(func(i int, g, _ T) T {
			v[i] += p.c[cFirst] * (g*g - v[i])
			q := v[i]
			if centered {
				a[i] += p.c[cFirst] * (g - a[i])
				q = max(q-a[i]*a[i], 0)
			}
			d := g / (sqrt(q) + p.c[cEps])
			if momentum {
				buffer[i] = p.c[cMu]*buffer[i] + d
				d = buffer[i]
			}
			return d
		})
	}
}
