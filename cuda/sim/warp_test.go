package sim

import (
	"context"
	"errors"
	"math/bits"
	"strings"
	"testing"
	"time"
)

func TestWarpInstructions(t *testing.T) {
	const shfl = "\n.reg .pred %p; .reg .u32 %a, %d, %q;\nmov.u32 %a, %laneid;\n"
	const result = "\nselp.u32 %q, 1000, 0, %p;\nadd.u32 %d, %d, %q;\nst.global.u32 [%out], %d;"
	for _, c := range []struct {
		name, body string
		want       func(lane uint32) uint32
	}{
		{"shfl down of 4 in warps", shfl + "shfl.sync.down.b32 %d|%p, %a, 4, 31, -1;" + result, func(l uint32) uint32 {
			if l+4 < 32 {
				return 1000 + l + 4
			}
			return l
		}},
		{"shfl up of 1 in eights", shfl + "shfl.sync.up.b32 %d|%p, %a, 1, 0x1800, -1;" + result, func(l uint32) uint32 {
			if l%8 != 0 {
				return 1000 + l - 1
			}
			return l
		}},
		{"shfl bfly", shfl + "shfl.sync.bfly.b32 %d|%p, %a, 5, 31, -1;" + result, func(l uint32) uint32 { return 1000 + l ^ 5 }},
		{"shfl idx in sixteens", shfl + "shfl.sync.idx.b32 %d|%p, %a, 3, 0x101f, -1;" + result, func(l uint32) uint32 { return 1000 + l&16 + 3 }},
		{"ballot", shfl + "and.b32 %d, %a, 3; setp.eq.u32 %p, %d, 2; vote.sync.ballot.b32 %d, %p, -1; st.global.u32 [%out], %d;",
			func(uint32) uint32 { return 0x44444444 }},
		{"vote any and all", shfl + "setp.eq.u32 %p, %a, 2; vote.sync.any.pred %p, %p, -1; selp.u32 %d, 1, 0, %p; setp.eq.u32 %p, %a, 2; vote.sync.all.pred %p, %p, -1; @%p add.u32 %d, %d, 2; st.global.u32 [%out], %d;",
			func(uint32) uint32 { return 1 }},
		{"match any", shfl + "and.b32 %d, %a, 3; match.any.sync.b32 %d, %d, -1; st.global.u32 [%out], %d;", func(l uint32) uint32 { return 0x11111111 << (l & 3) }},
		{"match all", shfl + "and.b32 %d, %a, 32; match.all.sync.b32 %d|%p, %d, -1;" + "selp.u32 %q, 1, 0, %p; xor.b32 %d, %d, %q; st.global.u32 [%out], %d;",
			func(uint32) uint32 { return fullMask ^ 1 }},
		{"redux", shfl + "redux.sync.add.u32 %d, %a, -1; st.global.u32 [%out], %d;", func(uint32) uint32 { return 496 }},
		{"redux of a part", shfl + "setp.lt.u32 %p, %a, 8; mov.u32 %d, 7; @!%p bra L; redux.sync.max.s32 %d, %a, 0xff; L: st.global.u32 [%out], %d;", func(uint32) uint32 { return 7 }},
		{"elect", shfl + "elect.sync %d|%p, -1;" + result, func(l uint32) uint32 {
			if l == 0 {
				return 1000
			}
			return 0
		}},
		{"lanes of both sides of a branch meet at one shfl", shfl + `
	setp.lt.u32 %p, %a, 16;
	@%p bra LOW;
	add.u32 %a, %a, 100;
	bra BOTH;
LOW:
	add.u32 %a, %a, 200;
BOTH:
	shfl.sync.idx.b32 %d, %a, 20, 31, -1;
	st.global.u32 [%out], %d;`, func(uint32) uint32 { return 120 }},
		{"bar.warp.sync orders lanes through memory", shfl + `
	.shared .b32 s[64];
	.reg .u32 %s;
	mov.u32 %s, s;
	shl.b32 %q, %t, 2;
	add.u32 %s, %s, %q;
	st.shared.u32 [%s], %t;
	bar.warp.sync -1;
	xor.b32 %d, %q, 4;
	mov.u32 %s, s;
	add.u32 %s, %s, %d;
	ld.shared.u32 %d, [%s];
	and.b32 %d, %d, 31;
	st.global.u32 [%out], %d;`, func(l uint32) uint32 { return l ^ 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := perThread(t, Options{}, 1, 64, c.body)
			expect(t, got, err, func(i uint32) uint32 { return c.want(i & 31) })
		})
	}
}

