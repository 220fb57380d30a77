package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"gorgonia.org/gorgonia"

	"palladio/cuda"
	"palladio/kernels"
)

// Machine compiles an expression graph into a plan and runs it. It is a gorgonia.VM. A Machine is not safe for
// concurrent use; several machines, one a goroutine, may run graphs of their own.
type Machine struct {
	cfg    *config
	graph  *gorgonia.ExprGraph
	prog   *program
	err    error // of the compilation
	closed bool

	device  kernels.Device
	owned   bool
	cleanup runtime.Cleanup // closes an owned device
	execs   map[string]kernels.Exec

	selectors  []selector
	selectorOf map[int32]int
	chosen     []int // the selectors' values of this run
	paths      map[string]*path
	current    *path
	pathKey    []byte

	variables  []variable
	variableOf []int32 // of each value: its index in variables
	bound      uint64  // counts changes of the variables' memory

	constants  kernels.Memory // constants and the random counter
	constantAt []int
	arena      kernels.Memory
	arenaSize  int
	workspace  kernels.Memory
	wsSize     int
	resultMem  kernels.Memory
	results    []result
	slotOf     []int   // of each value, while a path is built: its place in resultMem, or -1
	slotted    []int32 // the values of which slotOf is set
	ready      bool    // memory is there
	dirty      bool    // resident variables were updated since the last Fetch
	shared     bool    // the device computes in the host's memory

	step    uint64
	counter [16]byte
	profile *Profiler
}

var _ gorgonia.VM = (*Machine)(nil)

// New compiles g. It never fails: what is wrong with the graph, the options or the device is the error of the first RunAll
// (and of Plan).
func New(g *gorgonia.ExprGraph, opts ...Option) *Machine {
	m := &Machine{cfg: newConfig(g, opts), graph: g, execs: map[string]kernels.Exec{}, paths: map[string]*path{}}
	m.err = m.compile(g)
	return m
}

// compile opens the device and makes the program.
func (m *Machine) compile(g *gorgonia.ExprGraph) (err error) {
	defer func() { // gorgonia panics on some malformed graphs
		if r := recover(); r != nil {
			err = fmt.Errorf("engine: compile: %v", r)
		}
	}()
	if m.cfg.err != nil {
		return m.cfg.err
	}
	if m.device, m.owned, err = m.cfg.open(); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if m.owned { // a machine that nobody closed still lets its workers go
		m.cleanup = runtime.AddCleanup(m, func(d kernels.Device) { _ = d.Close() }, m.device)
	}
	if m.prog, err = m.cfg.lower(g); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if err = m.optimise(); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if m.cfg.profile {
		m.profile = newProfiler()
	}
	return nil
}

