//go:build gpu && cgo

package driver

/*
#include "loader.h"

// A launch with its parameters, in memory that does not move.
typedef struct {
    CUcontext context;
    CUstream stream;
    CUfunction function;
    unsigned int grid[3], block[3], shared, parameters;
    void **pointers;
    uint64_t values[];
} launch;

static launch *newLaunch(uintptr_t context, uintptr_t stream, uintptr_t function, unsigned int parameters) {
    launch *l = calloc(1, sizeof *l + parameters * (sizeof(uint64_t) + sizeof(void *)));
    if (!l) return NULL;
    l->context = (CUcontext)context;
    l->stream = (CUstream)stream;
    l->function = (CUfunction)function;
    l->parameters = parameters;
    l->pointers = (void **)(l->values + parameters);
    for (unsigned int i = 0; i < parameters; i++) l->pointers[i] = &l->values[i];
    return l;
}

static uint64_t *values(launch *l) { return l->values; }

static CUresult run(launch *l) {
    CUresult r = cuCtxSetCurrent(l->context);
    if (r != CUDA_SUCCESS) return r;
    return cuLaunchKernel(l->function, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1], l->block[2], l->shared, l->stream, l->pointers, NULL);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Launch is a launch of a function that can be made again and again: nothing is allocated or copied but the parameters' values.
type Launch struct {
	c      *C.launch
	Params []uint64 // one cell a parameter, of which the function takes its declared size
}

// NewLaunch prepares a launch of a function in a context and stream.
func NewLaunch(context, stream, function Handle, grid, block [3]int, shared, parameters int) (*Launch, error) {
	c := C.newLaunch(C.uintptr_t(context), C.uintptr_t(stream), C.uintptr_t(function), C.uint(parameters))
	if c == nil {
		return nil, fmt.Errorf("launch with %d parameters: out of host memory", parameters)
	}
	for i := range 3 {
		c.grid[i], c.block[i] = C.uint(grid[i]), C.uint(block[i])
	}
	c.shared = C.uint(shared)
	return &Launch{c, unsafe.Slice((*uint64)(C.values(c)), parameters)}, nil
}

// Run submits the launch with the present values of Params.
func (l *Launch) Run() error {
	if code := C.run(l.c); code != C.CUDA_SUCCESS {
		return failure("cuLaunchKernel", code)
	}
	return nil
}

// Free gives the launch's memory back. It may not run any more.
func (l *Launch) Free() {
	C.free(unsafe.Pointer(l.c))
	l.c, l.Params = nil, nil
}
