//go:build gpu && cgo

package driver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"gorgonia.org/cu"

	"palladio/cuda/sim"
)

// testPTX has a kernel that scales floats, one that writes where it must not, and one that never ends.
const testPTX = `
.version 7.0
.target sm_80
.address_size 64

.visible .entry scale(.param .u64 p, .param .u32 n, .param .f32 s)
{
	.reg .pred %p<2>;
	.reg .b32 %r<5>;
	.reg .f32 %f<4>;
	.reg .b64 %rd<5>;
	ld.param.u64 %rd1, [p];
	ld.param.u32 %r1, [n];
	ld.param.f32 %f1, [s];
	mov.u32 %r2, %ctaid.x;
	mov.u32 %r3, %ntid.x;
	mov.u32 %r4, %tid.x;
	mad.lo.s32 %r2, %r2, %r3, %r4;
	setp.ge.u32 %p1, %r2, %r1;
	@%p1 bra DONE;
	cvta.to.global.u64 %rd2, %rd1;
	mul.wide.u32 %rd3, %r2, 4;
	add.s64 %rd4, %rd2, %rd3;
	ld.global.f32 %f2, [%rd4];
	mul.f32 %f3, %f2, %f1;
	st.global.f32 [%rd4], %f3;
DONE:
	ret;
}

.visible .entry stray(.param .u64 p)
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<2>;
	ld.param.u64 %rd1, [p];
	mov.u32 %r1, 1;
	st.global.u32 [%rd1], %r1;
	ret;
}

.visible .entry forever()
{
	.reg .b32 %r<2>;
	mov.u32 %r1, 0;
LOOP:
	add.s32 %r1, %r1, 1;
	bra LOOP;
}
`

