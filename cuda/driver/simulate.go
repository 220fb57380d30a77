//go:build gpu && cgo

package driver

/*
#include "loader.h"
*/
import "C"

import (
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"palladio/cuda/sim"
)

// SimulatedGPU is a GPU of the simulated driver.
type SimulatedGPU struct {
	number  int
	chip    *sim.Chip
	gpu     *sim.GPU
	version int
	timed   atomic.Bool // launches are profiled, and events tell the modelled time

	mu       sync.Mutex
	primary  *simContext
	retained int            // how often
	pool     uintptr        // handle of its memory pool
	pooled   map[uint64]int // bytes of what is handed out of the pool, by address; it outlives contexts
}

// simulator is the simulated driver: its GPUs, and what its handles stand for.
var simulator struct {
	mu       sync.RWMutex
	gpus     []*SimulatedGPU
	objects  []any // by handle number; nil where the handle is free
	free     []uint32
	base     uintptr        // address of handle number 0
	findings map[int]string // what the simulator last said, by error code

	fuse   atomic.Int64 // launches until one fails on purpose; 0 is none
	broken atomic.Int32 // the error that every new context meets; 0 is none
}

// The version that a simulated driver has unless another is asked for: that of CUDA 12.8.
const simulatedVersion = 12080

// Simulate adds a GPU to the simulated driver, which answers as one of the given CUDA version (0 for a recent one). gorgonia.org/cu knows it by Number.
func Simulate(chip *sim.Chip, o sim.Options, version int) (*SimulatedGPU, error) {
	base := uintptr(C.simulatedHandle(0))
	if base == 0 {
		return nil, errors.New("simulated driver: no addresses are left for its handles")
	}
	if version == 0 {
		version = simulatedVersion
	}
	simulator.mu.Lock()
	defer simulator.mu.Unlock()
	simulator.base = base
	g := &SimulatedGPU{number: C.FIRST_SIMULATED + len(simulator.gpus), chip: chip, gpu: sim.New(chip, o), version: version, pooled: map[uint64]int{}}
	simulator.gpus = append(simulator.gpus, g)
	return g, nil
}

// Number is the device's number, which cuDeviceGet takes and gives.
func (g *SimulatedGPU) Number() int { return g.number }

// KeepTime lets events tell the time that the chip's model gives, instead of that of the simulation. Launches take longer to simulate then.
func (g *SimulatedGPU) KeepTime(on bool) { g.timed.Store(on) }

// Occupy takes memory of the GPU as another process would; no context can free it.
func (g *SimulatedGPU) Occupy(bytes int) error {
	_, err := g.gpu.Alloc(bytes)
	return err
}

// FailAfter makes the n-th launch from now on fail with an illegal access, after which this process cannot make a context on any simulated GPU any more: what
// NVIDIA's documentation says of such errors, and so what programs must be prepared for. 0 takes it back.
func FailAfter(n int) {
	simulator.fuse.Store(int64(n))
	simulator.broken.Store(0)
}

// burn counts a launch down.
func burn(kernel string) error {
	if simulator.fuse.Load() == 0 || simulator.fuse.Add(-1) != 0 {
		return nil
	}
	simulator.broken.Store(IllegalAddress)
	return &sim.Fault{Kernel: kernel, Lane: -1, Addr: 1, What: "illegal access, as asked for"}
}

// Closed says whether the GPU is gone.
func (g *SimulatedGPU) Closed() bool { return simulatedGPU(g.number) == nil }

// Close removes the GPU and all that its contexts hold.
func (g *SimulatedGPU) Close() error {
	simulator.mu.Lock()
	simulator.gpus[g.number-C.FIRST_SIMULATED] = nil
	var contexts []*simContext
	for _, o := range simulator.objects {
		if c, ok := o.(*simContext); ok && c.dev == g {
			contexts = append(contexts, c)
		}
	}
	simulator.mu.Unlock()
	for _, c := range contexts {
		c.destroy()
	}
	return g.gpu.Close()
}

// simulatedGPU is the GPU of a number; nil if there is none.
func simulatedGPU(number int) *SimulatedGPU {
	simulator.mu.RLock()
	defer simulator.mu.RUnlock()
	if i := number - C.FIRST_SIMULATED; i >= 0 && i < len(simulator.gpus) {
		return simulator.gpus[i]
	}
	return nil
}

// newHandle makes a handle for an object; 0 if none are left.
func newHandle(o any) uintptr {
	simulator.mu.Lock()
	defer simulator.mu.Unlock()
	var n uint32
	if f := simulator.free; len(f) > 0 {
		n, simulator.free = f[len(f)-1], f[:len(f)-1]
	} else {
		n = uint32(len(simulator.objects))
		if n == 0 {
			n, simulator.objects = 1, append(simulator.objects, nil) // number 0 stays free
		}
		if C.simulatedHandle(C.uint32_t(n)) == nil {
			return 0
		}
		simulator.objects = append(simulator.objects, nil)
	}
	simulator.objects[n] = o
	return simulator.base + uintptr(n)*C.HANDLE_STEP
}

// object is what a handle stands for; the zero value if it is no handle of a T.
func object[T any](h unsafe.Pointer) T {
	simulator.mu.RLock()
	defer simulator.mu.RUnlock()
	var none T
	n := (uintptr(h) - simulator.base) / C.HANDLE_STEP
	if n >= uintptr(len(simulator.objects)) {
		return none
	}
	if o, ok := simulator.objects[n].(T); ok {
		return o
	}
	return none
}

// dropHandle frees a handle.
func dropHandle(h uintptr) {
	simulator.mu.Lock()
	defer simulator.mu.Unlock()
	n := (h - simulator.base) / C.HANDLE_STEP
	simulator.objects[n] = nil
	simulator.free = append(simulator.free, uint32(n))
}

// takeFinding is what the simulator said about an error that nobody has asked about yet, "" where it said nothing.
func takeFinding(code int) string {
	simulator.mu.Lock()
	defer simulator.mu.Unlock()
	s := simulator.findings[code]
	delete(simulator.findings, code)
	return s
}

// noteFinding keeps the simulator's explanation of an error.
func noteFinding(code int, err error) {
	simulator.mu.Lock()
	defer simulator.mu.Unlock()
	if simulator.findings == nil {
		simulator.findings = map[int]string{}
	}
	simulator.findings[code] = err.Error()
}
