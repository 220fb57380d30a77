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

// streamOf is the stream of a handle; nil for the default stream. The answer is not success where the context or the handle is not valid.
func streamOf(h C.CUstream) (*simStream, C.CUresult) {
	c, r := ready()
	if r != success || h == nil {
		return nil, r
	}
	s := object[*simStream](unsafe.Pointer(h))
	if s == nil || s.c != c {
		return nil, C.CUDA_ERROR_INVALID_HANDLE
	}
	return s, success
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
	*(*uintptr)(unsafe.Pointer(p)) = s.handle
	return success
}

//export simStreamDestroy
func simStreamDestroy(h C.CUstream) C.CUresult {
	s := object[*simStream](unsafe.Pointer(h))
	if s == nil {
		return C.CUDA_ERROR_INVALID_HANDLE
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
	if s.capturing() {
		return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
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
	if s.capturing() {
		return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
	}
	if s.busy() {
		return C.CUDA_ERROR_NOT_READY
	}
	return C.CUresult(s.c.status())
}

// simEvent is a place in a stream.
type simEvent struct {
	c    *simContext
	mu   sync.Mutex
	done chan struct{} // closed when the stream got there; nil before the first record
	at   time.Time     // when it got there
	sum  float64       // the stream's clock then
}

//export simEventCreate
func simEventCreate(p *C.CUevent, _ C.uint) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	*(*uintptr)(unsafe.Pointer(p)) = newHandle(&simEvent{c: c})
	return success
}

func eventOf(h C.CUevent) (*simEvent, C.CUresult) {
	e := object[*simEvent](unsafe.Pointer(h))
	if e == nil {
		return nil, C.CUDA_ERROR_INVALID_HANDLE
	}
	return e, success
}

//export simEventDestroy
func simEventDestroy(h C.CUevent) C.CUresult {
	if _, r := eventOf(h); r != success {
		return r
	}
	dropHandle(uintptr(unsafe.Pointer(h)))
	return success
}

//export simEventRecord
func simEventRecord(h C.CUevent, hs C.CUstream) C.CUresult {
	e, r := eventOf(h)
	if r != success {
		return r
	}
	s, r := streamOf(hs)
	if r != success {
		return r
	}
	done := make(chan struct{})
	e.mu.Lock()
	e.done = done
	e.mu.Unlock()
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
		c, r := idle()
		if c != nil && r == success {
			_ = reach()
		}
		return r
	}
	if s.capturing() {
		return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
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
	e, r := eventOf(h)
	if r != success {
		return r
	}
	if st := e.c.status(); st != 0 {
		return C.CUresult(st)
	}
	if done := e.place(); done != nil {
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
	a, r := eventOf(from)
	if r != success {
		return r
	}
	b, r := eventOf(to)
	if r != success {
		return r
	}
	if a.place() == nil || b.place() == nil {
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
	e, r := eventOf(h)
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
func simStreamBeginCapture(h C.CUstream, _ C.CUstreamCaptureMode) C.CUresult {
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
	s.capture = &simGraph{}
	return success
}

//export simStreamEndCapture
func simStreamEndCapture(h C.CUstream, p *C.CUgraph) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return C.CUDA_ERROR_ILLEGAL_STATE
	}
	s.mu.Lock()
	g := s.capture
	s.capture = nil
	s.mu.Unlock()
	if g == nil {
		return C.CUDA_ERROR_ILLEGAL_STATE
	}
	*(*uintptr)(unsafe.Pointer(p)) = s.c.own(g)
	return success
}

//export simGraphInstantiateWithFlags
func simGraphInstantiateWithFlags(p *C.CUgraphExec, h C.CUgraph, _ C.ulonglong) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	g := object[*simGraph](unsafe.Pointer(h))
	if g == nil {
		return C.CUDA_ERROR_INVALID_HANDLE
	}
	*(*uintptr)(unsafe.Pointer(p)) = c.own(&simGraphExec{work: g.work})
	return success
}

//export simGraphExecUpdate
func simGraphExecUpdate(h C.CUgraphExec, hg C.CUgraph, info *C.CUgraphExecUpdateResultInfo) C.CUresult {
	e, g := object[*simGraphExec](unsafe.Pointer(h)), object[*simGraph](unsafe.Pointer(hg))
	if e == nil || g == nil {
		return C.CUDA_ERROR_INVALID_HANDLE
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
	e := object[*simGraphExec](unsafe.Pointer(h))
	if e == nil {
		return C.CUDA_ERROR_INVALID_HANDLE
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

// dispose frees a handle that its context owns.
func dispose(h uintptr) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	c.mu.Lock()
	found := false
	for i, o := range c.owned {
		if found = o == h; found {
			c.owned = append(c.owned[:i], c.owned[i+1:]...)
			break
		}
	}
	c.mu.Unlock()
	if !found {
		return C.CUDA_ERROR_INVALID_HANDLE
	}
	dropHandle(h)
	return success
}

//export simGraphDestroy
func simGraphDestroy(h C.CUgraph) C.CUresult { return dispose(uintptr(unsafe.Pointer(h))) }

//export simGraphExecDestroy
func simGraphExecDestroy(h C.CUgraphExec) C.CUresult { return dispose(uintptr(unsafe.Pointer(h))) }
