package sim

import (
	"math/bits"
	"sync"

	"palladio/cuda/sim/ptx"
)

// profiler counts what a launch does. Each running block has a counter of its own; L1 is modelled for each block alone with its share of the
// multiprocessor's, L2 for the whole chip: the requests that blocks send to it are replayed wave by wave, those of the blocks of a wave in
// turns, so that the result does not depend on the order in which the host's cores ran them.
type profiler struct {
	chip      *Chip
	code      []inst
	occupancy Occupancy
	first     int // number of the first block that runs

	mu       sync.Mutex
	counters []*blockCounter  // all
	idle     []*blockCounter  // those of blocks that have ended
	streams  map[int]*stream  // of blocks that have ended and are not replayed, by ordinal
	free     []*stream        //
	next     int              // ordinal of the first block of the wave to replay
	wave     int              // blocks replayed together; 0 until the first block has ended
	l2       *levelTwo        // of the GPU: what earlier launches left there is found
	sites    []memorySite     // by pc: where loads found their data in L2 or memory
	traffic  traffic          //
	atomics  map[uint64]int64 // by address
}

// levelTwo is the L2 of a GPU, with a lock for launches that run at the same time.
type levelTwo struct {
	mu    sync.Mutex
	cache *cache
}

// traffic is sectors between the levels of memory.
type traffic struct {
	l2Read, l2Written, dramRead, dramWritten int64
}

// memorySite is where the sectors that an instruction loads beyond L1 were found.
type memorySite struct{ l2, dram int64 }

// siteCount counts one instruction.
type siteCount struct {
	warps, lanes         int64 // executions
	requests             int64 // executions that access memory with any lane
	bytes                int64 // asked for, lane by lane
	sectors, fewest      int64 // of global and local memory; fewest: as many as the distinct bytes fill
	passes, fewestPasses int64 // of shared memory
	l1Hits               int64 // sectors
	serial               int64 // lanes of atomics that wait for another lane at the same address
	divergent            int64 // branches that part the warp
}

// l2Request is a request to L2.
type l2Request struct {
	lineAccess
	pc int32
	op l2Op
}

type l2Op uint8

const (
	l2Read l2Op = iota
	l2Write
	l2Atomic
)

// stream is the requests of a block to L2, in order.
type stream struct{ requests []l2Request }

// maxRequests bounds the requests that wait for their wave to end; larger waves are replayed in parts.
const maxRequests = 16 << 20

// maxAtomics bounds the addresses of atomics that are told apart.
const maxAtomics = 1 << 16

// blockCounter counts for one block at a time.
type blockCounter struct {
	p       *profiler
	ordinal int
	sites   []siteCount
	l1      *cache
	out     *stream
	lines   []lineAccess
	atomics map[uint64]int64
}

func newProfiler(chip *Chip, l2 *levelTwo, code []inst, o Occupancy, first int) *profiler {
	return &profiler{chip: chip, code: code, occupancy: o, first: first, streams: map[int]*stream{}, l2: l2,
		sites: make([]memorySite, len(code)), atomics: map[uint64]int64{}}
}

func (p *profiler) block(b *block) blockObserver {
	p.mu.Lock()
	defer p.mu.Unlock()
	var c *blockCounter
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
		c.l1.reset()
	} else {
		share := max(4*lineBytes, (p.chip.L1Bytes-int64(p.occupancy.Blocks*p.occupancy.Shared))/int64(p.occupancy.Blocks))
		c = &blockCounter{p: p, sites: make([]siteCount, len(p.code)), l1: newCache(share, 4), atomics: map[uint64]int64{}}
		p.counters = append(p.counters, c)
	}
	c.ordinal = int(b.linear) - p.first
	if n := len(p.free); n > 0 {
		c.out, p.free = p.free[n-1], p.free[:n-1]
	} else {
		c.out = new(stream)
	}
	return c
}

func (c *blockCounter) exec(w *warp, pc int, mask uint32) {
	s := &c.sites[pc]
	s.warps++
	s.lanes += int64(bits.OnesCount32(mask))
}

func (c *blockCounter) branch(w *warp, pc int, taken, notTaken uint32) {
	if taken != 0 && notTaken != 0 {
		c.sites[pc].divergent++
	}
}

func (c *blockCounter) sync(w *warp, pc int, kind syncKind, mask uint32, id, count int) {}

func (c *blockCounter) badSync(w *warp, pc int, mask uint32, what string) {}

func (c *blockCounter) access(w *warp, pc int, a *request) uint32 {
	s := &c.sites[pc]
	if a.kind != copyWrite { // counted at its global side
		s.requests++
	}
	s.bytes += int64(bits.OnesCount32(a.mask) * a.size)
	switch a.space {
	case sharedSpace:
		passes, fewest := bankPasses(a.addr, a.mask, a.size)
		s.passes += int64(passes)
		s.fewestPasses += int64(fewest)
		if a.kind == atomicAccess {
			s.serial += int64(sameAddress(a.addr, a.mask) - 1)
		}
	case globalSpace:
		c.global(pc, a)
	}
	return a.mask
}

