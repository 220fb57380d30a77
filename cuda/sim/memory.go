package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unsafe"
)

// The map of the generic address space. Global memory begins high enough that an address that was cut to 32 bits is wrong; the windows of shared
// and local memory lie above it.
const (
	globalBase   = 0x2000_0000_0000
	globalEnd    = 0x4000_0000_0000
	sharedWindow = 0x5000_0000_0000
	sharedSpan   = 1 << 24
	localWindow  = 0x5100_0000_0000
	localSpan    = 1 << 32
	paramWindow  = 0x5200_0000_0000
	paramSpan    = 1 << 24

	addressUnit = 256     // every allocation is a multiple of it, as a driver's are
	guardGap    = 1 << 16 // bytes that belong to nobody between two allocations
	freedKept   = 4096    // freed allocations that messages can still name
)

// ErrOutOfMemory is wrapped by Alloc's error when the GPU's memory is used up.
var ErrOutOfMemory = errors.New("out of memory")

// allocation is a block of global memory.
type allocation struct {
	addr, size uint64
	data       []byte
	base       unsafe.Pointer // of data
	name       string         // of the variable, for a module's own memory
	readOnly   bool           // a .const variable
	mapped     bool           // data is from the operating system
	shadow     *shadow        // with Options.Sanitize
}

// end is the first address behind the allocation.
func (a *allocation) end() uint64 { return a.addr + a.size }

// describe says where an address lies relative to the allocation.
func (a *allocation) describe(addr uint64) string {
	what := fmt.Sprintf("the allocation of %d bytes at %#x", a.size, a.addr)
	if a.name != "" {
		what = fmt.Sprintf("variable %s (%d bytes at %#x)", a.name, a.size, a.addr)
	}
	switch {
	case addr < a.addr:
		return fmt.Sprintf("%d bytes before %s", a.addr-addr, what)
	case addr < a.end():
		return fmt.Sprintf("%d bytes into %s", addr-a.addr, what)
	}
	return fmt.Sprintf("%d bytes past the end of %s", addr-a.end(), what)
}

// Alloc reserves n bytes of global memory at a multiple of 256. Only bytes that are touched take up the host's memory. The error wraps
// ErrOutOfMemory when the GPU is full.
func (g *GPU) Alloc(n int) (uint64, error) {
	a, err := g.allocate(n, "")
	if err != nil {
		return 0, err
	}
	return a.addr, nil
}

