package engine

import (
	"fmt"
	"slices"
	"strconv"

	"gorgonia.org/gorgonia"

	"palladio/engine/op"
	"palladio/kernels"
)

// builder lowers a graph into a program.
type builder struct {
	*program
	cfg     *config
	tensors map[*gorgonia.Node]op.Tensor
	groups  map[string]*group
}

// group is a set of nodes that are the outputs of one operator.
type group struct {
	parts map[int]*gorgonia.Node
}

// lower turns a graph into a program of unoptimised calls.
func (c *config) lower(g *gorgonia.ExprGraph) (*program, error) {
	if g == nil {
		return nil, fmt.Errorf("no graph")
	}
	w := c.want(g)
	list := c.order(g, w)
	b := &builder{program: newProgram(), cfg: c, tensors: make(map[*gorgonia.Node]op.Tensor, len(list)), groups: map[string]*group{}}
	b.values = make([]value, 0, 2*len(list))
	b.calls = make([]call, 0, len(list))
	b.findGroups(list)
	for _, n := range list {
		if isStatement(n) {
			continue
		}
		if err := b.node(n); err != nil {
			return nil, fmt.Errorf("compile %s: %w", n.Name(), err)
		}
	}
	if c.training {
		for _, u := range c.updates {
			if err := b.update(u); err != nil {
				return nil, err
			}
		}
	}
	b.bindOutputs(w)
	b.mark(list)
	return b.program, nil
}

// bindOutputs records which values the user may look at.
func (b *builder) bindOutputs(w wanted) {
	for _, n := range w.nodes {
		if t, ok := b.tensors[n]; ok {
			b.outputs = append(b.outputs, output{node: n, value: int32(t.ID), shape: t.Shape})
		}
	}
	for _, n := range w.duals {
		if t, ok := b.tensors[n.Deriv()]; ok {
			b.outputs = append(b.outputs, output{node: n, value: int32(t.ID), shape: t.Shape, accumulate: true})
		}
	}
	for _, r := range w.reads {
		n := children(r)[0]
		if t, ok := b.tensors[n]; ok {
			b.outputs = append(b.outputs, output{node: n, value: int32(t.ID), shape: t.Shape, into: readTarget(r)})
		}
	}
	for _, o := range b.outputs {
		b.values[o.value].keep = true
	}
}

// mark records the values that recomputation must know.
func (b *builder) mark(list gorgonia.Nodes) {
	if !b.cfg.remat {
		return
	}
	for _, n := range list {
		if isCost(n) {
			b.costs = append(b.costs, int32(b.tensors[n].ID))
		}
	}
	for _, n := range b.cfg.saved {
		if t, ok := b.tensors[n]; ok {
			b.saved = append(b.saved, int32(t.ID))
		}
	}
}

// findGroups collects the nodes that are parts of one operator.
func (b *builder) findGroups(list gorgonia.Nodes) {
	for _, n := range list {
		if p, ok := n.Op().(op.Part); ok {
			_, index, _ := p.Part()
			key := groupKey(n, p)
			g := b.groups[key]
			if g == nil {
				g = &group{parts: map[int]*gorgonia.Node{}}
				b.groups[key] = g
			}
			g.parts[index] = n
		}
	}
}

func groupKey(n *gorgonia.Node, p op.Part) string {
	name, _, _ := p.Part()
	key := []byte(name)
	for _, ch := range children(n) {
		key = strconv.AppendInt(append(key, ','), ch.ID(), 10)
	}
	return string(key)
}

