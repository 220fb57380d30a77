//go:build gpu && cgo

package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	command "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"palladio/cuda/driver"
	"palladio/cuda/sim"
	"palladio/kernels"
)

// A process opens the driver once, and some tests need several processes: TestMain does what this variable says.
const envChild = "PALLADIO_TEST_CHILD"

func TestMain(m *testing.M) {
	kind, what, _ := strings.Cut(os.Getenv(envChild), " ")
	switch kind {
	case "":
		os.Exit(m.Run())
	case "open":
		_, err := Open(what)
		fmt.Println(err)
	case "copy":
		if err := runVictim(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// child runs this test's program for what TestMain does, and returns what it prints.
func child(t *testing.T, what string, env ...string) string {
	t.Helper()
	c := command.Command(os.Args[0])
	c.Env = append(append(os.Environ(), envChild+"="+what), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return string(out)
}

// runVictim runs a kernel on the simulated driver and looks at what it gives.
func runVictim() error {
	d, err := Open("cuda:sim")
	if err != nil {
		return err
	}
	e, err := d.Prepare(victim)
	if err != nil {
		return err
	}
	var args []kernels.Arg
	var blocks []kernels.Memory
	for i, o := range victim.Operands() {
		m, err := d.Alloc(o.Bytes())
		if err == nil {
			err = m.Upload(0, bytes.Repeat([]byte{byte(i + 1)}, o.Bytes()))
		}
		if err != nil {
			return err
		}
		args, blocks = append(args, m.Arg(0, o.Bytes())), append(blocks, m)
	}
	if err := e.Run(args, kernels.Arg{}); err != nil {
		return err
	}
	got := make([]byte, 4*victim.N)
	if err := blocks[1].Download(0, got); err != nil {
		return err
	}
	if got[0] != 1 {
		return fmt.Errorf("the copy begins with %d, want 1", got[0])
	}
	return d.Close()
}

// standIn is a driver that shows two GPUs, of which another process has the first for itself, and the second has no memory left.
const standIn = `
#include <stddef.h>
#include <string.h>
int cuInit(unsigned f) { return 0; }
int cuDriverGetVersion(int *v) { *v = 12040; return 0; }
int cuDeviceGetCount(int *n) { *n = 2; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strcpy(s, "Stand-in"); return 0; }
int cuDeviceTotalMem_v2(size_t *n, int d) { *n = 1 << 30; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = 8; return 0; }
int cuCtxCreate_v2(void **c, unsigned f, int d) { return d == 0 ? 46 : 2; }
int cuCtxSetCurrent(void *c) { return 0; }
int cuGetErrorString(int e, const char **s) { *s = "told by the stand-in"; return 0; }
`

// TestOpenOnRealDriver asks a library for GPUs that are not there, taken, or full.
func TestOpenOnRealDriver(t *testing.T) {
	cc, err := command.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to build a stand-in for the driver")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "driver.c"), filepath.Join(dir, "libcuda.so.1")
	check(t, os.WriteFile(source, []byte(standIn), 0o644))
	if out, err := command.Command(cc, "-shared", "-fPIC", "-w", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string]string{
		"cuda:9": `cuda:9: no such device: the driver shows 2, numbered from 0`,
		"cuda":   "another process has this GPU for itself",
		"cuda:1": "out of device memory: no room for a context beside what other processes hold",
	} {
		if got := child(t, "open "+name, driver.EnvLibrary+"="+library); !strings.Contains(got, want) {
			t.Errorf("%s: want %q in: %s", name, want, got)
		}
	}
	for library, want := range map[string]string{"/etc/passwd": "/etc/passwd cannot be opened: ", filepath.Join(dir, "none"): "No such file"} {
		got := child(t, "open cuda:0", driver.EnvLibrary+"="+library)
		if !strings.Contains(got, want) || !strings.Contains(got, driver.EnvLibrary) || !strings.Contains(got, "cuda:0: no NVIDIA driver") {
			t.Errorf("%s: want %q in: %s", library, want, got)
		}
	}
}

// TestOldDriver says that a driver is too old for the kernels.
func TestOldDriver(t *testing.T) {
	chip, err := sim.ChipNamed("a100")
	check(t, err)
	t.Setenv(EnvCache, t.TempDir())
	d, err := newDevice("cuda:old", func(limit time.Duration) (gpu, error) {
		s, err := driver.Simulate(chip, sim.Options{}, 11020)
		if err != nil {
			return nil, err
		}
		return newCudaGPU(s.Number(), limit, s)
	})
	check(t, err)
	_, err = d.Prepare(victim)
	wantError(t, err, "stream/stream is PTX 7.4", "driver is one for CUDA 11.2, which takes up to PTX 7.2", "install a newer driver", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION")
	m, err := d.Alloc(4) // the device itself works
	check(t, err)
	check(t, m.Upload(0, []byte{1, 2, 3, 4}))
	check(t, d.Close())
}

// TestExplainPTX says why a driver does not take a module, and what to do.
func TestExplainPTX(t *testing.T) {
	const text = ".version 7.4\n.target sm_80\n"
	for _, c := range []struct {
		code, version, capability int
		want                      string
	}{
		{driver.UnsupportedPTXVersion, 11000, 80, "takes up to PTX 7.0: install a newer driver"},
		{driver.InvalidPTX, 10020, 75, "CUDA 10.2, which takes older PTX than 7.0"}, // drivers before CUDA 11 have no error of their own for it
		{driver.NoBinaryForGPU, 12040, 75, "for GPUs of compute capability 8.0 and later, this one has 7.5"},
		{driver.JITCompilerNotFound, 12040, 80, "libnvidia-ptxjitcompiler.so.1"},
		{driver.JITDisabled, 12040, 80, "CUDA_DISABLE_PTX_JIT"},
		{driver.InvalidPTX, 12040, 80, "compiled for sm_80: the driver refuses it"},
	} {
		err := explainPTX(&driver.Error{Call: "cuModuleLoadDataEx", Code: c.code, Name: "name"}, "gemm", text, c.version, c.capability)
		wantError(t, err, "module gemm", c.want, "cuModuleLoadDataEx")
	}
	lost := &driver.Error{Code: driver.IllegalAddress}
	if err := explainPTX(lost, "gemm", text, 12040, 80); err != error(lost) {
		t.Errorf("an earlier fault is blamed on the module: %v", err)
	}
}

// TestOtherProcessHoldsMemory blames the other process, and goes on with what is left.
func TestOtherProcessHoldsMemory(t *testing.T) {
	d := open(t, "cuda:sim")
	check(t, d.g.(*cudaGPU).sim.Occupy(60<<30))
	kept := []byte{1, 2, 3, 4}
	m, err := d.AllocLabelled(4, "variable weights")
	check(t, err)
	check(t, m.Upload(0, kept))
	_, err = d.AllocLabelled(40<<30, "arena of the plan")
	wantError(t, err, "arena of the plan asked for 40.00 GiB", "this process holds 4 B here", "other processes", "60.00 GiB")
	if !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("%v does not wrap ErrOutOfMemory", err)
	}
	got := make([]byte, 4)
	check(t, m.Download(0, got))
	if !bytes.Equal(got, kept) {
		t.Errorf("the weights are %v, were %v", got, kept)
	}
	_, err = d.Alloc(1 << 30)
	check(t, err)
}

// TestTwoProcessesShareTheCache compiles the same kernels into one folder at the same time.
func TestTwoProcessesShareTheCache(t *testing.T) {
	dir := t.TempDir()
	said := make(chan string)
	const processes = 4
	for range processes {
		go func() { said <- child(t, "copy", EnvCache+"="+dir) }()
	}
	for range processes {
		if s := <-said; s != "" {
			t.Errorf("a process says: %s", s)
		}
	}
	files, err := os.ReadDir(filepath.Join(dir, "cubin"))
	check(t, err)
	if len(files) != 1 {
		t.Errorf("the cache has %v, want one file", files)
	}
	if s := child(t, "copy", EnvCache+"="+dir); s != "" {
		t.Errorf("the file that they left: %s", s)
	}
}

// TestDeadProcess loses the context in a way that lets no other be made: the error says so, the host's data and the process stay.
func TestDeadProcess(t *testing.T) {
	d := open(t, "cuda:sim")
	e, err := d.Prepare(victim)
	check(t, err)
	args, blocks := operands(t, d, victim)
	defer driver.FailAfter(0)
	driver.FailAfter(2)
	check(t, e.Run(args, kernels.Arg{}))
	check(t, d.Sync())
	check(t, e.Run(args, kernels.Arg{}))
	err = d.Sync()
	wantError(t, err, "in stream copy f32", "CUDA_ERROR_ILLEGAL_ADDRESS", "only a new process can use this GPU again")
	if !errors.Is(err, ErrBeyondRepair) {
		t.Errorf("%v does not wrap ErrBeyondRepair", err)
	}
	if err := blocks[0].Download(0, make([]byte, 4)); !errors.Is(err, ErrBeyondRepair) {
		t.Errorf("memory of the device: %v", err)
	}
	if _, err := Open("cuda:sim"); !errors.Is(err, ErrBeyondRepair) {
		t.Errorf("another device: %v", err)
	}
}

// TestRecoveredMemory gives the memory of a lost context back to the driver's pool.
func TestRecoveredMemory(t *testing.T) {
	d := open(t, "cuda:sim")
	before, err := d.Statistics()
	check(t, err)
	_, err = d.AllocLabelled(1<<30, "arena of the plan")
	check(t, err)
	if err := d.Break(t); !errors.Is(err, ErrContextLost) {
		t.Fatal(err)
	}
	check(t, d.Sync())
	after, err := d.Statistics()
	check(t, err)
	if after.Free != before.Free || after.Held != 0 {
		t.Errorf("%d bytes are free after a context with 1 GiB was lost, %d were before", after.Free, before.Free)
	}
}
