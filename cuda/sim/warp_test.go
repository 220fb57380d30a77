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
	const counter = `
	.shared .b32 s[1];
	.reg .pred %p;
	.reg .u32 %i;
	mov.u32 %i, %tid.x;
	setp.eq.u32 %p, %i, 0;
	@%p st.shared.u32 [s], 0;
	bar.sync 0;`
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
		{"f32 below the normal numbers in global memory", "red.global.add.f32 [%a], 0f00000010;", 0},
		{"f32 below the normal numbers at a generic address", "red.add.f32 [%a], 0f00000010;", 0},
		{"f32 whose sum is below the normal numbers", `
	.reg .pred %p;
	setp.eq.u32 %p, %t, 0;
	@%p atom.global.add.f32 %old, [%a], 0f00C00000;
	@%p atom.global.add.f32 %old, [%a], 0f80A00000;`, 0},
		{"f32 below the normal numbers in shared memory", counter + `
	red.shared.add.f32 [s], 0f00000010;
	bar.sync 0;
	@%p ld.shared.u32 %i, [s];
	@%p red.global.max.u32 [%a], %i;`, 16 * 96},
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
		{"shared", counter + `
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

// TestMatrixStores stores matrices with stmatrix and reads them word by word: element (row, column) of matrix j is 1000 j + 10 row + column.
func TestMatrixStores(t *testing.T) {
	for _, trans := range []string{"", ".trans"} {
		got, err := perThread(t, Options{}, 1, 32, `
	.shared .align 16 .b8 s[512];
	.reg .u32 %s, %a, %b, %c, %d, %j;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 16, %s;
	// The lane's elements of matrix 0: row t/4, columns 2(t%4) and the next.
	shr.u32 %a, %t, 2;
	and.b32 %b, %t, 3;
	mul.lo.u32 %a, %a, 10;
	mad.lo.u32 %a, %b, 2, %a;
	mad.lo.u32 %a, %a, 0x10001, 0x10000;
	add.u32 %b, %a, 0x3e803e8;
	add.u32 %c, %b, 0x3e803e8;
	add.u32 %d, %c, 0x3e803e8;
	stmatrix.sync.aligned.m8n8.x4`+trans+`.shared.b16 [%s], {%a, %b, %c, %d};
	bar.sync 0;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 4, %s;
	ld.shared.u32 %a, [%s];
	ld.shared.u32 %b, [%s+384];
	shl.b32 %b, %b, 16;
	add.u32 %a, %a, %b;
	st.global.u32 [%out], %a;`)
		expect(t, got, err, func(i uint32) uint32 {
			row, column := i/4, 2*(i%4)
			lo, hi := 10*row+column, 10*row+column+1
			if trans != "" {
				lo, hi = 10*column+row, 10*(column+1)+row
			}
			return lo | hi<<16 + (3000+lo)<<16
		})
	}
	for n, elems := range map[string]string{"x1": "{%a}", "x2": "{%a, %b}"} {
		got, err := perThread(t, Options{}, 1, 32, `
	.shared .align 16 .b8 s[512];
	.reg .u32 %s, %a, %b;
	mov.u32 %s, s;
	mad.lo.u32 %s, %t, 16, %s;
	st.shared.v4.u32 [%s], {0, 0, 0, 0};
	mov.u32 %a, %t;
	add.u32 %b, %t, 100;
	bar.sync 0;
	stmatrix.sync.aligned.m8n8.`+n+`.shared.b16 [%s], `+elems+`;
	ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%a, %b}, [%s];
	mad.lo.u32 %a, %b, 1000, %a;
	st.global.u32 [%out], %a;`)
		expect(t, got, err, func(i uint32) uint32 {
			if n == "x1" {
				return i
			}
			return i + 1000*(i+100)
		})
	}
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
