package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"palladio/kernels"
)

// exec is a kernel prepared for a device.
type exec struct {
	d         *Device
	k         kernels.Kernel
	ops       []kernels.Operand
	filled    []int // the operands that have elements
	workspace int
	call      uint64 // number in the fault record; 0 where it raises none
	aligned   variant
	unaligned variant
}

// variant is a kernel lowered for one alignment of its operands.
type variant struct {
	program  *Program
	loaded   *loaded // nil until it is needed
	retained runtime.Cleanup
}

// loaded is what a program needs of one context.
type loaded struct {
	g          gpu
	generation int64
	launches   []launch
	table      kernels.Memory // the constants; nil where there are none
	binding    binding
}

// wide is the alignment of operands that lets kernels use 16-byte accesses.
const wide = 16

// workspaceAlign is the alignment that programs may count on for their workspace.
const workspaceAlign = 256

func (d *Device) prepare(k kernels.Kernel) (kernels.Exec, error) {
	on := d.info.limits()
	aligned, err := Lower(k, on, wide)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	unaligned, err := Lower(k, on, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: operands that are not aligned to %d bytes: %w", d.name, wide, err)
	}
	return d.preparePrograms(k, aligned, unaligned)
}

// preparePrograms prepares what a kernel is lowered to where its operands are aligned, and where they may not be.
func (d *Device) preparePrograms(k kernels.Kernel, aligned, unaligned *Program) (kernels.Exec, error) {
	e := &exec{d: d, k: k, aligned: variant{program: aligned}, unaligned: variant{program: unaligned}}
	e.ops = k.Operands()
	for i, o := range e.ops {
		if o.Bytes() > 0 {
			e.filled = append(e.filled, i)
		}
	}
	if e.workspace = max(e.aligned.program.Workspace, e.unaligned.program.Workspace); e.workspace > 0 {
		e.workspace += workspaceAlign - 64 // the machine's memory is aligned to 64 bytes
	}
	if fault := e.aligned.program.Fault; fault != nil {
		d.mu.Lock()
		d.faults = append(d.faults, fault)
		e.call = uint64(len(d.faults))
		d.mu.Unlock()
	}
	if err := e.load(&e.aligned); err != nil {
		return nil, err
	}
	return e, nil
}

// load brings a variant's modules and constants to the device and prepares its launches.
func (e *exec) load(v *variant) error {
	d := e.d
	d.mu.Lock()
	l := &loaded{g: d.g, generation: d.generation.Load(), binding: binding{fault: d.record, call: e.call}}
	err := d.dead
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if n := len(v.program.Constants); n > 0 {
		if l.table, err = e.d.allocate(n, "tables of "+e.k.Family(), true); err != nil {
			return err
		}
		l.binding.constants = l.table.Arg(0, n).Addr
		if err := l.table.Upload(0, v.program.Constants); err != nil {
			l.free()
			return err
		}
	}
	for i := range v.program.Launches {
		n, err := e.d.prepareLaunch(&v.program.Launches[i])
		if err != nil {
			l.free()
			return fmt.Errorf("%s: %s: %w", e.d.name, e.k, err)
		}
		l.launches = append(l.launches, n)
	}
	if v.loaded != nil {
		v.retained.Stop()
		v.loaded.free()
	}
	v.loaded = l
	v.retained = runtime.AddCleanup(e, func(l *loaded) { l.free() }, l)
	return nil
}

func (d *Device) prepareLaunch(l *Launch) (launch, error) {
	if err := l.check(d.info.limits()); err != nil {
		return nil, err
	}
	m, err := d.module(l.Module)
	if err != nil {
		return nil, err
	}
	entry, err := m.entry(l.Entry)
	if err != nil {
		return nil, err
	}
	if n := entry.parameters(); n >= 0 && n != len(l.Args) {
		return nil, fmt.Errorf("%s of module %s takes %d parameters, the launch passes %d", l.Entry, l.Module.Name, n, len(l.Args))
	}
	return entry.prepare(l)
}

// The limits of every GPU since compute capability 3.0.
const (
	maxThreads = 1024
	maxGridX   = 1<<31 - 1
	maxGridYZ  = 65535
	maxBlockZ  = 64
)

