package engine

import (
	"fmt"
	"reflect"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"palladio/kernels"
)

// The parts of a gorgonia node that have no accessor, or one that takes time linear in the size of the graph: found by name once.
var (
	nodeType      = reflect.TypeFor[gorgonia.Node]()
	childrenField = nodeField("children", reflect.TypeFor[gorgonia.Nodes]())
	nameField     = nodeField("name", reflect.TypeFor[string]())
	groupField    = nodeField("group", reflect.TypeFor[string]())
)

func nodeField(name string, t reflect.Type) int {
	f, ok := nodeType.FieldByName(name)
	if !ok || f.Type != t {
		panic(fmt.Sprintf("engine: gorgonia.Node has no field %s of type %s: this package was written for gorgonia v0.9.18", name, t))
	}
	return f.Index[0]
}

func field(n *gorgonia.Node, i int) reflect.Value { return reflect.ValueOf(n).Elem().Field(i) }

// children returns a node's operands in order. The slice belongs to the node.
func children(n *gorgonia.Node) gorgonia.Nodes {
	return *(*gorgonia.Nodes)(field(n, childrenField).Addr().UnsafePointer())
}

// ownName is the name that a node was given, empty where gorgonia would make one up.
func ownName(n *gorgonia.Node) string { return field(n, nameField).String() }

// isStatement says whether a node is a Read, a Set or a transfer. (Gorgonia counts At among them, which has a value.)
func isStatement(n *gorgonia.Node) bool {
	switch opName(n) {
	case "readOp", "letOp", "devTrans":
		return true
	}
	return false
}

// isVariable says whether the user binds the node's value.
func isVariable(n *gorgonia.Node) bool { return n.Op() == nil && !isStatement(n) }

// isConstant says whether the node is one of gorgonia's constants.
func isConstant(n *gorgonia.Node) bool {
	switch opName(n) {
	case "constantScalar", "constantTensor":
		return true
	}
	return false
}

// opName is the name of the Go type of a node's built-in operator; empty for variables and for operators from elsewhere.
func opName(n *gorgonia.Node) string {
	if n.Op() == nil {
		return ""
	}
	t := reflect.TypeOf(n.Op())
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != nodeType.PkgPath() {
		return ""
	}
	return t.Name()
}

// isGradient says whether symbolic differentiation made the node.
func isGradient(n *gorgonia.Node) bool {
	switch field(n, groupField).String() {
	case "gradients", "undifferentiated nodes":
		return true
	}
	return len(n.DerivOf()) > 0 && !isConstant(n) && !isVariable(n)
}

// isCost says whether n was differentiated as a cost: its own gradient is then the constant one.
func isCost(n *gorgonia.Node) bool {
	return n.Deriv() != nil && isConstant(n.Deriv()) && !isVariable(n)
}

// derivesVariable says whether n is the gradient of a variable.
func derivesVariable(n *gorgonia.Node) bool { return slices.ContainsFunc(n.DerivOf(), isVariable) }

// dtypeOf is the element type of a gorgonia type.
func dtypeOf(t tensor.Dtype) kernels.DType {
	switch t {
	case tensor.Float32:
		return kernels.F32
	case tensor.Float64:
		return kernels.F64
	case tensor.Int, tensor.Int64:
		return kernels.I64
	case tensor.Int32:
		return kernels.I32
	case tensor.Uint64, tensor.Uint:
		return kernels.U64
	case tensor.Byte:
		return kernels.U8
	case tensor.Bool:
		return kernels.Bool
	}
	return kernels.Invalid
}

// nodeDType is the element type of a node.
func nodeDType(n *gorgonia.Node) (t kernels.DType, err error) {
	defer func() { // Dtype panics on types that it does not know
		if r := recover(); r != nil {
			err = fmt.Errorf("node %s: %v", n.Name(), r)
		}
	}()
	if t = dtypeOf(n.Dtype()); t == kernels.Invalid {
		return t, fmt.Errorf("node %s has elements of type %v: want float32, float64, int, int32, int64, uint64, byte or bool", n.Name(), n.Dtype())
	}
	return t, nil
}

