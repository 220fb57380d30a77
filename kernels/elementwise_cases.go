package kernels

import "fmt"

// Map is the one-step program out = op(in0, in1, …) on dense inputs of one type and shape.
func Map(t DType, op EltOp, shape []int) Elementwise {
	k := Elementwise{Type: t, Shape: shape, Code: []Instr{{Op: op, A: 0, B: 1, C: 2}}}
	for range op.Arity() {
		k.Inputs = append(k.Inputs, EltInput{t, DenseStrides(shape)})
	}
	k.Outputs = []EltOutput{{t, op.Arity()}}
	return k
}

// Broadcast gives the strides of a dense input whose extents are those of shape or 1, aligned at the last axis as NumPy does.
func Broadcast(in, shape []int) ([]int, error) {
	lead := len(shape) - len(in)
	if lead < 0 {
		return nil, fmt.Errorf("broadcast: shape %v has more axes than %v", in, shape)
	}
	for d, n := range in {
		if n != shape[lead+d] && n != 1 {
			return nil, fmt.Errorf("broadcast: shape %v does not fit %v: extent %d is %d, want %d or 1", in, shape, d, n, shape[lead+d])
		}
	}
	return append(make([]int, lead), DenseStrides(in)...), nil
}

// elementwiseCases are the rows of the conformance table.
func elementwiseCases() []Case {
	var cs []Case
	for _, f := range []func() []Case{eltOpCases, eltBroadcastCases, eltShapeCases, eltProgramCases, eltTypeCases} {
		cs = append(cs, f()...)
	}
	return cs
}

// eltOpCases runs every operation on ordinary, on special and on wide-ranging numbers.
func eltOpCases() []Case {
	var cs []Case
	for op := Copy; op < numEltOps; op++ {
		for _, t := range []DType{F32, F64} {
			for _, f := range []struct {
				name string
				fill Fill
			}{{"normal", Fill{}}, {"special", Fill{Kind: Special}}, {"wide", Fill{Kind: Uniform, Lo: -120, Hi: 120}}} {
				k := Map(t, op, []int{517})
				in := map[string]Fill{}
				for i := range op.Arity() {
					in[fmt.Sprintf("in%d", i)] = f.fill
				}
				cs = append(cs, Case{fmt.Sprintf("elementwise/%s %s %s", op, t, f.name), k, in})
			}
		}
	}
	// Powers and angles have regions of their own.
	pow := Map(F32, Pow, []int{509})
	cs = append(cs,
		Case{"elementwise/pow whole exponents", pow, map[string]Fill{"in1": {Kind: Ints, Lo: -9, Hi: 10}}},
		Case{"elementwise/pow large", pow, map[string]Fill{"in0": {Kind: Uniform, Lo: 0.5, Hi: 2}, "in1": {Kind: Uniform, Lo: -130, Hi: 130}}},
	)
	for _, op := range []EltOp{Sin, Cos, Tan} {
		cs = append(cs, Case{fmt.Sprintf("elementwise/%s large angles", op), Map(F32, op, []int{400}),
			map[string]Fill{"in0": {Kind: Uniform, Lo: -1e7, Hi: 1e7}}})
	}
	return cs
}

// eltBroadcastCases add tensors of unlike shapes in every pattern.
func eltBroadcastCases() []Case {
	var cs []Case
	for _, c := range []struct{ shape, a, b []int }{
		{[]int{7, 19}, []int{7, 19}, []int{}},
		{[]int{7, 19}, []int{}, []int{7, 19}},
		{[]int{7, 19}, []int{}, []int{1, 1}},
		{[]int{7, 19}, []int{7, 19}, []int{19}},
		{[]int{7, 19}, []int{7, 1}, []int{7, 19}},
		{[]int{7, 19}, []int{7, 1}, []int{19}},
		{[]int{130, 64}, []int{130, 64}, []int{64}},
		{[]int{300, 3}, []int{300, 3}, []int{3}},
		{[]int{300, 3}, []int{300, 1}, []int{300, 3}},
		{[]int{3, 2500}, []int{3, 2500}, []int{2500}},
		{[]int{3, 2500}, []int{3, 1}, []int{3, 2500}},
		{[]int{3, 2500}, []int{3, 1}, []int{1, 2500}},
		{[]int{5, 6, 7}, []int{5, 1, 7}, []int{5, 6, 7}},
		{[]int{5, 6, 7}, []int{1, 6, 1}, []int{5, 6, 7}},
		{[]int{5, 6, 7}, []int{5, 1, 1}, []int{1, 6, 7}},
		{[]int{2, 33, 1100}, []int{2, 1, 1100}, []int{33, 1}},
		{[]int{2, 3, 4, 5, 6}, []int{2, 1, 4, 1, 6}, []int{3, 1, 5, 1}},
		{[]int{2, 3, 4, 5, 6}, []int{2, 3, 4, 5, 6}, []int{1, 3, 4, 1, 1}},
		{[]int{1, 9, 1, 8, 1}, []int{9, 1, 8, 1}, []int{8, 1}},
	} {
		a, _ := Broadcast(c.a, c.shape)
		b, _ := Broadcast(c.b, c.shape)
		for _, op := range []EltOp{Sub, Max} {
			cs = append(cs, Case{fmt.Sprintf("elementwise/%s %v with %v", op, c.a, c.b), Elementwise{
				Type: F32, Shape: c.shape, Inputs: []EltInput{{F32, a}, {F32, b}},
				Code: []Instr{{Op: op, A: 0, B: 1}}, Outputs: []EltOutput{{F32, 2}}}, nil})
		}
	}
	return cs
}

