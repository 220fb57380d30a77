package engine

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Plan describes what a machine runs: the calls of one assignment of the Switch selectors, in order.
type Plan struct {
	Device string
	Calls  []Call
	// Arena is the peak of the memory that the plan's intermediate results share, Results what the kept ones take, Constants
	// what its constants take; all in bytes. Unshared is what the intermediate results would take without sharing.
	Arena, Results, Constants, Unshared int
}

// Call is one step of a plan.
type Call struct {
	// Kernel is what runs, nil for an operator of gorgonia's that runs on the host.
	Kernel   kernels.Kernel
	Host     string // the name of such an operator
	Node     string // the parameter that it works with, else the graph's node that it was lowered from
	Operands []Operand
}

// Operand is an operand of a call and where it lies.
type Operand struct {
	kernels.Operand
	Value int    // values with equal numbers are the same
	Where string // arena, result, constant, variable
	// Offset is in bytes from the start of the arena, the results or the constants.
	Offset   int
	Variable string // the variable's name
}

// Plan describes the calls for the current values of the graph's variables, of which only the Switch selectors matter. It
// allocates no memory for tensors.
func (m *Machine) Plan() (*Plan, error) {
	if m.err != nil {
		return nil, m.err
	}
	return m.PlanFor(func(n *gorgonia.Node, branches int) (int, error) {
		v := n.Value()
		if v == nil {
			return 0, fmt.Errorf("selector %s has no value", n.Name())
		}
		raw, err := rawBytes(v)
		if err != nil {
			return 0, err
		}
		return int(dtypeOf(v.Dtype()).Value(raw, 0)), nil
	})
}

// PlanFor describes the calls that run where choose names the branch for each selector of a Switch.
func (m *Machine) PlanFor(choose func(selector *gorgonia.Node, branches int) (int, error)) (*Plan, error) {
	if m.err != nil {
		return nil, m.err
	}
	p := m.prog
	chosen := map[int32]int{}
	for i := range p.calls {
		c := &p.calls[i]
		if c.role != switchCall && c.role != gateCall {
			continue
		}
		if _, done := chosen[c.selector]; done {
			continue
		}
		n, err := choose(p.values[c.selector].node, c.branches)
		if err == nil && (n < 0 || n >= c.branches) {
			err = fmt.Errorf("selector %s is %d: want 0 to %d", p.values[c.selector].node.Name(), n, c.branches-1)
		}
		if err != nil {
			return nil, fmt.Errorf("engine: plan: %w", err)
		}
		chosen[c.selector] = n
	}
	rep, absent, order := p.choose(func(s int32) int { return chosen[s] })
	kept := make([]int, len(p.values))
	for i := range kept {
		kept[i] = -1
	}
	plan := &Plan{Device: m.device.Name()}
	for _, o := range p.outputs {
		if o.accumulate {
			continue
		}
		if r := rep[o.value]; !absent[o.value] && p.values[r].storage == inArena && kept[r] < 0 {
			kept[r] = plan.Results
		}
		plan.Results += alignUp(max(p.values[o.value].bytes(), 1))
	}
	constants := make([]int, len(p.values))
	for i := range p.values {
		if s := p.values[i].storage; s == inConstant || s == inCounter {
			constants[i] = plan.Constants
			plan.Constants += alignUp(max(p.values[i].bytes(), 1))
		}
	}
	planned := func(v int32) bool { return p.values[v].storage == inArena && kept[v] < 0 }
	lay := p.place(order, rep, absent, planned, !m.cfg.plain)
	plan.Arena = lay.peak
	plan.Unshared = p.place(order, rep, absent, planned, false).peak
	for _, ci := range order {
		plan.Calls = append(plan.Calls, p.describe(&p.calls[ci], rep, absent, kept, constants, lay.offset))
	}
	return plan, nil
}

// describe makes the public form of a call.
func (p *program) describe(c *call, rep []int32, absent []bool, kept, constants, offset []int) Call {
	d := Call{Kernel: c.kernel, Node: p.label(c)}
	ops := c.operands()
	if c.role == runHost {
		d.Host = c.host.name
	}
	for j := range c.args {
		v := c.operand(j, rep, absent)
		o := Operand{Operand: ops[j], Value: int(v)}
		switch val := &p.values[v]; {
		case val.storage == inVariable:
			o.Where, o.Variable = "variable", val.node.Name()
		case val.storage == inConstant || val.storage == inCounter:
			o.Where, o.Offset = "constant", constants[v]
		case kept[v] >= 0:
			o.Where, o.Offset = "result", kept[v]
		default:
			o.Where, o.Offset = "arena", offset[v]
		}
		d.Operands = append(d.Operands, o)
	}
	return d
}

