package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vecISA is a small language of vector expressions that is written out for AVX2 and for AVX-512 alike. Operands come in the order
// of the formula (sub(a, b) is a-b). Results are new registers, except that of horner.
type vecISA struct {
	wide   bool // AVX-512 instead of AVX2
	double bool // float64 elements instead of float32
}

type (
	vec = reg.VecVirtual
	// lanesMask holds one truth value a lane: an opmask with AVX-512, all-ones lanes of a vector with AVX2.
	lanesMask = reg.Register
	// instr is an instruction of avo with its form that repeats one element of memory.
	instr struct{ plain, bcst func(...Op) }
	// constant is an element of the table of constants, by its offset.
	constant int
)

// The predicates of comparisons. The ordered ones are false for NaN.
const (
	cmpEQ = 0x00
	cmpLT = 0x11
	cmpLE = 0x12
	cmpNE = 0x04 // true for NaN
	cmpGE = 0x1d
	cmpGT = 0x1e
	cmpUN = 0x03 // one is NaN
	cmpON = 0x0c // ordered and unequal
)

// constants is the table that the current family's routines share: each a full AVX2 vector.
var constants struct {
	name  string
	bits  []uint64
	index map[uint64]constant
}

func beginConstants(name string) {
	constants.name, constants.bits, constants.index = name, nil, map[uint64]constant{}
}

// endConstants writes the table out.
func endConstants() {
	GLOBL(constants.name, attr.RODATA|attr.NOPTR)
	for i, b := range constants.bits {
		for l := range 4 {
			DATA(32*i+8*l, U64(b))
		}
	}
}

// k is a constant of the element type.
func (s vecISA) k(v float64) constant {
	if s.double {
		return s.bits(math.Float64bits(v))
	}
	return s.bits(uint64(math.Float32bits(float32(v))))
}

// bits is a constant given by its bits.
func (s vecISA) bits(b uint64) constant {
	if !s.double {
		b |= b << 32
	}
	c, ok := constants.index[b]
	if !ok {
		c = constant(32 * len(constants.bits))
		constants.bits = append(constants.bits, b)
		constants.index[b] = c
	}
	return c
}

func (c constant) mem() Mem { return NewDataAddr(NewStaticSymbol(constants.name), int(c)) }

func (s vecISA) name() string {
	if s.wide {
		return "AVX512"
	}
	return "AVX2"
}

func (s vecISA) size() int {
	if s.double {
		return 8
	}
	return 4
}

func (s vecISA) bytes() int {
	if s.wide {
		return 64
	}
	return 32
}

func (s vecISA) lanes() int { return s.bytes() / s.size() }

func (s vecISA) reg() vec {
	if s.wide {
		return ZMM()
	}
	return YMM()
}

// pick chooses the instruction for the element type.
func (s vecISA) pick(single, double instr) instr {
	if s.double {
		return double
	}
	return single
}

// emit writes an instruction whose first operand (the formula's last) may be a constant.
func (s vecISA) emit(f instr, last any, rest ...Op) {
	switch last := last.(type) {
	case constant:
		if s.wide {
			f.bcst(append([]Op{last.mem()}, rest...)...)
		} else {
			f.plain(append([]Op{last.mem()}, rest...)...)
		}
	case vec:
		f.plain(append([]Op{last}, rest...)...)
	default:
		panic(fmt.Sprintf("operand %T", last))
	}
}

// load puts a constant into a register.
func (s vecISA) load(v any) vec {
	c, ok := v.(constant)
	if !ok {
		return v.(vec)
	}
	r := s.reg()
	switch {
	case s.double:
		VBROADCASTSD(c.mem(), r)
	default:
		VBROADCASTSS(c.mem(), r)
	}
	return r
}

func (s vecISA) binary(f instr, a, b any) vec {
	x, r := s.load(a), s.reg()
	s.emit(f, b, x, r)
	return r
}

