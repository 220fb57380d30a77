package sim

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// numbered writes format n times: %[1]d is the number, from the given one on, and %[2]d the number before it.
func numbered(format string, from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, format, i, i-1)
	}
	return b.String()
}

// hostileKernel is a kernel k that was made to hurt, and what the error says of it; empty where it runs.
type hostileKernel struct{ name, text, want string }

func hostileKernels() []hostileKernel {
	const header = ".version 8.0\n.target sm_80\n.address_size 64\n"
	return []hostileKernel{
		{"block of 2^93 threads", header + ".entry k() .maxntid 2147483647, 2147483647, 2147483647 { ret; }", ""},
		{"block of 0 threads by 2^62", header + ".entry k() .maxntid 0, 2147483647, 2147483647 { ret; }", ""},
		{"local memory", kernel("", ".local .b8 d[1073741824]; .reg .u32 %r; ld.local.u32 %r, [d];"), "524288 of local memory"},
		{"local memory in parts", kernel("", numbered(".local .b8 d%[1]d[65536];", 0, 1000)+".reg .u32 %r; ld.local.u32 %r, [d0];"), "524288 of local memory"},
		{"shared memory", kernel("", ".shared .b8 s[1073741824]; .reg .u32 %r; ld.shared.u32 %r, [s];"), "of shared"},
		{"shared memory by alignment", kernel("", numbered(".shared .align 65536 .b8 s%[1]d[1];", 0, 1000)+".reg .u32 %r; ld.shared.u8 %r, [s0];"), "of shared"},
		{"shared memory of the chip", kernel("", ".shared .b8 s[1048576]; .reg .u32 %r; ld.shared.u32 %r, [s];"), "bytes of shared memory"},
		{"parameters", header + ".entry k(.param .b8 p[1073741824]) { ret; }", "bytes of parameters"},
		{"recursion", header + ".func f() { call f; ret; }\n.entry k() { call f; ret; }", "recursion"},
		{"recursion of two", header + ".func f();\n.func g() { call f; ret; }\n.func f() { call g; ret; }\n.entry k() { call f; ret; }", "recursion"},
		{"deep calls", header + ".func f0() { ret; }\n" + numbered(".func f%[1]d() { call f%[2]d; ret; }\n", 1, 100) + ".entry k() { call f100; ret; }", "calls deep"},
		{"calls that double", header + ".func f0() { ret; }\n" + numbered(".func f%[1]d() { call f%[2]d; call f%[2]d; ret; }\n", 1, 50) + ".entry k() { call f50; ret; }", "did not finish"},
		{"endless loop", kernel("", "L: bra L;"), "did not finish"},
		{"endless loop that diverges", kernel("", ".reg .pred %p; .reg .u32 %t; mov.u32 %t, %laneid; setp.lt.u32 %p, %t, 7; L: @%p bra L; M: @!%p bra M;"), "did not finish"},
		{"endless loop of calls", header + ".func f() { ret; }\n.entry k() { L: call f; bra L; }", "did not finish"},
		{"endless table", kernel("", ".reg .u32 %r; mov.u32 %r, 0; T: .branchtargets L; L: brx.idx %r, T;"), "did not finish"},
		{"endless printing", header + ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n.global .align 1 .b8 f[] = {37,42,46,42,100,37,115,37,110,37,0};\n" +
			".entry k() { .reg .u64 %a; .param .b64 p, q; .param .b32 r; cvta.global.u64 %a, f; st.param.u64 [p], %a; st.param.u64 [q], %a; L: call (r), vprintf, (p, q); bra L; }", "did not finish"},
		{"all registers live", kernel("", ".reg .b32 %r<30001>;"+numbered("mov.b32 %%r%[1]d, 1;", 0, 30000)+numbered("add.u32 %%r30000, %%r%[1]d, 1;", 0, 30000)), ""},
		{"constants", kernel("", ".reg .b64 %r; "+numbered("mov.b64 %%r, %[1]d;", 0, 300000)), "bytes of registers"},
		{"blocks in reverse", kernel("", ".reg .b32 %r<8001>; .reg .pred %p;"+"bra L7999;"+"L0: ret;"+numbered("L%[1]d: @%%p add.u32 %%r%[1]d, %%r%[1]d, 1; @%%p bra L%[2]d; exit;\n", 1, 7999)), ""},
		{"loops within loops", kernel("", ".reg .pred %p;"+numbered("L%[1]d:", 0, 3000)+"\n"+numbered("@%%p bra L%[1]d;", 0, 3000)), ""},
		{"loops around loops", kernel("", ".reg .pred %p;"+numbered("L%[1]d: @%%p bra L%[1]d;", 0, 3000)+numbered("@%%p bra L%[1]d;", 0, 3000)), ""},
		{"targets of calls", header + numbered(".func f%[1]d() { ret; }\n", 0, 3000) + ".entry k() { .reg .u64 %f; P: .callprototype _ ();\n" + strings.Repeat("call %f, (), P;", 3000) + "ret; }", "targets"},
		{"large variable", header + ".global .b8 g[1073741824];\n.entry k() { .reg .u64 %a; .reg .u32 %r; mov.u64 %a, g; ld.global.u32 %r, [%a+1073741820]; ret; }", ""},
		{"many large variables", header + numbered(".global .b8 g%[1]d[1073741824];\n", 0, 100) + ".entry k() { ret; }", "out of memory"},
		{"parts of a call", header + ".func (.param .b8 r[8]) f(.param .b8 x[8]) { ret; }\n.entry k() { .reg .b32 %r; call (%r), f, (%r); ret; }", "cannot be passed in a register"},
		{"result of a system call", header + ".extern .func (.param .b8 r) vprintf(.param .b64 f, .param .b64 a);\n.entry k() { .param .b64 p, q; .param .b8 r; call (r), vprintf, (p, q); ret; }", "result"},
		{"no comparison", kernel("", ".reg .pred %p<2>; .reg .b32 %r; setp.f16x2 %p0|%p1, %r, %r;"), "does not know: setp.f16x2"},
		{"no comparison in set", kernel("", ".reg .b32 %r; set.f16x2.f16x2 %r, %r, %r;"), "does not know: set.f16x2"},
	}
}

