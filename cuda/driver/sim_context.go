//go:build gpu && cgo

package driver

/*
#include "cuda.h"
*/
import "C"

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"palladio/cuda/sim"
)

// simContext is a context of the simulated driver. As with a real one, the first fault of a kernel spoils it: every later call answers with its error.
type simContext struct {
	dev    *SimulatedGPU
	handle uintptr
	flags  uint32
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	err     int // CUresult of the fault
	dead    bool
	streams map[*simStream]struct{}
	memory  map[uint64]int         // bytes of what it allocated outside of the device's pool, by address
	pinned  map[unsafe.Pointer]int // bytes of host memory that it allocated
	owned   map[uintptr]struct{}   // handles that go with it
}

func newSimContext(g *SimulatedGPU, flags uint32) *simContext {
	c := &simContext{dev: g, flags: flags, streams: map[*simStream]struct{}{}, memory: map[uint64]int{}, pinned: map[unsafe.Pointer]int{}, owned: map[uintptr]struct{}{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.handle = newHandle(c); c.handle == 0 {
		return nil
	}
	return c
}

// destroy stops what runs and frees what the context holds. What lies in the device's pool stays, as it does with a real driver.
func (c *simContext) destroy() {
	c.cancel()
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	streams, memory, pinned, owned := c.streams, c.memory, c.pinned, c.owned
	c.streams, c.memory, c.pinned, c.owned = nil, nil, nil, nil
	c.mu.Unlock()
	for s := range streams {
		s.end()
		s.wait() // a copy may be under way
		dropHandle(s.handle)
	}
	for addr := range memory {
		_ = c.dev.gpu.Free(addr) // the GPU may be closed already
	}
	for p := range pinned {
		C.free(p)
	}
	for h := range owned {
		dropHandle(h)
	}
	dropHandle(c.handle)
}

// own makes a handle that goes with the context; 0 if there is none left or the context is gone.
func (c *simContext) own(o any) uintptr {
	h := newHandle(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if h != 0 && c.owned == nil {
		dropHandle(h)
		return 0
	}
	c.owned[h] = struct{}{}
	return h
}

// disown drops a handle of own.
func (c *simContext) disown(h uintptr) {
	c.mu.Lock()
	_, ok := c.owned[h]
	delete(c.owned, h)
	c.mu.Unlock()
	if ok {
		dropHandle(h)
	}
}

// owner is the context itself, as for all that lives in it.
func (c *simContext) owner() *simContext { return c }

// status is the error of the context's fault, 0 if it has none.
func (c *simContext) status() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// spoil notes a fault.
func (c *simContext) spoil(err error) {
	code := faultCode(err)
	c.mu.Lock()
	first := c.err == 0
	if first {
		c.err = code
	}
	c.mu.Unlock()
	if first {
		noteFinding(code, err)
	}
}

// faultCode is the driver's error for what the simulator found.
func faultCode(err error) int {
	var f *sim.Fault
	switch {
	case errors.Is(err, context.Canceled):
		return ContextIsDestroyed
	case errors.As(err, &f) && strings.Contains(f.What, "misaligned"):
		return MisalignedAddress
	case errors.As(err, &f) && f.Addr != 0:
		return IllegalAddress
	case strings.Contains(err.Error(), "did not finish"):
		return LaunchTimeout
	}
	return LaunchFailed
}

// all lists the streams.
func (c *simContext) all() []*simStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.streams))
}

// wait waits for all streams.
func (c *simContext) wait() int {
	for _, s := range c.all() {
		s.wait()
	}
	return c.status()
}

// forbidden says whether some capture does not allow a call, and invalidates that capture: of a blocking stream those that synchronise with the default stream,
// and of a stream that was not begun as relaxed all that might.
func (c *simContext) forbidden(synchronises bool) C.CUresult {
	for _, s := range c.all() {
		s.mu.Lock()
		g := s.capture
		implicit := g != nil && synchronises && s.flags&C.CU_STREAM_NON_BLOCKING == 0
		if implicit || g != nil && g.mode != C.CU_STREAM_CAPTURE_MODE_RELAXED {
			g.invalid = true
			s.mu.Unlock()
			if implicit {
				return C.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
			}
			return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
		}
		s.mu.Unlock()
	}
	return success
}

// simStream runs what is submitted to it in order.
type simStream struct {
	c        *simContext
	handle   uintptr
	flags    uint32
	priority int

	mu      sync.Mutex
	changed sync.Cond
	queue   []func() error
	pending int // submitted and not done
	ended   bool
	capture *simGraph // records instead, if set
	clock   float64   // modelled seconds of the launches; only work reads and writes it
}

func newSimStream(c *simContext, flags uint32, priority int) *simStream {
	s := &simStream{c: c, flags: flags, priority: priority}
	s.changed.L = &s.mu
	if s.handle = newHandle(s); s.handle == 0 {
		return nil
	}
	c.mu.Lock()
	c.streams[s] = struct{}{}
	c.mu.Unlock()
	go s.work()
	return s
}

// work runs the queue until the stream ends.
func (s *simStream) work() {
	for {
		s.mu.Lock()
		for len(s.queue) == 0 && !s.ended {
			s.changed.Wait()
		}
		if len(s.queue) == 0 {
			s.mu.Unlock()
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		if s.c.status() == 0 { // after a fault nothing runs any more
			if err := f(); err != nil {
				s.c.spoil(err)
			}
		}
		s.mu.Lock()
		s.pending--
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// submit appends work, or records it.
func (s *simStream) submit(f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capture != nil {
		s.capture.work = append(s.capture.work, f)
		return
	}
	if s.ended {
		return
	}
	s.queue = append(s.queue, f)
	s.pending++
	s.changed.Broadcast()
}

// wait waits until all is done.
func (s *simStream) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.pending > 0 {
		s.changed.Wait()
	}
}

// busy says whether something is not done.
func (s *simStream) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending > 0
}

// capturing says whether the stream records.
func (s *simStream) capturing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capture != nil
}

// spoilCapture is the answer to a call that cannot be captured: it invalidates the capture, if there is one.
func (s *simStream) spoilCapture() C.CUresult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capture == nil {
		return success
	}
	s.capture.invalid = true
	return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
}

func (s *simStream) owner() *simContext { return s.c }

// end lets the worker go when the queue is empty.
func (s *simStream) end() {
	s.mu.Lock()
	s.ended = true
	s.changed.Broadcast()
	s.mu.Unlock()
}

// simGraph is what a capture recorded.
type simGraph struct {
	c       *simContext
	mode    C.CUstreamCaptureMode
	invalid bool // something in it could not be recorded
	work    []func() error
}

func (g *simGraph) owner() *simContext { return g.c }

// simGraphExec is a graph that can be launched.
type simGraphExec struct {
	c    *simContext
	mu   sync.Mutex
	work []func() error
}

func (e *simGraphExec) owner() *simContext { return e.c }
