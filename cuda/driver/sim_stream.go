//go:build gpu && cgo

package driver

/*
#include "cuda.h"
*/
import "C"

import (
	"sync"
	"time"
	"unsafe"
)

// owned is something that lives in a context.
type owned interface {
	comparable
	owner() *simContext
}

// resolve is what a handle stands for in the thread's context, else the answer to the call.
func resolve[T owned](h unsafe.Pointer) (T, C.CUresult) {
	var none T
	c, r := ready()
	if r != success {
		return none, r
	}
	if o := object[T](h); o != none && o.owner() == c {
		return o, success
	}
	return none, C.CUDA_ERROR_INVALID_HANDLE
}

// give answers with a new handle.
func give(p unsafe.Pointer, h uintptr) C.CUresult {
	if h == 0 {
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	*(*uintptr)(p) = h
	return success
}

// dispose frees a handle of a T that the thread's context owns.
func dispose[T owned](h unsafe.Pointer) C.CUresult {
	o, r := resolve[T](h)
	if r == success {
		o.owner().disown(uintptr(h))
	}
	return r
}

// streamOf is the stream of a handle; nil for the default stream. The answer is not success where the context or the handle is not valid.
func streamOf(h C.CUstream) (*simStream, C.CUresult) {
	if h == nil {
		_, r := ready()
		return nil, r
	}
	s, r := resolve[*simStream](unsafe.Pointer(h))
	if r == success {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.capture != nil && s.capture.invalid {
			return s, C.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
		}
	}
	return s, r
}

//export simStreamCreate
func simStreamCreate(p *C.CUstream, flags C.uint) C.CUresult {
	return simStreamCreateWithPriority(p, flags, 0)
}

//export simStreamCreateWithPriority
func simStreamCreateWithPriority(p *C.CUstream, flags C.uint, priority C.int) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	s := newSimStream(c, uint32(flags), int(priority))
	if s == nil {
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	return give(unsafe.Pointer(p), s.handle)
}

//export simStreamDestroy
func simStreamDestroy(h C.CUstream) C.CUresult {
	s, r := resolve[*simStream](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s.c.mu.Lock()
	delete(s.c.streams, s)
	s.c.mu.Unlock()
	s.end()
	dropHandle(s.handle)
	return success
}

//export simStreamGetFlags
func simStreamGetFlags(h C.CUstream, flags *C.uint) C.CUresult {
	s, r := streamOf(h)
	if r == success && s != nil {
		*flags = C.uint(s.flags)
	}
	return r
}

//export simStreamGetPriority
func simStreamGetPriority(h C.CUstream, priority *C.int) C.CUresult {
	s, r := streamOf(h)
	if r == success && s != nil {
		*priority = C.int(s.priority)
	}
	return r
}

//export simStreamSynchronize
func simStreamSynchronize(h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simCtxSynchronize()
	}
	if r := s.spoilCapture(); r != success {
		return r
	}
	s.wait()
	return C.CUresult(s.c.status())
}

//export simStreamQuery
func simStreamQuery(h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success || s == nil {
		return r
	}
	if r := s.spoilCapture(); r != success {
		return r
	}
	if s.busy() {
		return C.CUDA_ERROR_NOT_READY
	}
	return C.CUresult(s.c.status())
}

// simEvent is a place in a stream.
type simEvent struct {
	c     *simContext
	flags uint32

	mu       sync.Mutex
	captured bool          // last recorded in a capture
	done     chan struct{} // closed when the stream got there; nil before the first record
	at       time.Time     // when it got there
	sum      float64       // the stream's clock then
}

func (e *simEvent) owner() *simContext { return e.c }

//export simEventCreate
func simEventCreate(p *C.CUevent, flags C.uint) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	return give(unsafe.Pointer(p), c.own(&simEvent{c: c, flags: uint32(flags)}))
}

//export simEventDestroy
func simEventDestroy(h C.CUevent) C.CUresult { return dispose[*simEvent](unsafe.Pointer(h)) }

//export simEventRecord
func simEventRecord(h C.CUevent, hs C.CUstream) C.CUresult {
	e, r := resolve[*simEvent](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s, r := streamOf(hs)
	if r != success {
		return r
	}
	done := make(chan struct{})
	captured := s != nil && s.capturing()
	e.mu.Lock()
	e.done, e.captured = done, captured
	e.mu.Unlock()
	if captured {
		return success
	}
	reach := func() error {
		e.mu.Lock()
		e.at = time.Now()
		if s != nil {
			e.sum = s.clock
		}
		e.mu.Unlock()
		close(done)
		return nil
	}
	if s == nil {
		_, r := idle()
		if r == success {
			_ = reach()
		}
		return r
	}
	s.submit(reach)
	return success
}

// place is the channel that is closed when the event's stream gets there; nil if the event was not recorded.
func (e *simEvent) place() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.done
}