// node lowers one node.
func (b *builder) node(n *gorgonia.Node) error {
	if _, done := b.tensors[n]; done {
		return nil
	}
	switch {
	case isVariable(n):
		return b.variable(n)
	case isConstant(n):
		return b.constant(n)
	}
	l := &lowering{b: b, node: n}
	for _, ch := range children(n) {
		t, ok := b.tensors[ch]
		if !ok {
			return fmt.Errorf("operand %s has no value", ch.Name())
		}
		l.in = append(l.in, t)
	}
	if p, ok := n.Op().(op.Part); ok {
		return b.parts(l, p)
	}
	t, err := nodeDType(n)
	if err != nil {
		return err
	}
	shape := []int(n.Shape())
	if err := kernels.CheckShape("result", shape, 0); err != nil {
		return err
	}
	l.out = []op.Tensor{b.temp(t, shape)}
	if o, ok := n.Op().(op.Branching); ok {
		l.branching(o)
	} else if o, ok := n.Op().(op.Operator); ok {
		err = o.Lower(l)
	} else {
		err = l.builtin()
	}
	if err == nil {
		err = l.err
	}
	if err != nil {
		return err
	}
	b.tensors[n] = l.out[0]
	return nil
}

// parts lowers all nodes of a group when the first of them is reached.
func (b *builder) parts(l *lowering, p op.Part) error {
	g := b.groups[groupKey(l.node, p)]
	_, _, outputs := p.Part()
	l.group = g
	for i := range outputs {
		t, shape, err := p.PartShape(i, l.in)
		if err != nil {
			return err
		}
		l.out = append(l.out, b.temp(t, shape))
	}
	err := p.Lower(l)
	if err == nil {
		err = l.err
	}
	if err != nil {
		return err
	}
	for i, n := range g.parts {
		b.tensors[n] = l.out[i]
	}
	return nil
}

// update lowers an optimiser's step.
func (b *builder) update(u op.Updater) error {
	l := &lowering{b: b}
	for i, n := range u.Nodes() {
		t, ok := b.tensors[n]
		if !ok {
			return fmt.Errorf("update: node %d (%s) is not in the graph", i, n.Name())
		}
		l.in = append(l.in, t)
	}
	first := len(b.calls)
	err := u.Update(l)
	if err == nil {
		err = l.err
	}
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	for i := range b.calls[first:] { // sums over gradients leave the absent ones out
		c := &b.calls[first+i]
		c.accumulates = c.accumulates || isSum(c.kernel)
	}
	return nil
}

// isSum says whether a kernel adds two tensors of one shape.
func isSum(k kernels.Kernel) bool {
	e, ok := k.(kernels.Elementwise)
	return ok && len(e.Inputs) == 2 && len(e.Code) == 1 && e.Code[0] == kernels.Instr{Op: kernels.Add, A: 0, B: 1} &&
		slices.Equal(e.Inputs[0].Strides, kernels.DenseStrides(e.Shape)) && slices.Equal(e.Inputs[1].Strides, kernels.DenseStrides(e.Shape))
}

func (b *builder) temp(t kernels.DType, shape []int) op.Tensor {
	id := b.add(value{typ: t, elems: kernels.Elems(shape)})
	return op.Tensor{ID: int(id), Type: t, Shape: shape}
}

// variable makes the value of a node that the user binds.
func (b *builder) variable(n *gorgonia.Node) error {
	t, err := nodeDType(n)
	if err != nil {
		return err
	}
	shape := []int(n.Shape())
	if len(shape) == 0 && !n.IsScalar() {
		v := n.Value()
		if v == nil {
			return fmt.Errorf("variable %s has neither a shape nor a value: give it one (WithShape, WithValue)", n.Name())
		}
		shape = []int(v.Shape().Clone())
	}
	if err := kernels.CheckShape("variable "+n.Name(), shape, 0); err != nil {
		return err
	}
	id := b.add(value{typ: t, elems: kernels.Elems(shape), storage: inVariable, node: n})
	b.tensors[n] = op.Tensor{ID: int(id), Type: t, Shape: shape}
	return nil
}

// constant copies one of gorgonia's constants.
func (b *builder) constant(n *gorgonia.Node) error {
	v := n.Value()
	t := dtypeOf(v.Dtype())
	shape := []int(v.Shape().Clone())
	data, err := hostBytes(v, t, kernels.Elems(shape))
	if err != nil {
		return err
	}
	id := b.add(value{typ: t, elems: kernels.Elems(shape), storage: inConstant, data: slices.Clone(data)})
	b.tensors[n] = op.Tensor{ID: int(id), Type: t, Shape: shape}
	return nil
}

