package sim

import (
	"fmt"
	"math/bits"
)

// Races in shared memory. Two accesses to the same bytes by different threads, one of them a write, are a hazard unless a barrier lies between
// them. Order between warps is kept as vector clocks: an access is stamped with the number of barriers that have opened in the block, and warp w knows
// of all accesses of warp v with stamps below known[w][v]. Order within a warp is a count of its barriers and of bar.warp.sync: lanes that
// run together are not ordered by that (threads have their own progress since Volta).

// sharedCell is the last accesses to a granule of shared memory.
type sharedCell struct {
	writeStamp, readStamp uint32 // barriers opened before
	writeClock, readClock uint32 // of the accessing warp
	readers               uint32 // warps that read at readStamp
	writer, reader        int16  // threads; of several readers the last
	writePC, readPC       int32
	written               bool // by anybody, in this block
	atomic                bool // the write
	many                  bool // lanes of the last reader's warp read at readClock
	pending               bool // an asynchronous copy writes it
	raced                 bool // a read came before an unordered write
}

// pendingCopy is the destination of an asynchronous copy of one thread.
type pendingCopy struct {
	first, cells int32
	group        int32 // number of commits of the thread before it
	lane         int32
}

// unwrittenRead is a read of shared memory that nothing had written. Whether a race or the lack of a write is the reason is known at the end of the
// block.
type unwrittenRead struct {
	cell     *sharedCell
	w        *warp
	pc, lane int
	addr     uint64
	size     int
}

// maxUnwritten bounds the reads of unwritten memory that a block remembers.
const maxUnwritten = 1024

// sharedChecks watches the shared memory of a block.
type sharedChecks struct {
	k         *blockChecks
	granule   int
	warps     int
	cells     []sharedCell
	opened    uint32               // barriers
	known     [lanes][lanes]uint32 // by warp and other warp
	clock     [lanes]uint32        // by warp
	arrived   [barriers]uint32     // warps that wait at, or passed by, a barrier that has not opened
	commits   [lanes][lanes]int32  // by warp and lane
	unwritten []unwrittenRead
	copies    [lanes][]pendingCopy // by warp, oldest first
}

func (s *sharedChecks) init(k *blockChecks, bytes, warps int) {
	s.k, s.granule, s.warps = k, k.s.static.granule, warps
	s.cells = make([]sharedCell, ceilDiv(bytes, s.granule))
}

// reset makes the state that of a block which has not begun.
func (s *sharedChecks) reset() {
	clear(s.cells)
	s.opened = 1
	s.known, s.arrived, s.commits, s.clock = [lanes][lanes]uint32{}, [barriers]uint32{}, [lanes][lanes]int32{}, [lanes]uint32{}
	for w := range s.warps {
		s.clock[w] = 1
		s.copies[w] = s.copies[w][:0]
	}
	s.unwritten = s.unwritten[:0]
}

func (s *sharedChecks) arrive(w *warp, id int) { s.arrived[id] |= 1 << w.index }

// release orders what the warps did before the barrier before what they do after it.
func (s *sharedChecks) release(id int) {
	warps := s.arrived[id]
	s.arrived[id] = 0
	s.opened++
	var joint [lanes]uint32
	for m := warps; m != 0; m &= m - 1 {
		for v, n := range &s.known[bits.TrailingZeros32(m)] {
			joint[v] = max(joint[v], n)
		}
	}
	for m := warps; m != 0; m &= m - 1 {
		joint[bits.TrailingZeros32(m)] = s.opened
	}
	for m := warps; m != 0; m &= m - 1 {
		w := bits.TrailingZeros32(m)
		s.known[w] = joint
		s.clock[w]++
	}
}

// access checks the granules that the lanes of mask touch.
func (s *sharedChecks) access(w *warp, pc int, a *request, mask uint32) {
	in := s.k.b.prog.code[pc].src
	if in.Has("volatile") || in.Has("relaxed") || in.Has("acquire") || in.Has("release") {
		s.markWritten(a, mask)
		return // synchronises by itself
	}
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		first := int(a.addr[lane]-sharedBase) / s.granule
		end := ceilDiv(int(a.addr[lane]-sharedBase)+a.size, s.granule)
		for i := first; i < min(end, len(s.cells)); i++ {
			c := &s.cells[i]
			if c.pending {
				s.pendingHazard(w, pc, lane, a, c)
				continue
			}
			switch a.kind {
			case loadAccess, copyRead:
				s.read(w, pc, lane, a, c)
			case copyWrite:
				s.write(w, pc, lane, a, c)
				c.pending = true
			default:
				s.write(w, pc, lane, a, c)
			}
		}
		if a.kind == copyWrite {
			s.copies[w.index] = append(s.copies[w.index], pendingCopy{int32(first), int32(end - first), s.commits[w.index][lane], int32(lane)})
		}
	}
}

func (s *sharedChecks) markWritten(a *request, mask uint32) {
	if a.kind == loadAccess {
		return
	}
	for m := mask; m != 0; m &= m - 1 {
		off := int(a.addr[bits.TrailingZeros32(m)] - sharedBase)
		for i := off / s.granule; i < min(ceilDiv(off+a.size, s.granule), len(s.cells)); i++ {
			s.cells[i].written = true
		}
	}
}

