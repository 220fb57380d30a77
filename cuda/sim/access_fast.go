package sim

import (
	"math/bits"
	"unsafe"
)

// extent is what an access of all lanes looks like.
type extent struct {
	bits   uint64 // all offsets, or-ed: their low bits show the alignment
	bad    uint64 // the top bit is set when an offset is out of bounds
	uneven uint64 // 0 when lane i accesses the i-th piece from the first
}

// measureWide puts the offsets a + k of all lanes into addr, and looks at them: they should lie in [lo, lo+span], and may be pieces of the given
// size in a row. span is less than 1<<63.
func measureWide(e *extent, addr, a *[lanes]uint64, k, lo, span, size uint64) {
	if useAVX2 {
		measureWideAVX2(e, addr, a, k, lo, span, size)
		return
	}
	*e = extent{}
	row := a[0] + k
	for i, v := range a {
		v += k
		addr[i] = v
		e.add(v, row, lo, span)
		row += size
	}
}

// measureNarrow is measureWide for addresses of 32 bits.
func measureNarrow(e *extent, addr *[lanes]uint64, a *reg, k uint32, lo, span, size uint64) {
	if useAVX2 {
		measureNarrowAVX2(e, addr, a, k, lo, span, size)
		return
	}
	*e = extent{}
	row := uint64(a[0] + k)
	for i, n := range a {
		v := uint64(n + k)
		addr[i] = v
		e.add(v, row, lo, span)
		row += size
	}
}

// add looks at one offset.
func (e *extent) add(v, row, lo, span uint64) {
	e.bits |= v
	e.uneven |= v ^ row
	v -= lo
	e.bad |= v | (span - v)
}

// gather puts the addresses of the lanes of mask into w.addr, and for the others that of one of them, which they will not use.
func (w *warp) gather(in *inst, mask uint32) {
	first := bits.TrailingZeros32(mask)
	if in.mem.wide {
		a := w.at(in.a).u64()
		gatherWide(&w.addr, a, a[first], mask)
		return
	}
	a, k := w.at(in.a), uint32(in.imm)
	gatherNarrow(&w.addr, a, uint64(a[first]+k), k, mask)
}

// gatherWide takes the lanes of mask from a, and the others from other.
func gatherWide(addr, a *[lanes]uint64, other uint64, mask uint32) {
	if useAVX2 {
		gatherWideAVX2(addr, a, other, mask)
		return
	}
	for i, v := range a {
		keep := uint64(int64(int32(mask<<(31-i)) >> 31))
		addr[i] = v&keep | other&^keep
	}
}

// gatherNarrow is gatherWide for a + k of 32 bits.
func gatherNarrow(addr *[lanes]uint64, a *reg, other uint64, k, mask uint32) {
	if useAVX2 {
		gatherNarrowAVX2(addr, a, other, k, mask)
		return
	}
	for i, v := range a {
		keep := uint64(int64(int32(mask<<(31-i)) >> 31))
		addr[i] = uint64(v+k)&keep | other&^keep
	}
}

// runFast executes a load or a store that stays within one allocation, or within shared or local memory. Everything else, and what is wrong,
// is left to runAccess.
func runFast(w *warp, in *inst, mask uint32) bool {
	m := in.mem
	if w.obs != nil {
		return runAccess(w, in, mask)
	}
	var base unsafe.Pointer
	var k, lo, span uint64
	switch m.space {
	case sharedSpace:
		base, k, lo = w.blk.shared, in.imm, sharedBase
		if span = w.blk.sharedEnd - sharedBase; span < m.size {
			return runAccess(w, in, mask)
		}
		span -= m.size
	case localSpace:
		base, k, lo = w.local, in.imm, localBase
		span = w.blk.prog.localEnd - localBase - m.size
	default:
		c := &w.blk.cache[m.number]
		if c.size < m.size || c.readOnly && m.kind != loadAccess {
			return runAccess(w, in, mask)
		}
		base, k, span = c.base, in.imm-c.addr, c.size-m.size
	}
	e := &w.extent
	switch {
	case mask != fullMask:
		if w.gather(in, mask); !m.wide {
			k -= in.imm
		}
		measureWide(e, &w.addr, &w.addr, k, lo, span, m.size)
	case m.wide:
		measureWide(e, &w.addr, w.at(in.a).u64(), k, lo, span, m.size)
	default:
		measureNarrow(e, &w.addr, w.at(in.a), uint32(k), lo, span, m.size)
	}
	if int64(e.bad) < 0 || e.bits&(m.size-1) != 0 {
		return runAccess(w, in, mask)
	}
	w.polled += m.polls
	if m.space == localSpace {
		stride := w.blk.prog.localEnd
		for i := range w.addr {
			w.addr[i] += uint64(i) * stride
		}
	} else if e.uneven == 0 && m.row != nil && mask == fullMask {
		m.row(w, in, unsafe.Add(base, w.addr[0]))
		return true
	}
	return m.move(w, in, base, mask)
}

