package engine

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"palladio/kernels"
)

// Resident keeps variables in the memory of a device that has memory of its own, from run to run: those that the plan updates, and the given ones. Without it,
// every run brings all variables to the device and the updated ones back. With it, the values on the host are those of the last Machine.Fetch, and what the
// program writes there reaches the device with Machine.Push, or when another value is bound. On a device that computes in the host's memory it changes
// nothing.
func Resident(nodes ...*gorgonia.Node) Option {
	return func(c *config) {
		c.resident = true
		c.residents = append(c.residents, nodes...)
	}
}

// markResident says which variables stay on the device.
func (m *Machine) markResident() {
	if m.shared || !m.cfg.resident {
		return
	}
	asked := make(map[*gorgonia.Node]bool)
	for _, n := range m.cfg.residents {
		asked[n] = true
	}
	for i := range m.variables {
		v := &m.variables[i]
		v.resident = m.prog.values[v.value].updated || asked[v.node]
	}
}

// Fetch copies the resident variables that the plan updates from the device to the values that are bound to them. It waits for the runs so far.
func (m *Machine) Fetch() error {
	if !m.dirty {
		return nil
	}
	for i := range m.variables {
		v := &m.variables[i]
		if !v.resident || !v.loaded || !m.prog.values[v.value].updated {
			continue
		}
		if err := v.fetch(); err != nil {
			return fmt.Errorf("engine: variable %s: %w", v.node.Name(), err)
		}
	}
	m.dirty = false
	return nil
}

// Push lets the next run bring the values of the resident variables to the device again: the program has changed them. What the plan has updated there is lost
// unless Fetch came before the changes.
func (m *Machine) Push() {
	for i := range m.variables {
		m.variables[i].loaded = false
	}
	m.dirty = false
}

// fetch copies a variable from the device to its value.
func (v *variable) fetch() error {
	raw, err := rawBytes(v.last)
	if err != nil {
		return err
	}
	return v.block.Download(0, raw[:v.block.Bytes()])
}

// recordAfter is the number of plain runs of a path after which it is recorded: most paths of a supernet run once.
const recordAfter = 2

// replay runs a path's calls as one, where the device can record them: after some runs, and as long as nothing in the path is watched or runs on the host.
// done says that they ran.
func (m *Machine) replay(pa *path) (done bool, err error) {
	if pa.plain {
		return false, nil
	}
	submit := func() error { return m.submit(pa) }
	switch {
	case pa.recorded != nil && pa.recordedAt == pa.bound:
	case pa.recorded != nil: // some operand lies elsewhere now
		err = pa.recorded.Update(submit)
	case pa.runs < recordAfter:
		pa.runs++
		return false, nil
	default:
		r, ok := m.device.(kernels.Recorder)
		if !ok || !m.owned || m.cfg.plain || pa.onHost() { // a device that others use, too, would record their calls
			pa.plain = true
			return false, nil
		}
		pa.recorded, err = r.Record(submit)
	}
	if err != nil {
		pa.plain = true // the calls themselves say better what is wrong
		return false, pa.drop()
	}
	pa.recordedAt = pa.bound
	return true, pa.recorded.Run()
}

// onHost says whether some call of the path runs on the host.
func (pa *path) onHost() bool {
	for i := range pa.steps {
		if pa.steps[i].call.role == runHost {
			return true
		}
	}
	return false
}

// drop gives a path's recording back.
func (pa *path) drop() error {
	if pa.recorded == nil {
		return nil
	}
	r := pa.recorded
	pa.recorded = nil
	return r.Free()
}

// dropPaths forgets all paths.
func (m *Machine) dropPaths() error {
	var errs []error
	for _, pa := range m.paths {
		errs = append(errs, pa.drop())
	}
	clear(m.paths)
	return errors.Join(errs...)
}
