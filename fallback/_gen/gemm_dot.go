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
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(count, k int, x *%s, ldx int, y *%s, ldy int, out *%s)", t, t, t))
	Doc(fmt.Sprintf("%s multiplies rows by rows: for i < %d·count, j < %d, over p < k", name, rows, q), "",
		fmt.Sprintf("\tout[i*%d+j] = Σ x[i*ldx+p] * y[j*ldy+p]", q))
	Pragma("noescape")
	count := Load(Param("count"), GP64())
	length := Load(Param("k"), GP64())
	xs := Load(Param("x"), GP64())
	ys := Load(Param("y"), GP64())
	out := Load(Param("out"), GP64())
	ldx, ldy := s.rowStep("ldx"), s.rowStep("ldy")
	Label("group")
	k := GP64()
	MOVQ(length, k)
	x, y := newRowPointers(xs, ldx, rows), newRowPointers(ys, ldy, q)
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
	four := 16 / s.size() // sums that one XMM holds
	for r := 0; r < len(acc); r += four {
		s.sumsTo(acc[r:min(r+four, len(acc))], out, r*s.size())
	}
	ADDQ(U32(rows*q*s.size()), out)
	for range rows {
		ADDQ(ldx, xs)
	}
	DECQ(count)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// rowPointers addresses rows at a constant distance with a pointer for every three.
type rowPointers struct {
	base []reg.Register
	ld   reg.Register
}

// rowStep loads the distance of rows in bytes.
func (s floats) rowStep(param string) reg.Register {
	ld := Load(Param(param), GP64())
	SHLQ(U8(log2(s.size())), ld)
	return ld
}

// newRowPointers points to rows from first, which stays as it is.
func newRowPointers(first, ld reg.Register, rows int) rowPointers {
	p := GP64()
	MOVQ(first, p)
	r := rowPointers{base: []reg.Register{p}, ld: ld}
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

// sumsTo stores the sums of the lanes of up to as many vectors as an XMM has lanes: halves of a ZMM, then neighbours, then halves of a
// YMM, in this order for any number of vectors.
func (s floats) sumsTo(vs []reg.VecVirtual, out reg.Register, disp int) {
	// In place: these instructions reach the first 16 registers only, where the vectors are.
	var pairs []reg.Register
	for _, v := range vs {
		if s.bytes == 64 {
			upper := YMM()
			VEXTRACTF64X4(U8(1), v, upper)
			s.add(upper, v.AsY(), v.AsY())
		}
		pairs = append(pairs, v.AsY())
	}
	for range log2(16 / s.size()) { // a lone vector is its own neighbour
		var next []reg.Register
		for i := 0; i < len(pairs); i += 2 {
			pick(s, VHADDPS, VHADDPD)(pairs[min(i+1, len(pairs)-1)], pairs[i], pairs[i])
			next = append(next, pairs[i])
		}
		pairs = next
	}
	low, high := vs[0].AsX(), XMM()
	if s.bytes == 64 {
		VEXTRACTF32X4(U8(1), vs[0].AsY(), high)
	} else {
		VEXTRACTF128(U8(1), vs[0].AsY(), high)
	}
	s.add(high, low, low)
	switch dst := (Mem{Base: out, Disp: disp}); len(vs) * s.size() {
	case 16:
		VMOVUPS(low, dst)
	case 8:
		VMOVSD(low, dst)
	case 4:
		VMOVSS(low, dst)
	}
}
