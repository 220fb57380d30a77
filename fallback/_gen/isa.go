package main

import (
	"fmt"
	"go/token"
	"go/types"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa emits vector code for one instruction set, so that a kernel is written once for both: whole vectors of float32, and a masked
// one at the end of a row.
type isa struct {
	name string // ends the names of functions
	wide bool   // ZMM with mask registers, otherwise YMM
	// What masks the last vector of a row, once tailMask has run.
	mask  reg.VecVirtual
	kmask reg.OpmaskVirtual
	label int
	// stream makes results bypass the caches; they must then be aligned to a vector, and rows be whole vectors.
	stream bool
}

func isas() []*isa {
	return []*isa{{name: "AVX2"}, {name: "AVX512", wide: true}}
}

// bytes is the size of a vector.
func (s *isa) bytes() int {
	if s.wide {
		return 64
	}
	return 32
}

func (s *isa) vec() reg.VecVirtual {
	if s.wide {
		return ZMM()
	}
	return YMM()
}

func (s *isa) vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = s.vec()
	}
	return v
}

// unique makes a label that the function does not have yet.
func (s *isa) unique(name string) string {
	s.label++
	return fmt.Sprintf("%s%d", name, s.label)
}

// function begins a function that takes a pointer to a structure of arguments, which is declared in package fallback.
func (s *isa) function(name, args, doc string) reg.Register {
	if types.Universe.Lookup(args) == nil { // the only scope in which avo resolves names without loading a package
		t := types.NewTypeName(token.NoPos, nil, args, nil)
		types.NewNamed(t, types.NewStruct(nil, nil), nil)
		types.Universe.Insert(t)
	}
	TEXT(name+s.name, attr.NOSPLIT, "func(p *"+args+")")
	Pragma("noescape")
	Doc(name + s.name + " " + doc)
	s.label = 0
	return Load(Param("p"), GP64())
}

// field loads the 8-byte field at index i of the arguments.
func field(p reg.Register, i int) reg.GPVirtual {
	r := GP64()
	MOVQ(Mem{Base: p, Disp: 8 * i}, r)
	return r
}

// end closes a function.
func (s *isa) end() {
	if s.stream {
		SFENCE()
	}
	VZEROUPPER()
	RET()
}

// tailMask prepares the mask of the first rem (0 … lanes-1) elements; table is used by YMM code.
func (s *isa) tailMask(rem reg.GPVirtual, table Mem) {
	if s.wide {
		m := GP64()
		MOVQ(U64(1<<16-1), m)
		BZHIQ(rem, m, m)
		s.kmask = K()
		KMOVW(m.As32(), s.kmask)
		return
	}
	at := GP64()
	LEAQ(table, at)
	back := GP64()
	MOVQ(rem, back)
	SHLQ(Imm(2), back)
	SUBQ(back, at)
	s.mask = YMM()
	VMOVDQU(Mem{Base: at, Disp: 32}, s.mask)
}

// load reads a whole vector, or the masked part of one with zeros behind.
func (s *isa) load(m Mem, v reg.VecVirtual, tail bool) {
	switch {
	case !tail:
		VMOVUPS(m, v)
	case s.wide:
		VMOVUPS_Z(m, s.kmask, v)
	default:
		VMASKMOVPS(m, s.mask, v)
	}
}

// store writes a whole vector, or the masked part of one.
func (s *isa) store(v reg.VecVirtual, m Mem, tail bool) {
	switch {
	case !tail:
		VMOVUPS(v, m)
	case s.wide:
		VMOVUPS(v, s.kmask, m)
	default:
		VMASKMOVPS(v, s.mask, m)
	}
}

// result writes a part of the function's result.
func (s *isa) result(v reg.VecVirtual, m Mem, tail bool) {
	if s.stream && !tail {
		VMOVNTPS(v, m)
		return
	}
	s.store(v, m, tail)
}

// sumLanes adds all lanes of v into lane 0.
func (s *isa) sumLanes(v reg.VecVirtual) reg.VecVirtual {
	y := v.AsY()
	t := YMM()
	if s.wide {
		VEXTRACTF64X4(Imm(1), v, t)
		VADDPS(t, y, y)
	}
	VEXTRACTF128(Imm(1), y, t.AsX())
	x := v.AsX()
	VADDPS(t.AsX(), x, x)
	VPERMILPS(Imm(0x4e), x, t.AsX())
	VADDPS(t.AsX(), x, x)
	VPERMILPS(Imm(0xb1), x, t.AsX())
	VADDPS(t.AsX(), x, x)
	return v
}

// columns runs body over the vectors of a row of size bytes, body(offset register, whether it is the masked tail).
// The masked part runs if rem is not 0.
func (s *isa) columns(size, rem reg.GPVirtual, body func(j reg.GPVirtual, tail bool)) {
	loop, tail, done := s.unique("column"), s.unique("tail"), s.unique("end")
	j := GP64()
	XORQ(j, j)
	Label(loop)
	next := GP64()
	LEAQ(Mem{Base: j, Disp: s.bytes()}, next)
	CMPQ(next, size)
	JGT(LabelRef(tail))
	body(j, false)
	ADDQ(Imm(uint64(s.bytes())), j)
	JMP(LabelRef(loop))
	Label(tail)
	TESTQ(rem, rem)
	JZ(LabelRef(done))
	body(j, true)
	Label(done)
}

// rows runs body count times.
func (s *isa) rows(count reg.GPVirtual, body func()) {
	loop, done := s.unique("row"), s.unique("rows")
	Label(loop)
	TESTQ(count, count)
	JZ(LabelRef(done))
	body()
	DECQ(count)
	JMP(LabelRef(loop))
	Label(done)
}

func at(base reg.Register, j reg.Register) Mem { return Mem{Base: base, Index: j, Scale: 1} }

// tailTable is eight ones and eight zeros: a mask of r lanes starts r lanes before its middle.
func tailTable(name string) Mem {
	t := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = 0xffffffff
		}
		DATA(4*i, U32(v))
	}
	return t
}
