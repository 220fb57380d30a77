//go:build gpu && cgo

package cuda

import (
	"errors"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	"palladio/cuda/driver"
)

// stageBytes is the size of a staging buffer: copies of so much run at the full rate of the bus.
const stageBytes = 4 << 20

// staging is two pieces of pinned host memory. Every copy to or from memory of the host goes through them, piece by piece, so that the GPU fetches from one
// while the processor fills the other, and the caller's memory, which Go may move, is its own again when the call returns.
type staging struct {
	mu     sync.Mutex
	pieces [2]piece
	at     int // the piece that is in use
}

type piece struct {
	buffer []byte
	used   int      // bytes of it that copies took since the last wait
	passed cu.Event // the GPU is done with what was submitted before
}

// take gives room for a copy of at most n bytes, and its piece.
func (s *staging) take(g *cudaGPU, n int) ([]byte, *piece, error) {
	p := &s.pieces[s.at]
	n = min(n, stageBytes)
	if p.buffer == nil || p.used+n > stageBytes { // the other one is free when the GPU is done with it
		if p.buffer != nil {
			if err := g.pass(p); err != nil {
				return nil, nil, err
			}
			s.at ^= 1
			p = &s.pieces[s.at]
		}
		if err := p.ready(g); err != nil {
			return nil, nil, err
		}
	}
	room := p.buffer[p.used : p.used+n]
	p.used += (n + 15) &^ 15
	return room, p, nil
}

// ready makes the piece's buffer, or waits until the GPU is done with it.
func (p *piece) ready(g *cudaGPU) error {
	if p.buffer != nil {
		err := g.await(p.passed)
		p.used = 0
		return err
	}
	b, err := driver.AllocHost(handle(g.context), stageBytes)
	if err != nil {
		return mark(err)
	}
	err = g.do("cuEventCreate", func() (err error) {
		p.passed, err = cu.MakeEvent(cu.DisableTiming)
		return err
	})
	if err != nil {
		return errors.Join(err, driver.FreeHost(handle(g.context), b))
	}
	p.buffer = b
	return nil
}

// pass marks the place in the stream after what was submitted from the piece.
func (g *cudaGPU) pass(p *piece) error {
	return g.do("cuEventRecord", func() error { return p.passed.Record(g.stream) })
}

// upload copies to the device in the order of the stream; while a graph is recorded, when that is over.
func (g *cudaGPU) upload(addr uint64, src []byte) error {
	if g.tape.later(addr, src) {
		return nil
	}
	s := &g.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(src) > 0 {
		room, _, err := s.take(g, len(src))
		if err != nil {
			return err
		}
		n := copy(room, src)
		if err := g.do("cuMemcpyHtoDAsync", func() error {
			return cu.MemcpyHtoDAsync(cu.DevicePtr(addr), unsafe.Pointer(&room[0]), int64(n), g.stream)
		}); err != nil {
			return err
		}
		src, addr = src[n:], addr+uint64(n)
	}
	return nil
}

// download copies to the host what is there after all that was submitted.
func (g *cudaGPU) download(dst []byte, addr uint64) error {
	if g.tape.recording() {
		return errRecording
	}
	s := &g.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	type part struct { // on its way
		room []byte
		*piece
	}
	asked := 0
	fetch := func() (f part, err error) {
		if f.room, f.piece, err = s.take(g, len(dst)-asked); err != nil {
			return f, err
		}
		from := cu.DevicePtr(addr + uint64(asked))
		asked += len(f.room)
		if err := g.do("cuMemcpyDtoHAsync", func() error {
			return cu.MemcpyDtoHAsync(unsafe.Pointer(&f.room[0]), from, int64(len(f.room)), g.stream)
		}); err != nil {
			return f, err
		}
		return f, g.pass(f.piece)
	}
	f, err := fetch()
	for done := 0; err == nil; {
		var next part
		if asked < len(dst) { // is on its way while this one is copied
			if next, err = fetch(); err != nil {
				break
			}
		}
		if err = g.await(f.passed); err != nil {
			break
		}
		if done += copy(dst[done:], f.room); done == len(dst) {
			return nil
		}
		f = next
	}
	return err
}

// free gives the buffers back.
func (s *staging) free(context driver.Handle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for i := range s.pieces {
		errs = append(errs, driver.FreeHost(context, s.pieces[i].buffer))
		s.pieces[i].buffer = nil
	}
	return errors.Join(errs...)
}
