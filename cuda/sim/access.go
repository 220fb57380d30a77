package sim

import (
	"fmt"
	"math/bits"
	"unsafe"
)

// access is what a load, store or atomic does, beside its registers.
type access struct {
	space  space
	kind   accessKind
	size   uint64 // bytes of a lane
	number int32  // of the access in the program, for the caches of the workers
	wide   bool   // the address register has 64 bits
	based  bool   // there is an address register
	polls  int32  // what it takes of the group's patience: it may see what other threads do meanwhile
	move   mover
	row    rowMover // the same for lanes in a row, or nil
}

// cached is the allocation that an access met last.
type cached struct {
	addr, size uint64
	base       unsafe.Pointer
	readOnly   bool
}

// runAccess executes a load, store or atomic in any space.
func runAccess(w *warp, in *inst, mask uint32) bool {
	m := in.mem
	w.polled += m.polls
	w.addresses(in)
	var unaligned uint64
	if mask == fullMask {
		for _, a := range &w.addr {
			unaligned |= a
		}
	} else {
		for rest := mask; rest != 0; rest &= rest - 1 {
			unaligned |= w.addr[bits.TrailingZeros32(rest)]
		}
	}
	if unaligned&(m.size-1) != 0 {
		if mask = w.misaligned(in, mask); mask == 0 {
			return w.blk.fault == nil
		}
	}
	if m.space != genericSpace {
		return w.accessIn(in, m.space, mask)
	}
	return w.accessGeneric(in, mask)
}

// addresses puts the address of each lane into w.addr.
func (w *warp) addresses(in *inst) {
	m := in.mem
	switch {
	case !m.based:
		for i := range w.addr {
			w.addr[i] = in.imm
		}
	case m.wide:
		for i, a := range w.at(in.a).u64() {
			w.addr[i] = a + in.imm
		}
	default:
		for i, a := range w.at(in.a) {
			w.addr[i] = uint64(a + uint32(in.imm))
		}
	}
}

// misaligned reports the lanes whose address is no multiple of the size, and gives the others. Under the checks, which are told of all lanes, it does neither.
func (w *warp) misaligned(in *inst, mask uint32) uint32 {
	if w.blk.launch.gpu.options.Sanitize {
		return mask
	}
	bad := uint32(0)
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		if w.addr[lane]&(in.mem.size-1) != 0 {
			bad |= 1 << lane
		}
	}
	lane := bits.TrailingZeros32(bad)
	w.fail(in, lane, w.addr[lane], fmt.Sprintf("misaligned %s %s of %d bytes at %#x: want a multiple of %d",
		in.mem.space, in.mem.kind, in.mem.size, w.addr[lane], in.mem.size))
	return 0
}

// accessGeneric splits the lanes by the spaces that their addresses lie in.
func (w *warp) accessGeneric(in *inst, mask uint32) bool {
	var parts [paramSpace + 1]uint32
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		a := w.addr[lane]
		switch {
		case a < globalEnd || a >= paramWindow+paramSpan:
			parts[globalSpace] |= 1 << lane
		case a-sharedWindow < sharedSpan:
			parts[sharedSpace] |= 1 << lane
		case a-localWindow < localSpan:
			parts[localSpace] |= 1 << lane
		case a-paramWindow < paramSpan:
			parts[paramSpace] |= 1 << lane
		default:
			parts[globalSpace] |= 1 << lane
		}
	}
	for s, part := range parts {
		if part == 0 {
			continue
		}
		base := [...]uint64{sharedSpace: sharedWindow, localSpace: localWindow, paramSpace: paramWindow}[s]
		for rest := part; rest != 0 && base != 0; rest &= rest - 1 {
			w.addr[bits.TrailingZeros32(rest)] -= base
		}
		if !w.accessIn(in, space(s), part) {
			return false
		}
	}
	return true
}

