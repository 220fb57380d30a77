package cuda

import "time"

// Info describes a GPU.
type Info struct {
	Name       string `json:"name"`   // of the device, such as "cuda:0"
	Model      string `json:"model"`  // of the chip, such as "NVIDIA H100 80GB HBM3"
	Driver     string `json:"driver"` // what runs it, such as "NVIDIA driver for CUDA 12.4" or "simulator"
	Simulated  bool   `json:"simulated"`
	Capability int    `json:"compute_capability"` // compute capability, 90 for 9.0
	SMs        int    `json:"sms"`                // streaming multiprocessors
	Memory     int64  `json:"memory_bytes"`
	Shared     int    `json:"shared_per_block"` // most bytes of shared memory that a block may ask for
}

// limits are what lowerings read of a GPU.
func (i Info) limits() Limits {
	return Limits{Capability: i.Capability, SMs: i.SMs, SharedBlock: i.Shared}
}

// gpu is a GPU behind a driver: one context of it with one stream, in whose order everything happens. A Device is written on it. Its methods may be called from
// several goroutines. Errors after which the context is lost wrap ErrContextLost.
type gpu interface {
	info() Info
	// alloc reserves memory aligned to 256 bytes; its error wraps ErrOutOfMemory where there is not enough.
	alloc(bytes int) (uint64, error)
	free(addr uint64) error
	// memory says how many bytes the driver has left, how many there are, and how many of those in use are kept for later allocations.
	memory() (free, total, cached int64, err error)
	// trim gives what is kept for later back to the driver.
	trim() error
	// upload copies to the device, in order; src may be changed at once. While a graph is recorded, it copies before that graph can run.
	upload(addr uint64, src []byte) error
	// download waits for all that was submitted and copies to the host.
	download(dst []byte, addr uint64) error
	fill(addr uint64, value byte, bytes int) error
	// load makes a module of PTX text.
	load(name, text string) (module, error)
	// sync waits for all that was submitted, for no longer than the limit that the GPU was opened with. Its error is that of the first launch that failed, or
	// wraps ErrHung.
	sync() error
	// time is how long the device takes for what submit submits, by its own clock.
	time(submit func() error) (time.Duration, error)
	// record gives what submit submits as a graph instead of running it.
	record(submit func() error) (graph, error)
	// close gives everything back; where the context is lost or hangs, what can be given back.
	close() error
	// abandon gives back what can be given back of a context that is lost or hangs, where another one on the same GPU shall take its place.
	abandon() error
}

// module is a loaded module.
type module interface {
	// entry finds an entry point.
	entry(name string) (entry, error)
}

// entry is an entry point of a loaded module.
type entry interface {
	// parameters is the number of parameters, -1 where the driver does not tell.
	parameters() int
	// prepare makes a launch. Where it asks for more dynamic shared memory than is the default, it sets the attribute that allows it.
	prepare(l *Launch) (launch, error)
}

// launch is a prepared launch.
type launch interface {
	// params are the cells of the parameters, to be filled before run.
	params() []uint64
	// run submits the launch; it allocates nothing.
	run() error
	free()
}

// graph is a recorded list of submissions.
type graph interface {
	run() error
	// update takes over what submit submits now: the same work on other operands, or other work.
	update(submit func() error) error
	free() error
}