func TestBarriers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       func(i uint32) uint32
	}{
		{"bar.sync orders the block", `
	.shared .b32 s[128];
	.reg .u32 %s, %q, %d;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 4, %s;
	st.shared.u32 [%s], %t;
	bar.sync 0;
	mov.u32 %s, s;
	sub.u32 %q, 127, %t;
	mad.lo.u32 %s, %q, 4, %s;
	ld.shared.u32 %d, [%s];
	st.global.u32 [%out], %d;`, func(i uint32) uint32 { return 127 - i }},
		{"bar.red", `
	.reg .pred %p, %q;
	.reg .u32 %d, %e;
	and.b32 %d, %t, 1;
	setp.eq.u32 %p, %d, 0;
	bar.red.popc.u32 %d, 1, %p;
	bar.red.and.pred %q, 1, %p;
	selp.u32 %e, 1000, 0, %q;
	add.u32 %d, %d, %e;
	bar.red.or.pred %q, 1, %p;
	selp.u32 %e, 2000, 0, %q;
	add.u32 %d, %d, %e;
	st.global.u32 [%out], %d;`, func(uint32) uint32 { return 2064 }},
		{"producer and consumer by named barriers", `
	.shared .b32 s[1];
	.reg .pred %p;
	.reg .u32 %d;
	mov.u32 %d, 0;
	setp.lt.u32 %p, %t, 64;
	@%p bra CONSUMER;
	setp.ne.u32 %p, %t, 64;
	@%p bra ARRIVE;
	st.shared.u32 [s], 77;
ARRIVE:
	bar.arrive 3, 128;
	bra DONE;
CONSUMER:
	bar.sync 3, 128;
	ld.shared.u32 %d, [s];
DONE:
	st.global.u32 [%out], %d;`, func(i uint32) uint32 {
			if i < 64 {
				return 77
			}
			return 0
		}},
		{"threads that have exited are not waited for", `
	.reg .pred %p;
	setp.ge.u32 %p, %t, 40;
	@%p exit;
	bar.sync 0;
	st.global.u32 [%out], 5;`, func(i uint32) uint32 {
			if i < 40 {
				return 5
			}
			return 0
		}},
		{"the last warp exits while the others wait", `
	.reg .pred %p;
	.reg .u32 %i;
	setp.ge.u32 %p, %t, 96;
	@!%p bra WAIT;
	mov.u32 %i, 0;
SPIN:
	add.u32 %i, %i, 1;
	setp.lt.u32 %p, %i, 100;
	@%p bra SPIN;
	exit;
WAIT:
	bar.sync 0;
	st.global.u32 [%out], 5;`, func(i uint32) uint32 {
			if i < 96 {
				return 5
			}
			return 0
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := perThread(t, Options{}, 1, 128, c.body)
			expect(t, got, err, c.want)
		})
	}
}

func TestAtomics(t *testing.T) {
	const start = `
	.reg .u64 %a;
	.reg .u32 %old, %lane;
	ld.param.u64 %a, [p];
	mov.u32 %lane, %laneid;
`
	for _, c := range []struct {
		name, body string
		want       uint32 // of the first word
	}{
		{"add", "red.global.add.u32 [%a], 2;", 2 * 8 * 96},
		{"add with result", "atom.global.add.u32 %old, [%a], 1; atom.global.max.u32 %old, [%a+4], %old;", 8 * 96},
		{"inc", "atom.global.inc.u32 %old, [%a], 9;", 8 * 96 % 10},
		{"dec", "atom.global.dec.u32 %old, [%a], 9;", (10 - 8*96%10) % 10},
		{"max", "red.global.max.s32 [%a], %t;", 8*96 - 1},
		{"or", "shl.b32 %lane, 1, %lane; red.global.or.b32 [%a], %lane;", fullMask},
		{"f32", "red.global.add.f32 [%a], 0f3F800000;", 0x44400000},
		{"f16x2", "red.global.add.noftz.f16x2 [%a], 0x3C004000;", 0x62006600},
		{"cas lock", `
	.reg .pred %p;
	.reg .u32 %v;
AGAIN:
	atom.global.cas.b32 %old, [%a+8], 0, 1;
	setp.ne.u32 %p, %old, 0;
	@%p bra AGAIN;
	ld.volatile.global.u32 %v, [%a];
	add.u32 %v, %v, 3;
	st.volatile.global.u32 [%a], %v;
	membar.gl;
	atom.global.exch.b32 %old, [%a+8], 0;`, 3 * 8 * 96},
		{"shared", `
	.shared .b32 s[1];
	.reg .pred %p;
	.reg .u32 %i;
	mov.u32 %i, %tid.x;
	setp.eq.u32 %p, %i, 0;
	@%p st.shared.u32 [s], 0;
	bar.sync 0;
	atom.shared.add.u32 %old, [s], 1;
	bar.sync 0;
	@%p ld.shared.u32 %i, [s];
	@%p red.global.add.u32 [%a], %i;`, 8 * 96},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := perThread(t, Options{}, 8, 96, start+c.body)
			if err != nil {
				t.Fatal(err)
			}
			if got[0] != c.want {
				t.Errorf("%#x, want %#x", got[0], c.want)
			}
		})
	}
}

