package cuda

import (
	"testing"
	"time"

	"palladio/kernels"
)

// emptyGPU is a driver that does nothing: what is left is the device's own work.
type emptyGPU struct{ next uint64 }

func (g *emptyGPU) info() Info {
	return Info{Capability: 90, SMs: 132, Shared: 227 << 10}
}

func (g *emptyGPU) alloc(n int) (uint64, error) {
	g.next += uint64(n+255) &^ 255
	return g.next, nil
}
func (g *emptyGPU) free(uint64) error                               { return nil }
func (g *emptyGPU) memory() (free, total, cached int64, err error)  { return 1 << 40, 1 << 40, 0, nil }
func (g *emptyGPU) trim() error                                     { return nil }
func (g *emptyGPU) upload(uint64, []byte) error                     { return nil }
func (g *emptyGPU) download([]byte, uint64) error                   { return nil }
func (g *emptyGPU) fill(uint64, byte, int) error                    { return nil }
func (g *emptyGPU) load(string, string) (module, error)             { return emptyModule{}, nil }
func (g *emptyGPU) sync() error                                     { return nil }
func (g *emptyGPU) record(submit func() error) (graph, error)       { return emptyGraph{}, submit() }
func (g *emptyGPU) time(submit func() error) (time.Duration, error) { return 1, submit() }
func (g *emptyGPU) close() error                                    { return nil }
func (g *emptyGPU) abandon() error                                  { return nil }

type emptyModule struct{}

func (emptyModule) entry(string) (entry, error) { return emptyEntry{}, nil }

type emptyEntry struct{}

func (emptyEntry) parameters() int { return -1 }
func (emptyEntry) prepare(l *Launch) (launch, error) {
	return &emptyLaunch{make([]uint64, len(l.Args))}, nil
}

type emptyLaunch struct{ cells []uint64 }

func (l *emptyLaunch) params() []uint64 { return l.cells }
func (l *emptyLaunch) run() error       { return nil }
func (l *emptyLaunch) free()            {}

type emptyGraph struct{}

func (emptyGraph) run() error                { return nil }
func (emptyGraph) update(func() error) error { return nil }
func (emptyGraph) free() error               { return nil }

// preparedGEMM is a product on a device that does nothing.
func preparedGEMM(t testing.TB) (*Device, kernels.Exec, []kernels.Arg) {
	d, err := newDevice("empty", func(time.Duration) (gpu, error) { return &emptyGPU{next: 1 << 20}, nil })
	check(t, err)
	k := kernels.NewGEMM(kernels.F32, 1, 128, 128, 128, false, false)
	e, err := d.Prepare(k)
	check(t, err)
	var args []kernels.Arg
	for _, o := range k.Operands() {
		m, err := d.Alloc(o.Bytes())
		check(t, err)
		args = append(args, m.Arg(0, o.Bytes()))
	}
	return d, e, args
}

// TestRunAllocatesNothing holds for calls, for replays and for waiting.
func TestRunAllocatesNothing(t *testing.T) {
	d, e, args := preparedGEMM(t)
	ws := kernels.Arg{Addr: 1 << 30}
	r, err := d.Record(func() error { return e.Run(args, ws) })
	check(t, err)
	for name, f := range map[string]func(){
		"a call":   func() { check(t, e.Run(args, ws)) },
		"a replay": func() { check(t, r.Run()) },
		"waiting":  func() { check(t, d.Sync()) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// BenchmarkRun is the device's own time for a call.
func BenchmarkRun(b *testing.B) {
	_, e, args := preparedGEMM(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Run(args, kernels.Arg{}); err != nil {
			b.Fatal(err)
		}
	}
}
