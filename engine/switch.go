package engine

import (
	"encoding/binary"
	"fmt"

	"palladio/engine/op"
	"palladio/kernels"
)

// branching lowers a Switch or a gate to a call that only decides what runs.
func (l *lowering) branching(o op.Branching) {
	c := call{role: switchCall, node: l.node, selector: int32(l.in[0].ID), branch: o.Branch(), branches: o.Branches()}
	if c.branch >= 0 {
		c.role = gateCall
	}
	for _, t := range l.in {
		c.args, c.dirs = append(c.args, int32(t.ID)), append(c.dirs, kernels.In)
	}
	c.args, c.dirs = append(c.args, int32(l.out[0].ID)), append(c.dirs, kernels.Out)
	l.b.calls = append(l.b.calls, c)
}

// findSelectors lists the variables that Switch operators read.
func (m *Machine) findSelectors() ([]selector, error) {
	var list []selector
	seen := map[int32]int{}
	for i := range m.prog.calls {
		c := &m.prog.calls[i]
		if c.role != switchCall && c.role != gateCall {
			continue
		}
		v := c.selector
		if m.prog.values[v].storage != inVariable {
			return nil, fmt.Errorf("%s: the selector of a Switch must be a variable of the graph, not a computed value", nodeName(c.node))
		}
		at, ok := seen[v]
		if !ok {
			at = len(list)
			seen[v] = at
			list = append(list, selector{value: v, index: int(m.variableOf[v]), count: c.branches})
		}
		if list[at].count != c.branches {
			return nil, fmt.Errorf("%s: one selector for Switches of %d and %d branches", nodeName(c.node), list[at].count, c.branches)
		}
	}
	m.chosen = make([]int, len(list))
	m.selectorOf = make(map[int32]int, len(list))
	for i, s := range list {
		m.selectorOf[s.value] = i
		m.chosen[i] = -1
	}
	return list, nil
}

// selected is the branch that a selector names in this run.
func (m *Machine) selected(v int32) int { return m.chosen[m.selectorOf[v]] }

// selectPath reads the selectors and makes their path the current one.
func (m *Machine) selectPath() error {
	same := m.current != nil
	for i, s := range m.selectors {
		v := &m.variables[s.index]
		raw, err := rawBytes(v.last)
		if err != nil {
			return err
		}
		n := int(v.typ.Value(raw, 0))
		if n < 0 || n >= s.count {
			return fmt.Errorf("selector %s is %d: want 0 to %d", v.node.Name(), n, s.count-1)
		}
		if m.chosen[i] != n {
			m.chosen[i], same = n, false
		}
	}
	if same {
		return nil
	}
	m.current = nil
	m.pathKey = m.pathKey[:0]
	for _, n := range m.chosen {
		m.pathKey = binary.AppendUvarint(m.pathKey, uint64(n))
	}
	pa, ok := m.paths[string(m.pathKey)]
	if !ok {
		var err error
		if pa, err = m.build(); err != nil {
			return err
		}
		if len(m.paths) >= maxPaths {
			if err := m.dropPaths(); err != nil {
				return err
			}
		}
		m.paths[string(m.pathKey)] = pa
	}
	m.current = pa
	return nil
}

// maxPaths bounds the cache of paths: a search samples many, and uses few again.
const maxPaths = 1024
