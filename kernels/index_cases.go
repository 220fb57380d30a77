package kernels

import "fmt"

// indexCases are the rows of Gather, ScatterAdd and OneHot. Indices include NoIndex.
func indexCases() []Case {
	var cs []Case
	for _, k := range []Gather{
		{F32, I32, 1, 50, 64, 33, false}, {F32, I64, 1, 7, 3, 1000, false}, {U8, I32, 3, 9, 5, 4, false}, {F64, I64, 2, 40, 1, 17, false},
		{F32, I32, 6, 90, 1, 13, true}, {F32, I64, 4, 11, 16, 5, true}, {BF16, I32, 2, 8, 24, 30, true}, {F32, I32, 1, 1, 1, 1, false},
		{F32, I32, 1, 5, 4, 0, false}, {F32, I64, 0, 5, 4, 3, false}, {F32, I32, 3, 5, 0, 2, true}, {I64, I64, 5, 20, 1, 1, false},
		{F32, I32, 1, 2000, 100, 700, false}, {F16, I32, 1, 30, 7, 30, false}, {F64, I32, 3, 40, 1, 19, false},
	} {
		in := map[string]Fill{"index": {Kind: Ints, Lo: NoIndex, Hi: float64(k.Extent)}}
		if k.Type.Float() {
			in["src"] = Fill{Kind: Special}
		}
		cs = append(cs, Case{fmt.Sprintf("gather/%s by %s %dx%dx%d count %d batched %t", k.Type, k.Index, k.Outer, k.Extent, k.Inner, k.Count, k.Batched), k, in})
	}
	cs = append(cs, Case{"gather/none of nothing", Gather{F32, I32, 2, 0, 3, 4, false}, map[string]Fill{"index": {Kind: Cycle, Values: []float64{NoIndex}}}})
	for _, t := range everyType {
		cs = append(cs, Case{fmt.Sprintf("gather/elements of %s", t), Gather{t, I64, 2, 19, 8, 11, false}, map[string]Fill{"index": {Kind: Ints, Lo: NoIndex, Hi: 19}}})
	}
	for _, into := range []bool{false, true} {
		for _, k := range []ScatterAdd{
			{F32, I32, 1, 50, 64, 33, false, into}, {F32, I64, 1, 7, 3, 1000, false, into}, {F64, I32, 3, 9, 5, 4, false, into}, {F64, I64, 2, 40, 1, 17, false, into},
			{F32, I32, 6, 90, 1, 13, true, into}, {F32, I64, 4, 11, 16, 5, true, into}, {F32, I32, 1, 1, 1, 300, false, into},
			{F32, I32, 1, 5, 4, 0, false, into}, {F32, I64, 0, 5, 4, 3, false, into}, {F32, I32, 3, 5, 0, 2, true, into},
			{F32, I32, 1, 2000, 100, 700, false, into}, {F32, I32, 1, 3, 517, 90, false, into}, {F64, I32, 2, 9, 6, 40, false, into},
		} {
			in := map[string]Fill{"index": {Kind: Ints, Lo: NoIndex, Hi: float64(k.Extent)}}
			cs = append(cs, Case{fmt.Sprintf("scatter_add/%s by %s %dx%dx%d count %d batched %t into %t", k.Type, k.Index, k.Outer, k.Extent, k.Inner, k.Count, k.Batched, into), k, in})
		}
	}
	for _, t := range everyType {
		for _, n := range [][2]int{{1, 1}, {33, 10}, {5, 1000}, {0, 4}, {4, 0}} {
			k := OneHot{t, I64, n[0], n[1], 1, 0}
			if t == F32 {
				k.On, k.Off = 0.9, 0.1/9
			}
			if n[0]%2 != 0 {
				k.Index = I32
			}
			cs = append(cs, Case{fmt.Sprintf("one_hot/%s %dx%d", t, n[0], n[1]), k, map[string]Fill{"index": {Kind: Ints, Lo: NoIndex, Hi: float64(n[1])}}})
		}
	}
	return cs
}

// sortCases are the rows of Sort and TopK, on numbers with many ties, NaNs and zeros of both signs as well as on ordinary ones.
func sortCases() []Case {
	var cs []Case
	fills := []struct {
		name string
		fill Fill
	}{{"normal", Fill{}}, {"special", Fill{Kind: Special}}, {"ties", Fill{Kind: Ints, Lo: -3, Hi: 4}}, {"constant", Fill{Kind: Cycle, Values: []float64{2}}},
		{"signed zeros", Fill{Kind: Cycle, Values: []float64{0, negativeZero, quietNaN, negativeZero, 1, 0}}}}
	for _, f := range fills {
		for _, t := range []DType{F32, F64, I32, I64} {
			if !t.Float() && f.name == "signed zeros" {
				continue
			}
			for _, n := range [][2]int{{1, 1}, {5, 2}, {3, 17}, {2, 64}, {7, 301}, {1, 5003}, {0, 3}, {3, 0}} {
				for _, down := range []bool{false, true} {
					name := fmt.Sprintf("%s %s %dx%d descending %t", f.name, t, n[0], n[1], down)
					cs = append(cs, Case{"sort/" + name, Sort{t, I32, n[0], n[1], down}, map[string]Fill{"in": f.fill}})
					for _, k := range []int{1, 5, n[1]} {
						if k <= n[1] {
							cs = append(cs, Case{fmt.Sprintf("topk/%s k %d", name, k), TopK{t, I64, n[0], n[1], k, !down}, map[string]Fill{"in": f.fill}})
						}
					}
				}
			}
		}
	}
	wide := map[string]Fill{"in": {Kind: Uniform, Lo: -3e18, Hi: 3e18}}
	return append(cs,
		Case{"sort/i64 wide", Sort{I64, I64, 2, 999, false}, wide},
		Case{"sort/large", Sort{F32, I32, 1, 70001, false}, nil},
		Case{"sort/sorted already", Sort{I32, I32, 1, 100, true}, map[string]Fill{"in": {Kind: Cycle, Values: []float64{5, 4, 3, 2, 1, 0, -1, -2, -3, -4}}}},
		Case{"topk/large", TopK{F32, I32, 3, 50000, 50, false}, nil},
		Case{"topk/half", TopK{F32, I32, 2, 3001, 1500, true}, nil})
}
