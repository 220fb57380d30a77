package engine

import (
	"slices"

	"palladio/kernels"
)

// The limits of a fused element-wise call.
const (
	maxFusedSteps   = 32
	maxFusedInputs  = 10
	maxFusedOutputs = 4
	maxFusedReaders = 16 // how many readers of a value are looked at
)

// fusion joins element-wise calls into one that makes a single pass over memory. A call sinks to the place of a reader of its result:
// that is right as long as nobody between the two reads it.
type fusion struct {
	*program
	def     []int32   // of each value: the call that makes it
	readers [][]int32 // of each value: the calls that read it, by their first place
	into    []int32   // where each call went; itself if it stayed
	updates map[int32][]int32
	maybe   []bool
	paths   bool // there is a Switch
}

func (p *program) fuseElementwise() {
	f := &fusion{program: p, def: p.producers(), readers: make([][]int32, len(p.values)), into: make([]int32, len(p.calls)), updates: p.updates()}
	f.maybe, f.paths = p.maybeAbsent()
	for i := range p.calls {
		f.into[i] = int32(i)
		c := &p.calls[i]
		for j, d := range c.dirs {
			if d != kernels.Out {
				f.readers[c.args[j]] = append(f.readers[c.args[j]], int32(i))
			}
		}
	}
	for i := range p.calls {
		if f.fusable(int32(i)) {
			f.absorbInputs(int32(i))
		}
	}
	p.sweep()
}

// fusable says whether call i is element-wise and its results are there on every path where its operands are.
func (f *fusion) fusable(i int32) bool {
	c := &f.calls[i]
	if _, ok := c.kernel.(kernels.Elementwise); !ok || c.role != runKernel || c.dead {
		return false
	}
	if c.accumulates {
		for j, d := range c.dirs {
			if d == kernels.In && f.maybe[c.args[j]] {
				return false
			}
		}
	}
	return true
}

// place is where a call is now.
func (f *fusion) place(i int32) int32 {
	for f.into[i] != i {
		f.into[i] = f.into[f.into[i]]
		i = f.into[i]
	}
	return i
}

// absorbInputs fuses the makers of call q's operands into it, as long as there is one to fuse.
func (f *fusion) absorbInputs(q int32) {
	for again := true; again; {
		again = false
		c := &f.calls[q]
		for j := 0; j < len(c.args) && c.dirs[j] == kernels.In; j++ {
			from := f.def[c.args[j]]
			if from < 0 || from == q || !f.fusable(from) || !f.movable(from, q) {
				continue
			}
			if f.merge(from, q) {
				again = true
				break
			}
		}
	}
}

// movable says whether call from can sink to the place of q.
func (f *fusion) movable(from, q int32) bool {
	c := &f.calls[from]
	if changedBetween(f.updates, c, from, q) {
		return false
	}
	conditional := f.paths
	for j, d := range c.dirs {
		if d == kernels.In {
			conditional = conditional || f.maybe[c.args[j]]
			continue
		}
		v := c.args[j]
		if len(f.readers[v]) > maxFusedReaders {
			return false
		}
		for _, r := range f.readers[v] {
			switch at := f.place(r); {
			case at == q || at == from:
			case at < q:
				return false
			case conditional: // a reader elsewhere may run where q does not
				return false
			}
		}
		if f.values[v].keep && conditional {
			return false
		}
	}
	return true
}

// needed says whether anybody but call q reads value v.
func (f *fusion) needed(v, q int32) bool {
	if f.values[v].keep {
		return true
	}
	for _, r := range f.readers[v] {
		if f.place(r) != q {
			return true
		}
	}
	return false
}

// merge makes one call of from and q, at the place of q.
func (f *fusion) merge(from, q int32) bool {
	a, b := &f.calls[from], &f.calls[q]
	ka, kb := a.kernel.(kernels.Elementwise), b.kernel.(kernels.Elementwise)
	if ka.Type != kb.Type || len(ka.Code)+len(kb.Code) > maxFusedSteps {
		return false
	}
	// q must read each result of from element by element
	for j := range kb.Inputs {
		o := slices.Index(a.args[len(ka.Inputs):], b.args[j])
		if o < 0 {
			continue
		}
		if !slices.Equal(kb.Inputs[j].Strides, kernels.DenseStrides(kb.Shape)) || !exact(&ka, o) {
			return false
		}
	}
	ka, kb, ok := oneShape(ka, kb)
	if !ok {
		return false
	}
	f.into[from] = q
	n, args, dirs, ok := f.joined(a, b, &ka, &kb, q)
	if !ok {
		f.into[from] = from
		return false
	}
	for _, v := range a.args[len(ka.Inputs):] {
		f.def[v] = q
	}
	a.dead = true
	b.kernel, b.key, b.args, b.dirs = n, "", args, dirs
	b.accumulates = false
	return true
}

