//go:build gpu && cgo

package driver

import (
	"context"
	"errors"
	"strings"
	"sync"

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
	memory  map[uint64]int // bytes of what it allocated, by address
	owned   []uintptr      // handles that go with it
}

func newSimContext(g *SimulatedGPU, flags uint32) *simContext {
	c := &simContext{dev: g, flags: flags, streams: map[*simStream]struct{}{}, memory: map[uint64]int{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.handle = newHandle(c); c.handle == 0 {
		return nil
	}
	return c
}

// destroy stops what runs and frees what the context holds.
func (c *simContext) destroy() {
	c.cancel()
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	streams, memory, owned := c.streams, c.memory, c.owned
	c.streams, c.memory, c.owned = map[*simStream]struct{}{}, nil, nil
	c.mu.Unlock()
	for s := range streams {
		s.end()
		dropHandle(s.handle)
	}
	for addr := range memory {
		_ = c.dev.gpu.Free(addr) // the GPU may be closed already
	}
	for _, h := range owned {
		dropHandle(h)
	}
	dropHandle(c.handle)
}

// own makes a handle that goes with the context.
func (c *simContext) own(o any) uintptr {
	h := newHandle(o)
	c.mu.Lock()
	c.owned = append(c.owned, h)
	c.mu.Unlock()
	return h
}

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
		return 709 // CUDA_ERROR_CONTEXT_IS_DESTROYED
	case errors.As(err, &f) && strings.Contains(f.What, "misaligned"):
		return 716 // CUDA_ERROR_MISALIGNED_ADDRESS
	case errors.As(err, &f) && f.Addr != 0:
		return IllegalAddress
	case strings.Contains(err.Error(), "did not finish"):
		return LaunchTimeout
	}
	return LaunchFailed
}

// wait waits for all streams.
func (c *simContext) wait() int {
	c.mu.Lock()
	streams := make([]*simStream, 0, len(c.streams))
	for s := range c.streams {
		streams = append(streams, s)
	}
	c.mu.Unlock()
	for _, s := range streams {
		s.wait()
	}
	return c.status()
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

// end lets the worker go when the queue is empty.
func (s *simStream) end() {
	s.mu.Lock()
	s.ended = true
	s.changed.Broadcast()
	s.mu.Unlock()
}

// simGraph is what a capture recorded.
type simGraph struct{ work []func() error }

// simGraphExec is a graph that can be launched.
type simGraphExec struct {
	mu   sync.Mutex
	work []func() error
}
