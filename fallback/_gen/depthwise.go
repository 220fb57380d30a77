package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// depthwise builds the kernels of depthwise convolution, channels in the lanes.
func depthwise() {
	mask := maskTable("depthwiseMask")
	for _, s := range []convISA{convAVX2, convAVX512} {
		depthwiseLine(s, mask)
		depthwiseFilter(s, mask)
	}
}

// firstColumns makes the mask of one vector for the first min(n, lanes) columns.
func (s convISA) firstColumns(n reg.Register, table Mem) columnMask {
	count, full := GP64(), GP64()
	MOVQ(U32(uint32(s.lanes)), full)
	MOVQ(n, count)
	CMPQ(count, full)
	CMOVQGT(full, count)
	if s.lanes == 16 {
		bits, k := GP64(), K()
		MOVQ(I32(-1), bits)
		BZHIQ(count, bits, bits)
		KMOVW(bits.As32(), k)
		return columnMask{s, []reg.Register{k}}
	}
	p, k := GP64(), YMM()
	NEGQ(count)
	LEAQ(table, p)
	VMOVUPS(Mem{Base: p, Index: count, Scale: 4, Disp: 64}, k)
	return columnMask{s, []reg.Register{k}}
}

// multiplyAdd is acc += w · [from], masked if need be.
func (m columnMask) multiplyAdd(from Mem, w, acc reg.VecVirtual) {
	if m.k == nil {
		VFMADD231PS(from, w, acc)
		return
	}
	t := m.s.vec()
	m.load(from, 0, t)
	VFMADD231PS(t, w, acc)
}

func depthwiseLine(s convISA, table Mem) {
	name := "depthwiseLine" + s.name
	TEXT(name, attr.NOSPLIT, "func(x, w, y, bias, residual *float32, taps *int, ntaps, n, xstep, ystep, channels int, lo, hi float32)")
	Pragma("noescape")
	Doc(name+" computes n pixels of a depthwise convolution; taps is a list of pairs {xo, wo}:",
		"",
		"	t = bias[c] + residual[i·ystep + c] + Σ over taps of x[xo + i·xstep + c] · w[wo + c]",
		"	y[i·ystep + c] = min(max(t, lo), hi)   for i < n, c < channels",
		"",
		"Offsets and steps are in bytes; residual may be nil.")
	x, y, n := Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("n"), GP64())
	for _, pixels := range []int{4, 1} { // all channels of a pixel before the next, so that memory is read and written in order
		loop, end := labelf("loop", pixels), labelf("end", pixels)
		Label(loop)
		CMPQ(n, Imm(uint64(pixels)))
		JL(LabelRef(end))
		depthwiseChannels(s, pixels, x, y, table)
		xs, ys := GP64(), GP64()
		Load(Param("xstep"), xs)
		Load(Param("ystep"), ys)
		if pixels == 4 {
			SHLQ(Imm(2), xs)
			SHLQ(Imm(2), ys)
		}
		ADDQ(xs, x)
		ADDQ(ys, y)
		SUBQ(Imm(uint64(pixels)), n)
		JMP(LabelRef(loop))
		Label(end)
	}
	VZEROUPPER()
	RET()
}

// depthwiseChannels computes all channels of a group of pixels, two vectors at a time and then one.
func depthwiseChannels(s convISA, pixels int, x, y reg.Register, table Mem) {
	xp, yp, w, c, left := GP64(), GP64(), GP64(), GP64(), GP64() // c: bytes done; left: channels to do
	MOVQ(x, xp)
	MOVQ(y, yp)
	XORQ(c, c)
	Load(Param("w"), w)
	Load(Param("channels"), left)
	next := func(nv int) {
		for _, p := range []reg.Register{xp, yp, w, c} {
			ADDQ(Imm(uint64(nv*s.bytes())), p)
		}
		SUBQ(Imm(uint64(nv*s.lanes)), left)
	}
	wide, narrow, done := labelf("wide", pixels), labelf("narrow", pixels), labelf("done", pixels)
	Label(wide)
	CMPQ(left, Imm(uint64(2*s.lanes)))
	JL(LabelRef(narrow))
	depthwiseGroup(s, wide, c, xp, w, yp, pixels, 2, columnMask{s, nil})
	next(2)
	JMP(LabelRef(wide))
	Label(narrow)
	CMPQ(left, Imm(0))
	JLE(LabelRef(done))
	depthwiseGroup(s, narrow, c, xp, w, yp, pixels, 1, s.firstColumns(left, table))
	next(1)
	JMP(LabelRef(narrow))
	Label(done)
}

