package sim

import (
	"fmt"
	"math/bits"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// Threads of a warp that diverge become groups, each with its own place. The group with the deepest call and, in it, the smallest pc runs, and groups
// that stand at the same place join. The decoder lays blocks out so that every loop is contiguous and all paths to a block come before
// it (see order.go); the group that is behind in that order is then always the one that the others have to wait for, and threads join at the
// post-dominator of their branch or earlier (Diamos et al., SIMD Re-Convergence at Thread Frontiers, MICRO 2011). Unlike a stack of
// post-dominators, it lets threads of one warp wait for each other: a group that waits is passed over, and one that spins gives way
// after a while.

// callNode is the way back from a call; equal ways are equal by value.
type callNode struct {
	site   *callSite
	back   int32
	parent *callNode
}

// same says whether two ways back are equal.
func (c *callNode) same(d *callNode) bool {
	for c != d {
		if c == nil || d == nil || c.back != d.back || c.site != d.site {
			return false
		}
		c, d = c.parent, d.parent
	}
	return true
}

const (
	spinPatience = 1 << 16 // control instructions until a group that others wait behind gives way
	lockCost     = 1 << 9  // of these, that the attempt to take a lock counts for
	pollCost     = 1 << 4  // and a look at what other threads may change
	pinnedTurn   = 1 << 12 // control instructions for which it then gives way
	quantum      = 1 << 16 // instructions until a warp gives way to the others of its block
	maxDepth     = 64      // of calls
)

// diverge sends the lanes of taken to the branch's target and the others on, and gives where the first of the two goes on.
func (w *warp) diverge(in *inst, taken uint32) int32 {
	w.polled = 0
	w.others = append(w.others, group{mask: w.mask &^ taken, pc: in.other, depth: w.depth, calls: w.calls, turn: w.turn})
	w.mask = taken
	return in.target
}

// look is where a warp considers whether it goes on, and with which of its groups. The running group's place is in w. A warp that gives way has chosen
// before: it goes on with that group later.
func (w *warp) look() status {
	s := goesOn
	if w.issued >= w.tick {
		if s = w.blk.tick(w); s == faulted {
			return s
		}
	}
	if len(w.others) > 0 {
		w.choose()
	}
	return s
}

// choose makes the group that is to run the running one.
func (w *warp) choose() {
	w.join()
	if w.pinned > 0 {
		w.pinned--
		return
	}
	best := w.first()
	if best < 0 {
		return
	}
	g := &w.others[best]
	if g.depth > w.depth || g.depth == w.depth && g.pc < w.pc {
		w.swap(best)
		w.join()
		return
	}
	w.patience -= 1 + w.polled
	w.polled = 0
	if w.patience > 0 {
		return
	}
	w.patience = spinPatience
	if oldest := w.longest(); oldest >= 0 {
		w.swap(oldest)
		w.pinned = pinnedTurn
	}
}

// join adds the groups that stand where the running one does.
func (w *warp) join() {
	for i := 0; i < len(w.others); {
		g := &w.others[i]
		if g.state == ready && g.pc == w.pc && g.depth == w.depth && g.calls.same(w.calls) {
			w.mask |= g.mask
			w.drop(i)
			continue
		}
		i++
	}
}

// drop forgets group i.
func (w *warp) drop(i int) {
	last := len(w.others) - 1
	w.others[i] = w.others[last]
	w.others[last].calls = nil
	w.others = w.others[:last]
}

// first is the group among the others that can run and comes first in order, or -1.
func (w *warp) first() int {
	best := -1
	for i := range w.others {
		g := &w.others[i]
		if g.state != ready {
			continue
		}
		if best < 0 || g.depth > w.others[best].depth || g.depth == w.others[best].depth && g.pc < w.others[best].pc {
			best = i
		}
	}
	return best
}

// longest is the group that can run and has not run for the longest time, or -1.
func (w *warp) longest() int {
	best := -1
	for i := range w.others {
		if w.others[i].state == ready && (best < 0 || w.others[i].turn < w.others[best].turn) {
			best = i
		}
	}
	return best
}

// swap exchanges the running group with group i.
func (w *warp) swap(i int) {
	g := w.others[i]
	w.turn++
	w.others[i] = group{mask: w.mask, pc: w.pc, depth: w.depth, calls: w.calls, turn: w.turn}
	w.take(g)
}

// take makes a group the running one.
func (w *warp) take(g group) {
	w.mask, w.pc, w.depth, w.calls = g.mask, g.pc, g.depth, g.calls
	w.patience, w.pinned, w.polled = spinPatience, 0, 0
}

// next runs another group, because the running one is gone or waits.
func (w *warp) next() status {
	w.mask = 0
	i := w.first()
	if i < 0 {
		if w.alive == 0 {
			return finished
		}
		return blocked
	}
	g := w.others[i]
	w.drop(i)
	w.take(g)
	w.join()
	return goesOn
}

// wait parks the running group.
func (w *warp) wait(g group) status {
	w.turn++
	g.mask, g.pc, g.depth, g.calls, g.turn = w.mask, w.pc, w.depth, w.calls, w.turn
	w.others = append(w.others, g)
	return w.next()
}

// exitControl ends the running threads.
func exitControl(w *warp, in *inst) status {
	w.exit(w.mask)
	return w.next()
}

// exit ends threads.
func (w *warp) exit(mask uint32) {
	w.alive &^= mask
	w.blk.exited(w)
	if len(w.others) > 0 {
		w.settle()
	}
}

// trapControl ends the kernel.
func trapControl(w *warp, in *inst) status {
	w.fail(in, bits.TrailingZeros32(w.mask), 0, "the kernel trapped")
	return faulted
}

// callSite is a call: what it calls, and how parameters and results go there and back.
type callSite struct {
	targets []callTarget // one, or all that a call through a register may reach
	args    []ptx.Operand
	results []ptx.Operand
	number  int32 // among the calls of the program
}

// callTarget is a function that a call may reach.
type callTarget struct {
	handle  uint64 // value of a pointer to it
	entry   int32  // its pc
	args    []transfer
	results []transfer
}

// transfer copies a parameter between the caller and the callee: a part of local memory or a register at either end.
type transfer struct {
	from, to       uint32 // offset in local memory, or of the register
	fromReg, toReg bool
	size           uint32 // bytes
	shape          shape
}

// callControl calls a function; through a register, each group of lanes that calls the same one.
func callControl(w *warp, in *inst) status {
	site := in.call
	target := &site.targets[0]
	if in.a != 0 {
		handles := w.at(in.a).u64()
		lane := bits.TrailingZeros32(w.mask)
		target = nil
		for i := range site.targets {
			if site.targets[i].handle == handles[lane] {
				target = &site.targets[i]
			}
		}
		if target == nil {
			w.fail(in, lane, handles[lane], fmt.Sprintf("call through %#x, which is no function of the module that it may reach", handles[lane]))
			return faulted
		}
		same := uint32(0)
		for l, h := range handles {
			if h == handles[lane] {
				same |= 1 << l
			}
		}
		if rest := w.mask &^ same; rest != 0 { // they come to this call again
			w.others = append(w.others, group{mask: rest, pc: w.pc, depth: w.depth, calls: w.calls, turn: w.turn})
			w.mask &= same
		}
	}
	if w.depth >= maxDepth {
		w.fail(in, bits.TrailingZeros32(w.mask), 0, fmt.Sprintf("more than %d calls deep", maxDepth))
		return faulted
	}
	w.transfer(target.args)
	node := w.nodes[site.number]
	if node == nil || node.parent != w.calls { // ways back never change, so that one serves every call from here
		node = &callNode{site, w.pc, w.calls}
		w.nodes[site.number] = node
	}
	w.calls = node
	w.depth++
	w.pc = target.entry
	return w.look()
}

// retControl returns from a function.
func retControl(w *warp, in *inst) status {
	if w.calls == nil {
		return exitControl(w, in)
	}
	node := w.calls
	for i := range node.site.targets {
		if t := &node.site.targets[i]; t.entry == in.target {
			w.transfer(t.results)
		}
	}
	w.pc, w.calls = node.back+1, node.parent
	w.depth--
	return w.look()
}

// transfer copies parameters or results for the running lanes.
func (w *warp) transfer(list []transfer) {
	stride := uintptr(w.blk.prog.localEnd)
	for _, t := range list {
		for rest := w.mask; rest != 0; rest &= rest - 1 {
			lane := uintptr(bits.TrailingZeros32(rest))
			from, to := w.place(t.from, t.fromReg, t.shape, lane, stride), w.place(t.to, t.toReg, t.shape, lane, stride)
			copy(unsafe.Slice((*byte)(to), t.size), unsafe.Slice((*byte)(from), t.size))
		}
	}
}

// place is a lane's bytes of a register, or of local memory.
func (w *warp) place(off uint32, register bool, s shape, lane, stride uintptr) unsafe.Pointer {
	switch {
	case !register:
		return unsafe.Add(w.local, lane*stride+uintptr(off))
	case s == wide:
		return unsafe.Add(w.file, uintptr(off)+8*lane)
	}
	return unsafe.Add(w.file, uintptr(off)+4*lane)
}

// jumpTable executes brx.idx: lanes go where their index says.
func jumpTable(w *warp, in *inst) status {
	index := w.at(in.a)
	lane := bits.TrailingZeros32(w.mask)
	i := index[lane]
	if int(i) >= len(in.x) {
		w.fail(in, lane, uint64(i), fmt.Sprintf("index %d of a branch with %d targets", i, len(in.x)))
		return faulted
	}
	same := uint32(0)
	for l, v := range index {
		if v == i {
			same |= 1 << l
		}
	}
	if rest := w.mask &^ same; rest != 0 {
		w.others = append(w.others, group{mask: rest, pc: w.pc, depth: w.depth, calls: w.calls, turn: w.turn})
		w.mask &= same
	}
	w.pc = int32(in.x[i])
	return w.look()
}
