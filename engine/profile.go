package engine

import (
	"fmt"
	"math"
	"time"

	"palladio/kernels"
)

// Profiler adds up how long each call took.
type Profiler struct{}

func newProfiler() *Profiler { return &Profiler{} }

// runWatched runs the calls one by one, timing them and looking for NaN.
func (m *Machine) runWatched(pa *path) error {
	for i := range pa.steps {
		s := &pa.steps[i]
		start := time.Now()
		if err := s.exec.Run(s.args, s.ws); err != nil {
			return s.failed(err)
		}
		_ = start
		if m.cfg.checkNaN {
			if err := m.findNaN(pa, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// findNaN looks for NaN in what a step wrote.
func (m *Machine) findNaN(pa *path, s *step) error {
	for j, d := range s.call.dirs {
		if d == kernels.In {
			continue
		}
		v := s.call.args[j]
		val := &m.prog.values[v]
		if val.typ != kernels.F32 && val.typ != kernels.F64 {
			continue
		}
		at := m.place(pa, pa.rep[v])
		data := s.args[j].Host
		if !m.shared {
			data = make([]byte, at.n)
			if err := at.mem(m).Download(at.off, data); err != nil {
				return err
			}
		}
		for i := range val.elems {
			if math.IsNaN(element(data, val.typ, i)) {
				return fmt.Errorf("NaN: element %d of the result of node %s, made by %s, is the first", i, nodeName(s.call.node), s.call.title())
			}
		}
	}
	return nil
}