// RunAll runs the plan once: it reads the variables, runs the calls and gives the outputs' nodes their values.
func (m *Machine) RunAll() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("engine: run: %v", r)
		}
	}()
	switch {
	case m.err != nil:
		return m.err
	case m.closed:
		return errors.New("engine: the machine is closed")
	}
	if err := m.run(); err != nil {
		if errors.Is(err, cuda.ErrContextLost) {
			err = m.recover(err)
		}
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// recover makes the machine usable again after a fault has cost it the device's memory: the next run allocates and fills it anew.
func (m *Machine) recover(lost error) error {
	if m.dirty {
		m.dirty = false
		lost = fmt.Errorf("%w\nresident variables are as they were at the last Fetch", lost)
	}
	return errors.Join(lost, m.release())
}

func (m *Machine) run() error {
	if err := m.followSlices(); err != nil {
		return err
	}
	if err := m.bindVariables(); err != nil {
		return err
	}
	if err := m.selectPath(); err != nil {
		return err
	}
	pa := m.current
	if pa.bound != m.bound {
		for _, p := range pa.patches {
			*p.arg = m.variables[m.variableOf[p.value]].arg
		}
		pa.bound = m.bound
	}
	if v := m.prog.counter; v >= 0 {
		binary.NativeEndian.PutUint64(m.counter[:], m.cfg.seed)
		binary.NativeEndian.PutUint64(m.counter[8:], m.step)
		if err := m.constants.Upload(m.constantAt[v], m.counter[:]); err != nil {
			return err
		}
	}
	m.step++
	if err := m.runSteps(pa); err != nil {
		return err
	}
	if err := m.device.Sync(); err != nil {
		return err
	}
	return m.bindResults(pa)
}

// followSlices compiles anew if the bounds of a slice were changed, which gorgonia.UnsafeLet can do.
func (m *Machine) followSlices() error {
	changed := false
	for i := range m.prog.slices {
		changed = changed || m.prog.slices[i].changed()
	}
	if !changed {
		return nil
	}
	if err := errors.Join(m.Fetch(), m.release()); err != nil {
		return err
	}
	prog, err := m.cfg.lower(m.graph)
	if err != nil {
		return err
	}
	m.prog = prog
	return m.optimise()
}

// runSteps runs the calls, watched or not.
func (m *Machine) runSteps(pa *path) error {
	if m.profile != nil || m.cfg.checkNaN {
		return m.runWatched(pa)
	}
	if done, err := m.replay(pa); done || err != nil {
		return err
	}
	return m.submit(pa)
}

// submit runs the calls of a path one after the other.
func (m *Machine) submit(pa *path) error {
	for i := range pa.steps {
		s := &pa.steps[i]
		if err := s.exec.Run(s.args, s.ws); err != nil {
			return s.failed(err)
		}
	}
	return nil
}

func (s *step) failed(err error) error {
	return fmt.Errorf("%s (%s): %w", nodeName(s.call.node), s.call.title(), err)
}

// nodeName names a node in messages.
func nodeName(n *gorgonia.Node) string {
	if n == nil {
		return "update"
	}
	return n.Name()
}

// label says for people where in the graph a call belongs: the last variable that it works on, which is a layer's parameter where the call
// has one, else its node.
func (p *program) label(c *call) string {
	for i := len(c.args) - 1; i >= 0; i-- {
		if v := &p.values[c.args[i]]; v.storage == inVariable && v.node != nil {
			return v.node.Name()
		}
	}
	return nodeName(c.node)
}

// Let binds a value to a variable of the machine's graph; it is gorgonia.Let with a check.
func (m *Machine) Let(n *gorgonia.Node, be any) error {
	if n.Graph() != m.graph {
		return fmt.Errorf("engine: node %s is not in the machine's graph", n.Name())
	}
	return gorgonia.Let(n, be)
}

// Set copies the value of node b, which the last run computed, to variable a: a parameter and its new value.
func (m *Machine) Set(a, b *gorgonia.Node) error {
	for _, n := range []*gorgonia.Node{a, b} {
		if n.Graph() != m.graph {
			return fmt.Errorf("engine: node %s is not in the machine's graph", n.Name())
		}
	}
	v := b.Value()
	if v == nil {
		return fmt.Errorf("engine: node %s has no value: let the plan keep it (engine.Keep)", b.Name())
	}
	c, err := gorgonia.CloneValue(v)
	if err != nil {
		return fmt.Errorf("engine: set %s: %w", a.Name(), err)
	}
	return gorgonia.Let(a, c)
}

// Reset makes the machine ready to run from the start. There is nothing to do: each RunAll is a whole run. The random counter goes on, so that
// no two runs draw the same numbers.
func (m *Machine) Reset() {}

// Close frees the plan's memory and, where the machine made it, the device. Values of nodes stay readable.
func (m *Machine) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	err := errors.Join(m.Fetch(), m.release())
	if m.owned && m.device != nil {
		m.cleanup.Stop()
		err = errors.Join(err, m.device.Close())
	}
	m.execs = nil
	return err
}

// release frees the plan's memory.
func (m *Machine) release() error {
	var errs []error
	for _, b := range []kernels.Memory{m.arena, m.workspace, m.constants, m.resultMem} {
		if b != nil {
			errs = append(errs, b.Free())
		}
	}
	for i := range m.variables {
		if b := m.variables[i].block; b != nil {
			errs = append(errs, b.Free())
		}
	}
	m.arena, m.workspace, m.constants, m.resultMem = nil, nil, nil, nil
	m.arenaSize, m.wsSize = 0, 0
	m.variables, m.results, m.slotted, m.current, m.ready = nil, nil, nil, nil, false
	errs = append(errs, m.dropPaths())
	return errors.Join(errs...)
}

// SetStep sets the number of the next run, which is one half of the random counter; a resumed training continues with the
// number it had reached.
func (m *Machine) SetStep(n uint64) { m.step = n }

// Step is the number of runs so far.
func (m *Machine) Step() uint64 { return m.step }
