//go:build gpu && cgo

package driver

/*
#include "loader.h"

static CUresult beginCapture(uintptr_t context, uintptr_t stream) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuStreamBeginCapture((CUstream)stream, CU_STREAM_CAPTURE_MODE_RELAXED) : r;
}

static CUresult endCapture(uintptr_t context, uintptr_t stream, uintptr_t *graph) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuStreamEndCapture((CUstream)stream, (CUgraph *)graph) : r;
}

static CUresult instantiate(uintptr_t context, uintptr_t graph, uintptr_t *exec) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuGraphInstantiateWithFlags((CUgraphExec *)exec, (CUgraph)graph, 0) : r;
}

static CUresult update(uintptr_t context, uintptr_t exec, uintptr_t graph) {
    CUgraphExecUpdateResultInfo info = {0};
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuGraphExecUpdate((CUgraphExec)exec, (CUgraph)graph, &info) : r;
}

static CUresult launchGraph(uintptr_t context, uintptr_t exec, uintptr_t stream) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuGraphLaunch((CUgraphExec)exec, (CUstream)stream) : r;
}

static CUresult destroyGraph(uintptr_t context, uintptr_t graph) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuGraphDestroy((CUgraph)graph) : r;
}

static CUresult destroyExec(uintptr_t context, uintptr_t exec) {
    CUresult r = cuCtxSetCurrent((CUcontext)context);
    return r == CUDA_SUCCESS ? cuGraphExecDestroy((CUgraphExec)exec) : r;
}
*/
import "C"

// BeginCapture makes a stream record what is submitted to it instead of running it. Calls that are not of the stream stay possible.
func BeginCapture(context, stream Handle) error {
	return failure("cuStreamBeginCapture", C.beginCapture(C.uintptr_t(context), C.uintptr_t(stream)))
}

// EndCapture ends a recording and gives its graph. The error is that of the capture where something in it could not be recorded.
func EndCapture(context, stream Handle) (graph Handle, err error) {
	var g C.uintptr_t
	err = failure("cuStreamEndCapture", C.endCapture(C.uintptr_t(context), C.uintptr_t(stream), &g))
	return Handle(g), err
}

// Instantiate makes a graph ready to be launched.
func Instantiate(context, graph Handle) (exec Handle, err error) {
	var e C.uintptr_t
	err = failure("cuGraphInstantiate", C.instantiate(C.uintptr_t(context), C.uintptr_t(graph), &e))
	return Handle(e), err
}

// UpdateGraph gives an executable graph the parameters of another graph of the same structure. Where it fails, instantiate the graph anew.
func UpdateGraph(context, exec, graph Handle) error {
	return failure("cuGraphExecUpdate", C.update(C.uintptr_t(context), C.uintptr_t(exec), C.uintptr_t(graph)))
}

// LaunchGraph submits an executable graph to a stream.
func LaunchGraph(context, exec, stream Handle) error {
	if code := C.launchGraph(C.uintptr_t(context), C.uintptr_t(exec), C.uintptr_t(stream)); code != C.CUDA_SUCCESS {
		return failure("cuGraphLaunch", code)
	}
	return nil
}

// DestroyGraph destroys a graph; what was instantiated of it stays.
func DestroyGraph(context, graph Handle) error {
	return failure("cuGraphDestroy", C.destroyGraph(C.uintptr_t(context), C.uintptr_t(graph)))
}

// DestroyGraphExec destroys an executable graph.
func DestroyGraphExec(context, exec Handle) error {
	return failure("cuGraphExecDestroy", C.destroyExec(C.uintptr_t(context), C.uintptr_t(exec)))
}
