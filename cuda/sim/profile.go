package sim

import (
	"cmp"
	"math"
	"slices"

	"palladio/cuda/sim/ptx"
)

// Profile is what a launch did, and the time that the model gives it on the chip.
type Profile struct {
	Kernel    string    `json:"kernel"`
	Module    string    `json:"module,omitempty"`
	Chip      string    `json:"chip"`
	Config    Config    `json:"config"`
	Blocks    int       `json:"blocks"`
	Sampled   int       `json:"blocks_run"` // fewer than Blocks when only a sample ran; all counts are scaled up then
	Occupancy Occupancy `json:"occupancy"`
	Timing    Timing    `json:"timing"`

	WarpInstructions   int64            `json:"warp_instructions"`   // of the PTX
	ThreadInstructions int64            `json:"thread_instructions"` //
	Lanes              float64          `json:"lanes_per_warp"`      // that execute, on average over the warp instructions
	Mix                map[Class]Counts `json:"mix"`                 //
	Branches           int64            `json:"branches"`            // conditional ones, by warps
	Divergent          int64            `json:"divergent_branches"`  // that part a warp

	GlobalLoads  Requests `json:"global_loads"`  // asynchronous copies included
	GlobalStores Requests `json:"global_stores"` //
	GlobalAtomic Requests `json:"global_atomics"`
	SharedLoads  Requests `json:"shared_loads"`
	SharedStores Requests `json:"shared_stores"` // asynchronous copies included
	SharedAtomic Requests `json:"shared_atomics"`
	Local        Requests `json:"local"`
	Levels       Levels   `json:"bytes_per_level"`

	FLOPs map[string]float64 `json:"flops"` // by pipe: f32, half, f64, tensor TYPE
	Lines []Line             `json:"lines"` // of the PTX, the costliest first
}

// Counts are instructions of a class.
type Counts struct {
	Warps   int64   `json:"warp_instructions"`
	Threads int64   `json:"thread_instructions"`
	Machine float64 `json:"machine_instructions"` // of warps, as the assembler is expected to make of them
}

// Requests are the accesses of warps to a space.
type Requests struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"` // lane by lane
	// Parts are 32-byte sectors of global memory, or clocks of shared memory; Fewest is what they would be if the lanes' bytes lay side by side,
	// or in different banks.
	Parts  int64 `json:"parts"`
	Fewest int64 `json:"fewest_parts"`
	// Serial is lanes of atomics that wait for another lane of their warp.
	Serial int64 `json:"serial,omitempty"`
}

// Efficiency is the share of the parts that had to be, in (0, 1]; 1 without requests.
func (r Requests) Efficiency() float64 {
	if r.Parts == 0 {
		return 1
	}
	return float64(r.Fewest) / float64(r.Parts)
}

// PerRequest is the parts of a request on average.
func (r Requests) PerRequest() float64 {
	if r.Requests == 0 {
		return 0
	}
	return float64(r.Parts) / float64(r.Requests)
}

func (r *Requests) add(s *siteCount, parts, fewest int64) {
	r.Requests += s.requests
	r.Bytes += s.bytes
	r.Parts += parts
	r.Fewest += fewest
	r.Serial += s.serial
}

// Levels is bytes by level of memory. L2 holds what earlier launches left there, and is written back at the end.
type Levels struct {
	Shared      int64 `json:"shared"`
	L1          int64 `json:"l1"`         // asked of L1 by loads and stores
	L1Hits      int64 `json:"l1_hits"`    //
	L2Read      int64 `json:"l2_read"`    //
	L2Written   int64 `json:"l2_written"` //
	DRAMRead    int64 `json:"dram_read"`  //
	DRAMWritten int64 `json:"dram_written"`
}

// Line is one instruction of the PTX.
type Line struct {
	Line   int     `json:"line"`
	Source string  `json:"source,omitempty"` // file:line where the PTX has .loc
	Instr  string  `json:"instruction"`
	Warps  int64   `json:"warps"`
	Lanes  float64 `json:"lanes"`            // on average
	Parts  float64 `json:"parts,omitempty"`  // sectors or clocks of shared memory a request
	Fewest float64 `json:"fewest,omitempty"` // what they could be
	Share  float64 `json:"share"`            // of the clocks of all lines, each at the pipe that it keeps busy longest
}

