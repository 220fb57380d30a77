package op

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// ErrNoMachine is what an operator of this package answers when gorgonia's own machines ask it to compute.
var ErrNoMachine = errors.New("this operator runs on the machine of package engine only: use engine.New instead of gorgonia's machines")

// kind is the type and shape of a value; both are known when the graph is built.
type kind struct {
	typ   kernels.DType
	shape []int
}

func (k kind) String() string { return fmt.Sprintf("%s%v", k.typ, k.shape) }

// gradient builds the gradients towards the inputs that need asks for, from the inputs x, the output y and its gradient dy. Entries that
// need does not ask for stay nil.
type gradient func(x gorgonia.Nodes, y, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error)

// operator is every operator of this package: what differs between them is data and two functions.
type operator struct {
	text  string // name and attributes, spelled canonically: equal texts on equal inputs mean equal results
	in    []kind
	x     gorgonia.Nodes // the inputs' nodes
	out   kind
	wrt   []bool // which inputs the operator can be differentiated by; nil for none
	lower func(l Lowering) error
	diff  gradient
}

var (
	_ Operator      = (*operator)(nil)
	_ gorgonia.SDOp = (*operator)(nil)
	_ Part          = (*part)(nil)
)

func (o *operator) Arity() int { return len(o.in) }

func (o *operator) Type() hm.Type {
	ts := make([]hm.Type, 0, len(o.in)+1)
	for _, k := range o.in {
		ts = append(ts, typeOf(k))
	}
	ts = append(ts, typeOf(o.out))
	if len(ts) == 1 {
		return ts[0]
	}
	return hm.NewFnType(ts...)
}

func (o *operator) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape(slices.Clone(o.out.shape)), nil
}

func (o *operator) Do(...gorgonia.Value) (gorgonia.Value, error) {
	return nil, fmt.Errorf("%s: %w", o.text, ErrNoMachine)
}

func (o *operator) ReturnsPtr() bool     { return false }
func (o *operator) CallsExtern() bool    { return false }
func (o *operator) OverwritesInput() int { return -1 }
func (o *operator) String() string       { return o.text }

// WriteHash writes the inputs' identities too: gorgonia takes nodes of equal 32-bit hash, operator and shape for the same node
// without looking at their inputs, so the operator's own hash must tell them apart.
func (o *operator) WriteHash(h hash.Hash) {
	_, _ = io.WriteString(h, o.text)
	for i, n := range o.x {
		fmt.Fprint(h, o.in[i], n.ID())
	}
}

func (o *operator) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// inputs lists the operator's inputs without asking the graph.
func (o *operator) inputs() gorgonia.Nodes { return o.x }

func (o *operator) Lower(l Lowering) error { return o.lower(l) }

func (o *operator) DiffWRT(inputs int) []bool {
	if o.wrt == nil {
		return make([]bool, inputs)
	}
	return o.wrt
}

func (o *operator) SymDiff(x gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return o.gradients(x, y, dy, o.DiffWRT(len(x)))
}

// gradients is SymDiff for some of the inputs only.
func (o *operator) gradients(x gorgonia.Nodes, y, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
	if o.diff == nil {
		return nil, fmt.Errorf("%s has no gradient of its own: gradients of gradients stop here", o.text)
	}
	if !slices.Contains(need, true) {
		return make(gorgonia.Nodes, len(x)), nil
	}
	ds, err := o.diff(x, y, dy, need)
	if err != nil {
		return nil, fmt.Errorf("gradient of %s: %w", o.text, err)
	}
	return ds, nil
}

// part is an operator that is one output of several.
type part struct {
	operator
	index int
	parts []kind
}

func (p *part) Part() (string, int, int) { return p.text, p.index, len(p.parts) }

func (p *part) PartShape(i int, _ []Tensor) (kernels.DType, []int, error) {
	if i < 0 || i >= len(p.parts) {
		return kernels.Invalid, nil, fmt.Errorf("%s: output %d of %d", p.text, i, len(p.parts))
	}
	return p.parts[i].typ, p.parts[i].shape, nil
}

func (p *part) String() string { return fmt.Sprintf("%s#%d", p.text, p.index) }

func (p *part) WriteHash(h hash.Hash) {
	p.operator.WriteHash(h)
	fmt.Fprint(h, "#", p.index)
}

func (p *part) Hashcode() uint32 {
	h := fnv.New32a()
	p.WriteHash(h)
	return h.Sum32()
}

// apply adds a node with operator o on the inputs x to their graph. It fills in o.in and o.x.
func apply(o operator, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	g, err := o.adopt(x)
	if err != nil {
		return nil, err
	}
	return add(g, &o, o.x), nil
}

// output is one output of an operator that has several.
type output struct {
	kind
	wrt  []bool // which inputs it can be differentiated by; nil for none
	diff gradient
}

// family is an operator with several outputs. Only the outputs that are asked for become nodes.
type family struct {
	o     operator
	g     *gorgonia.ExprGraph
	outs  []output
	kinds []kind
	nodes gorgonia.Nodes
}

// applyFamily prepares an operator with several outputs.
func applyFamily(o operator, outs []output, x ...*gorgonia.Node) (*family, error) {
	f := &family{o: o, outs: outs, kinds: make([]kind, len(outs)), nodes: make(gorgonia.Nodes, len(outs))}
	for i, out := range outs {
		f.kinds[i] = out.kind
	}
	var err error
	f.g, err = f.o.adopt(x)
	return f, err
}

