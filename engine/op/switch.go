package op

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Branching is implemented by the operators that let a plan leave work out: Switch and its gradient.
type Branching interface {
	gorgonia.Op
	// Branches is the number of branches among which input 0, the selector, chooses.
	Branches() int
	// Branch is -1 for a Switch: its result is input 1+selector. Otherwise the operator is a gate: its result is input 1 if the
	// selector names this branch, and absent if it does not.
	Branch() int
}

// branching is Switch, or the gate of one branch.
type branching struct {
	operator
	branch, branches int
}

var (
	_                 Branching     = (*branching)(nil)
	_                 gorgonia.SDOp = (*branching)(nil)
	errNeedsBranching               = errors.New("a Switch becomes no kernel calls: the machine must know it")
)

func (b *branching) Branches() int { return b.branches }
func (b *branching) Branch() int   { return b.branch }

// Switch is the branch that selector names: branches[selector]. The selector is a variable of the graph, a scalar that is bound
// before each run; all branches have one type and shape.
//
// Only the branch that is taken is computed. The gradients of the others are absent: nothing that depends on them alone is
// computed, a sum of an absent and a present gradient is the present one, an optimiser does not touch a parameter whose gradient
// is absent, and Node.Grad of such a parameter is zero.
func Switch(selector *gorgonia.Node, branches ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(branches) == 0 {
		return nil, errors.New("switch: no branches")
	}
	s, err := kindOf(selector)
	if err != nil {
		return nil, fmt.Errorf("switch: selector: %w", err)
	}
	if kernels.Elems(s.shape) != 1 {
		return nil, fmt.Errorf("switch: selector %s is %s; want a scalar", selector.Name(), s)
	}
	if selector.Op() != nil {
		return nil, fmt.Errorf("switch: selector %s is computed; want a variable of the graph", selector.Name())
	}
	first, err := kindOf(branches[0])
	if err != nil {
		return nil, fmt.Errorf("switch: branch 0: %w", err)
	}
	for i, n := range branches[1:] {
		k, err := kindOf(n)
		if err != nil {
			return nil, fmt.Errorf("switch: branch %d: %w", i+1, err)
		}
		if k.typ != first.typ || !slices.Equal(k.shape, first.shape) {
			return nil, fmt.Errorf("switch: branch %d (%s) is %s, but branch 0 (%s) is %s", i+1, n.Name(), k, branches[0].Name(), first)
		}
	}
	wrt := all(1 + len(branches))
	wrt[0] = false
	b := &branching{branch: -1, branches: len(branches)}
	b.operator = operator{text: fmt.Sprintf("switch %d", len(branches)), out: first, wrt: wrt, lower: refuse, diff: b.switchGradient}
	return b.apply(append(gorgonia.Nodes{selector}, branches...))
}

// switchGradient sends the gradient to each branch through a gate.
func (b *branching) switchGradient(x gorgonia.Nodes, _, dy *gorgonia.Node, need []bool) (gorgonia.Nodes, error) {
	ds := make(gorgonia.Nodes, len(x))
	for i := 1; i < len(x); i++ {
		if !need[i] {
			continue
		}
		var err error
		if ds[i], err = gate(x[0], dy, i-1, b.branches); err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// gate is x where the selector names the branch, and absent elsewhere.
func gate(selector, x *gorgonia.Node, branch, branches int) (*gorgonia.Node, error) {
	k, err := kindOf(x)
	if err != nil {
		return nil, err
	}
	b := &branching{branch: branch, branches: branches}
	b.operator = operator{text: fmt.Sprintf("gate %d/%d", branch, branches), out: k, wrt: []bool{false, true}, lower: refuse, diff: b.gateGradient}
	return b.apply(gorgonia.Nodes{selector, x})
}

func (b *branching) gateGradient(x gorgonia.Nodes, _, dy *gorgonia.Node, _ []bool) (gorgonia.Nodes, error) {
	d, err := gate(x[0], dy, b.branch, b.branches)
	return gorgonia.Nodes{nil, d}, err
}

func (b *branching) apply(x gorgonia.Nodes) (*gorgonia.Node, error) {
	g, err := b.adopt(x)
	if err != nil {
		return nil, err
	}
	shape, _ := b.InferShape()
	return gorgonia.NewUniqueNode(gorgonia.WithType(typeOf(b.out)), gorgonia.WithOp(b), gorgonia.WithChildren(x),
		gorgonia.In(g), gorgonia.WithShape(shape...)), nil
}

func refuse(Lowering) error { return errNeedsBranching }
