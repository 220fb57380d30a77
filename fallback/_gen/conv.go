package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// convISA is an instruction set as the convolution kernels see it.
type convISA struct {
	name  string
	lanes int
}

var (
	convAVX2   = convISA{"AVX2", 8}
	convAVX512 = convISA{"AVX512", 16}
)

func (s convISA) vec() reg.VecVirtual {
	if s.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func (s convISA) bytes() int { return 4 * s.lanes }

// columnMask selects the first cols of a row of vectors; a nil mask selects all.
type columnMask struct {
	s convISA
	k []reg.Register
}

// maskTable holds sixteen ones and sixteen zeros: AVX2's masks are windows of it. Each family has its own, by name.
func maskTable(name string) Mem {
	t := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 32 {
		v := U32(0)
		if i < 16 {
			v = U32(0xffffffff)
		}
		DATA(4*i, v)
	}
	return t
}

// columns makes the masks of nv vectors for the parameter cols (at most nv·lanes).
func (s convISA) columns(nv int, table Mem) columnMask {
	m := columnMask{s: s}
	cols := Load(Param("cols"), GP64())
	if s.lanes == 16 {
		bits := GP64()
		MOVQ(I32(-1), bits)
		BZHIQ(cols, bits, bits)
		for v := range nv {
			if v > 0 {
				SHRQ(Imm(16), bits)
			}
			k := K()
			KMOVW(bits.As32(), k)
			m.k = append(m.k, k)
		}
		return m
	}
	p := GP64()
	LEAQ(table, p)
	NEGQ(cols)
	for v := range nv {
		k := YMM()
		VMOVUPS(Mem{Base: p, Index: cols, Scale: 4, Disp: 64 + 32*v}, k)
		m.k = append(m.k, k)
	}
	return m
}

func (m columnMask) load(from Mem, v int, to reg.VecVirtual) {
	switch {
	case m.k == nil:
		VMOVUPS(from, to)
	case m.s.lanes == 16:
		VMOVUPS_Z(from, m.k[v], to)
	default:
		VMASKMOVPS(from, m.k[v], to)
	}
}

func (m columnMask) store(from reg.VecVirtual, v int, to Mem) {
	switch {
	case m.k == nil:
		VMOVUPS(from, to)
	case m.s.lanes == 16:
		VMOVUPS(from, m.k[v], to)
	default:
		VMASKMOVPS(from, m.k[v], to)
	}
}

// conv builds the micro-kernels of convolution: a tile of the result stays in registers while all products are summed.
func conv() {
	mask := maskTable("convMask")
	for mr := 1; mr <= 14; mr++ {
		for nv := 1; nv <= 2; nv++ {
			convRows(convAVX512, mr, nv, true, mask)
			convOuter(convAVX512, mr, nv, true, mask)
		}
	}
	for mr := 1; mr <= 6; mr++ {
		convRows(convAVX2, mr, 2, false, mask)
		convOuter(convAVX2, mr, 2, false, mask)
	}
	for mr := 1; mr <= 5; mr++ {
		convRows(convAVX2, mr, 2, true, mask)
		convOuter(convAVX2, mr, 2, true, mask)
	}
	convTranspose()
}

func tileName(prefix string, s convISA, mr, nv int, masked bool) string {
	tail := ""
	if masked && s.lanes == 8 {
		tail = "Tail"
	}
	return fmt.Sprintf("%s%s%s%dx%d", prefix, s.name, tail, mr, nv*s.lanes)
}

func accumulators(s convISA, mr, nv int) [][]reg.VecVirtual {
	acc := make([][]reg.VecVirtual, mr)
	for i := range acc {
		for range nv {
			acc[i] = append(acc[i], s.vec())
		}
	}
	return acc
}

// convRows multiplies rows found by offsets with a panel of filters.
func convRows(s convISA, mr, nv int, masked bool, table Mem) {
	name := tileName("convRows", s, mr, nv, masked)
	TEXT(name, attr.NOSPLIT, "func(x, b, y, bias, residual *float32, off, out *int, segs, n, next, xstep, bstep, cols int, lo, hi float32)")
	Pragma("noescape")
	Doc(name+" is convRowsGeneric for tiles of "+fmt.Sprint(mr)+" rows and at most "+fmt.Sprint(nv*s.lanes)+" columns:",
		"",
		"	t[i][j] = bias[j] + Σ over s < segs, k < n of x[off[s][i] + k·xstep] · b[(s·n + k)·bstep + j]",
		"	y[out[i] + j] = min(max(t[i][j] + residual[out[i] + j], lo), hi)   for j < cols",
		"",
		"Offsets and steps are in bytes; bias and residual may be nil. Meanwhile memory at x[off[s] + next bytes] is fetched.")
	var m columnMask
	if masked {
		m = s.columns(nv, table)
	}
	acc := accumulators(s, mr, nv)
	p := Load(Param("bias"), GP64())
	for v := range nv {
		zero(acc[0][v])
	}
	TESTQ(p, p)
	JZ(LabelRef("biased"))
	for v := range nv {
		m.load(Mem{Base: p, Disp: v * s.bytes()}, v, acc[0][v])
	}
	Label("biased")
	for i := 1; i < mr; i++ {
		for v := range nv {
			VMOVAPS(acc[0][v], acc[i][v])
		}
	}
	if mr > 1 {
		fetchRows(acc)
	}
	rowsLoop(s, acc, m)
	finishRows(s, acc, m)
	VZEROUPPER()
	RET()
}

// rowsLoop sums the products of convRows.
func rowsLoop(s convISA, acc [][]reg.VecVirtual, m columnMask) {
	mr, nv := len(acc), len(acc[0])
	xstep, _ := Param("xstep").Resolve()
	bstep, _ := Param("bstep").Resolve()
	b, off, segs := Load(Param("b"), GP64()), Load(Param("off"), GP64()), Load(Param("segs"), GP64())
	rows := make([]reg.GPVirtual, min(mr, 7)) // offsets that stay in registers; the others are loaded at each step
	for i := range rows {
		rows[i] = GP64()
	}
	TESTQ(segs, segs)
	JZ(LabelRef("summed"))
	Label("segment")
	x, n, ahead := GP64(), GP64(), GP64()
	Load(Param("x"), x)
	Load(Param("n"), n)
	Load(Param("next"), ahead)
	MOVQ(Mem{Base: off, Index: ahead, Scale: 1}, ahead) // where this segment of the next tile begins, which is fetched meanwhile
	ADDQ(x, ahead)
	for i, r := range rows {
		MOVQ(Mem{Base: off, Disp: 8 * i}, r)
	}
	Label("step")
	bv := make([]reg.VecVirtual, nv)
	for v := range bv {
		bv[v] = s.vec()
		m.load(Mem{Base: b, Disp: v * s.bytes()}, v, bv[v])
	}
	for i := range acc {
		var r reg.GPVirtual
		if i < len(rows) {
			r = rows[i]
		} else {
			r = GP64()
			MOVQ(Mem{Base: off, Disp: 8 * i}, r)
		}
		a := s.vec()
		VBROADCASTSS(Mem{Base: x, Index: r, Scale: 1}, a)
		for v := range bv {
			VFMADD231PS(bv[v], a, acc[i][v])
		}
	}
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(Imm(64), ahead)
	ADDQ(xstep.Addr, x)
	ADDQ(bstep.Addr, b)
	DECQ(n)
	JNZ(LabelRef("step"))
	ADDQ(Imm(uint64(8*mr)), off)
	DECQ(segs)
	JNZ(LabelRef("segment"))
	Label("summed")
}

// fetchRows fetches the rows of the result that will be written.
func fetchRows(acc [][]reg.VecVirtual) {
	y, out, r := Load(Param("y"), GP64()), Load(Param("out"), GP64()), GP64()
	for i := range acc {
		MOVQ(Mem{Base: out, Disp: 8 * i}, r)
		PREFETCHT0(Mem{Base: y, Index: r, Scale: 1})
		if len(acc[i]) > 1 {
			PREFETCHT0(Mem{Base: y, Index: r, Scale: 1, Disp: 64})
		}
	}
}

// finishRows adds the residual, clamps and stores.
func finishRows(s convISA, acc [][]reg.VecVirtual, m columnMask) {
	y, out, residual := Load(Param("y"), GP64()), Load(Param("out"), GP64()), Load(Param("residual"), GP64())
	r := GP64()
	TESTQ(residual, residual)
	JZ(LabelRef("store"))
	for i := range acc {
		MOVQ(Mem{Base: out, Disp: 8 * i}, r)
		for v, a := range acc[i] {
			from := Mem{Base: residual, Index: r, Scale: 1, Disp: v * s.bytes()}
			if m.k == nil {
				VADDPS(from, a, a)
				continue
			}
			t := s.vec()
			m.load(from, v, t)
			VADDPS(t, a, a)
		}
	}
	Label("store")
	lo, hi := s.vec(), s.vec()
	loAddr, _ := Param("lo").Resolve()
	hiAddr, _ := Param("hi").Resolve()
	VBROADCASTSS(loAddr.Addr, lo)
	VBROADCASTSS(hiAddr.Addr, hi)
	for i := range acc {
		MOVQ(Mem{Base: out, Disp: 8 * i}, r)
		for v, a := range acc[i] {
			VMAXPS(a, lo, a) // in this order a NaN passes
			VMINPS(a, hi, a)
			m.store(a, v, Mem{Base: y, Index: r, Scale: 1, Disp: v * s.bytes()})
		}
	}
}

// convOuter sums outer products of two streams of rows.
func convOuter(s convISA, mr, nv int, masked bool, table Mem) {
	name := tileName("convOuter", s, mr, nv, masked)
	TEXT(name, attr.NOSPLIT, "func(a, b, y *float32, seg *int, segs, astep, bstep, ystep, cols, add int)")
	Pragma("noescape")
	Doc(name+" is convOuterGeneric for tiles of "+fmt.Sprint(mr)+" rows and at most "+fmt.Sprint(nv*s.lanes)+" columns:",
		"",
		"	t[i][j] = Σ over segments {ao, bo, n}, k < n of a[ao + k·astep + i] · b[bo + k·bstep + j]",
		"	y[i·ystep + j] = t[i][j], or added to it, for j < cols",
		"",
		"Offsets and steps are in bytes.")
	var m columnMask
	if masked {
		m = s.columns(nv, table)
	}
	acc := accumulators(s, mr, nv)
	for _, row := range acc {
		for _, a := range row {
			zero(a)
		}
	}
	seg, segs := Load(Param("seg"), GP64()), Load(Param("segs"), GP64())
	astep, bstep := Load(Param("astep"), GP64()), Load(Param("bstep"), GP64())
	TESTQ(segs, segs)
	JZ(LabelRef("summed"))
	Label("segment")
	a, b, n := GP64(), GP64(), GP64()
	Load(Param("a"), a)
	Load(Param("b"), b)
	ADDQ(Mem{Base: seg}, a)
	ADDQ(Mem{Base: seg, Disp: 8}, b)
	MOVQ(Mem{Base: seg, Disp: 16}, n)
	Label("step")
	bv := make([]reg.VecVirtual, nv)
	for v := range bv {
		bv[v] = s.vec()
		m.load(Mem{Base: b, Disp: v * s.bytes()}, v, bv[v])
	}
	for i := range acc {
		t := s.vec()
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, t)
		for v := range bv {
			VFMADD231PS(bv[v], t, acc[i][v])
		}
	}
	ADDQ(astep, a)
	ADDQ(bstep, b)
	DECQ(n)
	JNZ(LabelRef("step"))
	ADDQ(Imm(24), seg)
	DECQ(segs)
	JNZ(LabelRef("segment"))
	Label("summed")
	storeOuter(s, acc, m)
	VZEROUPPER()
	RET()
}

