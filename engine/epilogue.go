package engine

import (
	"slices"

	"palladio/kernels"
)

// producer is a kernel that can end with a bias, a residual and an activation.
type producer struct {
	epilogue kernels.Epilogue
	columns  int // the length of a bias
	inputs   int // operands before the bias
	with     func(e kernels.Epilogue) kernels.Kernel
}

func producerOf(k kernels.Kernel) (producer, bool) {
	switch k := k.(type) {
	case kernels.GEMM:
		dense := k.Beta == 0 && k.LDC == max(k.N, 1) && (k.Batch == 1 || k.StrideC == k.M*k.N)
		return producer{k.Epilogue, k.N, 2, func(e kernels.Epilogue) kernels.Kernel { k.Epilogue = e; return k }}, dense
	case kernels.Conv:
		return producer{k.Epilogue, k.K, 2, func(e kernels.Epilogue) kernels.Kernel { k.Epilogue = e; return k }}, true
	}
	return producer{}, false
}

// fuseEpilogues moves the bias, residual and activation that follow a product or a convolution into it, where nothing else reads what is between.
func (p *program) fuseEpilogues() {
	uses, kept := p.useCounts()
	def := p.producers()
	updates := p.updates()
	maybe, _ := p.maybeAbsent()
	for i := range p.calls {
		c := &p.calls[i]
		k, ok := c.kernel.(kernels.Elementwise)
		if !ok || c.role != runKernel || len(k.Outputs) != 1 {
			continue
		}
		for j, in := range c.args[:len(k.Inputs)] {
			at := def[in]
			if at < 0 || uses[in] != 1 || kept[in] || maybe[in] && len(k.Inputs) > 1 || !slices.Equal(k.Inputs[j].Strides, kernels.DenseStrides(k.Shape)) {
				continue
			}
			g := &p.calls[at]
			if g.role != runKernel || p.hasEffect(g) || changedBetween(updates, g, at, int32(i)) {
				continue
			}
			if p.absorb(g, c, k, j, maybe) {
				g.dead = true
				def[c.args[len(c.args)-1]] = int32(i)
				break
			}
		}
	}
	p.sweep()
}

// useCounts counts the readers of each value.
func (p *program) useCounts() (uses []int, kept []bool) {
	uses, kept = make([]int, len(p.values)), make([]bool, len(p.values))
	for i := range p.values {
		kept[i] = p.values[i].keep
	}
	for i := range p.calls {
		for j, d := range p.calls[i].dirs {
			if d != kernels.Out {
				uses[p.calls[i].args[j]]++
			}
		}
	}
	return uses, kept
}

// absorb makes c the product g with the step that c is, if a product can end with it.
func (p *program) absorb(g, c *call, k kernels.Elementwise, j int, maybe []bool) bool {
	pr, ok := producerOf(g.kernel)
	result := g.kernel.Operands()[len(g.args)-1].Type
	if !ok || k.Inputs[j].Type != result || k.Outputs[0].Type != result || k.Outputs[0].Value != len(k.Inputs)+len(k.Code)-1 || pr.epilogue.Act.Op != kernels.NoOp {
		return false
	}
	out := c.args[len(c.args)-1]
	e, args := pr.epilogue, slices.Clone(g.args[:len(g.args)-1])
	if len(k.Code) == 1 && k.Code[0].Op == kernels.Add && len(k.Inputs) == 2 {
		other := 1 - j
		v := c.args[other]
		if c.args[0] == c.args[1] || c.accumulates && maybe[v] || maybe[v] {
			return false
		}
		switch {
		case !e.Bias && k.Inputs[other].Type == k.Type && isColumnBias(&k, other, p.values[v].elems, pr.columns):
			e.Bias = true
			args = slices.Insert(args, pr.inputs, v)
		case !e.Residual && k.Inputs[other].Type == result && p.values[v].elems == p.values[out].elems && slices.Equal(k.Inputs[other].Strides, kernels.DenseStrides(k.Shape)):
			e.Residual = true
			args = append(args, v)
		default:
			return false
		}
	} else if act, ok := activationOf(&k); ok {
		e.Act = act
	} else {
		return false
	}
	n := pr.with(e)
	if n.Validate() != nil {
		return false
	}
	c.kernel, c.key, c.accumulates = n, "", false
	c.args = append(args, out)
	c.dirs = make([]kernels.Dir, len(c.args))
	c.dirs[len(c.args)-1] = kernels.Out
	return true
}

// isColumnBias says whether input i repeats n numbers along all axes but the last.
func isColumnBias(k *kernels.Elementwise, i, elems, n int) bool {
	if elems != n {
		return false
	}
	// walk from the last axis: the bias runs on until its n elements are done, and repeats from there
	at := 1
	for d := len(k.Shape) - 1; d >= 0; d-- {
		if k.Shape[d] == 1 {
			continue
		}
		switch s := k.Inputs[i].Strides[d]; {
		case at < n && s == at:
			at *= k.Shape[d]
		case at == n && s == 0:
		default:
			return false
		}
	}
	return at == n
}

// activationOf is the activation that an element-wise call of one input is.
func activationOf(k *kernels.Elementwise) (kernels.Activation, bool) {
	if len(k.Inputs) != 1 {
		return kernels.Activation{}, false
	}
	last := k.Code[len(k.Code)-1]
	switch {
	case len(k.Code) == 1:
		switch last.Op {
		case kernels.ReLU, kernels.GELU, kernels.GELUTanh, kernels.SiLU, kernels.HardSwish, kernels.Tanh, kernels.Sigmoid:
			return kernels.Activation{Op: last.Op}, true
		}
	case len(k.Code) == 3 && last.Op == kernels.Clamp && k.Code[0].Op == kernels.Imm && k.Code[1].Op == kernels.Imm && last.A == 0 && last.B > 0 && last.C > 0:
		lo, hi := k.Code[last.B-1].Imm, k.Code[last.C-1].Imm
		return kernels.Activation{Op: kernels.Clamp, Min: lo, Max: hi}, lo <= hi
	}
	return kernels.Activation{}, false
}