// check says what is wrong with the shape of a launch.
func (l *Launch) check(on Limits) error {
	g, b := l.Grid, l.Block
	switch {
	case min(g.X, g.Y, g.Z, b.X, b.Y, b.Z) < 1:
		return fmt.Errorf("launch of %s: grid %v of blocks %v has an empty extent", l.Entry, g, b)
	case b.Threads() > maxThreads || b.Z > maxBlockZ:
		return fmt.Errorf("launch of %s: a block of %v has %d threads: want at most %d, and %d along z", l.Entry, b, b.Threads(), maxThreads, maxBlockZ)
	case g.X > maxGridX || max(g.Y, g.Z) > maxGridYZ:
		return fmt.Errorf("launch of %s: a grid of %v blocks: want at most %d, %d and %d", l.Entry, g, maxGridX, maxGridYZ, maxGridYZ)
	case l.Shared > on.SharedBlock:
		return fmt.Errorf("launch of %s: %d bytes of dynamic shared memory: this GPU has %d for a block", l.Entry, l.Shared, on.SharedBlock)
	}
	return nil
}

// free gives the launches and constants back; it may run long after the context is gone.
func (l *loaded) free() {
	for _, n := range l.launches {
		n.free()
	}
	l.launches = nil
	if l.table != nil {
		_ = l.table.Free() // the context may go at any time, and the memory with it
		l.table = nil
	}
}

// Workspace is the number of scratch bytes that Run needs.
func (e *exec) Workspace() int { return e.workspace }

// Run submits the kernel's launches.
func (e *exec) Run(args []kernels.Arg, workspace kernels.Arg) error {
	var addresses uint64
	for _, i := range e.filled {
		addresses |= args[i].Addr
	}
	v := &e.aligned
	if addresses%wide != 0 {
		v = &e.unaligned
	}
	generation := e.d.generation.Load()
	if v.loaded == nil || v.loaded.generation != generation {
		if err := e.load(v); err != nil {
			return err
		}
	}
	if generation > 0 { // a context was lost: operands may lie in memory that is no more
		if err := e.d.checkOperands(e, args); err != nil {
			return err
		}
	}
	workspace.Addr = (workspace.Addr + workspaceAlign - 1) &^ (workspaceAlign - 1)
	e.d.recent.add(e, v.program, args)
	if e.call != 0 {
		e.d.faultful.Store(true)
	}
	for i, l := range v.loaded.launches {
		params := l.params()
		for j, s := range v.program.Launches[i].Args {
			params[j] = s.resolve(args, workspace, v.loaded.binding)
		}
		if err := l.run(); err != nil {
			return e.failed(v, err, args)
		}
	}
	if e.d.eager {
		return e.d.Sync()
	}
	return nil
}

// failed is the error of a launch that failed at once.
func (e *exec) failed(v *variant, err error, args []kernels.Arg) error {
	if errors.Is(err, ErrContextLost) { // which an earlier call may have cost
		return e.d.failed(v.loaded.g, err)
	}
	var addresses []uint64
	for _, a := range args {
		addresses = append(addresses, a.Addr)
	}
	return &LaunchError{Device: e.d.name, Calls: []string{e.describe(v.program, addresses)}, Err: err}
}

// describe names the kernel, the entry points of the program that ran and the arguments of a call.
func (e *exec) describe(p *Program, args []uint64) string {
	s := e.k.String() + ":"
	for i, l := range p.Launches {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf(" %s grid %d,%d,%d block %d,%d,%d", l.Entry, l.Grid.X, l.Grid.Y, l.Grid.Z, l.Block.X, l.Block.Y, l.Block.Z)
	}
	s += "; operands"
	for i, o := range e.ops {
		if i < len(args) {
			s += fmt.Sprintf(" %s %s%v at %#x", o.Name, o.Type, o.Shape, args[i])
		}
	}
	return s
}

// recent remembers the latest calls since the last synchronisation.
type recent struct {
	mu    sync.Mutex
	calls [8]recentCall
	n     int // since the last synchronisation
}

type recentCall struct {
	e    *exec
	p    *Program
	args [16]uint64
	n    int
}

func (r *recent) add(e *exec, p *Program, args []kernels.Arg) {
	r.mu.Lock()
	c := &r.calls[r.n%len(r.calls)]
	c.e, c.p, c.n = e, p, min(len(args), len(c.args))
	for i := range c.n {
		c.args[i] = args[i].Addr
	}
	r.n++
	r.mu.Unlock()
}

func (r *recent) clear() {
	r.mu.Lock()
	r.n = 0
	clear(r.calls[:])
	r.mu.Unlock()
}

// describe lists the calls, the latest last, and says how many more there were.
func (r *recent) describe() (calls []string, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := max(0, r.n-len(r.calls)); i < r.n; i++ {
		c := &r.calls[i%len(r.calls)]
		calls = append(calls, c.e.describe(c.p, c.args[:c.n]))
	}
	return calls, r.n - len(calls)
}
