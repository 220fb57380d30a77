package kernels

import "fmt"

// convCase is one geometry of the conformance table.
type convCase struct {
	name          string
	image, filter []int
	o             ConvOptions
}

// convGeometries are the geometries that the forward and both backward passes are checked on.
func convGeometries() []convCase {
	same := ConvOptions{Same: true}
	pad := func(p int) ConvOptions { return ConvOptions{PadLo: []int{p, p}} }
	cs := []convCase{
		{"1x1", []int{2, 5, 7, 20}, []int{33, 1, 1, 20}, ConvOptions{}},
		{"1x1 stride2", []int{1, 9, 8, 16}, []int{40, 1, 1, 16}, ConvOptions{Stride: []int{2, 2}}},
		{"1x1 padded", []int{1, 4, 5, 3}, []int{5, 1, 1, 3}, pad(1)},
		{"3x3 asymmetric", []int{1, 9, 11, 5}, []int{6, 3, 3, 5}, ConvOptions{PadLo: []int{2, 0}, PadHi: []int{1, 3}}},
		{"3x3 stride2", []int{2, 11, 14, 8}, []int{24, 3, 3, 8}, ConvOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}}},
		{"3x3 stride3", []int{1, 11, 13, 8}, []int{17, 3, 3, 8}, ConvOptions{Stride: []int{3, 3}, PadLo: []int{1, 0}, PadHi: []int{0, 2}}},
		{"3x3 stride3x1", []int{1, 10, 9, 6}, []int{9, 3, 3, 6}, ConvOptions{Stride: []int{3, 1}, PadLo: []int{1, 1}}},
		{"2x2 stride3", []int{1, 10, 10, 4}, []int{4, 2, 2, 4}, ConvOptions{Stride: []int{3, 3}}}, // some of the image is never read
		{"3x3 dilation2", []int{1, 12, 9, 8}, []int{16, 3, 3, 8}, ConvOptions{Dilation: []int{2, 2}, PadLo: []int{2, 2}}},
		{"3x3 dilation2 stride2", []int{1, 13, 12, 7}, []int{10, 3, 3, 7}, ConvOptions{Dilation: []int{2, 2}, Stride: []int{2, 2}, PadLo: []int{2, 1}, PadHi: []int{1, 2}}},
		{"5x3", []int{1, 8, 9, 4}, []int{34, 5, 3, 4}, same},
		{"7x7 stride2 c3", []int{1, 23, 22, 3}, []int{64, 7, 7, 3}, ConvOptions{Stride: []int{2, 2}, PadLo: []int{3, 3}}},
		{"3x3 huge padding", []int{1, 2, 3, 4}, []int{5, 3, 3, 4}, pad(4)},
		{"4x4 whole map", []int{3, 4, 4, 16}, []int{10, 4, 4, 16}, ConvOptions{}},
		{"1x1 map", []int{2, 1, 1, 9}, []int{8, 3, 3, 9}, same},
		{"one of everything", []int{1, 1, 1, 1}, []int{1, 1, 1, 1}, ConvOptions{}},
		{"empty batch", []int{0, 6, 6, 4}, []int{8, 3, 3, 4}, same},
		{"empty batch depthwise", []int{0, 6, 6, 4}, []int{4, 3, 3, 1}, ConvOptions{Same: true, Groups: 4}},
		{"groups2", []int{1, 7, 9, 10}, []int{36, 3, 3, 5}, ConvOptions{Same: true, Groups: 2}},
		{"groups4 stride2", []int{1, 9, 9, 64}, []int{32, 3, 3, 16}, ConvOptions{Same: true, Groups: 4, Stride: []int{2, 2}}},
		{"groups 1x1", []int{2, 5, 5, 12}, []int{18, 1, 1, 4}, ConvOptions{Groups: 3}},
		{"depthwise 3x3", []int{2, 9, 12, 20}, []int{20, 3, 3, 1}, ConvOptions{Same: true, Groups: 20}},
		{"depthwise 3x3 stride2", []int{1, 11, 10, 67}, []int{67, 3, 3, 1}, ConvOptions{Groups: 67, Stride: []int{2, 2}, PadLo: []int{0, 1}, PadHi: []int{1, 1}}},
		{"depthwise 5x5", []int{1, 8, 7, 33}, []int{33, 5, 5, 1}, ConvOptions{Same: true, Groups: 33}},
		{"depthwise 3x3 dilation2", []int{1, 9, 8, 16}, []int{16, 3, 3, 1}, ConvOptions{Same: true, Groups: 16, Dilation: []int{2, 2}}},
		{"depthwise multiplier2", []int{1, 7, 6, 9}, []int{18, 3, 3, 1}, ConvOptions{Same: true, Groups: 9}},
		{"depthwise multiplier3 stride3", []int{1, 10, 7, 5}, []int{15, 3, 3, 1}, ConvOptions{Groups: 5, Stride: []int{3, 3}, PadLo: []int{1, 1}}},
		{"depthwise 1-D", []int{2, 19, 24}, []int{24, 4, 1}, ConvOptions{PadLo: []int{3}, PadHi: []int{0}, Groups: 24}},
		{"1-D", []int{2, 37, 12}, []int{20, 5, 12}, ConvOptions{Stride: []int{2}, PadLo: []int{2}}},
		{"1-D causal", []int{1, 33, 8}, []int{8, 3, 8}, ConvOptions{Dilation: []int{4}, PadLo: []int{8}, PadHi: []int{0}}},
		{"3-D", []int{1, 5, 6, 7, 4}, []int{18, 3, 3, 3, 4}, ConvOptions{Same: true}},
		{"3-D stride2", []int{2, 5, 6, 7, 3}, []int{8, 2, 3, 3, 3}, ConvOptions{Stride: []int{1, 2, 2}, PadLo: []int{1, 1, 0}}},
		{"3-D depthwise", []int{1, 4, 5, 6, 17}, []int{17, 3, 3, 3, 1}, ConvOptions{Same: true, Groups: 17}},
		{"winograd edge", []int{2, 17, 15, 32}, []int{48, 3, 3, 32}, same},
		{"winograd asymmetric", []int{1, 14, 19, 40}, []int{33, 3, 3, 40}, ConvOptions{PadLo: []int{0, 2}, PadHi: []int{1, 0}}},
		{"winograd odd", []int{1, 12, 12, 65}, []int{70, 3, 3, 65}, ConvOptions{}},
		{"winograd small map", []int{3, 7, 7, 64}, []int{64, 3, 3, 64}, same},
		{"long rows", []int{1, 3, 130, 16}, []int{16, 3, 3, 16}, ConvOptions{Same: true, Dilation: []int{1, 2}}},
		{"many filters", []int{1, 4, 4, 8}, []int{200, 2, 2, 8}, ConvOptions{}},
	}
	for _, c := range []int{1, 3, 8, 20, 64} {
		cs = append(cs,
			convCase{fmt.Sprintf("3x3 c%d", c), []int{2, 8, 9, c}, []int{32, 3, 3, c}, same},
			convCase{fmt.Sprintf("3x3 k%d", c), []int{1, 9, 8, 32}, []int{c, 3, 3, 32}, same})
	}
	return cs
}