// operands describes the operands of a call.
func (c *call) operands() []kernels.Operand {
	if c.role == runKernel {
		return c.kernel.Operands()
	}
	var ops []kernels.Operand
	for i, in := range c.host.in {
		ops = append(ops, kernels.Operand{Name: fmt.Sprintf("in%d", i), Dir: kernels.In, Type: dtypeOf(in.typ), Shape: in.shape})
	}
	return append(ops, kernels.Operand{Name: "out", Dir: kernels.Out, Type: dtypeOf(c.host.out.typ), Shape: c.host.out.shape})
}

// Cost is the work of the call; that of host calls counts their traffic only.
func (c *Call) Cost() kernels.Cost {
	if c.Kernel != nil {
		return c.Kernel.Cost()
	}
	var cost kernels.Cost
	for _, o := range c.Operands {
		if o.Dir == kernels.In {
			cost.Read += int64(o.Bytes())
		} else {
			cost.Written += int64(o.Bytes())
		}
	}
	return cost
}

// Kernels lists the kernels of the plan's calls, without those of host calls.
func (p *Plan) Kernels() []kernels.Kernel {
	var ks []kernels.Kernel
	for _, c := range p.Calls {
		if c.Kernel != nil {
			ks = append(ks, c.Kernel)
		}
	}
	return ks
}

// Cost is the work of one run.
func (p *Plan) Cost() kernels.Cost {
	var sum kernels.Cost
	for i := range p.Calls {
		sum = sum.Add(p.Calls[i].Cost())
	}
	return sum
}

// String is a table of the calls: number, kernel, operands with shapes and places, operations.
func (p *Plan) String() string {
	var b strings.Builder
	cost := p.Cost()
	fmt.Fprintf(&b, "%d calls on %s: %s FLOP, %s of traffic; arena %s (%s without sharing), results %s, constants %s\n", len(p.Calls), p.Device,
		countText(cost.FLOPs), kernels.SizeText(cost.Bytes()), kernels.SizeText(int64(p.Arena)), kernels.SizeText(int64(p.Unshared)), kernels.SizeText(int64(p.Results)), kernels.SizeText(int64(p.Constants)))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "#\tkernel\toperands\tMFLOP\tnode")
	for i := range p.Calls {
		c := &p.Calls[i]
		var ops []string
		for _, o := range c.Operands {
			ops = append(ops, o.String())
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%.3f\t%s\n", i, c.title(), strings.Join(ops, " "), float64(c.Cost().FLOPs)/1e6, clip(c.Node, 40))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

func (c *Call) title() string {
	if c.Kernel != nil {
		return clip(c.Kernel.String(), 100)
	}
	return "host " + c.Host
}

// String writes an operand as name=%number f32[2 3]@place, with > before what is written.
func (o Operand) String() string {
	mark := ""
	if o.Dir != kernels.In {
		mark = ">"
	}
	at := fmt.Sprintf("%s+%d", o.Where, o.Offset)
	if o.Where == "variable" {
		at = clip(o.Variable, 24)
	}
	return fmt.Sprintf("%s%s=%%%d %s%v@%s", mark, o.Name, o.Value, o.Type, o.Shape, at)
}

// clip shortens a name for a table.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// countText writes a large number for people.
func countText(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if f := float64(n); f >= u.size {
			return fmt.Sprintf("%.2f %s", f/u.size, u.name)
		}
	}
	return fmt.Sprint(n)
}

// Dot is the plan as a Graphviz graph: a box a call, an oval a variable, an edge a value.
func (p *Plan) Dot() string {
	var b strings.Builder
	b.WriteString("digraph plan {\n\tnode [shape=box, fontname=monospace];\n")
	producer := map[int]int{}
	variables := map[string]bool{}
	for i := range p.Calls {
		p.dotCall(&b, i, producer, variables)
	}
	b.WriteString("}\n")
	return b.String()
}

// dotCall writes a call and the edges to it.
func (p *Plan) dotCall(b io.Writer, i int, producer map[int]int, variables map[string]bool) {
	c := &p.Calls[i]
	fmt.Fprintf(b, "\tc%d [label=%q];\n", i, fmt.Sprintf("%d %s\n%s", i, c.title(), clip(c.Node, 40)))
	for _, o := range c.Operands {
		if o.Dir == kernels.Out {
			continue
		}
		shape := fmt.Sprintf("%s%v", o.Type, o.Shape)
		if o.Where == "variable" {
			if !variables[o.Variable] {
				variables[o.Variable] = true
				fmt.Fprintf(b, "\t%q [shape=oval];\n", o.Variable)
			}
			fmt.Fprintf(b, "\t%q -> c%d [label=%q];\n", o.Variable, i, shape)
		} else if from, ok := producer[o.Value]; ok {
			fmt.Fprintf(b, "\tc%d -> c%d [label=%q];\n", from, i, shape)
		}
	}
	for _, o := range slices.Backward(c.Operands) {
		if o.Dir == kernels.Out {
			producer[o.Value] = i
		}
	}
}