//export simEventQuery
func simEventQuery(h C.CUevent) C.CUresult {
	e, r := resolve[*simEvent](unsafe.Pointer(h))
	if r != success {
		return r
	}
	e.mu.Lock()
	done, captured := e.done, e.captured
	e.mu.Unlock()
	if captured {
		return C.CUDA_ERROR_CAPTURED_EVENT
	}
	if done != nil {
		select {
		case <-done:
		default:
			if st := e.c.status(); st != 0 {
				return C.CUresult(st)
			}
			return C.CUDA_ERROR_NOT_READY
		}
	}
	return success
}

//export simEventSynchronize
func simEventSynchronize(h C.CUevent) C.CUresult {
	for {
		r := simEventQuery(h)
		if r != C.CUDA_ERROR_NOT_READY {
			return r
		}
		time.Sleep(20 * time.Microsecond)
	}
}

//export simEventElapsedTime
func simEventElapsedTime(ms *C.float, from, to C.CUevent) C.CUresult {
	a, r := resolve[*simEvent](unsafe.Pointer(from))
	if r != success {
		return r
	}
	b, r := resolve[*simEvent](unsafe.Pointer(to))
	if r != success {
		return r
	}
	if a.place() == nil || b.place() == nil || (a.flags|b.flags)&C.CU_EVENT_DISABLE_TIMING != 0 {
		return C.CUDA_ERROR_INVALID_HANDLE
	}
	if simEventQuery(from) != success || simEventQuery(to) != success {
		return C.CUDA_ERROR_NOT_READY
	}
	*ms = C.float(float64(b.at.Sub(a.at)) / float64(time.Millisecond))
	if b.c.dev.timed.Load() {
		*ms = C.float((b.sum - a.sum) * 1e3)
	}
	return success
}

//export simStreamWaitEvent
func simStreamWaitEvent(hs C.CUstream, h C.CUevent, _ C.uint) C.CUresult {
	e, r := resolve[*simEvent](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s, r := streamOf(hs)
	if r != success {
		return r
	}
	done := e.place()
	if done == nil || s == nil {
		return success
	}
	s.submit(func() error {
		select {
		case <-done:
		case <-s.c.ctx.Done():
		}
		return nil
	})
	return success
}

//export simStreamIsCapturing
func simStreamIsCapturing(h C.CUstream, status *C.CUstreamCaptureStatus) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	*status = C.CU_STREAM_CAPTURE_STATUS_NONE
	if s != nil && s.capturing() {
		*status = C.CU_STREAM_CAPTURE_STATUS_ACTIVE
	}
	return success
}

//export simStreamBeginCapture
func simStreamBeginCapture(h C.CUstream, mode C.CUstreamCaptureMode) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capture != nil {
		return C.CUDA_ERROR_ILLEGAL_STATE
	}
	s.capture = &simGraph{c: s.c, mode: mode}
	return success
}

//export simStreamEndCapture
func simStreamEndCapture(h C.CUstream, p *C.CUgraph) C.CUresult {
	s, r := resolve[*simStream](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s.mu.Lock()
	g := s.capture
	s.capture = nil
	s.mu.Unlock()
	switch {
	case g == nil:
		return C.CUDA_ERROR_ILLEGAL_STATE
	case g.invalid:
		return C.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
	}
	return give(unsafe.Pointer(p), s.c.own(g))
}

//export simGraphInstantiateWithFlags
func simGraphInstantiateWithFlags(p *C.CUgraphExec, h C.CUgraph, _ C.ulonglong) C.CUresult {
	g, r := resolve[*simGraph](unsafe.Pointer(h))
	if r != success {
		return r
	}
	return give(unsafe.Pointer(p), g.c.own(&simGraphExec{c: g.c, work: g.work}))
}

//export simGraphExecUpdate
func simGraphExecUpdate(h C.CUgraphExec, hg C.CUgraph, info *C.CUgraphExecUpdateResultInfo) C.CUresult {
	e, r := resolve[*simGraphExec](unsafe.Pointer(h))
	if r != success {
		return r
	}
	g, r := resolve[*simGraph](unsafe.Pointer(hg))
	if r != success {
		return r
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	info.result = C.CU_GRAPH_EXEC_UPDATE_SUCCESS
	if len(e.work) != len(g.work) {
		info.result = C.CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED
		return C.CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE
	}
	e.work = g.work
	return success
}

//export simGraphLaunch
func simGraphLaunch(h C.CUgraphExec, hs C.CUstream) C.CUresult {
	e, r := resolve[*simGraphExec](unsafe.Pointer(h))
	if r != success {
		return r
	}
	s, r := streamOf(hs)
	if r != success {
		return r
	}
	if s == nil {
		return C.CUDA_ERROR_NOT_SUPPORTED
	}
	e.mu.Lock()
	work := e.work
	e.mu.Unlock()
	s.submit(func() error {
		for _, f := range work {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
	return success
}

//export simGraphDestroy
func simGraphDestroy(h C.CUgraph) C.CUresult { return dispose[*simGraph](unsafe.Pointer(h)) }

//export simGraphExecDestroy
func simGraphExecDestroy(h C.CUgraphExec) C.CUresult {
	return dispose[*simGraphExec](unsafe.Pointer(h))
}
