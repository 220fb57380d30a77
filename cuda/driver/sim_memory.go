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

	"palladio/cuda/sim"
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

// reserve allocates memory of the GPU.
func (g *SimulatedGPU) reserve(n C.size_t) (uint64, C.CUresult) {
	if n == 0 {
		return 0, C.CUDA_ERROR_INVALID_VALUE
	}
	addr, err := g.gpu.Alloc(int(n))
	if err != nil {
		noteFinding(OutOfMemory, err)
		return 0, C.CUDA_ERROR_OUT_OF_MEMORY
	}
	return addr, success
}

//export simMemAlloc
func simMemAlloc(p *C.CUdeviceptr, n C.size_t) C.CUresult {
	c, r := ready()
	if r == success {
		r = c.forbidden(false)
	}
	if r != success {
		return r
	}
	addr, r := c.dev.reserve(n)
	if r != success {
		return r
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

// releasePooled takes an address out of what is handed out of the pool.
func (g *SimulatedGPU) releasePooled(addr uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.pooled[addr]
	delete(g.pooled, addr)
	return ok
}

//export simMemFree
func simMemFree(p C.CUdeviceptr) C.CUresult {
	c, r := ready()
	if r != success || p == 0 {
		return r
	}
	if r := c.forbidden(false); r != success {
		return r
	}
	if r := c.wait(); r != 0 {
		return C.CUresult(r)
	}
	if !c.release(uint64(p)) && !c.dev.releasePooled(uint64(p)) || c.dev.gpu.Free(uint64(p)) != nil {
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
	if s != nil {
		if r := s.spoilCapture(); r != success { // a graph of its own memory is not simulated
			return r
		}
	}
	g := currentSim().dev
	addr, r := g.reserve(n)
	if r != success {
		return r
	}
	g.mu.Lock()
	g.pooled[addr] = int(n)
	g.mu.Unlock()
	*p = C.CUdeviceptr(addr)
	return success
}

// simMemFreeAsync gives memory of the pool back; in a capture it takes no address but that of memory which the graph itself allocates.
//
//export simMemFreeAsync
func simMemFreeAsync(p C.CUdeviceptr, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		return simMemFree(p)
	}
	if s.spoilCapture() != success {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	g := s.c.dev
	if !g.releasePooled(uint64(p)) {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	s.submit(func() error { return g.gpu.Free(uint64(p)) })
	return success
}

//export simMemAllocHost
func simMemAllocHost(p *unsafe.Pointer, n C.size_t) C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	if n == 0 {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	if *p = C.malloc(n); *p == nil {
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	c.mu.Lock()
	c.pinned[*p] = int(n)
	c.mu.Unlock()
	return success
}

//export simMemFreeHost
func simMemFreeHost(p unsafe.Pointer) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	r := C.CUresult(c.wait()) // what runs may still use it
	c.mu.Lock()
	_, ok := c.pinned[p]
	delete(c.pinned, p)
	c.mu.Unlock()
	if !ok {
		return C.CUDA_ERROR_INVALID_VALUE
	}
	C.free(p)
	return r
}

// isPinned says whether host memory is the driver's, which a copy reads when the stream gets there.
func (c *simContext) isPinned(p unsafe.Pointer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for start, n := range c.pinned {
		if uintptr(p)-uintptr(start) < uintptr(n) {
			return true
		}
	}
	return false
}

//export simMemGetInfo
func simMemGetInfo(free, total *C.size_t) C.CUresult {
	c, r := ready()
	if r != success {
		return r
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
	if r == success {
		r = c.forbidden(true)
	}
	if r != success {
		return nil, r
	}
	return c, C.CUresult(c.wait())
}

// inOrder does something to memory in the order of a stream; on the default stream after all that runs.
func inOrder(h C.CUstream, f func(g *sim.GPU) error) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	if s == nil {
		c, r := idle()
		if r != success {
			return r
		}
		return copyError(f(c.dev.gpu))
	}
	g := s.c.dev.gpu
	s.submit(func() error { return f(g) })
	return success
}

func hostBytes(p unsafe.Pointer, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(p), int(n))
}

//export simMemcpyHtoD
func simMemcpyHtoD(dst C.CUdeviceptr, src unsafe.Pointer, n C.size_t) C.CUresult {
	return inOrder(nil, func(g *sim.GPU) error { return g.Write(uint64(dst), hostBytes(src, n)) })
}

//export simMemcpyDtoH
func simMemcpyDtoH(dst unsafe.Pointer, src C.CUdeviceptr, n C.size_t) C.CUresult {
	return simMemcpyDtoHAsync(dst, src, n, nil)
}

//export simMemcpyDtoD
func simMemcpyDtoD(dst, src C.CUdeviceptr, n C.size_t) C.CUresult {
	return simMemcpyDtoDAsync(dst, src, n, nil)
}

//export simMemcpy
func simMemcpy(dst, src C.CUdeviceptr, n C.size_t) C.CUresult {
	return simMemcpyDtoDAsync(dst, src, n, nil)
}

// simMemcpyHtoDAsync reads pinned memory when the stream gets there, and memory that may move at once; a graph reads either when it runs.
//
//export simMemcpyHtoDAsync
func simMemcpyHtoDAsync(dst C.CUdeviceptr, src unsafe.Pointer, n C.size_t, h C.CUstream) C.CUresult {
	s, r := streamOf(h)
	if r != success {
		return r
	}
	b := hostBytes(src, n)
	if s != nil && !s.capturing() && !s.c.isPinned(src) {
		b = bytes.Clone(b)
	}
	return inOrder(h, func(g *sim.GPU) error { return g.Write(uint64(dst), b) })
}

//export simMemcpyDtoHAsync
func simMemcpyDtoHAsync(dst unsafe.Pointer, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	return inOrder(h, func(g *sim.GPU) error { return g.Read(uint64(src), hostBytes(dst, n)) })
}

//export simMemcpyDtoDAsync
func simMemcpyDtoDAsync(dst, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	return inOrder(h, func(g *sim.GPU) error { return g.Copy(uint64(dst), uint64(src), int(n)) })
}

//export simMemcpyAsync
func simMemcpyAsync(dst, src C.CUdeviceptr, n C.size_t, h C.CUstream) C.CUresult {
	return simMemcpyDtoDAsync(dst, src, n, h)
}

// fill sets elements of size bytes.
func fill(dst C.CUdeviceptr, value uint32, size int, n C.size_t, h C.CUstream) C.CUresult {
	return inOrder(h, func(g *sim.GPU) error { return g.Fill(uint64(dst), value, size, int(n)) })
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
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pool == 0 {
		g.pool = newHandle(g)
	}
	return give(unsafe.Pointer(p), g.pool)
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
	switch a {
	case C.CU_MEMPOOL_ATTR_USED_MEM_CURRENT, C.CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		g.mu.Lock()
		defer g.mu.Unlock()
		sum := 0
		for _, n := range g.pooled {
			sum += n
		}
		*(*uint64)(v) = uint64(sum)
		return success
	}
	return C.CUDA_ERROR_INVALID_VALUE
}

//export simMemPoolTrimTo
func simMemPoolTrimTo(C.CUmemoryPool, C.size_t) C.CUresult { return success }
