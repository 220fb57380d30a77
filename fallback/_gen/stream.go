package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stream builds STREAM's loops with stores that bypass the caches.
func stream() {
	for _, s := range []floats{{bytes: 32}, {bytes: 64}, {bytes: 32, double: true}, {bytes: 64, double: true}} {
		if !s.double {
			s.streamLoop("Copy", "x[i]", func(x, y Mem, f, v reg.VecVirtual) { s.move(x, v) })
		}
		s.streamLoop("Scale", "s * x[i]", func(x, y Mem, f, v reg.VecVirtual) { s.mul(x, f, v) })
		s.streamLoop("Add", "x[i] + y[i]", func(x, y Mem, f, v reg.VecVirtual) {
			s.move(x, v)
			s.add(y, v, v)
		})
		s.streamLoop("Triad", "x[i] + s * y[i]", func(x, y Mem, f, v reg.VecVirtual) {
			s.move(x, v)
			s.fma(y, f, v)
		})
	}
}

// streamLoop builds one loop over blocks of 256 bytes.
func (s floats) streamLoop(op, formula string, body func(x, y Mem, f, v reg.VecVirtual)) {
	const block = 256
	name, t := fmt.Sprintf("%sstream%s%s", s.letter(), op, s.level()), s.goType()
	TEXT(name, attr.NOSPLIT, fmt.Sprintf("func(dst, x, y, s *%s, blocks int)", t))
	Doc(fmt.Sprintf("%s computes, for i < blocks·%d,", name, block/s.size()), "", "\tdst[i] = "+formula, "",
		"with dst aligned to 64 bytes, past the caches.")
	Pragma("noescape")
	dst := Load(Param("dst"), GP64())
	x := Load(Param("x"), GP64())
	y := Load(Param("y"), GP64())
	f := s.vec()
	s.broadcast(Mem{Base: Load(Param("s"), GP64())}, f)
	n := Load(Param("blocks"), GP64())
	TESTQ(n, n)
	JLE(LabelRef("done"))
	Label("loop")
	var vs []reg.VecVirtual
	for off := 0; off < block; off += s.bytes {
		v := s.vec()
		body(Mem{Base: x, Disp: off}, Mem{Base: y, Disp: off}, f, v)
		vs = append(vs, v)
	}
	for i, v := range vs {
		pick(s, VMOVNTPS, VMOVNTPD)(v, Mem{Base: dst, Disp: i * s.bytes})
	}
	for _, p := range []reg.Register{dst, x, y} {
		ADDQ(U32(block), p)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	SFENCE()
	Label("done")
	VZEROUPPER()
	RET()
}
