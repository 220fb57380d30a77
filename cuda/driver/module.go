//go:build gpu && cgo

package driver

/*
#include "loader.h"
#include <string.h>

enum { LOG = 16384 };

static CUresult loadModule(uintptr_t context, uintptr_t *module, const void *image, char *log) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    if (r != CUDA_SUCCESS) return r;
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)LOG};
    return cuModuleLoadDataEx((CUmodule *)module, image, 2, options, values);
}

// compile makes a cubin of PTX, in memory of malloc, and names the call that failed. The link state lives no longer than this call, because the driver writes
// to the options' values until it is destroyed.
static CUresult compile(uintptr_t context, const char *ptx, size_t size, const char *name, void **cubin, size_t *bytes, char *log, const char **call) {
    *call = "cuCtxSetCurrent";
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    if (r != CUDA_SUCCESS) return r;
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)LOG};
    CUlinkState state;
    *call = "cuLinkCreate";
    if ((r = cuLinkCreate(2, options, values, &state)) != CUDA_SUCCESS) return r;
    void *image; // belongs to the link state
    *call = "cuLinkAddData";
    r = cuLinkAddData(state, CU_JIT_INPUT_PTX, (void *)ptx, size, name, 0, NULL, NULL);
    if (r == CUDA_SUCCESS) {
        *call = "cuLinkComplete";
        r = cuLinkComplete(state, &image, bytes);
    }
    if (r == CUDA_SUCCESS) {
        *cubin = malloc(*bytes);
        if (*cubin) memcpy(*cubin, image, *bytes);
        else r = CUDA_ERROR_OPERATING_SYSTEM;
    }
    cuLinkDestroy(state);
    return r;
}

static CUresult unloadModule(uintptr_t context, uintptr_t module) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuModuleUnload((CUmodule)module) : r;
}

static CUresult setFunctionAttribute(uintptr_t context, uintptr_t function, int attribute, int value) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuFuncSetAttribute((CUfunction)function, (CUfunction_attribute)attribute, value) : r;
}

static CUresult activeBlocks(uintptr_t context, uintptr_t function, int threads, size_t shared, int *blocks) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (CUfunction)function, threads, shared) : r;
}
*/
import "C"

import (
	"bytes"
	"strings"
	"unsafe"
)

// Attributes of functions that gorgonia.org/cu does not name.
const MaxDynamicShared = int(C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)

// LoadModule loads PTX text or a cubin. The error of PTX that does not compile has the compiler's log.
func LoadModule(context Handle, image []byte) (Handle, error) {
	if len(bytes.TrimRight(image, "\x00")) == 0 {
		return 0, failure("cuModuleLoadDataEx", C.CUDA_ERROR_INVALID_IMAGE)
	}
	text := append(bytes.Clone(image), 0) // which ends text, and does a cubin no harm
	log := make([]byte, C.LOG)
	var m C.uintptr_t
	err := failure("cuModuleLoadDataEx", C.loadModule(C.uintptr_t(context), &m, unsafe.Pointer(&text[0]), (*C.char)(unsafe.Pointer(&log[0]))))
	return Handle(m), withLog(err, log)
}

// withLog adds the compiler's messages to an error.
func withLog(err error, log []byte) error {
	if e, ok := err.(*Error); ok {
		if s := strings.TrimSpace(string(log[:max(0, bytes.IndexByte(log, 0))])); s != "" {
			e.Log = s
		}
	}
	return err
}

// Compile makes a cubin for the context's GPU of PTX text.
func Compile(context Handle, name, text string) ([]byte, error) {
	if text == "" {
		return nil, failure("cuLinkAddData", C.CUDA_ERROR_INVALID_IMAGE)
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	ctext := C.CString(text)
	defer C.free(unsafe.Pointer(ctext))
	log := make([]byte, C.LOG)
	var cubin unsafe.Pointer
	var n C.size_t
	var call *C.char
	code := C.compile(C.uintptr_t(context), ctext, C.size_t(len(text)+1), cname, &cubin, &n, (*C.char)(unsafe.Pointer(&log[0])), &call)
	if code != C.CUDA_SUCCESS {
		return nil, withLog(failure(C.GoString(call), code), log)
	}
	defer C.free(cubin)
	return bytes.Clone(unsafe.Slice((*byte)(cubin), int(n))), nil
}

// UnloadModule unloads a module.
func UnloadModule(context, module Handle) error {
	return failure("cuModuleUnload", C.unloadModule(C.uintptr_t(context), C.uintptr_t(module)))
}

// SetFunctionAttribute sets a property of a function, such as MaxDynamicShared.
func SetFunctionAttribute(context, function Handle, attribute, value int) error {
	return failure("cuFuncSetAttribute", C.setFunctionAttribute(C.uintptr_t(context), C.uintptr_t(function), C.int(attribute), C.int(value)))
}

// ActiveBlocks is the number of blocks of a function that fit on a multiprocessor at once.
func ActiveBlocks(context, function Handle, threads, shared int) (int, error) {
	var n C.int
	err := failure("cuOccupancyMaxActiveBlocksPerMultiprocessor",
		C.activeBlocks(C.uintptr_t(context), C.uintptr_t(function), C.int(threads), C.size_t(shared), &n))
	return int(n), err
}
