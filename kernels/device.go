package kernels

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// Device runs kernels: a CPU at some SIMD level, a GPU, a simulated GPU, or the plain reference.
type Device interface {
	// Name identifies the device, such as "cpu:avx512" or "cuda:0".
	Name() string
	// Alloc reserves memory on the device, aligned to at least 64 bytes. Its contents are undefined.
	Alloc(bytes int) (Memory, error)
	// Prepare chooses how to run k here. The error wraps ErrUnsupported where the device has no version of k.
	Prepare(k Kernel) (Exec, error)
	// Sync waits for everything submitted so far and returns the first error of it.
	Sync() error
	Close() error
}

// Recorder is implemented by devices that can run many calls for the price of one.
type Recorder interface {
	// Record gives what submit submits (calls of Exec.Run, nothing that waits) as one unit instead of running it. Replaying it runs the same calls on the
	// same operands.
	Record(submit func() error) (Replay, error)
}

// Replay is a recorded list of calls.
type Replay interface {
	// Run submits the calls; it allocates nothing.
	Run() error
	// Update takes over what submit submits now: cheaper than a new recording where only operands changed.
	Update(submit func() error) error
	Free() error
}

// LabelledAllocator is implemented by devices that can say what holds their memory.
type LabelledAllocator interface {
	// AllocLabelled is Alloc for a purpose that messages name.
	AllocLabelled(bytes int, label string) (Memory, error)
}

// Alloc reserves memory on a device for a purpose that the device's messages name, such as "arena of the plan".
func Alloc(d Device, bytes int, label string) (Memory, error) {
	if l, ok := d.(LabelledAllocator); ok {
		return l.AllocLabelled(bytes, label)
	}
	return d.Alloc(bytes)
}

// ErrUnsupported is wrapped by Prepare's error when a device has no version of a kernel.
var ErrUnsupported = errors.New("kernel not supported")

// Unsupported makes the error that Prepare returns for a kernel that the device does not have.
func Unsupported(device string, k Kernel) error {
	return fmt.Errorf("%s: %s: %w", device, k, ErrUnsupported)
}

// Memory is a block of device memory.
type Memory interface {
	Bytes() int
	// Arg is the part [off, off+n) as a call's argument.
	Arg(off, n int) Arg
	// Upload and Download copy between the host and the part of the block that starts at off.
	Upload(off int, src []byte) error
	Download(off int, dst []byte) error
	Free() error
}

// Arg is one operand of a call: host bytes on devices that share the host's memory, an address on those that do not.
type Arg struct {
	Host []byte
	Addr uint64
}

// Exec is a kernel prepared for one device. It is not safe for concurrent use; prepare the kernel again instead.
type Exec interface {
	// Workspace is the number of scratch bytes that Run needs, aligned to 64.
	Workspace() int
	// Run executes (or submits, on a device with its own queue) the kernel on args, in the order of
	// Kernel.Operands. It allocates nothing and trusts the sizes of args: the machine checks them once.
	Run(args []Arg, workspace Arg) error
}

// Timer is implemented by devices that run calls in a queue of their own, by a clock of their own.
type Timer interface {
	// Time is how long the device takes for what submit submits, without the wait for what was submitted before. The simulated GPU answers
	// with the time that its model gives.
	Time(submit func() error) (time.Duration, error)
}

// Elem is the set of Go types that a host argument can be seen as.
type Elem interface {
	~float32 | ~float64 | ~int32 | ~int64 | ~uint64 | ~uint32 | ~uint16 | ~uint8
}

// Slice sees a host argument as elements.
func Slice[T Elem](a Arg) []T {
	var t T
	n := len(a.Host) / int(unsafe.Sizeof(t))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(a.Host))), n)
}

// HostArg makes an argument of a Go slice.
func HostArg[T Elem](s []T) Arg {
	if len(s) == 0 {
		return Arg{}
	}
	return Arg{Host: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))}
}

// CheckArgs says whether args fit k's operands. Machines and tests call it once a plan, not once a call.
func CheckArgs(k Kernel, args []Arg) error {
	ops := k.Operands()
	if len(args) != len(ops) {
		return fmt.Errorf("%s: given %d operands, want %d", k, len(args), len(ops))
	}
	for i, o := range ops {
		if args[i].Addr == 0 && len(args[i].Host) < o.Bytes() {
			return fmt.Errorf("%s: operand %s has %d bytes, want %d", k, o, len(args[i].Host), o.Bytes())
		}
	}
	return nil
}

// SizeText writes a number of bytes for people.
func SizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
