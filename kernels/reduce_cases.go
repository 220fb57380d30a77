package kernels

import (
	"fmt"
	"slices"
)

func reduceOf(op ReduceOp, t DType, shape, axes []int) Reduce {
	return Reduce{Op: op, Type: t, Shape: shape, Axes: axes}
}

// reduceCases are the rows of the conformance table.
func reduceCases() []Case {
	var cs []Case
	add := func(k Reduce, in Fill) {
		name := fmt.Sprintf("reduce/%s %s %v over %v", k.Op, k.Type, k.Shape, k.Axes)
		if k.OutType != Invalid {
			name += " to " + k.OutType.String()
		}
		cs = append(cs, Case{name, k, map[string]Fill{"in": in}})
	}
	fill := func(op ReduceOp) Fill {
		if op == ReduceProd { // near 1, so that long products neither vanish nor overflow
			return Fill{Kind: Uniform, Lo: 0.97, Hi: 1.03}
		}
		return Fill{}
	}
	// Every subset of the axes of a 4-D tensor.
	for subset := range 16 {
		var axes []int
		for d := range 4 {
			if subset>>d&1 != 0 {
				axes = append(axes, d)
			}
		}
		for op := range numReduceOps {
			add(reduceOf(op, F32, []int{3, 5, 4, 7}, axes), fill(op))
		}
		add(reduceOf(ReduceSum, F64, []int{3, 5, 4, 7}, axes), Fill{})
		add(reduceOf(ReduceMax, F64, []int{3, 5, 4, 7}, axes), Fill{})
	}
	// Every operation on rows, columns and whole tensors, of odd and large extents.
	for op := range numReduceOps {
		for _, t := range []DType{F32, F64} {
			add(reduceOf(op, t, []int{}, nil), fill(op))
			add(reduceOf(op, t, []int{9, 1033}, []int{1}), fill(op))
			add(reduceOf(op, t, []int{1033, 9}, []int{0}), fill(op))
			add(reduceOf(op, t, []int{20011}, []int{0}), fill(op))
			add(reduceOf(op, t, []int{7, 0, 5}, []int{1}), Fill{})
			add(reduceOf(op, t, []int{0, 4}, []int{1}), Fill{})
			add(reduceOf(op, t, []int{1, 6, 1}, []int{0, 2}), fill(op))
		}
		add(reduceOf(op, F64, []int{613, 6}, []int{0}), fill(op))
		add(reduceOf(op, F32, []int{300007}, []int{0}), fill(op))
		add(reduceOf(op, F32, []int{613, 517}, []int{0}), fill(op))
		add(reduceOf(op, F32, []int{2, 301, 65}, []int{1}), fill(op))
		add(reduceOf(op, F32, []int{6, 3, 2049}, []int{0, 2}), fill(op))
	}
	for _, axes := range [][]int{{0, 2, 4}, {1, 3}, {0, 2}, {1, 2, 4}, {0, 3}} {
		for _, op := range []ReduceOp{ReduceSum, ReduceMax, ReduceLogSumExp} {
			add(reduceOf(op, F32, []int{3, 4, 5, 2, 7}, axes), Fill{})
			add(reduceOf(op, F32, []int{2, 3, 57, 4, 20}, axes), Fill{})
		}
	}
	for op := range numReduceOps { // so many short rows that each may get a thread of its own
		add(reduceOf(op, F32, []int{8500, 13}, []int{1}), fill(op))
		add(reduceOf(op, F64, []int{8500, 5}, []int{1}), fill(op))
	}
	// Halves, with results of both types: rows, columns, parts, scattered axes, short rows and nothing.
	for i, t := range []DType{F16, BF16} {
		for op := range numReduceOps {
			for j, k := range []Reduce{
				reduceOf(op, t, []int{9, 1033}, []int{1}), reduceOf(op, t, []int{6, 2056}, []int{1}), reduceOf(op, t, []int{1033, 9}, []int{0}),
				reduceOf(op, t, []int{613, 104}, []int{0}), reduceOf(op, t, []int{20011}, []int{0}), reduceOf(op, t, []int{70000}, []int{0}),
				reduceOf(op, t, []int{3, 4, 5, 2, 7}, []int{0, 2, 4}), reduceOf(op, t, []int{2, 57, 3, 20}, []int{0, 2}), reduceOf(op, t, []int{8500, 13}, []int{1}),
				reduceOf(op, t, []int{7, 0, 5}, []int{1}), reduceOf(op, t, []int{0, 4}, []int{1}), reduceOf(op, t, []int{1, 6, 1}, []int{0, 2}),
			} {
				if (i+int(op)+j)%2 == 0 {
					k.OutType = F32
				}
				in := fill(op)
				if op == ReduceProd { // halves near 1 are few: powers of two, as many up as down
					in = Fill{Kind: Cycle, Values: []float64{2, -0.5, 1, 0.5, 2, 1, 0.5}}
				}
				add(k, in)
			}
		}
	}
	for n := 1; n <= 70; n += 3 {
		add(reduceOf(ReduceSum, F32, []int{5, n}, []int{1}), Fill{})
		add(reduceOf(ReduceSum, F32, []int{40, n}, []int{0}), Fill{})
		add(reduceOf(ReduceMax, F32, []int{5, n}, []int{1}), Fill{})
		add(reduceOf(ReduceLogSumExp, F32, []int{5, n}, []int{1}), Fill{})
	}
	special := func(op ReduceOp, axes []int, name string, in Fill) {
		cs = append(cs, Case{fmt.Sprintf("reduce/%s %s over %v", op, name, axes), reduceOf(op, F32, []int{33, 21}, axes), map[string]Fill{"in": in}})
	}
	for op := range numReduceOps {
		for _, axes := range [][]int{{0}, {1}, {0, 1}} {
			nan, inf := slices.Repeat([]float64{1}, 50), slices.Repeat([]float64{1, 2, 3}, 17)
			special(op, axes, "one NaN in 50", Fill{Kind: Cycle, Values: append(nan, quietNaN)})
			special(op, axes, "infinities", Fill{Kind: Cycle, Values: append(inf, infinity)})
			special(op, axes, "negative infinities", Fill{Kind: Cycle, Values: append(inf, -infinity)})
			special(op, axes, "denormals", Fill{Kind: Cycle, Values: []float64{0x1p-149, -0x1p-140, 0x1p-127}})
		}
	}
	special(ReduceLogSumExp, []int{1}, "large", Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4})
	special(ReduceLogSumExp, []int{0}, "large", Fill{Kind: Uniform, Lo: -1e4, Hi: 1e4})
	special(ReduceMax, []int{1}, "special", Fill{Kind: Special})
	special(ReduceMin, []int{0}, "special", Fill{Kind: Special})
	return append(cs, argReduceCases()...)
}

