package main

import (
	"github.com/mmcloughlin/avo/attr"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// vecrow builds the reductions of a row to one number. Four vectors of partial results run side by side; they and their lanes
// are combined in a fixed order at the end.
func vecrow() {
	beginConstants("vecrowConstants")
	for _, wide := range []bool{false, true} {
		for _, double := range []bool{false, true} {
			s := vecISA{wide: wide, double: double}
			add := func(acc, x vec) { s.accumulate(s.pick(instr{plain: VADDPS}, instr{plain: VADDPD}), acc, x) }
			mul := func(acc, x vec) { s.accumulate(s.pick(instr{plain: VMULPS}, instr{plain: VMULPD}), acc, x) }
			fma := func(acc, x, y vec) {
				s.pick(instr{plain: VFMADD231PS}, instr{plain: VFMADD231PD}).plain(x, y, acc)
			}
			one := []string{"a"}
			s.rowReduce("rowSum", "Σ a", one, 0, 0, func(acc vec, x []vec) { add(acc, x[0]) }, add)
			s.rowReduce("rowSumAbs", "Σ |a|", one, 0, 0, func(acc vec, x []vec) { add(acc, s.abs(x[0])) }, add)
			s.rowReduce("rowSumSq", "Σ a²", one, 0, 0, func(acc vec, x []vec) { fma(acc, x[0], x[0]) }, add)
			s.rowReduce("rowDot", "Σ a b", []string{"a", "b"}, 0, 0, func(acc vec, x []vec) { fma(acc, x[0], x[1]) }, add)
			s.rowReduce("rowProd", "Π a", one, 1, 1, func(acc vec, x []vec) { mul(acc, x[0]) }, mul)
			s.rowSqDev(add)
			s.rowExtreme("rowMax", "the largest element", -inf, s.pick(instr{plain: VMAXPS}, instr{plain: VMAXPD}))
			s.rowExtreme("rowMin", "the smallest element", inf, s.pick(instr{plain: VMINPS}, instr{plain: VMINPD}))
			if !double {
				s.rowExpSum(add)
			}
		}
	}
	tailWindow()
	endConstants()
}

// accumulate computes acc = f(x, acc) in place.
func (s vecISA) accumulate(f instr, acc, x vec) { f.plain(x, acc, acc) }

// rowReduce builds a reduction: start is what the partial results begin with, pad what fills the missing lanes of the last vector,
// step adds a vector of each source to a partial result, join adds one partial result to another.
func (s vecISA) rowReduce(base, doc string, sources []string, start, pad float64, step func(acc vec, x []vec), join func(acc, x vec)) {
	sig := "func(a *" + s.goType() + ", n int) " + s.goType()
	if len(sources) == 2 {
		sig = "func(a, b *" + s.goType() + ", n int) " + s.goType()
	}
	TEXT(s.title(base), attr.NOSPLIT, sig)
	Doc(s.title(base) + " computes " + doc + ".")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	var ptrs []gp
	for _, name := range sources {
		ptrs = append(ptrs, st.pointer(name))
	}
	acc := s.partials(start)
	st.run(len(acc), func(vectors int, m lanesMask) {
		for v := range vectors {
			var x []vec
			for _, p := range ptrs {
				x = append(x, s.padded(st.read(p, v, m), m, pad))
			}
			step(acc[v], x)
		}
	})
	s.finishRow(acc, join)
}

// padded replaces the lanes that m leaves out.
func (s vecISA) padded(x vec, m lanesMask, pad float64) vec {
	if m == nil || pad == 0 {
		return x
	}
	return s.pickLanes(m, x, s.k(pad))
}

func (s vecISA) partials(start float64) []vec {
	acc := make([]vec, 4)
	for i := range acc {
		acc[i] = s.load(s.k(start))
	}
	return acc
}

// finishRow combines partial results and returns the one number.
func (s vecISA) finishRow(acc []vec, join func(acc, x vec)) {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for i := range n {
			join(acc[i], acc[i+n])
		}
	}
	r := s.across(acc[0], join)
	if s.double {
		MOVSD(r.AsX(), s.result())
	} else {
		MOVSS(r.AsX(), s.result())
	}
	VZEROUPPER()
	RET()
}

func (s vecISA) result() Op {
	m, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	return m.Addr
}

