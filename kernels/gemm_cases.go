package kernels

// gemmCases covers each fringe of the tiles, every transposition, batches, strides, factors and epilogues.
func gemmCases() []Case {
	var cs []Case
	add := func(g GEMM, inputs map[string]Fill) {
		cs = append(cs, Case{Name: g.String(), Kernel: g, Inputs: inputs})
	}
	for _, t := range []DType{F32, F64} {
		sizes := gemmSizes()
		if t == F64 {
			sizes = sizes[:len(sizes)*2/3]
		}
		for i, s := range sizes {
			add(NewGEMM(t, 1, s[0], s[1], s[2], i%2 == 1, i%4 >= 2), nil)
		}
		for trans := range 4 {
			for _, g := range gemmVariants(t, trans&1 != 0, trans&2 != 0) {
				add(g, nil)
			}
		}
		for _, g := range gemmEpilogues(t) {
			add(g, nil)
		}
		for _, s := range [][3]int{{17, 33, 20}, {1, 40, 64}, {30, 1, 64}, {100, 90, 70}} { // not a number and infinity
			g := NewGEMM(t, 1, s[0], s[1], s[2], false, s[1] == 1)
			g.Act.Op = ReLU
			cs = append(cs, Case{Name: "not a number " + g.String(), Kernel: g, Inputs: map[string]Fill{
				"a": {Kind: Cycle, Values: append(make([]float64, 89), 1, -2, quietNaN, 0.5, infinity, 3, -1, -infinity)},
				"b": {Kind: Uniform, Lo: 0.5, Hi: 1},
			}})
		}
	}
	for _, g := range gemmNarrow() {
		add(g, nil)
	}
	return cs
}

// gemmNarrow are products on tensor cores: F16, BF16 and TF32, each fringe of the tiles, long sums, and everything that a product can have.
func gemmNarrow() []GEMM {
	var gs []GEMM
	for j, t := range []GEMM{{Type: BF16}, {Type: F16}, {Type: F32, TF32: true}} {
		narrow := func(g GEMM, out DType) {
			g.Type, g.OutType, g.TF32 = t.Type, out, t.TF32
			if g.Type == F32 {
				g.OutType = Invalid
			}
			gs = append(gs, g)
		}
		for i, s := range gemmSizes() {
			if i%3 == j {
				narrow(NewGEMM(F32, 1, s[0], s[1], s[2], i&4 != 0, i&8 != 0), Invalid)
			}
		}
		for i, s := range [][3]int{{128, 128, 64}, {64, 64, 32}, {64, 72, 1032}, {136, 256, 96}, {256, 264, 40}, {130, 61, 200}, {16, 512, 256}, {512, 8, 256}, {40, 48, 4096}} {
			for trans := range 4 {
				if i < 3 || trans == i&3 {
					narrow(NewGEMM(F32, 1, s[0], s[1], s[2], trans&1 != 0, trans&2 != 0), []DType{Invalid, F32}[(i+trans)&1])
				}
			}
		}
		for trans := range 4 {
			for i, g := range gemmVariants(F32, trans&1 != 0, trans&2 != 0) {
				if i%4 == (trans+j)%4 {
					narrow(g, []DType{Invalid, F32}[i/4%2])
				}
			}
		}
		for i, g := range gemmEpilogues(F32) {
			if i%5 == j {
				narrow(g, []DType{Invalid, F32}[i%2])
			}
		}
	}
	return gs
}

