package cuda

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"palladio/kernels"
)

// The environment variables that devices read when they are opened.
const (
	EnvSync    = "PALLADIO_CUDA_SYNC"    // 1: wait after each call, so that an error names the call that made it
	EnvTimeout = "PALLADIO_CUDA_TIMEOUT" // how long a synchronisation may take before a kernel is taken to hang, such as 30s; 0 for ever
)

// DefaultTimeout is the time limit of a synchronisation.
const DefaultTimeout = 5 * time.Minute

// Device is a GPU as a device of kernels. Calls are submitted in order to one stream, and their errors come to light where somebody waits: in Sync
// and in downloads. It may be used from several goroutines.
type Device struct {
	name  string
	open  opener // also makes a new context where one is lost
	limit time.Duration
	eager bool // wait after each call

	patience time.Duration // with a driver that makes a new context, beside the limit for what runs in it

	info       Info
	mu         sync.Mutex
	g          gpu
	record     uint64 // address of the fault record
	dead       error  // no context could be made any more, or the device is closed
	generation atomic.Int64
	modules    map[moduleKey]module
	blocks     map[*memory]struct{}
	holdings   map[string]*Holding
	held, peak int64
	recent     recent

	uploaded, downloaded atomic.Int64 // bytes

	faults   []func(position, value int64) error // by call number - 1
	faultful atomic.Bool                         // a call that may raise a fault was submitted since the last look
}

var (
	_ kernels.Device            = (*Device)(nil)
	_ kernels.Recorder          = (*Device)(nil)
	_ kernels.LabelledAllocator = (*Device)(nil)
	_ kernels.Timer             = (*Device)(nil)
)

// moduleKey tells modules apart: embedded ones by name, generated ones by text.
type moduleKey struct{ name, text string }

// opener makes a context. The limit is that of a synchronisation, for drivers that run launches at once.
type opener func(limit time.Duration) (gpu, error)

// newDevice opens a device on a driver.
func newDevice(name string, open opener) (*Device, error) {
	d := &Device{name: name, open: open, limit: DefaultTimeout, patience: time.Minute, eager: os.Getenv(EnvSync) == "1", blocks: map[*memory]struct{}{}}
	if s := os.Getenv(EnvTimeout); s != "" {
		limit, err := time.ParseDuration(s)
		if s == "0" {
			limit, err = 0, nil
		}
		if err != nil || limit < 0 {
			return nil, fmt.Errorf("%s=%s: want a duration such as 30s or 5m, or 0 for no limit", EnvTimeout, s)
		}
		d.limit = limit
	}
	g, record, err := d.make()
	switch {
	case errors.Is(err, ErrContextLost): // an earlier fault of this process keeps it from the GPU
		return nil, fmt.Errorf("%s: %w: %w", name, ErrBeyondRepair, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.info = g.info()
	d.info.Name = name
	d.begin(g, record)
	return d, nil
}

// make makes a context with its fault record, and waits until something has run in it.
func (d *Device) make() (g gpu, record uint64, err error) {
	if g, err = d.open(d.limit); err != nil {
		return nil, 0, err
	}
	if record, err = g.alloc(faultBytes); err == nil {
		err = g.fill(record, 0, faultBytes)
	}
	if err == nil {
		err = g.sync()
	}
	if err != nil {
		return nil, 0, errors.Join(err, g.close())
	}
	return g, record, nil
}

// begin takes a new context up. d.mu is held or d is not shared yet.
func (d *Device) begin(g gpu, record uint64) {
	d.g, d.record = g, record
	d.modules = map[moduleKey]module{}
	d.holdings = map[string]*Holding{}
	d.held = 0
	d.recent.clear()
}

// Name is the name that the device was opened by.
func (d *Device) Name() string { return d.name }

// Info describes the GPU.
func (d *Device) Info() Info { return d.info }

// current is the context, unless the device is closed or beyond repair.
func (d *Device) current() (gpu, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.g, d.dead
}

// Prepare lowers a kernel and loads what it launches.
func (d *Device) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	if _, err := d.current(); err != nil {
		return nil, err
	}
	return d.prepare(k)
}

// module loads a module, once.
func (d *Device) module(m Module) (module, error) {
	key := moduleKey{m.Name, m.Text}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.modules[key]; ok {
		return l, nil
	}
	text, err := m.PTX()
	if err != nil {
		return nil, err
	}
	l, err := d.g.load(m.Name, text)
	if err != nil {
		return nil, err
	}
	d.modules[key] = l
	return l, nil
}

// Sync waits for everything submitted so far and returns the first error of it: that of a kernel that failed, or of data that one found wrong.
func (d *Device) Sync() error {
	g, err := d.current()
	if err != nil {
		return err
	}
	if err := g.sync(); err != nil {
		return d.failed(g, err)
	}
	d.recent.clear()
	return d.fault(g)
}

// The fault record as kernels/include/fault.cuh lays it out: call, position, value, reserved.
const faultBytes = 32

// fault reads and clears the record of data-dependent errors.
func (d *Device) fault(g gpu) error {
	if !d.faultful.Swap(false) {
		return nil
	}
	record, ok := d.faultRecord(g)
	if !ok {
		return nil // it went with its context
	}
	var b [faultBytes]byte
	if err := g.download(b[:], record); err != nil {
		return d.failed(g, err)
	}
	call := binary.LittleEndian.Uint64(b[:])
	if call == 0 {
		return nil
	}
	if err := g.fill(record, 0, faultBytes); err != nil {
		return d.failed(g, err)
	}
	position, value := int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))
	d.mu.Lock()
	defer d.mu.Unlock()
	if call > uint64(len(d.faults)) {
		return fmt.Errorf("%s: a kernel wrote over the record of errors: call %d, position %d, value %d", d.name, call, position, value)
	}
	return fmt.Errorf("%s: %w", d.name, d.faults[call-1](position, value))
}