// depthwiseGroup computes a group of pixels.
func depthwiseGroup(s convISA, label string, c, x, w, y reg.Register, pixels, nv int, m columnMask) {
	acc := accumulators(s, pixels, nv)
	p := Load(Param("bias"), GP64())
	for v := range nv {
		m.load(Mem{Base: p, Index: c, Scale: 1, Disp: v * s.bytes()}, 0, acc[0][v])
		for i := 1; i < pixels; i++ {
			VMOVAPS(acc[0][v], acc[i][v])
		}
	}
	taps, count := Load(Param("taps"), GP64()), Load(Param("ntaps"), GP64())
	xs, xs3 := Load(Param("xstep"), GP64()), GP64()
	LEAQ(Mem{Base: xs, Index: xs, Scale: 2}, xs3)
	xo, wo := GP64(), GP64()
	MOVQ(x, xo)
	TESTQ(count, count)
	JZ(LabelRef(label + "Summed"))
	Label(label + "Tap")
	MOVQ(Mem{Base: taps}, xo)
	MOVQ(Mem{Base: taps, Disp: 8}, wo)
	ADDQ(x, xo)
	for v := range nv {
		wv := s.vec()
		m.load(Mem{Base: w, Index: wo, Scale: 1, Disp: v * s.bytes()}, 0, wv)
		for i := range pixels {
			from := []Mem{{Base: xo}, {Base: xo, Index: xs, Scale: 1}, {Base: xo, Index: xs, Scale: 2}, {Base: xo, Index: xs3, Scale: 1}}[i]
			from.Disp = v * s.bytes()
			m.multiplyAdd(from, wv, acc[i][v])
		}
	}
	ADDQ(Imm(16), taps)
	DECQ(count)
	JNZ(LabelRef(label + "Tap"))
	Label(label + "Summed")
	ys, to := Load(Param("ystep"), GP64()), GP64()
	if pixels == 4 { // fetch the same channels of the next group: of the last tap, which is the furthest ahead, and of the result
		fetchGroup(s, nv, xo, xs)
		fetchGroup(s, nv, y, ys)
	}
	residual := Load(Param("residual"), GP64())
	TESTQ(residual, residual)
	JZ(LabelRef(label + "Store"))
	base, _ := Param("y").Resolve()
	MOVQ(y, to)
	SUBQ(base.Addr, to)
	ADDQ(residual, to)
	for i := range pixels {
		for v := range nv {
			t := s.vec()
			m.load(Mem{Base: to, Disp: v * s.bytes()}, 0, t)
			VADDPS(t, acc[i][v], acc[i][v])
		}
		ADDQ(ys, to)
	}
	Label(label + "Store")
	lo, hi := s.vec(), s.vec()
	loAddr, _ := Param("lo").Resolve()
	hiAddr, _ := Param("hi").Resolve()
	VBROADCASTSS(loAddr.Addr, lo)
	VBROADCASTSS(hiAddr.Addr, hi)
	MOVQ(y, to)
	for i := range pixels {
		for v := range nv {
			a := acc[i][v]
			VMAXPS(a, lo, a) // in this order a NaN passes
			VMINPS(a, hi, a)
			m.store(a, 0, Mem{Base: to, Disp: v * s.bytes()})
		}
		ADDQ(ys, to)
	}
}

// fetchGroup fetches nv vectors of each of the four pixels after the next four.
func fetchGroup(s convISA, nv int, p, step reg.Register) {
	next := GP64()
	LEAQ(Mem{Base: p, Index: step, Scale: 4}, next)
	for range 4 {
		for b := 0; b < nv*s.bytes(); b += 64 {
			PREFETCHT0(Mem{Base: next, Disp: b})
		}
		ADDQ(step, next)
	}
}

