//go:build gpu && cgo

package driver

import (
	"bytes"
	"math"
	"testing"
	"unsafe"

	"gorgonia.org/cu"
)

// kernelsOf loads testPTX in the current context.
func kernelsOf(t *testing.T, name string) cu.Function {
	t.Helper()
	m, err := cu.LoadData(testPTX)
	check(t, err)
	f, err := m.Function(name)
	check(t, err)
	return f
}

// TestCaptureRules holds the calls that cannot be captured: each is refused and invalidates the capture, and what is captured does not run.
func TestCaptureRules(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	event, err := cu.MakeEvent(cu.DefaultEvent)
	check(t, err)
	c, s := raw(ctx), raw(stream)
	p, err := AllocAsync(c, s, 64)
	check(t, err)
	for name, refused := range map[string]func() error{
		"synchronising the stream":      stream.Synchronize,
		"synchronising the context":     cu.Synchronize,
		"asking the stream":             stream.Query,
		"freeing memory of the pool":    func() error { return FreeAsync(c, s, p) },
		"allocating memory of the pool": func() error { _, err := AllocAsync(c, s, 64); return err },
	} {
		check(t, BeginCapture(c, s))
		if err := refused(); err == nil {
			t.Errorf("%s is captured", name)
		}
		if _, err := EndCapture(c, s); !isCode(err, 901) { // CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
			t.Errorf("the capture after %s ends with %v", name, err)
		}
	}
	check(t, BeginCapture(c, s))
	check(t, event.Record(stream))
	if err := event.Query(); !isCode(err, 907) { // CUDA_ERROR_CAPTURED_EVENT
		t.Errorf("an event of a capture is asked: %v", err)
	}
	q, err := cu.MemAlloc(64) // allowed in a relaxed capture
	check(t, err)
	g, err := EndCapture(c, s)
	check(t, err)
	check(t, DestroyGraph(c, g))
	if err := DestroyGraph(c, g); !isCode(err, 400) {
		t.Errorf("a graph is destroyed twice: %v", err)
	}
	check(t, cu.MemFree(q))
	check(t, FreeAsync(c, s, p))
}

// TestContextRules holds handles of another context, of none, and of one that is gone.
func TestContextRules(t *testing.T) {
	g, a := simulatedContext(t)
	f := kernelsOf(t, "forever")
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	event, err := cu.MakeEvent(cu.DisableTiming)
	check(t, err)
	check(t, event.Record(stream))
	check(t, stream.Synchronize())
	if _, err := event.Elapsed(event); !isCode(err, 400) {
		t.Errorf("an event without timing tells a time: %v", err)
	}
	b, err := cu.Device(g.Number()).MakeContext(cu.SchedAuto)
	check(t, err)
	other, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	for name, refused := range map[string]func() error{
		"a function":           func() error { return f.Launch(1, 1, 1, 32, 1, 1, 0, other, nil) },
		"a stream":             stream.Synchronize,
		"an event":             event.Query,
		"an event of a stream": func() error { return event.Record(other) },
	} {
		if err := refused(); !isCode(err, 400) {
			t.Errorf("%s of another context: %v", name, err)
		}
	}
	gone := b
	check(t, b.Destroy()) // which takes it off the stack
	if now, err := cu.CurrentContext(); err != nil || now != a {
		t.Errorf("below a destroyed context is %v (%v), want %v", now, err, a)
	}
	if err := cu.SetCurrentContext(gone); !isCode(err, ContextIsDestroyed) {
		t.Errorf("a destroyed context is made current: %v", err)
	}
	check(t, cu.SetCurrentContext(cu.CUContext{}))
	if event.Query() == nil {
		t.Error("an event is asked without a context")
	}
	check(t, cu.SetCurrentContext(a))
}

// TestSharedMemoryNeedsAttribute launches with more than 48 KiB of shared memory.
func TestSharedMemoryNeedsAttribute(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	f := kernelsOf(t, "scale")
	l, err := NewLaunch(raw(ctx), raw(stream), raw(f), [3]int{1, 1, 1}, [3]int{32, 1, 1}, 48<<10+16, 3)
	check(t, err)
	defer l.Free()
	if err := l.Run(); !isCode(err, 1) {
		t.Errorf("a launch with more than 48 KiB: %v", err)
	}
	check(t, SetFunctionAttribute(raw(ctx), raw(f), MaxDynamicShared, 48<<10+16))
	check(t, l.Run())
	check(t, stream.Synchronize())
	if err := SetFunctionAttribute(raw(ctx), raw(f), MaxDynamicShared, 1<<20); !isCode(err, 1) {
		t.Errorf("an attribute of 1 MiB: %v", err)
	}
}

