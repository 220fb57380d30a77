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

	recording atomic.Bool
	waiting   sync.Mutex // guards event
	hung      bool       // a kernel does not end: nothing may wait for the context any more
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
func openGPU(n int) (gpu, error) {
	if err := driver.Open(); err != nil {
		return nil, err
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, driver.Explain("cuDeviceGetCount", err)
	}
	if n >= count {
		return nil, fmt.Errorf("%w: the driver shows %d, numbered from 0 (CUDA_VISIBLE_DEVICES hides others)", ErrNoDevice, count)
	}
	return newCudaGPU(n, nil)
}

// openSimulatedDriver makes a GPU of the simulated driver and a context on it.
func openSimulatedDriver(chip *sim.Chip) (gpu, error) {
	s, err := driver.Simulate(chip, withRegisters(chip, sim.Options{}), 0)
	if err != nil {
		return nil, err
	}
	g, err := newCudaGPU(s.Number(), s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return g, nil
}

func newCudaGPU(ordinal int, simulated *driver.SimulatedGPU) (*cudaGPU, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g := &cudaGPU{sim: simulated}
	var err error
	if g.device, err = cu.GetDevice(ordinal); err != nil {
		return nil, driver.Explain("cuDeviceGet", err)
	}
	if g.context, err = g.device.MakeContext(cu.SchedAuto); err != nil {
		return nil, g.explainContext(err)
	}
	defer func() { _, _ = cu.PopCurrentCtx() }() // a context is current where it is made; calls set it themselves
	g.version = cu.Version()
	if g.about, err = describe(g.device, g.version); err != nil {
		return nil, errors.Join(err, g.context.Destroy())
	}
	if simulated != nil {
		g.about.Simulated, g.about.Driver = true, "simulator under gorgonia.org/cu"
	}
	if g.stream, err = cu.MakeStream(cu.NonBlocking); err != nil {
		return nil, errors.Join(driver.Explain("cuStreamCreate", err), g.context.Destroy())
	}
	if g.event, err = cu.MakeEvent(cu.DisableTiming); err != nil {
		return nil, errors.Join(driver.Explain("cuEventCreate", err), g.context.Destroy())
	}
	if v, err := g.device.Attribute(memoryPoolsSupported); err == nil && v == 1 {
		g.pooled = driver.KeepFreed(int(g.device), math.MaxUint64) == nil
	}
	g.cache = newModuleCache(g.about, g.version)
	return g, nil
}

// explainContext says what to do about a context that cannot be made.
func (g *cudaGPU) explainContext(err error) error {
	err = driver.Explain("cuCtxCreate", err)
	var e *driver.Error
	if errors.As(err, &e) && e.Code == driver.OutOfMemory {
		return fmt.Errorf("%w: no room for a context beside what other processes hold on this GPU (nvidia-smi shows them): %w", ErrOutOfMemory, err)
	}
	return err
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
	try := func() error {
		if g.pooled && !g.recording.Load() {
			addr, err = driver.AllocAsync(handle(g.context), handle(g.stream), bytes)
			return mark(err)
		}
		return g.do("cuMemAlloc", func() error {
			p, err := cu.MemAlloc(int64(bytes))
			addr = uint64(p)
			return err
		})
	}
	if err = try(); errors.Is(err, ErrOutOfMemory) && !g.recording.Load() { // what the pool keeps may be of the wrong sizes
		if e := g.sync(0); e != nil {
			return 0, e
		}
		if e := g.trim(); e != nil {
			return 0, e
		}
		err = try()
	}
	return addr, err
}

func (g *cudaGPU) free(addr uint64) error {
	if g.pooled {
		return mark(driver.FreeAsync(handle(g.context), handle(g.stream), addr))
	}
	return g.do("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(addr)) })
}

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

// query says whether the event has been reached.
func (g *cudaGPU) query() (bool, error) {
	err := g.event.Query()
	if err == nil {
		return true, nil
	}
	err = driver.Explain("cuEventQuery", err)
	var e *driver.Error
	if errors.As(err, &e) && e.Code == driver.NotReady {
		return false, nil
	}
	return false, mark(err)
}

// sync waits for the stream by asking: first at once and again, for what takes microseconds, then less and less often.
func (g *cudaGPU) sync(limit time.Duration) error {
	if g.recording.Load() {
		return errRecording
	}
	g.waiting.Lock()
	defer g.waiting.Unlock()
	if g.hung {
		return fmt.Errorf("%w: %w", ErrHung, ErrContextLost)
	}
	if err := g.do("cuEventRecord", func() error { return g.event.Record(g.stream) }); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.SetCurrentContext(g.context); err != nil {
		return g.explain("cuCtxSetCurrent", err)
	}
	start := time.Now()
	pause := time.Duration(0)
	for n := 0; ; n++ {
		if done, err := g.query(); done || err != nil {
			return err
		}
		if n < 100 {
			continue
		}
		if limit > 0 && time.Since(start) > limit {
			g.hung = true
			return fmt.Errorf("%w: after %v the GPU has not finished (%s sets the limit): %w", ErrHung, limit, EnvTimeout, ErrContextLost)
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
	if err := g.sync(0); err != nil {
		return 0, err
	}
	var ms float64
	err := g.do("cuEventElapsedTime", func() (err error) {
		ms, err = marks[0].Elapsed(marks[1])
		return err
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

func (g *cudaGPU) record(submit func() error) (graph, error) {
	r := &cudaGraph{g: g}
	captured, err := g.capture(submit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = driver.DestroyGraph(handle(g.context), captured) }() // what is instantiated of it lives on
	r.exec, err = driver.Instantiate(handle(g.context), captured)
	return r, mark(err)
}

// capture records what submit submits to the stream.
func (g *cudaGPU) capture(submit func() error) (driver.Handle, error) {
	if g.recording.Swap(true) {
		return 0, errors.New("a recording within a recording")
	}
	defer g.recording.Store(false)
	if err := driver.BeginCapture(handle(g.context), handle(g.stream)); err != nil {
		return 0, mark(err)
	}
	submitted := submit()
	captured, err := driver.EndCapture(handle(g.context), handle(g.stream))
	if submitted != nil {
		if err == nil {
			_ = driver.DestroyGraph(handle(g.context), captured)
		}
		return 0, submitted
	}
	return captured, mark(err)
}

// cudaGraph is an executable graph.
type cudaGraph struct {
	g    *cudaGPU
	exec driver.Handle
}

func (r *cudaGraph) run() error {
	return mark(driver.LaunchGraph(handle(r.g.context), r.exec, handle(r.g.stream)))
}

func (r *cudaGraph) update(submit func() error) error {
	context := handle(r.g.context)
	captured, err := r.g.capture(submit)
	if err != nil {
		return err
	}
	defer func() { _ = driver.DestroyGraph(context, captured) }()
	if driver.UpdateGraph(context, r.exec, captured) == nil {
		return nil
	}
	exec, err := driver.Instantiate(context, captured) // other work: a new graph takes the old one's place
	if err != nil {
		return mark(err)
	}
	old := r.exec
	r.exec = exec
	return mark(driver.DestroyGraphExec(context, old))
}

func (r *cudaGraph) free() error {
	return mark(driver.DestroyGraphExec(handle(r.g.context), r.exec))
}

func (g *cudaGPU) load(name, text string) (module, error) {
	m, err := g.cache.load(handle(g.context), name, text)
	if err != nil {
		return nil, mark(explainPTX(err, name, text, g.version))
	}
	return &cudaModule{g: g, m: *(*cu.Module)(unsafe.Pointer(&m)), name: name}, nil
}

// cudaModule is a loaded module.
type cudaModule struct {
	g    *cudaGPU
	m    cu.Module
	name string
}

func (m *cudaModule) entry(name string) (entry, error) {
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
	return e, nil
}

// cudaEntry is an entry point.
type cudaEntry struct {
	g       *cudaGPU
	f       cu.Function
	static  int // bytes of shared memory that its variables take
	dynamic int // most bytes of dynamic shared memory that it may have
}

// defaultShared is the shared memory of a launch that needs no attribute.
const defaultShared = 48 << 10

func (e *cudaEntry) parameters() int { return -1 }

func (e *cudaEntry) prepare(l *Launch) (launch, error) {
	g := e.g
	if l.Shared+e.static > defaultShared && l.Shared > e.dynamic {
		if err := driver.SetFunctionAttribute(handle(g.context), handle(e.f), driver.MaxDynamicShared, l.Shared); err != nil {
			return nil, fmt.Errorf("%s with %d bytes of dynamic shared memory: %w", l.Entry, l.Shared, mark(err))
		}
		e.dynamic = l.Shared
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
func explainPTX(err error, name, text string, version int) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case driver.UnsupportedPTXVersion:
		return fmt.Errorf("module %s is PTX %s, but the driver is one for CUDA %d.%d, which takes up to PTX %d.%d: install a newer driver, or compile the kernels for an older PTX version (clang's -mptx-version): %w",
			name, directive(text, ".version"), version/1000, version%1000/10, driver.NewestPTX(version)/10, driver.NewestPTX(version)%10, err)
	case driver.NoBinaryForGPU, driver.InvalidPTX, driver.InvalidImage:
		return fmt.Errorf("module %s, compiled for %s: the driver refuses it: %w", name, directive(text, ".target"), err)
	}
	return fmt.Errorf("module %s: %w", name, err)
}

// directive is the argument of a directive at the head of a module.
func directive(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func (g *cudaGPU) close() error {
	var errs []error
	if !g.hung { // else the driver would wait for the kernel that does not end: what it holds is freed when the process ends
		if err := g.stage.free(handle(g.context)); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, driver.Explain("cuCtxDestroy", g.context.Destroy()))
	}
	if g.sim != nil {
		errs = append(errs, g.sim.Close())
	}
	return errors.Join(errs...)
}
