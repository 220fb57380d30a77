//go:build gpu && cgo

package driver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"palladio/cuda/sim"
)

// A process opens the driver once, so each driver is tried in a process of its own: TestMain prints what it finds when this variable is set.
const envProbe = "PALLADIO_TEST_PROBE"

func TestMain(m *testing.M) {
	if os.Getenv(envProbe) == "" {
		os.Exit(m.Run())
	}
	n, err := cu.NumDevices()
	fmt.Printf("devices %d, error %v, CUDA %d\nopen: %v\n", n, err, Version(), Open())
	if n > 0 {
		d, err := cu.GetDevice(0)
		name, err2 := d.Name()
		bytes, err3 := d.TotalMem()
		fmt.Println("device", name, bytes, err, err2, err3)
		p, err := cu.MemAlloc(1 << 20)
		fmt.Println("memory", p, err)
		_, err = AllocAsync(0, 0, 16)
		fmt.Println("pool:", err)
		fmt.Println("free:", Explain("cuMemFree", cu.MemFree(p)))
		fmt.Println("stack:", mixedStack(d))
	}
}

// mixedStack pushes contexts of the library and of a simulated GPU on one stack, and takes them off by destroying and popping.
func mixedStack(real cu.Device) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	chip, err := sim.ChipNamed("h100")
	if err != nil {
		return err
	}
	g, err := Simulate(chip, sim.Options{Memory: 1 << 20}, 0)
	if err != nil {
		return err
	}
	var made []cu.CUContext // the last one is current
	for _, d := range []cu.Device{real, cu.Device(g.Number()), real, cu.Device(g.Number())} {
		c, err := d.MakeContext(cu.SchedAuto)
		if err != nil {
			return err
		}
		made = append(made, c)
	}
	for i := len(made) - 1; i >= 0; i-- {
		now, err := cu.CurrentContext()
		if err != nil || now != made[i] {
			return fmt.Errorf("at depth %d is %v (%v), want %v", i, now, err, made[i])
		}
		if i >= 2 {
			err = now.Destroy()
		} else if now, err = cu.PopCurrentCtx(); now != made[i] {
			return fmt.Errorf("depth %d pops %v, want %v", i, now, made[i])
		}
		if err != nil {
			return err
		}
	}
	if now, err := cu.CurrentContext(); err != nil || now != (cu.CUContext{}) {
		return fmt.Errorf("below the stack is %v (%v)", now, err)
	}
	return errors.Join(made[0].Destroy(), made[1].Destroy(), g.Close())
}

// probe runs this test's program with a driver of its own.
func probe(t *testing.T, library string, env ...string) string {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), envProbe+"=1", EnvLibrary+"="+library), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func wantText(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("want %q in\n%s", w, got)
		}
	}
}

// TestNoDriver starts where there is no driver: gorgonia.org/cu lives, and the reason is told.
func TestNoDriver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	wantText(t, probe(t, path), "devices 0, error <nil>, CUDA 0", "no NVIDIA driver: "+path+" cannot be opened", EnvLibrary)
	check(t, os.WriteFile(path, []byte("not a library"), 0o644))
	wantText(t, probe(t, path), "devices 0", "cannot be opened")
}

// standIn is a driver with some functions only, under the names that libcuda.so.1 exports.
const standIn = `
#include <stdlib.h>
#include <string.h>
int cuInit(unsigned f) { const char *e = getenv("STAND_IN_INIT"); return e ? atoi(e) : 0; }
int cuDriverGetVersion(int *v) { *v = 12040; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strcpy(s, "Stand-in 1"); return 0; }
int cuDeviceTotalMem_v2(size_t *n, int d) { *n = 123456789; return 0; }
int cuMemAlloc(void) { abort(); } /* the interface of CUDA 2 */
int cuMemAlloc_v2(unsigned long long *p, size_t n) { *p = 4096 + n; return 0; }
int cuMemFree_v2(unsigned long long p) { return p == 4096 + (1 << 20) ? 700 : 1; }
static void *stack[8];
static long depth, made;
int cuCtxCreate_v2(void **c, unsigned f, int d) { *c = stack[depth++] = (void *)++made; return 0; }
int cuCtxDestroy_v2(void *c) { if (depth && stack[depth - 1] == c) depth--; return 0; }
int cuCtxPopCurrent_v2(void **c) { if (!depth) return 201; *c = stack[--depth]; return 0; }
int cuCtxGetCurrent(void **c) { *c = depth ? stack[depth - 1] : 0; return 0; }
int cuCtxSetCurrent(void *c) { return 0; }
int cuGetErrorString(int e, const char **s) { *s = "told by the stand-in"; return 0; }
`

// TestRealDriver forwards to a library: the newest version of each function, and an error for those that it lacks.
func TestRealDriver(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		if cc, err = exec.LookPath("gcc"); err != nil {
			t.Skip("no C compiler to build a stand-in for the driver")
		}
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "driver.c"), filepath.Join(dir, "libcuda.so.1")
	check(t, os.WriteFile(source, []byte(standIn), 0o644))
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-w", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantText(t, probe(t, library),
		"devices 1, error <nil>, CUDA 12040", "open: <nil>", "device Stand-in 1 123456789", fmt.Sprintf("memory %#x", 4096+1<<20),
		"CUDA_ERROR_NOT_SUPPORTED (801): the driver has no function cuMemAllocAsync",
		"free: cuMemFree: CUDA_ERROR_ILLEGAL_ADDRESS (700): told by the stand-in", "stack: <nil>")
	wantText(t, probe(t, library, "STAND_IN_INIT=100"), "devices 0, error <nil>", "found no GPU")
	wantText(t, probe(t, library, "STAND_IN_INIT=803"), "does not start", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH")
}

// TestLayout compares structures with the binary interface: their sizes on 64-bit systems.
func TestLayout(t *testing.T) {
	for name, got := range structSizes() {
		want := map[string]uintptr{"CUDA_MEMCPY2D": 128, "CUDA_MEMCPY3D": 200, "CUDA_MEMCPY3D_PEER": 200, "CUDA_ARRAY_DESCRIPTOR": 24,
			"CUDA_ARRAY3D_DESCRIPTOR": 40, "CUDA_KERNEL_NODE_PARAMS": 56, "CUDA_MEMSET_NODE_PARAMS": 40, "CUDA_HOST_NODE_PARAMS": 16,
			"CUgraphExecUpdateResultInfo": 24, "CUuuid": 16, "CUdeviceptr": 8}[name]
		if got != want {
			t.Errorf("%s has %d bytes, want %d", name, got, want)
		}
	}
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Error("the interface is for 64-bit systems")
	}
}