func (s vecISA) add(a, b any) vec {
	return s.binary(s.pick(instr{VADDPS, VADDPS_BCST}, instr{VADDPD, VADDPD_BCST}), a, b)
}
func (s vecISA) sub(a, b any) vec {
	return s.binary(s.pick(instr{VSUBPS, VSUBPS_BCST}, instr{VSUBPD, VSUBPD_BCST}), a, b)
}
func (s vecISA) mul(a, b any) vec {
	return s.binary(s.pick(instr{VMULPS, VMULPS_BCST}, instr{VMULPD, VMULPD_BCST}), a, b)
}
func (s vecISA) div(a, b any) vec {
	return s.binary(s.pick(instr{VDIVPS, VDIVPS_BCST}, instr{VDIVPD, VDIVPD_BCST}), a, b)
}

// max and min give b if either is NaN.
func (s vecISA) max(a, b any) vec {
	return s.binary(s.pick(instr{VMAXPS, VMAXPS_BCST}, instr{VMAXPD, VMAXPD_BCST}), a, b)
}
func (s vecISA) min(a, b any) vec {
	return s.binary(s.pick(instr{VMINPS, VMINPS_BCST}, instr{VMINPD, VMINPD_BCST}), a, b)
}

func (s vecISA) and(a, b any) vec {
	return s.binary(s.pick(instr{VANDPS, VANDPS_BCST}, instr{VANDPD, VANDPD_BCST}), a, b)
}
func (s vecISA) or(a, b any) vec {
	return s.binary(s.pick(instr{VORPS, VORPS_BCST}, instr{VORPD, VORPD_BCST}), a, b)
}
func (s vecISA) xor(a, b any) vec {
	return s.binary(s.pick(instr{VXORPS, VXORPS_BCST}, instr{VXORPD, VXORPD_BCST}), a, b)
}

// iadd and isub work on integer lanes of the element's width.
func (s vecISA) iadd(a, b any) vec {
	return s.binary(s.pick(instr{VPADDD, VPADDD_BCST}, instr{VPADDQ, VPADDQ_BCST}), a, b)
}
func (s vecISA) isub(a, b any) vec {
	return s.binary(s.pick(instr{VPSUBD, VPSUBD_BCST}, instr{VPSUBQ, VPSUBQ_BCST}), a, b)
}

func (s vecISA) shiftLeft(a vec, n int) vec {
	r := s.reg()
	if s.double {
		VPSLLQ(U8(n), a, r)
	} else {
		VPSLLD(U8(n), a, r)
	}
	return r
}

// shiftRight keeps the sign (float32 lanes only: AVX2 has no such shift of 64 bits).
func (s vecISA) shiftRight(a vec, n int) vec {
	r := s.reg()
	VPSRAD(U8(n), a, r)
	return r
}

func (s vecISA) abs(a any) vec { return s.and(a, s.bits(s.signBit()-1)) }
func (s vecISA) neg(a any) vec { return s.xor(a, s.bits(s.signBit())) }
func (s vecISA) sign(a any) vec {
	return s.and(a, s.bits(s.signBit()))
}
func (s vecISA) signBit() uint64 {
	if s.double {
		return 1 << 63
	}
	return 1 << 31
}

func (s vecISA) copy(a vec) vec {
	r := s.reg()
	VMOVAPS(a, r)
	return r
}

func (s vecISA) sqrt(a vec) vec {
	r := s.reg()
	if s.double {
		VSQRTPD(a, r)
	} else {
		VSQRTPS(a, r)
	}
	return r
}

// The rounding modes of round.
const (
	nearest = 8
	down    = 9
	up      = 10
)

func (s vecISA) round(a vec, mode int) vec {
	r := s.reg()
	switch {
	case s.wide && s.double:
		VRNDSCALEPD(U8(mode), a, r)
	case s.wide:
		VRNDSCALEPS(U8(mode), a, r)
	case s.double:
		VROUNDPD(U8(mode), a, r)
	default:
		VROUNDPS(U8(mode), a, r)
	}
	return r
}

// toInt rounds float32 lanes to integers, half to even; fromInt goes back.
func (s vecISA) toInt(a vec) vec {
	r := s.reg()
	VCVTPS2DQ(a, r)
	return r
}

func (s vecISA) fromInt(a vec) vec {
	r := s.reg()
	VCVTDQ2PS(a, r)
	return r
}

