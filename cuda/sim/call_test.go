package sim

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

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

// TestParameters passes structures by value, to a kernel and to a function.
func TestParameters(t *testing.T) {
	const text = `.version 8.0
.target sm_80
.address_size 64
.func (.param .align 8 .b8 r[16]) swap(.param .align 16 .b8 x[16], .param .b16 y)
{
	.reg .u64 %a, %b;
	.reg .u16 %h;
	ld.param.v2.u64 {%a, %b}, [x];
	ld.param.u16 %h, [y];
	cvt.u64.u16 %a, %h;
	st.param.u64 [r], %b;
	st.param.u64 [r+8], %a;
	ret;
}
.visible .entry k(.param .u64 p, .param .align 4 .b8 s[20], .param .u8 c, .param .align 8 .b8 u[16])
{
	.reg .u64 %out, %a, %b;
	.reg .u32 %r<8>;
	.param .align 16 .b8 arg[16], res[16];
	.param .b16 y;
	ld.param.u64 %out, [p];
	ld.param.u32 %r1, [s+16];
	ld.param.v2.u32 {%r2, %r3}, [s];
	ld.param.u8 %r4, [c];
	ld.param.u64 %a, [u];
	ld.param.u64 %b, [u+8];
	st.param.u64 [arg], %a;
	st.param.u64 [arg+8], %b;
	st.param.u16 [y], %r4;
	call (res), swap, (arg, y);
	ld.param.u64 %a, [res];
	ld.param.u64 %b, [res+8];
	st.global.v4.u32 [%out], {%r1, %r2, %r3, %r4};
	st.global.v2.u64 [%out+16], {%a, %b};
	ret;
}
`
	g := testGPU(t, Options{})
	e := loadKernel(t, g, text)
	out := words(t, g, make([]uint32, 8))
	one := Config{Grid: [3]int{1, 1, 1}, Block: [3]int{1, 1, 1}}
	if _, err := g.Launch(t.Context(), e, one, []uint64{out, 2<<32 | 1, 4<<32 | 3, 5, 0x1ff, 7, 8}); err != nil {
		t.Fatal(err)
	}
	if got := readWords(t, g, out, 8); !slices.Equal(got, []uint32{5, 1, 2, 0xff, 8, 0, 0xff, 0}) {
		t.Errorf("got %v", got)
	}
	if _, err := g.Launch(t.Context(), e, one, []uint64{out, 1, 2, 3}); err == nil || !strings.Contains(err.Error(), "given 4 arguments of 8 bytes, want 7") {
		t.Errorf("too few arguments: %v", err)
	}
}

// TestPrintFormats compares vprintf with what C prints.
func TestPrintFormats(t *testing.T) {
	for _, c := range []struct{ format, want string }{ // the arguments are 8 bytes of 0xfffffffffffffffe, then 2.5, 'A', the format
		{"%lld|", "-2|"}, {"%llu|", "18446744073709551614|"}, {"%llx|", "fffffffffffffffe|"}, {"%d %d|", "-2 -1|"}, {"%u|", "4294967294|"}, {"%hd %hhu|", "-2 255|"},
		{"%lld %f|", "-2 2.500000|"}, {"%lld%8.2f|", "-2    2.50|"}, {"%lld %-6.1e|", "-2 2.5e+00|"}, {"%lld%g %c|", "-22.5 A|"}, {"%lld%g%c%s", "-22.5A%lld%g%c%s"},
		{"100%% %05d|", "100% -0002|"}, {"%-5d|", "-2   |"}, {"%+d % d|", "-2 -1|"}, {"%#x|", "0xfffffffe|"}, {"%", ""}, {"%y|", "%y|"}, {"%99999999d|", "-2|"},
		{"%p|", "0xfffffffffffffffe|"}, {"%lld %a|", "-2 0x1.4p+01|"},
	} {
		var bytes []string
		for _, b := range []byte(c.format) {
			bytes = append(bytes, strconv.Itoa(int(b)))
		}
		text := ".version 8.0\n.target sm_80\n.address_size 64\n.extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n.global .align 1 .b8 f[] = {" + strings.Join(bytes, ",") + `, 0};
.visible .entry k()
{
	.local .align 8 .b8 d[32];
	.reg .u64 %l, %f;
	.param .b64 a0, a1;
	.param .b32 r;
	mov.u64 %f, f;
	cvta.global.u64 %f, %f;
	st.local.u64 [d], -2;
	st.local.f64 [d+8], 0d4004000000000000;
	st.local.u32 [d+16], 65;
	st.local.u64 [d+24], %f;
	mov.u64 %l, d;
	cvta.local.u64 %l, %l;
	st.param.b64 [a0], %f;
	st.param.b64 [a1], %l;
	call (r), vprintf, (a0, a1);
	ret;
}
`
		var out strings.Builder
		g := testGPU(t, Options{Print: &out})
		if _, err := g.Launch(t.Context(), loadKernel(t, g, text), Config{Grid: [3]int{1, 1, 1}, Block: [3]int{1, 1, 1}}, nil); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("%q printed %q, want %q", c.format, out.String(), c.want)
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
	.reg .pred %p;
	ld.param.u32 %t, [r]; // the number of arguments
	setp.ne.u32 %p, %t, 2;
	@%p trap;
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
