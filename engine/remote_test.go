package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// remoteDevice is the reference behind memory that the host cannot see, as that of a GPU.
type remoteDevice struct {
	*ref.Device
	mu     sync.Mutex
	blocks map[uint64]*remoteMemory // by address
	next   uint64
}

func newRemoteDevice() *remoteDevice {
	return &remoteDevice{Device: ref.New(), blocks: map[uint64]*remoteMemory{}, next: 1 << 20}
}

func (d *remoteDevice) Name() string { return "remote" }

func (d *remoteDevice) Alloc(bytes int) (kernels.Memory, error) {
	h, err := kernels.AllocHost(bytes)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &remoteMemory{h, d, d.next}
	d.blocks[d.next] = m
	d.next += uint64(bytes+1<<16) &^ (1<<16 - 1)
	return m, nil
}

type remoteMemory struct {
	*kernels.HostMemory
	d    *remoteDevice
	base uint64
}

func (m *remoteMemory) Arg(off, n int) kernels.Arg { return kernels.Arg{Addr: m.base + uint64(off)} }

func (m *remoteMemory) Free() error {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	delete(m.d.blocks, m.base)
	return m.HostMemory.Free()
}

// resolve finds n bytes at an address.
func (d *remoteDevice) resolve(addr uint64, n int) (kernels.Arg, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for base, m := range d.blocks {
		if addr >= base && addr+uint64(n) <= base+uint64(m.Bytes()) {
			return m.HostMemory.Arg(int(addr-base), n), nil
		}
	}
	return kernels.Arg{}, fmt.Errorf("no block holds %d bytes at %#x", n, addr)
}

func (d *remoteDevice) Prepare(k kernels.Kernel) (kernels.Exec, error) {
	e, err := d.Device.Prepare(k)
	return remoteCall{e, d, k.Operands()}, err
}

type remoteCall struct {
	kernels.Exec
	d   *remoteDevice
	ops []kernels.Operand
}

func (c remoteCall) Run(args []kernels.Arg, ws kernels.Arg) error {
	host := make([]kernels.Arg, len(args))
	for i, a := range args {
		if a.Host != nil {
			return fmt.Errorf("operand %s is host memory", c.ops[i])
		}
		var err error
		if host[i], err = c.d.resolve(a.Addr, c.ops[i].Bytes()); err != nil {
			return fmt.Errorf("operand %s: %w", c.ops[i], err)
		}
	}
	if n := c.Workspace(); n > 0 {
		var err error
		if ws, err = c.d.resolve(ws.Addr, n); err != nil {
			return err
		}
	}
	return c.Exec.Run(host, ws)
}

// TestRemoteDevice runs programs and random graphs, host calls among them, on a device with memory of its own.
func TestRemoteDevice(t *testing.T) {
	remote := func(g *G.ExprGraph, _, dual, outputs G.Nodes) G.VM {
		opts := []Option{On(newRemoteDevice())}
		if dual != nil {
			opts = append(opts, BindDualValues(dual...))
		}
		if outputs != nil {
			opts = append(opts, Outputs(outputs...))
		}
		return New(g, opts...)
	}
	for name, run := range map[string]exampleProgram{"iris": exampleIris, "convnet": exampleConvnet, "logisticRegression": exampleLogisticRegression} {
		want, got := run(t, ourVM()), run(t, remote)
		for i := range want {
			compare(t, fmt.Sprintf("%s: value %d", name, i), got[i], want[i], 0)
		}
	}
	for seed := range uint64(20) {
		g, look, keep, selectors := randomGraph(t, seed, G.Float64, true)
		near1, far := New(g.ExprGraph, On(ref.New()), Keep(keep...)), New(g.ExprGraph, On(newRemoteDevice()), Keep(keep...), CheckNaN())
		rng := rand.New(rand.NewPCG(seed, 9))
		for range 3 {
			for _, s := range selectors {
				check(t, G.Let(s, rng.IntN(3)))
			}
			check(t, near1.RunAll())
			var want [][]float64
			for _, n := range look {
				want = append(want, elements(t, n.Value()))
			}
			check(t, far.RunAll())
			for i, n := range look {
				if got := elements(t, n.Value()); !near(got, want[i], 0) {
					t.Fatalf("seed %d: node %s is %v, want %v", seed, n.Name(), got, want[i])
				}
			}
		}
		check(t, near1.Close())
		check(t, far.Close())
	}
}
