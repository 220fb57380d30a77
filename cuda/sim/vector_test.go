package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"palladio/cuda/sim/ptx"
)

// atBothLevels runs a test with and without assembly.
func atBothLevels(t *testing.T, f func(t *testing.T)) {
	best := useAVX2
	defer func() { useAVX2 = best }()
	for _, level := range []struct {
		name string
		on   bool
	}{{"generic", false}, {"avx2", true}} {
		if level.on && !best {
			t.Log("no AVX2 here")
			continue
		}
		useAVX2 = level.on
		t.Run(level.name, f)
	}
}

func TestMeasureAddresses(t *testing.T) {
	atBothLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 2000 {
			var wideA [lanes]uint64
			var narrowA reg
			size := uint64(1) << rng.IntN(6)
			start, step := rng.Uint64N(1<<20)*size, size
			if rng.IntN(2) == 0 {
				step = rng.Uint64N(64)
			}
			for i := range wideA {
				wideA[i] = start + uint64(i)*step
				narrowA[i] = uint32(wideA[i])
			}
			if rng.IntN(2) == 0 {
				i := rng.IntN(lanes)
				wideA[i] = rng.Uint64() >> rng.IntN(64)
				narrowA[i] = uint32(wideA[i])
			}
			k, lo, span := rng.Uint64()>>rng.IntN(64), rng.Uint64N(5000), rng.Uint64N(1<<27)
			check := func(what string, e extent, addr *[lanes]uint64, at func(i int) uint64) {
				ok, row, all := true, true, uint64(0)
				for i := range addr {
					v := at(i)
					ok = ok && v-lo <= span
					row = row && v == at(0)+uint64(i)*size
					all |= v
					if addr[i] != v {
						t.Fatalf("%s: lane %d has %#x, want %#x", what, i, addr[i], v)
					}
				}
				if ok != (int64(e.bad) >= 0) || row != (e.uneven == 0) || e.bits != all {
					t.Fatalf("%s: %+v, want in bounds %v, in a row %v, bits %#x", what, e, ok, row, all)
				}
			}
			var addr [lanes]uint64
			var e extent
			measureWide(&e, &addr, &wideA, k, lo, span, size)
			check("wide", e, &addr, func(i int) uint64 { return wideA[i] + k })
			measureNarrow(&e, &addr, &narrowA, uint32(k), lo, span, size)
			check("narrow", e, &addr, func(i int) uint64 { return uint64(narrowA[i] + uint32(k)) })
		}
	})
}

func TestLanesOutsideAMask(t *testing.T) {
	atBothLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			mask := rng.Uint32()
			var a, b reg
			var c, d [lanes]uint64
			for i := range a {
				a[i], b[i], c[i], d[i] = rng.Uint32(), rng.Uint32(), rng.Uint64(), rng.Uint64()
			}
			x, y, other, k := a, c, rng.Uint64(), rng.Uint32()
			blend32(&x, &b, mask)
			blend64(&y, &d, mask)
			var g, h [lanes]uint64
			gatherWide(&g, &c, other, mask)
			gatherNarrow(&h, &a, other, k, mask)
			for i := range a {
				want := [4]uint64{uint64(b[i]), d[i], other, other}
				if mask>>i&1 != 0 {
					want = [4]uint64{uint64(a[i]), c[i], c[i], uint64(a[i] + k)}
				}
				if got := [4]uint64{uint64(x[i]), y[i], g[i], h[i]}; got != want {
					t.Fatalf("mask %#08x lane %d: %#x, want %#x", mask, i, got, want)
				}
			}
		}
	})
}

// decodedLane decodes one instruction, with or without assembly.
func decodedLane(t *testing.T, d *decoder, in *ptx.Instr, on bool) alu {
	t.Helper()
	best := useAVX2
	defer func() { useAVX2 = best }()
	useAVX2 = on
	a, ok := aluOf(d.fn, in)
	if !ok {
		t.Fatal(in.Name)
	}
	vectorised(in, &a)
	return a
}

