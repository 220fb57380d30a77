package engine

import (
	"slices"

	"palladio/kernels"
)

// foldNorms merges batch normalisations by running statistics into the convolutions before them (Jacob et al., Quantization and Training of
// Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018, section 3.2): with s = scale/sqrt(var+eps),
//
//	norm(conv(x, w) + b) = conv(x, w·s) + (b - mean)·s + bias
//
// The weights are variables, so w·s is computed in each run; that pays where the feature map is larger than the filter.
func (p *program) foldNorms() {
	uses, kept := p.useCounts()
	def := p.producers()
	updates := p.updates()
	found := false
	for i := range p.calls {
		if n, ok := p.calls[i].kernel.(kernels.Norm); ok && n.Kind == kernels.BatchInference {
			found = true
		}
	}
	if !found {
		return
	}
	var list []call
	gone := make([]bool, len(p.calls))
	replaced := map[int][]call{}
	for i := range p.calls {
		c := &p.calls[i]
		n, ok := c.kernel.(kernels.Norm)
		if !ok || c.role != runKernel || n.Kind != kernels.BatchInference {
			continue
		}
		x := c.args[0]
		at := def[x]
		if at < 0 || uses[x] != 1 || kept[x] || changedBetween(updates, &p.calls[at], at, int32(i)) {
			continue
		}
		conv, ok := p.calls[at].kernel.(kernels.Conv)
		if !ok || p.calls[at].role != runKernel || conv.Epilogue.Residual || conv.Epilogue.Act.Op != kernels.NoOp || conv.K != n.C ||
			p.values[x].elems < 2*p.values[p.calls[at].args[1]].elems {
			continue
		}
		replaced[i] = p.foldNorm(&p.calls[at], conv, c, n)
		gone[at] = true
	}
	for i := range p.calls {
		switch {
		case replaced[i] != nil:
			list = append(list, replaced[i]...)
		case !gone[i]:
			list = append(list, p.calls[i])
		}
	}
	p.calls = list
}

// foldNorm makes the calls that stand for a convolution and its normalisation.
func (p *program) foldNorm(conv *call, k kernels.Conv, norm *call, n kernels.Norm) []call {
	next := norm.args[1:]
	take := func(present bool) int32 {
		if !present {
			return -1
		}
		v := next[0]
		next = next[1:]
		return v
	}
	scale, bias := take(n.Scale), take(n.Bias)
	mean, variance := take(true), take(true)
	convBias := int32(-1)
	if k.Epilogue.Bias {
		convBias = conv.args[2]
	}
	e := &channelProgram{k: kernels.Elementwise{Type: n.Type, Shape: []int{n.C}}}
	v, m := e.input(variance), e.input(mean)
	s, b, cb := e.input(scale), e.input(bias), e.input(convBias)
	factor := e.step(kernels.Rsqrt, e.step(kernels.Add, v, e.number(n.Eps)))
	if scale >= 0 {
		factor = e.step(kernels.Mul, factor, s)
	}
	shift := e.step(kernels.Neg, m)
	if convBias >= 0 {
		shift = e.step(kernels.Sub, cb, m)
	}
	shift = e.step(kernels.Mul, shift, factor)
	if bias >= 0 {
		shift = e.step(kernels.Add, shift, b)
	}
	factorV, shiftV := p.add(value{typ: n.Type, elems: n.C}), p.add(value{typ: n.Type, elems: n.C})
	channels := e.call(norm, []int{factor, shift}, []int32{factorV, shiftV})

	filter := p.values[conv.args[1]]
	weights := p.add(value{typ: n.Type, elems: filter.elems})
	shape := []int{k.K, filter.elems / k.K}
	scaled := call{node: norm.node, args: []int32{conv.args[1], factorV, weights}, dirs: []kernels.Dir{kernels.In, kernels.In, kernels.Out},
		kernel: kernels.Elementwise{Type: n.Type, Shape: shape,
			Inputs:  []kernels.EltInput{{Type: n.Type, Strides: kernels.DenseStrides(shape)}, {Type: n.Type, Strides: outerStride(k.K, 0, 2)}},
			Code:    []kernels.Instr{{Op: kernels.Mul, A: 0, B: 1}},
			Outputs: []kernels.EltOutput{{Type: n.Type, Value: 2}}}}

	k.Epilogue.Bias = true
	if n.Act != kernels.NoOp {
		k.Epilogue.Act = kernels.Activation{Op: n.Act}
	}
	y := norm.args[len(norm.args)-1]
	merged := call{node: norm.node, kernel: k, args: []int32{conv.args[0], weights, shiftV, y},
		dirs: []kernels.Dir{kernels.In, kernels.In, kernels.In, kernels.Out}}
	return []call{channels, scaled, merged}
}

// channelProgram builds an element-wise program over channels. Values are numbered once all inputs are known: inputs come first.
type channelProgram struct {
	k    kernels.Elementwise
	args []int32
}

// input adds an input, or nothing for an absent operand.
func (e *channelProgram) input(v int32) int {
	if v < 0 {
		return -1
	}
	e.k.Inputs = append(e.k.Inputs, kernels.EltInput{Type: e.k.Type, Strides: kernels.DenseStrides(e.k.Shape)})
	e.args = append(e.args, v)
	return len(e.args) - 1
}

func (e *channelProgram) number(x float64) int {
	e.k.Code = append(e.k.Code, kernels.Instr{Op: kernels.Imm, Imm: x})
	return len(e.k.Inputs) + len(e.k.Code) - 1
}

func (e *channelProgram) step(o kernels.EltOp, args ...int) int {
	s := kernels.Instr{Op: o, A: args[0]}
	if len(args) > 1 {
		s.B = args[1]
	}
	e.k.Code = append(e.k.Code, s)
	return len(e.k.Inputs) + len(e.k.Code) - 1
}

// call finishes the program: its values results become the values outs.
func (e *channelProgram) call(from *call, results []int, outs []int32) call {
	c := call{node: from.node, args: append(slices.Clone(e.args), outs...), dirs: make([]kernels.Dir, len(e.args), len(e.args)+len(outs))}
	for _, r := range results {
		e.k.Outputs = append(e.k.Outputs, kernels.EltOutput{Type: e.k.Type, Value: r})
		c.dirs = append(c.dirs, kernels.Out)
	}
	c.kernel = e.k
	return c
}
