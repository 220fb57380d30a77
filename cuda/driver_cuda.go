//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"gorgonia.org/cu"

	"palladio/cuda/driver"
	"palladio/cuda/sim"
)

// driverBuilt says whether this build has gorgonia.org/cu.
const driverBuilt = true

// cudaGPU is a context of a GPU behind NVIDIA's driver (or the simulated one, which gorgonia.org/cu cannot tell from it), with one stream.
type cudaGPU struct {
	device  cu.Device
	context cu.CUContext
	stream  cu.Stream
	event   cu.Event // at the end of what was submitted
	about   Info
	version int  // of the driver, 12040 for CUDA 12.4
	pooled  bool // memory comes from the driver's stream-ordered pool
	stage   staging
	cache   *moduleCache
	sim     *driver.SimulatedGPU // behind the simulated driver; else nil
	limit   time.Duration        // of a synchronisation; 0 is none

	tape    tape
	waiting sync.Mutex  // guards event
	hung    atomic.Bool // a kernel does not end: nothing may wait for the context any more
}

// handle is the driver's pointer in one of gorgonia.org/cu's types, which are structs of just that.
func handle[T cu.CUContext | cu.Stream | cu.Function | cu.Module](h T) driver.Handle {
	return *(*driver.Handle)(unsafe.Pointer(&h))
}

// Properties that gorgonia.org/cu does not name.
const (
	sharedOptIn          = cu.DeviceAttribute(97)
	memoryPoolsSupported = cu.DeviceAttribute(115)
)

// GPUs lists the GPUs that NVIDIA's driver shows, or says why there are none.
func GPUs() ([]Info, error) {
	if err := driver.Open(); err != nil {
		return nil, err
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, driver.Explain("cuDeviceGetCount", err)
	}
	var all []Info
	for i := range n {
		d, err := cu.GetDevice(i)
		if err != nil {
			return all, driver.Explain("cuDeviceGet", err)
		}
		info, err := describe(d, driver.Version())
		if err != nil {
			return all, err
		}
		info.Name = fmt.Sprintf("cuda:%d", i)
		all = append(all, info)
	}
	return all, nil
}

// describe asks the driver about a GPU.
func describe(d cu.Device, version int) (Info, error) {
	var err error
	attribute := func(a cu.DeviceAttribute) int {
		v, e := d.Attribute(a)
		err = errors.Join(err, driver.Explain("cuDeviceGetAttribute", e))
		return v
	}
	info := Info{
		Driver:     fmt.Sprintf("NVIDIA driver for CUDA %d.%d", version/1000, version%1000/10),
		Capability: 10*attribute(cu.ComputeCapabilityMajor) + attribute(cu.ComputeCapabilityMinor),
		SMs:        attribute(cu.MultiprocessorCount),
		Shared:     max(attribute(sharedOptIn), attribute(cu.MaxSharedMemoryPerBlock)),
	}
	if info.Model, _ = d.Name(); info.Model == "" {
		info.Model = "GPU without a name"
	}
	var e error
	info.Memory, e = d.TotalMem()
	return info, errors.Join(err, driver.Explain("cuDeviceTotalMem", e))
}

// openGPU makes a context on the n-th GPU.
func openGPU(n int, limit time.Duration) (gpu, error) {
	if err := driver.Open(); err != nil {
		return nil, fmt.Errorf("%w; the devices cpu, sim:%s and cuda:sim need no GPU", err, defaultChip)
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, driver.Explain("cuDeviceGetCount", err)
	}
	if n >= count {
		return nil, fmt.Errorf("%w: the driver shows %d, numbered from 0 (CUDA_VISIBLE_DEVICES hides others)", ErrNoDevice, count)
	}
	return newCudaGPU(n, limit, nil)
}

// simulatedDriver opens contexts on a GPU of the simulated driver, which it makes at the first call, and anew where a kernel hung on the last one.
func simulatedDriver(chip *sim.Chip) opener {
	var s *driver.SimulatedGPU
	return func(limit time.Duration) (gpu, error) {
		if s == nil || s.Closed() {
			var err error
			if s, err = driver.Simulate(chip, withRegisters(chip, sim.Options{}), 0); err != nil {
				return nil, err
			}
		}
		g, err := newCudaGPU(s.Number(), limit, s)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		return g, nil
	}
}

