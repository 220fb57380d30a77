package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"palladio/kernels"
)

// faultyPTX has kernels that do what kernels must not.
const faultyPTX = `
.version 7.0
.target sm_80
.address_size 64

.visible .entry stray(.param .u64 p)
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<2>;
	ld.param.u64 %rd1, [p];
	mov.u32 %r1, 1;
	st.global.u32 [%rd1+1073741824], %r1;
	ret;
}

.visible .entry forever(.param .u64 p)
{
	.reg .b32 %r<2>;
	mov.u32 %r1, 0;
LOOP:
	add.s32 %r1, %r1, 1;
	bra LOOP;
}

.visible .entry complain(.param .u64 record, .param .u64 call)
{
	.reg .b64 %rd<5>;
	ld.param.u64 %rd1, [record];
	ld.param.u64 %rd2, [call];
	st.global.u64 [%rd1], %rd2;
	mov.u64 %rd3, 5;
	st.global.u64 [%rd1+8], %rd3;
	mov.u64 %rd4, 12;
	st.global.u64 [%rd1+16], %rd4;
	ret;
}
`

// victim is a kernel that the tests' programs stand for.
var victim = kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: 64}

// prepareEntry prepares a launch of an entry point of faultyPTX as victim.
func prepareEntry(t *testing.T, d *Device, entry string, args ...Slot) kernels.Exec {
	t.Helper()
	p := &Program{Launches: []Launch{{Module: Module{Name: "faulty", Text: faultyPTX}, Entry: entry, Grid: Dim{1, 1, 1}, Block: Dim{32, 1, 1}, Args: args}}}
	if entry == "complain" {
		p.Fault = func(position, value int64) error { return fmt.Errorf("position %d, value %d", position, value) }
	}
	e, err := d.preparePrograms(victim, p, p)
	check(t, err)
	return e
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// operands allocates and fills the operands of a kernel.
func operands(t testing.TB, d *Device, k kernels.Kernel) (args []kernels.Arg, blocks []kernels.Memory) {
	t.Helper()
	for i, o := range k.Operands() {
		m, err := d.AllocLabelled(o.Bytes(), o.Name)
		check(t, err)
		check(t, m.Upload(0, bytes.Repeat([]byte{byte(i + 1)}, o.Bytes())))
		args, blocks = append(args, m.Arg(0, o.Bytes())), append(blocks, m)
	}
	return args, blocks
}

// wantError holds an error against what its text must say.
func wantError(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in: %v", w, err)
		}
	}
}

// TestIllegalAccess costs the call, names it, and leaves a device that works.
func TestIllegalAccess(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			good, err := d.Prepare(victim)
			check(t, err)
			args, blocks := operands(t, d, victim)
			check(t, good.Run(args, kernels.Arg{}))
			bad := prepareEntry(t, d, "stray", Operand(1))
			err = bad.Run(args, kernels.Arg{})
			if err == nil { // a driver with a queue of its own tells when somebody waits
				err = d.Sync()
			}
			wantError(t, err, d.Name(), "stray", "PTX line")
			if name == "sim:h100" { // its memory outlives the kernel
				check(t, good.Run(args, kernels.Arg{}))
				check(t, d.Sync())
				return
			}
			wantError(t, err, "CUDA_ERROR_ILLEGAL_ADDRESS", "one of the 2 launches", "stream copy f32", "stray grid 1,1,1 block 32,1,1", fmt.Sprintf("%#x", args[1].Addr), EnvSync)
			if !errors.Is(err, ErrContextLost) {
				t.Errorf("%v does not wrap ErrContextLost", err)
			}
			// What lay in the lost context is refused, not used.
			wantError(t, good.Run(args, kernels.Arg{}), ErrContextLost.Error())
			wantError(t, blocks[0].Download(0, make([]byte, 4)), ErrContextLost.Error())
			check(t, blocks[0].Free())
			check(t, d.Sync())
			args, blocks = operands(t, d, victim)
			check(t, good.Run(args, kernels.Arg{})) // prepared before, loaded anew
			got := make([]byte, 4*victim.N)
			check(t, blocks[1].Download(0, got))
			if want := bytes.Repeat([]byte{1}, len(got)); !bytes.Equal(got, want) {
				t.Error("the kernel does not run in the new context")
			}
		})
	}
}

// TestEagerErrors waits after each call, so that the error is that of the call itself.
func TestEagerErrors(t *testing.T) {
	t.Setenv(EnvSync, "1")
	d := open(t, "cuda:sim")
	good, err := d.Prepare(victim)
	check(t, err)
	args, _ := operands(t, d, victim)
	bad := prepareEntry(t, d, "stray", Operand(0))
	check(t, good.Run(args, kernels.Arg{}))
	err = bad.Run(args, kernels.Arg{})
	wantError(t, err, "in stream copy f32", "stray")
	if strings.Contains(err.Error(), "one of the") {
		t.Errorf("the call is not known: %v", err)
	}
}