func TestHangs(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		options          Options
	}{
		{"endless loop", "L: bra L;", "did not finish", Options{Steps: 1 << 20}},
		{"threads miss a barrier", `
	.reg .pred %p;
	setp.lt.u32 %p, %t, 32;
	@%p bar.sync 1;
	bar.sync 0;`, "deadlock", Options{}},
		{"lanes of the member mask do not come", `
	.reg .pred %p;
	.reg .u32 %d;
	setp.lt.u32 %p, %t, 32;
	@%p bra A;
	bar.sync 0;
A:
	setp.eq.u32 %p, %t, 0;
	@%p shfl.sync.idx.b32 %d, %t, 0, 31, -1;
	bar.sync 0;`, "waits for lanes", Options{}},
		{"a lane outside its own member mask", ".reg .u32 %d; shfl.sync.idx.b32 %d, %t, 0, 31, 1;", "does not have the thread's own lane", Options{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := perThread(t, c.options, 2, 64, c.body)
			var f *Fault
			if !errors.As(err, &f) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: want a fault with %q", err, c.want)
			}
		})
	}
}

// TestStepsAreOfABlock runs more instructions in many blocks than a warp may run in one.
func TestStepsAreOfABlock(t *testing.T) {
	body := ".reg .u32 %i; .reg .pred %p; mov.u32 %i, 0; L: add.u32 %i, %i, 1; setp.lt.u32 %p, %i, 30000; @%p bra L; st.global.u32 [%out], %i;"
	got, err := perThread(t, Options{Workers: 1, Steps: 1 << 17}, 8, 32, body)
	expect(t, got, err, func(uint32) uint32 { return 30000 })
}

