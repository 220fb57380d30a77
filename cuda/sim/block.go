package sim

import (
	"fmt"
	"math/bits"
	"strings"
	"unsafe"
)

// block is a thread block, and what a worker needs to run one; it runs many, one after another.
type block struct {
	launch *launch
	prog   *program
	id     [3]int
	linear int64 // number of the block in the grid

	warps     []*warp
	shared    unsafe.Pointer // its first sharedBase bytes are nobody's
	sharedMem []uint64
	sharedEnd uint64
	barriers  [barriers]barrier
	fault     *Fault
	cache     []cached // by access of the program
	obs       blockObserver
	clock     uint64 // instructions of the block's warps before the one that runs now
	turn      int64  // instructions after which a warp looks up
}

const (
	barriers     = 16
	sharedBase   = 1024 // of each block's shared memory is the system's, as on GPUs of capability 8.0 and later
	localBase    = 64
	sharedPoison = 0xfe // fills shared memory before a block runs: as f32, -1.7e38
)

// barrier is one of a block's barriers.
type barrier struct {
	count   int      // threads of the warps that have arrived
	need    int      // threads that it takes; 0 is all
	arrived []uint32 // by warp: lanes that have arrived, of warps of which others have not
	lanes   int      // that have taken part in the reduction
	ones    int      // of them, with a true predicate
}

// newBlock makes the state of a worker.
func newBlock(p *program) *block {
	return &block{prog: p, cache: make([]cached, p.accesses)}
}

// prepare makes the state fit a launch.
func (b *block) prepare(l *launch) {
	b.launch = l
	b.turn = quantum
	if limit := l.gpu.options.Steps; limit > 0 {
		b.turn = min(b.turn, limit)
	}
	b.fault = nil
	clear(b.cache)
	n := (l.config.Threads() + lanes - 1) / lanes
	for len(b.warps) < n {
		b.warps = append(b.warps, newWarp(b, len(b.warps)))
	}
	b.warps = b.warps[:n]
	b.sharedEnd = sharedBase + uint64(b.prog.sharedStatic) + uint64(l.config.Shared)
	if words := int(b.sharedEnd+15) / 8; len(b.sharedMem) < words {
		b.sharedMem = make([]uint64, words)
	}
	b.shared = unsafe.Pointer(unsafe.SliceData(b.sharedMem))
	for i := range b.barriers {
		if len(b.barriers[i].arrived) < n {
			b.barriers[i].arrived = make([]uint32, n)
		}
	}
	for _, w := range b.warps {
		w.bind(l)
	}
}

// newWarp makes a warp with its registers, the constants in place.
func newWarp(b *block, index int) *warp {
	p := b.prog
	w := &warp{blk: b, index: int32(index), code: p.code, nodes: make([]*callNode, p.calls)}
	w.memory = make([]uint32, p.fileBytes/4+lanes)
	off := -uintptr(unsafe.Pointer(unsafe.SliceData(w.memory))) & 63
	w.file = unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.memory)), off)
	if p.localBytes() > 0 {
		w.localMem = make([]byte, int(p.localEnd)*lanes+8)
		w.local = unsafe.Pointer(unsafe.SliceData(w.localMem))
	}
	for _, c := range p.constants {
		c.fill(w)
	}
	return w
}

// run runs a block of the grid to its end. It says whether all went well.
func (b *block) run(linear int64) bool {
	g := b.launch.config.Grid
	b.linear = linear
	b.id = [3]int{int(linear % int64(g[0])), int(linear / int64(g[0]) % int64(g[1])), int(linear / int64(g[0]) / int64(g[1]))}
	b.clock = 0
	for i := range b.barriers {
		b.barriers[i].reset()
	}
	if n := int(b.sharedEnd - sharedBase); n > 0 {
		s := unsafe.Slice((*byte)(unsafe.Add(b.shared, sharedBase)), n)
		s[0] = sharedPoison
		for done := 1; done < n; done *= 2 {
			copy(s[done:], s[:done])
		}
	}
	b.obs = nil
	if b.launch.observer != nil {
		b.obs = b.launch.observer.block(b)
		defer b.obs.done()
	}
	for _, w := range b.warps {
		w.begin()
	}
	return b.schedule()
}