func depthwiseFilter(s convISA, table Mem) {
	name := "depthwiseFilter" + s.name
	TEXT(name, attr.NOSPLIT, "func(a, b, y *float32, seg *int, segs, astep, bstep, channels, add int)")
	Pragma("noescape")
	Doc(name+" sums products channel by channel over segments {ao, bo, n} of pixels:",
		"",
		"	t = Σ over segments, i < n of a[ao + i·astep + c] · b[bo + i·bstep + c]",
		"	y[c] = t, or added to it where add is not 0, for c < channels",
		"",
		"Offsets and steps are in bytes.")
	c, left := GP64(), GP64()
	XORQ(c, c)
	Load(Param("channels"), left)
	Label("wide")
	CMPQ(left, Imm(uint64(2*s.lanes)))
	JL(LabelRef("narrow"))
	depthwiseSum(s, "wide", c, 2, columnMask{s, nil})
	ADDQ(Imm(uint64(2*s.bytes())), c)
	SUBQ(Imm(uint64(2*s.lanes)), left)
	JMP(LabelRef("wide"))
	Label("narrow")
	CMPQ(left, Imm(0))
	JLE(LabelRef("done"))
	depthwiseSum(s, "narrow", c, 1, s.firstColumns(left, table))
	ADDQ(Imm(uint64(s.bytes())), c)
	SUBQ(Imm(uint64(s.lanes)), left)
	JMP(LabelRef("narrow"))
	Label("done")
	VZEROUPPER()
	RET()
}

// depthwiseSum sums over all segments for nv vectors of channels, two pixels at a time into sums of their own.
func depthwiseSum(s convISA, label string, c reg.Register, nv int, m columnMask) {
	acc := accumulators(s, 2, nv)
	for _, row := range acc {
		for _, a := range row {
			zero(a)
		}
	}
	as, bs := Load(Param("astep"), GP64()), Load(Param("bstep"), GP64())
	seg, segs := Load(Param("seg"), GP64()), Load(Param("segs"), GP64())
	TESTQ(segs, segs)
	JZ(LabelRef(label + "Summed"))
	Label(label + "Segment")
	a, b, n := GP64(), GP64(), GP64()
	Load(Param("a"), a)
	Load(Param("b"), b)
	ADDQ(c, a)
	ADDQ(c, b)
	ADDQ(Mem{Base: seg}, a)
	ADDQ(Mem{Base: seg, Disp: 8}, b)
	MOVQ(Mem{Base: seg, Disp: 16}, n)
	product := func(row []reg.VecVirtual, a, b Mem) {
		for v := range nv {
			a.Disp, b.Disp = v*s.bytes(), v*s.bytes()
			t := s.vec()
			m.load(a, 0, t)
			m.multiplyAdd(b, t, row[v])
		}
	}
	Label(label + "Pair")
	CMPQ(n, Imm(2))
	JL(LabelRef(label + "Odd"))
	product(acc[0], Mem{Base: a}, Mem{Base: b})
	product(acc[1], Mem{Base: a, Index: as, Scale: 1}, Mem{Base: b, Index: bs, Scale: 1})
	LEAQ(Mem{Base: a, Index: as, Scale: 2}, a)
	LEAQ(Mem{Base: b, Index: bs, Scale: 2}, b)
	SUBQ(Imm(2), n)
	JMP(LabelRef(label + "Pair"))
	Label(label + "Odd")
	TESTQ(n, n)
	JZ(LabelRef(label + "Next"))
	product(acc[0], Mem{Base: a}, Mem{Base: b})
	Label(label + "Next")
	ADDQ(Imm(24), seg)
	DECQ(segs)
	JNZ(LabelRef(label + "Segment"))
	Label(label + "Summed")
	y, add := Load(Param("y"), GP64()), Load(Param("add"), GP64())
	ADDQ(c, y)
	for v := range nv {
		VADDPS(acc[1][v], acc[0][v], acc[0][v])
	}
	TESTQ(add, add)
	JZ(LabelRef(label + "Store"))
	for v := range nv {
		t := s.vec()
		m.load(Mem{Base: y, Disp: v * s.bytes()}, 0, t)
		VADDPS(t, acc[0][v], acc[0][v])
	}
	Label(label + "Store")
	for v := range nv {
		m.store(acc[0][v], 0, Mem{Base: y, Disp: v * s.bytes()})
	}
}
