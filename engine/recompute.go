package engine

import (
	"math"

	"palladio/kernels"
)

// rematerialiser rewrites a program so that the backward pass computes again what it needs of the forward pass, from the values
// that stay.
type rematerialiser struct {
	*program
	def     []int32
	forward []bool // of each call: the cost depends on it
	stays   []bool // of each value: it is not to be computed again
	again   map[int32]int32
	updates map[int32][]int32
	out     []call
}

// recompute does gradient checkpointing. The values that stay are the program's saved ones or, without any, those that are live between
// segments of about √n of the n forward calls.
func (p *program) recompute() {
	r := &rematerialiser{program: p, def: p.producers(), forward: p.forwardCalls(), again: map[int32]int32{}, updates: p.updates()}
	r.stays = make([]bool, len(p.values))
	for v := range p.values {
		r.stays[v] = p.values[v].keep || p.values[v].storage != inArena
	}
	for _, v := range p.saved {
		r.stays[v] = true
	}
	if len(p.saved) == 0 {
		r.chooseBoundaries()
	}
	r.out = make([]call, 0, len(p.calls)*3/2)
	for i := range p.calls {
		c := p.calls[i]
		if !r.forward[i] && backward(&c) {
			for j, d := range c.dirs {
				if d == kernels.In {
					c.args[j] = r.fresh(c.args[j], int32(i))
				}
			}
		}
		r.out = append(r.out, c)
	}
	p.calls = r.out
	p.eliminateDead()
}

// backward says whether a call belongs to the gradients or the optimiser.
func backward(c *call) bool { return c.node == nil || isGradient(c.node) }

// forwardCalls marks the calls that the costs depend on.
func (p *program) forwardCalls() []bool {
	needed := make([]bool, len(p.values))
	for _, v := range p.costs {
		needed[v] = true
	}
	forward := make([]bool, len(p.calls))
	for i := len(p.calls) - 1; i >= 0; i-- {
		c := &p.calls[i]
		c.outs(func(v int32) { forward[i] = forward[i] || needed[v] })
		if !forward[i] {
			continue
		}
		for j, d := range c.dirs {
			if d != kernels.Out {
				needed[c.args[j]] = true
			}
		}
	}
	return forward
}

// chooseBoundaries lets the values stay that one segment of the forward pass hands to another.
func (r *rematerialiser) chooseBoundaries() {
	n := 0
	for _, f := range r.forward {
		if f {
			n++
		}
	}
	length := max(int(math.Sqrt(float64(n))), 1)
	segment := make([]int, len(r.calls))
	at := 0
	for i := range r.calls {
		if r.forward[i] {
			segment[i] = at / length
			at++
		}
	}
	for i := range r.calls {
		if !r.forward[i] {
			continue
		}
		for j, d := range r.calls[i].dirs {
			v := r.calls[i].args[j]
			if from := r.def[v]; d == kernels.In && from >= 0 && segment[from] != segment[i] {
				r.stays[v] = true
			}
		}
	}
}

// fresh is v, or the same value computed again before call at.
func (r *rematerialiser) fresh(v, at int32) int32 {
	from := r.def[v]
	if r.stays[v] || from < 0 || !r.forward[from] {
		return v
	}
	if w, ok := r.again[v]; ok {
		return w
	}
	c := r.calls[from]
	if c.role != runKernel || r.hasEffect(&c) || changedBetween(r.updates, &c, from, at) {
		return v
	}
	args := make([]int32, len(c.args))
	for j, d := range c.dirs {
		if d == kernels.In {
			args[j] = r.fresh(c.args[j], at)
		}
	}
	for j, d := range c.dirs {
		if d == kernels.Out {
			old := r.values[c.args[j]]
			args[j] = r.add(value{typ: old.typ, elems: old.elems})
			r.again[c.args[j]] = args[j]
		}
	}
	c.args = args
	r.out = append(r.out, c)
	return args[indexOf(r.calls[from].args, v)]
}

func indexOf(s []int32, v int32) int {
	for i, x := range s {
		if x == v {
			return i
		}
	}
	return -1
}
