package driver

import (
	"errors"
	"fmt"
)

// ErrNoDriver is wrapped by errors that say why there is no NVIDIA driver to be used.
var ErrNoDriver = errors.New("no NVIDIA driver")

// Error is a call of the driver that failed.
type Error struct {
	Call string // the driver's function
	Code int    // CUresult
	Name string // such as CUDA_ERROR_OUT_OF_MEMORY
	Text string // the driver's explanation; may be empty
	Log  string // of the PTX compiler, where the call runs it, or the simulator's finding; may be empty
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s (%d)", e.Call, e.Name, e.Code)
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Log != "" {
		s += "\n" + e.Log
	}
	return s
}

// The codes that callers tell apart.
const (
	OutOfMemory           = 2
	NoDevice              = 100
	InvalidImage          = 200
	InvalidContext        = 201
	NoBinaryForGPU        = 209
	InvalidPTX            = 218
	UnsupportedPTXVersion = 222
	NotFound              = 500
	NotReady              = 600
	IllegalAddress        = 700
	LaunchTimeout         = 702
	LaunchFailed          = 719
	NotSupported          = 801
	Unknown               = 999
)

// Lost says whether the error is one after which the driver answers every call of the context with an error: all that it held is lost.
func (e *Error) Lost() bool {
	switch e.Code {
	case 214, 220, IllegalAddress, LaunchTimeout, 709, 710, 714, 715, 716, 717, 718, LaunchFailed, Unknown:
		return true
	}
	return false
}