// rowMover does the work of an access whose lanes follow each other from p on.
type rowMover func(w *warp, in *inst, p unsafe.Pointer)

func loadRow32(w *warp, in *inst, p unsafe.Pointer) { *w.at(in.x[0]) = *(*reg)(p) }
func loadRow64(w *warp, in *inst, p unsafe.Pointer) {
	*w.at(in.x[0]).u64() = *(*[lanes]uint64)(p)
}
func storeRow32(w *warp, in *inst, p unsafe.Pointer) { *(*reg)(p) = *w.at(in.x[0]) }
func storeRow64(w *warp, in *inst, p unsafe.Pointer) {
	*(*[lanes]uint64)(p) = *w.at(in.x[0]).u64()
}

func loadRow32x2(w *warp, in *inst, p unsafe.Pointer) {
	a, b, from := w.at(in.x[0]), w.at(in.x[1]), (*[lanes][2]uint32)(p)
	for i := range from {
		a[i], b[i] = from[i][0], from[i][1]
	}
}

func loadRow32x4(w *warp, in *inst, p unsafe.Pointer) {
	a, b, c, d := w.at(in.x[0]), w.at(in.x[1]), w.at(in.x[2]), w.at(in.x[3])
	for i := range (*[lanes][4]uint32)(p) {
		from := &(*[lanes][4]uint32)(p)[i]
		a[i], b[i], c[i], d[i] = from[0], from[1], from[2], from[3]
	}
}

func loadRow64x2(w *warp, in *inst, p unsafe.Pointer) {
	a, b, from := w.at(in.x[0]).u64(), w.at(in.x[1]).u64(), (*[lanes][2]uint64)(p)
	for i := range from {
		a[i], b[i] = from[i][0], from[i][1]
	}
}

func storeRow32x2(w *warp, in *inst, p unsafe.Pointer) {
	a, b, to := w.at(in.x[0]), w.at(in.x[1]), (*[lanes][2]uint32)(p)
	for i := range to {
		to[i] = [2]uint32{a[i], b[i]}
	}
}

func storeRow32x4(w *warp, in *inst, p unsafe.Pointer) {
	a, b, c, d, to := w.at(in.x[0]), w.at(in.x[1]), w.at(in.x[2]), w.at(in.x[3]), (*[lanes][4]uint32)(p)
	for i := range to {
		to[i] = [4]uint32{a[i], b[i], c[i], d[i]}
	}
}

func storeRow64x2(w *warp, in *inst, p unsafe.Pointer) {
	a, b, to := w.at(in.x[0]).u64(), w.at(in.x[1]).u64(), (*[lanes][2]uint64)(p)
	for i := range to {
		to[i] = [2]uint64{a[i], b[i]}
	}
}

// rowLoader and rowStorer are what moves n elements of size bytes a lane between registers of a shape and memory in a row, or nil.
func rowLoader(size, n int, s shape) rowMover {
	switch {
	case size == 4 && s == narrow:
		return map[int]rowMover{1: loadRow32, 2: loadRow32x2, 4: loadRow32x4}[n]
	case size == 8 && s == wide:
		return map[int]rowMover{1: loadRow64, 2: loadRow64x2}[n]
	}
	return nil
}

func rowStorer(size, n int, s shape) rowMover {
	switch {
	case size == 4 && s == narrow:
		return map[int]rowMover{1: storeRow32, 2: storeRow32x2, 4: storeRow32x4}[n]
	case size == 8 && s == wide:
		return map[int]rowMover{1: storeRow64, 2: storeRow64x2}[n]
	}
	return nil
}
