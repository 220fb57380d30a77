package kernels

import (
	"fmt"
	"slices"
)

// optimCases are the rows of the optimisers' steps. Second moments are not negative, as they never are.
func optimCases() []Case {
	var cs []Case
	add := func(name string, k Kernel, more map[string]Fill) {
		in := map[string]Fill{"hyper": {Kind: Cycle, Values: []float64{0.01, 7}}, "scale": {Kind: Cycle, Values: []float64{0.75}}}
		for _, o := range k.Operands() {
			switch {
			case o.Name == "v" || o.Name == "s" || o.Name == "u":
				in[o.Name] = Fill{Kind: Uniform, Lo: 0.2, Hi: 1}
			case o.Name == "a":
				in[o.Name] = Fill{Kind: Uniform, Lo: -0.3, Hi: 0.3}
			}
		}
		for n, f := range more {
			in[n] = f
		}
		cs = append(cs, Case{k.Family() + "/" + name, k, in})
	}
	first := map[string]Fill{"hyper": {Kind: Cycle, Values: []float64{0.001, 1}}}
	for _, n := range []string{"m", "v", "s", "u", "a", "momentum"} {
		first[n] = Fill{Kind: Cycle, Values: []float64{0}}
	}
	skip := map[string]Fill{"scale": {Kind: Cycle, Values: []float64{0}}, "grad": {Kind: Special}}
	for _, t := range []DType{F32, F64} {
		for _, n := range []int{0, 1, 7, 8, 17, 64, 1003, 40009} {
			s := Step{t, n}
			for _, k := range rules(s) {
				add(fmt.Sprint(k), k, nil)
			}
			add(fmt.Sprintf("%s %d", t, n), EMA{t, n}, map[string]Fill{"decay": {Kind: Cycle, Values: []float64{0.99}}, "scale": {}, "hyper": {}})
		}
		for _, k := range rules(Step{t, 37}) {
			add(fmt.Sprintf("%s, first step", k), k, only(k, first))
			add(fmt.Sprintf("%s, skipped", k), k, skip)
		}
		zero := map[string]Fill{"param": {Kind: Cycle, Values: []float64{0}}}
		add(fmt.Sprintf("%s no weight", t), NewLAMB(t, 20), zero)
		add(fmt.Sprintf("%s long run", t), NewAdam(t, 20), map[string]Fill{"hyper": {Kind: Cycle, Values: []float64{0.01, 1e6}}})
		for _, c := range []struct {
			name string
			k    ClipScale
			in   []float64
		}{
			{"above", ClipScale{t, 3, 1.5}, []float64{4, 9, 16}}, {"below", ClipScale{t, 2, 100}, []float64{4, 9}},
			{"many", ClipScale{t, 37, 1.5}, slices.Repeat([]float64{4, 9, 0.5}, 13)}, {"nan", ClipScale{t, 2, 1}, []float64{1, quietNaN}}, {"infinite", ClipScale{t, 1, 1}, []float64{infinity}}, {"zero", ClipScale{t, 1, 0}, []float64{0}},
		} {
			in := map[string]Fill{}
			for j := range c.k.Count {
				in[fmt.Sprintf("sumsq%d", j)] = Fill{Kind: Cycle, Values: c.in[j : j+1]}
			}
			cs = append(cs, Case{fmt.Sprintf("clip_scale/%s %s", t, c.name), c.k, in})
		}
		for _, c := range []struct {
			name                   string
			norm, lossScale, steps float64
			maxNorm                float64
		}{
			{"ordinary", 700, 1024, 7, 0}, {"clipped", 700, 16, 7, 1.5}, {"not clipped", 700, 1024, 7, 1.5}, {"doubled", 700, 1024, 1999, 0},
			{"at most", 700, 0x1p24, 1999, 0}, {"overflow", infinity, 1024, 7, 1.5}, {"nan", quietNaN, 1024, 7, 0}, {"at least", infinity, 1, 3, 0},
		} {
			one := func(v float64) Fill { return Fill{Kind: Cycle, Values: []float64{v}} }
			cs = append(cs, Case{fmt.Sprintf("loss_scale/%s %s", t, c.name), NewLossScale(t, c.maxNorm),
				map[string]Fill{"norm": one(c.norm), "loss_scale": one(c.lossScale), "steps": one(c.steps)}})
		}
	}
	for i, c := range cs {
		cs[i].Inputs = only(c.Kernel, c.Inputs)
	}
	return cs
}

// rules lists the variants of every optimiser.
func rules(s Step) []Kernel {
	adam := NewAdam(s.Type, s.N)
	decayed := adam
	decayed.WeightDecay = 0.1
	return []Kernel{
		SGD{Step: s}, SGD{Step: s, WeightDecay: 0.1}, SGD{Step: s, Momentum: 0.9}, SGD{Step: s, Momentum: 0.9, Dampening: 0.5, WeightDecay: 0.1},
		SGD{Step: s, Momentum: 0.9, WeightDecay: 0.1, Nesterov: true},
		adam, decayed, NewAdamW(s.Type, s.N, 0.1), NewLAMB(s.Type, s.N), NewAdaDelta(s.Type, s.N),
		AdaDelta{Step: s, Rho: 0.9, Eps: 1e-3, WeightDecay: 0.005},
		NewRMSProp(s.Type, s.N), RMSProp{Step: s, Rho: 0.9, Eps: 1e-3, Momentum: 0.9, WeightDecay: 0.1, Centered: true},
		RMSProp{Step: s, Rho: 0.9, Eps: 1e-3, Momentum: 0.5}, RMSProp{Step: s, Rho: 0.9, Eps: 1e-3, Centered: true},
	}
}

// only keeps the fills of k's own inputs.
func only(k Kernel, fills map[string]Fill) map[string]Fill {
	in := map[string]Fill{}
	for _, o := range k.Operands() {
		if f, ok := fills[o.Name]; ok && o.Dir != Out {
			in[o.Name] = f
		}
	}
	return in
}
