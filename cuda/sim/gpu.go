package sim

import (
	"errors"
	"runtime"
	"sync"
)

// GPU is a simulated GPU with its memory. Its methods may be called from several goroutines.
type GPU struct {
	chip    *Chip
	options Options
	total   int64 // bytes of global memory

	running sync.RWMutex // launches hold it for reading, so that memory outlives them

	mu     sync.RWMutex // guards what follows
	closed bool
	next   uint64        // first address that was never given out
	used   int64         // bytes
	live   []*allocation // by address
	freed  []*allocation // the latest, by time

	checked  map[*program]*checkedCode // what the checks know of programs
	stamp    uint32                    // launches under the checks
	l2       *levelTwo                 // with Options.Profile
	profiles []*Profile                // that nobody has taken
	findings findings                  // has a lock of its own
}

var errClosed = errors.New("the simulated GPU is closed")

// New makes a GPU.
func New(chip *Chip, o Options) *GPU {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Steps == 0 {
		o.Steps = DefaultSteps
	}
	g := &GPU{chip: chip, options: o, total: o.Memory, next: globalBase}
	if g.total <= 0 {
		g.total = chip.MemoryBytes
	}
	return g
}

// Chip is what is simulated.
func (g *GPU) Chip() *Chip { return g.chip }

// Close frees all memory. It waits for the launches that run; nothing may be called after it.
func (g *GPU) Close() error {
	g.running.Lock()
	defer g.running.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.options.Sanitize {
		g.addLeaks()
	}
	var errs []error
	for len(g.live) > 0 {
		errs = append(errs, g.drop(len(g.live)-1))
	}
	return errors.Join(errs...)
}
