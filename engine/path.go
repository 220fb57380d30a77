package engine

import (
	"fmt"

	"palladio/kernels"
)

// path is a plan for one assignment of the Switch selectors: the calls that run, with their operands in place.
type path struct {
	steps   []step
	arena   int     // bytes
	rep     []int32 // whose memory each value shares
	absent  []bool
	layout  layout
	patches []patch // operands that are variables
	bound   uint64  // the machine's binding count when the patches were last applied
	outs    []place // where each output of the program lies

	plain      bool           // it cannot be recorded
	runs       int            // without a recording; counted up to recordAfter
	recorded   kernels.Replay // the calls as one; nil until there is a recording
	recordedAt uint64         // the machine's binding count at the recording
}

// step is a prepared call.
type step struct {
	exec kernels.Exec
	args []kernels.Arg
	ws   kernels.Arg
	call *call
	at   []place // where the operands lie, for looking at those of a device with memory of its own
}

// patch is an operand that points to a variable.
type patch struct {
	arg   *kernels.Arg
	value int32
}

// choose decides, for given selectors, which values share memory, which are absent, and which calls run.
func (p *program) choose(selected func(selector int32) int) (rep []int32, absent []bool, order []int32) {
	rep = make([]int32, len(p.values))
	for i := range rep {
		rep[i] = int32(i)
	}
	absent = make([]bool, len(p.values))
	runs := make([]bool, len(p.calls))
	for i := range p.calls {
		runs[i] = p.calls[i].resolve(rep, absent, selected)
	}
	needed := make([]bool, len(p.values))
	for v := range p.values {
		if p.values[v].keep && !absent[v] {
			needed[rep[v]] = true
		}
	}
	for i := len(p.calls) - 1; i >= 0; i-- {
		c := &p.calls[i]
		if !runs[i] {
			continue
		}
		live := p.hasEffect(c)
		c.outs(func(v int32) { live = live || needed[v] })
		if runs[i] = live; !live {
			continue
		}
		for j, d := range c.dirs {
			if d != kernels.Out {
				needed[c.operand(j, rep, absent)] = true
			}
		}
	}
	for i := range p.calls {
		if runs[i] {
			order = append(order, int32(i))
		}
	}
	return rep, absent, order
}

// resolve works out the presence of c's results and says whether c has to compute them, should they be needed.
func (c *call) resolve(rep []int32, absent []bool, selected func(int32) int) bool {
	last := len(c.args) - 1
	out := c.args[last]
	follow := func(in int32) bool {
		rep[out], absent[out] = rep[in], absent[in]
		return false
	}
	switch {
	case c.role == switchCall:
		return follow(c.args[1+selected(c.selector)])
	case c.role == gateCall:
		if selected(c.selector) != c.branch {
			absent[out] = true
			return false
		}
		return follow(c.args[1])
	case c.accumulates && absent[c.args[0]]:
		return follow(c.args[1])
	case c.accumulates && absent[c.args[1]]:
		return follow(c.args[0])
	}
	some, all := false, true
	for j, d := range c.dirs {
		if d != kernels.Out {
			some, all = some || absent[c.args[j]], all && absent[c.args[j]]
		}
	}
	if all && some || some && !c.addsUp {
		c.outs(func(v int32) { absent[v] = true })
		return false
	}
	return true
}

// operand is the value that operand j of c reads or writes on a path.
func (c *call) operand(j int, rep []int32, absent []bool) int32 {
	if v := c.args[j]; c.dirs[j] == kernels.Out || !absent[v] {
		return rep[v]
	}
	return c.zero
}

