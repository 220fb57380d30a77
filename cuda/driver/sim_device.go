//go:build gpu && cgo

package driver

/*
#include "cuda.h"
*/
import "C"

import (
	"encoding/binary"
	"unsafe"
)

const success = C.CUresult(C.CUDA_SUCCESS)

//export simDeviceGet
func simDeviceGet(d *C.CUdevice, ordinal C.int) C.CUresult {
	if simulatedGPU(int(ordinal)) == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	*d = C.CUdevice(ordinal)
	return success
}

//export simDeviceGetName
func simDeviceGetName(name *C.char, n C.int, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil || n < 1 {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(name)), int(n))
	b[copy(b[:n-1], g.chip.Title+" (simulated)")] = 0
	return success
}

//export simDeviceGetUuid
func simDeviceGetUuid(u *C.CUuuid, d C.CUdevice) C.CUresult {
	if simulatedGPU(int(d)) == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(u)), 16)
	clear(b)
	binary.BigEndian.PutUint32(b[12:], uint32(d))
	return success
}

//export simDeviceTotalMem
func simDeviceTotalMem(n *C.size_t, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	_, total := g.gpu.MemoryInfo()
	*n = C.size_t(total)
	return success
}

//export simDeviceCanAccessPeer
func simDeviceCanAccessPeer(can *C.int, a, b C.CUdevice) C.CUresult {
	*can = 0
	return success
}

//export simDeviceGetAttribute
func simDeviceGetAttribute(v *C.int, a C.CUdevice_attribute, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	*v = C.int(g.attribute(a))
	return success
}

// staticShared is the shared memory that a launch may have without a function attribute that allows more.
const staticShared = 48 << 10

// attribute is a property of the GPU; those that nobody asks for here are 0.
func (g *SimulatedGPU) attribute(a C.CUdevice_attribute) int {
	c := g.chip
	switch a {
	case C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		return c.Capability / 10
	case C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		return c.Capability % 10
	case C.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		return c.SMs
	case C.CU_DEVICE_ATTRIBUTE_WARP_SIZE:
		return 32
	case C.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, C.CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, C.CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
		return 1024
	case C.CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
		return 64
	case C.CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
		return 1<<31 - 1
	case C.CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, C.CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
		return 65535
	case C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
		return staticShared
	case C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
		return c.SharedBlock
	case C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
		return c.SharedSM
	case C.CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
		return 64 << 10
	case C.CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, C.CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
		return c.Registers
	case C.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
		return 32 * c.Warps
	case C.CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
		return c.Blocks
	case C.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
		return int(c.L2Bytes)
	case C.CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
		return int(c.VectorClock / 1e3) // kHz
	case C.CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, C.CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, C.CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS,
		C.CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
		return 1
	}
	return 0
}

//export simDevicePrimaryCtxRetain
func simDevicePrimaryCtxRetain(p *C.CUcontext, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.primary == nil {
		if g.primary = newSimContext(g, 0); g.primary == nil {
			return C.CUDA_ERROR_OUT_OF_MEMORY
		}
	}
	g.retained++
	return give(unsafe.Pointer(p), g.primary.handle)
}

//export simDevicePrimaryCtxRelease
func simDevicePrimaryCtxRelease(d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retained == 0 {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	if g.retained--; g.retained == 0 {
		g.primary.destroy()
		g.primary = nil
	}
	return success
}

//export simCtxCreate
func simCtxCreate(p *C.CUcontext, flags C.uint, d C.CUdevice) C.CUresult {
	g := simulatedGPU(int(d))
	if g == nil {
		return C.CUDA_ERROR_INVALID_DEVICE
	}
	if code := simulator.broken.Load(); code != 0 {
		return C.CUresult(code)
	}
	c := newSimContext(g, uint32(flags))
	if c == nil {
		return C.CUDA_ERROR_OUT_OF_MEMORY
	}
	return give(unsafe.Pointer(p), c.handle)
}

// simCtxDestroy waits for what runs, as a real driver does: a kernel that never ends keeps it for ever.
//
//export simCtxDestroy
func simCtxDestroy(h C.CUcontext) C.CUresult {
	c := object[*simContext](unsafe.Pointer(h))
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	c.wait()
	c.destroy()
	return success
}

// simCtxCheck is the answer to making a context current.
//
//export simCtxCheck
func simCtxCheck(h C.CUcontext) C.CUresult {
	if object[*simContext](unsafe.Pointer(h)) == nil {
		return C.CUDA_ERROR_CONTEXT_IS_DESTROYED
	}
	return success
}

//export simCtxGetDevice
func simCtxGetDevice(d *C.CUdevice) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	*d = C.CUdevice(c.dev.number)
	return success
}

//export simCtxGetFlags
func simCtxGetFlags(f *C.uint) C.CUresult {
	c := currentSim()
	if c == nil {
		return C.CUDA_ERROR_INVALID_CONTEXT
	}
	*f = C.uint(c.flags)
	return success
}

//export simCtxGetLimit
func simCtxGetLimit(v *C.size_t, limit C.CUlimit) C.CUresult {
	switch limit {
	case C.CU_LIMIT_STACK_SIZE:
		*v = 1024
	case C.CU_LIMIT_MALLOC_HEAP_SIZE, C.CU_LIMIT_PRINTF_FIFO_SIZE:
		*v = 1 << 20
	default:
		return C.CUDA_ERROR_UNSUPPORTED_LIMIT
	}
	return success
}

//export simCtxGetStreamPriorityRange
func simCtxGetStreamPriorityRange(least, greatest *C.int) C.CUresult {
	if least != nil {
		*least = 0
	}
	if greatest != nil {
		*greatest = 0
	}
	return success
}

//export simCtxSynchronize
func simCtxSynchronize() C.CUresult {
	c, r := ready()
	if r != success {
		return r
	}
	for _, s := range c.all() {
		if r := s.spoilCapture(); r != success {
			return r
		}
	}
	return C.CUresult(c.wait())
}
