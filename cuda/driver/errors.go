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

// The codes that this package and its callers tell apart.
const (
	OutOfMemory           = 2
	DeviceUnavailable     = 46
	NoDevice              = 100
	InvalidImage          = 200
	InvalidContext        = 201
	NoBinaryForGPU        = 209
	InvalidPTX            = 218
	JITCompilerNotFound   = 221
	UnsupportedPTXVersion = 222
	JITDisabled           = 223
	NotFound              = 500
	NotReady              = 600
	NotSupported          = 801
	SystemNotReady        = 802

	// After these the driver answers every call of the context with an error (CUDA Driver API, CUresult: "leaves the process in an inconsistent state").
	ECCUncorrectable    = 214
	NVLinkUncorrectable = 220
	Contained           = 226
	IllegalAddress      = 700
	LaunchTimeout       = 702
	ContextIsDestroyed  = 709
	Assert              = 710
	HardwareStackError  = 714
	IllegalInstruction  = 715
	MisalignedAddress   = 716
	InvalidAddressSpace = 717
	InvalidPC           = 718
	LaunchFailed        = 719
	TensorMemoryLeak    = 721
	MPSClientTerminated = 810
	ExternalDevice      = 911
	Unknown             = 999
)

// Lost says whether the error is one after which the driver answers every call of the context with an error: all that it held is lost.
func (e *Error) Lost() bool {
	switch e.Code {
	case ECCUncorrectable, NVLinkUncorrectable, Contained, IllegalAddress, LaunchTimeout, ContextIsDestroyed, Assert, HardwareStackError, IllegalInstruction,
		MisalignedAddress, InvalidAddressSpace, InvalidPC, LaunchFailed, TensorMemoryLeak, MPSClientTerminated, ExternalDevice, Unknown:
		return true
	}
	return false
}
