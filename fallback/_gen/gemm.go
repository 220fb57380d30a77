package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemm builds the micro-kernels of matrix products and their packing.
//
// A tile kernel holds an m×n block of C in registers and streams over k: one broadcast of A a row, one vector load of B a
// vector, m·v multiply-adds. The packed kernel is the tile of the blocked product (Goto & van de Geijn, Anatomy of
// High-Performance Matrix Multiplication, 2008; Van Zee & van de Geijn, BLIS, 2015). The strided kernels take A by any row and
// column step and B by any row step: they do the fringes, and small and skinny products without packing.
func gemm() {
	gemmMask()
	for _, double := range []bool{false, true} {
		for _, s := range []floats{{bytes: 64, double: double}, {bytes: 32, double: double}} {
			mr, wide := 14, [][2]int{{1, 4}, {2, 4}, {3, 4}, {4, 4}, {5, 4}, {6, 4}, {1, 12}, {2, 12}}
			if s.bytes == 32 {
				mr, wide = 6, [][2]int{{1, 4}, {2, 4}, {3, 3}, {1, 8}}
			}
			s.tile(mr, 2, true)
			for v := 1; v <= 2; v++ {
				for m := 1; m <= max(mr, tallRows*(2-v)*s.bytes/64); m++ {
					s.tile(m, v, false)
				}
			}
			for _, w := range wide {
				s.tile(w[0], w[1], false)
			}
			for _, d := range s.dotTiles() {
				s.dot(d[0], d[1])
			}
		}
		s := floats{bytes: 32, double: double}
		s.packTransposed()
		s.packRows()
	}
}

// tallRows is the height of the tallest tile of one vector, so that a block of 16×16 is one tile of AVX-512.
const tallRows = 16

// gemmMask holds a vector of ones before a vector of zeros; a load that starts rem elements before the zeros is the mask of the first rem lanes.
func gemmMask() {
	GLOBL("gemmMask", attr.RODATA|attr.NOPTR)
	for i := range 8 {
		v := U64(0)
		if i < 4 {
			v = ^U64(0)
		}
		DATA(8*i, v)
	}
}

// floats is an instruction set for one element type: vectors of 32 (AVX2) or 64 (AVX-512) bytes.
type floats struct {
	bytes  int
	double bool
}

func (s floats) size() int {
	if s.double {
		return 8
	}
	return 4
}

func (s floats) lanes() int { return s.bytes / s.size() }

func (s floats) vec() reg.VecVirtual {
	if s.bytes == 64 {
		return ZMM()
	}
	return YMM()
}

func (s floats) letter() string {
	if s.double {
		return "d"
	}
	return "s"
}

func (s floats) level() string {
	if s.bytes == 64 {
		return "AVX512"
	}
	return "AVX2"
}

func (s floats) goType() string {
	if s.double {
		return "float64"
	}
	return "float32"
}

func (s floats) fma(x, y, acc Op)      { pick(s, VFMADD231PS, VFMADD231PD)(x, y, acc) }
func (s floats) add(x, y, dst Op)      { pick(s, VADDPS, VADDPD)(x, y, dst) }
func (s floats) mul(x, y, dst Op)      { pick(s, VMULPS, VMULPD)(x, y, dst) }
func (s floats) max(x, y, dst Op)      { pick(s, VMAXPS, VMAXPD)(x, y, dst) }
func (s floats) min(x, y, dst Op)      { pick(s, VMINPS, VMINPD)(x, y, dst) }
func (s floats) move(src, dst Op)      { pick(s, VMOVUPS, VMOVUPD)(src, dst) }
func (s floats) broadcast(src, dst Op) { pick(s, VBROADCASTSS, VBROADCASTSD)(src, dst) }

// pick chooses the instruction of the element type.
func pick[F any](s floats, single, double F) F {
	if s.double {
		return double
	}
	return single
}

// mask is the set of lanes of a row's last vector that hold columns: an opmask or, with AVX2, a vector of ones and zeros.
type mask struct {
	s floats
	k reg.Register
}

// newMask sets a mask of the first rem lanes, 1 ≤ rem ≤ lanes. It consumes rem.
func (s floats) newMask(rem reg.GPVirtual) mask {
	if s.bytes == 64 {
		bits := GP64()
		MOVQ(I32(-1), bits)
		BZHIQ(rem, bits, bits)
		k := K()
		KMOVW(bits.As32(), k)
		return mask{s, k}
	}
	table := GP64()
	LEAQ(NewDataAddr(NewStaticSymbol("gemmMask"), 32), table)
	SHLQ(U8(log2(s.size())), rem)
	SUBQ(rem, table)
	v := YMM()
	VMOVDQU(Mem{Base: table}, v)
	return mask{s, v}
}

