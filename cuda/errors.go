package cuda

import (
	"errors"
	"fmt"
	"strings"

	"palladio/kernels"
)

// The errors that callers tell apart.
var (
	// ErrOutOfMemory is wrapped by Alloc's error where the GPU has not enough memory left.
	ErrOutOfMemory = errors.New("out of device memory")
	// ErrContextLost is wrapped by the error of a kernel that broke its context, such as by an illegal access, and by those of later uses of memory that was lost
	// with it. The device itself goes on: what is allocated and prepared anew works.
	ErrContextLost = errors.New("the device's memory is lost")
	// ErrBeyondRepair is wrapped by the error of a device whose context is lost and cannot be made anew in this process, and by that of opening one then: what was
	// on it must be done again in a new process.
	ErrBeyondRepair = errors.New("only a new process can use this GPU again")
	// ErrHung is wrapped by the error of work that did not end in the device's time limit.
	ErrHung = errors.New("a kernel does not end")
	// ErrNoDevice is wrapped by Open's error where there is no such device.
	ErrNoDevice = errors.New("no such device")
)

// errRecording is the answer to a call that waits while a graph is recorded.
var errRecording = errors.New("waiting cannot be recorded")

// Holding is memory that somebody holds.
type Holding struct {
	Label string
	Bytes int64
	Count int // of blocks
}

// MemoryError says what holds a device's memory.
type MemoryError struct {
	Device      string
	Asked       int64
	Label       string // of what was to be allocated
	Free, Total int64  // of the driver
	Held        int64  // by this device
	Cached      int64  // kept by the pool for later allocations; already given back to no avail
	Largest     []Holding
}

func (e *MemoryError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v: %s asked for %s; the driver has %s free of %s, this process holds %s here", e.Device, ErrOutOfMemory, e.Label, kernels.SizeText(e.Asked),
		kernels.SizeText(e.Free), kernels.SizeText(e.Total), kernels.SizeText(e.Held))
	if e.Cached > 0 {
		fmt.Fprintf(&b, " (and %s in its pool)", kernels.SizeText(e.Cached))
	}
	if other := e.Total - e.Free - e.Held - e.Cached; other > e.Total/16 {
		fmt.Fprintf(&b, ", other processes, other contexts of this one and the driver %s", kernels.SizeText(other))
	}
	for i, h := range e.Largest {
		sep := ", "
		if i == 0 {
			sep = "; most is held by "
		}
		fmt.Fprintf(&b, "%s%s (%s", sep, h.Label, kernels.SizeText(h.Bytes))
		if h.Count > 1 {
			fmt.Fprintf(&b, " in %d blocks", h.Count)
		}
		b.WriteString(")")
	}
	b.WriteString(": make the batch smaller, or trade time for memory with engine.Recompute")
	return b.String()
}

// Unwrap gives ErrOutOfMemory.
func (e *MemoryError) Unwrap() error { return ErrOutOfMemory }

// LaunchError is a launch that failed.
type LaunchError struct {
	Device string
	Calls  []string // the calls that it may have been, the latest last; one where it is known
	More   int      // how many came before those
	Err    error
}

func (e *LaunchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Device, e.Err)
	switch {
	case len(e.Calls) == 1 && e.More == 0:
		fmt.Fprintf(&b, "\nin %s", e.Calls[0])
	case len(e.Calls) > 0:
		fmt.Fprintf(&b, "\nin one of the %d launches since the last synchronisation (%s=1 waits after each and tells which), the latest of them:", len(e.Calls)+e.More, EnvSync)
		for _, c := range e.Calls {
			b.WriteString("\n\t" + c)
		}
	}
	return b.String()
}

// Unwrap gives the driver's error.
func (e *LaunchError) Unwrap() error { return e.Err }