func newCudaGPU(ordinal int, limit time.Duration, simulated *driver.SimulatedGPU) (*cudaGPU, error) {
	g := &cudaGPU{sim: simulated, limit: limit, tape: tape{plain: map[uint64]bool{}}}
	if err := g.makeContext(ordinal); err != nil {
		return nil, err
	}
	if err := g.setUp(); err != nil {
		return nil, errors.Join(err, g.destroyContext())
	}
	return g, nil
}

// makeContext makes a context. The driver makes it current on the thread; it is taken off again, since calls set it themselves.
func (g *cudaGPU) makeContext(ordinal int) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if g.device, err = cu.GetDevice(ordinal); err != nil {
		return driver.Explain("cuDeviceGet", err)
	}
	if g.context, err = g.device.MakeContext(cu.SchedAuto); err != nil {
		return explainContext(driver.Explain("cuCtxCreate", err))
	}
	_, err = cu.PopCurrentCtx()
	return driver.Explain("cuCtxPopCurrent", err)
}

// setUp makes what a context needs.
func (g *cudaGPU) setUp() (err error) {
	if err := g.do("cuDriverGetVersion", func() error { g.version = cu.Version(); return nil }); err != nil { // that of the context's driver
		return err
	}
	if g.about, err = describe(g.device, g.version); err != nil {
		return err
	}
	if g.sim != nil {
		g.about.Simulated, g.about.Driver = true, "simulator under gorgonia.org/cu"
	}
	if err := g.do("cuStreamCreate", func() (err error) { g.stream, err = cu.MakeStream(cu.NonBlocking); return err }); err != nil {
		return err
	}
	if err := g.do("cuEventCreate", func() (err error) { g.event, err = cu.MakeEvent(cu.DisableTiming); return err }); err != nil {
		return err
	}
	if v, err := g.device.Attribute(memoryPoolsSupported); err == nil && v == 1 {
		g.pooled = driver.KeepFreed(int(g.device), math.MaxUint64) == nil
	}
	g.cache = newModuleCache(g.about, g.version)
	return nil
}

// explainContext says what to do about a context that cannot be made.
func explainContext(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case driver.OutOfMemory:
		return fmt.Errorf("%w: no room for a context beside what other processes hold on this GPU (nvidia-smi shows them): %w", ErrOutOfMemory, err)
	case driver.DeviceUnavailable:
		return fmt.Errorf("another process has this GPU for itself (nvidia-smi shows its compute mode and processes): %w", err)
	case driver.SystemNotReady:
		return fmt.Errorf("the machine is not ready to use its GPUs (is nvidia-fabricmanager running?): %w", err)
	}
	return mark(err)
}

// do makes calls of gorgonia.org/cu, which work on the thread's current context.
func (g *cudaGPU) do(call string, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.SetCurrentContext(g.context); err != nil {
		return g.explain("cuCtxSetCurrent", err)
	}
	return g.explain(call, f())
}

// explain turns an error of gorgonia.org/cu into one with names, and marks those that cost the context.
func (g *cudaGPU) explain(call string, err error) error {
	if err == nil {
		return nil
	}
	return mark(driver.Explain(call, err))
}

// mark wraps the driver's errors by what they mean to the device.
func mark(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Lost():
		return fmt.Errorf("%w: %w", err, ErrContextLost)
	case e.Code == driver.OutOfMemory:
		return fmt.Errorf("%w: %w", ErrOutOfMemory, err)
	}
	return err
}

func (g *cudaGPU) info() Info { return g.about }

func (g *cudaGPU) alloc(bytes int) (addr uint64, err error) {
	addr, err = g.tape.alloc(g, bytes)
	if errors.Is(err, ErrOutOfMemory) && !g.tape.recording() { // what the pool keeps may be of the wrong sizes
		if e := g.sync(); e != nil {
			return 0, e
		}
		if e := g.trim(); e != nil {
			return 0, e
		}
		addr, err = g.tape.alloc(g, bytes)
	}
	return addr, err
}

func (g *cudaGPU) free(addr uint64) error { return g.tape.free(g, addr) }

func (g *cudaGPU) memory() (free, total, cached int64, err error) {
	err = g.do("cuMemGetInfo", func() (err error) {
		free, total, err = cu.MemInfo()
		return err
	})
	if err == nil && g.pooled {
		var used, reserved uint64
		used, reserved, err = driver.PoolStatistics(int(g.device))
		cached = int64(reserved) - int64(used)
	}
	return free, total, cached, err
}