// build makes the path for the current selectors.
func (m *Machine) build() (*path, error) {
	p := m.prog
	pa := &path{}
	var order []int32
	pa.rep, pa.absent, order = p.choose(m.selected)
	m.assignSlots(pa)
	planned := func(v int32) bool {
		return p.values[v].storage == inArena && m.slotOf[v] < 0
	}
	pa.layout = p.place(order, pa.rep, pa.absent, planned, !m.cfg.plain)
	pa.arena = pa.layout.peak
	if err := m.reserve(pa.arena); err != nil {
		return nil, err
	}
	pa.steps = make([]step, 0, len(order))
	n := 0
	for _, ci := range order {
		n += len(p.calls[ci].args)
	}
	args := make([]kernels.Arg, n)
	workspace := 0
	for _, ci := range order {
		c := &p.calls[ci]
		s := step{call: c, args: args[:len(c.args):len(c.args)]}
		args = args[len(c.args):]
		for j := range c.args {
			v := c.operand(j, pa.rep, pa.absent)
			at := m.place(pa, v)
			s.args[j] = at.arg(m)
			if !m.shared {
				s.at = append(s.at, at)
			}
			if p.values[v].storage == inVariable {
				pa.patches = append(pa.patches, patch{&s.args[j], v})
			}
		}
		var err error
		if s.exec, err = m.prepare(pa, c); err != nil {
			return nil, err
		}
		workspace = max(workspace, s.exec.Workspace())
		pa.steps = append(pa.steps, s)
	}
	if err := m.reserveWorkspace(workspace); err != nil {
		return nil, err
	}
	for i := range pa.steps {
		if w := pa.steps[i].exec.Workspace(); w > 0 {
			pa.steps[i].ws = m.workspace.Arg(0, w)
		}
	}
	pa.outs = make([]place, len(p.outputs))
	for i, o := range p.outputs {
		if !pa.absent[o.value] {
			pa.outs[i] = m.place(pa, pa.rep[o.value])
		}
	}
	for _, v := range m.slotted { // the slots belong to this path only while it is built
		m.slotOf[v] = -1
	}
	m.slotted = m.slotted[:0]
	return pa, nil
}

// assignSlots gives each output's value its place among the results. A value that shares another's memory on this path takes
// that one there, so that nothing need be copied; where two outputs share one, the run ends with a copy.
func (m *Machine) assignSlots(pa *path) {
	for i := range m.prog.outputs {
		v := m.prog.outputs[i].value
		r := pa.rep[v]
		if !m.prog.outputs[i].accumulate && !pa.absent[v] && m.prog.values[r].storage == inArena && m.slotOf[r] < 0 {
			m.slotOf[r] = m.results[i].off
			m.slotted = append(m.slotted, r)
		}
	}
}

// block is a kind of memory of a machine.
type block uint8

const (
	arenaBlock block = iota
	resultBlock
	constantBlock
	variableBlock
)

// place is where a value lies.
type place struct {
	block  block
	off, n int
	index  int32 // of a variable
}

func (p *place) mem(m *Machine) kernels.Memory {
	switch p.block {
	case arenaBlock:
		return m.arena
	case resultBlock:
		return m.resultMem
	case constantBlock:
		return m.constants
	}
	return m.variables[p.index].block
}

func (p *place) arg(m *Machine) kernels.Arg {
	if p.block == variableBlock {
		return m.variables[p.index].arg
	}
	return p.mem(m).Arg(p.off, p.n)
}

// place finds a value.
func (m *Machine) place(pa *path, v int32) place {
	val := &m.prog.values[v]
	n := val.bytes()
	switch {
	case val.storage == inVariable:
		return place{variableBlock, 0, n, m.variableOf[v]}
	case val.storage == inConstant || val.storage == inCounter:
		return place{constantBlock, m.constantAt[v], n, 0}
	case m.slotOf[v] >= 0:
		return place{resultBlock, m.slotOf[v], n, 0}
	case pa.layout.offset[v] >= 0:
		return place{arenaBlock, pa.layout.offset[v], n, 0}
	}
	panic(fmt.Sprintf("value %d has no place", v))
}

// prepare finds the executable form of a call; equal kernels share one.
func (m *Machine) prepare(pa *path, c *call) (kernels.Exec, error) {
	if c.role == runHost {
		return m.prepareHost(pa, c), nil
	}
	if c.key == "" {
		c.key = c.kernel.String()
	}
	if e, ok := m.execs[c.key]; ok {
		return e, nil
	}
	e, err := m.device.Prepare(c.kernel)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", nodeName(c.node), err)
	}
	m.execs[c.key] = e
	return e, nil
}

// prepareHost prepares a call that runs on the host; on a device with memory of its own it is put between copies.
func (m *Machine) prepareHost(pa *path, c *call) kernels.Exec {
	e := c.host.prepare()
	if m.shared {
		return e
	}
	r := &remoteExec{exec: e, dirs: c.dirs, m: m}
	for _, a := range c.args {
		at := m.place(pa, pa.rep[a])
		r.at = append(r.at, at)
		r.stage = append(r.stage, kernels.Arg{Host: make([]byte, at.n)})
	}
	return r
}