// TestAssemblyAgrees compares every operation that there is in assembly with its Go loop, bit by bit.
func TestAssemblyAgrees(t *testing.T) {
	if !useAVX2 {
		t.Skip("no AVX2 here, or PALLADIO_CPU=generic")
	}
	registers := map[byte]string{'n': "%r", 'w': "%rd", 'p': "%p"}
	var body strings.Builder
	body.WriteString(".reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p<4>; .reg .b16 %h<4>;\n")
	names := slices.Sorted(maps.Keys(vectorLanes))
	for _, name := range names {
		body.WriteString(name)
		for i, s := range []byte(vectorLanes[name].shapes) {
			reg := registers[s]
			if n := strings.Split(name, "."); n[0] == "cvt" && s == 'n' && (i == 0 && strings.HasSuffix(n[len(n)-2], "f16") || i == 1 && strings.HasSuffix(name, "f16")) {
				reg = "%h"
			}
			fmt.Fprintf(&body, "%c %s%d", " ,"[min(i, 1)], reg, i)
		}
		body.WriteString(";\n")
	}
	var comparisons []string
	for _, c := range strings.Fields("eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan") {
		for _, typ := range strings.Fields("u32 s32 b32 f32 u64 s64 b64 f64") {
			a, known := aluOf(&ptx.Func{}, &ptx.Instr{Op: "setp", Name: "setp." + c + "." + typ, Mods: []string{c}, Types: []ptx.Type{typeNamed(t, typ)}, Operands: make([]ptx.Operand, 3)})
			if known && a.compare != nil {
				comparisons = append(comparisons, c+"."+typ)
				r := "%r"
				if strings.HasSuffix(typ, "64") {
					r = "%rd"
				}
				fmt.Fprintf(&body, "setp.%s.%s %%p0, %s1, %s2;\n", c, typ, r, r)
			}
		}
	}
	m, err := ptx.Parse(kernel("", body.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(comparisons) < 60 {
		t.Errorf("only the comparisons %v", comparisons)
	}
	f := m.Func("k")
	d := &decoder{fn: f}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range f.Body {
		in := &f.Body[i]
		plain, fast := decodedLane(t, d, in, false), decodedLane(t, d, in, true)
		if i < len(names) && reflect.ValueOf(plain.lane).Pointer() == reflect.ValueOf(fast.lane).Pointer() {
			t.Errorf("%s is not done in assembly: operands %v %v", in.Name, fast.dst, fast.src)
		}
		for range 300 {
			var r [4][2 * lanes]uint32
			for k := range r {
				for l := range lanes {
					switch s := shapeAt(&fast, k); {
					case s == wide:
						v := special64(rng)
						r[k][2*l], r[k][2*l+1] = uint32(v), uint32(v>>32)
					default:
						r[k][l] = special32(rng)
						if bits := typeAt(&fast, k).Bits(); bits == 16 {
							r[k][l] &= 0xffff
							if rng.IntN(2) == 0 {
								r[k][l] = special32(rng) >> 16
							}
						}
					}
				}
			}
			at := func(r *[4][2 * lanes]uint32, k int) *reg { return (*reg)(r[k][:lanes]) }
			if plain.compare != nil {
				if got, want := fast.compare(at(&r, 1), at(&r, 2)), plain.compare(at(&r, 1), at(&r, 2)); got != want {
					t.Fatalf("%s: %#08x, want %#08x", in.Name, got, want)
				}
				continue
			}
			x, y := r, r
			plain.lane(at(&x, 0), at(&x, 1), at(&x, 2), at(&x, 3))
			fast.lane(at(&y, 0), at(&y, 1), at(&y, 2), at(&y, 3))
			if x != y {
				for l := range 2 * lanes {
					if x[0][l] != y[0][l] {
						t.Fatalf("%s: word %d is %#x, want %#x, of %#x %#x %#x", in.Name, l, y[0][l], x[0][l], r[1][l], r[2][l], r[3][l])
					}
				}
				t.Fatalf("%s changes its operands", in.Name)
			}
		}
	}
}

func typeNamed(t *testing.T, name string) ptx.Type {
	for typ := ptx.NoType; typ < 64; typ++ {
		if typ.String() == name {
			return typ
		}
	}
	t.Fatal(name)
	return ptx.NoType
}

// typeAt is the type of operand k, the destination's first.
func typeAt(a *alu, k int) ptx.Type {
	list := slices.Concat(a.dst, a.src)
	if k < len(list) {
		return list[k]
	}
	return ptx.B32
}

func shapeAt(a *alu, k int) shape {
	if a.compare != nil && k > 0 {
		return shapeOf(a.src[0])
	}
	return shapeOf(typeAt(a, k))
}

// special32 and special64 are bits at which arithmetic goes wrong first, or any.
func special32(rng *rand.Rand) uint32 {
	list := []uint32{0, 1 << 31, 1, 0x7f800000, 0xff800000, 0x7fc00001, 0xff800001, 0x3f800000, 0xbf800000, 0x7f7fffff, 0x00800000, 0x007fffff, 0x80000001, 31, 32, 33, 64, 0xffffffff, 0x7fffffff, 0x33800000}
	if rng.IntN(2) == 0 {
		return list[rng.IntN(len(list))]
	}
	return rng.Uint32()
}

func special64(rng *rand.Rand) uint64 {
	list := []uint64{0, 1 << 63, 1, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001, 0x3ff0000000000000, 0x7fefffffffffffff, 0x0010000000000000, 0xffffffffffffffff, 0x7fffffffffffffff, 1 << 32, 0xffffffff}
	if rng.IntN(2) == 0 {
		return list[rng.IntN(len(list))]
	}
	return rng.Uint64()
}

// TestMatrixAssemblyAgrees compares the matrix products in assembly with the Go loops, bit by bit.
func TestMatrixAssemblyAgrees(t *testing.T) {
	if !useAVX2 {
		t.Skip("no AVX2 here, or PALLADIO_CPU=generic")
	}
	rng := rand.New(rand.NewPCG(8, 8))
	for name, fast := range vectorMatrices {
		in := &ptx.Instr{Op: "mma", Name: name}
		for _, part := range strings.Split(name, ".")[1:] {
			if typ := map[string]ptx.Type{"f32": ptx.F32, "f16": ptx.F16, "bf16": ptx.BF16, "tf32": ptx.TF32}[part]; typ != ptx.NoType {
				in.Types = append(in.Types, typ)
			} else {
				in.Mods = append(in.Mods, part)
			}
		}
		plain := matrixMultiply(in)
		if plain.multi == nil {
			t.Fatalf("%s: no Go loop", name)
		}
		n := len(plain.dst) + len(plain.src)
		for round := range 300 {
			x, y := make([]reg, n), make([]reg, n)
			p, q := make([]*reg, n), make([]*reg, n)
			for k := range x {
				for l := range x[k] {
					switch x[k][l] = special32(rng); {
					case round%3 == 0: // ordinary numbers
						x[k][l] = x[k][l]&^0x70007000 | 0x30003000
					case round%3 == 1:
						x[k][l] = rng.Uint32()
					}
				}
				y[k] = x[k]
				p[k], q[k] = &x[k], &y[k]
			}
			if round%2 == 0 { // d over c
				copy(p, p[n-4:])
				copy(q, q[n-4:])
			}
			plain.multi(p)
			fast(q)
			for k := range x {
				if x[k] != y[k] {
					t.Fatalf("%s: register %d is %x, want %x", name, k, y[k], x[k])
				}
			}
		}
	}
}

// TestMatrixResultsOverOtherSources multiplies with accumulators that change places, and with a factor as a result.
func TestMatrixResultsOverOtherSources(t *testing.T) {
	// a = 0, so that d = c.
	const body = `
	.reg .b32 %a, %f, %c<4>;
	shl.b32 %c0, %t, 22;
	add.u32 %c0, %c0, 0x3f800000;
	add.u32 %c1, %c0, 0x100000;
	add.u32 %c2, %c0, 0x200000;
	add.u32 %c3, %c0, 0x300000;
	mov.b32 %a, 0;
	mov.b32 %f, 0;
	mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%c1, %c2, %c3, %f}, {%a, %a}, {%f}, {%c0, %c1, %c2, %c3};
	sub.u32 %c1, %c1, %c0;
	sub.u32 %c2, %c2, %c0;
	sub.u32 %c3, %c3, %c0;
	sub.u32 %f, %f, %c0;
	shr.u32 %c2, %c2, 12;
	shr.u32 %c3, %c3, 8;
	shr.u32 %f, %f, 4;
	or.b32 %c1, %c1, %c2;
	or.b32 %c1, %c1, %c3;
	or.b32 %c1, %c1, %f;
	st.global.u32 [%out], %c1;`
	atBothLevels(t, func(t *testing.T) {
		got, err := perThread(t, Options{}, 1, 32, body)
		expect(t, got, err, func(uint32) uint32 { return 0x100000>>12 | 0x200000>>8 | 0x300000>>4 })
	})
}