// faultRecord is where the fault record of a context lies, if that is still the present one.
func (d *Device) faultRecord(g gpu) (uint64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.record, d.g == g
}

// Time is how long the device takes for what submit submits, by its own clock; a simulated device answers with the time that its model gives. Nothing else
// may use the device meanwhile.
func (d *Device) Time(submit func() error) (time.Duration, error) {
	g, err := d.current()
	if err != nil {
		return 0, err
	}
	if err := g.sync(); err != nil {
		return 0, d.failed(g, err)
	}
	t, err := g.time(submit)
	if err != nil {
		return 0, d.failed(g, err)
	}
	return t, nil
}

// Close waits for what runs and gives everything back. Its error is that of the first launch that failed.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.g == nil {
		return nil
	}
	err := d.g.sync()
	if !errors.Is(err, ErrContextLost) {
		err = errors.Join(err, d.release(d.g))
	}
	err = errors.Join(err, d.g.close())
	for m := range d.blocks {
		m.freed = true
	}
	clear(d.blocks)
	d.g, d.dead = nil, fmt.Errorf("%s is closed", d.name)
	d.generation.Add(1)
	if err != nil {
		err = fmt.Errorf("%s: %w", d.name, err)
	}
	return err
}

// release gives the memory of the present generation back through a context of the GPU: that of a pool would outlive the context that it came from. d.mu is held.
func (d *Device) release(g gpu) error {
	errs := []error{g.free(d.record)}
	for m := range d.blocks {
		if m.generation == d.generation.Load() {
			errs = append(errs, g.free(m.addr))
		}
	}
	return errors.Join(errs...)
}

// Record gives what submit submits as one graph.
func (d *Device) Record(submit func() error) (kernels.Replay, error) {
	g, err := d.current()
	if err != nil {
		return nil, err
	}
	r := &replay{d: d, g: g, generation: d.generation.Load()}
	r.graph, err = g.record(r.watch(submit))
	if err != nil {
		return nil, fmt.Errorf("%s: record: %w", d.name, err)
	}
	return r, nil
}

// replay is a recorded graph.
type replay struct {
	d          *Device
	g          gpu
	graph      graph
	generation int64
	faultful   bool // some call in it may raise a fault
}

// watch notes whether what submit submits may raise a fault.
func (r *replay) watch(submit func() error) func() error {
	return func() error {
		before := r.d.faultful.Swap(false)
		err := submit()
		r.faultful = r.d.faultful.Swap(before)
		return err
	}
}

// Run submits the graph.
func (r *replay) Run() error {
	if r.generation != r.d.generation.Load() {
		return r.d.lost("a recorded list of calls")
	}
	if r.faultful {
		r.d.faultful.Store(true)
	}
	if err := r.graph.run(); err != nil {
		return r.d.failed(r.g, err)
	}
	if r.d.eager {
		return r.d.Sync()
	}
	return nil
}

// Update takes over what submit submits now.
func (r *replay) Update(submit func() error) error {
	if r.generation != r.d.generation.Load() {
		return r.d.lost("a recorded list of calls")
	}
	if err := r.graph.update(r.watch(submit)); err != nil {
		return fmt.Errorf("%s: record: %w", r.d.name, err)
	}
	return nil
}

// Free gives the graph back.
func (r *replay) Free() error {
	if r.generation != r.d.generation.Load() {
		return nil // it went with its context
	}
	return r.graph.free()
}
