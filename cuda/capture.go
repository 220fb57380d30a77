//go:build gpu && cgo

package cuda

import (
	"bytes"
	"errors"
	"sync"

	"gorgonia.org/cu"

	"palladio/cuda/driver"
)

// tape says whether the stream records a graph, and keeps what must not be recorded until that is over: uploads, and memory that is freed (a cleanup may do so
// at any time). What is uploaded is there before the graph can run.
type tape struct {
	mu      sync.Mutex // held where the stream must not begin or end to record
	on      bool
	uploads []upload
	frees   []uint64
	plain   map[uint64]bool // memory that was reserved during a recording, outside of the driver's pool
}

type upload struct {
	addr uint64
	src  []byte
}

func (t *tape) recording() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.on
}

func (t *tape) begin(g *cudaGPU) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		return errors.New("a recording within a recording")
	}
	if err := driver.BeginCapture(handle(g.context), handle(g.stream)); err != nil {
		return mark(err)
	}
	t.on = true
	return nil
}

// end gives the graph, and does what was put off.
func (t *tape) end(g *cudaGPU) (driver.Handle, error) {
	t.mu.Lock()
	captured, err := driver.EndCapture(handle(g.context), handle(g.stream))
	uploads, frees := t.uploads, t.frees
	t.on, t.uploads, t.frees = false, nil, nil
	t.mu.Unlock()
	errs := []error{mark(err)}
	for _, u := range uploads {
		errs = append(errs, g.upload(u.addr, u.src))
	}
	for _, addr := range frees {
		errs = append(errs, g.free(addr))
	}
	return captured, errors.Join(errs...)
}

// later puts an upload off, if the stream records.
func (t *tape) later(addr uint64, src []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		t.uploads = append(t.uploads, upload{addr, bytes.Clone(src)})
	}
	return t.on
}

// alloc reserves memory of the pool, or, where a recording would take that for memory of the graph, of the driver.
func (t *tape) alloc(g *cudaGPU, bytes int) (addr uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.pooled && !t.on {
		addr, err = driver.AllocAsync(handle(g.context), handle(g.stream), bytes)
		return addr, mark(err)
	}
	err = g.do("cuMemAlloc", func() error {
		p, err := cu.MemAlloc(int64(bytes))
		addr = uint64(p)
		return err
	})
	if err == nil && g.pooled {
		t.plain[addr] = true
	}
	return addr, err
}

// free gives memory back, in the order of the stream where it is of the pool.
func (t *tape) free(g *cudaGPU, addr uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		t.frees = append(t.frees, addr)
		return nil
	}
	if g.pooled && !t.plain[addr] {
		return mark(driver.FreeAsync(handle(g.context), handle(g.stream), addr))
	}
	delete(t.plain, addr)
	return g.do("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(addr)) })
}

func (g *cudaGPU) record(submit func() error) (graph, error) {
	r := &cudaGraph{g: g}
	captured, err := g.capture(submit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = driver.DestroyGraph(handle(g.context), captured) }() // what is instantiated of it lives on
	r.exec, err = driver.Instantiate(handle(g.context), captured)
	return r, mark(err)
}

// capture records what submit submits to the stream.
func (g *cudaGPU) capture(submit func() error) (driver.Handle, error) {
	if err := g.tape.begin(g); err != nil {
		return 0, err
	}
	submitted := submit()
	captured, err := g.tape.end(g)
	if err = errors.Join(submitted, err); err != nil && captured != 0 {
		_ = driver.DestroyGraph(handle(g.context), captured)
		return 0, err
	}
	return captured, err
}

// cudaGraph is an executable graph.
type cudaGraph struct {
	g    *cudaGPU
	exec driver.Handle
}

func (r *cudaGraph) run() error {
	return mark(driver.LaunchGraph(handle(r.g.context), r.exec, handle(r.g.stream)))
}

func (r *cudaGraph) update(submit func() error) error {
	context := handle(r.g.context)
	captured, err := r.g.capture(submit)
	if err != nil {
		return err
	}
	defer func() { _ = driver.DestroyGraph(context, captured) }()
	if driver.UpdateGraph(context, r.exec, captured) == nil {
		return nil
	}
	exec, err := driver.Instantiate(context, captured) // other work: a new graph takes the old one's place
	if err != nil {
		return mark(err)
	}
	old := r.exec
	r.exec = exec
	return mark(driver.DestroyGraphExec(context, old))
}

func (r *cudaGraph) free() error {
	return mark(driver.DestroyGraphExec(handle(r.g.context), r.exec))
}
