package sim

import (
	"encoding/binary"
	"math"
	"os"
	"strings"
	"testing"
)

// testGPU is a GPU whose memory is freed when the test ends.
func testGPU(t testing.TB, o Options) *GPU {
	t.Helper()
	chip, err := ChipNamed("h100")
	if err != nil {
		t.Fatal(err)
	}
	g := New(chip, o)
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// kernel wraps a body into a module with one entry point k.
func kernel(params, body string) string {
	return ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(" + params + ")\n{\n" + body + "\n}\n"
}

// loadKernel loads a module and its entry point k.
func loadKernel(t testing.TB, g *GPU, text string) *Entry {
	t.Helper()
	m, err := g.Load("test", text)
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Entry("k")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// words allocates memory that holds v.
func words(t testing.TB, g *GPU, v []uint32) uint64 {
	t.Helper()
	a, err := g.Alloc(4 * len(v))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], x)
	}
	if err := g.Write(a, b); err != nil {
		t.Fatal(err)
	}
	return a
}

// readWords reads n words.
func readWords(t testing.TB, g *GPU, a uint64, n int) []uint32 {
	t.Helper()
	b := make([]byte, 4*n)
	if err := g.Read(a, b); err != nil {
		t.Fatal(err)
	}
	v := make([]uint32, n)
	for i := range v {
		v[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return v
}

// perThread runs a kernel that writes one word a thread: its body has the address of the thread's word in %out and the thread's number in %t.
func perThread(t testing.TB, o Options, blocks, threads int, body string) ([]uint32, error) {
	t.Helper()
	g := testGPU(t, o)
	e := loadKernel(t, g, kernel(".param .u64 p", `
	.reg .u64 %out, %off;
	.reg .u32 %t, %n, %b;
	mov.u32 %t, %tid.x;
	mov.u32 %n, %ntid.x;
	mov.u32 %b, %ctaid.x;
	mad.lo.u32 %t, %b, %n, %t;
	ld.param.u64 %out, [p];
	mul.wide.u32 %off, %t, 4;
	add.u64 %out, %out, %off;
`+body))
	a := words(t, g, make([]uint32, blocks*threads))
	_, err := g.Launch(t.Context(), e, Config{Grid: [3]int{blocks, 1, 1}, Block: [3]int{threads, 1, 1}}, []uint64{a})
	return readWords(t, g, a, blocks*threads), err
}

// expect fails unless each thread's word is what want says.
func expect(t *testing.T, got []uint32, err error, want func(i uint32) uint32) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if w := want(uint32(i)); v != w {
			t.Fatalf("thread %d wrote %#x, want %#x", i, v, w)
		}
	}
}

func TestThreadsWriteTheirNumbers(t *testing.T) {
	got, err := perThread(t, Options{}, 5, 50, `st.global.u32 [%out], %t;`)
	expect(t, got, err, func(i uint32) uint32 { return i })
}