func (m mask) load(src Mem, dst reg.VecVirtual) {
	if m.s.bytes == 64 {
		pick(m.s, VMOVUPS_Z, VMOVUPD_Z)(src, m.k, dst)
		return
	}
	pick(m.s, VMASKMOVPS, VMASKMOVPD)(src, m.k, dst)
}

func (m mask) store(src reg.VecVirtual, dst Mem) {
	if m.s.bytes == 64 {
		pick(m.s, func(a, k, b Op) { VMOVUPS(a, k, b) }, func(a, k, b Op) { VMOVUPD(a, k, b) })(src, m.k, dst)
		return
	}
	pick(m.s, VMASKMOVPS, VMASKMOVPD)(src, m.k, dst)
}

func log2(n int) uint8 {
	l := uint8(0)
	for 1<<l < n {
		l++
	}
	return l
}

// The flags of a tile kernel; package fallback has the same.
const (
	tileAccumulate = 1 << iota
	tileBias
	tileClamp
)

// tile builds one kernel of m rows and v vectors of columns.
func (s floats) tile(m, v int, packed bool) {
	n := v * s.lanes()
	name := fmt.Sprintf("%sgemm%sx%dx%d", s.letter(), s.level(), m, n)
	t := s.goType()
	var doc []string
	steps := "rs, cs int, b *" + t + ", ldb int"
	if packed {
		steps = "b *" + t
	} else {
		name += "Strided"
	}
	if packed {
		TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(k int, a, b, c *%s, ldc, n, flags int, bias, clamp *%s)", t, t))
		doc = append(doc, fmt.Sprintf("%s multiplies packed panels, a of [k][%d] and b of [k][%d]: for i < %d, j < n with %d < n ≤ %d", name, m, n, m, n-s.lanes(), n))
	} else {
		TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(k int, a *%s, %s, c *%s, ldc, n, flags int, bias, clamp *%s)", t, steps, t, t))
		doc = append(doc, fmt.Sprintf("%s multiplies in place: for i < %d, j < n with %d < n ≤ %d, over p < k of a[i*rs+p*cs] * b[p*ldb+j]", name, m, n-s.lanes(), n))
	}
	Doc(append(doc, "", "\tc[i*ldc+j] = clamp(sum + c[i*ldc+j] + bias[j])", "", "with the terms that flags asks for.")...)
	Pragma("noescape")

	acc := make([][]reg.VecVirtual, m)
	for i := range acc {
		acc[i] = make([]reg.VecVirtual, v)
		for j := range acc[i] {
			acc[i][j] = s.vec()
			zero(acc[i][j])
		}
	}
	k := Load(Param("k"), GP64()).(reg.GPVirtual)
	rem := Load(Param("n"), GP64()).(reg.GPVirtual)
	if v > 1 {
		SUBQ(I32(n-s.lanes()), rem)
	}
	edge := s.newMask(rem)
	loop := tileLoop{s: s, m: m, v: v, acc: acc, edge: edge, k: k}
	if packed {
		loop.packed()
	} else {
		loop.strided()
	}
	s.finish(m, v, acc, edge)
	VZEROUPPER()
	RET()
}

// tileLoop is the sum over k.
type tileLoop struct {
	s    floats
	m, v int
	acc  [][]reg.VecVirtual
	edge mask
	k    reg.GPVirtual
}

// step multiplies one column of A by one row of B. It holds the shorter of the two in registers and streams the other.
func (l tileLoop) step(a func(i int) Mem, b func(j int) Mem, masked bool) {
	loadB := func(j int) reg.VecVirtual {
		y := l.s.vec()
		if masked && j == l.v-1 {
			l.edge.load(b(j), y)
		} else {
			l.s.move(b(j), y)
		}
		return y
	}
	loadA := func(i int) reg.VecVirtual {
		x := l.s.vec()
		l.s.broadcast(a(i), x)
		return x
	}
	xs, ys := make([]reg.VecVirtual, l.m), make([]reg.VecVirtual, l.v)
	if l.m < l.v {
		for i := range xs {
			xs[i] = loadA(i)
		}
		for j := range ys {
			y := loadB(j)
			for i := range xs {
				l.s.fma(y, xs[i], l.acc[i][j])
			}
		}
		return
	}
	for j := range ys {
		ys[j] = loadB(j)
	}
	for i := range xs {
		x := loadA(i)
		for j := range ys {
			l.s.fma(ys[j], x, l.acc[i][j])
		}
	}
}