// accessIn executes the part of an access that goes to one space; w.addr are addresses or offsets there.
func (w *warp) accessIn(in *inst, s space, mask uint32) bool {
	m := in.mem
	if w.obs != nil {
		all := mask
		mask = w.observe(in, request{s, m.kind, int(m.size), &w.addr, mask})
		if skipped := all &^ mask; skipped != 0 {
			w.zero(in, skipped)
		}
		if mask == 0 {
			return true
		}
	}
	switch s {
	case globalSpace, constSpace:
		return w.accessGlobal(in, mask)
	case sharedSpace:
		if !w.within(in, mask, s, sharedBase, w.blk.sharedEnd) {
			return false
		}
		return m.move(w, in, w.blk.shared, mask)
	case localSpace:
		if !w.within(in, mask, s, localBase, w.blk.prog.localEnd) {
			return false
		}
		stride := w.blk.prog.localEnd
		for i := range w.addr {
			w.addr[i] += uint64(i) * stride
		}
		return m.move(w, in, w.local, mask)
	}
	if !w.within(in, mask, s, 0, uint64(len(w.blk.launch.params))) {
		return false
	}
	if m.kind != loadAccess {
		lane := bits.TrailingZeros32(mask)
		return w.fail(in, lane, w.addr[lane], "write to the parameters of the kernel")
	}
	return m.move(w, in, unsafe.Pointer(unsafe.SliceData(w.blk.launch.params)), mask)
}

// observe tells the observer of an access and gives the lanes that may go on.
func (w *warp) observe(in *inst, r request) uint32 {
	w.request = r // one place, so that nothing is allocated
	return w.obs.access(w, int(in.index), &w.request)
}

// within checks that the offsets lie in [lo, hi).
func (w *warp) within(in *inst, mask uint32, s space, lo, hi uint64) bool {
	size := in.mem.size
	if hi >= lo+size {
		span := hi - lo - size
		ok := true
		for rest := mask; rest != 0; rest &= rest - 1 {
			if w.addr[bits.TrailingZeros32(rest)]-lo > span {
				ok = false
				break
			}
		}
		if ok {
			return true
		}
	}
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		if a := w.addr[lane]; hi < lo+size || a-lo > hi-lo-size {
			return w.fail(in, lane, a, fmt.Sprintf("%s %s of %d bytes at offset %#x: %s", s, in.mem.kind, size, a, w.blk.outside(s, a, lo, hi)))
		}
	}
	return true
}

// accessGlobal resolves global addresses to allocations.
func (w *warp) accessGlobal(in *inst, mask uint32) bool {
	m := in.mem
	c := &w.blk.cache[m.number]
	for {
		part := mask
		if c.size >= m.size {
			span := c.size - m.size
			if mask == fullMask {
				worst := uint64(0)
				for _, a := range &w.addr {
					worst = max(worst, a-c.addr)
				}
				if worst > span {
					part = w.inside(c, mask, span)
				}
			} else {
				part = w.inside(c, mask, span)
			}
		} else {
			part = 0
		}
		if part != 0 {
			if c.readOnly && m.kind != loadAccess && m.kind != copyRead {
				lane := bits.TrailingZeros32(part)
				return w.fail(in, lane, w.addr[lane], "write to constant memory")
			}
			if part == fullMask {
				for i := range w.addr {
					w.addr[i] -= c.addr
				}
			} else {
				for rest := part; rest != 0; rest &= rest - 1 {
					w.addr[bits.TrailingZeros32(rest)] -= c.addr
				}
			}
			if !m.move(w, in, c.base, part) {
				return false
			}
		}
		if mask &^= part; mask == 0 {
			return true
		}
		lane := bits.TrailingZeros32(mask)
		a := w.blk.launch.gpu.find(w.addr[lane], m.size)
		if a == nil {
			return w.fail(in, lane, w.addr[lane], fmt.Sprintf("%s %s of %d bytes at %#x: %s", m.space, m.kind, m.size, w.addr[lane],
				w.blk.launch.gpu.whereabouts(w.addr[lane])))
		}
		*c = cached{a.addr, a.size, a.base, a.readOnly}
	}
}

// inside is the lanes of mask whose addresses lie in the cached allocation.
func (w *warp) inside(c *cached, mask uint32, span uint64) uint32 {
	part := uint32(0)
	for rest := mask; rest != 0; rest &= rest - 1 {
		lane := bits.TrailingZeros32(rest)
		if w.addr[lane]-c.addr <= span {
			part |= 1 << lane
		}
	}
	return part
}

// zero makes the lanes of a load that may not go on read 0.
func (w *warp) zero(in *inst, mask uint32) {
	for i, off := range in.x {
		if i >= len(in.shapes) {
			break
		}
		if in.shapes[i] == wide {
			blend64(w.at(off).u64(), new([lanes]uint64), ^mask)
		} else {
			blend32(w.at(off), new(reg), ^mask)
		}
	}
}