func TestBranches(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       func(i uint32) uint32
	}{
		{"if and else", `
	.reg .pred %p;
	.reg .u32 %a;
	and.b32 %a, %t, 3;
	setp.eq.u32 %p, %a, 1;
	@%p bra YES;
	add.u32 %a, %t, 100;
	bra DONE;
YES:
	add.u32 %a, %t, 200;
DONE:
	st.global.u32 [%out], %a;`, func(i uint32) uint32 {
			if i&3 == 1 {
				return i + 200
			}
			return i + 100
		}},
		{"nested", `
	.reg .pred %p, %q;
	.reg .u32 %a, %lane;
	mov.u32 %lane, %laneid;
	setp.lt.u32 %p, %lane, 16;
	mov.u32 %a, 1;
	@!%p bra ELSE;
	setp.lt.u32 %q, %lane, 5;
	@%q bra DEEP;
	add.u32 %a, %a, 10;
	bra JOIN;
DEEP:
	add.u32 %a, %a, 20;
JOIN:
	add.u32 %a, %a, 100;
	bra DONE;
ELSE:
	add.u32 %a, %a, 1000;
DONE:
	st.global.u32 [%out], %a;`, func(i uint32) uint32 {
			switch l := i & 31; {
			case l < 5:
				return 121
			case l < 16:
				return 111
			}
			return 1001
		}},
		{"loop with different trip counts", `
	.reg .pred %p;
	.reg .u32 %i, %sum;
	mov.u32 %i, 0;
	mov.u32 %sum, 0;
LOOP:
	add.u32 %sum, %sum, %i;
	add.u32 %i, %i, 1;
	setp.le.u32 %p, %i, %t;
	@%p bra LOOP;
	st.global.u32 [%out], %sum;`, func(i uint32) uint32 { return i * (i + 1) / 2 }},
		{"early exit", `
	.reg .pred %p;
	.reg .u32 %a;
	and.b32 %a, %t, 1;
	setp.eq.u32 %p, %a, 1;
	@%p exit;
	activemask.b32 %a;
	st.global.u32 [%out], %a;`, func(i uint32) uint32 {
			if i&1 == 1 {
				return 0
			}
			return 0x55555555
		}},
		{"guarded instructions", `
	.reg .pred %p;
	.reg .u32 %a;
	setp.gt.u32 %p, %t, 7;
	mov.u32 %a, 5;
	@%p add.u32 %a, %a, 1;
	@!%p add.u32 %a, %a, 2;
	@%p st.global.u32 [%out], %a;`, func(i uint32) uint32 {
			if i > 7 {
				return 6
			}
			return 0
		}},
		{"a block out of line joins again", `
	.reg .pred %p;
	.reg .u32 %a, %m;
	and.b32 %a, %t, 7;
	setp.eq.u32 %p, %a, 3;
	@%p bra COLD;
BACK:
	activemask.b32 %m;
	st.global.u32 [%out], %m;
	ret;
COLD:
	add.u32 %a, %a, 1;
	bra BACK;`, func(uint32) uint32 { return fullMask }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := perThread(t, Options{}, 2, 64, c.body)
			expect(t, got, err, c.want)
		})
	}
}

func TestStreamTriad(t *testing.T) {
	const n = 1000
	g := testGPU(t, Options{})
	x, y := make([]uint32, n), make([]uint32, n)
	for i := range n {
		x[i], y[i] = math.Float32bits(float32(i)), math.Float32bits(float32(2*i+1))
	}
	m, err := g.Load("stream", shippedStream(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range m.Entries() {
		if _, err := m.Entry(name); err != nil {
			t.Error(err)
		}
	}
	e, err := m.Entry("stream_triad_f32")
	if err != nil {
		t.Fatal(err)
	}
	for packed := range uint64(2) {
		a, b, out := words(t, g, x), words(t, g, y), words(t, g, make([]uint32, n))
		r, err := g.Launch(t.Context(), e, Config{Grid: [3]int{3, 1, 1}, Block: [3]int{256, 1, 1}}, []uint64{n, a, b, out, packed, uint64(math.Float32bits(0.5))})
		if err != nil {
			t.Fatal(err)
		}
		if r.ThreadInstructions < n {
			t.Errorf("%+v", r)
		}
		for i, v := range readWords(t, g, out, n) {
			if want := float32(i) + 0.5*float32(2*i+1); math.Float32frombits(v) != want {
				t.Fatalf("element %d is %v, want %v", i, math.Float32frombits(v), want)
			}
		}
	}
}

func TestErrorsOfAccess(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"past the end", `st.global.u32 [%out+4], %t;`, "past the end of the allocation of 256 bytes"},
		{"null", `mov.u64 %out, 8; ld.global.u32 %t, [%out];`, "a null pointer"},
		{"misaligned", `st.global.u32 [%out+2], %t;`, "misaligned"},
		{"trap", `trap;`, "trapped"},
		{"shared", `ld.shared.u32 %t, [%t];`, "shared load of 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := perThread(t, Options{}, 1, 64, c.body)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: want %q", err, c.want)
			}
		})
	}
}

// shippedStream is the text of a module that ships.
func shippedStream(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../kernels/stream/stream.ptx")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