// TestHungKernel gives up a kernel that does not end.
func TestHungKernel(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvTimeout, "300ms")
			d := open(t, name)
			args, _ := operands(t, d, victim)
			bad := prepareEntry(t, d, "forever", Operand(0))
			start := time.Now()
			err := bad.Run(args, kernels.Arg{})
			if err == nil {
				err = d.Sync()
			}
			wantError(t, err, "does not end", "forever", "300ms")
			if !errors.Is(err, ErrHung) || time.Since(start) > time.Minute {
				t.Errorf("after %v: %v does not wrap ErrHung", time.Since(start), err)
			}
			args, _ = operands(t, d, victim)
			good, err := d.Prepare(victim)
			check(t, err)
			check(t, good.Run(args, kernels.Arg{}))
			check(t, d.Sync())
		})
	}
	t.Setenv(EnvTimeout, "soon")
	_, err := Open("sim:h100")
	wantError(t, err, EnvTimeout+"=soon", "30s")
}

// TestDataError tells in Sync what a kernel found wrong with its data, once.
func TestDataError(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			args, blocks := operands(t, d, victim)
			e := prepareEntry(t, d, "complain", FaultRecord(), CallNumber())
			for range 2 {
				check(t, e.Run(args, kernels.Arg{}))
				wantError(t, d.Sync(), d.Name(), "position 5, value 12")
				check(t, d.Sync())
			}
			check(t, e.Run(args, kernels.Arg{}))
			wantError(t, blocks[0].Download(0, make([]byte, 4)), "position 5, value 12")
			r, err := d.Record(func() error { return e.Run(args, kernels.Arg{}) })
			check(t, err)
			check(t, d.Sync()) // nothing ran
			check(t, r.Run())
			wantError(t, d.Sync(), "position 5, value 12")
			check(t, r.Free())
		})
	}
}

// TestOutOfMemory names those who hold the memory.
func TestOutOfMemory(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			_, err := d.AllocLabelled(30<<30, "arena of the plan")
			check(t, err)
			for range 3 {
				_, err := d.AllocLabelled(10<<30, "variable weights")
				check(t, err)
			}
			_, err = d.AllocLabelled(30<<30, "workspace")
			var e *MemoryError
			if !errors.As(err, &e) || !errors.Is(err, ErrOutOfMemory) || e.Held != 60<<30 || e.Asked != 30<<30 || len(e.Largest) != 2 || e.Largest[0].Bytes != 30<<30 {
				t.Fatalf("error is %+v: %v", e, err)
			}
			wantError(t, err, "workspace asked for 30.00 GiB", "holds 60.00 GiB", "arena of the plan (30.00 GiB)", "variable weights (30.00 GiB in 3 blocks)", "Recompute")
			m, err := d.AllocLabelled(1<<30, "something smaller")
			check(t, err)
			check(t, m.Free())
			check(t, m.Free()) // twice does no harm
			wantError(t, m.Upload(0, []byte{1}), "after it was freed")
			check(t, d.Sync()) // memory is free when the stream gets there
			s, err := d.Statistics()
			check(t, err)
			if s.Held != 60<<30 || s.Peak != 61<<30 || s.Total-s.Free < s.Held {
				t.Errorf("statistics %+v", s)
			}
			if n, err := d.Available(); err != nil || n != s.Free+s.Cached {
				t.Errorf("%d bytes are available (%v), want %d", n, err, s.Free)
			}
		})
	}
}

// TestRecord replays calls, and takes over other operands and other work.
func TestRecord(t *testing.T) {
	for _, name := range simulatedDevices {
		t.Run(name, func(t *testing.T) {
			d := open(t, name)
			copies, err := d.Prepare(victim)
			check(t, err)
			args, blocks := operands(t, d, victim)
			other, otherBlocks := operands(t, d, victim)
			check(t, otherBlocks[0].Upload(0, bytes.Repeat([]byte{9}, 4*victim.N)))
			submit := func() error { return copies.Run(args, kernels.Arg{}) }
			r, err := d.Record(submit)
			check(t, err)
			first := func(m kernels.Memory) byte {
				var b [1]byte
				check(t, m.Download(0, b[:]))
				return b[0]
			}
			if first(blocks[1]) != 2 {
				t.Error("a recording has run")
			}
			check(t, r.Run())
			if first(blocks[1]) != 1 {
				t.Error("a replay has not run")
			}
			args = []kernels.Arg{other[0], args[1]}
			check(t, r.Update(submit))
			check(t, r.Run())
			if first(blocks[1]) != 9 {
				t.Error("a replay does not use the new operands")
			}
			twice := func() error {
				return errors.Join(submit(), copies.Run([]kernels.Arg{args[1], other[1]}, kernels.Arg{}))
			}
			check(t, r.Update(twice))
			check(t, r.Run())
			if first(otherBlocks[1]) != 9 {
				t.Error("a replay does not do the new work")
			}
			failed := errors.New("the plan is wrong")
			if err := r.Update(func() error { return failed }); !errors.Is(err, failed) {
				t.Errorf("an error while recording became %v", err)
			}
			if _, err := d.Record(func() error { return d.Sync() }); err == nil {
				t.Error("waiting is recorded")
			}
			check(t, r.Run()) // the old recording is still there
			check(t, d.Sync())
			check(t, r.Free())
		})
	}
}

