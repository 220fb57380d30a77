package sim

import (
	"context"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzLaunch runs whatever parses: it must not panic, must end, and must not use much memory.
func FuzzLaunch(f *testing.F) {
	for _, body := range []string{
		".reg .pred %p; .reg .u32 %a; mov.u32 %a, %tid.x; setp.lt.u32 %p, %a, 7; @%p bra L; shfl.sync.down.b32 %a|%p, %a, 1, 31, -1; L: bar.sync 0; @%p trap;",
		".shared .b32 s[8]; .reg .u32 %a; mov.u32 %a, %laneid; L: atom.shared.cas.b32 %a, [s], 0, %a; bar.red.popc.u32 %a, 3, 64, p; bra L; .reg .pred p;",
		".reg .u64 %a; .reg .b32 %r<4>; cvta.shared.u64 %a, 1024; ld.v4.u32 {%r0,%r1,%r2,%r3}, [%a+-8]; st.local.v2.u32 [%a], {%r1,%r2}; vote.sync.ballot.b32 %r0, 1, -1;",
		".reg .b32 %r<9>; T: .branchtargets A, B; brx.idx %r0, T; A: add.u32 %r0, %r0, 1; B: setp.eq.u32 p, %r0, 3; @p bra A; ret; .reg .pred p;",
		".reg .b32 %r<9>; ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r0,%r1}, [%r2]; mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r0,%r1,%r2,%r3},{%r4,%r5,%r6,%r7},{%r0,%r1},{%r4,%r5,%r6,%r7};",
	} {
		f.Add(kernel(".param .u64 p0, .param .u32 p1", body), uint16(2), uint16(33), uint64(0x2000_0000_0000))
	}
	for _, c := range hostileKernels() {
		if len(c.text) < 4000 {
			f.Add(c.text, uint16(1), uint16(64), uint64(0))
		}
	}
	chip, err := ChipNamed("h100")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, blocks, threads uint16, arg uint64) {
		g := New(chip, Options{Steps: 1 << 12, Memory: 1 << 20, Workers: 2})
		defer g.Close()
		if _, err := g.Alloc(4096); err != nil {
			t.Fatal(err)
		}
		m, err := g.Load("fuzz", text)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for i, name := range m.Entries() {
			e, err := m.Entry(name)
			if err != nil || i > 3 {
				continue
			}
			args := make([]uint64, e.Params())
			for j := range args {
				args[j] = arg + uint64(j)
			}
			g.Launch(ctx, e, Config{Grid: [3]int{int(blocks%4) + 1, 1, 1}, Block: [3]int{int(threads%128) + 1, 1, 1}, Shared: int(arg % 4096)}, args)
		}
	})
}

// A random operand: registers, and whatever else may stand there.
var (
	randomRegisters = map[string][]string{
		"b": {"%b0"}, "h": {"%h0", "%h1"}, "r": {"%r0", "%r1", "%f0", "%f1"}, "d": {"%rd0", "%rd1", "%fd0"}, "p": {"%p0", "%p1", "%p2"},
	}
	randomOperands = strings.Fields("%r0 %r1 %rd0 %rd1 %f0 %fd0 %h0 %p0 !%p1 _ 0 1 -1 31 0xffffffff 16 0f3F800000 0d3FF0000000000000 %tid.x %laneid %clock64 %ctaid.x s g c x f L T " +
		"[%rd0] [%rd1+4] [%r0] [s] [s+8] [g] [g+4] [c] [x] [p0] [1024] [%rd2+-8] [f] {%r0,%r1} {%h0,%h1} {%rd0,%r1} (%r0) (x) %r0|%p0 _|%p1 %rd0|_")
	randomWord = regexp.MustCompile(`\b[bhrdp]\b`)
)

// randomKernel writes a kernel of instructions of the given forms, now and then with a type, an operand or a number of operands that the form does not have.
func randomKernel(rng *rand.Rand, forms []string) string {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	types := strings.Fields("b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64 pred tf32 b1 e4m3x2")
	var b strings.Builder
	b.WriteString(".version 8.0\n.target sm_80\n.address_size 64\n.global .u32 g[16];\n.const .u32 c[4] = {1, 2, 3, 4};\n" +
		".func f() { ret; }\n.func (.reg .b32 r) e(.reg .b32 x0) { mov.b32 r, x0; ret; }\n" +
		".visible .entry k(.param .u64 p0, .param .u32 p1)\n{\n.reg .b8 %b<1>; .reg .b32 %r<3>; .reg .b64 %rd<3>; .reg .f32 %f<2>; .reg .f64 %fd<2>; .reg .b16 %h<2>; .reg .pred %p<3>;\n" +
		".shared .align 16 .b8 s[256]; .local .align 8 .b8 x[32];\nld.param.u64 %rd0, [p0];\nmov.u32 %r0, %tid.x;\nmov.u32 %r1, s;\n" +
		"T: .branchtargets L, M; T1: .callprototype _ ();\nL:\n")
	for range 1 + rng.IntN(6) {
		if rng.IntN(4) == 0 {
			b.WriteString("@" + pick([]string{"%p0", "!%p1", "%p2"}) + " ")
		}
		name, operands, _ := strings.Cut(pick(forms), " ")
		list := strings.Fields(operands)
		if rng.IntN(8) == 0 {
			parts := strings.Split(name, ".")
			parts[len(parts)-1] = pick(types)
			name = strings.Join(parts, ".")
		}
		for i := range list {
			list[i] = randomWord.ReplaceAllStringFunc(list[i], func(w string) string { return pick(randomRegisters[w]) })
			if rng.IntN(16) == 0 {
				list[i] = pick(randomOperands)
			}
		}
		switch {
		case rng.IntN(32) == 0 && len(list) > 0:
			list = list[1:]
		case rng.IntN(32) == 0:
			list = append(list, pick(randomOperands))
		}
		b.WriteString(name + " " + strings.Join(list, ", ") + ";\n")
	}
	b.WriteString("M:\nst.global.u32 [%rd0], %r0;\n}\n")
	return b.String()
}

// runAny runs a kernel of randomKernel, if it parses and decodes.
func runAny(t *testing.T, chip *Chip, text string) (ran bool) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, text)
			panic(p)
		}
	}()
	g := New(chip, Options{Steps: 1 << 12, Memory: 1 << 20, Workers: 1, Sanitize: len(text)%2 == 0, Profile: len(text)%3 == 0})
	defer g.Close()
	a, err := g.Alloc(4096)
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.Load("fuzz", text)
	if err != nil {
		return false
	}
	e, err := m.Entry("k")
	if err != nil {
		return false
	}
	for _, threads := range []int{64, 33} {
		g.Launch(t.Context(), e, Config{Grid: [3]int{2, 1, 1}, Block: [3]int{threads, 1, 1}}, []uint64{a, 7})
	}
	return true
}

// TestAnyInstruction runs random instructions: none may panic.
func TestAnyInstruction(t *testing.T) {
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	forms := instructionForms()
	ran := 0
	for seed := range uint64(4000) {
		if runAny(t, chip, randomKernel(rand.New(rand.NewPCG(seed, 1)), forms)) {
			ran++
		}
	}
	t.Logf("%d of 4000 kernels ran", ran)
	if ran < 1000 {
		t.Errorf("only %d of 4000 kernels ran", ran)
	}
}

// FuzzInstructions goes on with other seeds.
func FuzzInstructions(f *testing.F) {
	chip, err := ChipNamed("h100")
	if err != nil {
		f.Fatal(err)
	}
	forms := instructionForms()
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { runAny(t, chip, randomKernel(rand.New(rand.NewPCG(seed, 2)), forms)) })
}