// gemmSizes samples {1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129} so that every pair of neighbouring dimensions meets small, odd and
// whole tiles, beside empty and long products.
func gemmSizes() [][3]int {
	dims := []int{1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129}
	sizes := [][3]int{{0, 5, 3}, {5, 0, 3}, {5, 6, 0}, {1, 1, 0}, {2, 3, 1000}, {1, 193, 70}, {2, 400, 9}, {3, 65, 40}, {5, 90, 33}, {6, 130, 12}}
	for i, m := range dims {
		for j := range dims {
			n, k := dims[(j*5+i)%len(dims)], dims[(j*3+2*i+1)%len(dims)]
			if (i+j)%3 == 0 || m == n || n == k {
				sizes = append(sizes, [3]int{m, n, k})
			}
		}
	}
	for _, m := range []int{1, 2, 3, 4, 9} { // vectors and few rows, long
		sizes = append(sizes, [3]int{m, 129, 257}, [3]int{m, 129, 258}, [3]int{129, m, 259}, [3]int{129, m, 260}, [3]int{m, 66, 261}, [3]int{m, 66, 262}, [3]int{67, m, 263}, [3]int{67, m, 264})
	}
	return append(sizes, [3]int{65, 70, 800}, [3]int{350, 70, 20}, [3]int{30, 300, 400}, [3]int{20, 20, 2000}, [3]int{4, 5, 5000}, [3]int{5000, 3, 4})
}

// gemmVariants are batches, strides and factors.
func gemmVariants(t DType, ta, tb bool) []GEMM {
	var gs []GEMM
	for _, s := range [][4]int{{3, 5, 7, 9}, {2, 33, 17, 40}, {20, 16, 16, 16}, {9, 4, 4, 4}, {0, 3, 3, 3}, {5, 1, 20, 50}, {5, 20, 1, 50}, {6, 70, 70, 70}} {
		g := NewGEMM(t, s[0], s[1], s[2], s[3], ta, tb)
		gs = append(gs, g)
		g.StrideB = 0
		gs = append(gs, g)
		g.StrideA, g.StrideB = 0, s[2]*s[3]+2
		g.LDA, g.LDB, g.LDC = g.LDA+3, g.LDB+1, g.LDC+5
		g.StrideB += s[2] + s[3]
		g.StrideC = s[1]*g.LDC + 4
		g.Alpha, g.Beta = -0.75, 0.5
		gs = append(gs, g)
	}
	for _, s := range [][3]int{{1, 1, 1}, {15, 33, 17}, {64, 64, 64}, {1, 80, 100}, {80, 1, 100}, {130, 100, 66}, {90, 7, 37}, {70, 33, 400}} {
		g := NewGEMM(t, 1, s[0], s[1], s[2], ta, tb)
		g.Alpha = 2.5
		gs = append(gs, g)
		g.Alpha, g.Beta = 1, 1
		g.LDC += 2
		gs = append(gs, g)
		g.Alpha, g.Beta, g.Bias, g.Residual = 0.5, -1, true, true
		g.LDA += 4
		gs = append(gs, g)
	}
	heads := NewGEMM(t, 4, 10, 8, 6, ta, tb) // results side by side in the rows of one matrix
	heads.LDC, heads.StrideC = 32, 8
	return append(gs, heads)
}

// gemmEpilogues are all the activations, alone and after everything else, in each way to compute a product.
func gemmEpilogues(t DType) []GEMM {
	var gs []GEMM
	acts := []Activation{{}, {Op: ReLU}, {Op: GELU}, {Op: GELUTanh}, {Op: SiLU}, {Op: HardSwish}, {Op: Tanh}, {Op: Sigmoid}, {Op: Clamp, Min: -1, Max: 2.5}}
	for _, act := range acts {
		for _, s := range [][3]int{{5, 19, 12}, {70, 67, 90}, {2, 50, 64}, {50, 1, 64}, {40, 66, 500}} {
			g := NewGEMM(t, 1, s[0], s[1], s[2], false, s[0] == 2)
			g.Epilogue = Epilogue{Act: act}
			gs = append(gs, g)
			g.Bias = true
			gs = append(gs, g)
			g.Residual = true
			gs = append(gs, g)
			g.Bias, g.Batch, g.StrideA, g.StrideB, g.StrideC = false, 2, s[0]*s[2], s[2]*s[1], s[0]*s[1]
			gs = append(gs, g)
		}
	}
	return gs
}