func TestContextStopsAKernel(t *testing.T) {
	g := testGPU(t, Options{Steps: -1})
	e := loadKernel(t, g, kernel("", "L: bra L;"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := g.Launch(ctx, e, Config{Grid: [3]int{4, 1, 1}, Block: [3]int{64, 1, 1}}, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestCalls(t *testing.T) {
	const text = `.version 8.0
.target sm_80
.address_size 64
.func (.param .b32 result) square(.param .b32 x)
{
	.reg .u32 %a;
	ld.param.u32 %a, [x];
	mul.lo.u32 %a, %a, %a;
	st.param.u32 [result], %a;
	ret;
}
.func (.reg .u32 %result) twice(.reg .u32 %x)
{
	.reg .pred %p;
	.reg .u32 %odd;
	.local .align 8 .b8 depot[16];
	.reg .u64 %l;
	mov.u64 %l, depot;
	cvta.local.u64 %l, %l;
	st.u32 [%l+4], %x;
	and.b32 %odd, %x, 1;
	setp.eq.u32 %p, %odd, 1;
	@%p bra ODD;
	ld.u32 %result, [%l+4];
	add.u32 %result, %result, %x;
	ret;
ODD:
	mul.lo.u32 %result, %x, 3;
	ret;
}
.visible .entry k(.param .u64 p)
{
	.reg .u64 %out, %off, %f, %g;
	.reg .u32 %t, %a, %b;
	.reg .pred %p;
	.param .b32 arg, res;
	mov.u32 %t, %tid.x;
	ld.param.u64 %out, [p];
	mul.wide.u32 %off, %t, 4;
	add.u64 %out, %out, %off;
	setp.lt.u32 %p, %t, 5;
	mov.u32 %a, 0;
	@%p bra SKIP;
	st.param.u32 [arg], %t;
	call.uni (res), square, (arg);
	ld.param.u32 %a, [res];
SKIP:
	call (%b), twice, (%t);
	add.u32 %a, %a, %b;
	@%p call (%b), twice, (%a);
	@%p add.u32 %a, %b, 1000000;
	st.global.u32 [%out], %a;
	ret;
}
`
	g := testGPU(t, Options{})
	e := loadKernel(t, g, text)
	out := words(t, g, make([]uint32, 64))
	if _, err := g.Launch(t.Context(), e, Config{Grid: [3]int{1, 1, 1}, Block: [3]int{64, 1, 1}}, []uint64{out}); err != nil {
		t.Fatal(err)
	}
	twice := func(x uint32) uint32 {
		if x&1 == 1 {
			return 3 * x
		}
		return 2 * x
	}
	for i, v := range readWords(t, g, out, 64) {
		x := uint32(i)
		want := twice(x)
		if x >= 5 {
			want += x * x
		} else {
			want = twice(want) + 1000000
		}
		if v != want {
			t.Fatalf("thread %d wrote %d, want %d", i, v, want)
		}
	}
}

func TestIndirectCallsAndBranches(t *testing.T) {
	const text = `.version 8.0
.target sm_80
.address_size 64
.func (.param .b32 r) one(.param .b32 x) { .reg .u32 %a; ld.param.u32 %a, [x]; add.u32 %a, %a, 1; st.param.u32 [r], %a; ret; }
.func (.param .b32 r) two(.param .b32 x) { .reg .u32 %a; ld.param.u32 %a, [x]; add.u32 %a, %a, 2; st.param.u32 [r], %a; ret; }
.global .u64 table[2] = {one, two};
.visible .entry k(.param .u64 p)
{
	.reg .u64 %out, %off, %f;
	.reg .u32 %t, %a, %m;
	.param .b32 arg, res;
	mov.u32 %t, %tid.x;
	ld.param.u64 %out, [p];
	mul.wide.u32 %off, %t, 4;
	add.u64 %out, %out, %off;
	and.b32 %a, %t, 1;
	mul.wide.u32 %off, %a, 8;
	mov.u64 %f, table;
	add.u64 %f, %f, %off;
	ld.global.u64 %f, [%f];
	st.param.u32 [arg], %t;
P:	.callprototype (.param .b32 _) _ (.param .b32 _);
	call (res), %f, (arg), P;
	ld.param.u32 %a, [res];
	and.b32 %m, %t, 3;
T:	.branchtargets B0, B1, B2, B1;
	brx.idx %m, T;
B0: add.u32 %a, %a, 1000; bra END;
B1: add.u32 %a, %a, 2000; bra END;
B2: add.u32 %a, %a, 3000;
END:
	activemask.b32 %m;
	setp.ne.u32 %p, %m, -1;
	@%p trap;
	st.global.u32 [%out], %a;
	ret;
	.reg .pred %p;
}
`
	g := testGPU(t, Options{})
	e := loadKernel(t, g, strings.Replace(strings.Replace(text, "\t.reg .pred %p;\n", "", 1), "	.reg .u64 %out", "	.reg .pred %p;\n	.reg .u64 %out", 1))
	out := words(t, g, make([]uint32, 64))
	if _, err := g.Launch(t.Context(), e, Config{Grid: [3]int{1, 1, 1}, Block: [3]int{64, 1, 1}}, []uint64{out}); err != nil {
		t.Fatal(err)
	}
	for i, v := range readWords(t, g, out, 64) {
		x := uint32(i)
		if want := x + 1 + x&1 + [4]uint32{1000, 2000, 3000, 2000}[x&3]; v != want {
			t.Fatalf("thread %d wrote %d, want %d", i, v, want)
		}
	}
}

func TestPrint(t *testing.T) {
	const text = `.version 8.0
.target sm_80
.address_size 64
.extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);
.global .align 1 .b8 format[] = {116, 32, 37, 100, 44, 32, 37, 46, 50, 102, 10, 0};
.visible .entry k()
{
	.local .align 8 .b8 depot[16];
	.reg .u64 %l, %f;
	.reg .u32 %t;
	.param .b64 a0, a1;
	.param .b32 r;
	mov.u64 %l, depot;
	cvta.local.u64 %l, %l;
	mov.u32 %t, %tid.x;
	st.u32 [%l], %t;
	st.f64 [%l+8], 0d3FF8000000000000;
	mov.u64 %f, format;
	cvta.global.u64 %f, %f;
	st.param.b64 [a0], %f;
	st.param.b64 [a1], %l;
	call (r), vprintf, (a0, a1);
	ret;
}
`
	var out strings.Builder
	g := testGPU(t, Options{Print: &out})
	e := loadKernel(t, g, text)
	if _, err := g.Launch(t.Context(), e, Config{Grid: [3]int{1, 1, 1}, Block: [3]int{3, 1, 1}}, nil); err != nil {
		t.Fatal(err)
	}
	if want := "t 0, 1.50\nt 1, 1.50\nt 2, 1.50\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestAsynchronousCopies(t *testing.T) {
	got, err := perThread(t, Options{}, 1, 64, `
	.shared .align 16 .b8 s[1024];
	.reg .u64 %in;
	.reg .u32 %s, %n4, %d, %e;
	ld.param.u64 %in, [p];
	st.global.u32 [%out], %t;
	bar.sync 0;
	and.b32 %d, %t, 15;
	mul.wide.u32 %off, %d, 16;
	add.u64 %in, %in, %off;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 16, %s;
	shr.u32 %n4, %t, 4;
	shl.b32 %n4, %n4, 2;
	cp.async.ca.shared.global [%s], [%in], 16, %n4;
	cp.async.commit_group;
	cp.async.wait_group 0;
	bar.sync 0;
	ld.shared.u32 %d, [%s];
	ld.shared.u32 %e, [%s+8];
	mad.lo.u32 %d, %e, 256, %d;
	bar.sync 0;
	st.global.u32 [%out], %d;`)
	expect(t, got, err, func(i uint32) uint32 {
		v, first := uint32(0), 4*(i&15)
		if i>>4 >= 1 {
			v = first
		}
		if i>>4 >= 3 {
			v += 256 * (first + 2)
		}
		return v
	})
}

func TestMatrixLoads(t *testing.T) {
	// Element (row, column) of matrix j is 1000 j + 10 row + column.
	got, err := perThread(t, Options{}, 1, 32, `
	.shared .align 16 .b8 s[512];
	.reg .u32 %s, %i, %a, %b, %c, %d, %j;
	.reg .b16 %h;
	.reg .pred %p;
	mov.u32 %i, 0;
FILL:
	mad.lo.u32 %a, %t, 8, %i;
	mov.u32 %s, s;
	mad.lo.u32 %s, %a, 2, %s;
	shr.u32 %j, %t, 3;
	and.b32 %b, %t, 7;
	mul.lo.u32 %b, %b, 10;
	mad.lo.u32 %b, %j, 1000, %b;
	add.u32 %b, %b, %i;
	cvt.u16.u32 %h, %b;
	st.shared.u16 [%s], %h;
	add.u32 %i, %i, 1;
	setp.lt.u32 %p, %i, 8;
	@%p bra FILL;
	bar.warp.sync -1;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 16, %s;
	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%a, %b, %c, %d}, [%s];
	ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%i, %b, %c, %d}, [%s];
	xor.b32 %a, %a, %d;
	st.global.u32 [%out], %a;`)
	expect(t, got, err, func(i uint32) uint32 {
		g, c := i/4, i%4
		plain := 10*g + 2*c | (10*g+2*c+1)<<16
		trans := 3000 + 10*2*c + g | (3000+10*(2*c+1)+g)<<16
		return plain ^ trans
	})
}

func TestPartialLastWarp(t *testing.T) {
	got, err := perThread(t, Options{}, 3, 45, ".reg .u32 %m; activemask.b32 %m; st.global.u32 [%out], %m;")
	expect(t, got, err, func(i uint32) uint32 {
		if i%45 < 32 {
			return fullMask
		}
		return 1<<13 - 1
	})
	if bits.OnesCount32(got[44]) != 13 {
		t.Error(got[44])
	}
}
