package kernels

import (
	"fmt"
	"math"
)

// softmaxCases are the rows of Softmax and SoftmaxBackward.
func softmaxCases() []Case {
	var cs []Case
	inf := math.Inf(1)
	for _, log := range []bool{false, true} {
		add := func(name string, k Softmax, x Fill) {
			k.Log = log
			if k.Type == Invalid {
				k.Type = F32
			}
			head := "softmax "
			y := Fill{Kind: Uniform, Lo: 0, Hi: 1}
			if log {
				head, y = "log softmax ", Fill{Kind: Uniform, Lo: -9, Hi: 0}
			}
			cs = append(cs, Case{head + name, k, map[string]Fill{"x": x}},
				Case{head + "backward " + name, SoftmaxBackward{k}, map[string]Fill{"y": y}})
		}
		for _, n := range []int{1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000, 5003} {
			add(fmt.Sprintf("line %d", n), Softmax{Outer: 5, Len: n, Inner: 1}, Fill{})
		}
		for _, inner := range []int{2, 7, 16, 33, 100} {
			add(fmt.Sprintf("inner %d", inner), Softmax{Outer: 3, Len: 11, Inner: inner}, Fill{})
		}
		add("row of 12288", Softmax{Outer: 2, Len: 12288, Inner: 1}, Fill{}) // more than a block's registers hold, backward
		add("row of 20480", Softmax{Outer: 2, Len: 20480, Inner: 1}, Fill{}) // forward too
		add("row of 20011", Softmax{Outer: 1, Len: 20011, Inner: 1}, Fill{Kind: Uniform, Lo: -40, Hi: 40})
		add("f64 rows of 30", Softmax{Type: F64, Outer: 7, Len: 30, Inner: 1}, Fill{})
		add("f64 rows of 700", Softmax{Type: F64, Outer: 3, Len: 700, Inner: 1}, Fill{})
		add("f64 row of 9002", Softmax{Type: F64, Outer: 2, Len: 9002, Inner: 1}, Fill{})
		add("long lines inner 36", Softmax{Outer: 2, Len: 301, Inner: 36}, Fill{})
		for _, t := range []DType{F16, BF16} {
			for _, n := range []int{10, 16, 197, 264, 1000, 9001, 16392} {
				add(fmt.Sprintf("%s line %d", t, n), Softmax{Type: t, Outer: 3, Len: n, Inner: 1}, Fill{})
			}
			add(fmt.Sprintf("%s inner 7", t), Softmax{Type: t, Outer: 2, Len: 30, Inner: 7}, Fill{})
			add(fmt.Sprintf("%s inner 24", t), Softmax{Type: t, Outer: 2, Len: 30, Inner: 24}, Fill{})
		}
		for _, t := range []DType{F32, F64, F16, BF16} {
			add(fmt.Sprintf("%s many short rows", t), Softmax{Type: t, Outer: 8500, Len: 5, Inner: 1}, Fill{})
		}
		add("many rows of 32", Softmax{Outer: 8500, Len: 32, Inner: 1}, Fill{})
		add("one row", Softmax{Outer: 1, Len: 10, Inner: 1}, Fill{})
		add("many rows", Softmax{Outer: 3000, Len: 10, Inner: 1}, Fill{})
		add("no rows", Softmax{Outer: 0, Len: 10, Inner: 1}, Fill{})
		add("empty lines", Softmax{Outer: 3, Len: 0, Inner: 1}, Fill{})
		add("f64", Softmax{Type: F64, Outer: 3, Len: 19, Inner: 2}, Fill{})
		add("logits 1e4", Softmax{Outer: 9, Len: 50, Inner: 1}, Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4})
		add("logits 1e4 inner", Softmax{Outer: 2, Len: 50, Inner: 9}, Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4})
		add("equal logits", Softmax{Outer: 2, Len: 37, Inner: 1}, Fill{Kind: Cycle, Values: []float64{-1e4}})
		add("wide spread", Softmax{Outer: 7, Len: 40, Inner: 1}, Fill{Kind: Uniform, Lo: -80, Hi: 80})
		// Lines of 4: with an infinity of each sign, with nothing but -Inf, with NaN, and plain ones.
		mixed := Fill{Kind: Cycle, Values: []float64{1, -inf, 2, 3, -inf, -inf, -inf, -inf, 1, inf, 0, 0, 0, 1, math.NaN(), -inf, 5, 6, 7, 8}}
		add("infinities and NaN", Softmax{Outer: 10, Len: 4, Inner: 1}, mixed)
		add("infinities and NaN inner", Softmax{Outer: 2, Len: 5, Inner: 4}, mixed)
	}
	return cs
}