// wanted is what a plan is for: the nodes that have values afterwards, and the Read statements among them.
type wanted struct {
	nodes gorgonia.Nodes
	reads gorgonia.Nodes
	duals gorgonia.Nodes // whose gradients accumulate
}

// want chooses a plan's outputs, by the rule in the package's documentation.
func (c *config) want(g *gorgonia.ExprGraph) wanted {
	var w wanted
	seen, dual := map[*gorgonia.Node]bool{}, map[*gorgonia.Node]bool{}
	add := func(n *gorgonia.Node) {
		if !seen[n] && n.Op() != nil && !isConstant(n) && !isStatement(n) {
			seen[n] = true
			w.nodes = append(w.nodes, n)
		}
	}
	for _, n := range c.keep {
		add(n)
	}
	for _, n := range c.dual {
		if d := n.Deriv(); d != nil && c.training && !dual[n] {
			dual[n] = true
			w.duals = append(w.duals, n)
			add(n)
			add(d)
		}
	}
	if c.outputs != nil {
		for _, n := range c.outputs {
			if isStatement(n) {
				w.reads = append(w.reads, n)
			} else {
				add(n)
			}
		}
		return w
	}
	all := g.AllNodes()
	parents := make(map[*gorgonia.Node]int, len(all))
	for _, n := range all {
		for _, ch := range children(n) {
			if !isStatement(n) {
				parents[ch]++
			}
		}
	}
	for _, n := range all {
		switch {
		case isStatement(n):
			if opName(n) == "readOp" {
				w.reads = append(w.reads, n)
			}
		case isGradient(n):
			if c.training && (c.keepAll || derivesVariable(n) && len(c.updates) == 0) {
				add(n)
			}
		case parents[n] == 0, isCost(n), ownName(n) != "", c.keepAll:
			add(n)
		}
	}
	return w
}

// order lists the nodes that w and the updates need, operands before the nodes that use them. The graph's own order is such a list and keeps a
// gradient next to the last reader of what it is made from; should the graph have been edited so that it is not, a depth-first one is made.
func (c *config) order(g *gorgonia.ExprGraph, w wanted) gorgonia.Nodes {
	needed := map[*gorgonia.Node]bool{}
	stack := slices.Concat(w.nodes, nil)
	for _, r := range w.reads {
		stack = append(stack, children(r)...)
	}
	for _, n := range w.duals {
		stack = append(stack, n.Deriv())
	}
	if c.training {
		for _, u := range c.updates {
			stack = append(stack, u.Nodes()...)
		}
	}
	roots := slices.Clone(stack)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !needed[n] {
			needed[n] = true
			stack = append(stack, children(n)...)
		}
	}
	done := make(map[*gorgonia.Node]bool, len(needed))
	var list gorgonia.Nodes
	for _, n := range g.AllNodes() {
		if !needed[n] {
			continue
		}
		for _, ch := range children(n) {
			if !done[ch] {
				return depthFirst(roots)
			}
		}
		done[n] = true
		list = append(list, n)
	}
	if len(list) < len(needed) { // some node is not in the graph's own list
		return depthFirst(roots)
	}
	return list
}

// depthFirst lists everything below roots, operands first.
func depthFirst(roots gorgonia.Nodes) gorgonia.Nodes {
	type frame struct {
		n    *gorgonia.Node
		next int
	}
	state := map[*gorgonia.Node]bool{}
	var list gorgonia.Nodes
	for _, r := range roots {
		if state[r] {
			continue
		}
		state[r] = true
		stack := []frame{{r, 0}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if ch := children(f.n); f.next < len(ch) {
				c := ch[f.next]
				f.next++
				if !state[c] {
					state[c] = true
					stack = append(stack, frame{c, 0})
				}
				continue
			}
			list = append(list, f.n)
			stack = stack[:len(stack)-1]
		}
	}
	return list
}
