package sim

import (
	"context"
	"math/rand/v2"
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

// randomKernel writes a kernel whose instructions have names that exist, and operands of any kind.
func randomKernel(rng *rand.Rand) string {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	types := strings.Fields("b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64 pred tf32")
	names := strings.Fields(`add.T add.rn.T add.cc.T addc.T sub.T mul.lo.T mul.hi.T mul.wide.T mul.T mad.lo.T mad.wide.T fma.rn.T div.T div.rn.T rem.T abs.T neg.T min.T max.T
		sad.T and.T or.T xor.T not.T shl.T shr.T shf.l.wrap.b32 bfe.T bfi.T bfind.T brev.T clz.T popc.T prmt.b32 lop3.b32 setp.lt.T setp.eq.and.T setp.ltu.T set.gt.u32.T selp.T
		slct.T.s32 mov.T cvt.T.T cvt.rn.T.T cvt.rzi.T.T cvt.sat.T.T cvta.to.global.u64 cvta.shared.u64 isspacep.shared ld.T ld.global.T ld.shared.T ld.local.T ld.const.T ld.param.T
		ld.global.v2.T ld.shared.v4.T st.T st.global.T st.shared.T st.local.T st.v4.T st.param.T atom.global.add.T atom.shared.cas.T atom.exch.T red.global.max.T red.add.T
		bar.sync bar.arrive bar.red.popc.u32 bar.red.or.pred bar.warp.sync barrier.sync shfl.sync.bfly.b32 shfl.sync.idx.b32 vote.sync.ballot.b32 vote.sync.any.pred match.any.sync.T
		match.all.sync.b32 redux.sync.add.T activemask.b32 elect.sync ldmatrix.sync.aligned.m8n8.x4.shared.b16 stmatrix.sync.aligned.m8n8.x2.shared.b16
		mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 cp.async.ca.shared.global cp.async.cg.shared.global cp.async.commit_group
		cp.async.wait_group cp.async.wait_all ret exit bra brx.idx call call.uni membar.gl fence.acq_rel.gpu nanosleep.u32 sqrt.rn.T rcp.rn.T ex2.approx.T sin.approx.T tanh.approx.T
		rsqrt.approx.T dp4a.u32.s32 testp.nan.T copysign.T szext.wrap.s32 bmsk.clamp.b32 fns.b32 mad24.lo.T vote.all.pred prefetch.global.L1 movmatrix.sync.aligned.m8n8.trans.b16 createpolicy.x.b64`)
	regs := strings.Fields("%r0 %r1 %r2 %rd0 %rd1 %rd2 %f0 %f1 %fd0 %fd1 %h0 %h1 %p0 %p1 %p2 !%p1 _")
	others := strings.Fields("0 1 -1 31 0xffffffff 16 0f3F800000 0d3FF0000000000000 %tid.x %laneid %clock64 %clock %ctaid.x s g c d f L0 L1 T0")
	addresses := strings.Fields("[%rd0] [%rd1+4] [%r0] [s] [s+8] [g] [g+4] [c] [d] [p0] [x] [1024] [%rd2+-8] [f0]")
	matching := func(name string) string {
		switch last := name[strings.LastIndexByte(name, '.')+1:]; {
		case last == "pred":
			return "%p0"
		case strings.Contains(last, "x2") || strings.HasSuffix(last, "32"):
			return pick([]string{"%r0", "%r1", "%f0"})
		case strings.HasSuffix(last, "64"):
			return pick([]string{"%rd0", "%rd1", "%fd1"})
		}
		return "%h0"
	}
	operand := func(name string, i int) string {
		switch n := rng.IntN(60); {
		case n < 40 && strings.HasPrefix(name, "setp") && i == 0:
			return "%p1"
		case n < 40 && i == 0 && strings.Contains(name, "wide"):
			return "%rd1"
		case n < 40 && (i == 1 && (strings.HasPrefix(name, "ld") || strings.HasPrefix(name, "atom")) || i == 0 && (strings.HasPrefix(name, "st.") || strings.HasPrefix(name, "red."))):
			return pick(addresses)
		case n < 40:
			return matching(name)
		}
		switch n := rng.IntN(20); {
		case n < 11:
			return pick(regs)
		case n < 14:
			return pick(others)
		case n < 17:
			return pick(addresses)
		case n < 18:
			return pick(regs) + "|" + pick(regs)
		case n < 20:
			list := make([]string, 1+rng.IntN(4))
			for i := range list {
				list[i] = pick(regs)
			}
			if rng.IntN(3) == 0 {
				return "(" + strings.Join(list, ",") + ")"
			}
			return "{" + strings.Join(list, ",") + "}"
		}
		return pick(regs)
	}
	arity := []int{0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5}
	var b strings.Builder
	b.WriteString(".version 8.0\n.target sm_80\n.address_size 64\n.global .u32 g[16];\n.const .u32 c[4] = {1, 2, 3, 4};\n" +
		".func (.param .b32 r) f(.param .b32 x0) { .reg .u32 %a; ld.param.u32 %a, [x0]; st.param.u32 [r], %a; ret; }\n" +
		".visible .entry k(.param .u64 p0, .param .u32 p1)\n{\n.reg .b32 %r<3>; .reg .b64 %rd<3>; .reg .f32 %f<2>; .reg .f64 %fd<2>; .reg .b16 %h<2>; .reg .pred %p<3>;\n" +
		".shared .align 16 .b8 s[256]; .local .align 8 .b8 d[32]; .param .b32 x;\nld.param.u64 %rd0, [p0];\nmov.u32 %r0, %tid.x;\nT0: .branchtargets L0, L1;\nL0:\n")
	for range 1 + rng.IntN(3) {
		if rng.IntN(4) == 0 {
			b.WriteString("@" + pick([]string{"%p0", "!%p1", "%p2"}) + " ")
		}
		name := pick(names)
		for strings.Contains(name, "T") {
			name = strings.Replace(name, "T", pick(types), 1)
		}
		b.WriteString(name)
		for i := range arity[rng.IntN(len(arity))] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(" " + operand(name, i))
		}
		b.WriteString(";\n")
	}
	b.WriteString("L1:\nst.global.u32 [%rd0], %r0;\n}\n")
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
	g := New(chip, Options{Steps: 1 << 12, Memory: 1 << 20, Workers: 1})
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
	ran := 0
	for seed := range uint64(4000) {
		if runAny(t, chip, randomKernel(rand.New(rand.NewPCG(seed, 1)))) {
			ran++
		}
	}
	t.Logf("%d of 4000 kernels ran", ran)
	if ran < 200 {
		t.Errorf("only %d of 4000 kernels ran", ran)
	}
}

// FuzzInstructions goes on with other seeds.
func FuzzInstructions(f *testing.F) {
	chip, err := ChipNamed("h100")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { runAny(t, chip, randomKernel(rand.New(rand.NewPCG(seed, 2)))) })
}
