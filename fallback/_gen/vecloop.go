package main

import (
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type gp = reg.GPVirtual

// vecLoop is the frame of a routine over n elements: pointers that advance, and a count that falls.
type vecLoop struct {
	vecISA
	n, total gp
	ptrs     []gp // that advance with n
}

// goType is the element type in Go.
func (s vecISA) goType() string {
	if s.double {
		return "float64"
	}
	return "float32"
}

// title is the routine's full name: base, type and instruction set.
func (s vecISA) title(base string) string {
	return base + strings.ToUpper(s.goType()[:1]) + s.goType()[5:] + s.name()
}

func (s vecISA) loadVec(m Mem) vec {
	r := s.reg()
	VMOVUPS(m, r)
	return r
}

func (s vecISA) broadcast(m Mem) vec {
	r := s.reg()
	if s.double {
		VBROADCASTSD(m, r)
	} else {
		VBROADCASTSS(m, r)
	}
	return r
}

// tailMask is true in the first n lanes.
func (s vecISA) tailMask(n gp) lanesMask {
	if s.wide {
		b, m := GP32(), K()
		MOVL(I32(-1), b)
		BZHIL(n.As32(), b, b)
		KMOVW(b, m)
		return m
	}
	p, off, m := GP64(), GP64(), YMM()
	LEAQ(NewDataAddr(NewStaticSymbol("tailMask"), 32), p)
	MOVQ(n, off)
	SHLQ(U8(map[int]int{4: 2, 8: 3}[s.size()]), off)
	SUBQ(off, p)
	VMOVUPS(Mem{Base: p}, m)
	return m
}

// tailWindow writes the table that tailMask reads with AVX2: a vector of ones before one of zeros.
func tailWindow() {
	GLOBL("tailMask", attr.RODATA|attr.NOPTR)
	for i := range 8 {
		v := U64(0)
		if i < 4 {
			v = ^U64(0)
		}
		DATA(8*i, v)
	}
}

// loadLanes reads the lanes of m, the others are 0.
func (s vecISA) loadLanes(at Mem, m lanesMask) vec {
	r := s.reg()
	switch {
	case s.wide && s.double:
		VMOVUPD_Z(at, m, r)
	case s.wide:
		VMOVUPS_Z(at, m, r)
	case s.double:
		VMASKMOVPD(at, m, r)
	default:
		VMASKMOVPS(at, m, r)
	}
	return r
}

func (s vecISA) storeLanes(v vec, at Mem, m lanesMask) {
	switch {
	case s.wide && s.double:
		VMOVUPD(v, m, at)
	case s.wide:
		VMOVUPS(v, m, at)
	case s.double:
		VMASKMOVPD(v, m, at)
	default:
		VMASKMOVPS(v, m, at)
	}
}

// pointer loads a parameter that advances with the count.
func (st *vecLoop) pointer(name string) gp {
	p := Load(Param(name), GP64()).(gp)
	st.ptrs = append(st.ptrs, p)
	return p
}

// scalar loads a pointer parameter's single element into all lanes.
func (st *vecLoop) scalar(name string) vec {
	return st.broadcast(Mem{Base: Load(Param(name), GP64())})
}

func (st *vecLoop) advance(vectors int) {
	for _, p := range st.ptrs {
		ADDQ(I32(vectors*st.bytes()), p)
	}
	SUBQ(I32(vectors*st.lanes()), st.n)
}

// run writes the loops: unroll vectors at a time, then single ones, then the last lanes. block handles `vectors` whole vectors; m is
// nil but for the last lanes.
func (st *vecLoop) run(unroll int, block func(vectors int, m lanesMask)) {
	for _, u := range []int{unroll, 1} {
		name := map[bool]string{true: "one", false: "many"}[u == 1]
		CMPQ(st.n, I32(u*st.lanes()))
		JLT(LabelRef(name + "_done"))
		Label(name)
		block(u, nil)
		st.advance(u)
		CMPQ(st.n, I32(u*st.lanes()))
		JGE(LabelRef(name))
		Label(name + "_done")
		if unroll == 1 {
			break
		}
	}
	TESTQ(st.n, st.n)
	JE(LabelRef("end"))
	block(1, st.tailMask(st.n))
	Label("end")
}

// whole is run for counts that are multiples of the vector's length.
func (st *vecLoop) whole(unroll int, block func(vectors int)) {
	for _, u := range []int{unroll, 1} {
		name := map[bool]string{true: "one", false: "many"}[u == 1]
		CMPQ(st.n, I32(u*st.lanes()))
		JLT(LabelRef(name + "_done"))
		Label(name)
		block(u)
		st.advance(u)
		CMPQ(st.n, I32(u*st.lanes()))
		JGE(LabelRef(name))
		Label(name + "_done")
	}
}

// read loads vector i at p, or its lanes m.
func (st *vecLoop) read(p gp, i int, m lanesMask) vec {
	at := Mem{Base: p, Disp: i * st.bytes()}
	if m != nil {
		return st.loadLanes(at, m)
	}
	return st.loadVec(at)
}

func (st *vecLoop) write(v vec, p gp, i int, m lanesMask) {
	at := Mem{Base: p, Disp: i * st.bytes()}
	if m != nil {
		st.storeLanes(v, at, m)
		return
	}
	VMOVUPS(v, at)
}

// pointwise builds dst[i] = body(a[i], b[i], c[i]). Sources whose bit is set in scalars have one element. A body that can refuse lanes
// (jumping to "exit" before anything is stored) makes a routine that returns how many elements it has computed.
func (s vecISA) pointwise(base, doc string, arity, scalars, unroll int, refuses bool, body func(x ...vec) vec) {
	names := []string{"a", "b", "c"}[:arity]
	sig := "dst, " + strings.Join(names, ", ") + " *" + s.goType() + ", n int"
	if refuses {
		sig = "func(" + sig + ") int"
	} else {
		sig = "func(" + sig + ")"
	}
	TEXT(s.title(base), attr.NOSPLIT, sig)
	Doc(s.title(base) + " computes " + doc + ".")
	st := &vecLoop{vecISA: s, n: Load(Param("n"), GP64()).(gp)}
	if refuses {
		st.total = GP64()
		MOVQ(st.n, st.total)
	}
	dst := st.pointer("dst")
	fixed := make([]vec, arity)
	src := make([]gp, arity)
	for i, name := range names {
		if scalars>>i&1 != 0 {
			fixed[i] = st.scalar(name)
		} else {
			src[i] = st.pointer(name)
		}
	}
	st.run(unroll, func(vectors int, m lanesMask) {
		out := make([]vec, vectors)
		for v := range vectors {
			x := make([]vec, arity)
			for i := range x {
				if x[i] = fixed[i]; src[i] != nil {
					x[i] = st.read(src[i], v, m)
					if refuses && m != nil { // nothing to refuse in the missing lanes
						x[i] = s.pickLanes(m, x[i], s.k(1))
					}
				}
			}
			out[v] = body(x...)
		}
		for v := range vectors {
			st.write(out[v], dst, v, m)
		}
		if m != nil && refuses {
			XORQ(st.n, st.n)
		}
	})
	if refuses {
		Label("exit")
		SUBQ(st.n, st.total)
		Store(st.total, ReturnIndex(0))
	}
	VZEROUPPER()
	RET()
}

// refuse ends a routine before the present vector if m is true anywhere.
func (s vecISA) refuse(m lanesMask) { s.jumpIfAny(m, "exit") }