// crossEntropyCases are the rows of CrossEntropy and CrossEntropyBackward.
func crossEntropyCases() []Case {
	var cs []Case
	inf := math.Inf(1)
	add := func(name string, k CrossEntropy, logits, labels Fill) {
		if k.Type == Invalid {
			k.Type = F32
		}
		target := "labels"
		if k.Labels == k.Type {
			target = "probabilities"
		}
		in := map[string]Fill{"logits": logits, target: labels}
		cs = append(cs, Case{"cross_entropy " + name, k, in})
		back := map[string]Fill{"logits": logits, target: labels, "lse": {Kind: Uniform, Lo: 3, Hi: 5}}
		if logits.Kind == Uniform {
			back["lse"] = Fill{Kind: Uniform, Lo: logits.Hi, Hi: logits.Hi + 1}
		}
		cs = append(cs, Case{"cross_entropy_backward " + name, CrossEntropyBackward{Of: k}, back},
			Case{"cross_entropy_backward per sample " + name, CrossEntropyBackward{Of: k, PerSample: true}, back})
	}
	classes := func(c int) Fill { return Fill{Kind: Ints, Lo: 0, Hi: float64(c)} }
	for _, c := range []int{1, 2, 10, 16, 33, 100, 1000} {
		add(fmt.Sprintf("i32 c%d", c), CrossEntropy{N: 7, C: c, Labels: I32}, Fill{}, classes(c))
		add(fmt.Sprintf("i64 smooth c%d", c), CrossEntropy{N: 5, C: c, Labels: I64, Smoothing: 0.1}, Fill{}, classes(c))
		add(fmt.Sprintf("probabilities c%d", c), CrossEntropy{N: 6, C: c, Labels: F32}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 2 / float64(c)})
	}
	for _, c := range []int{9001, 20480} { // more than a block's registers hold
		add(fmt.Sprintf("i64 c%d", c), CrossEntropy{N: 3, C: c, Labels: I64}, Fill{}, classes(c))
		add(fmt.Sprintf("i32 smooth c%d", c), CrossEntropy{N: 2, C: c, Labels: I32, Smoothing: 0.1}, Fill{}, classes(c))
		add(fmt.Sprintf("probabilities c%d", c), CrossEntropy{N: 2, C: c, Labels: F32}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 2 / float64(c)})
	}
	for _, c := range []int{16, 500, 9001, 9002} {
		add(fmt.Sprintf("f64 i32 c%d", c), CrossEntropy{Type: F64, N: 3, C: c, Labels: I32}, Fill{}, classes(c))
		add(fmt.Sprintf("f64 probabilities c%d", c), CrossEntropy{Type: F64, N: 2, C: c, Labels: F64}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 2 / float64(c)})
	}
	for _, t := range []DType{F16, BF16} {
		for _, c := range []int{10, 16, 264, 1000, 9001, 16392} {
			add(fmt.Sprintf("%s i32 c%d", t, c), CrossEntropy{Type: t, N: 5, C: c, Labels: I32, Smoothing: 0.1}, Fill{}, classes(c))
			add(fmt.Sprintf("%s probabilities c%d", t, c), CrossEntropy{Type: t, N: 3, C: c, Labels: t}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 2 / float64(c)})
		}
	}
	for _, t := range []DType{F32, F64, F16, BF16} {
		add(fmt.Sprintf("%s many samples smooth", t), CrossEntropy{Type: t, N: 8500, C: 10, Labels: I64, Smoothing: 0.1, Ignore: true, IgnoreIndex: 3}, Fill{}, classes(10))
	}
	add("many samples", CrossEntropy{N: 3001, C: 10, Labels: I32}, Fill{}, classes(10))
	add("one sample", CrossEntropy{N: 1, C: 10, Labels: I64}, Fill{}, classes(10))
	add("empty batch", CrossEntropy{N: 0, C: 10, Labels: I32}, Fill{}, classes(10))
	add("ignore", CrossEntropy{N: 50, C: 5, Labels: I32, Ignore: true, IgnoreIndex: -100}, Fill{}, Fill{Kind: Cycle, Values: []float64{0, -100, 3, -100, -100, 4}})
	add("ignore a class smooth", CrossEntropy{N: 50, C: 5, Labels: I64, Ignore: true, IgnoreIndex: 2, Smoothing: 0.2}, Fill{}, classes(5))
	add("all ignored", CrossEntropy{N: 9, C: 5, Labels: I64, Ignore: true, IgnoreIndex: -1}, Fill{}, Fill{Kind: Cycle, Values: []float64{-1}})
	add("f64", CrossEntropy{Type: F64, N: 4, C: 9, Labels: I64, Smoothing: 0.1}, Fill{}, classes(9))
	add("f64 probabilities", CrossEntropy{Type: F64, N: 4, C: 9, Labels: F64}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 0.2})
	add("probabilities smooth", CrossEntropy{N: 4, C: 40, Labels: F32, Smoothing: 0.3}, Fill{}, Fill{Kind: Uniform, Lo: 0, Hi: 0.05})
	add("logits 1e4", CrossEntropy{N: 20, C: 50, Labels: I32}, Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4}, classes(50))
	add("one-hot against -Inf", CrossEntropy{N: 4, C: 4, Labels: F32}, Fill{Kind: Cycle, Values: []float64{1, -inf, 2, 3}},
		Fill{Kind: Cycle, Values: []float64{1, 0, 0, 0, 0, 0, 1, 0}})
	add("-Inf and NaN", CrossEntropy{N: 5, C: 4, Labels: I32},
		Fill{Kind: Cycle, Values: []float64{1, -inf, 2, 3, 1, -inf, 2, 3, math.NaN(), 1, 2, 3, -inf, -inf, -inf, -inf, 1, 2, 3, 4}},
		Fill{Kind: Cycle, Values: []float64{0, 1, 2, 3, 3}})
	return cs
}