// convCases are the rows of the conformance table for convolution and its backward passes.
func convCases() []Case {
	var cs []Case
	for _, c := range convGeometries() {
		g, err := NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			panic(err) // a mistake in the table above
		}
		cs = append(cs,
			Case{Name: "conv " + c.name, Kernel: Conv{Type: F32, ConvGeometry: g}},
			Case{Name: "conv " + c.name + " bias relu", Kernel: Conv{Type: F32, ConvGeometry: g, Epilogue: Epilogue{Bias: true, Act: Activation{Op: ReLU}}}},
			Case{Name: "conv backward data " + c.name, Kernel: ConvBackwardData{Type: F32, ConvGeometry: g}},
			Case{Name: "conv backward filter " + c.name, Kernel: ConvBackwardFilter{Type: F32, ConvGeometry: g, Bias: true}})
	}
	cs = append(cs, convEpilogueCases()...)
	cs = append(cs, convNarrowCases()...)
	for _, c := range convGeometries()[:6] {
		g, _ := NewConvGeometry(c.image, c.filter, c.o)
		cs = append(cs,
			Case{Name: "conv f64 " + c.name, Kernel: Conv{Type: F64, ConvGeometry: g, Epilogue: Epilogue{Bias: true}}},
			Case{Name: "conv backward data f64 " + c.name, Kernel: ConvBackwardData{Type: F64, ConvGeometry: g}},
			Case{Name: "conv backward filter f64 " + c.name, Kernel: ConvBackwardFilter{Type: F64, ConvGeometry: g}})
	}
	return cs
}

