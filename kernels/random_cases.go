package kernels

import "fmt"

// randomCases are the rows of Random and Dropout. Counters are random words, and once small ones.
func randomCases() []Case {
	var cs []Case
	add := func(k Random) {
		cs = append(cs, Case{fmt.Sprintf("random/%s %v %v %s %d", k.Dist, k.A, k.B, k.Type, k.N), k, nil})
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 31, 63, 64, 65, 1000, 70003} {
		for _, t := range []DType{F32, F64} {
			add(Random{t, DistUniform, 0, 1, n, 1})
			add(Random{t, DistNormal, 0, 1, n, 2})
			add(Random{t, DistBernoulli, 0.3, 0, n, 3})
		}
		add(Random{I32, DistInteger, 0, 10, n, 4})
		add(Random{I64, DistInteger, -5, 1000, n, 5})
	}
	for _, k := range []Random{
		{F32, DistUniform, -3, 7.5, 517, 1 << 31}, {F64, DistUniform, -3, 7.5, 517, 7}, {F32, DistUniform, 2, 2, 9, 7}, {F32, DistNormal, 3, 0.1, 517, 7},
		{F64, DistNormal, -1, 20, 517, 7}, {F32, DistNormal, 1, 0, 9, 7}, {F32, DistBernoulli, 0, 0, 99, 7}, {F32, DistBernoulli, 1, 0, 99, 7},
		{Bool, DistBernoulli, 0.5, 0, 99, 7}, {U8, DistBernoulli, 0.01, 0, 999, 7},
		{I64, DistInteger, -1 << 31, 1 << 31, 99, 7}, {I32, DistInteger, -1 << 31, 1 << 31, 99, 7}, {I64, DistInteger, 1 << 40, 1<<40 + 3, 99, 7},
	} {
		add(k)
	}
	cs = append(cs, Case{"random/first step", Random{F32, DistUniform, 0, 1, 100, 0}, map[string]Fill{"counter": {Kind: Cycle, Values: []float64{42, 0}}}},
		Case{"random/late step", Random{F32, DistUniform, 0, 1, 100, 0}, map[string]Fill{"counter": {Kind: Cycle, Values: []float64{1 << 50, 1<<40 + 7}}}})
	for _, t := range []DType{F32, F64, F16, BF16} {
		for _, s := range [][3]int{{1, 1, 1}, {1, 1, 17}, {3, 5, 7}, {2, 49, 20}, {4, 301, 1}, {1, 1, 70001}, {2, 9, 33}, {0, 3, 4}, {5, 1, 0}, {9, 1, 64}, {700, 3, 3}} {
			for _, p := range []float64{0, 0.1, 0.5, 1} {
				k := Dropout{t, s[0], s[1], s[2], p, 9}
				cs = append(cs, Case{fmt.Sprintf("dropout/%s %v %v", t, s, p), k, map[string]Fill{"x": {Kind: Special}}})
			}
		}
	}
	return cs
}
