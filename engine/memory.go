package engine

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"palladio/kernels"
)

// allocate makes the memory that does not depend on the path: constants, results, the table of variables.
func (m *Machine) allocate() error {
	p := m.prog
	m.slotOf = make([]int, len(p.values))
	m.constantAt = make([]int, len(p.values))
	m.variableOf = make([]int32, len(p.values))
	constants := 0
	for i := range p.values {
		m.slotOf[i] = -1
		v := &p.values[i]
		switch v.storage {
		case inConstant, inCounter:
			m.constantAt[i] = constants
			constants += alignUp(max(v.bytes(), 1))
		case inVariable:
			m.variableOf[i] = int32(len(m.variables))
			m.variables = append(m.variables, variable{node: v.node, value: int32(i), typ: v.typ, shape: []int(v.node.Shape())})
		}
	}
	m.results = make([]result, len(p.outputs))
	results := 0
	for i, o := range p.outputs {
		n := p.values[o.value].bytes()
		m.results[i].off, m.results[i].bytes = results, n
		if !o.accumulate { // the gradient that accumulates is an output of its own
			results += alignUp(max(n, 1))
		}
	}
	if err := m.checkMemory(constants + results); err != nil {
		return err
	}
	var err error
	if m.constants, err = kernels.Alloc(m.device, constants+align, "constants of a plan"); err != nil {
		return err
	}
	if m.resultMem, err = kernels.Alloc(m.device, results+align, "results of a plan"); err != nil {
		return err
	}
	m.shared = m.constants.Arg(0, align).Host != nil
	for i := range p.values {
		if v := &p.values[i]; v.storage == inConstant && len(v.data) > 0 {
			if err := m.constants.Upload(m.constantAt[i], v.data); err != nil {
				return err
			}
		}
	}
	m.markResident()
	if err := m.makeResults(); err != nil {
		return err
	}
	m.selectors, err = m.findSelectors()
	m.ready = err == nil
	return err
}

// makeResults makes the values that the outputs' nodes are bound to.
func (m *Machine) makeResults() error {
	for i := range m.results {
		o, r := &m.prog.outputs[i], &m.results[i]
		if r.bytes == 0 {
			continue
		}
		if m.shared && o.accumulate {
			continue
		}
		if m.shared {
			r.host = m.resultMem.Arg(r.off, r.bytes).Host
			clear(r.host)
		} else {
			r.host = make([]byte, r.bytes)
		}
		if o.accumulate {
			continue
		}
		var err error
		if r.value, err = viewValue(r.host, o.node.Dtype(), o.shape); err != nil {
			return fmt.Errorf("%s: %w", o.node.Name(), err)
		}
	}
	return nil
}

// reserve makes the arena at least size bytes large. A larger one takes the place of the old, so the plans laid out there are dropped.
func (m *Machine) reserve(size int) error {
	if m.arena != nil && size <= m.arenaSize {
		return nil
	}
	if err := m.checkMemory(size - m.arenaSize); err != nil {
		return err
	}
	if m.arena != nil {
		if err := m.arena.Free(); err != nil {
			return err
		}
		if err := m.dropPaths(); err != nil {
			return err
		}
	}
	var err error
	m.arena, err = kernels.Alloc(m.device, size+align, "arena of a plan")
	m.arenaSize = size
	return err
}

// reserveWorkspace makes the scratch memory at least size bytes large.
func (m *Machine) reserveWorkspace(size int) error {
	if m.workspace != nil && size <= m.wsSize {
		return nil
	}
	if err := m.checkMemory(size - m.wsSize); err != nil {
		return err
	}
	if m.workspace != nil {
		if err := m.workspace.Free(); err != nil {
			return err
		}
		if err := m.dropPaths(); err != nil {
			return err
		}
	}
	var err error
	m.workspace, err = kernels.Alloc(m.device, size+align, "workspace of a plan")
	m.wsSize = size
	return err
}

// sizer is implemented by devices that know how much memory they have left.
type sizer interface {
	Available() (int64, error)
}

// checkMemory refuses a plan that does not fit, before anything is allocated.
func (m *Machine) checkMemory(more int) error {
	have := m.cfg.memory
	if have > 0 {
		have -= m.allocated()
	} else if s, ok := m.device.(sizer); ok {
		n, err := s.Available()
		if err != nil {
			return err
		}
		have = n
	} else if have = availableMemory(); have < 0 {
		return nil
	}
	if int64(more) <= have {
		return nil
	}
	hint := "use a smaller batch"
	if m.cfg.training && !m.cfg.remat {
		hint += " or engine.Recompute"
	}
	return fmt.Errorf("not enough memory on %s: the plan needs %s more (beside the %s that it has), %s are available; %s",
		m.device.Name(), kernels.SizeText(int64(more)), kernels.SizeText(m.allocated()), kernels.SizeText(max(have, 0)), hint)
}

// allocated is the memory that the machine holds, without the user's variables.
func (m *Machine) allocated() int64 {
	var n int64
	for _, b := range []kernels.Memory{m.arena, m.workspace, m.constants, m.resultMem} {
		if b != nil {
			n += int64(b.Bytes())
		}
	}
	return n
}

// availableMemory is what Linux says can be allocated without swapping, bounded by the control group's limit; -1 where that is not known.
func availableMemory() int64 {
	n := int64(-1)
	if f, err := os.Open("/proc/meminfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
				if kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64); err == nil {
					n = kib << 10
				}
			}
		}
	}
	limit, ok1 := readNumber("/sys/fs/cgroup/memory.max")
	used, ok2 := readNumber("/sys/fs/cgroup/memory.current")
	if ok1 && ok2 && (n < 0 || limit-used < n) {
		n = max(limit-used, 0)
	}
	return n
}

func readNumber(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
