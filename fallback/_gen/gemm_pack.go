package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packTransposed builds the packing of a matrix whose rows run along k: w rows become a column group of a panel.
func (s floats) packTransposed() {
	lanes := s.lanes()
	name := fmt.Sprintf("%spackTransposed%s", s.letter(), s.level())
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(dst, src *%s, ld, w, k, stride int, alpha float64)", s.goType()))
	Doc(fmt.Sprintf("%s transposes up to %d rows into a panel: for p < k, i < w with 1 ≤ w ≤ %d,", name, lanes, lanes),
		"", "\tdst[p*stride+i] = alpha * src[i*ld+p]", "", fmt.Sprintf("It writes %d elements for each p, in ascending order of p; those past w are of no meaning.", lanes))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	ld := Load(Param("ld"), GP64())
	w := Load(Param("w"), GP64())
	k := Load(Param("k"), GP64()).(reg.GPVirtual)
	stride := Load(Param("stride"), GP64())
	shift := U8(log2(s.size()))
	SHLQ(shift, ld)
	SHLQ(shift, stride)
	alpha := s.loadAlpha()
	rows := make([]reg.Register, lanes) // row pointers; those past w repeat the last row
	rows[0] = Load(Param("src"), GP64())
	for i := 1; i < lanes; i++ {
		next := GP64()
		rows[i] = GP64()
		LEAQ(Mem{Base: rows[i-1], Index: ld, Scale: 1}, next)
		MOVQ(rows[i-1], rows[i])
		CMPQ(w, I8(i))
		CMOVQGT(next, rows[i])
	}
	block := func(load func(src Mem, dst reg.VecVirtual)) []reg.VecVirtual {
		x := make([]reg.VecVirtual, lanes)
		for i := range x {
			x[i] = YMM()
			load(Mem{Base: rows[i]}, x[i])
			s.mul(alpha, x[i], x[i])
		}
		if s.double {
			return transpose4(x)
		}
		return transpose8(x)
	}
	SUBQ(I8(lanes), k)
	JLT(LabelRef("tail"))
	Label("loop")
	for _, x := range block(func(src Mem, dst reg.VecVirtual) { s.move(src, dst) }) {
		s.move(x, Mem{Base: dst})
		ADDQ(stride, dst)
	}
	for _, p := range rows {
		ADDQ(I8(s.bytes), p)
	}
	SUBQ(I8(lanes), k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I8(lanes), k)
	JZ(LabelRef("done"))
	rem := w.(reg.GPVirtual) // reuses w's register, which is free now
	MOVQ(k, rem)
	edge := s.newMask(rem)
	for _, x := range block(edge.load) {
		s.move(x, Mem{Base: dst})
		ADDQ(stride, dst)
		DECQ(k)
		JZ(LabelRef("done"))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// loadAlpha broadcasts the factor, converted to the element type.
func (s floats) loadAlpha() reg.VecVirtual {
	a := Load(Param("alpha"), XMM()).(reg.VecVirtual)
	if !s.double {
		VCVTSD2SS(a, a, a)
	}
	v := YMM()
	s.broadcast(a, v)
	return v
}

// transpose4 transposes a 4×4 block of float64.
func transpose4(x []reg.VecVirtual) []reg.VecVirtual {
	t := make([]reg.VecVirtual, 4)
	for i := 0; i < 4; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPD(x[i+1], x[i], t[i])
		VUNPCKHPD(x[i+1], x[i], t[i+1])
	}
	out := make([]reg.VecVirtual, 4)
	for i := range 2 {
		out[i], out[i+2] = YMM(), YMM()
		VPERM2F128(U8(0x20), t[i+2], t[i], out[i])
		VPERM2F128(U8(0x31), t[i+2], t[i], out[i+2])
	}
	return out
}

// packRows builds the packing of a matrix whose rows run across the panel.
func (s floats) packRows() {
	lanes := s.lanes()
	name := fmt.Sprintf("%spackRows%s", s.letter(), s.level())
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(dst, src *%s, ld, w, k, stride int, alpha float64)", s.goType()))
	Doc(fmt.Sprintf("%s copies rows into a panel: for p < k, i < w", name),
		"", "\tdst[p*stride+i] = alpha * src[p*ld+i]",
		"", fmt.Sprintf("It writes w rounded up to %d elements for each p, in ascending order of p; those past w are zero.", lanes))
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	ld := Load(Param("ld"), GP64())
	w := Load(Param("w"), GP64()).(reg.GPVirtual)
	k := Load(Param("k"), GP64())
	stride := Load(Param("stride"), GP64())
	shift := U8(log2(s.size()))
	SHLQ(shift, ld)
	SHLQ(shift, stride)
	alpha := s.loadAlpha()
	TESTQ(k, k)
	JLE(LabelRef("done"))
	for _, vectors := range []int{4, 2} { // the panels of B
		CMPQ(w, I8(vectors*lanes))
		JNE(LabelRef(fmt.Sprintf("not%d", vectors)))
		Label(fmt.Sprintf("rows%d", vectors))
		for v := range vectors {
			x := YMM()
			s.mul(Mem{Base: src, Disp: v * s.bytes}, alpha, x)
			s.move(x, Mem{Base: dst, Disp: v * s.bytes})
		}
		ADDQ(ld, src)
		ADDQ(stride, dst)
		DECQ(k)
		JNZ(LabelRef(fmt.Sprintf("rows%d", vectors)))
		JMP(LabelRef("done"))
		Label(fmt.Sprintf("not%d", vectors))
	}
	rem := GP64()
	LEAQ(Mem{Base: w, Disp: -1}, rem)
	full := GP64() // bytes of the whole vectors before the last, which holds 1 to lanes elements
	MOVQ(rem, full)
	ANDQ(I8(-lanes), full)
	ANDQ(I8(lanes-1), rem)
	INCQ(rem)
	SHLQ(shift, full)
	edge := s.newMask(rem)
	Label("row")
	i := GP64()
	XORQ(i, i)
	Label("vector")
	CMPQ(i, full)
	JGE(LabelRef("edge"))
	x := YMM()
	s.mul(Mem{Base: src, Index: i, Scale: 1}, alpha, x)
	s.move(x, Mem{Base: dst, Index: i, Scale: 1})
	ADDQ(I8(s.bytes), i)
	JMP(LabelRef("vector"))
	Label("edge")
	y := YMM()
	edge.load(Mem{Base: src, Index: i, Scale: 1}, y)
	s.mul(alpha, y, y)
	s.move(y, Mem{Base: dst, Index: i, Scale: 1})
	ADDQ(ld, src)
	ADDQ(stride, dst)
	DECQ(k)
	JNZ(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}
