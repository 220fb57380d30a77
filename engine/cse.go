package engine

import (
	"strconv"

	"palladio/kernels"
)

// shareEqual finds common sub-expressions: of calls with equal kernels and operands only the first stays.
func (p *program) shareEqual() {
	r := p.newReplacement()
	updates := p.updates()
	first := make(map[string]int32, len(p.calls))
	var key []byte
	for i := range p.calls {
		c := &p.calls[i]
		r.apply(c)
		if c.role != runKernel || p.hasEffect(c) {
			continue
		}
		c.key = c.kernel.String()
		key = append(key[:0], c.key...)
		for j, d := range c.dirs {
			if d != kernels.Out {
				key = strconv.AppendInt(append(key, '|'), int64(c.args[j]), 10)
			}
		}
		at, seen := first[string(key)]
		if !seen || changedBetween(updates, c, at, int32(i)) {
			first[string(key)] = int32(i)
			continue
		}
		same := &p.calls[at]
		for j, d := range c.dirs {
			if d == kernels.Out && !p.replace(r, c.args[j], same.args[j]) {
				panic("a result is no variable") // replace refuses variables only
			}
		}
		same.accumulates = same.accumulates || c.accumulates
		c.dead = true
	}
	p.finish(r)
}
