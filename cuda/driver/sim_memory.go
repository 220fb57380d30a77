//go:build gpu && cgo

package driver

/*
#include "cuda.h"
#include <string.h>
extern CUcontext currentSimulated(void);
*/
import "C"

import (
	"bytes"
	"unsafe"
)

// currentSim is the thread's context; nil if it is none that lives.
func currentSim() *simContext { return object[*simContext](unsafe.Pointer(C.currentSimulated())) }

// ready is the thread's context if it is neither gone nor spoilt, else the answer to the call.
func ready() (*simContext, C.CUresult) {
	c := currentSim()
	if c == nil {
		return nil, C.CUDA_ERROR_INVALID_CONTEXT
	}
	return c, C.CUresult(c.status())
}

//export simMemAlloc
func simMemAlloc(p *C.CUdeviceptr, n C.size_t) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	if n == 0 {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	addr, err := c.dev.gpu.Alloc(int(n))
	if err != nil {
		noteFinding(OutOfMemory, err)
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	c.mu.Lock()
	c.memory[addr] = int(n)
	c.mu.Unlock()
	*p = C.CUdeviceptr(addr)
	return success
}

// release takes an address out of what the context holds.
func (c *simContext) release(addr uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.memory[addr]
	delete(c.memory, addr)
	return ok
}

//export simMemFree
func simMemFree(p C.CUdeviceptr) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	if p == 0 {
		return success
	}
	if r := c.wait(); r != 0 {
		return C.CUresult(r)
	}
	if !c.release(uint64(p)) || c.dev.gpu.Free(uint64(p)) != nil {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	return success
}

//export simMemAllocAsync
func simMemAllocAsync(p *C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s != nil && s.capturing() {
		return C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
	}
	return simMemAlloc(p, n)
}

//export simMemFreeAsync
func simMemFreeAsync(p C.CUdeviceptr, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simMemFree(p)
	}
	c := s.c
	if !c.release(uint64(p)) {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	s.submit(func() error { return c.dev.gpu.Free(uint64(p)) })
	return success
}

//export simMemAllocHost
func simMemAllocHost(p *unsafe.Pointer, n C.size_t) C.CUresult {
	if _, r := ready(); r != success {
		return r
	}
	if *p = C.malloc(n); *p == nil {
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	return success
}

//export simMemFreeHost
func simMemFreeHost(p unsafe.Pointer) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	c.wait() // what runs may still use it; its error is for the next call
	C.free(p)
	return success
}

//export simMemGetInfo
func simMemGetInfo(free, total *C.size_t) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	f, t := c.dev.gpu.MemoryInfo()
	*free, *total = C.size_t(f), C.size_t(t)
	return success
}

//export simMemGetAddressRange
func simMemGetAddressRange(base *C.CUdeviceptr, size *C.size_t, p C.CUdeviceptr) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, n := range c.memory {
		if uint64(p) >= addr && uint64(p) < addr+uint64(n) {
			if base != nil {
				*base = C.CUdeviceptr(addr)
			}
			if size != nil {
				*size = C.size_t(n)
			}
			return success
		}
	}
	return C.CUDA_ERROR_NOT_FOUND
}

// copyError is the answer to a copy or fill that the simulated GPU refused.
func copyError(err error) C.CUresult {
	if err == nil {
		return success
	}
	noteFinding(1, err)
	return C.CUDA_ERROR_INVALID_VALUE
}

// idle waits for the whole context, as calls on the default stream do.
func idle() (*simContext, C.CUresult) {
	c, r := ready()
	if r != success {
		return nil, r
	}
	c.mu.Lock()
	for s := range c.streams {
		if s.flags&C.CU_STREAM_NON_BLOCKING == 0 && s.capturing() {
			c.mu.Unlock()
			return nil, C.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
		}
	}
	c.mu.Unlock()
	return c, C.CUresult(c.wait())
}

func hostBytes(p unsafe.Pointer, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(p), int(n))
}

//export simMemcpyHtoD
func simMemcpyHtoD(dst C.CUdeviceptr, src unsafe.Pointer, n C.size_t) C.CUresult {
	c, r := idle()
	if r != success {
		return r
	}
	return copyError(c.dev.gpu.Write(uint64(dst), hostBytes(src, n)))
}

//export simMemcpyDtoH
func simMemcpyDtoH(dst unsafe.Pointer, src C.CUdeviceptr, n C.size_t) C.CUresult {
	c, r := idle()
	if r != success {
		return r
	}
	return copyError(c.dev.gpu.Read(uint64(src), hostBytes(dst, n)))
}

//export simMemcpyDtoD
func simMemcpyDtoD(dst, src C.CUdeviceptr, n C.size_t) C.CUresult {
	c, r := idle()
	if r != success {
		return r
	}
	return copyError(c.dev.gpu.Copy(uint64(dst), uint64(src), int(n)))
}