// lowering is op.Lowering for one operator.
type lowering struct {
	b     *builder
	node  *gorgonia.Node // nil for an update
	group *group         // of a Part
	in    []op.Tensor
	out   []op.Tensor
	err   error
}

var _ op.Lowering = (*lowering)(nil)

func (l *lowering) Training() bool     { return l.b.cfg.training }
func (l *lowering) In(i int) op.Tensor { return l.in[i] }
func (l *lowering) Inputs() int        { return len(l.in) }

func (l *lowering) Out(i int) op.Tensor {
	if i >= len(l.out) {
		l.fail(fmt.Errorf("asked for output %d of %d", i, len(l.out)))
		return op.Tensor{}
	}
	return l.out[i]
}

func (l *lowering) Used(i int) bool {
	if l.group == nil {
		return true
	}
	return l.group.parts[i] != nil
}

func (l *lowering) Temp(t kernels.DType, shape ...int) op.Tensor {
	return l.b.temp(t, slices.Clone(shape))
}

func (l *lowering) Const(t kernels.DType, shape []int, values []float64) op.Tensor {
	n := kernels.Elems(shape)
	if len(values) != n {
		l.fail(fmt.Errorf("constant of shape %v is given %d values", shape, len(values)))
		return op.Tensor{}
	}
	data := make([]byte, n*t.Size())
	for i, v := range values {
		t.SetValue(data, i, v)
	}
	id := l.b.add(value{typ: t, elems: n, storage: inConstant, data: data})
	return op.Tensor{ID: int(id), Type: t, Shape: slices.Clone(shape)}
}

func (l *lowering) Counter() op.Tensor {
	b := l.b
	if b.counter < 0 {
		b.counter = b.add(value{typ: kernels.U64, elems: 2, storage: inCounter})
	}
	return op.Tensor{ID: int(b.counter), Type: kernels.U64, Shape: []int{2}}
}

func (l *lowering) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Emit checks a call and appends it.
func (l *lowering) Emit(k kernels.Kernel, args ...op.Tensor) {
	if err := k.Validate(); err != nil {
		l.fail(err)
		return
	}
	ops := k.Operands()
	if len(ops) != len(args) {
		l.fail(fmt.Errorf("%s: given %d operands, want %d", k, len(args), len(ops)))
		return
	}
	c := call{kernel: k, node: l.node, args: make([]int32, len(args)), dirs: make([]kernels.Dir, len(args))}
	for i, o := range ops {
		a := args[i]
		if a.Type != o.Type || a.Elems() != o.Elems() {
			l.fail(fmt.Errorf("%s: operand %s is given %s%v", k, o, a.Type, a.Shape))
			return
		}
		c.args[i], c.dirs[i] = int32(a.ID), o.Dir
		v := &l.b.values[a.ID]
		switch {
		case o.Dir == kernels.Out && v.storage != inArena:
			l.fail(fmt.Errorf("%s: operand %s would overwrite an input", k, o))
		case o.Dir == kernels.InOut && v.storage != inVariable:
			l.fail(fmt.Errorf("%s: operand %s is updated in place, so it must be a variable of the graph", k, o))
		case o.Dir == kernels.InOut:
			v.updated = true
		}
	}
	if _, ok := k.(kernels.ClipScale); ok { // the global norm of the gradients that there are
		c.addsUp, c.zero = true, int32(l.Const(ops[0].Type, ops[0].Shape, make([]float64, ops[0].Elems())).ID)
	}
	l.b.calls = append(l.b.calls, c)
}

// Alias makes output i a view of t.
func (l *lowering) Alias(i int, t op.Tensor) {
	if i >= len(l.out) || l.out[i].Type != t.Type || l.out[i].Elems() != t.Elems() {
		l.fail(fmt.Errorf("output %d cannot be a view of %s%v", i, t.Type, t.Shape))
		return
	}
	l.out[i].ID = t.ID
}
