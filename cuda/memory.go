package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"palladio/kernels"
)

// memory is a block of a device's memory.
type memory struct {
	d          *Device
	addr       uint64
	n          int
	label      string
	generation int64 // of the context that it lies in
	ours       bool  // of a prepared kernel, not of a caller of Alloc
	freed      bool
}

// Alloc reserves memory aligned to 256 bytes.
func (d *Device) Alloc(bytes int) (kernels.Memory, error) { return d.AllocLabelled(bytes, "unnamed") }

// AllocLabelled is Alloc; the message of a later allocation that finds too little memory names the label.
func (d *Device) AllocLabelled(bytes int, label string) (kernels.Memory, error) {
	return d.allocate(bytes, label, false)
}

func (d *Device) allocate(bytes int, label string, ours bool) (kernels.Memory, error) {
	if bytes < 0 {
		return nil, fmt.Errorf("%s: allocation of %d bytes for %s", d.name, bytes, label)
	}
	g, err := d.current()
	if err != nil {
		return nil, err
	}
	m := &memory{d: d, n: bytes, label: label, ours: ours, generation: d.generation.Load()}
	if m.addr, err = g.alloc(max(bytes, 1)); err != nil {
		return nil, d.outOfMemory(g, bytes, label, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks[m] = struct{}{}
	h := d.holdings[label]
	if h == nil {
		h = &Holding{Label: label}
		d.holdings[label] = h
	}
	h.Bytes += int64(bytes)
	h.Count++
	d.held += int64(bytes)
	d.peak = max(d.peak, d.held)
	return m, nil
}

// outOfMemory explains an allocation that failed, if it is for want of memory.
func (d *Device) outOfMemory(g gpu, bytes int, label string, err error) error {
	if !errors.Is(err, ErrOutOfMemory) {
		return d.failed(g, err)
	}
	e := &MemoryError{Device: d.name, Asked: int64(bytes), Label: label}
	e.Free, e.Total, e.Cached, _ = g.memory() // the message is better than none without it
	d.mu.Lock()
	defer d.mu.Unlock()
	e.Held, e.Largest = d.held, d.largest(5)
	return e
}

// largest lists the labels that hold most.
func (d *Device) largest(n int) []Holding {
	var hs []Holding
	for _, h := range d.holdings {
		if h.Bytes > 0 {
			hs = append(hs, *h)
		}
	}
	slices.SortFunc(hs, func(a, b Holding) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Label, b.Label)) })
	return hs[:min(n, len(hs))]
}

// Statistics describe a device's memory.
type Statistics struct {
	Held, Peak  int64     // allocated here now, and most at any time
	Free, Total int64     // of the driver
	Cached      int64     // freed, and kept for later allocations
	Largest     []Holding // by label

	Uploaded, Downloaded int64 // bytes that went between host and device so far, without tables and code
}

// Statistics says what holds the device's memory.
func (d *Device) Statistics() (Statistics, error) {
	g, err := d.current()
	if err != nil {
		return Statistics{}, err
	}
	var s Statistics
	if s.Free, s.Total, s.Cached, err = g.memory(); err != nil {
		return s, d.failed(g, err)
	}
	s.Uploaded, s.Downloaded = d.uploaded.Load(), d.downloaded.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Held, s.Peak, s.Largest = d.held, d.peak, d.largest(len(d.holdings))
	return s, nil
}

// Bytes is the size of the block.
func (m *memory) Bytes() int { return m.n }

// Arg is a part of the block as an operand.
func (m *memory) Arg(off, n int) kernels.Arg { return kernels.Arg{Addr: m.addr + uint64(off)} }

// usable gives the context unless the block is freed or lost.
func (m *memory) usable(off, n int) (gpu, error) {
	m.d.mu.Lock()
	g, err, freed := m.d.g, m.d.dead, m.freed
	m.d.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case freed:
		return nil, fmt.Errorf("%s: %s is used after it was freed", m.d.name, m.label)
	case m.generation != m.d.generation.Load():
		return nil, m.d.lost(m.label)
	case off < 0 || n < 0 || off+n > m.n:
		return nil, fmt.Errorf("%s: bytes %d to %d of %s, which has %d", m.d.name, off, off+n, m.label, m.n)
	}
	return g, nil
}

// Upload copies to the block after all that was submitted before.
func (m *memory) Upload(off int, src []byte) error {
	g, err := m.usable(off, len(src))
	if err != nil || len(src) == 0 {
		return err
	}
	if err := g.upload(m.addr+uint64(off), src); err != nil {
		return m.d.failed(g, err)
	}
	m.d.uploaded.Add(int64(len(src)))
	return nil
}

// Download waits for all that was submitted before and copies from the block. It returns what Sync would.
func (m *memory) Download(off int, dst []byte) error {
	g, err := m.usable(off, len(dst))
	if err != nil || len(dst) == 0 {
		return err
	}
	if err := g.sync(); err != nil {
		return m.d.failed(g, err)
	}
	if err := g.download(dst, m.addr+uint64(off)); err != nil {
		return m.d.failed(g, err)
	}
	m.d.downloaded.Add(int64(len(dst)))
	m.d.recent.clear()
	return m.d.fault(g)
}

// Free gives the block back after all that was submitted before.
func (m *memory) Free() error {
	d := m.d
	d.mu.Lock()
	if m.freed {
		d.mu.Unlock()
		return nil
	}
	m.freed = true
	delete(d.blocks, m)
	if m.generation != d.generation.Load() || d.g == nil {
		d.mu.Unlock()
		return nil // it went with its context
	}
	h := d.holdings[m.label]
	h.Bytes -= int64(m.n)
	if h.Count--; h.Count == 0 {
		delete(d.holdings, m.label)
	}
	d.held -= int64(m.n)
	g := d.g
	err := g.free(m.addr) // under the lock, so that nobody replaces the context meanwhile: a cleanup may free at any time
	d.mu.Unlock()
	if err != nil {
		return d.failed(g, err)
	}
	return nil
}

// Available is how many bytes can still be allocated.
func (d *Device) Available() (int64, error) {
	g, err := d.current()
	if err != nil {
		return 0, err
	}
	free, _, cached, err := g.memory()
	if err != nil {
		return 0, d.failed(g, err)
	}
	return free + cached, nil
}