// simulatedContext makes a simulated GPU and a context on it, current on the test's thread.
func simulatedContext(t *testing.T) (*SimulatedGPU, cu.CUContext) {
	t.Helper()
	chip, err := sim.ChipNamed("h100")
	check(t, err)
	g, err := Simulate(chip, sim.Options{Memory: 1 << 24}, 0)
	check(t, err)
	runtime.LockOSThread()
	d, err := cu.GetDevice(g.Number())
	check(t, err)
	c, err := d.MakeContext(cu.SchedAuto)
	check(t, err)
	t.Cleanup(func() {
		check(t, c.Destroy())
		check(t, g.Close())
		runtime.UnlockOSThread()
	})
	return g, c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pointer[T any](p *T) unsafe.Pointer { return unsafe.Pointer(p) }

func raw[T cu.CUContext | cu.Stream | cu.Function](h T) Handle { return *(*Handle)(unsafe.Pointer(&h)) }

// TestCu runs gorgonia.org/cu as it is on the simulated GPU: devices, contexts, memory, modules, launches, streams and events.
func TestCu(t *testing.T) {
	g, ctx := simulatedContext(t)
	d := cu.Device(g.Number())
	name, err := d.Name()
	check(t, err)
	major, minor, err := d.ComputeCapability()
	check(t, err)
	if !strings.Contains(name, "H100") || major != 9 || minor != 0 || cu.Version() != simulatedVersion {
		t.Errorf("device %q of capability %d.%d, driver %d", name, major, minor, cu.Version())
	}
	if now, err := cu.CurrentContext(); err != nil || now != ctx {
		t.Errorf("current context is %v (%v), want %v", now, err, ctx)
	}
	if here, err := cu.CurrentDevice(); err != nil || here != d {
		t.Errorf("current device is %v (%v), want %v", here, err, d)
	}

	const n = 1000
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	p, err := cu.MemAlloc(4 * n)
	check(t, err)
	check(t, cu.MemcpyHtoD(p, pointer(&x[0]), 4*n))
	if size, base, err := (p + 8).AddressRange(); err != nil || size != 4*n || base != p {
		t.Errorf("the range of an address is %d bytes from %v (%v)", size, base, err)
	}
	m, err := cu.LoadData(testPTX)
	check(t, err)
	f, err := m.Function("scale")
	check(t, err)
	s, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	from, err := cu.MakeEvent(cu.DefaultEvent)
	check(t, err)
	to, err := cu.MakeEvent(cu.DefaultEvent)
	check(t, err)
	check(t, from.Record(s))
	count, factor := uint64(n), uint64(math.Float32bits(3))
	check(t, f.Launch((n+127)/128, 1, 1, 128, 1, 1, 0, s, []unsafe.Pointer{pointer(&p), pointer(&count), pointer(&factor)}))
	check(t, to.Record(s))
	check(t, s.Synchronize())
	if ms, err := from.Elapsed(to); err != nil || ms < 0 {
		t.Errorf("elapsed %v ms (%v)", ms, err)
	}
	got := make([]float32, n)
	check(t, cu.MemcpyDtoH(pointer(&got[0]), p, 4*n))
	for i := range got {
		if got[i] != 3*x[i] {
			t.Fatalf("element %d is %v, want %v", i, got[i], 3*x[i])
		}
	}
	check(t, cu.MemsetD32(p, math.Float32bits(7), n))
	check(t, cu.MemcpyDtoH(pointer(&got[0]), p, 4*n))
	if got[n-1] != 7 {
		t.Errorf("after a fill the last element is %v, want 7", got[n-1])
	}
	if blocks, err := f.MaxActiveBlocksPerMultiProcessor(128, 0); err != nil || blocks != 16 {
		t.Errorf("%d blocks of 128 threads fit on a multiprocessor (%v), want 16", blocks, err)
	}
	if _, err := m.Function("scal"); err == nil || !strings.Contains(Explain("cuModuleGetFunction", err).Error(), "scale") {
		t.Errorf("a function that is not there: %v", Explain("cuModuleGetFunction", err))
	}
	free, total, err := cu.MemInfo()
	check(t, err)
	if total != 1<<24 || free > total-4*n {
		t.Errorf("%d bytes of %d are free", free, total)
	}
	if _, err := cu.MemAlloc(1 << 25); !isCode(err, OutOfMemory) {
		t.Errorf("an allocation beyond the memory: %v", err)
	}
	check(t, cu.MemFree(p))
	if err := cu.MemFree(p); err == nil {
		t.Error("memory is freed twice without an error")
	}
	check(t, m.Unload())
	check(t, s.Destroy())
}

func isCode(err error, code int) bool {
	var e *Error
	return errors.As(Explain("call", err), &e) && e.Code == code
}

// TestContextStack holds a stack of contexts of two simulated GPUs, and of none.
func TestContextStack(t *testing.T) {
	_, a := simulatedContext(t)
	_, b := simulatedContext(t) // made last, so current
	for i, want := range []cu.CUContext{b, a} {
		got, err := cu.PopCurrentCtx()
		check(t, err)
		if got != want {
			t.Errorf("context %d of the stack is %v, want %v", i, got, want)
		}
	}
	if c, err := cu.CurrentContext(); err != nil || c != (cu.CUContext{}) {
		t.Errorf("below the stack is %v (%v)", c, err)
	}
	if _, err := cu.MemAlloc(16); err == nil {
		t.Error("memory is allocated without a context")
	}
	check(t, cu.PushCurrentCtx(a))
	check(t, cu.PushCurrentCtx(b))
	check(t, cu.SetCurrentContext(a)) // takes b's place
	if c, err := cu.PopCurrentCtx(); err != nil || c != a {
		t.Errorf("the place of b is taken by %v (%v)", c, err)
	}
	if c, err := cu.CurrentContext(); err != nil || c != a {
		t.Errorf("below is %v (%v), want a", c, err)
	}
}

// TestFault spoils a context by an illegal access: every later call of it fails, a new context works.
func TestFault(t *testing.T) {
	g, ctx := simulatedContext(t)
	m, err := cu.LoadData(testPTX)
	check(t, err)
	f, err := m.Function("stray")
	check(t, err)
	s, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	addr := uint64(4096)
	check(t, f.Launch(1, 1, 1, 32, 1, 1, 0, s, []unsafe.Pointer{pointer(&addr)})) // the launch itself is fine
	err = Explain("cuStreamSynchronize", s.Synchronize())
	var e *Error
	if !errors.As(err, &e) || e.Code != IllegalAddress || !e.Lost() || !strings.Contains(e.Log, "stray") || !strings.Contains(e.Log, "PTX line") {
		t.Fatalf("the error is %v", err)
	}
	if _, err := cu.MemAlloc(16); !isCode(err, IllegalAddress) {
		t.Errorf("a later call of the context: %v", err)
	}
	check(t, cu.SetCurrentContext(cu.CUContext{}))
	other, err := cu.Device(g.Number()).MakeContext(cu.SchedAuto)
	check(t, err)
	p, err := cu.MemAlloc(16)
	check(t, err)
	check(t, cu.MemFree(p))
	check(t, other.Destroy())
	check(t, cu.SetCurrentContext(ctx))
}

// TestHang leaves a kernel that never ends: another context works beside it, and it goes with the GPU. (To destroy its context would wait for it.)
func TestHang(t *testing.T) {
	chip, err := sim.ChipNamed("h100")
	check(t, err)
	g, err := Simulate(chip, sim.Options{Memory: 1 << 24}, 0)
	check(t, err)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d := cu.Device(g.Number())
	_, err = d.MakeContext(cu.SchedAuto)
	check(t, err)
	m, err := cu.LoadData(testPTX)
	check(t, err)
	f, err := m.Function("forever")
	check(t, err)
	s, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	check(t, f.Launch(1, 1, 1, 32, 1, 1, 0, s, nil))
	time.Sleep(10 * time.Millisecond)
	if err := s.Query(); !isCode(err, NotReady) {
		t.Errorf("a kernel that never ends: %v", err)
	}
	second, err := d.MakeContext(cu.SchedAuto)
	check(t, err)
	check(t, cu.Synchronize())
	check(t, g.Close())
	if err := cu.SetCurrentContext(second); !isCode(err, ContextIsDestroyed) {
		t.Errorf("a context of a GPU that is gone is made current: %v", err)
	}
	for range 2 {
		_, err = cu.PopCurrentCtx()
		check(t, err)
	}
}

// TestGraph captures work, replays it, and changes its parameters.
func TestGraph(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	c, s := raw(ctx), raw(stream)
	p, err := AllocAsync(c, s, 64)
	check(t, err)
	module, err := LoadModule(c, []byte(testPTX))
	check(t, err)
	f, err := (*(*cu.Module)(unsafe.Pointer(&module))).Function("scale")
	check(t, err)
	launch, err := NewLaunch(c, s, raw(f), [3]int{1, 1, 1}, [3]int{32, 1, 1}, 0, 3)
	check(t, err)
	capture := func(factor float32, times int) Handle {
		check(t, BeginCapture(c, s))
		for range times {
			launch.Params[0], launch.Params[1], launch.Params[2] = p, 16, uint64(math.Float32bits(factor))
			check(t, launch.Run())
		}
		g, err := EndCapture(c, s)
		check(t, err)
		return g
	}
	value := func() float32 {
		var b [4]byte
		check(t, stream.Synchronize())
		check(t, cu.MemcpyDtoH(pointer(&b[0]), cu.DevicePtr(p), 4))
		return math.Float32frombits(binary.LittleEndian.Uint32(b[:]))
	}
	check(t, cu.MemsetD32(cu.DevicePtr(p), math.Float32bits(1), 16))
	double := capture(2, 3)
	exec, err := Instantiate(c, double)
	check(t, err)
	if v := value(); v != 1 {
		t.Errorf("a capture has run: the value is %v", v)
	}
	check(t, LaunchGraph(c, exec, s))
	check(t, LaunchGraph(c, exec, s))
	if v := value(); v != 64 {
		t.Errorf("after two replays of three doublings: %v, want 64", v)
	}
	halve := capture(0.5, 3)
	check(t, UpdateGraph(c, exec, halve))
	check(t, LaunchGraph(c, exec, s))
	if v := value(); v != 8 {
		t.Errorf("after a replay of three halvings: %v, want 8", v)
	}
	if err := UpdateGraph(c, exec, capture(2, 1)); err == nil {
		t.Error("a graph takes over another of other structure")
	}
	check(t, DestroyGraph(c, halve))
	check(t, DestroyGraphExec(c, exec))
	launch.Free()
	check(t, FreeAsync(c, s, p))
}

// TestModules compiles PTX to an image and loads it, and explains what is wrong with PTX.
func TestModules(t *testing.T) {
	g, ctx := simulatedContext(t)
	c := raw(ctx)
	image, err := Compile(c, "test", testPTX)
	check(t, err)
	m, err := LoadModule(c, image)
	check(t, err)
	check(t, UnloadModule(c, m))
	var e *Error
	if _, err := LoadModule(c, []byte(strings.Replace(testPTX, "mul.f32", "mull.f32", 1))); !errors.As(err, &e) {
		// an unknown instruction may be found when its entry point is asked for
		check(t, err)
	}
	if _, err := Compile(c, "broken", testPTX+"}"); !errors.As(err, &e) || e.Code != InvalidPTX || !strings.Contains(e.Log, "line") {
		t.Errorf("PTX that does not parse: %v", err)
	}
	if _, err := LoadModule(c, nil); !errors.As(err, &e) || e.Code != InvalidImage {
		t.Errorf("an empty module: %v", err)
	}
	newer := strings.Replace(testPTX, ".version 7.0", ".version 9.9", 1)
	if _, err := LoadModule(c, []byte(newer)); !errors.As(err, &e) || e.Code != UnsupportedPTXVersion {
		t.Errorf("PTX 9.9: %v", err)
	}
	old, err := Simulate(g.chip, sim.Options{}, 11000)
	check(t, err)
	if old.checkVersion(testPTX) != nil || old.checkVersion(strings.Replace(testPTX, "7.0", "7.1", 1)) == nil {
		t.Error("a driver for CUDA 11.0 takes PTX 7.0, and no newer")
	}
	check(t, old.Close())
}

// TestHostMemory copies through memory of the driver in the order of a stream.
func TestHostMemory(t *testing.T) {
	_, ctx := simulatedContext(t)
	stream, err := cu.MakeStream(cu.NonBlocking)
	check(t, err)
	c := raw(ctx)
	a, err := AllocHost(c, 4096)
	check(t, err)
	b, err := AllocHost(c, 4096)
	check(t, err)
	for i := range a {
		a[i] = byte(i * 7)
	}
	p, err := cu.MemAlloc(4096)
	check(t, err)
	check(t, cu.MemcpyHtoDAsync(p, pointer(&a[0]), 4096, stream))
	check(t, cu.MemcpyDtoHAsync(pointer(&b[0]), p, 4096, stream))
	check(t, stream.Synchronize())
	if !bytes.Equal(a, b) {
		t.Error("what came back is not what went there")
	}
	check(t, FreeHost(c, a))
	check(t, FreeHost(c, b))
}