// global counts an access to global memory and passes it on to the caches.
func (c *blockCounter) global(pc int, a *request) {
	s := &c.sites[pc]
	lines, distinct := coalesce(a.addr, a.mask, a.size, c.lines[:0])
	c.lines = lines
	s.fewest += int64(ceilDiv(distinct, sectorBytes))
	op := l2Read
	switch a.kind {
	case storeAccess:
		op = l2Write
	case atomicAccess:
		op = l2Atomic
		s.serial += int64(sameAddress(a.addr, a.mask) - 1)
		c.countAtomics(a)
	}
	cached := op == l2Read && usesL1(c.p.code[pc].src)
	for _, l := range lines {
		n := bits.OnesCount8(l.sectors)
		s.sectors += int64(n)
		switch {
		case cached:
			missed, _ := c.l1.read(l)
			s.l1Hits += int64(n - bits.OnesCount8(missed))
			if l.sectors = missed; missed == 0 {
				continue
			}
		case op == l2Atomic:
			c.l1.drop(l)
		}
		c.out.requests = append(c.out.requests, l2Request{l, int32(pc), op})
	}
}

// usesL1 says whether a load may find its data in L1.
func usesL1(in *ptx.Instr) bool {
	for _, m := range in.Mods {
		switch m {
		case "cg", "cv", "volatile", "relaxed", "acquire", "L1::no_allocate":
			return false
		}
	}
	return true
}

func (c *blockCounter) countAtomics(a *request) {
	for m := a.mask; m != 0; m &= m - 1 {
		addr := a.addr[bits.TrailingZeros32(m)]
		if _, ok := c.atomics[addr]; ok || len(c.atomics) < maxAtomics {
			c.atomics[addr]++
		}
	}
}

// done hands the block's requests over, and replays the wave if it was the last one of it.
func (c *blockCounter) done() {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[c.ordinal] = c.out
	c.out = nil
	p.idle = append(p.idle, c)
	for p.replayWave(false) {
	}
}

// replayWave sends the requests of the next wave to L2, if all its blocks have ended; the last wave may be incomplete.
func (p *profiler) replayWave(last bool) bool {
	if p.wave == 0 {
		first, ok := p.streams[0]
		if !ok {
			return false
		}
		p.wave = max(1, min(p.chip.SMs*p.occupancy.Blocks, maxRequests/max(1, len(first.requests))))
	}
	wave := make([]*stream, 0, p.wave)
	for i := range p.wave {
		s, ok := p.streams[p.next+i]
		if !ok {
			if !last {
				return false
			}
			break
		}
		wave = append(wave, s)
	}
	if len(wave) == 0 {
		return false
	}
	p.replay(wave)
	for i, s := range wave {
		delete(p.streams, p.next+i)
		s.requests = s.requests[:0]
		p.free = append(p.free, s)
	}
	p.next += len(wave)
	return true
}

// replay sends requests of several blocks to L2, some of each in turn.
func (p *profiler) replay(wave []*stream) {
	p.l2.mu.Lock()
	defer p.l2.mu.Unlock()
	const turn = 16
	at := make([]int, len(wave))
	for left := len(wave); left > 0; {
		left = 0
		for i, s := range wave {
			end := min(at[i]+turn, len(s.requests))
			for _, r := range s.requests[at[i]:end] {
				p.request(r)
			}
			if at[i] = end; end < len(s.requests) {
				left++
			}
		}
	}
}

func (p *profiler) request(r l2Request) {
	n := int64(bits.OnesCount8(r.sectors))
	back := 0
	switch r.op {
	case l2Write:
		p.traffic.l2Written += n
		back = p.l2.cache.write(r.lineAccess)
	default:
		missed, b := p.l2.cache.read(r.lineAccess)
		back = b
		m := int64(bits.OnesCount8(missed))
		p.traffic.l2Read += n
		p.traffic.dramRead += m
		p.sites[r.pc].dram += m
		p.sites[r.pc].l2 += n - m
		if r.op == l2Atomic {
			p.traffic.l2Written += n
			p.l2.cache.write(r.lineAccess)
		}
	}
	p.traffic.dramWritten += int64(back)
}

// finish replays what is left and sums up the counters. Sectors that are still dirty in L2 count as written to memory: some launch pays for
// them in the end.
func (p *profiler) finish() []siteCount {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.replayWave(true) {
	}
	p.l2.mu.Lock()
	p.traffic.dramWritten += int64(p.l2.cache.clean())
	p.l2.mu.Unlock()
	sum := make([]siteCount, len(p.code))
	for _, c := range p.counters {
		for pc := range sum {
			sum[pc].add(&c.sites[pc])
		}
		for a, n := range c.atomics {
			p.atomics[a] += n
		}
	}
	return sum
}

func (s *siteCount) add(o *siteCount) {
	s.warps += o.warps
	s.lanes += o.lanes
	s.requests += o.requests
	s.bytes += o.bytes
	s.sectors += o.sectors
	s.fewest += o.fewest
	s.passes += o.passes
	s.fewestPasses += o.fewestPasses
	s.l1Hits += o.l1Hits
	s.serial += o.serial
	s.divergent += o.divergent
}
