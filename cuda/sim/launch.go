package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// launch is a running kernel.
type launch struct {
	gpu      *GPU
	prog     *program
	config   Config
	params   []byte // the parameters as ld.param sees them
	observer observer
	start    time.Time

	next     atomic.Int64 // first block that nobody has taken
	failed   atomic.Int64 // the lowest block that failed; math.MaxInt64 when there is none
	canceled atomic.Bool

	mu      sync.Mutex // guards what follows
	fault   *Fault     // of the block failed
	issued  int64
	threads int64
}

// Launch runs an entry point over a grid and waits for its end. args are the parameters, each in the low bytes of a cell, or in as many cells as it fills.
// Where blocks fail, the error is that of the first in the order of the grid, a *Fault; memory is then as the kernel left it.
func (g *GPU) Launch(ctx context.Context, e *Entry, c Config, args []uint64) (*Report, error) {
	if g.options.Sanitize || g.options.Profile {
		return g.inspect(ctx, e, c, args, g.options.Profile)
	}
	return g.launch(ctx, e, c, args, nil, blockRange{0, c.Blocks()})
}

// LaunchProfiled is Launch with a profile in its report, whatever the options are.
func (g *GPU) LaunchProfiled(ctx context.Context, e *Entry, c Config, args []uint64) (*Report, error) {
	return g.inspect(ctx, e, c, args, true)
}

// launch runs the given blocks under an observer, if there is one.
func (g *GPU) launch(ctx context.Context, e *Entry, c Config, args []uint64, o observer, run blockRange) (*Report, error) {
	if err := g.check(e, c, args); err != nil {
		return nil, err
	}
	g.running.RLock()
	defer g.running.RUnlock()
	if e.module.unloaded.Load() {
		return nil, fmt.Errorf("kernel %s: its module %s is unloaded", e.prog.name, e.module.name)
	}
	l := &launch{gpu: g, prog: e.prog, config: c, params: e.pack(args), observer: o, start: time.Now()}
	l.failed.Store(math.MaxInt64)
	stop := context.AfterFunc(ctx, func() { l.canceled.Store(true) })
	defer stop()
	l.next.Store(int64(run.first))
	end := int64(run.first + run.count)
	workers := min(g.options.Workers, run.count)
	if workers == 1 {
		l.work(end)
	} else {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() { l.work(end) })
		}
		wg.Wait()
	}
	r := &Report{Kernel: e.prog.name, Config: c, WarpInstructions: l.issued, ThreadInstructions: l.threads, Elapsed: time.Since(l.start)}
	if l.fault != nil {
		return r, l.fault
	}
	if err := ctx.Err(); err != nil && l.canceled.Load() {
		return r, &Fault{Kernel: e.prog.name, Lane: -1, What: "stopped", Err: context.Cause(ctx)}
	}
	return r, nil
}

// work runs blocks up to end until none are left or one fails.
func (l *launch) work(end int64) {
	b := l.prog.take()
	b.prepare(l)
	for !l.canceled.Load() {
		n := l.next.Add(1) - 1
		if n >= end || n > l.failed.Load() {
			break
		}
		if !b.run(n) && b.fault != nil {
			l.fail(n, b.fault)
			break
		}
	}
	l.mu.Lock()
	for _, w := range b.warps {
		l.issued += w.issued
		l.threads += w.threads
	}
	l.mu.Unlock()
	b.launch = nil
	l.prog.give(b)
}

// fail notes the error of a block, unless an earlier block has one.
func (l *launch) fail(block int64, f *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if block < l.failed.Load() {
		l.failed.Store(block)
		l.fault = f
	}
}

// stopped says whether a block need not go on: the launch was cancelled, or an earlier block has failed.
func (l *launch) stopped(block int64) bool { return l.canceled.Load() || l.failed.Load() < block }

// maxBlockBytes is the most memory of the host for the registers and the local memory of a block: twice what 1024 threads with the most local memory take.
const maxBlockBytes = 1 << 30

// check says what is wrong with a launch.
func (g *GPU) check(e *Entry, c Config, args []uint64) error {
	p := e.prog
	fail := func(format string, a ...any) error {
		return fmt.Errorf("kernel %s: "+format, append([]any{p.name}, a...)...)
	}
	if e.module.gpu != g {
		return fail("its module is loaded on another GPU")
	}
	cells := 0
	for _, q := range p.params {
		cells += q.cells()
	}
	if len(args) != cells {
		return fail("given %d arguments of 8 bytes, want %d", len(args), cells)
	}
	limits := [3]int{math.MaxInt32, 65535, 65535}
	threads := [3]int{1024, 1024, 64}
	for i, axis := range "xyz" {
		if c.Grid[i] < 1 || c.Grid[i] > limits[i] {
			return fail("a grid of %v blocks: want 1 to %d in %c", c.Grid, limits[i], axis)
		}
		if c.Block[i] < 1 || c.Block[i] > threads[i] {
			return fail("blocks of %v threads: want 1 to %d in %c", c.Block, threads[i], axis)
		}
	}
	n := c.Threads()
	if n > g.chip.ThreadsBlock {
		return fail("blocks of %v = %d threads: %s allows %d", c.Block, n, g.chip.Name, g.chip.ThreadsBlock)
	}
	if most := p.maxThreads; most > 0 && n > most {
		return fail("blocks of %d threads: it is compiled for at most %d (.maxntid)", n, most)
	}
	if p.reqThreads != [3]int{} && p.reqThreads != c.Block {
		return fail("blocks of %v threads: it is compiled for %v (.reqntid)", c.Block, p.reqThreads)
	}
	if c.Shared < 0 || c.Shared > g.chip.SharedBlock-p.sharedBytes() {
		return fail("%d static and %d dynamic bytes of shared memory: %s allows %d a block", p.sharedBytes(), c.Shared, g.chip.Name, g.chip.SharedBlock)
	}
	if bytes := ceilDiv(n, lanes) * (int(p.fileBytes) + lanes*p.localBytes()); bytes > maxBlockBytes {
		return fail("a block of %d threads takes %d bytes of the host for its registers and local memory: at most %d", n, bytes, maxBlockBytes)
	}
	return nil
}

// pack lays the arguments out as the parameters of the entry point.
func (e *Entry) pack(args []uint64) []byte {
	b := make([]byte, e.prog.paramBytes+8)
	for _, q := range e.prog.params {
		value := b[q.offset : q.offset+q.size]
		for len(value) > 0 {
			var cell [8]byte
			binary.LittleEndian.PutUint64(cell[:], args[0])
			value, args = value[copy(value, cell[:]):], args[1:]
		}
	}
	return b[:e.prog.paramBytes]
}