func (s *sharedChecks) read(w *warp, pc, lane int, a *request, c *sharedCell) {
	thread := int16(int(w.index)*lanes + lane)
	switch {
	case !c.written:
		if len(s.unwritten) < maxUnwritten {
			s.unwritten = append(s.unwritten, unwrittenRead{c, w, pc, lane, a.addr[lane], a.size})
		}
	case c.writer != thread && c.writeStamp > 0 && !s.ordered(w, c.writer, c.writeStamp, c.writeClock):
		s.hazard(w, pc, lane, a, "read after write", c.writer, c.writePC)
	}
	me := uint32(1) << w.index
	if c.readStamp != s.opened {
		c.readStamp, c.readers, c.many = s.opened, 0, false
	}
	again := c.readers&me != 0 && c.readClock == s.clock[w.index] && int(c.reader)/lanes == int(w.index)
	c.many = again && (c.many || c.reader != thread)
	c.readers |= me
	c.reader, c.readClock, c.readPC = thread, s.clock[w.index], int32(pc)
}

// done reports the reads of memory that nothing wrote.
func (s *sharedChecks) done() {
	for _, r := range s.unwritten {
		if r.cell.raced {
			continue
		}
		s.k.report(r.w, r.pc, r.lane, InitCheck, "uninitialised shared memory", r.addr, func() string {
			return fmt.Sprintf("load of %d bytes at offset %#x%s, which nothing in this block had written", r.size, r.addr, s.variable(r.addr))
		})
	}
}

func (s *sharedChecks) write(w *warp, pc, lane int, a *request, c *sharedCell) {
	thread := int16(int(w.index)*lanes + lane)
	atomic := a.kind == atomicAccess
	if c.written && c.writer != thread && !(atomic && c.atomic) && c.writeStamp > 0 && !s.ordered(w, c.writer, c.writeStamp, c.writeClock) {
		kind := "write after write"
		if atomic {
			kind = "read after write"
		}
		s.hazard(w, pc, lane, a, kind, c.writer, c.writePC)
	}
	s.readersBefore(w, pc, lane, a, c, thread)
	c.writer, c.writeStamp, c.writeClock, c.writePC = thread, s.opened, s.clock[w.index], int32(pc)
	c.written, c.atomic, c.readers = true, atomic, 0
}

// readersBefore checks a write against the reads before it.
func (s *sharedChecks) readersBefore(w *warp, pc, lane int, a *request, c *sharedCell, thread int16) {
	for m := c.readers; m != 0; m &= m - 1 {
		v := bits.TrailingZeros32(m)
		unordered := c.readStamp >= s.known[w.index][v]
		if v == int(w.index) {
			unordered = int(c.reader)/lanes == v && c.readClock >= s.clock[v] && (c.reader != thread || c.many)
		}
		if unordered {
			reader := c.reader
			if int(reader)/lanes != v {
				reader = int16(v * lanes)
			}
			c.raced = true
			s.hazard(w, pc, lane, a, "write after read", reader, c.readPC)
			return
		}
	}
}

// ordered says whether an access of another thread happened before what warp w does now.
func (s *sharedChecks) ordered(w *warp, thread int16, stamp, clock uint32) bool {
	v := int(thread) / lanes
	if v == int(w.index) {
		return clock < s.clock[v]
	}
	return stamp < s.known[w.index][v]
}

func (s *sharedChecks) hazard(w *warp, pc, lane int, a *request, kind string, other int16, otherPC int32) {
	s.k.report(w, pc, lane, RaceCheck, kind, a.addr[lane], func() string {
		return fmt.Sprintf("shared %s of %d bytes at offset %#x%s; no barrier orders it after the access of thread %v at PTX line %d",
			a.kind, a.size, a.addr[lane], s.variable(a.addr[lane]), s.k.threadOf(other), s.k.lineOf(otherPC))
	})
}

func (s *sharedChecks) pendingHazard(w *warp, pc, lane int, a *request, c *sharedCell) {
	s.k.report(w, pc, lane, RaceCheck, "asynchronous copy", a.addr[lane], func() string {
		return fmt.Sprintf("shared %s of %d bytes at offset %#x%s, which the cp.async of thread %v at PTX line %d still writes: it has not waited for it",
			a.kind, a.size, a.addr[lane], s.variable(a.addr[lane]), s.k.threadOf(c.writer), s.k.lineOf(c.writePC))
	})
}

// variable names the shared variable at an offset.
func (s *sharedChecks) variable(off uint64) string {
	for _, v := range s.k.b.prog.sharedVars {
		if off >= v.addr && off < v.addr+v.size {
			return fmt.Sprintf(" (%s+%d)", v.name, off-v.addr)
		}
	}
	return fmt.Sprintf(" (dynamic+%d)", off-sharedBase-uint64(s.k.b.prog.sharedStatic))
}

// commit closes a group of asynchronous copies of each thread of mask.
func (s *sharedChecks) commit(w *warp, mask uint32) {
	for m := mask; m != 0; m &= m - 1 {
		s.commits[w.index][bits.TrailingZeros32(m)]++
	}
}

// wait makes all but the newest keep groups of asynchronous copies of the threads of mask writes of now; below 0 all copies, committed or not.
func (s *sharedChecks) wait(w *warp, mask uint32, keep int) {
	pending := s.copies[w.index][:0]
	for _, p := range s.copies[w.index] {
		if mask>>p.lane&1 == 0 || keep >= 0 && int(p.group)+keep >= int(s.commits[w.index][p.lane]) {
			pending = append(pending, p)
			continue
		}
		for i := range p.cells {
			if at := int(p.first + i); at < len(s.cells) {
				c := &s.cells[at]
				c.pending = false
				c.writeStamp, c.writeClock = s.opened, s.clock[w.index]
			}
		}
	}
	s.copies[w.index] = pending
}

// threadOf is the index of a thread of the block.
func (k *blockChecks) threadOf(thread int16) [3]int {
	return k.b.warps[int(thread)/lanes].thread(int(thread) % lanes)
}

// lineOf is the line of the PTX of an instruction.
func (k *blockChecks) lineOf(pc int32) int {
	in := k.b.prog.code[pc].src
	if in == nil {
		return 0
	}
	return in.Line
}
