package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// storage says where a value of a program lives.
type storage uint8

const (
	inArena    storage = iota // shared memory, reused as soon as the value is dead
	inVariable                // memory that the user bound to a graph node
	inConstant                // written once, when the plan is built
	inCounter                 // the random counter
)

// value is one tensor of a program. Reshaped views of it share its number.
type value struct {
	typ     kernels.DType
	elems   int
	storage storage
	node    *gorgonia.Node // of inVariable
	data    []byte         // of inConstant
	keep    bool           // the user may look at it after the run
	updated bool           // of inVariable: some call updates it in place
}

func (v *value) bytes() int { return v.elems * v.typ.Size() }

// role is what a call means to the machine.
type role uint8

const (
	runKernel  role = iota // runs on the device
	runHost                // runs an operator's own Do on the host
	switchCall             // its result is the input that a selector names
	gateCall               // its result is its input if a selector names its branch, and absent otherwise
)

// call is one step of a program: it writes values that no other call writes, and may update variables.
type call struct {
	role   role
	kernel kernels.Kernel // of runKernel
	host   *hostOp        // of runHost
	args   []int32        // values, in the kernel's order of operands; for other roles the inputs, then the output
	dirs   []kernels.Dir
	node   *gorgonia.Node // what it was lowered from
	// accumulates marks a sum of two gradients: where one is absent, the other is the sum.
	accumulates bool
	selector    int32 // of switchCall and gateCall: the selector's value
	branch      int   // of gateCall
	branches    int
	// addsUp marks a sum over operands of which the absent ones count as zero, a constant.
	addsUp bool
	zero   int32
	dead   bool
	key    string // the kernel's canonical name, once it is needed
}

// family names the kind of work for tables.
func (c *call) family() string {
	switch c.role {
	case runHost:
		return "host"
	case switchCall:
		return "switch"
	case gateCall:
		return "gate"
	}
	return c.kernel.Family()
}

// title says what the call does.
func (c *call) title() string {
	switch c.role {
	case runHost:
		return "host " + c.host.name
	case switchCall:
		return "switch"
	case gateCall:
		return fmt.Sprintf("gate %d", c.branch)
	}
	return c.kernel.String()
}

// program is the list of calls that a graph becomes. The passes rewrite it.
type program struct {
	values []value
	calls  []call
	// keep maps the nodes that have a value after the run to the values that they read.
	outputs []output
	counter int32 // the value of the random counter, or -1
	slices  []sliced
	costs   []int32 // what was differentiated
	saved   []int32 // what recomputation keeps
}

// output binds a value of the program to a node of the graph.
type output struct {
	node  *gorgonia.Node
	value int32
	shape []int
	// into is where a Read statement wants a copy; node is then the node that it reads.
	into *gorgonia.Value
	// accumulate adds the value to the derivative beside the node's own value.
	accumulate bool
}

func newProgram() *program { return &program{counter: -1} }

func (p *program) add(v value) int32 {
	p.values = append(p.values, v)
	return int32(len(p.values) - 1)
}

// outs calls f with each value that c writes (and does not read).
func (c *call) outs(f func(v int32)) {
	for i, d := range c.dirs {
		if d == kernels.Out {
			f(c.args[i])
		}
	}
}

// producers maps each value to the call that writes it, or -1.
func (p *program) producers() []int32 {
	def := make([]int32, len(p.values))
	for i := range def {
		def[i] = -1
	}
	for i := range p.calls {
		c := &p.calls[i]
		if c.dead {
			continue
		}
		for j, d := range c.dirs {
			if d == kernels.Out {
				def[c.args[j]] = int32(i)
			}
		}
	}
	return def
}

// sweep removes dead calls from the list.
func (p *program) sweep() {
	live := p.calls[:0]
	for _, c := range p.calls {
		if !c.dead {
			live = append(live, c)
		}
	}
	p.calls = live
}

// hasEffect says whether a call must run although nobody reads its results: it updates a variable.
func (p *program) hasEffect(c *call) bool {
	for _, d := range c.dirs {
		if d == kernels.InOut {
			return true
		}
	}
	return false
}

// eliminateDead removes calls whose results nobody reads.
func (p *program) eliminateDead() {
	needed := make([]bool, len(p.values))
	for i := range p.values {
		needed[i] = p.values[i].keep
	}
	for i := len(p.calls) - 1; i >= 0; i-- {
		c := &p.calls[i]
		if c.dead {
			continue
		}
		live := p.hasEffect(c)
		c.outs(func(v int32) { live = live || needed[v] })
		if !live {
			c.dead = true
			continue
		}
		for j, d := range c.dirs {
			if d != kernels.Out {
				needed[c.args[j]] = true
			}
		}
	}
	p.sweep()
}
