package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"palladio/cuda/sim/ptx"
)

// Check is one of the checks that a GPU made with Options.Sanitize runs.
type Check string

// The checks, named like compute-sanitizer's, which has no mathcheck.
const (
	MemCheck  Check = "memcheck"  // bounds, alignment, use after free, leaks
	RaceCheck Check = "racecheck" // unordered accesses to shared memory; blocks that write the same bytes of global memory
	InitCheck Check = "initcheck" // reads of what nothing wrote: global, shared and local memory, registers
	SyncCheck Check = "synccheck" // barriers and member masks
	MathCheck Check = "mathcheck" // division of integers by zero, whose result the ISA leaves open
)

// Finding is a fault that a check found. Further occurrences at the same instruction are only counted.
type Finding struct {
	Check  Check  `json:"check"`
	Kernel string `json:"kernel,omitempty"` // empty for what no kernel did, such as a leak
	Line   int    `json:"line,omitempty"`   // of the PTX
	Instr  string `json:"instruction,omitempty"`
	Source string `json:"source,omitempty"` // file:line where the PTX has .loc
	Block  [3]int `json:"block"`
	Thread [3]int `json:"thread"`
	Addr   uint64 `json:"address,omitempty"` // in global memory, or the offset in another space
	What   string `json:"what"`
	Count  int64  `json:"count"` // how often: for warp instructions; of races for threads and words
}

func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.Check)
	if f.Kernel != "" {
		fmt.Fprintf(&b, "kernel %s, PTX line %d (%s)", f.Kernel, f.Line, f.Instr)
		if f.Source != "" {
			fmt.Fprintf(&b, ", %s", f.Source)
		}
		fmt.Fprintf(&b, ", block %v thread %v: ", f.Block, f.Thread)
	}
	b.WriteString(f.What)
	if f.Count > 1 {
		fmt.Fprintf(&b, " (%d times)", f.Count)
	}
	return b.String()
}

// maxFindings bounds the findings that are kept; more are only counted.
const maxFindings = 256

// findings collects what the checks find.
type findings struct {
	mu      sync.Mutex
	list    []*Finding
	index   map[findingKey]*Finding
	dropped int64
}

// findingKey makes two findings the same.
type findingKey struct {
	in    *ptx.Instr
	check Check
	kind  string
}

// add notes a finding; describe is called for the first one of its kind at an instruction.
func (f *findings) add(key findingKey, describe func() Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.index[key]; old != nil {
		old.Count++
		return
	}
	if len(f.list) >= maxFindings {
		f.dropped++
		return
	}
	n := describe()
	n.Check, n.Count = key.check, 1
	if f.index == nil {
		f.index = map[findingKey]*Finding{}
	}
	f.index[key] = &n
	f.list = append(f.list, &n)
}

// Findings is what the checks have found so far, in the order of the first occurrences, and how many were left out because there were too many.
// It is empty unless the GPU was made with Options.Sanitize.
func (g *GPU) Findings() (list []Finding, dropped int64) {
	g.findings.mu.Lock()
	defer g.findings.mu.Unlock()
	for _, f := range g.findings.list {
		list = append(list, *f)
	}
	return list, g.findings.dropped
}

// ClearFindings forgets what was found.
func (g *GPU) ClearFindings() {
	g.findings.mu.Lock()
	defer g.findings.mu.Unlock()
	g.findings.list, g.findings.index, g.findings.dropped = nil, nil, 0
}

// Leaks lists the allocations that are not freed, as findings. Close adds them to those of Findings, when the GPU was made with Options.Sanitize.
func (g *GPU) Leaks() []Finding {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.leaks()
}

// addLeaks adds what is not freed to the findings. The caller holds the lock.
func (g *GPU) addLeaks() {
	for _, f := range g.leaks() {
		g.findings.add(findingKey{nil, MemCheck, f.What}, func() Finding { return f })
	}
}

// leaks is Leaks for callers with the lock.
func (g *GPU) leaks() []Finding {
	var list []Finding
	for _, a := range g.live {
		if a.name == "" {
			list = append(list, Finding{Check: MemCheck, Addr: a.addr, Count: 1, What: fmt.Sprintf("leak: the allocation of %d bytes at %#x was never freed", a.size, a.addr)})
		}
	}
	return list
}

// sourceOf is file:line of an instruction, empty without .loc.
func sourceOf(files []ptx.File, in *ptx.Instr) string {
	if in.Source.Line == 0 {
		return ""
	}
	name := fmt.Sprintf("file %d", in.Source.File)
	if i := slices.IndexFunc(files, func(f ptx.File) bool { return f.Number == int(in.Source.File) }); i >= 0 {
		name = files[i].Name
	}
	return fmt.Sprintf("%s:%d", name, in.Source.Line)
}
