package devicetest

import (
	"fmt"

	"palladio/kernels"
)

// guard is the number of canary bytes on each side of an operand: more than the widest store of any device.
const guard = 256

// buffer is an operand's memory on the device with canaries around it.
type buffer struct {
	mem   kernels.Memory
	n     int    // bytes of the operand
	off   int    // where the operand lies in mem
	salt  byte   // distinguishes the canaries of one run from another's
	image []byte // host copy of mem
}

func newBuffer(dev kernels.Device, n int) (*buffer, error) {
	total := guard + n + guard + 64 // 64: room to shift the operand off its alignment
	mem, err := dev.Alloc(total)
	if err != nil {
		return nil, fmt.Errorf("alloc of %d bytes: %w", total, err)
	}
	return &buffer{mem: mem, n: n, image: make([]byte, total)}, nil
}

func (b *buffer) arg() kernels.Arg { return b.mem.Arg(b.off, b.n) }

func (b *buffer) canary(i int) byte { return byte(i*37+11) ^ b.salt }

// write places contents at the boundary plus shift bytes, canaries around it.
func (b *buffer) write(contents []byte, shift int, salt byte) error {
	b.off, b.salt = guard+shift, salt
	for i := range b.image {
		b.image[i] = b.canary(i)
	}
	copy(b.image[b.off:b.off+b.n], contents)
	if err := b.mem.Upload(0, b.image); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return nil
}

// read gives the operand's present contents, valid until the next read or write, and checks the canaries.
func (b *buffer) read() ([]byte, error) {
	if err := b.mem.Download(0, b.image); err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	for i := range b.off {
		if b.image[i] != b.canary(i) {
			return nil, fmt.Errorf("wrote outside its memory, %d bytes before the start", b.off-i)
		}
	}
	for i := b.off + b.n; i < len(b.image); i++ {
		if b.image[i] != b.canary(i) {
			return nil, fmt.Errorf("wrote outside its memory, %d bytes past the end", i-b.off-b.n)
		}
	}
	return b.image[b.off : b.off+b.n], nil
}
