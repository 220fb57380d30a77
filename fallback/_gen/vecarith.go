package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// vecarith builds the routines of one or a few instructions: arithmetic, comparisons, choices, rounding.
func vecarith() {
	beginConstants("vecarithConstants")
	for _, wide := range []bool{false, true} {
		for _, double := range []bool{false, true} {
			s := vecISA{wide: wide, double: double}
			s.unaryArith()
			s.binaryArith()
			s.ternaryArith()
			s.streamCopy()
		}
	}
	tailWindow()
	endConstants()
	TEXT("fenceStores", attr.NOSPLIT, "func()")
	Doc("fenceStores makes the stores of streamCopy visible before any later store.")
	SFENCE()
	RET()
}

// maxNaN and minNaN are NaN if either is.
func (s vecISA) maxNaN(a, b vec) vec { return s.pickLanes(s.cmp(cmpUN, a, a), a, s.max(a, b)) }
func (s vecISA) minNaN(a, b vec) vec { return s.pickLanes(s.cmp(cmpUN, a, a), a, s.min(a, b)) }

func (s vecISA) unaryArith() {
	for _, f := range []struct {
		name, doc string
		body      func(a vec) vec
	}{
		{"neg", "-a", func(a vec) vec { return s.neg(a) }},
		{"abs", "|a|", func(a vec) vec { return s.abs(a) }},
		{"signum", "-1, 1, or a if that is zero or NaN", func(a vec) vec {
			one := s.or(s.sign(a), s.k(1))
			return s.pickLanes(s.cmp(cmpON, a, s.k(0)), one, a)
		}},
		{"square", "a²", func(a vec) vec { return s.mul(a, a) }},
		{"cube", "a³", func(a vec) vec { return s.mul(s.mul(a, a), a) }},
		{"sqrt", "√a", s.sqrt},
		{"rsqrt", "1/√a", func(a vec) vec { return s.div(s.k(1), s.sqrt(a)) }},
		{"recip", "1/a", func(a vec) vec { return s.div(s.k(1), a) }},
		{"floor", "⌊a⌋", func(a vec) vec { return s.round(a, down) }},
		{"ceil", "⌈a⌉", func(a vec) vec { return s.round(a, up) }},
		{"round", "a rounded, half to even", func(a vec) vec { return s.round(a, nearest) }},
		{"relu", "max(a, 0), NaN stays NaN", func(a vec) vec { return s.max(s.k(0), a) }},
		{"hardSwish", "a clamp(a+3, 0, 6)/6", func(a vec) vec {
			g := s.min(s.k(6), s.max(s.k(0), s.add(a, s.k(3))))
			return s.mul(a, s.mul(g, s.k(1.0/6)))
		}},
		{"not", "1 where a is zero, else 0", func(a vec) vec { return s.truth(s.cmp(cmpEQ, a, s.k(0))) }},
	} {
		s.pointwise(f.name, f.doc, 1, 0, 4, false, func(x ...vec) vec { return f.body(x[0]) })
	}
	s.pointwise("fill", "the single element of a", 1, 1, 4, false, func(x ...vec) vec { return x[0] })
}

func (s vecISA) binaryArith() {
	compare := func(pred uint8) func(a, b vec) vec {
		return func(a, b vec) vec { return s.truth(s.cmp(pred, a, b)) }
	}
	nonzero := func(a vec) lanesMask { return s.cmp(cmpNE, a, s.k(0)) }
	for _, f := range []struct {
		name, doc string
		commutes  bool
		body      func(a, b vec) vec
	}{
		{"add", "a + b", true, func(a, b vec) vec { return s.add(a, b) }},
		{"sub", "a - b", false, func(a, b vec) vec { return s.sub(a, b) }},
		{"mul", "a b", true, func(a, b vec) vec { return s.mul(a, b) }},
		{"div", "a / b", false, func(a, b vec) vec { return s.div(a, b) }},
		{"max", "the larger of a and b, NaN if either is", true, s.maxNaN},
		{"min", "the smaller of a and b, NaN if either is", true, s.minNaN},
		{"lt", "1 where a < b, else 0", false, compare(cmpLT)},
		{"le", "1 where a ≤ b, else 0", false, compare(cmpLE)},
		{"eq", "1 where a = b, else 0", true, compare(cmpEQ)},
		{"ne", "1 where a ≠ b, else 0", true, compare(cmpNE)},
		{"and", "1 where neither is zero, else 0", true, func(a, b vec) vec { return s.truth(s.both(nonzero(a), nonzero(b))) }},
		{"or", "0 where both are zero, else 1", true, func(a, b vec) vec { return s.truth(s.either(nonzero(a), nonzero(b))) }},
		{"reluGrad", "b where a > 0, else 0", false, func(a, b vec) vec { return s.keep(s.cmp(cmpGT, a, s.k(0)), b) }},
	} {
		body := func(x ...vec) vec { return f.body(x[0], x[1]) }
		s.pointwise(f.name, f.doc, 2, 0, 4, false, body)
		if f.name == "reluGrad" {
			continue
		}
		s.pointwise(f.name+"S", f.doc+", b a single element", 2, 2, 4, false, body)
		if !f.commutes {
			s.pointwise(f.name+"R", f.doc+", a a single element", 2, 1, 4, false, body)
		}
	}
}

func (s vecISA) ternaryArith() {
	for _, f := range []struct {
		name    string
		scalars int
	}{{"fma", 0}, {"fmaS", 2}, {"fmaT", 4}, {"fmaST", 6}} {
		s.pointwise(f.name, "a b + c"+singles(f.scalars), 3, f.scalars, 4, false, func(x ...vec) vec { return s.fma(x[0], x[1], x[2]) })
	}
	for _, f := range []struct {
		name    string
		scalars int
	}{{"choose", 0}, {"chooseS", 2}, {"chooseT", 4}, {"chooseST", 6}} {
		s.pointwise(f.name, "b where a is not zero, else c"+singles(f.scalars), 3, f.scalars, 2, false, func(x ...vec) vec {
			return s.pickLanes(s.cmp(cmpNE, x[0], s.k(0)), x[1], x[2])
		})
	}
	for _, f := range []struct {
		name    string
		scalars int
	}{{"clamp", 0}, {"clampST", 6}} {
		s.pointwise(f.name, "min(max(a, b), c)"+singles(f.scalars), 3, f.scalars, 2, false, func(x ...vec) vec {
			return s.minNaN(s.maxNaN(x[0], x[1]), x[2])
		})
	}
}

func singles(scalars int) string {
	switch scalars {
	case 2:
		return ", b a single element"
	case 4:
		return ", c a single element"
	case 6:
		return ", b and c single elements"
	}
	return ""
}

// streamCopy copies whole vectors past the caches.
func (s vecISA) streamCopy() {
	TEXT(s.title("streamCopy"), attr.NOSPLIT, "func(dst, a *"+s.goType()+", n int)")
	Doc(s.title("streamCopy") + " computes dst = a by stores that go past the caches. n must be a multiple of the vector's length and dst aligned to it. A fenceStores must follow before another thread reads dst.")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	dst, a := st.pointer("dst"), st.pointer("a")
	st.whole(4, func(vectors int) {
		for v := range vectors {
			VMOVNTPS(st.read(a, v, nil), Mem{Base: dst, Disp: v * s.bytes()})
		}
	})
	VZEROUPPER()
	RET()
}