//export simMemcpy
func simMemcpy(dst, src C.CUdeviceptr, n C.size_t) C.CUresult { return simMemcpyDtoD(dst, src, n) }

//export simMemcpyHtoDAsync
func simMemcpyHtoDAsync(dst C.CUdeviceptr, src unsafe.Pointer, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simMemcpyHtoD(dst, src, n)
	}
	g := s.c.dev.gpu
	if s.capturing() { // a replay reads what is there then
		s.submit(func() error { return g.Write(uint64(dst), hostBytes(src, n)) })
		return success
	}
	staged := bytes.Clone(hostBytes(src, n))
	s.submit(func() error { return g.Write(uint64(dst), staged) })
	return success
}

//export simMemcpyDtoHAsync
func simMemcpyDtoHAsync(dst unsafe.Pointer, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simMemcpyDtoH(dst, src, n)
	}
	g := s.c.dev.gpu
	s.submit(func() error { return g.Read(uint64(src), hostBytes(dst, n)) })
	return success
}

//export simMemcpyDtoDAsync
func simMemcpyDtoDAsync(dst, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simMemcpyDtoD(dst, src, n)
	}
	g := s.c.dev.gpu
	s.submit(func() error { return g.Copy(uint64(dst), uint64(src), int(n)) })
	return success
}

//export simMemcpyAsync
func simMemcpyAsync(dst, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	return simMemcpyDtoDAsync(dst, src, n, h)
}

// fill sets elements of size bytes, in the order of a stream or at once.
func fill(dst C.CUdeviceptr, value uint32, size int, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		c, r := idle()
		if r != success {
			return r
		}
		return copyError(c.dev.gpu.Fill(uint64(dst), value, size, int(n)))
	}
	g := s.c.dev.gpu
	s.submit(func() error { return g.Fill(uint64(dst), value, size, int(n)) })
	return success
}

//export simMemsetD8
func simMemsetD8(dst C.CUdeviceptr, v C.uchar, n C.size_t) C.CUresult {
	return fill(dst, uint32(v), 1, n, nil)
}

//export simMemsetD16
func simMemsetD16(dst C.CUdeviceptr, v C.ushort, n C.size_t) C.CUresult {
	return fill(dst, uint32(v), 2, n, nil)
}

//export simMemsetD32
func simMemsetD32(dst C.CUdeviceptr, v C.uint, n C.size_t) C.CUresult {
	return fill(dst, uint32(v), 4, n, nil)
}

//export simMemsetD8Async
func simMemsetD8Async(dst C.CUdeviceptr, v C.uchar, n C.size_t, h C.CUstream) C.CUresult {
	return fill(dst, uint32(v), 1, n, h)
}

//export simMemsetD16Async
func simMemsetD16Async(dst C.CUdeviceptr, v C.ushort, n C.size_t, h C.CUstream) C.CUresult {
	return fill(dst, uint32(v), 2, n, h)
}

//export simMemsetD32Async
func simMemsetD32Async(dst C.CUdeviceptr, v C.uint, n C.size_t, h C.CUstream) C.CUresult {
	return fill(dst, uint32(v), 4, n, h)
}

// The pool of a simulated GPU keeps nothing: what is freed goes back at once.

//export simDeviceGetDefaultMemPool
func simDeviceGetDefaultMemPool(p *C.CUmemoryPool, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	simulator.mu.RLock()
	h := g.pool
	simulator.mu.RUnlock()
	if h == 0 {
		h = newHandle(g)
		simulator.mu.Lock()
		g.pool = h
		simulator.mu.Unlock()
	}
	*(*uintptr)(unsafe.Pointer(p)) = h
	return success
}

//export simMemPoolSetAttribute
func simMemPoolSetAttribute(C.CUmemoryPool, C.CUmemPool_attribute, unsafe.Pointer) C.CUresult {
	return success
}

//export simMemPoolGetAttribute
func simMemPoolGetAttribute(h C.CUmemoryPool, a C.CUmemPool_attribute, v unsafe.Pointer) C.CUresult {
	g := object[*SimulatedGPU](unsafe.Pointer(h))
	if g == nil {
		return C.CUDA_ERROR_INVALID_HANDLE
	}
	free, total := g.gpu.MemoryInfo()
	switch a {
	case C.CU_MEMPOOL_ATTR_USED_MEM_CURRENT, C.CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		*(*uint64)(v) = uint64(total - free)
		return success
	}
	return C.CUDA_ERROR_INVALID_VALUE
}

//export simMemPoolTrimTo
func simMemPoolTrimTo(C.CUmemoryPool, C.size_t) C.CUresult { return success }