// convEpilogueCases are every epilogue on each algorithm, forward and transposed.
func convEpilogueCases() []Case {
	var cs []Case
	for _, c := range []convCase{
		{"1x1", []int{1, 5, 7, 24}, []int{37, 1, 1, 24}, ConvOptions{}},
		{"3x3 stride2", []int{1, 8, 9, 6}, []int{20, 3, 3, 6}, ConvOptions{Same: true, Stride: []int{2, 2}}},
		{"winograd", []int{1, 13, 12, 64}, []int{64, 3, 3, 64}, ConvOptions{Same: true}},
		{"depthwise", []int{1, 9, 8, 21}, []int{21, 3, 3, 1}, ConvOptions{Same: true, Groups: 21}},
	} {
		g, err := NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			panic(err)
		}
		for _, a := range []Activation{{}, {Op: ReLU}, {Op: Clamp, Min: -0.5, Max: 6}, {Op: GELU}, {Op: GELUTanh}, {Op: SiLU}, {Op: HardSwish}, {Op: Tanh}, {Op: Sigmoid}} {
			e := Epilogue{Bias: true, Residual: true, Act: a}
			cs = append(cs, Case{Name: "conv " + c.name + e.String(), Kernel: Conv{Type: F32, ConvGeometry: g, Epilogue: e}})
		}
		for _, e := range []Epilogue{{Residual: true}, {Bias: true}, {Bias: true, Residual: true, Act: Activation{Op: SiLU}}, {Act: Activation{Op: ReLU}}} {
			cs = append(cs, Case{Name: "transposed conv " + c.name + e.String(), Kernel: ConvBackwardData{Type: F32, ConvGeometry: g, Epilogue: e}})
		}
	}
	t, err := NewConvTranspose(F32, []int{2, 5, 4, 12}, []int{12, 3, 3, 7}, ConvOptions{Stride: []int{2, 2}, PadLo: []int{1, 1}}, []int{1, 0}, Epilogue{Bias: true})
	if err != nil {
		panic(err)
	}
	return append(cs, Case{Name: "transposed conv output padding", Kernel: t})
}

// convNarrowCases are the types that tensor cores multiply: every geometry in one of the types in turn, and some in all.
func convNarrowCases() []Case {
	types := []struct {
		name string
		t    DType
		tf32 bool
	}{{"bf16", BF16, false}, {"f16", F16, false}, {"tf32", F32, true}}
	geometries := append(convGeometries(),
		convCase{"tiles", []int{1, 12, 13, 72}, []int{136, 3, 3, 72}, ConvOptions{Same: true}},
		convCase{"tiles stride2", []int{2, 13, 12, 40}, []int{72, 3, 3, 40}, ConvOptions{Same: true, Stride: []int{2, 2}}},
		convCase{"tiles groups", []int{1, 9, 10, 64}, []int{96, 3, 3, 32}, ConvOptions{Same: true, Groups: 2}},
		convCase{"tiles 1x1", []int{1, 12, 12, 96}, []int{144, 1, 1, 96}, ConvOptions{}},
		convCase{"deep", []int{1, 5, 4, 256}, []int{24, 3, 3, 256}, ConvOptions{Same: true}})
	var cs []Case
	for i, c := range geometries {
		g, err := NewConvGeometry(c.image, c.filter, c.o)
		if err != nil {
			panic(err) // a mistake in a table
		}
		for j, t := range types {
			if i < len(convGeometries()) && i%len(types) != j {
				continue
			}
			to := t.t
			if (i+j)%2 == 0 {
				to = F32
			}
			cs = append(cs,
				Case{Name: "conv " + t.name + " " + c.name, Kernel: Conv{Type: t.t, ConvGeometry: g, TF32: t.tf32, Epilogue: Epilogue{Bias: i%2 == 0, Residual: i%3 == 0, Act: narrowActs[i%len(narrowActs)]}}},
				Case{Name: "conv backward data " + t.name + " " + c.name, Kernel: ConvBackwardData{Type: t.t, ConvGeometry: g, TF32: t.tf32, Epilogue: Epilogue{Bias: i%3 == 1}}},
				Case{Name: "conv backward filter " + t.name + " " + c.name, Kernel: ConvBackwardFilter{Type: t.t, ConvGeometry: g, TF32: t.tf32, OutType: to, Bias: i%2 == 1}})
		}
	}
	return cs
}

var narrowActs = []Activation{{}, {Op: ReLU}, {Op: SiLU}, {Op: Clamp, Min: 0, Max: 6}}