// eltShapeCases are odd, empty and huge extents, and strided inputs.
func eltShapeCases() []Case {
	var cs []Case
	for _, n := range []int{0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 65, 127, 1023, 1024, 1025, 4099, 300001} {
		cs = append(cs, Case{fmt.Sprintf("elementwise/add %d", n), Map(F32, Add, []int{n}), nil})
	}
	for _, n := range []int{1, 3, 17, 1025} {
		cs = append(cs, Case{fmt.Sprintf("elementwise/exp %d", n), Map(F32, Exp, []int{n}), nil})
		cs = append(cs, Case{fmt.Sprintf("elementwise/mul f64 %d", n), Map(F64, Mul, []int{n}), nil})
	}
	cs = append(cs,
		Case{"elementwise/scalar", Map(F32, Tanh, []int{}), nil},
		Case{"elementwise/empty middle", Map(F32, Mul, []int{3, 0, 4}), nil},
	)
	for _, c := range []struct {
		name           string
		shape, strides []int
	}{
		{"transposed", []int{37, 53}, []int{1, 37}},
		{"transposed wide", []int{3, 2100}, []int{1, 3}},
		{"permuted", []int{5, 17, 9, 4}, []int{4, 180, 20, 1}}, // a stored [17, 9, 5, 4]
		{"sliced rows", []int{12, 40}, []int{64, 1}},
		{"every third", []int{400}, []int{3}},
		{"windows", []int{30, 7}, []int{2, 1}},
		{"reversed axes", []int{4, 5, 6}, []int{1, 4, 20}},
		{"repeated inside", []int{40, 6, 5}, []int{1, 0, 40}},
	} {
		cs = append(cs, Case{"elementwise/" + c.name, Elementwise{
			Type: F32, Shape: c.shape, Inputs: []EltInput{{F32, c.strides}, {F32, DenseStrides(c.shape)}},
			Code: []Instr{{Op: Sub, A: 0, B: 1}, {Op: Tanh, A: 2}}, Outputs: []EltOutput{{F32, 3}}}, nil})
	}
	return cs
}