// schedule runs the warps in turn until all are done.
func (b *block) schedule() bool {
	for {
		progress, left := false, 0
		for _, w := range b.warps {
			if w.alive == 0 {
				continue
			}
			left++
			if w.mask == 0 && w.first() < 0 {
				continue
			}
			progress = true
			if w.mask == 0 {
				w.next()
			}
			before := w.issued
			s := w.run()
			b.clock += uint64(w.issued - before)
			if s == faulted {
				return false
			}
		}
		if left == 0 {
			return true
		}
		if !progress {
			b.deadlock()
			return false
		}
	}
}

// tick is called by a warp now and then: it may have to stop, or to give way.
func (b *block) tick(w *warp) status {
	w.tick = w.issued + b.turn
	if b.launch.stopped(b.linear) {
		return faulted
	}
	if limit := b.launch.gpu.options.Steps; limit > 0 && w.issued-w.before > limit {
		in := &w.code[w.pc]
		w.fail(in, bits.TrailingZeros32(w.mask), 0, fmt.Sprintf("the kernel did not finish: a warp has executed %d instructions", w.issued-w.before))
		return faulted
	}
	if len(b.warps) > 1 {
		return yielded
	}
	return goesOn
}

// reset forgets arrivals.
func (r *barrier) reset() {
	r.count, r.need, r.lanes, r.ones = 0, 0, 0, 0
	clear(r.arrived)
}

// arrive notes that lanes have come to a barrier and says whether it opens. Warps count whole, once all their lanes are there.
func (b *block) arrive(w *warp, id uint32, mask uint32, need int) bool {
	r := &b.barriers[id]
	r.need = need
	r.arrived[w.index] |= mask
	r.settle(w)
	return b.full(r)
}

// settle counts a warp all of whose lanes have arrived.
func (r *barrier) settle(w *warp) {
	if a := r.arrived[w.index]; a != 0 && w.alive&^a == 0 {
		r.count += lanes
		r.arrived[w.index] = 0
	}
}

// full says whether enough warps have arrived.
func (b *block) full(r *barrier) bool {
	if r.need > 0 {
		return r.count >= r.need
	}
	left := 0
	for _, w := range b.warps {
		if w.alive != 0 {
			left += lanes
		}
	}
	return r.count >= left
}

// open lets the groups that wait at a barrier go on.
func (b *block) open(id uint32) {
	r := &b.barriers[id]
	for _, w := range b.warps {
		for i := range w.others {
			g := &w.others[i]
			if g.state == atBarrier && g.id == id {
				if in := &w.code[g.pc]; in.reduces != 0 {
					r.result(w, in, g.mask)
				}
				g.state = ready
				g.pc++
			}
		}
	}
	r.reset()
}

// exited opens the barriers that only waited for threads that have exited.
func (b *block) exited(w *warp) {
	for id := range b.barriers {
		r := &b.barriers[id]
		if r.count == 0 && r.arrived[w.index] == 0 {
			continue
		}
		r.settle(w)
		if b.full(r) {
			if b.obs != nil {
				b.obs.sync(w, int(w.pc), barrierRelease, 0, id, r.need)
			}
			b.open(uint32(id))
		}
	}
}