// exact says whether reading output o of k back from memory gives the number that the program had. A number of half precision lost some
// of its digits on the way: those who read it do as well with the better number.
func exact(k *kernels.Elementwise, o int) bool {
	out := k.Outputs[o]
	if out.Type == k.Type || out.Type == kernels.F16 || out.Type == kernels.BF16 {
		return true
	}
	if out.Type != kernels.Bool || out.Value < len(k.Inputs) {
		return false
	}
	switch k.Code[out.Value-len(k.Inputs)].Op {
	case kernels.Not, kernels.Lt, kernels.Le, kernels.Gt, kernels.Ge, kernels.Eq, kernels.Ne, kernels.And, kernels.Or:
		return true
	}
	return false
}

// oneShape makes two programs over as many elements iterate over the same shape.
func oneShape(a, b kernels.Elementwise) (kernels.Elementwise, kernels.Elementwise, bool) {
	switch {
	case slices.Equal(a.Shape, b.Shape):
		return a, b, true
	case kernels.Elems(a.Shape) != kernels.Elems(b.Shape):
		return a, b, false
	case isFlat(&b):
		return a, reiterated(b, a.Shape), true
	case isFlat(&a):
		return reiterated(a, b.Shape), b, true
	}
	var ok bool
	a, ok = reshaped(a, b.Shape)
	return a, b, ok
}

// reshaped is a program over another shape, where its strides allow that.
func reshaped(k kernels.Elementwise, shape []int) (kernels.Elementwise, bool) {
	inputs := make([]kernels.EltInput, len(k.Inputs))
	for i, in := range k.Inputs {
		s, ok := restride(shape, k.Shape, in.Strides)
		if !ok {
			return k, false
		}
		inputs[i] = kernels.EltInput{Type: in.Type, Strides: s}
	}
	k.Shape, k.Inputs = shape, inputs
	return k, true
}

// joined is the program of a followed by that of b. Results of a that only b reads stay inside it.
func (f *fusion) joined(a, b *call, ka, kb *kernels.Elementwise, q int32) (n kernels.Elementwise, args []int32, dirs []kernels.Dir, ok bool) {
	n = kernels.Elementwise{Type: ka.Type, Shape: kb.Shape}
	input := func(v int32, in kernels.EltInput) int {
		for i, x := range args {
			if x == v && n.Inputs[i].Type == in.Type && slices.Equal(n.Inputs[i].Strides, in.Strides) {
				return i
			}
		}
		n.Inputs, args, dirs = append(n.Inputs, in), append(args, v), append(dirs, kernels.In)
		return len(args) - 1
	}
	made := a.args[len(ka.Inputs):]
	toA, toB := make([]int, len(ka.Inputs)+len(ka.Code)), make([]int, len(kb.Inputs)+len(kb.Code))
	for i, in := range ka.Inputs {
		toA[i] = input(a.args[i], in)
	}
	for i, in := range kb.Inputs {
		if slices.Index(made, b.args[i]) < 0 {
			toB[i] = input(b.args[i], in)
		}
	}
	appendCode(&n, ka, toA)
	outs := n.Outputs
	n.Outputs = nil
	for i := range kb.Inputs {
		if o := slices.Index(made, b.args[i]); o >= 0 {
			toB[i] = outs[o].Value
		}
	}
	for o, v := range made {
		if f.needed(v, q) {
			n.Outputs, args, dirs = append(n.Outputs, outs[o]), append(args, v), append(dirs, kernels.Out)
		}
	}
	appendCode(&n, kb, toB)
	args, dirs = append(args, b.args[len(kb.Inputs):]...), append(dirs, b.dirs[len(kb.Inputs):]...)
	return n, args, dirs, len(n.Inputs) <= maxFusedInputs && len(n.Outputs) <= maxFusedOutputs
}

// collapseAxes makes the programs of element-wise calls iterate over as few axes as their strides allow.
func (p *program) collapseAxes() {
	for i := range p.calls {
		c := &p.calls[i]
		if k, ok := c.kernel.(kernels.Elementwise); ok && c.role == runKernel {
			c.kernel, c.key = collapsed(k), ""
		}
	}
}

func collapsed(k kernels.Elementwise) kernels.Elementwise {
	shape := make([]int, 0, len(k.Shape))
	strides := make([][]int, len(k.Inputs))
	for d, n := range k.Shape {
		if n == 1 {
			continue
		}
		last := len(shape) - 1
		joins := last >= 0
		for i := range k.Inputs {
			joins = joins && strides[i][last] == k.Inputs[i].Strides[d]*n
		}
		if joins {
			shape[last] *= n
			for i := range k.Inputs {
				strides[i][last] = k.Inputs[i].Strides[d]
			}
			continue
		}
		shape = append(shape, n)
		for i := range k.Inputs {
			strides[i] = append(strides[i], k.Inputs[i].Strides[d])
		}
	}
	if len(shape) == len(k.Shape) {
		return k
	}
	inputs := make([]kernels.EltInput, len(k.Inputs))
	for i, in := range k.Inputs {
		inputs[i] = kernels.EltInput{Type: in.Type, Strides: strides[i]}
	}
	k.Shape, k.Inputs = shape, inputs
	return k
}
