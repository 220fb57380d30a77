package ref

import (
	"math"

	"palladio/kernels"
)

// parameter is one parameter in an optimiser's step: the step's operands at one position.
type parameter struct {
	lr, t float64   // learning rate, number of the step
	g, w  float64   // scaled gradient, parameter
	s     []float64 // state
}

// step makes an Exec of a rule for one parameter.
func step(k kernels.Kernel, rule func(p *parameter)) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		hyper, scale := t[0], t[1].at(0)
		if scale == 0 {
			return
		}
		for i := range t[3].len() {
			p := parameter{hyper.at(0), hyper.at(1), scale * t[2].at(i), t[3].at(i), make([]float64, len(t)-4)}
			for j := range p.s {
				p.s[j] = t[4+j].at(i)
			}
			rule(&p)
			t[3].set(i, p.w)
			for j, v := range p.s {
				t[4+j].set(i, v)
			}
		}
	})
}

// mix moves an average towards x.
func mix(avg *float64, x, beta float64) float64 {
	*avg = beta**avg + (1-beta)*x
	return *avg
}

func sgd(k kernels.SGD) (kernels.Exec, error) {
	return step(k, func(p *parameter) {
		g := p.g + k.WeightDecay*p.w
		if k.Momentum != 0 {
			m := &p.s[0]
			*m = k.Momentum**m + (1-k.Dampening)*g
			if k.Nesterov {
				g += k.Momentum * *m
			} else {
				g = *m
			}
		}
		p.w -= p.lr * g
	})
}

func adam(k kernels.Adam) (kernels.Exec, error) {
	return step(k, func(p *parameter) {
		g := p.g
		if k.Decoupled {
			p.w -= p.lr * k.WeightDecay * p.w
		} else {
			g += k.WeightDecay * p.w
		}
		p.w -= p.lr * adamDirection(p, g, k.Beta1, k.Beta2, k.Eps)
	})
}

// adamDirection updates the moments m and v and returns the bias-corrected m/(sqrt(v)+eps).
func adamDirection(p *parameter, g, beta1, beta2, eps float64) float64 {
	m := mix(&p.s[0], g, beta1) / (1 - math.Pow(beta1, p.t))
	v := mix(&p.s[1], g*g, beta2) / (1 - math.Pow(beta2, p.t))
	return m / (math.Sqrt(v) + eps)
}

func lamb(k kernels.LAMB) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		hyper, scale, w := t[0], t[1].at(0), t[3]
		if scale == 0 {
			return
		}
		r := make([]float64, w.len())
		var ww, rr float64
		for i := range r {
			p := parameter{hyper.at(0), hyper.at(1), scale * t[2].at(i), w.at(i), []float64{t[4].at(i), t[5].at(i)}}
			r[i] = adamDirection(&p, p.g, k.Beta1, k.Beta2, k.Eps) + k.WeightDecay*p.w
			t[4].set(i, p.s[0])
			t[5].set(i, p.s[1])
			ww += p.w * p.w
			rr += r[i] * r[i]
		}
		ratio := 1.0
		if ww > 0 && rr > 0 {
			ratio = math.Sqrt(ww) / math.Sqrt(rr)
		}
		for i := range r {
			w.set(i, w.at(i)-hyper.at(0)*ratio*r[i])
		}
	})
}

func adaDelta(k kernels.AdaDelta) (kernels.Exec, error) {
	return step(k, func(p *parameter) {
		g := p.g + k.WeightDecay*p.w
		s := mix(&p.s[0], g*g, k.Rho)
		d := math.Sqrt(p.s[1]+k.Eps) / math.Sqrt(s+k.Eps) * g
		mix(&p.s[1], d*d, k.Rho)
		p.w -= p.lr * d
	})
}

func rmsProp(k kernels.RMSProp) (kernels.Exec, error) {
	return step(k, func(p *parameter) {
		g := p.g + k.WeightDecay*p.w
		q := mix(&p.s[0], g*g, k.Rho)
		if k.Centered {
			a := mix(&p.s[1], g, k.Rho)
			q = max(q-a*a, 0)
		}
		d := g / (math.Sqrt(q) + k.Eps)
		if k.Momentum != 0 {
			m := &p.s[len(p.s)-1]
			*m = k.Momentum**m + d
			d = *m
		}
		p.w -= p.lr * d
	})
}

func clipScale(k kernels.ClipScale) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		sum := 0.0
		for _, s := range t[:k.Count] {
			sum += s.at(0)
		}
		norm, scale := math.Sqrt(sum), 1.0
		switch {
		case math.IsNaN(norm) || math.IsInf(norm, 0):
			scale = 0
		case norm > k.MaxNorm:
			scale = k.MaxNorm / norm
		}
		t[k.Count].set(0, norm)
		t[k.Count+1].set(0, scale)
	})
}

func lossScale(k kernels.LossScale) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		norm, factor, steps := t[0].at(0), t[1].at(0), t[2].at(0)+1
		scale := 1 / factor
		switch {
		case math.IsNaN(norm) || math.IsInf(norm, 0):
			scale, factor, steps = 0, max(factor/2, 1), 0
		default:
			if n := norm / factor; k.MaxNorm > 0 && n > k.MaxNorm {
				scale *= k.MaxNorm / n
			}
			if steps == float64(k.Interval) {
				factor, steps = min(2*factor, k.Max), 0
			}
		}
		t[1].set(0, factor)
		t[2].set(0, steps)
		t[3].set(0, scale)
	})
}

func ema(k kernels.EMA) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		decay, x, avg := t[0].at(0), t[1], t[2]
		for i := range k.N {
			a := avg.at(i)
			avg.set(i, a+(1-decay)*(x.at(i)-a))
		}
	})
}
