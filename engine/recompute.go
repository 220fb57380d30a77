package engine

// recompute is gradient checkpointing.
func (p *program) recompute(_ *config) {}
