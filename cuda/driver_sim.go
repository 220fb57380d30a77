package cuda

import (
	"context"
	"errors"
	"fmt"
	"time"

	"palladio/cuda/sim"
)

// simulated is a simulated GPU, called directly. Launches are over when they return, and their errors are told there and then; a faulty kernel costs
// nothing but its call, because the memory of the simulated GPU outlives it.
type simulated struct {
	gpu    *sim.GPU
	chip   *sim.Chip
	limit  time.Duration // of a launch; 0 is none
	ctx    context.Context
	cancel context.CancelFunc
	tape   *simGraph      // what is recorded; nil unless a graph is
	clock  *time.Duration // adds up the modelled times of the launches; nil unless they are asked for
}

func newSimulated(chip *sim.Chip, o sim.Options, limit time.Duration) *simulated {
	ctx, cancel := context.WithCancel(context.Background())
	return &simulated{gpu: sim.New(chip, o), chip: chip, limit: limit, ctx: ctx, cancel: cancel}
}

func (s *simulated) info() Info {
	about := describeChip("", s.chip)
	_, about.Memory = s.gpu.MemoryInfo()
	return about
}

func (s *simulated) alloc(bytes int) (uint64, error) {
	a, err := s.gpu.Alloc(bytes)
	if errors.Is(err, sim.ErrOutOfMemory) {
		err = fmt.Errorf("%w: %w", ErrOutOfMemory, err)
	}
	return a, err
}

func (s *simulated) free(addr uint64) error { return s.gpu.Free(addr) }

func (s *simulated) memory() (free, total, cached int64, err error) {
	free, total = s.gpu.MemoryInfo()
	return free, total, 0, nil
}

func (s *simulated) trim() error { return nil }

func (s *simulated) upload(addr uint64, src []byte) error {
	return s.gpu.Write(addr, src)
}

func (s *simulated) download(dst []byte, addr uint64) error {
	if s.tape != nil {
		return errRecording
	}
	return s.gpu.Read(addr, dst)
}

func (s *simulated) fill(addr uint64, value byte, bytes int) error {
	return s.gpu.Fill(addr, uint32(value), 1, bytes)
}

func (s *simulated) load(name, text string) (module, error) {
	m, err := s.gpu.Load(name, text)
	if err != nil {
		return nil, err
	}
	return simModule{s, m}, nil
}

func (s *simulated) sync() error {
	if s.tape != nil {
		return errRecording
	}
	return nil
}

func (s *simulated) close() error {
	s.cancel()
	return s.gpu.Close()
}

// abandon is for contexts that are lost, which those of a GPU that is called directly never are.
func (s *simulated) abandon() error { return s.close() }

type simModule struct {
	s *simulated
	m *sim.Module
}

func (m simModule) entry(name string) (entry, error) {
	e, err := m.m.Entry(name)
	if err != nil {
		return nil, err
	}
	return simEntry{m.s, e}, nil
}

type simEntry struct {
	s *simulated
	e *sim.Entry
}

func (e simEntry) parameters() int { return e.e.Params() }

func (e simEntry) prepare(l *Launch) (launch, error) {
	g, b := l.Grid, l.Block
	return &simLaunch{e.s, e.e, sim.Config{Grid: [3]int{g.X, g.Y, g.Z}, Block: [3]int{b.X, b.Y, b.Z}, Shared: l.Shared}, make([]uint64, len(l.Args))}, nil
}

type simLaunch struct {
	s      *simulated
	entry  *sim.Entry
	config sim.Config
	args   []uint64
}

func (l *simLaunch) params() []uint64 { return l.args }

func (l *simLaunch) run() error {
	if t := l.s.tape; t != nil {
		t.add(l)
		return nil
	}
	return l.launch(l.args)
}

func (l *simLaunch) launch(args []uint64) error {
	ctx := l.s.ctx
	if l.s.limit > 0 {
		c, cancel := context.WithTimeoutCause(ctx, l.s.limit, fmt.Errorf("%w: it was stopped after %v (%s sets the limit)", ErrHung, l.s.limit, EnvTimeout))
		defer cancel()
		ctx = c
	}
	if l.s.clock == nil {
		_, err := l.s.gpu.Launch(ctx, l.entry, l.config, args)
		return err
	}
	r, err := l.s.gpu.LaunchProfiled(ctx, l.entry, l.config, args)
	if err == nil {
		*l.s.clock += modelled(r)
	}
	return err
}

// modelled is the time of a launch by the chip's model.
func modelled(r *sim.Report) time.Duration {
	return time.Duration(r.Profile.Timing.Seconds * float64(time.Second))
}

func (s *simulated) time(submit func() error) (time.Duration, error) {
	var sum time.Duration
	s.clock = &sum
	defer func() { s.clock = nil }()
	err := submit()
	return sum, err
}

func (l *simLaunch) free() {}

// simGraph is a recorded list of launches.
type simGraph struct {
	s     *simulated
	calls []simCall
}

type simCall struct {
	launch *simLaunch
	args   []uint64
}

func (g *simGraph) add(l *simLaunch) {
	g.calls = append(g.calls, simCall{l, append([]uint64(nil), l.args...)})
}

func (s *simulated) record(submit func() error) (graph, error) {
	g := &simGraph{s: s}
	return g, g.update(submit)
}

func (g *simGraph) update(submit func() error) error {
	if g.s.tape != nil {
		return errors.New("a recording within a recording")
	}
	fresh := &simGraph{s: g.s}
	g.s.tape = fresh
	err := submit()
	g.s.tape = nil
	if err == nil {
		g.calls = fresh.calls
	}
	return err
}

func (g *simGraph) run() error {
	if t := g.s.tape; t != nil {
		t.calls = append(t.calls, g.calls...)
		return nil
	}
	for _, c := range g.calls {
		if err := c.launch.launch(c.args); err != nil {
			return err
		}
	}
	return nil
}

func (g *simGraph) free() error { return nil }
