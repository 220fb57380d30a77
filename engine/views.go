package engine

import (
	"slices"

	"palladio/kernels"
)

// readThroughCopies lets element-wise calls read what a broadcasting copy reads, with stride 0, instead of the copy.
func (p *program) readThroughCopies() {
	def := p.producers()
	updates := p.updates()
	for i := range p.calls {
		c := &p.calls[i]
		if _, ok := c.kernel.(kernels.Elementwise); !ok || c.role != runKernel {
			continue
		}
		for j := 0; j < len(c.args) && c.dirs[j] == kernels.In; j++ {
			for range 8 { // a broadcast over several axes is a copy of a copy
				at := def[c.args[j]]
				if at < 0 || changedBetween(updates, &p.calls[at], at, int32(i)) || !p.readThrough(c, j, &p.calls[at]) {
					break
				}
			}
		}
	}
}

// readThrough lets input j of c read the input of the copy that makes it, if the strides can say so.
func (p *program) readThrough(c *call, j int, from *call) bool {
	f, ok := from.kernel.(kernels.Elementwise)
	if !ok || from.role != runKernel || len(f.Inputs) != 1 || len(f.Code) != 1 || f.Code[0].Op != kernels.Copy || len(f.Outputs) != 1 ||
		f.Inputs[0].Type != f.Outputs[0].Type {
		return false
	}
	k := c.kernel.(kernels.Elementwise)
	in := k.Inputs[j]
	if in.Type != f.Inputs[0].Type {
		return false
	}
	shape, strides, ok := composed(&k, in.Strides, &f)
	if !ok {
		return false
	}
	if !slices.Equal(shape, k.Shape) {
		if !isFlat(&k) {
			return false
		}
		k = reiterated(k, shape)
	}
	k.Inputs = slices.Clone(k.Inputs)
	k.Inputs[j] = kernels.EltInput{Type: in.Type, Strides: strides}
	c.kernel, c.key = k, ""
	c.args[j] = from.args[0]
	return true
}

// composed is the shape over which k must iterate, and the strides into f's input, to read f's output with the given strides.
func composed(k *kernels.Elementwise, strides []int, f *kernels.Elementwise) (shape, through []int, ok bool) {
	if slices.Equal(strides, kernels.DenseStrides(k.Shape)) && kernels.Elems(k.Shape) == kernels.Elems(f.Shape) {
		if s, ok := restride(k.Shape, f.Shape, f.Inputs[0].Strides); ok {
			return k.Shape, s, true
		}
		return f.Shape, f.Inputs[0].Strides, true // the caller iterates anew
	}
	// k repeats f's output: f's shape is k's, with extents of 1 where k has stride 0
	if len(k.Shape) != len(f.Shape) {
		return nil, nil, false
	}
	dense := kernels.DenseStrides(f.Shape)
	through = make([]int, len(strides))
	for d, s := range strides {
		switch {
		case s == 0 && f.Shape[d] == 1:
		case s == dense[d] && f.Shape[d] == k.Shape[d]:
			through[d] = f.Inputs[0].Strides[d]
		default:
			return nil, nil, false
		}
	}
	return k.Shape, through, true
}

// restride expresses a view over shape from, with the given strides, over shape to of as many elements.
func restride(to, from, strides []int) ([]int, bool) {
	out := make([]int, len(to))
	i, j := len(to)-1, len(from)-1
	for i >= 0 {
		if to[i] == 1 {
			i--
			continue
		}
		for j >= 0 && from[j] == 1 {
			j--
		}
		if j < 0 {
			return nil, false
		}
		if to[i] == from[j] {
			out[i] = strides[j]
			i--
			j--
			continue
		}
		// one axis of to spans several of from, or the reverse: possible where the strides run on
		n, s := from[j], strides[j]
		if to[i] < n {
			return splitAxis(to, from, strides, i, j, out)
		}
		for n < to[i] {
			j--
			for j >= 0 && from[j] == 1 {
				j--
			}
			if j < 0 || strides[j] != s*n {
				return nil, false
			}
			n *= from[j]
		}
		if n != to[i] {
			return nil, false
		}
		out[i] = s
		i--
		j--
	}
	for j >= 0 {
		if from[j] != 1 {
			return nil, false
		}
		j--
	}
	return out, true
}

// splitAxis continues restride where axis j of from spans several axes of to.
func splitAxis(to, from, strides []int, i, j int, out []int) ([]int, bool) {
	n, s := 1, strides[j]
	for i >= 0 && n < from[j] {
		if to[i] != 1 {
			out[i] = s * n
		}
		n *= to[i]
		i--
	}
	if n != from[j] {
		return nil, false
	}
	rest, ok := restride(to[:i+1], from[:j], strides[:j])
	if !ok {
		return nil, false
	}
	copy(out, rest)
	return out, true
}

// isFlat says whether each input of k is dense or one number, so that any shape of as many elements will do.
func isFlat(k *kernels.Elementwise) bool {
	dense := kernels.DenseStrides(k.Shape)
	for _, in := range k.Inputs {
		if !slices.Equal(in.Strides, dense) && !allZero(in.Strides) {
			return false
		}
	}
	return true
}

func allZero(s []int) bool {
	for _, x := range s {
		if x != 0 {
			return false
		}
	}
	return true
}

// reiterated is a flat program over another shape.
func reiterated(k kernels.Elementwise, shape []int) kernels.Elementwise {
	inputs := make([]kernels.EltInput, len(k.Inputs))
	for i, in := range k.Inputs {
		inputs[i] = kernels.EltInput{Type: in.Type, Strides: kernels.DenseStrides(shape)}
		if allZero(in.Strides) && kernels.Elems(k.Shape) != 1 {
			inputs[i].Strides = make([]int, len(shape))
		}
	}
	k.Shape, k.Inputs = shape, inputs
	return k
}

// transposeInProducts lets matrix products transpose an operand themselves.
func (p *program) transposeInProducts() {
	def := p.producers()
	updates := p.updates()
	for i := range p.calls {
		c := &p.calls[i]
		g, ok := c.kernel.(kernels.GEMM)
		if !ok || c.role != runKernel || g.Batch != 1 {
			continue
		}
		for j := range 2 {
			at := def[c.args[j]]
			if at < 0 || changedBetween(updates, &p.calls[at], at, int32(i)) {
				continue
			}
			m, ok := p.calls[at].kernel.(kernels.Move)
			if !ok || !isTranspose(&m) {
				continue
			}
			dense := kernels.NewGEMM(g.Type, 1, g.M, g.N, g.K, g.TransA, g.TransB)
			switch {
			case j == 0 && g.LDA == dense.LDA && m.Shape[1] == g.LDA:
				g.TransA = !g.TransA
				g.LDA = max(m.Shape[0], 1)
			case j == 1 && g.LDB == dense.LDB && m.Shape[1] == g.LDB:
				g.TransB = !g.TransB
				g.LDB = max(m.Shape[0], 1)
			default:
				continue
			}
			c.args[j] = p.calls[at].args[0]
			c.kernel, c.key = g, ""
		}
	}
}

// isTranspose says whether a move transposes a matrix.
func isTranspose(m *kernels.Move) bool {
	return len(m.Shape) == 2 && m.Src.Offset == 0 && m.Dst.Offset == 0 && !m.Keep && m.Covers() &&
		slices.Equal(m.Src.Strides, []int{1, m.Shape[0]}) && slices.Equal(m.Dst.Strides, []int{m.Shape[1], 1}) && kernels.Elems(m.Src.Shape) == kernels.Elems(m.Shape)
}