// across combines the lanes of a vector: halves onto halves. The result is in lane 0.
func (s vecISA) across(x vec, join func(acc, x vec)) vec {
	if s.wide {
		h := YMM()
		VEXTRACTF64X4(U8(1), x, h)
		low := YMM()
		VMOVAPS(x.AsY(), low)
		join(low, h)
		x = low
	}
	h, low := XMM(), XMM()
	VEXTRACTF128(U8(1), x, h)
	VMOVAPS(x.AsX(), low)
	join(low, h)
	for _, shuffle := range []uint8{0x4e, 0xb1}[:map[bool]int{false: 2, true: 1}[s.double]] {
		t := XMM()
		VPSHUFD(U8(shuffle), low, t)
		join(low, t)
	}
	return low
}

// rowSqDev sums squares of deviations from a given mean.
func (s vecISA) rowSqDev(add func(acc, x vec)) {
	TEXT(s.title("rowSqDev"), attr.NOSPLIT, "func(a *"+s.goType()+", mean "+s.goType()+", n int) "+s.goType())
	Doc(s.title("rowSqDev") + " computes Σ (a-mean)².")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	a, mean := st.pointer("a"), s.parameter("mean")
	acc := s.partials(0)
	st.run(len(acc), func(vectors int, m lanesMask) {
		for v := range vectors {
			x := st.read(a, v, m)
			if m != nil {
				x = s.pickLanes(m, x, mean)
			}
			d := s.sub(x, mean)
			s.pick(instr{plain: VFMADD231PS}, instr{plain: VFMADD231PD}).plain(d, d, acc[v])
		}
	})
	s.finishRow(acc, add)
}

// parameter loads a number passed by value into all lanes.
func (s vecISA) parameter(name string) vec {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return s.broadcast(m.Addr)
}

// rowExtreme finds the largest or smallest element. The instruction forgets NaN, so a mask remembers it.
func (s vecISA) rowExtreme(base, doc string, start float64, f instr) {
	TEXT(s.title(base), attr.NOSPLIT, "func(a *"+s.goType()+", n int) "+s.goType())
	Doc(s.title(base) + " computes " + doc + ", NaN if any element is NaN.")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	a := st.pointer("a")
	acc := s.partials(start)
	nan := s.newMask()
	if s.wide {
		KXORW(nan, nan, nan)
	} else {
		VXORPS(nan, nan, nan)
	}
	note := func(x, y vec) {
		m := s.cmp(cmpUN, x, y)
		if s.wide {
			KORW(m, nan, nan)
		} else {
			VORPS(m, nan, nan)
		}
	}
	st.run(len(acc), func(vectors int, m lanesMask) {
		var x []vec
		for v := range vectors {
			x = append(x, s.padded(st.read(a, v, m), m, start))
			s.accumulate(f, acc[v], x[v])
		}
		for v := 0; v < vectors; v += 2 {
			note(x[v], x[min(v+1, vectors-1)])
		}
	})
	join := func(acc, x vec) { s.accumulate(f, acc, x) }
	s.jumpIfAny(nan, "nan")
	s.finishRow(acc, join)
	Label("nan")
	if s.double {
		r := XMM()
		MOVSD(s.k(math.NaN()).mem(), r)
		MOVSD(r, s.result())
	} else {
		r := XMM()
		MOVSS(s.k(math.NaN()).mem(), r)
		MOVSS(r, s.result())
	}
	VZEROUPPER()
	RET()
}

// rowExpSum is the middle pass of a softmax.
func (s vecISA) rowExpSum(add func(acc, x vec)) {
	TEXT(s.title("rowExpSum"), attr.NOSPLIT, "func(dst, a *"+s.goType()+", m "+s.goType()+", n int) "+s.goType())
	Doc(s.title("rowExpSum") + " computes dst = exp(a-m) and Σ dst.")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	dst, a, top := st.pointer("dst"), st.pointer("a"), s.parameter("m")
	acc := s.partials(0)[:2]
	st.run(len(acc), func(vectors int, m lanesMask) {
		for v := range vectors {
			y := s.exp(s.sub(st.read(a, v, m), top))
			st.write(y, dst, v, m)
			if m != nil {
				y = s.keep(m, y)
			}
			add(acc[v], y)
		}
	})
	s.finishRow(acc, add)
}
