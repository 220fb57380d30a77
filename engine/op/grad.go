package op

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/graph"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ErrIndependent is wrapped by Grad's error when the cost does not depend on a node, or not smoothly.
var ErrIndependent = errors.New("the cost does not depend on the node in a way that has a gradient")

// differ is an operator that builds only those of its gradients that are needed.
type differ interface {
	gradients(x gorgonia.Nodes, y, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error)
}

// Grad builds the gradients of a scalar cost by the given nodes, in their order, by reverse accumulation (Linnainmaa, 1970).
//
// It does what gorgonia.Grad does, and three things more: it builds nothing for inputs that nobody asks about (such as the images), it can be
// applied to its own results, and wrt may be any nodes. As there, Node.Grad of each wrt finds its gradient afterwards.
func Grad(cost *gorgonia.Node, wrt ...*gorgonia.Node) (gorgonia.Nodes, error) {
	if cost == nil || cost.Graph() == nil || !cost.IsScalar() {
		return nil, fmt.Errorf("gradient: the cost is %v; want a scalar node of a graph", cost)
	}
	b := &backward{depends: map[*gorgonia.Node]bool{}, grads: map[*gorgonia.Node]gorgonia.Nodes{}}
	for _, n := range wrt {
		if n == nil || n.Graph() != cost.Graph() {
			return nil, fmt.Errorf("gradient: %v is not in the graph of the cost", n)
		}
		b.depends[n] = true
	}
	b.visit(cost)
	one, err := constantOne(cost)
	if err != nil {
		return nil, err
	}
	b.grads[cost] = gorgonia.Nodes{one}
	if cost.Deriv() == nil {
		gorgonia.SetDerivOf(one, cost)
	}
	for i := len(b.order) - 1; i >= 0; i-- {
		if err := b.propagate(b.order[i]); err != nil {
			return nil, err
		}
	}
	ds := make(gorgonia.Nodes, len(wrt))
	for i, n := range wrt {
		if ds[i], err = b.sum(n); err != nil {
			return nil, err
		}
		if ds[i] == nil {
			return nil, fmt.Errorf("gradient: %s by %s: %w", cost.Name(), n.Name(), ErrIndependent)
		}
		gorgonia.SetDerivOf(ds[i], n)
	}
	return ds, nil
}

func constantOne(cost *gorgonia.Node) (*gorgonia.Node, error) {
	switch cost.Dtype() {
	case tensor.Float32:
		return cost.Graph().Constant(gorgonia.NewF32(1)), nil
	case tensor.Float64:
		return cost.Graph().Constant(gorgonia.NewF64(1)), nil
	}
	return nil, fmt.Errorf("gradient: the cost is of type %v; want float32 or float64", cost.Dtype())
}

// backward is one reverse pass.
type backward struct {
	order   gorgonia.Nodes          // inputs before their readers
	depends map[*gorgonia.Node]bool // the visited nodes: whether they depend on a wrt; the wrts from the start
	grads   map[*gorgonia.Node]gorgonia.Nodes
	leaves  map[*gorgonia.Node]bool // nodes beyond which the pass does not look
}

// visit orders the nodes that n is computed from, and says whether n depends on a wrt.
func (b *backward) visit(n *gorgonia.Node) bool {
	seen := make(map[*gorgonia.Node]bool)
	var walk func(n *gorgonia.Node) bool
	walk = func(n *gorgonia.Node) bool {
		if seen[n] {
			return b.depends[n]
		}
		seen[n] = true
		if b.leaves[n] {
			b.order = append(b.order, n)
			return b.depends[n]
		}
		diffs := diffWRT(n)
		for i, x := range children(n) {
			if walk(x) && i < len(diffs) && diffs[i] {
				b.depends[n] = true
			}
		}
		b.order = append(b.order, n)
		return b.depends[n]
	}
	return walk(n)
}

// diffWRT says by which of its inputs a node can be differentiated.
func diffWRT(n *gorgonia.Node) []bool {
	if o, ok := n.Op().(gorgonia.SDOp); ok {
		return o.DiffWRT(len(children(n)))
	}
	return nil
}

// children lists a node's inputs in order.
func children(n *gorgonia.Node) gorgonia.Nodes {
	if n.Op() == nil {
		return nil
	}
	if o, ok := n.Op().(interface{ inputs() gorgonia.Nodes }); ok {
		return o.inputs()
	}
	var xs gorgonia.Nodes
	for _, x := range graph.NodesOf(n.Graph().From(n.ID())) {
		xs = append(xs, x.(*gorgonia.Node))
	}
	return xs
}

// sum adds up the gradients that reached a node; nil if none did.
func (b *backward) sum(n *gorgonia.Node) (*gorgonia.Node, error) {
	ds := b.grads[n]
	if len(ds) == 0 {
		return nil, nil
	}
	total := ds[0]
	if len(ds) > 1 { // gorgonia's own sum: the machine knows that an absent term of it counts as nothing
		var err error
		if total, err = gorgonia.ReduceAdd(ds, gorgonia.WithGroupName("gradients")); err != nil {
			return nil, err
		}
	}
	b.grads[n] = gorgonia.Nodes{total}
	return total, nil
}

// propagate passes a node's gradient on to its inputs.
func (b *backward) propagate(n *gorgonia.Node) error {
	if !b.depends[n] {
		return nil
	}
	x, diffs := children(n), diffWRT(n)
	need, some := make([]bool, len(x)), false
	for i := range x {
		need[i] = i < len(diffs) && diffs[i] && b.depends[x[i]]
		some = some || need[i]
	}
	if !some {
		return nil
	}
	dy, err := b.sum(n)
	if err != nil || dy == nil {
		return err
	}
	var ds gorgonia.Nodes
	if o, ok := n.Op().(differ); ok {
		ds, err = o.gradients(x, n, dy, need)
	} else {
		ds, err = n.Op().(gorgonia.SDOp).SymDiff(x, n, dy)
	}
	if err != nil {
		return fmt.Errorf("gradient through %s: %w", n.Name(), err)
	}
	for i, d := range ds {
		if need[i] {
			b.grads[x[i]] = append(b.grads[x[i]], d)
		}
	}
	return nil
}
