package sim

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// shadow is what the checks know of an allocation: which bytes were written, and by which block of the running launch.
type shadow struct {
	pages []atomic.Pointer[shadowPage] // nil where no access was
	whole bool                         // all bytes are written before anything happens, as a module's variables are
}

const shadowPageBytes = 4096

// shadowPage is a part of it.
type shadowPage struct {
	mu      sync.Mutex
	written [shadowPageBytes / 64]uint64
	stamp   uint32  // number of the launch that writer is about
	writer  []int32 // by byte: number of the block + 1; nil until a launch writes here
	pc      []int32 // of the write
}

func newShadow(size uint64, whole bool) *shadow {
	return &shadow{make([]atomic.Pointer[shadowPage], (size+shadowPageBytes-1)/shadowPageBytes), whole}
}

// hostWrote tells the checks that the host wrote n bytes, which lie in one allocation.
func (g *GPU) hostWrote(addr uint64, n int) {
	if !g.options.Sanitize || n == 0 {
		return
	}
	if a := g.find(addr, uint64(n)); a != nil {
		a.shadow.hostWrote(addr-a.addr, uint64(n))
	}
}

// hostCopied tells the checks that the host copied n bytes.
func (g *GPU) hostCopied(dst, src uint64, n int) {
	if !g.options.Sanitize || n == 0 {
		return
	}
	to, from := g.find(dst, uint64(n)), g.find(src, uint64(n))
	if to != nil && from != nil {
		to.shadow.hostCopied(dst-to.addr, from.shadow, src-from.addr, uint64(n))
	}
}

// page is the page of a byte.
func (s *shadow) page(off uint64) *shadowPage {
	p := &s.pages[off/shadowPageBytes]
	if q := p.Load(); q != nil {
		return q
	}
	q := new(shadowPage)
	if s.whole {
		q.mark(0, shadowPageBytes)
	}
	p.CompareAndSwap(nil, q)
	return p.Load()
}

// hostWrote marks bytes that the host wrote.
func (s *shadow) hostWrote(off, n uint64) {
	for n > 0 {
		p := s.page(off)
		at := off % shadowPageBytes
		part := min(n, shadowPageBytes-at)
		p.mu.Lock()
		p.mark(at, part)
		p.mu.Unlock()
		off += part
		n -= part
	}
}

// hostCopied marks bytes of which the host copied those of another allocation: they are as initialised as those.
func (s *shadow) hostCopied(off uint64, from *shadow, at, n uint64) {
	for i := range n {
		if p := from.page(at + i); p.has((at + i) % shadowPageBytes) {
			s.hostWrote(off+i, 1)
		}
	}
}

func (p *shadowPage) mark(at, n uint64) {
	for n > 0 {
		word, bit := at/64, at%64
		part := min(n, 64-bit)
		p.written[word] |= (1<<part - 1) << bit
		at += part
		n -= part
	}
}

// has says whether a byte was written.
func (p *shadowPage) has(at uint64) bool { return p.written[at/64]>>(at%64)&1 != 0 }

// unwritten is the first byte of [at, at+n) that nothing wrote.
func (p *shadowPage) unwritten(at, n uint64) (uint64, bool) {
	for i := at; i < at+n; i++ {
		if !p.has(i) {
			return i, true
		}
	}
	return 0, false
}

// global checks an access to global or constant memory, and gives the lanes for which it can be done. An access is aligned to its size, and so lies in
// one page.
func (k *blockChecks) global(w *warp, pc int, a *request, mask uint32) uint32 {
	bad := uint32(0)
	var page *shadowPage
	var base uint64 // address of the page
	defer func() {
		if page != nil {
			page.mu.Unlock()
		}
	}()
	for m := mask; m != 0; m &= m - 1 {
		lane := bits.TrailingZeros32(m)
		addr := a.addr[lane]
		if !k.met(addr, uint64(a.size)) {
			bad |= 1 << lane
			continue
		}
		if k.last.shadow == nil || a.space == constSpace {
			continue
		}
		if off := addr - k.last.addr; page == nil || addr-base >= shadowPageBytes || off-off%shadowPageBytes+k.last.addr != base {
			if page != nil {
				page.mu.Unlock()
			}
			page = k.last.shadow.page(off)
			base = addr - off%shadowPageBytes
			page.mu.Lock()
		}
		k.globalBytes(w, pc, lane, a, page, addr-base)
	}
	if bad != 0 {
		lane := bits.TrailingZeros32(bad)
		addr := a.addr[lane]
		kind := "out of bounds"
		if k.s.gpu.isFreed(addr) {
			kind = "use after free"
		}
		k.report(w, pc, lane, MemCheck, kind, addr, func() string {
			if in := k.s.gpu.find(addr, 1); in != nil {
				return fmt.Sprintf("%s %s of %d bytes at %#x: it begins %s", a.space, a.kind, a.size, addr, in.describe(addr))
			}
			return fmt.Sprintf("%s %s of %d bytes at %#x: %s", a.space, a.kind, a.size, addr, k.s.gpu.whereabouts(addr))
		})
	}
	return mask &^ bad
}

// met says whether an access lies within an allocation, which becomes k.last.
func (k *blockChecks) met(addr, size uint64) bool {
	if l := k.last; l == nil || addr-l.addr > l.size || l.size-(addr-l.addr) < size {
		found := k.s.gpu.find(addr, size)
		if found == nil {
			return false
		}
		k.last = found
	}
	return true
}

// globalBytes checks one lane's bytes of a locked page.
func (k *blockChecks) globalBytes(w *warp, pc, lane int, a *request, p *shadowPage, at uint64) {
	n := uint64(a.size)
	if a.kind != storeAccess {
		if i, missing := p.unwritten(at, n); missing {
			addr, last := a.addr[lane], k.last
			k.report(w, pc, lane, InitCheck, "uninitialised global memory", addr, func() string {
				return fmt.Sprintf("%s of %d bytes at %#x, of which nothing wrote byte %d; it is %s", a.kind, a.size, addr, i-at, last.describe(addr))
			})
			p.mark(at, n) // once is enough
		}
	}
	if a.kind == loadAccess || a.kind == copyRead {
		return
	}
	p.mark(at, n)
	if a.kind != storeAccess || k.s.ordered(pc) {
		return
	}
	if p.stamp != k.s.stamp || p.writer == nil {
		if p.writer == nil {
			p.writer, p.pc = make([]int32, shadowPageBytes), make([]int32, shadowPageBytes)
		}
		clear(p.writer)
		p.stamp = k.s.stamp
	}
	me := int32(k.b.linear) + 1
	for i := at; i < at+n; i++ {
		if other := p.writer[i]; other != 0 && other != me {
			addr, last, line := a.addr[lane], k.last, k.lineOf(p.pc[i])
			k.report(w, pc, lane, RaceCheck, "two blocks write", addr, func() string {
				return fmt.Sprintf("%s of %d bytes at %#x, which block number %d wrote in the same launch at PTX line %d; it is %s",
					a.kind, a.size, addr, other-1, line, last.describe(addr))
			})
		}
		p.writer[i], p.pc[i] = me, int32(pc)
	}
}

// ordered says whether a store is one that synchronises.
func (s *sanitizer) ordered(pc int) bool {
	in := s.prog.code[pc].src
	return in.Has("release") || in.Has("relaxed") || in.Has("volatile")
}

// isFreed says whether an address lies in an allocation that was freed.
func (g *GPU) isFreed(addr uint64) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, a := range g.freed {
		if addr-a.addr < max(a.size, 1) {
			return true
		}
	}
	return false
}