// profile sums up a launch.
func (p *profiler) profile(fn *ptx.Func, files []ptx.File, config Config, sampled int) *Profile {
	sites := p.finish()
	blocks := config.Blocks()
	scale := float64(blocks) / float64(max(1, sampled))
	count := func(n int64) int64 { return int64(math.Round(float64(n) * scale)) }
	r := &Profile{Kernel: fn.Name, Chip: p.chip.Name, Config: config, Blocks: blocks, Sampled: sampled, Occupancy: p.occupancy,
		Mix: map[Class]Counts{}, FLOPs: map[string]float64{}}
	l := load{grid: blocks, threads: config.Threads(), occupancy: p.occupancy, tensor: map[string]float64{}, flops: r.FLOPs}
	clocks := make([]float64, len(sites))
	for pc := range sites {
		in := p.code[pc].src
		s := &sites[pc]
		if in == nil || s.warps == 0 {
			continue
		}
		s.scale(count)
		r.WarpInstructions += s.warps
		r.ThreadInstructions += s.lanes
		if in.Op == "bra" && in.Guard != ptx.NoReg {
			r.Branches += s.warps
			r.Divergent += s.divergent
		}
		r.addRequests(in, s)
		p.addWork(in, s, r, &l)
		clocks[pc] = p.siteClocks(in, s, pc)
	}
	r.Lanes = float64(r.ThreadInstructions) / float64(max(1, r.WarpInstructions))
	t := p.traffic
	r.Levels.L2Read, r.Levels.L2Written = count(t.l2Read)*sectorBytes, count(t.l2Written)*sectorBytes
	r.Levels.DRAMRead, r.Levels.DRAMWritten = count(t.dramRead)*sectorBytes, count(t.dramWritten)*sectorBytes
	r.Levels.Shared = r.SharedLoads.Bytes + r.SharedStores.Bytes + r.SharedAtomic.Bytes
	l.passes = float64(r.SharedLoads.Parts + r.SharedStores.Parts + r.SharedAtomic.Parts + r.SharedAtomic.Serial)
	l.l1, l.l2, l.dram = float64(r.Levels.L1), float64(r.Levels.L2Read+r.Levels.L2Written), float64(r.Levels.DRAMRead+r.Levels.DRAMWritten)
	for _, n := range p.atomics {
		l.hottest = max(l.hottest, float64(n)*scale)
	}
	l.warpLatency = p.latency(fn, sites, blocks*ceilDiv(config.Threads(), lanes))
	r.Timing = p.chip.price(l)
	r.Lines = p.lines(files, sites, clocks)
	return r
}

func (s *siteCount) scale(f func(int64) int64) {
	for _, v := range []*int64{&s.warps, &s.lanes, &s.requests, &s.bytes, &s.sectors, &s.fewest, &s.passes, &s.fewestPasses, &s.l1Hits, &s.serial, &s.divergent} {
		*v = f(*v)
	}
}

// addRequests adds an instruction's accesses to the sums of its space.
func (r *Profile) addRequests(in *ptx.Instr, s *siteCount) {
	if s.requests == 0 || classify(in).class != Memory {
		return
	}
	store := in.Op == "st" || in.Op == "stmatrix"
	atomic := in.Op == "atom" || in.Op == "red"
	switch {
	case in.Op == "cp":
		bytes := s.bytes / 2 // both sides are counted
		side := *s
		side.bytes = bytes
		r.GlobalLoads.add(&side, s.sectors, s.fewest)
		r.SharedStores.add(&side, s.passes, s.fewestPasses)
	case s.sectors > 0:
		requestsOf(atomic, store, &r.GlobalAtomic, &r.GlobalStores, &r.GlobalLoads).add(s, s.sectors, s.fewest)
	case s.passes > 0:
		requestsOf(atomic, store, &r.SharedAtomic, &r.SharedStores, &r.SharedLoads).add(s, s.passes, s.fewestPasses)
	default:
		r.Local.add(s, 0, 0)
	}
	r.Levels.L1 += s.sectors * sectorBytes
	r.Levels.L1Hits += s.l1Hits * sectorBytes
}

func requestsOf(atomic, store bool, a, s, l *Requests) *Requests {
	switch {
	case atomic:
		return a
	case store:
		return s
	}
	return l
}

// addWork adds an instruction to the mix and to what the pipes have to do.
func (p *profiler) addWork(in *ptx.Instr, s *siteCount, r *Profile, l *load) {
	w := classify(in)
	add := func(c Class, warps, threads int64, machine float64) {
		m := r.Mix[c]
		m.Warps += warps
		m.Threads += threads
		m.Machine += machine
		r.Mix[c] = m
		l.machine[c] += machine
	}
	add(w.class, s.warps, s.lanes, w.count*float64(s.warps))
	if w.secondCount > 0 {
		add(w.second, 0, 0, w.secondCount*float64(s.warps))
	}
	n, warp := flops(in)
	switch {
	case n == 0:
	case warp:
		l.tensor[tensorType(in)] += float64(n) / 2 * float64(s.warps)
		r.FLOPs["tensor "+tensorType(in)] += float64(n) * float64(s.warps)
	default:
		pipe := w.class
		if pipe == SFU {
			pipe = FP32
		}
		r.FLOPs[pipe.String()] += float64(n) * float64(s.lanes)
	}
}

