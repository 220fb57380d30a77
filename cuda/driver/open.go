//go:build gpu && cgo

package driver

/*
#cgo CFLAGS: -I${SRCDIR}/include
#cgo linux LDFLAGS: -ldl -lpthread
#include "loader.h"
*/
import "C"

import (
	"fmt"
	"reflect"
	"strings"
)

// Built says whether this build can load the driver.
const Built = true

// EnvLibrary names the environment variable with the path of another library than libcuda.so.1.
const EnvLibrary = "PALLADIO_LIBCUDA"

// Handle is one of the driver's pointers: a CUcontext, CUstream, CUfunction and so on.
type Handle = uintptr

// Open starts the driver, once, or says why there is none.
func Open() error {
	switch code := C.driverStatus(); code {
	case C.CUDA_SUCCESS:
		return nil
	case C.CUDA_ERROR_STUB_LIBRARY:
		if why := C.GoString(C.driverFault()); why != "" {
			return fmt.Errorf("%w: %s cannot be opened: %s (install NVIDIA's driver, or say in %s where it is)", ErrNoDriver, C.GoString(C.driverPath()), why, EnvLibrary)
		}
		return fmt.Errorf("%w: %s is a stub of the CUDA toolkit, not the driver", ErrNoDriver, C.GoString(C.driverPath()))
	case C.CUDA_ERROR_NO_DEVICE:
		return fmt.Errorf("%w: it is installed, but found no GPU (%w)", ErrNoDriver, failure("cuInit", code))
	default:
		return fmt.Errorf("%w: it is installed, but does not start: %w", ErrNoDriver, failure("cuInit", code))
	}
}

// Version is the newest CUDA version that the driver supports, 12040 for 12.4; 0 without a driver.
func Version() int {
	if Open() != nil {
		return 0
	}
	var v C.int
	if C.driverVersion(&v) != C.CUDA_SUCCESS {
		return 0
	}
	return int(v)
}

// failure is the error of a call, nil for success.
func failure(call string, code C.CUresult) error {
	if code == C.CUDA_SUCCESS {
		return nil
	}
	e := &Error{Call: call, Code: int(code)}
	var s *C.char
	if C.cuGetErrorName(code, &s) == C.CUDA_SUCCESS {
		e.Name = C.GoString(s)
	} else {
		e.Name = "unknown error"
	}
	if C.cuGetErrorString(code, &s) == C.CUDA_SUCCESS {
		e.Text = C.GoString(s)
	}
	if code == C.CUDA_ERROR_NOT_SUPPORTED {
		if m := C.GoString(C.missingSymbol()); m == call || strings.HasPrefix(m, call+"_v") {
			e.Text = "the driver has no function " + m
		}
	}
	e.Log = takeFinding(int(code))
	return e
}

// Explain turns an error of gorgonia.org/cu, which is a bare number, into an *Error.
func Explain(call string, err error) error {
	if err == nil {
		return nil
	}
	for e := err; e != nil; {
		if v := reflect.ValueOf(e); v.Kind() == reflect.Int {
			return failure(call, C.CUresult(v.Int()))
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return fmt.Errorf("%s: %w", call, err)
}

// structSizes are the sizes of the interface's structures as this build lays them out.
func structSizes() map[string]uintptr {
	return map[string]uintptr{
		"CUDA_MEMCPY2D": C.sizeof_CUDA_MEMCPY2D, "CUDA_MEMCPY3D": C.sizeof_CUDA_MEMCPY3D, "CUDA_MEMCPY3D_PEER": C.sizeof_CUDA_MEMCPY3D_PEER,
		"CUDA_ARRAY_DESCRIPTOR": C.sizeof_CUDA_ARRAY_DESCRIPTOR, "CUDA_ARRAY3D_DESCRIPTOR": C.sizeof_CUDA_ARRAY3D_DESCRIPTOR,
		"CUDA_KERNEL_NODE_PARAMS": C.sizeof_CUDA_KERNEL_NODE_PARAMS, "CUDA_MEMSET_NODE_PARAMS": C.sizeof_CUDA_MEMSET_NODE_PARAMS,
		"CUDA_HOST_NODE_PARAMS": C.sizeof_CUDA_HOST_NODE_PARAMS, "CUgraphExecUpdateResultInfo": C.sizeof_CUgraphExecUpdateResultInfo,
		"CUuuid": C.sizeof_CUuuid, "CUdeviceptr": C.sizeof_CUdeviceptr,
	}
}
