package sim

import "palladio/cuda/sim/ptx"

// The latency of a warp: how long its instructions take one after the other when nothing else runs, as a scoreboard would issue them. It is what
// bounds a launch with too few warps to hide it; with W warps resident, W of these run at once (Little's law).

// scoreboard issues instructions of one warp in order, each when its sources are ready.
type scoreboard struct {
	f       *ptx.Func
	issue   func(at int) float64 // clocks until the next instruction of the warp can issue
	latency func(at int) float64 // clocks until the result is there
	ready   []float64            // by register
	now     float64
	copies  float64   // when the asynchronous copies since the last commit are there
	groups  []float64 // when committed groups are there, oldest first
	defs    []int32
	uses    []int32
}

// warpLatency is the clocks of one warp that executes instruction i of f count(i) times on average.
func warpLatency(g *flow, count, issue, latency func(at int) float64) float64 {
	s := &scoreboard{f: g.f, issue: issue, latency: latency, ready: make([]float64, len(g.f.Regs))}
	total := 0.0
	for b := range g.blocks {
		if n := count(g.blocks[b].first); n > 0 {
			total += n * s.blockClocks(g, int32(b), n)
		}
	}
	return total
}

// blockClocks is the clocks of one execution of a basic block that runs n times a warp. A loop of one block runs several times, so that
// what an iteration loads for the next one, or some stages ahead, is seen to overlap.
func (s *scoreboard) blockClocks(g *flow, b int32, n float64) float64 {
	clear(s.ready)
	s.now, s.copies, s.groups = 0, 0, s.groups[:0]
	loop := false
	for _, next := range g.blocks[b].next {
		loop = loop || next == b
	}
	if !loop || n < 2 {
		s.run(g.blocks[b])
		return s.now
	}
	const settle, measure = 4, 4
	for range settle {
		s.run(g.blocks[b])
	}
	start := s.now
	for range measure {
		s.run(g.blocks[b])
	}
	return (s.now - start) / measure
}

func (s *scoreboard) run(b basicBlock) {
	for at := b.first; at < b.end; at++ {
		in := &s.f.Body[at]
		s.defs, s.uses = registersOf(in, s.defs[:0], s.uses[:0])
		for _, r := range s.uses {
			s.now = max(s.now, s.ready[r])
		}
		done := s.now + s.latency(at)
		if in.Op == "cp" {
			s.asyncCopy(in, done)
		}
		for _, r := range s.defs {
			s.ready[r] = done
		}
		s.now += s.issue(at)
		if in.Op == "bar" || in.Op == "barrier" {
			s.now = max(s.now, done)
		}
	}
}

// asyncCopy follows the groups of cp.async: a wait stalls until all but the newest so many are there.
func (s *scoreboard) asyncCopy(in *ptx.Instr, done float64) {
	switch {
	case in.Has("commit_group"):
		s.groups = append(s.groups, s.copies)
		s.copies = 0
	case in.Has("wait_group"), in.Has("wait_all"):
		keep := 0
		if in.Has("wait_group") && len(in.Operands) > 0 && in.Operands[0].Bits < 64 {
			keep = int(in.Operands[0].Bits)
		}
		for len(s.groups) > keep {
			s.now = max(s.now, s.groups[0])
			s.groups = s.groups[1:]
		}
		if in.Has("wait_all") {
			s.now = max(s.now, s.copies)
		}
	default:
		s.copies = max(s.copies, done)
	}
}
