package nn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/engine/op"
)

// Node is a node of a graph.
type Node = *gorgonia.Node

// Module is a part of a network. Forward adds its nodes to the builder's graph and returns its output.
type Module interface {
	Forward(b *Builder, x Node) Node
}

// Func makes a Module of a function.
type Func func(b *Builder, x Node) Node

// Forward calls f.
func (f Func) Forward(b *Builder, x Node) Node { return f(b, x) }

// Builder adds a network to one graph. After the first error it does nothing and returns nil nodes; Err tells.
type Builder struct {
	graph  *gorgonia.ExprGraph
	params *Params
	scope  []string
	nodes  map[string]Node // parameters in this graph
	layers []Layer
	stream uint32
	err    error
}

// Build starts a graph of a network with these parameters.
func (p *Params) Build(g *gorgonia.ExprGraph) *Builder {
	return &Builder{graph: g, params: p, nodes: map[string]Node{}}
}

// Graph is the graph that is built.
func (b *Builder) Graph() *gorgonia.ExprGraph { return b.graph }

// Params are the network's parameters.
func (b *Builder) Params() *Params { return b.params }

// Err is the first error, with the layer where it happened.
func (b *Builder) Err() error { return b.err }

// Failed records an error, unless there is one already.
func (b *Builder) Failed(err error) {
	if b.err == nil && err != nil {
		if len(b.scope) > 0 {
			err = fmt.Errorf("%s: %w", b.path(), err)
		}
		b.err = err
	}
}

// Check takes the result of an operator: it records the error and returns the node.
func (b *Builder) Check(n Node, err error) Node {
	if err != nil {
		b.Failed(err)
		return nil
	}
	return n
}

// Do calls f unless building has failed or an input is missing, and records its error.
func (b *Builder) Do(f func() (Node, error), x ...Node) Node {
	if b.err != nil {
		return nil
	}
	if slices.Contains(x, nil) {
		b.Failed(errors.New("an input is nil"))
		return nil
	}
	return b.Check(f())
}

func (b *Builder) path() string { return strings.Join(b.scope, ".") }

// In runs f within a named scope: the names of parameters made there start with it.
func (b *Builder) In(name string, f func() Node) Node {
	b.scope = append(b.scope, name)
	defer func() { b.scope = b.scope[:len(b.scope)-1] }()
	return f()
}

// Apply runs a module within a named scope.
func (b *Builder) Apply(name string, m Module, x Node) Node {
	return b.In(name, func() Node { return m.Forward(b, x) })
}

// Stream gives a number that no other random operator of this graph has.
func (b *Builder) Stream() uint32 {
	b.stream++
	return b.stream
}

// Input makes a variable of the parameters' type, with a value of zeros to be filled in place (of a scalar: to be replaced by gorgonia.Let).
func (b *Builder) Input(name string, shape ...int) Node {
	return b.variable(name, newDense(b.params.dtype, shape))
}

// Labels makes an int32 variable of the given shape, with a value of zeros to be filled in place.
func (b *Builder) Labels(name string, shape ...int) Node {
	return b.variable(name, tensor.New(tensor.Of(tensor.Int32), tensor.WithShape(shape...)))
}

func (b *Builder) variable(name string, value *tensor.Dense) Node {
	s := value.Shape()
	if s.Dims() == 0 {
		return gorgonia.NewScalar(b.graph, value.Dtype(), gorgonia.WithName(name), gorgonia.WithValue(value.ScalarValue()))
	}
	return gorgonia.NewTensor(b.graph, value.Dtype(), s.Dims(), gorgonia.WithShape(s...), gorgonia.WithName(name), gorgonia.WithValue(value))
}

// Weight is a trained parameter of the current scope that decays.
func (b *Builder) Weight(name string, init Init, shape ...int) Node {
	return b.parameter(name, shape, init, true, true)
}

// Offset is a trained parameter of the current scope that does not decay: a bias, or a parameter of a normalisation.
func (b *Builder) Offset(name string, init Init, shape ...int) Node {
	return b.parameter(name, shape, init, true, false)
}

// State is a parameter of the current scope that no optimiser changes.
func (b *Builder) State(name string, init Init, shape ...int) Node {
	return b.parameter(name, shape, init, false, false)
}

func (b *Builder) parameter(name string, shape []int, init Init, trained, decays bool) Node {
	if b.err != nil {
		return nil
	}
	if len(b.scope) > 0 {
		name = b.path() + "." + name
	}
	p, err := b.params.ensure(name, shape, init, trained, decays)
	if err != nil {
		b.Failed(err)
		return nil
	}
	n := b.nodes[name]
	if n == nil {
		n = b.variable(name, p.Value)
		b.nodes[name] = n
	}
	return n
}

// ParamNode is the node of a parameter in this graph; nil if the graph has none.
func (b *Builder) ParamNode(name string) Node { return b.nodes[name] }

// CrossEntropy is op.SoftmaxCrossEntropy.
func (b *Builder) CrossEntropy(logits, targets Node, o op.CrossEntropyOptions) Node {
	return b.Do(func() (Node, error) { return op.SoftmaxCrossEntropy(logits, targets, o) }, logits, targets)
}

// MixupCrossEntropy is lambda·CE(logits, first) + (1-lambda)·CE(logits, second), the loss of inputs that were mixed in the shares lambda and 1-lambda
// (Zhang et al., mixup, 2018); lambda is a scalar, or has one share a sample.
func (b *Builder) MixupCrossEntropy(logits, first, second, lambda Node, o op.CrossEntropyOptions) Node {
	return b.Do(func() (Node, error) {
		o.PerSample = true
		l1, err := op.SoftmaxCrossEntropy(logits, first, o)
		if err != nil {
			return nil, err
		}
		l2, err := op.SoftmaxCrossEntropy(logits, second, o)
		if err != nil {
			return nil, err
		}
		d, err := op.Sub(l1, l2)
		if err != nil {
			return nil, err
		}
		l, err := op.FMA(lambda, d, l2)
		if err != nil {
			return nil, err
		}
		return op.Mean(l, false)
	}, logits, first, second, lambda)
}
