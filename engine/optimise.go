package engine

// optimise rewrites the program.
func (m *Machine) optimise() error {
	if m.cfg.plain {
		return nil
	}
	m.prog.eliminateDead()
	return nil
}