// node is output i.
func (f *family) node(i int) *gorgonia.Node {
	if f.nodes[i] == nil {
		p := &part{operator: f.o, index: i, parts: f.kinds}
		p.out, p.wrt, p.diff = f.outs[i].kind, f.outs[i].wrt, f.outs[i].diff
		f.nodes[i] = add(f.g, p, f.o.x)
	}
	return f.nodes[i]
}

// call makes the node of an operator that is one kernel call, on the inputs in order and one output, of the given shape: the kernel may
// see the same elements in another shape.
func call(k kernels.Kernel, shape []int, wrt []bool, diff gradient, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	o := operator{text: k.String(), out: kind{k.Operands()[len(x)].Type, shape}, wrt: wrt, diff: diff}
	o.lower = func(l Lowering) error {
		args := make([]Tensor, 0, l.Inputs()+1)
		for i := range l.Inputs() {
			args = append(args, l.In(i))
		}
		emit(l, k, append(args, l.Out(0))...)
		return nil
	}
	return apply(o, x...)
}

// emit emits a call, with each tensor seen in the shape that the kernel asks for.
func emit(l Lowering, k kernels.Kernel, args ...Tensor) {
	for i, o := range k.Operands() {
		args[i] = args[i].Reshape(o.Shape...)
	}
	l.Emit(k, args...)
}

// adopt records the inputs in the operator and returns their graph. Constants that are in no graph yet join it.
func (o *operator) adopt(x gorgonia.Nodes) (*gorgonia.ExprGraph, error) {
	var g *gorgonia.ExprGraph
	o.in, o.x = make([]kind, len(x)), slices.Clone(x)
	for i, n := range x {
		k, err := kindOf(n)
		if err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", o.text, i, err)
		}
		o.in[i] = k
		switch h := n.Graph(); {
		case h == nil:
		case g == nil:
			g = h
		case g != h:
			return nil, fmt.Errorf("%s: input %d (%s) belongs to another graph than the inputs before it", o.text, i, n.Name())
		}
	}
	if g == nil {
		return nil, fmt.Errorf("%s: no input belongs to a graph", o.text)
	}
	for i, n := range o.x {
		if n.Graph() == nil {
			o.x[i] = g.AddNode(n)
		}
	}
	return g, nil
}

// add makes the node of an operator, or finds the equal node that the graph has already.
func add(g *gorgonia.ExprGraph, o Operator, x gorgonia.Nodes) *gorgonia.Node {
	shape, _ := o.InferShape()
	var out kind
	switch o := o.(type) {
	case *operator:
		out = o.out
	case *part:
		out = o.out
	}
	return gorgonia.NewUniqueNode(gorgonia.WithType(typeOf(out)), gorgonia.WithOp(o),
		gorgonia.WithChildren(slices.Clone(x)), gorgonia.In(g), gorgonia.WithShape(shape...))
}

// dtypes pairs gorgonia's element types with ours.
var dtypes = map[tensor.Dtype]kernels.DType{
	tensor.Float32: kernels.F32, tensor.Float64: kernels.F64, tensor.Int: kernels.I64, tensor.Int64: kernels.I64,
	tensor.Int32: kernels.I32, tensor.Uint8: kernels.U8, tensor.Bool: kernels.Bool,
}

// DType is the element type of a node, and an error where the vocabulary has no such type.
func DType(n *gorgonia.Node) (kernels.DType, error) {
	if n == nil {
		return kernels.Invalid, errors.New("node is nil")
	}
	t, ok := dtypes[n.Dtype()]
	if !ok {
		return kernels.Invalid, fmt.Errorf("node %s has elements of type %v; want float32, float64, int, int32, int64, byte or bool", n.Name(), n.Dtype())
	}
	return t, nil
}

func kindOf(n *gorgonia.Node) (kind, error) {
	t, err := DType(n)
	if err != nil {
		return kind{}, err
	}
	return kind{t, []int(n.Shape())}, nil
}

// gorgoniaType is gorgonia's element type for one of ours.
func gorgoniaType(t kernels.DType) tensor.Dtype {
	switch t {
	case kernels.F32:
		return tensor.Float32
	case kernels.F64:
		return tensor.Float64
	case kernels.I32:
		return tensor.Int32
	case kernels.I64:
		return tensor.Int64
	case kernels.Bool:
		return tensor.Bool
	}
	return tensor.Uint8
}

// typeOf is gorgonia's type of a value.
func typeOf(k kind) hm.Type {
	of := gorgoniaType(k.typ)
	if len(k.shape) == 0 {
		return of
	}
	return gorgonia.TensorType{Dims: len(k.shape), Of: of}
}

// floats returns the inputs' kinds and checks that all are of one floating-point type.
func floats(what string, x ...*gorgonia.Node) ([]kind, error) {
	ks := make([]kind, len(x))
	for i, n := range x {
		k, err := kindOf(n)
		if err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", what, i, err)
		}
		if k.typ != kernels.F32 && k.typ != kernels.F64 {
			return nil, fmt.Errorf("%s: input %d (%s) is %s; want f32 or f64", what, i, n.Name(), k.typ)
		}
		if k.typ != ks[0].typ && i > 0 {
			return nil, fmt.Errorf("%s: input %d (%s) is %s, but input 0 is %s: cast one of them", what, i, n.Name(), k.typ, ks[0].typ)
		}
		ks[i] = k
	}
	return ks, nil
}

// all is n times true: an operator that can be differentiated by each input.
func all(n int) []bool { return slices.Repeat([]bool{true}, n) }
