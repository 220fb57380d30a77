package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// inspect runs a launch under the checks that the options ask for, and with a profile.
func (g *GPU) inspect(ctx context.Context, e *Entry, c Config, args []uint64, profile bool) (*Report, error) {
	if err := g.check(e, c, args); err != nil {
		return nil, err
	}
	var list observers
	if g.options.Sanitize {
		s := g.sanitizerOf(e)
		if bytes := s.static.registers * int(unsafe.Sizeof(undefined{})) * ceilDiv(c.Threads(), lanes); bytes > maxBlockBytes {
			return nil, fmt.Errorf("kernel %s: the checks of %d registers take %d bytes of the host a block: at most %d", e.prog.name, s.static.registers, bytes, maxBlockBytes)
		}
		list = append(list, s)
	}
	var prof *profiler
	sample := sampleOf(c.Blocks(), g.options.Sample)
	if profile {
		o, err := g.occupancy(e, c)
		if err != nil {
			return nil, err
		}
		prof = newProfiler(g.chip, g.levelTwo(), e.prog.code, o, sample.first)
		list = append(list, prof)
	} else {
		sample = blockRange{0, c.Blocks()}
	}
	var o observer = list
	if len(list) == 1 {
		o = list[0]
	}
	r, err := g.launch(ctx, e, c, args, o, sample)
	var f *Fault
	if g.options.Sanitize && errors.As(err, &f) && (strings.HasPrefix(f.Instr, "bar") || strings.HasPrefix(f.What, "deadlock")) {
		g.findings.add(findingKey{nil, SyncCheck, f.What}, func() Finding {
			return Finding{Kernel: f.Kernel, Line: f.Line, Instr: f.Instr, Block: f.Block, Thread: f.Thread, What: f.What}
		})
	}
	if prof != nil && err == nil {
		r.Profile = prof.profile(e.prog.entry, e.module.ptx.Files, c, sample.count)
		r.Profile.Module = e.module.name
		if g.options.Profile {
			g.keep(r.Profile)
		}
	}
	return r, err
}

// levelTwo is the GPU's L2, which is empty before its first launch.
func (g *GPU) levelTwo() *levelTwo {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.l2 == nil {
		g.l2 = &levelTwo{cache: newCache(g.chip.L2Bytes, 16)}
	}
	return g.l2
}

// blockRange is the blocks of a launch that run: a sample may leave out the others.
type blockRange struct{ first, count int }

// sampleOf is the blocks that run when at most so many may: neighbours from the middle of the grid, which share data as all do.
func sampleOf(blocks, most int) blockRange {
	if most <= 0 || blocks <= most {
		return blockRange{0, blocks}
	}
	return blockRange{(blocks - most) / 2, most}
}

// occupancy is that of a launch; registers come from the assembler's table where the options have one, else from the PTX.
func (g *GPU) occupancy(e *Entry, c Config) (Occupancy, error) {
	registers := 0
	if g.options.Registers != nil {
		registers = g.options.Registers(e.module.name, e.prog.name)
	}
	estimated := registers == 0
	if estimated {
		warps := roundUp(ceilDiv(c.Threads(), lanes), g.chip.SubCores)
		registers = min(estimateRegisters(flowOf(e.prog.entry)), g.chip.Registers/lanes/warps/8*8) // the assembler would make a block fit
	}
	o, err := g.chip.Occupancy(registers, e.prog.sharedBytes()+c.Shared, c.Threads())
	o.Estimated = estimated
	return o, err
}

// sanitizerOf makes the checks for a launch of an entry point.
func (g *GPU) sanitizerOf(e *Entry) *sanitizer {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.checked == nil {
		g.checked = map[*program]*checkedCode{}
	}
	code := g.checked[e.prog]
	if code == nil {
		code = checkCode(e.prog)
		g.checked[e.prog] = code
	}
	g.stamp++
	return &sanitizer{gpu: g, prog: e.prog, files: e.module.ptx.Files, stamp: g.stamp, static: code}
}

// maxProfiles bounds the profiles that a GPU keeps.
const maxProfiles = 4096

// keep adds a profile to those that Profiles gives.
func (g *GPU) keep(p *Profile) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.profiles) < maxProfiles {
		g.profiles = append(g.profiles, p)
	}
}

// Profiles gives the profiles of the launches since the last call, in their order, and forgets them. There are none unless the GPU was made with
// Options.Profile.
func (g *GPU) Profiles() []*Profile {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.profiles
	g.profiles = nil
	return list
}

// observers is several observers of one launch.
type observers []observer

func (o observers) block(b *block) blockObserver {
	list := make(blockObservers, len(o))
	for i, x := range o {
		list[i] = x.block(b)
	}
	return list
}

// blockObservers is several observers of one block; lanes that one takes out of an access are not shown to the next.
type blockObservers []blockObserver

func (o blockObservers) exec(w *warp, pc int, mask uint32) {
	for _, x := range o {
		x.exec(w, pc, mask)
	}
}

func (o blockObservers) access(w *warp, pc int, a *request) uint32 {
	r := *a
	for _, x := range o {
		r.mask = x.access(w, pc, &r)
	}
	return r.mask
}

func (o blockObservers) sync(w *warp, pc int, kind syncKind, mask uint32, id, count int) {
	for _, x := range o {
		x.sync(w, pc, kind, mask, id, count)
	}
}

func (o blockObservers) badSync(w *warp, pc int, mask uint32, what string) {
	for _, x := range o {
		x.badSync(w, pc, mask, what)
	}
}

func (o blockObservers) branch(w *warp, pc int, taken, notTaken uint32) {
	for _, x := range o {
		x.branch(w, pc, taken, notTaken)
	}
}

func (o blockObservers) done() {
	for _, x := range o {
		x.done()
	}
}

// EstimatedRegisters is the registers of a thread that the PTX seems to need, for kernels that no assembler has seen.
func (e *Entry) EstimatedRegisters() int { return estimateRegisters(flowOf(e.prog.entry)) }
