package kernels

import (
	"fmt"
	"unsafe"
)

// hostAlign is the alignment of host memory: a cache line, and the widest vector.
const hostAlign = 64

// HostMemory is memory in this process' address space.
type HostMemory struct{ b []byte }

// AllocHost reserves zeroed host memory aligned to 64 bytes.
func AllocHost(bytes int) (*HostMemory, error) {
	if bytes < 0 {
		return nil, fmt.Errorf("host memory: cannot allocate %d bytes", bytes)
	}
	b := make([]byte, bytes+hostAlign)
	adviseHugePages(b)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (hostAlign - 1))
	return &HostMemory{b[off : off+bytes : off+bytes]}, nil
}

// Bytes is the size of the block.
func (m *HostMemory) Bytes() int { return len(m.b) }

// Arg is the part [off, off+n).
func (m *HostMemory) Arg(off, n int) Arg { return Arg{Host: m.b[off : off+n : off+n]} }

// Upload copies src to the block at off.
func (m *HostMemory) Upload(off int, src []byte) error {
	if off < 0 || off+len(src) > len(m.b) {
		return fmt.Errorf("host memory: upload of %d bytes at %d into a block of %d", len(src), off, len(m.b))
	}
	copy(m.b[off:], src)
	return nil
}

// Download copies the block from off into dst.
func (m *HostMemory) Download(off int, dst []byte) error {
	if off < 0 || off+len(dst) > len(m.b) {
		return fmt.Errorf("host memory: download of %d bytes at %d from a block of %d", len(dst), off, len(m.b))
	}
	copy(dst, m.b[off:])
	return nil
}

// Free releases the block.
func (m *HostMemory) Free() error { m.b = nil; return nil }