func (g *GPU) allocate(n int, name string) (*allocation, error) {
	if n < 0 {
		return nil, fmt.Errorf("%s: cannot allocate %d bytes", g.chip.Name, n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed
	}
	if int64(n) > g.total-g.used {
		return nil, fmt.Errorf("%s: cannot allocate %d bytes: %d of %d bytes are in use by %d allocations: %w",
			g.chip.Name, n, g.used, g.total, len(g.live), ErrOutOfMemory)
	}
	span := (uint64(n) + addressUnit - 1) / addressUnit * addressUnit
	if g.next+span+guardGap > globalEnd {
		return nil, fmt.Errorf("%s: no addresses are left for %d bytes: %w", g.chip.Name, n, ErrOutOfMemory)
	}
	data, mapped, err := reserve(n)
	if err != nil {
		return nil, fmt.Errorf("%s: the host has no memory for %d bytes (%v): %w", g.chip.Name, n, err, ErrOutOfMemory)
	}
	a := &allocation{addr: g.next, size: uint64(n), data: data, base: unsafe.Pointer(unsafe.SliceData(data)), name: name, mapped: mapped}
	if g.options.Sanitize {
		a.shadow = newShadow(a.size, name != "")
	}
	g.next += span + guardGap + addressUnit // an odd multiple of the unit, so that nothing happens to be aligned to more
	g.used += int64(n)
	g.live = append(g.live, a)
	return a, nil
}

// mappedFrom is the size from which memory comes from the operating system, page by page as it is touched.
const mappedFrom = 1 << 18

// reserve makes n zeroed bytes, aligned to 64.
func reserve(n int) (data []byte, mapped bool, err error) {
	if n >= mappedFrom {
		if data, err := mapPages(n); err == nil {
			return data, true, nil
		} else if !errors.Is(err, errors.ErrUnsupported) {
			return nil, false, err
		}
	}
	b := make([]byte, n+64)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[off : off+n : off+n], false, nil
}

// Free gives an allocation back. It waits for the launches that run.
func (g *GPU) Free(addr uint64) error {
	g.running.Lock()
	defer g.running.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	i, found := g.index(addr)
	if !found || g.live[i].addr != addr || g.live[i].name != "" {
		return fmt.Errorf("%s: free of %#x, where no allocation begins: %s", g.chip.Name, addr, g.nearest(addr))
	}
	return g.drop(i)
}

// drop frees live allocation i. The caller holds both locks.
func (g *GPU) drop(i int) error {
	a := g.live[i]
	g.live = slices.Delete(g.live, i, i+1)
	g.used -= int64(a.size)
	freed := &allocation{addr: a.addr, size: a.size, name: a.name}
	if len(g.freed) == freedKept {
		g.freed = slices.Delete(g.freed, 0, freedKept/2)
	}
	g.freed = append(g.freed, freed)
	data := a.data
	a.data, a.base = nil, nil
	if a.mapped {
		return unmapPages(data)
	}
	return nil
}

// index finds the last live allocation that begins at or before addr. The caller holds the lock.
func (g *GPU) index(addr uint64) (int, bool) {
	i, exact := slices.BinarySearchFunc(g.live, addr, func(a *allocation, addr uint64) int { return cmp.Compare(a.addr, addr) })
	if exact {
		return i, true
	}
	return i - 1, i > 0
}

// find is the live allocation that holds [addr, addr+n), or nil.
func (g *GPU) find(addr uint64, n uint64) *allocation {
	g.mu.RLock()
	defer g.mu.RUnlock()
	i, ok := g.index(addr)
	if !ok {
		return nil
	}
	if a := g.live[i]; n <= a.size && addr-a.addr <= a.size-n {
		return a
	}
	return nil
}

// nearest says what lies around an address that is in no allocation, or in one that is too short. The caller holds the lock.
func (g *GPU) nearest(addr uint64) string {
	switch {
	case addr < 1<<16:
		return "a null pointer"
	case addr >= sharedWindow && addr < sharedWindow+sharedSpan:
		return "an address of shared memory"
	case addr >= localWindow && addr < localWindow+localSpan:
		return "an address of local memory"
	}
	for _, a := range slices.Backward(g.freed) {
		if addr >= a.addr && addr < a.addr+max(a.size, 1) {
			return a.describe(addr) + ", which was freed"
		}
	}
	var best *allocation
	distance := func(a *allocation) uint64 {
		switch {
		case addr < a.addr:
			return a.addr - addr
		case addr >= a.end():
			return addr - a.end()
		}
		return 0
	}
	for _, list := range [][]*allocation{g.live, g.freed} {
		for _, a := range list {
			if best == nil || distance(a) < distance(best) {
				best = a
			}
		}
	}
	if best == nil || distance(best) > 1<<30 {
		return "near no allocation"
	}
	return best.describe(addr)
}

// whereabouts is nearest for callers without the lock.
func (g *GPU) whereabouts(addr uint64) string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.nearest(addr)
}

// bytes is the memory of [addr, addr+n) of one allocation.
func (g *GPU) bytes(verb string, addr uint64, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	a := g.find(addr, uint64(n))
	if a == nil {
		return nil, fmt.Errorf("%s: %s of %d bytes at %#x: %s", g.chip.Name, verb, n, addr, g.whereabouts(addr))
	}
	off := addr - a.addr
	return a.data[off : off+uint64(n)], nil
}

// Write copies from the host into global memory.
func (g *GPU) Write(addr uint64, src []byte) error {
	dst, err := g.bytes("write", addr, len(src))
	copy(dst, src)
	g.hostWrote(addr, len(dst))
	return err
}

// Read copies from global memory to the host.
func (g *GPU) Read(addr uint64, dst []byte) error {
	src, err := g.bytes("read", addr, len(dst))
	copy(dst, src)
	return err
}

// Fill writes the low size bytes (1, 2 or 4) of pattern count times; addr must be a multiple of size.
func (g *GPU) Fill(addr uint64, pattern uint32, size, count int) error {
	if size != 1 && size != 2 && size != 4 || addr%uint64(size) != 0 || count < 0 || count > 1<<62/size {
		return fmt.Errorf("%s: fill of %d elements of %d bytes at %#x: want elements of 1, 2 or 4 bytes at a multiple of their size", g.chip.Name, count, size, addr)
	}
	dst, err := g.bytes("fill", addr, size*count)
	if err != nil || len(dst) == 0 {
		return err
	}
	g.hostWrote(addr, len(dst))
	for i := range size {
		dst[i] = byte(pattern >> (8 * i))
	}
	for done := size; done < len(dst); done *= 2 {
		copy(dst[done:], dst[:done])
	}
	return nil
}

// Copy copies n bytes within global memory; the parts may overlap.
func (g *GPU) Copy(dst, src uint64, n int) error {
	to, err := g.bytes("copy", dst, n)
	if err != nil {
		return err
	}
	from, err := g.bytes("copy", src, n)
	copy(to, from)
	g.hostCopied(dst, src, len(from))
	return err
}

// MemoryInfo is the bytes that are free, and all there are.
func (g *GPU) MemoryInfo() (free, total int64) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.total - g.used, g.total
}