// horner turns p into p*x + c in place and returns it.
func (s vecISA) horner(p, x vec, c any) vec {
	s.emit(s.pick(instr{VFMADD213PS, VFMADD213PS_BCST}, instr{VFMADD213PD, VFMADD213PD_BCST}), c, x, p)
	return p
}

// fma is a*b + c.
func (s vecISA) fma(a, b, c any) vec {
	x, r := s.load(a), s.copy(s.load(c))
	s.emit(s.pick(instr{VFMADD231PS, VFMADD231PS_BCST}, instr{VFMADD231PD, VFMADD231PD_BCST}), b, x, r)
	return r
}

// fnma is c - a*b.
func (s vecISA) fnma(a, b, c any) vec {
	x, r := s.load(a), s.copy(s.load(c))
	s.emit(s.pick(instr{VFNMADD231PS, VFNMADD231PS_BCST}, instr{VFNMADD231PD, VFNMADD231PD_BCST}), b, x, r)
	return r
}

// poly evaluates c[0] + c[1] x + c[2] x² + …
func (s vecISA) poly(x vec, c ...float64) vec {
	p := s.copy(s.load(s.k(c[len(c)-1])))
	for i := len(c) - 2; i >= 0; i-- {
		p = s.horner(p, x, s.k(c[i]))
	}
	return p
}

func (s vecISA) newMask() lanesMask {
	if s.wide {
		return K()
	}
	return YMM()
}

func (s vecISA) cmp(pred uint8, a, b any) lanesMask {
	m, x := s.newMask(), s.load(a)
	s.emit(s.pick(instr{VCMPPS, VCMPPS_BCST}, instr{VCMPPD, VCMPPD_BCST}).with(U8(pred)), b, x, m.(Op))
	return m
}

// with puts an immediate before an instruction's operands.
func (f instr) with(imm Op) instr {
	return instr{
		func(ops ...Op) { f.plain(append([]Op{imm}, ops...)...) },
		func(ops ...Op) { f.bcst(append([]Op{imm}, ops...)...) },
	}
}

// either is true where a or b is.
func (s vecISA) either(a, b lanesMask) lanesMask {
	m := s.newMask()
	if s.wide {
		KORW(a, b, m)
	} else {
		VORPS(a, b, m)
	}
	return m
}

// both is true where a and b are.
func (s vecISA) both(a, b lanesMask) lanesMask {
	m := s.newMask()
	if s.wide {
		KANDW(a, b, m)
	} else {
		VANDPS(a, b, m)
	}
	return m
}

// pickLanes is a where m is true, else b.
func (s vecISA) pickLanes(m lanesMask, a, b any) vec {
	y, r := s.load(b), s.reg()
	switch {
	case s.wide:
		s.emit(s.maskedBlend(m), a, y, r)
	case s.double:
		VBLENDVPD(m, s.load(a), y, r)
	default:
		VBLENDVPS(m, s.load(a), y, r)
	}
	return r
}

func (s vecISA) maskedBlend(m lanesMask) instr {
	f := s.pick(instr{VBLENDMPS, VBLENDMPS_BCST}, instr{VBLENDMPD, VBLENDMPD_BCST})
	wrap := func(g func(...Op)) func(...Op) {
		return func(ops ...Op) { g(ops[0], ops[1], m, ops[2]) }
	}
	return instr{wrap(f.plain), wrap(f.bcst)}
}

// keep is a where m is true, else 0.
func (s vecISA) keep(m lanesMask, a any) vec {
	if s.wide {
		x, r := s.load(a), s.reg()
		if s.double {
			VMOVAPD_Z(x, m, r)
		} else {
			VMOVAPS_Z(x, m, r)
		}
		return r
	}
	return s.binary(s.pick(instr{VANDPS, nil}, instr{VANDPD, nil}), m.(vec), a)
}

// truth is 1 where m is true, else 0.
func (s vecISA) truth(m lanesMask) vec { return s.keep(m, s.k(1)) }

// jumpIfAny jumps to a label if m is true anywhere.
func (s vecISA) jumpIfAny(m lanesMask, label string) {
	if s.wide {
		KORTESTW(m, m)
	} else {
		b := GP32()
		VMOVMSKPS(m, b)
		TESTL(b, b)
	}
	JNE(LabelRef(label))
}
