package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lanesOfWarp is the threads of a warp.
const lanesOfWarp = 32

// operands are the registers d, a, b and c of a function.
type operands [4]reg.Register

// at is vector i of 32 bytes of operand k: 0 for d, 1 for a and so on.
func (p operands) at(k, i int) Mem { return Mem{Base: p[k], Disp: 32 * i} }

// lanes defines an operation of n sources in so many steps.
func lanes(name, doc string, n, steps int, step func(p operands, i int)) {
	nothing := func() (none reg.VecVirtual) { return none }
	lanesWith(name, doc, n, steps, nothing, func(p operands, i int, _ reg.VecVirtual) { step(p, i) })
}

// lanesWith is lanes with a register that is set before the steps.
func lanesWith(name, doc string, n, steps int, set func() reg.VecVirtual, step func(p operands, i int, c reg.VecVirtual)) {
	TEXT(name+"AVX2", attr.NOSPLIT, "func(d, a, b, c *reg)")
	Pragma("noescape")
	Doc(name + "AVX2 computes " + doc)
	var p operands
	for k := range n + 1 {
		p[k] = Load(Param("dabc"[k:k+1]), GP64())
	}
	c := set()
	for i := range steps {
		step(p, i, c)
	}
	VZEROUPPER()
	RET()
}

// binary is an instruction on two vectors.
type binary = func(ops ...Op)

// three is an instruction that has only the form on three registers.
func three(f func(a, b, c Op)) binary { return func(ops ...Op) { f(ops[0], ops[1], ops[2]) } }

// load reads vector i of operand k.
func (p operands) load(k, i int) reg.VecVirtual {
	y := YMM()
	VMOVDQU(p.at(k, i), y)
	return y
}

// store writes vector i of d.
func (p operands) store(y reg.Register, i int) { VMOVDQU(y, p.at(0, i)) }

// loaded sets a register to a constant.
func loaded(c Mem) func() reg.VecVirtual {
	return func() reg.VecVirtual {
		y := YMM()
		VMOVDQU(c, y)
		return y
	}
}

// The names of the constants, 32 bytes each.
func constant(name string, v ...uint32) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range 8 {
		DATA(4*i, U32(v[i%len(v)]))
	}
	return m
}

// canonical replaces what is no number by the one NaN; nan is a register that has it in every lane.
func canonical(y, nan reg.VecVirtual) {
	m := YMM()
	VCMPPS(Imm(3), y, y, m)
	VBLENDVPS(m, nan, y, y)
}

// binaryLanes is an operation of one instruction on two sources.
type binaryLanes struct {
	name, doc string
	steps     int
	op        binary
}

// define writes the operation. With nan, a constant, results that are no number become it.
func (f binaryLanes) define(nan *Mem) {
	if nan == nil {
		lanes(f.name, f.doc, 2, f.steps, func(p operands, i int) { p.store(f.apply(p, i), i) })
		return
	}
	lanesWith(f.name, f.doc, 2, f.steps, loaded(*nan), func(p operands, i int, n reg.VecVirtual) {
		y := f.apply(p, i)
		canonical(y, n)
		p.store(y, i)
	})
}

// apply computes vector i.
func (f binaryLanes) apply(p operands, i int) reg.VecVirtual {
	y := p.load(1, i)
	f.op(p.at(2, i), y, y)
	return y
}

// arithmetic is the operations of one instruction on each vector.
func arithmetic() {
	nan := constant("nanF32", 0x7fffffff)
	for _, f := range []binaryLanes{
		{"addF32", "d = a + b of float32.", 4, VADDPS},
		{"subF32", "d = a - b of float32.", 4, VSUBPS},
		{"mulF32", "d = a · b of float32.", 4, VMULPS},
		{"divF32", "d = a / b of float32.", 4, VDIVPS},
	} {
		f.define(&nan)
	}
	lanesWith("fmaF32", "d = a · b + c of float32, rounded once.", 3, 4, loaded(nan), func(p operands, i int, n reg.VecVirtual) {
		y, z := p.load(1, i), p.load(3, i)
		VFMADD231PS(p.at(2, i), y, z)
		canonical(z, n)
		p.store(z, i)
	})
	lanes("fmaF64", "d = a · b + c of float64, rounded once.", 3, 8, func(p operands, i int) {
		y, z := p.load(1, i), p.load(3, i)
		VFMADD231PD(p.at(2, i), y, z)
		p.store(z, i)
	})
	lanes("mad32", "d = a · b + c of 32-bit integers.", 3, 4, func(p operands, i int) {
		y := p.load(1, i)
		VPMULLD(p.at(2, i), y, y)
		VPADDD(p.at(3, i), y, y)
		p.store(y, i)
	})
	for _, f := range []binaryLanes{
		{"addF64", "d = a + b of float64.", 8, VADDPD},
		{"subF64", "d = a - b of float64.", 8, VSUBPD},
		{"mulF64", "d = a · b of float64.", 8, VMULPD},
		{"divF64", "d = a / b of float64.", 8, VDIVPD},
		{"add32", "d = a + b of 32-bit integers.", 4, VPADDD},
		{"sub32", "d = a - b of 32-bit integers.", 4, VPSUBD},
		{"mul32", "d = a · b of 32-bit integers.", 4, VPMULLD},
		{"and32", "d = a and b.", 4, three(VPAND)},
		{"or32", "d = a or b.", 4, three(VPOR)},
		{"xor32", "d = a xor b.", 4, three(VPXOR)},
		{"shl32", "d = a << b.", 4, VPSLLVD},
		{"shrU32", "d = a >> b, filled with zeros.", 4, VPSRLVD},
		{"shrS32", "d = a >> b, filled with the sign.", 4, VPSRAVD},
		{"minS32", "d = min(a, b) of int32.", 4, VPMINSD},
		{"maxS32", "d = max(a, b) of int32.", 4, VPMAXSD},
		{"minU32", "d = min(a, b) of uint32.", 4, VPMINUD},
		{"maxU32", "d = max(a, b) of uint32.", 4, VPMAXUD},
		{"add64", "d = a + b of 64-bit integers.", 8, VPADDQ},
		{"sub64", "d = a - b of 64-bit integers.", 8, VPSUBQ},
		{"and64", "d = a and b of 64 bits.", 8, three(VPAND)},
		{"or64", "d = a or b of 64 bits.", 8, three(VPOR)},
		{"xor64", "d = a xor b of 64 bits.", 8, three(VPXOR)},
	} {
		f.define(nil)
	}
	extremeF32("minF32", "d = min(a, b) of float32: the number where the other is none, -0 below +0.", VMINPS, three(VPOR), nan)
	extremeF32("maxF32", "d = max(a, b) of float32: the number where the other is none, -0 below +0.", VMAXPS, three(VPAND), nan)
}

// extremeF32 defines a minimum or a maximum of float32. zeros joins the bits of equal numbers: of two zeros, minus if one is (min), plus if one is (max).
func extremeF32(name, doc string, op, zeros binary, nan Mem) {
	lanesWith(name, doc, 2, 4, loaded(nan), func(p operands, i int, n reg.VecVirtual) {
		x, y, z, m := p.load(1, i), p.load(2, i), YMM(), YMM()
		op(x, y, z) // equal numbers and NaN: the second source, x
		VCMPPS(Imm(0), x, y, m)
		both := YMM()
		zeros(x, y, both)
		VBLENDVPS(m, both, z, z)
		VCMPPS(Imm(3), x, x, m) // x is no number: y
		VBLENDVPS(m, y, z, z)
		canonical(z, n)
		p.store(z, i)
	})
}