func (g *cudaGPU) trim() error {
	if !g.pooled {
		return nil
	}
	return mark(driver.TrimPool(int(g.device), 0))
}

func (g *cudaGPU) fill(addr uint64, value byte, bytes int) error {
	return g.do("cuMemsetD8Async", func() error { return cu.MemsetD8Async(cu.DevicePtr(addr), value, int64(bytes), g.stream) })
}

func (g *cudaGPU) sync() error {
	if g.tape.recording() {
		return errRecording
	}
	g.waiting.Lock()
	defer g.waiting.Unlock()
	if err := g.do("cuEventRecord", func() error { return g.event.Record(g.stream) }); err != nil {
		return err
	}
	return g.await(g.event)
}

// await waits for an event by asking: first at once and again, for what takes microseconds, then less and less often.
func (g *cudaGPU) await(e cu.Event) error {
	if g.hung.Load() {
		return fmt.Errorf("%w: %w", ErrHung, ErrContextLost)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.SetCurrentContext(g.context); err != nil {
		return g.explain("cuCtxSetCurrent", err)
	}
	start := time.Now()
	pause := time.Duration(0)
	for n := 0; ; n++ {
		err := driver.Explain("cuEventQuery", e.Query())
		var told *driver.Error
		if !errors.As(err, &told) || told.Code != driver.NotReady {
			return mark(err)
		}
		if n < 100 {
			continue
		}
		if g.limit > 0 && time.Since(start) > g.limit {
			g.hung.Store(true)
			return fmt.Errorf("%w: after %v the GPU has not finished (%s sets the limit): %w", ErrHung, g.limit, EnvTimeout, ErrContextLost)
		}
		pause = min(pause+2*time.Microsecond, 200*time.Microsecond)
		time.Sleep(pause)
	}
}

func (g *cudaGPU) time(submit func() error) (time.Duration, error) {
	if g.sim != nil {
		g.sim.KeepTime(true)
		defer g.sim.KeepTime(false)
	}
	var marks [2]cu.Event
	defer func() {
		for i := range marks {
			if marks[i] != (cu.Event{}) {
				_ = g.do("cuEventDestroy", func() error { return cu.DestroyEvent(&marks[i]) })
			}
		}
	}()
	if err := g.do("cuEventCreate", func() (err error) {
		for i := range marks {
			if marks[i], err = cu.MakeEvent(cu.DefaultEvent); err != nil {
				return err
			}
		}
		return marks[0].Record(g.stream)
	}); err != nil {
		return 0, err
	}
	if err := submit(); err != nil {
		return 0, err
	}
	if err := g.do("cuEventRecord", func() error { return marks[1].Record(g.stream) }); err != nil {
		return 0, err
	}
	if err := g.sync(); err != nil {
		return 0, err
	}
	var ms float64
	err := g.do("cuEventElapsedTime", func() (err error) {
		ms, err = marks[0].Elapsed(marks[1])
		return err
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

func (g *cudaGPU) load(name, text string) (module, error) {
	m, err := g.cache.load(handle(g.context), name, text)
	if err != nil {
		return nil, mark(explainPTX(err, name, text, g.version, g.about.Capability))
	}
	return &cudaModule{g: g, m: *(*cu.Module)(unsafe.Pointer(&m)), name: name, entries: map[string]*cudaEntry{}}, nil
}

// cudaModule is a loaded module.
type cudaModule struct {
	g    *cudaGPU
	m    cu.Module
	name string

	mu      sync.Mutex
	entries map[string]*cudaEntry // launches of a function share its attributes
}

func (m *cudaModule) entry(name string) (entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[name]; ok {
		return e, nil
	}
	e := &cudaEntry{g: m.g}
	err := m.g.do("cuModuleGetFunction", func() (err error) {
		if e.f, err = m.m.Function(name); err == nil {
			e.static, err = e.f.Attribute(cu.SharedSizeBytes)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("entry point %s of module %s: %w", name, m.name, err)
	}
	m.entries[name] = e
	return e, nil
}

// cudaEntry is an entry point.
type cudaEntry struct {
	g      *cudaGPU
	f      cu.Function
	static int // bytes of shared memory that its variables take

	mu      sync.Mutex
	dynamic int // most bytes of dynamic shared memory that it may have, by the attribute; 0 where that is not set
}

// defaultShared is the shared memory of a launch that needs no attribute.
const defaultShared = 48 << 10

func (e *cudaEntry) parameters() int { return -1 }

// allow lets launches have so much dynamic shared memory.
func (e *cudaEntry) allow(shared int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if shared+e.static <= defaultShared || shared <= e.dynamic {
		return nil
	}
	if err := driver.SetFunctionAttribute(handle(e.g.context), handle(e.f), driver.MaxDynamicShared, shared); err != nil {
		return fmt.Errorf("%d bytes of dynamic shared memory: %w", shared, mark(err))
	}
	e.dynamic = shared
	return nil
}

func (e *cudaEntry) prepare(l *Launch) (launch, error) {
	g := e.g
	if err := e.allow(l.Shared); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Entry, err)
	}
	n, err := driver.NewLaunch(handle(g.context), handle(g.stream), handle(e.f), [3]int{l.Grid.X, l.Grid.Y, l.Grid.Z}, [3]int{l.Block.X, l.Block.Y, l.Block.Z}, l.Shared, len(l.Args))
	if err != nil {
		return nil, err
	}
	return cudaLaunch{n}, nil
}

type cudaLaunch struct{ l *driver.Launch }

func (l cudaLaunch) params() []uint64 { return l.l.Params }
func (l cudaLaunch) run() error       { return mark(l.l.Run()) }
func (l cudaLaunch) free()            { l.l.Free() }

// explainPTX says what to do about PTX that the driver does not take.
func explainPTX(err error, name, text string, version, capability int) error {
	var e *driver.Error
	if !errors.As(err, &e) || e.Lost() {
		return err
	}
	if ptx := directive(text, ".version"); e.Code == driver.UnsupportedPTXVersion || newerPTX(ptx, driver.NewestPTX(version)) {
		return fmt.Errorf("module %s is PTX %s, but the driver is one for CUDA %d.%d, which takes %s: install a newer driver, or compile the kernels for an older PTX version (clang's -mptx-version): %w",
			name, ptx, version/1000, version%1000/10, upTo(driver.NewestPTX(version)), err)
	}
	target := directive(text, ".target")
	if needs := 0; capability > 0 {
		if _, _ = fmt.Sscanf(target, "sm_%d", &needs); needs > capability {
			return fmt.Errorf("module %s is for GPUs of compute capability %d.%d and later, this one has %d.%d: %w", name, needs/10, needs%10, capability/10, capability%10, err)
		}
	}
	switch e.Code {
	case driver.JITCompilerNotFound:
		return fmt.Errorf("module %s: the driver's compiler libnvidia-ptxjitcompiler.so.1 is not there (in a container: NVIDIA_DRIVER_CAPABILITIES needs compute): %w", name, err)
	case driver.JITDisabled:
		return fmt.Errorf("module %s: CUDA_DISABLE_PTX_JIT forbids to compile it: unset that: %w", name, err)
	case driver.NoBinaryForGPU, driver.InvalidPTX, driver.InvalidImage:
		return fmt.Errorf("module %s, compiled for %s: the driver refuses it: %w", name, target, err)
	}
	return fmt.Errorf("module %s: %w", name, err)
}

// newerPTX says whether a version such as "8.4" is newer than another such as 83.
func newerPTX(version string, than int) bool {
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return n == 2 && 10*major+minor > than
}

// upTo describes the PTX versions up to one such as 83; 0 stands for those before CUDA 11.
func upTo(version int) string {
	if version == 0 {
		return "older PTX than 7.0"
	}
	return fmt.Sprintf("up to PTX %d.%d", version/10, version%10)
}

// directive is the argument of a directive at the head of a module.
func directive(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func (g *cudaGPU) close() error {
	err := g.abandon()
	if g.sim != nil && !g.sim.Closed() {
		err = errors.Join(err, g.sim.Close())
	}
	return err
}

// abandon leaves a context beside a kernel that does not end as it is, because the driver would wait: what it holds is freed when the process ends. A simulated
// GPU ends with it.
func (g *cudaGPU) abandon() error {
	if !g.hung.Load() {
		return errors.Join(g.stage.free(handle(g.context)), g.destroyContext())
	}
	if g.sim != nil {
		return g.sim.Close()
	}
	return nil
}

func (g *cudaGPU) destroyContext() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return driver.Explain("cuCtxDestroy", g.context.Destroy())
}