func argReduceCases() []Case {
	var cs []Case
	for _, minimum := range []bool{false, true} {
		for _, t := range []DType{F32, F64, F16, BF16} {
			for _, c := range []struct {
				shape []int
				axis  int
				name  string
				in    Fill
			}{
				{[]int{1}, 0, "one", Fill{}},
				{[]int{20011}, 0, "long", Fill{}},
				{[]int{70001, 2}, 0, "long columns", Fill{}},
				{[]int{100, 8}, 0, "columns by packs", Fill{}},
				{[]int{8500, 6}, 1, "many short rows", Fill{}},
				{[]int{17, 131}, 1, "rows", Fill{}},
				{[]int{131, 17}, 0, "columns", Fill{}},
				{[]int{4, 31, 6}, 1, "middle", Fill{}},
				{[]int{50, 10}, 1, "short rows", Fill{}},
				{[]int{9, 100}, 1, "ties", Fill{Kind: Ints, Lo: 0, Hi: 4}},
				{[]int{100, 9}, 0, "ties in columns", Fill{Kind: Ints, Lo: 0, Hi: 4}},
				{[]int{9, 100}, 1, "special", Fill{Kind: Special}},
				{[]int{100, 9}, 0, "special columns", Fill{Kind: Special}},
				{[]int{5, 40}, 1, "all infinite", Fill{Kind: Cycle, Values: []float64{infinity}}},
				{[]int{5, 40}, 1, "all negative infinite", Fill{Kind: Cycle, Values: []float64{-infinity}}},
				{[]int{5, 40}, 1, "signed zeros", Fill{Kind: Cycle, Values: []float64{negativeZero, 0}}},
				{[]int{0, 7}, 1, "empty", Fill{}},
			} {
				for _, index := range []DType{I32, I64} {
					k := ArgReduce{minimum, t, index, c.shape, c.axis}
					cs = append(cs, Case{fmt.Sprintf("%s/%s %s %s", k.name(), c.name, t, index), k, map[string]Fill{"in": c.in}})
				}
			}
		}
	}
	return cs
}
