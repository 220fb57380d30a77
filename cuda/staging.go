//go:build gpu && cgo

package cuda

import (
	"errors"
	"sync"
	"time"
	"unsafe"

	"gorgonia.org/cu"

	"palladio/cuda/driver"
)

// stageBytes is the size of a staging buffer: copies of so much run at the full rate of the bus.
const stageBytes = 4 << 20

// staging is two pieces of pinned host memory. A copy to or from memory of the host goes through them in turn, so that the GPU fetches from one while the
// processor fills the other, and the caller's memory is its own again when the call returns.
type staging struct {
	mu      sync.Mutex
	buffers [2][]byte
	passed  [2]cu.Event // when the GPU is done with the buffer
	next    int
}

// ready makes the buffers and waits until the next one is free.
func (s *staging) ready(g *cudaGPU) (int, error) {
	i := s.next
	s.next ^= 1
	if s.buffers[i] == nil {
		b, err := driver.AllocHost(handle(g.context), stageBytes)
		if err != nil {
			return 0, mark(err)
		}
		if err := g.do("cuEventCreate", func() (err error) {
			s.passed[i], err = cu.MakeEvent(cu.DisableTiming)
			return err
		}); err != nil {
			return 0, err
		}
		s.buffers[i] = b
		return i, nil
	}
	return i, s.wait(g, i)
}

// wait waits until the GPU is done with buffer i.
func (s *staging) wait(g *cudaGPU, i int) error {
	for pause := time.Duration(0); ; pause = min(pause+time.Microsecond, 50*time.Microsecond) {
		err := g.do("cuEventQuery", func() error { return s.passed[i].Query() })
		var e *driver.Error
		if err == nil || !errors.As(err, &e) || e.Code != driver.NotReady {
			return err
		}
		time.Sleep(pause)
	}
}

// direct is the size up to which the driver's own staging is as fast.
const direct = 64 << 10

// upload copies to the device in the order of the stream; while a graph is recorded, at once.
func (g *cudaGPU) upload(addr uint64, src []byte) error {
	if g.recording.Load() || len(src) <= direct {
		return g.do("cuMemcpyHtoD", func() error {
			if g.recording.Load() {
				return cu.MemcpyHtoD(cu.DevicePtr(addr), unsafe.Pointer(unsafe.SliceData(src)), int64(len(src)))
			}
			return cu.MemcpyHtoDAsync(cu.DevicePtr(addr), unsafe.Pointer(unsafe.SliceData(src)), int64(len(src)), g.stream)
		})
	}
	s := &g.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(src) > 0 {
		i, err := s.ready(g)
		if err != nil {
			return err
		}
		n := copy(s.buffers[i], src)
		if err := g.do("cuMemcpyHtoDAsync", func() error {
			if err := cu.MemcpyHtoDAsync(cu.DevicePtr(addr), unsafe.Pointer(&s.buffers[i][0]), int64(n), g.stream); err != nil {
				return err
			}
			return s.passed[i].Record(g.stream)
		}); err != nil {
			return err
		}
		src, addr = src[n:], addr+uint64(n)
	}
	return nil
}

// download copies to the host what is there after all that was submitted.
func (g *cudaGPU) download(dst []byte, addr uint64) error {
	if g.recording.Load() {
		return errRecording
	}
	s := &g.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	fetch := func(n int) (int, error) {
		i, err := s.ready(g)
		if err != nil {
			return 0, err
		}
		return i, g.do("cuMemcpyDtoHAsync", func() error {
			if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&s.buffers[i][0]), cu.DevicePtr(addr), int64(n), g.stream); err != nil {
				return err
			}
			return s.passed[i].Record(g.stream)
		})
	}
	for ahead := -1; len(dst) > 0; {
		n := min(len(dst), stageBytes)
		i := ahead
		if i < 0 {
			var err error
			if i, err = fetch(n); err != nil {
				return err
			}
		}
		addr += uint64(n)
		ahead = -1
		if rest := len(dst) - n; rest > 0 { // the next piece is on its way while this one is copied
			var err error
			if ahead, err = fetch(min(rest, stageBytes)); err != nil {
				return err
			}
		}
		if err := s.wait(g, i); err != nil {
			return err
		}
		copy(dst[:n], s.buffers[i])
		dst = dst[n:]
	}
	return nil
}

// free gives the buffers back.
func (s *staging) free(context driver.Handle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for i, b := range s.buffers {
		errs = append(errs, driver.FreeHost(context, b))
		s.buffers[i] = nil
	}
	return errors.Join(errs...)
}