// TestPinnedCopies reads pinned memory when the stream gets there, and other memory at once.
func TestPinnedCopies(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	p, err := cu.MemAlloc(4)
	check(t, err)
	pinned, err := AllocHost(raw(ctx), 4)
	check(t, err)
	for name, src := range map[string][]byte{"pinned": pinned, "pageable": make([]byte, 4)} {
		gate, err := cu.MakeStream(cu.NonBlocking)
		check(t, err)
		event, err := cu.MakeEvent(cu.DefaultEvent)
		check(t, err)
		slow, n := kernelsOf(t, "scale"), uint64(1<<20)
		big, err := cu.MemAlloc(4 << 20)
		check(t, err)
		factor := uint64(math.Float32bits(1))
		check(t, slow.Launch(1<<13, 1, 1, 128, 1, 1, 0, gate, []unsafe.Pointer{pointer(&big), pointer(&n), pointer(&factor)}))
		check(t, event.Record(gate))
		check(t, stream.Wait(event, 0))
		copy(src, "old!")
		check(t, cu.MemcpyHtoDAsync(p, pointer(&src[0]), 4, stream))
		busy := isCode(stream.Query(), NotReady)
		copy(src, "new!")
		check(t, stream.Synchronize())
		got := make([]byte, 4)
		check(t, cu.MemcpyDtoH(pointer(&got[0]), p, 4))
		want := "old!"
		if name == "pinned" {
			want = "new!"
		}
		if busy && !bytes.Equal(got, []byte(want)) {
			t.Errorf("a copy of %s memory that changes while it waits gave %q, want %q", name, got, want)
		}
		check(t, cu.MemFree(big))
	}
	if err := FreeHost(raw(ctx), make([]byte, 4)); !isCode(err, 1) {
		t.Errorf("memory of Go is given to the driver: %v", err)
	}
	check(t, FreeHost(raw(ctx), pinned))
}

// TestPoolOutlivesContext leaves memory of the pool behind, which belongs to the device.
func TestPoolOutlivesContext(t *testing.T) {
	g, _ := simulatedContext(t)
	c, err := cu.Device(g.Number()).MakeContext(cu.SchedAuto)
	check(t, err)
	s, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	p, err := AllocAsync(raw(c), raw(s), 4096)
	check(t, err)
	_, err = cu.MemAlloc(4096)
	check(t, err)
	check(t, c.Destroy())
	used, _, err := PoolStatistics(g.Number())
	check(t, err)
	free, total, err := cu.MemInfo()
	check(t, err)
	if used != 4096 || total-free < 4096 || total-free > 8191 {
		t.Errorf("after a context with 4096 bytes of either kind the pool holds %d, the GPU %d", used, total-free)
	}
	check(t, cu.MemFree(cu.DevicePtr(p)))
}

// TestOtherProcess has less memory where another process holds some.
func TestOtherProcess(t *testing.T) {
	g, _ := simulatedContext(t)
	check(t, g.Occupy(12<<20))
	if _, err := cu.MemAlloc(8 << 20); !isCode(err, OutOfMemory) {
		t.Errorf("8 MiB of the 4 MiB that are left: %v", err)
	}
	p, err := cu.MemAlloc(2 << 20)
	check(t, err)
	check(t, cu.MemFree(p))
}

// TestFailAfter spoils the context at the launch that was asked for, and every new one.
func TestFailAfter(t *testing.T) {
	g, ctx := simulatedContext(t)
	defer FailAfter(0)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	l, err := NewLaunch(raw(ctx), raw(stream), raw(kernelsOf(t, "scale")), [3]int{1, 1, 1}, [3]int{32, 1, 1}, 0, 3)
	check(t, err)
	defer l.Free()
	FailAfter(3)
	for i := range 3 {
		check(t, l.Run())
		if err := stream.Synchronize(); (err != nil) != (i == 2) {
			t.Errorf("launch %d: %v", i+1, err)
		}
	}
	if _, err := cu.Device(g.Number()).MakeContext(cu.SchedAuto); !isCode(err, IllegalAddress) {
		t.Errorf("a new context: %v", err)
	}
	FailAfter(0)
	c, err := cu.Device(g.Number()).MakeContext(cu.SchedAuto)
	check(t, err)
	check(t, c.Destroy())
}

// TestStickyError answers every call of a spoilt context with its error.
func TestStickyError(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	event, err := cu.MakeEvent(cu.DefaultEvent)
	check(t, err)
	f := kernelsOf(t, "stray")
	addr := uint64(4096)
	check(t, f.Launch(1, 1, 1, 32, 1, 1, 0, stream, []unsafe.Pointer{pointer(&addr)}))
	_ = stream.Synchronize()
	c, s := raw(ctx), raw(stream)
	for name, call := range map[string]func() error{
		"an event":     event.Query,
		"a record":     func() error { return event.Record(stream) },
		"memory":       func() error { _, _, err := cu.MemInfo(); return err },
		"pinned":       func() error { _, err := AllocHost(c, 16); return err },
		"a capture":    func() error { return BeginCapture(c, s) },
		"a module":     func() error { _, err := LoadModule(c, []byte(testPTX)); return err },
		"a compiler":   func() error { _, err := Compile(c, "m", testPTX); return err },
		"an attribute": func() error { return SetFunctionAttribute(c, raw(f), MaxDynamicShared, 64) },
		"the context":  cu.Synchronize,
	} {
		if err := call(); !isCode(err, IllegalAddress) {
			t.Errorf("%s of a spoilt context: %v", name, err)
		}
	}
}
