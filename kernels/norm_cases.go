package kernels

import (
	"fmt"
	"math"
)

// normCases are the rows of Norm and NormBackward.
func normCases() []Case {
	var cs []Case
	add := func(name string, k Norm, x Fill) {
		cs = append(cs, normCase("norm "+name, k, x), normBackwardCase("norm_backward "+name, k, x))
	}
	for _, c := range []int{1, 3, 8, 16, 20, 64, 65, 200} {
		for kind := BatchTraining; kind <= InstanceNorm; kind++ {
			groups := c
			if c%4 == 0 {
				groups = 4
			}
			k := NewNorm(kind, 3, 35, c, groups)
			add(fmt.Sprintf("%s c%d", kind, c), k, Fill{})
			k.Act = ReLU
			add(fmt.Sprintf("%s relu c%d", kind, c), k, Fill{})
		}
	}
	for kind := BatchTraining; kind <= InstanceNorm; kind++ {
		name := kind.String()
		base := NewNorm(kind, 2, 9, 12, 3)
		plain := base
		plain.Scale, plain.Bias, plain.Running, plain.Act = false, false, false, ReLU
		add(name+" plain", plain, Fill{})
		biased := base
		biased.Scale, biased.Bias = false, true
		add(name+" bias only", biased, Fill{})
		biased.Act = ReLU
		add(name+" bias relu", biased, Fill{})
		double := base
		double.Type = F64
		add(name+" f64", double, Fill{})
		add(name+" offset", base, Fill{Kind: Uniform, Lo: 20, Hi: 22})
		add(name+" large", base, Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4})
		add(name+" constant", base, Fill{Kind: Cycle, Values: []float64{3}})
		empty := base
		empty.N = 0
		add(name+" empty batch", empty, Fill{})
		one := base
		one.N = 1
		add(name+" batch of one", one, Fill{})
		if kind != BatchTraining {
			one.Spatial = 1
			add(name+" one row", one, Fill{})
		}
		values := make([]float64, 2*9*12)
		for i := range values {
			values[i] = math.Sin(float64(i))
		}
		values[5], values[12*9+7], values[12*9+8] = math.NaN(), math.Inf(1), math.Inf(-1)
		k := normCase("norm "+name+" NaN and infinities", base, Fill{Kind: Cycle, Values: values})
		cs = append(cs, k)
	}
	for _, t := range []DType{F16, BF16} {
		for kind := BatchTraining; kind <= InstanceNorm; kind++ {
			for _, k := range []Norm{NewNorm(kind, 3, 35, 24, 4), NewNorm(kind, 2, 9, 14, 2), NewNorm(kind, 2, 40, 7, 7), NewNorm(kind, 2, 3, 1000, 8)} {
				k.Type = t
				name := fmt.Sprintf("%s %s %s", kind, t, dims(k.shape()))
				add(name, k, Fill{})
				k.Act = ReLU
				cs = append(cs, normCase("norm "+name+" relu", k, Fill{}))
			}
		}
		for _, c := range []int{4096, 9001, 16392} {
			k := NewNorm(LayerNorm, 1, 3, c, 0)
			k.Type = t
			add(fmt.Sprintf("layer %s c%d", t, c), k, Fill{})
		}
	}
	return append(cs, largeNormCases()...)
}

// largeNormCases have several blocks of rows, so that partial statistics are merged.
func largeNormCases() []Case {
	var cs []Case
	for _, k := range []Norm{
		NewNorm(BatchTraining, 6, 28*28, 16, 0), NewNorm(BatchTraining, 5, 401, 33, 0), NewNorm(BatchTraining, 70, 1000, 1, 0),
		NewNorm(BatchTraining, 2, 36, 1024, 0), NewNorm(BatchInference, 2, 300, 24, 0), NewNorm(GroupNorm, 1, 1700, 40, 8), NewNorm(GroupNorm, 2, 70, 64, 4), NewNorm(GroupNorm, 1, 700, 32, 2), NewNorm(GroupNorm, 2, 35, 48, 6),
		NewNorm(InstanceNorm, 1, 10000, 7, 0), NewNorm(LayerNorm, 5, 140, 100, 0), NewNorm(RMSNorm, 2, 3, 5000, 0), NewNorm(LayerNorm, 40, 1000, 36, 0), NewNorm(LayerNorm, 3, 5, 768, 0), NewNorm(RMSNorm, 2, 3, 1030, 0), NewNorm(LayerNorm, 1, 2, 20001, 0), NewNorm(LayerNorm, 1, 2, 20004, 0),
	} {
		name := fmt.Sprintf("%s %s", k.Kind, dims(k.shape()))
		cs = append(cs, normCase("norm "+name, k, Fill{}), normBackwardCase("norm_backward "+name, k, Fill{}))
		k.Act = ReLU
		cs = append(cs, normCase("norm relu "+name, k, Fill{Kind: Uniform, Lo: -1, Hi: 4}), normBackwardCase("norm_backward relu "+name, k, Fill{}))
	}
	for _, t := range []DType{F64, F16, BF16} {
		for _, spatial := range []int{35, 130, 1400} {
			k := NewNorm(GroupNorm, 2, spatial, 64, 4)
			k.Type, k.Act = t, ReLU
			name := fmt.Sprintf("group %s relu %s", t, dims(k.shape()))
			cs = append(cs, normCase("norm "+name, k, Fill{}), normBackwardCase("norm_backward "+name, k, Fill{}))
		}
	}
	for _, c := range []int{1000, 9001, 9002} {
		k := NewNorm(LayerNorm, 1, 3, c, 0)
		k.Type = F64
		name := fmt.Sprintf("layer f64 %s", dims(k.shape()))
		cs = append(cs, normCase("norm "+name, k, Fill{}), normBackwardCase("norm_backward "+name, k, Fill{}))
	}
	return cs
}

func normCase(name string, k Norm, x Fill) Case {
	in := map[string]Fill{"x": x}
	if k.Kind == BatchInference || k.Running {
		in["running_var"] = Fill{Kind: Uniform, Lo: 0.1, Hi: 3}
	}
	return Case{name, k, in}
}

func normBackwardCase(name string, k Norm, x Fill) Case {
	in := map[string]Fill{"x": x}
	if k.Kind == BatchInference {
		in["running_var"] = Fill{Kind: Uniform, Lo: 0.1, Hi: 3}
	} else {
		in["invstd"] = Fill{Kind: Uniform, Lo: 0.3, Hi: 2}
	}
	return Case{name, NormBackward{k}, in}
}