// TestAlignment runs the program for aligned operands and the other.
func TestAlignment(t *testing.T) {
	d := open(t, "sim:h100")
	e, err := d.Prepare(victim)
	check(t, err)
	m, err := d.Alloc(8 * victim.N)
	check(t, err)
	x := e.(*exec)
	args := []kernels.Arg{m.Arg(4, 4*victim.N), m.Arg(4*victim.N+4, 4*victim.N-4)}
	if x.unaligned.loaded != nil {
		t.Error("the program for operands that are not aligned is loaded before it is needed")
	}
	m2, err := d.Alloc(4*victim.N + 4)
	check(t, err)
	args[1] = m2.Arg(4, 4*victim.N)
	check(t, m.Upload(0, make([]byte, 8*victim.N)))
	check(t, e.Run(args, kernels.Arg{}))
	if x.unaligned.loaded == nil {
		t.Error("operands that are not aligned ran the program for aligned ones")
	}
	program := func(entry string, args ...Slot) *Program {
		return &Program{Launches: []Launch{{Module: Module{Name: "faulty", Text: faultyPTX}, Entry: entry, Grid: Dim{1, 1, 1}, Block: Dim{32, 1, 1}, Args: args}}}
	}
	other, err := d.preparePrograms(victim, program("forever", Operand(0)), program("complain", Operand(0), Operand(0)))
	check(t, err)
	check(t, other.Run([]kernels.Arg{m.Arg(8, 4*victim.N), args[1]}, kernels.Arg{}))
	if calls, _ := d.recent.describe(); len(calls) != 2 || !strings.Contains(calls[1], "complain") {
		t.Errorf("an error would name the calls %q, not the program that ran", calls)
	}
	check(t, d.Sync())
}

// TestTime tells the time that the model gives, which does not depend on this machine.
func TestTime(t *testing.T) {
	k := kernels.Stream{Op: kernels.StreamCopy, Type: kernels.F32, N: 1 << 18}
	var times []time.Duration
	for _, name := range simulatedDevices {
		d := open(t, name)
		e, err := d.Prepare(k)
		check(t, err)
		args, _ := operands(t, d, k)
		for range 2 {
			took, err := d.Time(func() error { return e.Run(args, kernels.Arg{}) })
			check(t, err)
			times = append(times, took)
		}
		check(t, d.Sync())
	}
	for i, took := range times { // the second run of each device finds the operands in the chip's cache
		if took < time.Microsecond/4 || took > time.Millisecond || (took-times[i%2]).Abs() > time.Microsecond/10 {
			t.Errorf("copying 1 MiB on an H100 takes %v", times)
			break
		}
	}
}

// TestNames says what is wrong with a device's name.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{"cuda:x": "cuda:N", "sim:b200": "h100", "tpu": "sim:CHIP", "cuda:-1": "cuda:N", "cuda:": "cuda:N", "cuda:sim:b200": "no chip"} {
		_, err := Open(name)
		wantError(t, err, fmt.Sprintf("%q", name), want)
	}
	if _, err := GPUs(); err != nil { // a machine without a GPU: the reason, and no end of the process
		_, openErr := Open("cuda:0")
		wantError(t, openErr, "cuda:0", "no NVIDIA driver", "cpu, sim:h100")
	}
	for _, name := range Simulated() {
		open(t, name)
	}
}

// TestLease gives a device back for the next lease, unless memory of it is still held.
func TestLease(t *testing.T) {
	const name = "sim:l4"
	first, err := Lease(name)
	check(t, err)
	device := first.(*lease).Device
	e, err := first.Prepare(victim)
	check(t, err)
	check(t, e.Run([]kernels.Arg{mustAlloc(t, first, 4*victim.N), mustAlloc(t, first, 4*victim.N)}, kernels.Arg{}))
	check(t, first.Close()) // its operands are held
	if _, err := device.Alloc(1); err == nil {
		t.Error("a device with memory in use is kept for others")
	}
	second, err := Lease(name)
	check(t, err)
	device = second.(*lease).Device
	check(t, second.Close())
	check(t, second.Close()) // twice does no harm
	third, err := Lease(name)
	check(t, err)
	fourth, err := Lease(name)
	check(t, err)
	if third.(*lease).Device != device || fourth.(*lease).Device == device {
		t.Error("a lease is not for its own use, or a device that was given back is not used again")
	}
	check(t, third.Close())
	check(t, fourth.Close())
}

func mustAlloc(t *testing.T, d kernels.Device, n int) kernels.Arg {
	t.Helper()
	m, err := d.Alloc(n)
	check(t, err)
	check(t, m.Upload(0, make([]byte, n)))
	return m.Arg(0, n)
}
