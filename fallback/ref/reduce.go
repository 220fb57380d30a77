package ref

import (
	"math"
	"slices"

	"palladio/kernels"
)

// keptStrides maps an index of the input to the flat position in the output that keeps every axis but axes.
func keptStrides(shape, axes []int) []int {
	s := make([]int, len(shape))
	n := 1
	for d := len(shape) - 1; d >= 0; d-- {
		if !slices.Contains(axes, d) {
			s[d] = n
			n *= shape[d]
		}
	}
	return s
}

func reduce(k kernels.Reduce) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		in, out := t[0], t[1]
		terms := make([][]float64, out.len())
		to := keptStrides(k.Shape, k.Axes)
		each(k.Shape, func(flat int, index []int) {
			o := offset(index, to)
			terms[o] = append(terms[o], in.at(flat))
		})
		for o, x := range terms {
			out.set(o, reduceTo(k.Op, x))
		}
	})
}

// reduceTo reduces some numbers to one.
func reduceTo(op kernels.ReduceOp, x []float64) float64 {
	switch op {
	case kernels.ReduceSum:
		return sum(x, func(v float64) float64 { return v })
	case kernels.ReduceMean:
		return sum(x, func(v float64) float64 { return v }) / float64(len(x))
	case kernels.ReduceL1:
		return sum(x, math.Abs)
	case kernels.ReduceL2:
		return math.Sqrt(sum(x, func(v float64) float64 { return v * v }))
	case kernels.ReduceSumSq:
		return sum(x, func(v float64) float64 { return v * v })
	case kernels.ReduceProd:
		p := 1.0
		for _, v := range x {
			p *= v
		}
		return p
	case kernels.ReduceMin:
		m := math.Inf(1)
		for _, v := range x {
			m = min(m, v)
		}
		return m
	}
	m := math.Inf(-1)
	for _, v := range x {
		m = max(m, v)
	}
	if op == kernels.ReduceMax || math.IsInf(m, 0) || math.IsNaN(m) {
		return m
	}
	return m + math.Log(sum(x, func(v float64) float64 { return math.Exp(v - m) })) // log-sum-exp
}

// sum adds f of some numbers with a compensation for what each addition loses (Neumaier 1974).
func sum(x []float64, f func(float64) float64) float64 {
	s, lost := 0.0, 0.0
	for _, v := range x {
		v = f(v)
		next := s + v
		if math.Abs(s) >= math.Abs(v) {
			lost += s - next + v
		} else {
			lost += v - next + s
		}
		s = next
	}
	if math.IsInf(s, 0) || math.IsNaN(s) {
		return s
	}
	return s + lost
}

func argReduce(k kernels.ArgReduce) (kernels.Exec, error) {
	return run(k, func(t []tensor) {
		in, out := t[0], t[1]
		best := make([]float64, out.len())
		to := keptStrides(k.Shape, []int{k.Axis})
		each(k.Shape, func(flat int, index []int) {
			o, i, v := offset(index, to), index[k.Axis], in.at(flat)
			if k.Min {
				v = -v
			}
			if i == 0 || v > best[o] || v != v && best[o] == best[o] {
				best[o] = v
				out.set(o, float64(i))
			}
		})
	})
}
