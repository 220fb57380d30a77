//go:build gpu && cgo

package driver

/*
#include "loader.h"

static CUresult allocAsync(uintptr_t context, CUdeviceptr *p, size_t bytes, uintptr_t stream) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuMemAllocAsync(p, bytes, (CUstream)stream) : r;
}

static CUresult freeAsync(uintptr_t context, CUdeviceptr p, uintptr_t stream) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuMemFreeAsync(p, (CUstream)stream) : r;
}

static CUresult allocHost(uintptr_t context, void **p, size_t bytes) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuMemAllocHost(p, bytes) : r;
}

static CUresult freeHost(uintptr_t context, void *p) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuMemFreeHost(p) : r;
}

static CUresult keepFreed(int device, uint64_t bytes) {
    CUmemoryPool pool;
    CUresult r = cuDeviceGetDefaultMemPool(&pool, device);
    return r == CUDA_SUCCESS ? cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &bytes) : r;
}

static CUresult poolStatistics(int device, uint64_t *used, uint64_t *reserved) {
    CUmemoryPool pool;
    CUresult r = cuDeviceGetDefaultMemPool(&pool, device);
    if (r == CUDA_SUCCESS) r = cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, used);
    if (r == CUDA_SUCCESS) r = cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, reserved);
    return r;
}

static CUresult trimPool(int device, size_t keep) {
    CUmemoryPool pool;
    CUresult r = cuDeviceGetDefaultMemPool(&pool, device);
    return r == CUDA_SUCCESS ? cuMemPoolTrimTo(pool, keep) : r;
}
*/
import "C"

import "unsafe"

// AllocAsync reserves device memory in the order of a stream.
func AllocAsync(context, stream Handle, bytes int) (uint64, error) {
	var p C.CUdeviceptr
	err := failure("cuMemAllocAsync", C.allocAsync(C.uintptr_t(context), &p, C.size_t(bytes), C.uintptr_t(stream)))
	return uint64(p), err
}

// FreeAsync gives memory of AllocAsync back when the stream gets there.
func FreeAsync(context, stream Handle, addr uint64) error {
	return failure("cuMemFreeAsync", C.freeAsync(C.uintptr_t(context), C.CUdeviceptr(addr), C.uintptr_t(stream)))
}

// AllocHost reserves host memory whose pages stay where they are, so that the GPU can read and write it while the host goes on.
func AllocHost(context Handle, bytes int) ([]byte, error) {
	if bytes == 0 {
		return nil, nil
	}
	var p unsafe.Pointer
	if err := failure("cuMemAllocHost", C.allocHost(C.uintptr_t(context), &p, C.size_t(bytes))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

// FreeHost gives memory of AllocHost back.
func FreeHost(context Handle, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return failure("cuMemFreeHost", C.freeHost(C.uintptr_t(context), unsafe.Pointer(unsafe.SliceData(b))))
}

// KeepFreed sets how many bytes of freed memory the device's pool keeps at a synchronisation, instead of giving them back to the driver.
func KeepFreed(device int, bytes uint64) error {
	return failure("cuMemPoolSetAttribute", C.keepFreed(C.int(device), C.uint64_t(bytes)))
}

// PoolStatistics are the bytes of a device's pool: handed out, and taken from the driver in all.
func PoolStatistics(device int) (used, reserved uint64, err error) {
	var u, r C.uint64_t
	err = failure("cuMemPoolGetAttribute", C.poolStatistics(C.int(device), &u, &r))
	return uint64(u), uint64(r), err
}

// TrimPool gives freed memory of a device's pool back to the driver but for keep bytes.
func TrimPool(device int, keep uint64) error {
	return failure("cuMemPoolTrimTo", C.trimPool(C.int(device), C.size_t(keep)))
}