// deadlock makes the error of a block in which every thread waits.
func (b *block) deadlock() {
	var s strings.Builder
	fmt.Fprintf(&s, "deadlock: every thread that is left waits")
	var first *inst
	shown := 0
	for _, w := range b.warps {
		for _, g := range w.others {
			in := &w.code[g.pc]
			if first == nil {
				first = in
			}
			if shown++; shown > 16 {
				continue
			}
			fmt.Fprintf(&s, "; warp %d lanes %#08x at line %d (%s", w.index, g.mask, in.line(), in.name())
			if g.state == atSync {
				fmt.Fprintf(&s, ", waits for lanes %#08x", g.need)
			} else {
				fmt.Fprintf(&s, ", barrier %d", g.id)
			}
			s.WriteByte(')')
		}
	}
	if shown > 16 {
		fmt.Fprintf(&s, "; and %d more groups", shown-16)
	}
	f := &Fault{Kernel: b.prog.name, Block: b.id, Lane: -1, What: s.String()}
	if first != nil && first.src != nil {
		f.Line, f.Instr, f.Source = first.src.Line, first.src.Name, first.src.Source
	}
	b.fault = f
}

// outside says what lies at an offset of shared or local memory that is out of bounds.
func (b *block) outside(s space, off, lo, hi uint64) string {
	what := fmt.Sprintf("the block has %d bytes of shared memory, at %#x to %#x", hi-lo, lo, hi)
	switch s {
	case localSpace:
		what = fmt.Sprintf("the thread has %d bytes of local memory, at %#x to %#x", hi-lo, lo, hi)
	case paramSpace:
		what = fmt.Sprintf("the kernel has %d bytes of parameters", hi)
	}
	if s == sharedSpace {
		for _, v := range b.prog.sharedVars {
			if off >= v.addr+v.size && off-v.addr-v.size < 64 {
				what += fmt.Sprintf("; %d bytes past the end of %s", off-v.addr-v.size, v.name)
			}
		}
	}
	return what
}

// thread is the index of a lane's thread in the block.
func (w *warp) thread(lane int) [3]int {
	d := w.blk.launch.config.Block
	t := int(w.index)*lanes + lane
	return [3]int{t % d[0], t / d[0] % d[1], t / d[0] / d[1]}
}

// fail stops the block with an error. It is false, what an access that failed gives.
func (w *warp) fail(in *inst, lane int, addr uint64, what string) bool {
	if w.blk.fault != nil {
		return false
	}
	f := &Fault{Kernel: w.blk.prog.name, Block: w.blk.id, Thread: w.thread(lane), Lane: lane, Addr: addr, What: what}
	if in.src != nil {
		f.Line, f.Instr, f.Source = in.src.Line, in.src.Name, in.src.Source
	}
	w.blk.fault = f
	return false
}

// line is where the instruction is in the PTX.
func (in *inst) line() int {
	if in.src == nil {
		return 0
	}
	return in.src.Line
}

// name is the instruction's name.
func (in *inst) name() string {
	if in.src == nil {
		return "bra"
	}
	return in.src.Name
}

// bind makes the warp fit a launch: what is the same for all of its blocks.
func (w *warp) bind(l *launch) {
	w.tick = w.blk.turn
	w.issued, w.threads = 0, 0
	for _, v := range w.blk.prog.values {
		v.set(w, l)
	}
	for _, s := range w.blk.prog.specials {
		s.set(w, l)
	}
}

// begin makes the warp ready for a block.
func (w *warp) begin() {
	p := w.blk.prog
	clear(unsafe.Slice((*uint32)(w.file), p.predicateBytes/4))
	for _, r := range p.unset {
		r.fill(w)
	}
	n := w.blk.launch.config.Threads() - int(w.index)*lanes
	w.alive = fullMask
	if n < lanes {
		w.alive = 1<<n - 1
	}
	w.mask, w.pc, w.depth, w.calls = w.alive, 0, 0, nil
	w.before, w.tick = w.issued, w.issued+w.blk.turn
	w.others = w.others[:0]
	w.patience, w.pinned, w.turn = spinPatience, 0, 0
	w.obs = w.blk.obs
	for _, s := range p.blockSpecials {
		s.set(w, w.blk.launch)
	}
}