// packed reads a of [k][m] and b of [k][n]. The panels end on whole vectors, so b needs no mask.
func (l tileLoop) packed() {
	const unroll = 4
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	l.prefetchC()
	stepA, stepB := l.m*l.s.size(), l.v*l.s.bytes
	steps := func(count int) {
		for u := range count {
			for off := 0; off < stepB; off += 64 {
				PREFETCHT0(Mem{Base: b, Disp: u*stepB + off + 8*stepB})
			}
			l.step(
				func(i int) Mem { return Mem{Base: a, Disp: u*stepA + i*l.s.size()} },
				func(j int) Mem { return Mem{Base: b, Disp: u*stepB + j*l.s.bytes} }, false)
			if u*stepA/64 != (u+1)*stepA/64 || u == 0 {
				PREFETCHT0(Mem{Base: a, Disp: u*stepA + 16*stepA})
			}
		}
		ADDQ(I32(count*stepA), a)
		ADDQ(I32(count*stepB), b)
	}
	SUBQ(I8(unroll), l.k)
	JLT(LabelRef("tail"))
	Label("loop")
	steps(unroll)
	SUBQ(I8(unroll), l.k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I8(unroll), l.k)
	JZ(LabelRef("done"))
	Label("one")
	steps(1)
	DECQ(l.k)
	JNZ(LabelRef("one"))
	Label("done")
}

// prefetchC asks for the tile of C that the kernel ends with.
func (l tileLoop) prefetchC() {
	c, ldc := Load(Param("c"), GP64()), Load(Param("ldc"), GP64())
	SHLQ(U8(log2(l.s.size())), ldc)
	for range l.m {
		PREFETCHT0(Mem{Base: c})
		PREFETCHT0(Mem{Base: c, Disp: l.v*l.s.bytes - 1})
		ADDQ(ldc, c)
	}
}

// strided reads a[i*rs+p*cs] and b[p*ldb+j].
func (l tileLoop) strided() {
	shift := U8(log2(l.s.size()))
	cs := Load(Param("cs"), GP64())
	ldb := Load(Param("ldb"), GP64())
	b := Load(Param("b"), GP64())
	SHLQ(shift, cs)
	SHLQ(shift, ldb)
	a := newRowPointers(Load(Param("a"), GP64()), l.s.rowStep("rs"), l.m)
	TESTQ(l.k, l.k)
	JLE(LabelRef("done"))
	Label("loop")
	l.step(a.row, func(j int) Mem { return Mem{Base: b, Disp: j * l.s.bytes} }, true)
	for _, p := range a.base {
		ADDQ(cs, p)
	}
	ADDQ(ldb, b)
	DECQ(l.k)
	JNZ(LabelRef("loop"))
	Label("done")
}

// finish adds what flags asks for to the accumulators and stores them.
func (s floats) finish(m, v int, acc [][]reg.VecVirtual, edge mask) {
	flags := Load(Param("flags"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(U8(log2(s.size())), ldc)
	row := func(p reg.Register, j int) Mem { return Mem{Base: p, Disp: j * s.bytes} }

	TESTQ(U32(tileAccumulate), flags)
	JZ(LabelRef("noAccumulate"))
	p := GP64()
	MOVQ(c, p)
	for i := range m {
		for j := range v {
			if j == v-1 {
				x := s.vec()
				edge.load(row(p, j), x)
				s.add(x, acc[i][j], acc[i][j])
			} else {
				s.add(row(p, j), acc[i][j], acc[i][j])
			}
		}
		ADDQ(ldc, p)
	}
	Label("noAccumulate")

	TESTQ(U32(tileBias), flags)
	JZ(LabelRef("noBias"))
	q := Load(Param("bias"), GP64())
	for j := range v {
		x := s.vec()
		if j == v-1 {
			edge.load(row(q, j), x)
		} else {
			s.move(row(q, j), x)
		}
		for i := range m {
			s.add(x, acc[i][j], acc[i][j])
		}
	}
	Label("noBias")

	TESTQ(U32(tileClamp), flags)
	JZ(LabelRef("noClamp"))
	r := Load(Param("clamp"), GP64())
	lo, hi := s.vec(), s.vec()
	s.broadcast(Mem{Base: r}, lo)
	s.broadcast(Mem{Base: r, Disp: s.size()}, hi)
	for i := range m {
		for j := range v { // the second source, here the first operand, wins where one is NaN
			s.max(acc[i][j], lo, acc[i][j])
			s.min(acc[i][j], hi, acc[i][j])
		}
	}
	Label("noClamp")

	n := Load(Param("n"), GP64())
	CMPQ(n, I32(v*s.lanes()))
	JNE(LabelRef("narrow"))
	p = GP64()
	MOVQ(c, p)
	for i := range m {
		for j := range v {
			s.move(acc[i][j], row(p, j))
		}
		ADDQ(ldc, p)
	}
	VZEROUPPER()
	RET()
	Label("narrow")
	for i := range m {
		for j := range v {
			if j == v-1 {
				edge.store(acc[i][j], row(c, j))
			} else {
				s.move(acc[i][j], row(c, j))
			}
		}
		ADDQ(ldc, c)
	}
}
