package engine

import "palladio/kernels"

// optimise rewrites the program, pass by pass. Each pass leaves a program of the same meaning.
func (m *Machine) optimise() error {
	p := m.prog
	if m.cfg.plain {
		p.eliminateDead()
		p.lowerPrecision(m.cfg.numerics)
		return nil
	}
	p.eliminateDead()
	if err := p.foldConstants(m.device); err != nil {
		return err
	}
	p.simplify()
	p.shareEqual()
	p.eliminateDead()
	p.readThroughCopies()
	p.transposeInProducts()
	p.eliminateDead()
	p.foldNorms()
	p.lowerPrecision(m.cfg.numerics)
	p.fuseEpilogues()
	p.fuseElementwise()
	if m.cfg.remat {
		p.recompute()
	}
	p.collapseAxes()
	return nil
}

// replacement records which values stand for others.
type replacement struct{ by []int32 }

func (p *program) newReplacement() *replacement {
	r := &replacement{make([]int32, len(p.values))}
	for i := range r.by {
		r.by[i] = int32(i)
	}
	return r
}

// find follows the replacements of v.
func (r *replacement) find(v int32) int32 {
	for r.by[v] != v {
		v = r.by[v]
	}
	return v
}

// apply rewrites what c reads.
func (r *replacement) apply(c *call) {
	for j, d := range c.dirs {
		if d != kernels.Out {
			c.args[j] = r.find(c.args[j])
		}
	}
	if c.role == switchCall || c.role == gateCall {
		c.selector = r.find(c.selector)
	}
}

// replace lets by stand for v, unless the user would then look at something else: at a variable that the plan changes.
func (p *program) replace(r *replacement, v, by int32) bool {
	if p.values[v].keep {
		if p.values[by].updated {
			return false
		}
		p.values[by].keep = true
	}
	r.by[v] = by
	return true
}

// finish rewrites the outputs.
func (p *program) finish(r *replacement) {
	for i := range p.outputs {
		p.outputs[i].value = r.find(p.outputs[i].value)
	}
	for _, list := range [][]int32{p.costs, p.saved} {
		for i, v := range list {
			list[i] = r.find(v)
		}
	}
	p.sweep()
}

// updates lists, for each variable that the program changes, the calls that do.
func (p *program) updates() map[int32][]int32 {
	var at map[int32][]int32
	for i := range p.calls {
		c := &p.calls[i]
		for j, d := range c.dirs {
			if d == kernels.InOut {
				if at == nil {
					at = map[int32][]int32{}
				}
				at[c.args[j]] = append(at[c.args[j]], int32(i))
			}
		}
	}
	return at
}

// changedBetween says whether something that c reads changes after call i, up to and with call j: then c cannot move from i to j.
func changedBetween(updates map[int32][]int32, c *call, i, j int32) bool {
	if updates == nil {
		return false
	}
	for k, d := range c.dirs {
		if d == kernels.Out {
			continue
		}
		for _, at := range updates[c.args[k]] {
			if at > i && at <= j {
				return true
			}
		}
	}
	return false
}

// maybeAbsent marks the values that are absent on some paths.
func (p *program) maybeAbsent() (maybe []bool, any bool) {
	maybe = make([]bool, len(p.values))
	for i := range p.calls {
		c := &p.calls[i]
		some, all := c.role == gateCall, true
		for j, d := range c.dirs {
			if d != kernels.Out {
				some = some || maybe[c.args[j]]
				all = all && maybe[c.args[j]]
			}
		}
		if c.role == switchCall || c.role == gateCall {
			any = true
		}
		if c.accumulates || c.addsUp {
			some = all
		}
		if some {
			c.outs(func(v int32) { maybe[v] = true })
		}
	}
	return maybe, any
}