// siteClocks is about how many clocks of a multiprocessor an instruction takes in all: those of the pipe that it keeps busy longest.
func (p *profiler) siteClocks(in *ptx.Instr, s *siteCount, pc int) float64 {
	c := p.chip
	w := classify(in)
	clocks := float64(s.warps) * w.count * c.clocks(w.class) / float64(c.SubCores)
	if n, warp := flops(in); warp {
		clocks = float64(s.warps) * float64(n) / 2 / max(1, c.Tensor[tensorType(in)]*c.Ceilings["mma"])
	}
	perSM := c.MemoryRate / c.VectorClock / float64(c.SMs) // bytes of memory a clock
	dram := p.sites[pc].dram
	if in.Op == "st" {
		dram = s.sectors // they are written back in the end
	}
	return max(clocks, float64(s.passes), float64(s.sectors*sectorBytes)/c.L1Rate, float64(dram*sectorBytes)/perSM)
}

// lines lists the instructions that ran, the costliest first.
func (p *profiler) lines(files []ptx.File, sites []siteCount, clocks []float64) []Line {
	total := 0.0
	for _, c := range clocks {
		total += c
	}
	var list []Line
	for pc, s := range sites {
		in := p.code[pc].src
		if in == nil || s.warps == 0 {
			continue
		}
		l := Line{Line: in.Line, Source: sourceOf(files, in), Instr: in.Name, Warps: s.warps, Lanes: float64(s.lanes) / float64(s.warps)}
		if total > 0 {
			l.Share = clocks[pc] / total
		}
		if s.requests > 0 {
			parts, fewest := s.sectors, s.fewest
			if parts == 0 { // the global side of an asynchronous copy comes first
				parts, fewest = s.passes, s.fewestPasses
			}
			l.Parts, l.Fewest = float64(parts)/float64(s.requests), float64(fewest)/float64(s.requests)
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b Line) int { return cmp.Compare(b.Share, a.Share) })
	return list
}

// latency is the clocks of an average warp of the launch when it runs alone.
func (p *profiler) latency(fn *ptx.Func, sites []siteCount, warps int) float64 {
	at := make(map[*ptx.Instr]int, len(p.code))
	for pc := range p.code {
		if in := p.code[pc].src; in != nil {
			at[in] = pc
		}
	}
	total := 0.0
	for _, f := range p.functions(fn) {
		site := func(i int) (int, *ptx.Instr) {
			in := &f.Body[i]
			if pc, ok := at[in]; ok {
				return pc, in
			}
			return -1, in
		}
		count := func(i int) float64 {
			if pc, _ := site(i); pc >= 0 {
				return float64(sites[pc].warps) / float64(max(1, warps))
			}
			return 0
		}
		issue := func(i int) float64 {
			w := classify(&f.Body[i])
			if w.class == Memory || w.class == Tensor {
				return 1
			}
			return w.count*p.chip.clocks(w.class) + w.secondCount*p.chip.clocks(w.second)
		}
		latency := func(i int) float64 {
			pc, in := site(i)
			if pc < 0 {
				return 0
			}
			return p.resultLatency(in, &sites[pc], p.sites[pc])
		}
		total += warpLatency(flowOf(f), count, issue, latency)
	}
	return total
}

// functions lists the functions that the code is made of.
func (p *profiler) functions(entry *ptx.Func) []*ptx.Func {
	list := []*ptx.Func{entry}
	for i := range p.code {
		if f := p.code[i].fn; f != nil && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// resultLatency is the clocks until the result of an instruction is there; of loads by where they found their data.
func (p *profiler) resultLatency(in *ptx.Instr, s *siteCount, m memorySite) float64 {
	t := p.chip.Latency
	switch w := classify(in); w.class {
	case Move:
		return 0
	case FP64:
		return t["f64"] * max(1, w.count)
	case SFU, Bits, Convert64, Redux:
		return t["sfu"]
	case Tensor:
		return t["mma"]
	case Barrier:
		return t["barrier"]
	case Shuffle:
		return t["shuffle"]
	case Memory:
		switch {
		case in.Op == "atom":
			if s.passes > 0 {
				return 2 * t["shared"]
			}
			return t["l2"]
		case s.passes > 0 && in.Op != "cp":
			return t["shared"] + float64(s.passes-s.fewestPasses)/float64(max(1, s.requests))
		case s.sectors > 0:
			found := float64(s.l1Hits + m.l2 + m.dram)
			return (float64(s.l1Hits)*t["l1"] + float64(m.l2)*t["l2"] + float64(m.dram)*t["dram"]) / max(1, found)
		}
		return t["l1"]
	default:
		if w.secondCount > 0 {
			return t["alu"]*w.count/2 + t["sfu"]
		}
		return t["alu"] * max(1, w.count)
	}
}
