package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dotTiles lists the dot kernels: rows of x by rows of y. Each pair has one accumulator, so that its sum does not depend on
// which kernel computes it.
func (s floats) dotTiles() [][2]int {
	if s.bytes == 64 {
		return [][2]int{{8, 1}, {1, 1}, {4, 2}, {1, 2}, {2, 4}, {1, 4}, {2, 8}, {1, 8}}
	}
	return [][2]int{{8, 1}, {1, 1}, {4, 2}, {1, 2}, {2, 4}, {1, 4}, {1, 8}}
}

// dot builds the products of rows by rows, for matrices that are read once.
func (s floats) dot(rows, q int) {
	name := fmt.Sprintf("%sdot%sx%dx%d", s.letter(), s.level(), rows, q)
	t := s.goType()
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(k int, x *%s, ldx int, y *%s, ldy int, out *%s)", t, t, t))
	Doc(fmt.Sprintf("%s multiplies rows by rows: for i < %d, j < %d, over p < k", name, rows, q), "",
		fmt.Sprintf("\tout[i*%d+j] = Σ x[i*ldx+p] * y[j*ldy+p]", q))
	Pragma("noescape")
	k := Load(Param("k"), GP64()).(reg.GPVirtual)
	x := s.rowPointers("x", "ldx", rows)
	y := s.rowPointers("y", "ldy", q)
	acc := make([]reg.VecVirtual, rows*q)
	for i := range acc {
		acc[i] = s.vec()
		zero(acc[i])
	}
	held, streamed, at := x, y, func(h, t int) reg.VecVirtual { return acc[h*q+t] }
	hold, stream := rows, q
	if rows > q {
		held, streamed, at = y, x, func(h, t int) reg.VecVirtual { return acc[t*q+h] }
		hold, stream = q, rows
	}
	step := func(load func(Mem, reg.VecVirtual)) {
		vs := make([]reg.VecVirtual, hold)
		for h := range vs {
			vs[h] = s.vec()
			load(held.row(h), vs[h])
		}
		for t := range stream {
			w := s.vec()
			load(streamed.row(t), w)
			for h, v := range vs {
				s.fma(w, v, at(h, t))
			}
		}
	}
	SUBQ(I8(s.lanes()), k)
	JLT(LabelRef("tail"))
	Label("loop")
	step(func(src Mem, dst reg.VecVirtual) { s.move(src, dst) })
	x.advance(s.bytes)
	y.advance(s.bytes)
	SUBQ(I8(s.lanes()), k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I8(s.lanes()), k)
	JZ(LabelRef("sum"))
	edge := s.newMask(k)
	step(edge.load)
	Label("sum")
	out := Load(Param("out"), GP64())
	for r, a := range acc {
		s.sumTo(a, Mem{Base: out, Disp: r * s.size()})
	}
	VZEROUPPER()
	RET()
}

// rowPointers addresses rows at a constant distance with a pointer for every three.
type rowPointers struct {
	base []reg.Register
	ld   reg.Register
}

func (s floats) rowPointers(p, ld string, rows int) rowPointers {
	r := rowPointers{base: []reg.Register{Load(Param(p), GP64())}}
	if rows > 1 {
		r.ld = Load(Param(ld), GP64())
		SHLQ(U8(log2(s.size())), r.ld)
	}
	for len(r.base)*3 < rows {
		next := GP64()
		LEAQ(Mem{Base: r.base[len(r.base)-1], Index: r.ld, Scale: 2}, next)
		ADDQ(r.ld, next)
		r.base = append(r.base, next)
	}
	return r
}

func (r rowPointers) row(i int) Mem {
	m := Mem{Base: r.base[i/3]}
	if i%3 > 0 {
		m.Index, m.Scale = r.ld, uint8(i%3)
	}
	return m
}

func (r rowPointers) advance(bytes int) {
	for _, p := range r.base {
		ADDQ(I8(bytes), p)
	}
}

// sumTo stores the sum of a vector's lanes: halves added to halves.
func (s floats) sumTo(v reg.VecVirtual, dst Mem) {
	half := v.AsY()
	if s.bytes == 64 {
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		s.add(upper, half, half)
	}
	quarter, upper := v.AsX(), XMM()
	if s.bytes == 64 { // reaches all 32 registers
		VEXTRACTF32X4(U8(1), half, upper)
	} else {
		VEXTRACTF128(U8(1), half, upper)
	}
	s.add(upper, quarter, quarter)
	if s.double {
		VUNPCKHPD(quarter, quarter, upper)
		VADDSD(upper, quarter, quarter)
		VMOVSD(quarter, dst)
		return
	}
	VMOVHLPS(quarter, quarter, upper)
	VADDPS(upper, quarter, quarter)
	VMOVSHDUP(quarter, upper)
	VADDSS(upper, quarter, quarter)
	VMOVSS(quarter, dst)
}