// eltProgramCases are chains: several outputs, shared values, unused steps, constants, long programs.
func eltProgramCases() []Case {
	dense := func(t DType, shape []int, n int) []EltInput {
		var in []EltInput
		for range n {
			in = append(in, EltInput{t, DenseStrides(shape)})
		}
		return in
	}
	flat, image := []int{1537}, []int{3, 5, 7, 24}
	channel, _ := Broadcast([]int{24}, image)
	cs := []Case{
		{"elementwise/scale and shift", Elementwise{F32, flat, dense(F32, flat, 1),
			[]Instr{{Op: Imm, Imm: 1.5}, {Op: Mul, A: 0, B: 1}, {Op: Imm, Imm: -0.25}, {Op: Add, A: 2, B: 3}}, []EltOutput{{F32, 4}}}, nil},
		{"elementwise/batch norm and relu", Elementwise{F32, image, []EltInput{{F32, DenseStrides(image)}, {F32, channel}, {F32, channel}},
			[]Instr{{Op: FMA, A: 0, B: 1, C: 2}, {Op: ReLU, A: 3}}, []EltOutput{{F32, 4}}}, nil},
		{"elementwise/relu gradient", Elementwise{F32, flat, dense(F32, flat, 2),
			[]Instr{{Op: Imm}, {Op: Gt, A: 0, B: 2}, {Op: Mul, A: 3, B: 1}}, []EltOutput{{F32, 4}}}, nil},
		{"elementwise/relu gradient by select", Elementwise{F32, flat, dense(F32, flat, 2),
			[]Instr{{Op: Imm}, {Op: Gt, A: 0, B: 2}, {Op: Select, A: 3, B: 1, C: 2}}, []EltOutput{{F32, 4}}},
			map[string]Fill{"in0": {Kind: Special}}},
		{"elementwise/tanh gradient", Elementwise{F32, flat, dense(F32, flat, 2),
			[]Instr{{Op: Square, A: 0}, {Op: Imm, Imm: 1}, {Op: Sub, A: 3, B: 2}, {Op: Mul, A: 4, B: 1}}, []EltOutput{{F32, 5}}}, nil},
		{"elementwise/clamp by constants", Elementwise{F32, flat, dense(F32, flat, 1),
			[]Instr{{Op: Imm, Imm: -0.5}, {Op: Imm, Imm: 0.75}, {Op: Clamp, A: 0, B: 1, C: 2}}, []EltOutput{{F32, 3}}},
			map[string]Fill{"in0": {Kind: Special}}},
		{"elementwise/several outputs", Elementwise{F32, flat, dense(F32, flat, 2),
			[]Instr{{Op: Add, A: 0, B: 1}, {Op: Sigmoid, A: 2}, {Op: Mul, A: 0, B: 3}, {Op: Sub, A: 4, B: 1}},
			[]EltOutput{{F32, 2}, {F32, 5}, {F32, 3}, {F32, 2}, {F32, 0}}}, nil},
		{"elementwise/output of an input", Elementwise{F32, image, []EltInput{{F32, channel}}, nil, []EltOutput{{F32, 0}}}, nil},
		{"elementwise/constant", Elementwise{F32, flat, nil, []Instr{{Op: Imm, Imm: 2.5}}, []EltOutput{{F32, 0}, {I32, 0}}}, nil},
		{"elementwise/scalars only", Elementwise{F32, flat, []EltInput{{F32, []int{0}}, {F32, []int{0}}},
			[]Instr{{Op: Mul, A: 0, B: 1}, {Op: Exp, A: 2}}, []EltOutput{{F32, 3}}}, nil},
		{"elementwise/unused step", Elementwise{F32, flat, dense(F32, flat, 1),
			[]Instr{{Op: Exp, A: 0}, {Op: Copy, A: 0}, {Op: Abs, A: 2}}, []EltOutput{{F32, 3}}}, nil},
		{"elementwise/select of broadcasts", Elementwise{F32, image, []EltInput{{Bool, DenseStrides(image)}, {F32, channel}, {F32, []int{0, 0, 0, 0}}},
			[]Instr{{Op: Select, A: 0, B: 1, C: 2}}, []EltOutput{{F32, 3}}}, nil},
	}
	for _, t := range []DType{F32, F64} {
		long := Elementwise{Type: t, Shape: image, Inputs: dense(t, image, 3)}
		for i := range 40 { // a contraction, so that errors do not grow
			op := []EltOp{Tanh, Add, Sin, Sub, Sigmoid, Max}[i%6]
			long.Code = append(long.Code, Instr{Op: op, A: 2 + i, B: i % 3})
		}
		long.Outputs = []EltOutput{{t, 42}, {t, 20}}
		cs = append(cs, Case{"elementwise/long chain " + t.String(), long, nil})
		wide := Elementwise{Type: t, Shape: []int{777}, Inputs: dense(t, []int{777}, 12)}
		for i := range 11 { // keeps every product alive until the sums
			wide.Code = append(wide.Code, Instr{Op: Mul, A: i, B: i + 1})
		}
		for i := range 10 {
			wide.Code = append(wide.Code, Instr{Op: Add, A: 22 - i, B: 12 + i})
			if i > 0 {
				wide.Code[len(wide.Code)-1].A = 22 + i
			}
		}
		wide.Outputs = []EltOutput{{t, 32}}
		cs = append(cs, Case{"elementwise/many values " + t.String(), wide, nil})
	}
	return cs
}

// eltTypeCases mix element types.
func eltTypeCases() []Case {
	var cs []Case
	shape := []int{11, 37}
	row, _ := Broadcast([]int{37}, shape)
	types := []DType{F32, F64, F16, BF16, I32, I64, U8, Bool}
	for _, from := range types {
		for _, to := range types {
			for _, in := range []DType{F32, F64} {
				cs = append(cs, Case{fmt.Sprintf("elementwise/%s to %s by %s", from, to, in), Elementwise{
					Type: in, Shape: shape, Inputs: []EltInput{{from, DenseStrides(shape)}}, Outputs: []EltOutput{{to, 0}}},
					map[string]Fill{"in0": {Kind: Special}}})
			}
		}
		cs = append(cs, Case{fmt.Sprintf("elementwise/f32 plus row of %s", from), Elementwise{
			Type: F32, Shape: shape, Inputs: []EltInput{{F32, DenseStrides(shape)}, {from, row}},
			Code: []Instr{{Op: Add, A: 0, B: 1}, {Op: Gt, A: 2, B: 0}}, Outputs: []EltOutput{{F32, 2}, {Bool, 3}}}, nil})
		cs = append(cs, Case{fmt.Sprintf("elementwise/transposed %s", from), Elementwise{
			Type: F32, Shape: shape, Inputs: []EltInput{{from, []int{1, 11}}}, Code: []Instr{{Op: Neg, A: 0}}, Outputs: []EltOutput{{from, 1}}}, nil})
	}
	for _, h := range []DType{F16, BF16} {
		for _, n := range []int{1, 7, 1025, 70001} {
			dense := DenseStrides([]int{n})
			cs = append(cs, Case{fmt.Sprintf("elementwise/scale and add %s %d", h, n), Elementwise{
				Type: F32, Shape: []int{n}, Inputs: []EltInput{{h, dense}, {F32, dense}, {h, []int{0}}},
				Code: []Instr{{Op: FMA, A: 0, B: 2, C: 1}, {Op: SiLU, A: 3}}, Outputs: []EltOutput{{h, 4}, {F32, 3}}}, nil})
		}
	}
	return cs
}