// TestHostileKernels loads, decodes and runs kernels that were made to hurt: each is refused with a reason or runs, quickly and in little memory.
func TestHostileKernels(t *testing.T) {
	for _, c := range hostileKernels() {
		t.Run(c.name, func(t *testing.T) {
			all := []Options{{}, {Sanitize: true}, {Profile: true}}
			if len(c.text) > 1<<20 {
				all = all[:1] // it does not come as far as the checks
			}
			for _, o := range all {
				o.Steps, o.Workers = 1<<16, 2
				if strings.Contains(c.text, "vprintf") {
					o.Steps = 1 << 12
				}
				hostileRun(t, o, c.text, c.want)
			}
		})
	}
}

// hostileRun loads and runs a kernel under limits of time and memory.
func hostileRun(t *testing.T, o Options, text, want string) {
	t.Helper()
	g := testGPU(t, o)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := func() error {
		m, err := g.Load("hostile", text)
		if err != nil {
			return err
		}
		e, err := m.Entry("k")
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), forever)
		defer cancel()
		_, err = g.Launch(ctx, e, Config{Grid: [3]int{1, 1, 1}, Block: [3]int{64, 1, 1}}, make([]uint64, e.Params()))
		return err
	}()
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%+v: got %.300v, want %q", o, err, want)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
		t.Errorf("%+v: %d MiB of memory", o, used>>20)
	}
	if elapsed > forever {
		t.Errorf("%+v: took %v", o, elapsed)
	}
}

// forever is longer than anything here takes on a busy machine under the race detector, and much less than what these cases once took.
const forever = 2 * time.Minute

// TestHostileLaunches asks for shapes that no GPU has, and for a grid that nobody lives to see the end of.
func TestHostileLaunches(t *testing.T) {
	for _, profile := range []bool{false, true} {
		g := testGPU(t, Options{Profile: profile})
		e := loadKernel(t, g, kernel("", ".shared .b8 s[16]; .reg .u32 %r; ld.shared.u32 %r, [s]; ret;"))
		one := [3]int{1, 1, 1}
		for _, c := range []struct {
			config Config
			want   string
		}{
			{Config{Grid: [3]int{math.MaxInt32 + 1, 1, 1}, Block: one}, "want 1 to 2147483647 in x"},
			{Config{Grid: [3]int{math.MaxInt, math.MaxInt, math.MaxInt}, Block: one}, "want 1 to 2147483647 in x"},
			{Config{Grid: [3]int{1, 1, 65536}, Block: one}, "want 1 to 65535 in z"},
			{Config{Grid: [3]int{0, 1, 1}, Block: one}, "want 1 to 2147483647 in x"},
			{Config{Grid: [3]int{-1, 1, 1}, Block: one}, "want 1 to 2147483647 in x"},
			{Config{Grid: one, Block: [3]int{1024, 1024, 64}}, "67108864 threads"},
			{Config{Grid: one, Block: [3]int{1, 1, 65}}, "want 1 to 64 in z"},
			{Config{Grid: one, Block: one, Shared: math.MaxInt}, "bytes of shared memory"},
			{Config{Grid: one, Block: one, Shared: -1}, "bytes of shared memory"},
			{Config{Grid: [3]int{math.MaxInt32, 65535, 65535}, Block: one}, "stopped"},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			_, err := g.Launch(ctx, e, c.config, nil)
			cancel()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("profile %v, %+v: got %v, want %q", profile, c.config, err, c.want)
			}
			if d := time.Since(start); d > forever {
				t.Errorf("profile %v, %+v: took %v", profile, c.config, d)
			}
		}
	}
}
