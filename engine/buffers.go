package engine

import "palladio/kernels"

// align is the alignment of planned buffers: a cache line, and the widest vector.
const align = 64

func alignUp(n int) int { return (n + align - 1) &^ (align - 1) }

// layout is where the values of a list of calls lie in the arena.
type layout struct {
	offset []int // of each value that lies there; -1 for the others
	peak   int
}

// span is a free part of the arena.
type span struct{ off, size int }

// freeList is the free parts of an arena, in order of their offsets; behind the last one all is free.
type freeList struct {
	spans []span
	end   int // where the memory that was ever used ends
}

// take reserves size bytes in the smallest free part that is large enough.
func (f *freeList) take(size int) int {
	best := -1
	for i, s := range f.spans {
		if s.size >= size && (best < 0 || s.size < f.spans[best].size) {
			best = i
		}
	}
	if best >= 0 {
		s := &f.spans[best]
		off := s.off
		s.off += size
		s.size -= size
		if s.size == 0 {
			f.spans = append(f.spans[:best], f.spans[best+1:]...)
		}
		return off
	}
	off := f.end
	if n := len(f.spans); n > 0 && f.spans[n-1].off+f.spans[n-1].size == f.end { // grow the last free part
		off = f.spans[n-1].off
		f.spans = f.spans[:n-1]
	}
	f.end = off + size
	return off
}

// give returns a part, joining it with its free neighbours.
func (f *freeList) give(off, size int) {
	lo, hi := 0, len(f.spans)
	for lo < hi {
		if mid := (lo + hi) / 2; f.spans[mid].off < off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	joinsPrev := lo > 0 && f.spans[lo-1].off+f.spans[lo-1].size == off
	joinsNext := lo < len(f.spans) && off+size == f.spans[lo].off
	switch {
	case joinsPrev && joinsNext:
		f.spans[lo-1].size += size + f.spans[lo].size
		f.spans = append(f.spans[:lo], f.spans[lo+1:]...)
	case joinsPrev:
		f.spans[lo-1].size += size
	case joinsNext:
		f.spans[lo] = span{off, size + f.spans[lo].size}
	default:
		f.spans = append(f.spans, span{})
		copy(f.spans[lo+1:], f.spans[lo:])
		f.spans[lo] = span{off, size}
	}
}

// place lays out the values that the calls of order make. rep maps each value to the one whose memory it shares (itself, mostly), planned
// says which values lie in the arena. Without reuse each value gets memory of its own.
func (p *program) place(order []int32, rep []int32, absent []bool, planned func(v int32) bool, reuse bool) layout {
	last := make([]int32, len(p.values))
	for i, ci := range order {
		for j := range p.calls[ci].args {
			last[p.calls[ci].operand(j, rep, absent)] = int32(i)
		}
	}
	l := layout{offset: make([]int, len(p.values))}
	for i := range l.offset {
		l.offset[i] = -1
	}
	var free freeList
	size := func(v int32) int { return alignUp(max(p.values[v].bytes(), 1)) }
	for i, ci := range order {
		c := &p.calls[ci]
		for j, d := range c.dirs {
			v := c.args[j]
			if d != kernels.Out || rep[v] != v || !planned(v) || l.offset[v] >= 0 {
				continue
			}
			if u := p.overwritable(c, j, i, rep, last, planned, l.offset); reuse && u >= 0 {
				l.offset[v], last[u] = l.offset[u], -1 // the memory is v's now
				continue
			}
			l.offset[v] = free.take(size(v))
		}
		if !reuse {
			continue
		}
		for j := range c.args {
			if v := c.operand(j, rep, absent); last[v] == int32(i) && l.offset[v] >= 0 && planned(v) {
				free.give(l.offset[v], size(v))
				last[v] = -1 // given back once
			}
		}
	}
	l.peak = free.end
	return l
}

// overwritable finds an input of c, dead after it, whose memory output j may take; -1 if there is none.
func (p *program) overwritable(c *call, j, at int, rep, last []int32, planned func(v int32) bool, offset []int) int32 {
	k, ok := c.kernel.(kernels.InPlace)
	if !ok || c.role != runKernel {
		return -1
	}
	out := &p.values[c.args[j]]
next:
	for i, d := range c.dirs {
		u := rep[c.args[i]]
		if d != kernels.In || !planned(u) || last[u] != int32(at) || offset[u] < 0 || p.values[u].bytes() != out.bytes() || !k.MayAlias(j, i) {
			continue
		}
		for o := range c.args { // every other use of the same memory must allow it, too
			if o != i && o != j && rep[c.args[o]] == u && (c.dirs[o] != kernels.In || !k.MayAlias(j, o)) {
				continue next
			}
		}
		return u
	}
	return -1
}