func storeOuter(s convISA, acc [][]reg.VecVirtual, m columnMask) {
	y, ystep, add := Load(Param("y"), GP64()), Load(Param("ystep"), GP64()), Load(Param("add"), GP64())
	TESTQ(add, add)
	JZ(LabelRef("store"))
	p := GP64()
	MOVQ(y, p)
	for i := range acc {
		for v, a := range acc[i] {
			from := Mem{Base: p, Disp: v * s.bytes()}
			if m.k == nil {
				VADDPS(from, a, a)
				continue
			}
			t := s.vec()
			m.load(from, v, t)
			VADDPS(t, a, a)
		}
		ADDQ(ystep, p)
	}
	Label("store")
	for i := range acc {
		for v, a := range acc[i] {
			m.store(a, v, Mem{Base: y, Disp: v * s.bytes()})
		}
		ADDQ(ystep, y)
	}
}

// convTranspose writes eight rows as columns.
func convTranspose() {
	TEXT("convTranspose8AVX2", attr.NOSPLIT, "func(x, y *float32, xstep, ystep, n int)")
	Pragma("noescape")
	Doc("convTranspose8AVX2 transposes 8 rows of 8n elements: y[j·ystep + i] = x[i·xstep + j] for i < 8, j < 8n. Steps are in bytes.")
	x, y := Load(Param("x"), GP64()), Load(Param("y"), GP64())
	xs, ys, n := Load(Param("xstep"), GP64()), Load(Param("ystep"), GP64()), Load(Param("n"), GP64())
	xs3, ys3 := GP64(), GP64()
	LEAQ(Mem{Base: xs, Index: xs, Scale: 2}, xs3)
	LEAQ(Mem{Base: ys, Index: ys, Scale: 2}, ys3)
	at := func(p, step, step3 reg.Register, i int) Mem {
		return []Mem{{Base: p}, {Base: p, Index: step, Scale: 1}, {Base: p, Index: step, Scale: 2}, {Base: p, Index: step3, Scale: 1}}[i]
	}
	Label("block")
	r := make([]reg.VecVirtual, 8)
	half := GP64()
	LEAQ(Mem{Base: x, Index: xs, Scale: 4}, half)
	for i := range r {
		r[i] = YMM()
		p := x
		if i >= 4 {
			p = half
		}
		VMOVUPS(at(p, xs, xs3, i%4), r[i])
	}
	t := transpose8(r)
	LEAQ(Mem{Base: y, Index: ys, Scale: 4}, half)
	for i := range t {
		p := y
		if i >= 4 {
			p = half
		}
		VMOVUPS(t[i], at(p, ys, ys3, i%4))
	}
	ADDQ(Imm(32), x)
	LEAQ(Mem{Base: y, Index: ys, Scale: 8}, y)
	DECQ(n)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// transpose8 transposes an 8x8 block in registers.
func transpose8(r []reg.VecVirtual) []reg.VecVirtual {
	pairs := make([]reg.VecVirtual, 8) // 2x2 blocks
	for i := 0; i < 8; i += 2 {
		pairs[i], pairs[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], pairs[i])
		VUNPCKHPS(r[i+1], r[i], pairs[i+1])
	}
	quads := make([]reg.VecVirtual, 8) // 4x4 blocks
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			lo, hi := YMM(), YMM()
			VUNPCKLPD(pairs[i+2+j], pairs[i+j], lo)
			VUNPCKHPD(pairs[i+2+j], pairs[i+j], hi)
			quads[i+2*j], quads[i+2*j+1] = lo, hi
		}
	}
	t := make([]reg.VecVirtual, 8)
	for i := range 4 {
		t[i], t[i+4] = YMM(), YMM()
		VPERM2F128(Imm(0x20), quads[i+4], quads[i], t[i])
		VPERM2F128(Imm(0x31), quads[i+4], quads[i], t[i+4])
	}
	return t
}
