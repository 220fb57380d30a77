package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// half is words 4i to 4i+3 of operand k.
func (p operands) half(k, i int) Mem { return Mem{Base: p[k], Disp: 16 * i} }

// wide is the operations that are more than one instruction, most of them of 64 bits.
func wide() {
	for _, f := range []struct {
		name, doc string
		shift     func(n, y, d Op)
	}{
		{"shl64", "d = a << b of 64 bits, b of 32.", func(n, y, d Op) { VPSLLVQ(n, y, d) }},
		{"shrU64", "d = a >> b of 64 bits, b of 32, filled with zeros.", func(n, y, d Op) { VPSRLVQ(n, y, d) }},
	} {
		lanes(f.name, f.doc, 2, 8, func(p operands, i int) {
			y, n := p.load(1, i), YMM()
			VPMOVZXDQ(p.half(2, i), n)
			f.shift(n, y, y)
			p.store(y, i)
		})
	}
	zero := func() reg.VecVirtual {
		y := YMM()
		VPXOR(y, y, y)
		return y
	}
	lanesWith("shrS64", "d = a >> b of 64 bits, b of 32, filled with the sign.", 2, 8, zero, func(p operands, i int, zero reg.VecVirtual) {
		y, n, s := p.load(1, i), YMM(), YMM()
		VPMOVZXDQ(p.half(2, i), n)
		VPCMPGTQ(y, zero, s) // all ones where a is negative; its complement is shifted then
		VPXOR(s, y, y)
		VPSRLVQ(n, y, y)
		VPXOR(s, y, y)
		p.store(y, i)
	})
	product := func(x, y reg.VecVirtual) reg.VecVirtual { // the low 64 bits of products
		hi, cross, lo := YMM(), YMM(), YMM()
		VPSRLQ(Imm(32), x, hi)
		VPMULUDQ(y, hi, hi)
		VPSRLQ(Imm(32), y, cross)
		VPMULUDQ(x, cross, cross)
		VPADDQ(cross, hi, hi)
		VPSLLQ(Imm(32), hi, hi)
		VPMULUDQ(x, y, lo)
		VPADDQ(hi, lo, lo)
		return lo
	}
	lanes("mul64", "d = a · b of 64-bit integers.", 2, 8, func(p operands, i int) {
		p.store(product(p.load(1, i), p.load(2, i)), i)
	})
	lanes("mad64", "d = a · b + c of 64-bit integers.", 3, 8, func(p operands, i int) {
		y := product(p.load(1, i), p.load(2, i))
		VPADDQ(p.at(3, i), y, y)
		p.store(y, i)
	})
	for _, f := range []struct {
		name, doc string
		signed    bool
	}{{"U32", "unsigned", false}, {"S32", "signed", true}} {
		extended := func(p operands, i int) reg.VecVirtual {
			x, y := YMM(), YMM()
			if f.signed {
				VPMOVSXDQ(p.half(1, i), x)
				VPMOVSXDQ(p.half(2, i), y)
				VPMULDQ(y, x, x)
			} else {
				VPMOVZXDQ(p.half(1, i), x)
				VPMOVZXDQ(p.half(2, i), y)
				VPMULUDQ(y, x, x)
			}
			return x
		}
		lanes("mulWide"+f.name, "d = a · b, the 64-bit products of "+f.doc+" 32-bit integers.", 2, 8, func(p operands, i int) {
			p.store(extended(p, i), i)
		})
		lanes("madWide"+f.name, "d = a · b + c, with the 64-bit products of "+f.doc+" 32-bit integers.", 3, 8, func(p operands, i int) {
			x := extended(p, i)
			VPADDQ(p.at(3, i), x, x)
			p.store(x, i)
		})
	}
	choices()
}

// choices is selp.
func choices() {
	bits32 := constant("laneBits32", 1, 2, 4, 8, 16, 32, 64, 128)
	bits64 := GLOBL("laneBits64", attr.RODATA|attr.NOPTR)
	for i := range 4 {
		DATA(8*i, U64(1<<i))
	}
	choice("select32", "32", 4, bits32, func(x, y Op) { VPBROADCASTD(x, y) }, func(x, y, m Op) { VPCMPEQD(x, y, m) })
	choice("select64", "64", 8, bits64, func(x, y Op) { VPBROADCASTQ(x, y) }, func(x, y, m Op) { VPCMPEQQ(x, y, m) })
}

// choice defines selp of the given width: bits has a bit of the mask for each lane of a vector.
func choice(name, width string, steps int, bits Mem, broadcast func(x, y Op), equal func(x, y, m Op)) {
	var mask reg.GPVirtual // what is left of it
	lanesWith(name, "d = a in the lanes of the mask c[0], else b, of "+width+" bits.", 3, steps, loaded(bits), func(p operands, i int, bits reg.VecVirtual) {
		if i == 0 {
			mask = GP32()
			MOVL(Mem{Base: p[3]}, mask)
		}
		all, m, x := YMM(), YMM(), XMM()
		y, z := p.load(1, i), p.load(2, i)
		VMOVD(mask, x)
		broadcast(x, all)
		VPAND(bits, all, m)
		equal(bits, m, m)
		VPBLENDVB(m, y, z, z)
		p.store(z, i)
		SHRL(Imm(uint64(lanesOfWarp/steps)), mask)
	})
}

// conversions is cvt.
func conversions() {
	nan := constant("nanConverted", 0x7fffffff)
	lanes("u32To64", "d = a, of 64 bits from unsigned 32.", 1, 8, func(p operands, i int) {
		y := YMM()
		VPMOVZXDQ(p.half(1, i), y)
		p.store(y, i)
	})
	lanes("s32To64", "d = a, of 64 bits from signed 32.", 1, 8, func(p operands, i int) {
		y := YMM()
		VPMOVSXDQ(p.half(1, i), y)
		p.store(y, i)
	})
	lanes("low32", "d = the low words of a.", 1, 4, func(p operands, i int) {
		x, y := p.load(1, 2*i), p.load(1, 2*i+1)
		VSHUFPS(Imm(0x88), y, x, x) // words 0 2 of x and of y, in each half
		VPERMQ(Imm(0xd8), x, x)
		p.store(x, i)
	})
	lanes("s32ToF32", "d = a, float32 from int32.", 1, 4, func(p operands, i int) {
		y := YMM()
		VCVTDQ2PS(p.at(1, i), y)
		p.store(y, i)
	})
	lanesWith("f16ToF32", "d = a, float32 from the half in the low bits.", 1, 4, loaded(nan), func(p operands, i int, n reg.VecVirtual) {
		// The low half-words of eight lanes side by side.
		x, y := p.load(1, i), YMM()
		packed(x)
		VCVTPH2PS(x.AsX(), y)
		canonical(y, n)
		p.store(y, i)
	})
	lanesWith("bf16ToF32", "d = a, float32 from the bfloat16 in the low bits.", 1, 4, loaded(nan), func(p operands, i int, n reg.VecVirtual) {
		y := YMM()
		VPSLLD(Imm(16), p.load(1, i), y)
		canonical(y, n)
		p.store(y, i)
	})
	halfNaN := constant("nanHalf", 0x7fff)
	lanesWith("f32ToF16", "d = a, rounded to the nearest half.", 1, 4, loaded(halfNaN), func(p operands, i int, nanHalf reg.VecVirtual) {
		y, z, m := p.load(1, i), YMM(), YMM()
		VCVTPS2PH(Imm(0), y, z.AsX())
		VPMOVZXWD(z.AsX(), z)
		VCMPPS(Imm(3), y, y, m)
		VBLENDVPS(m, nanHalf, z, z)
		p.store(z, i)
	})
	most, one := constant("roundBF16", 0x7fff), constant("oneBF16", 1)
	lanesWith("f32ToBF16", "d = a, rounded to the nearest bfloat16.", 1, 4, loaded(halfNaN), func(p operands, i int, nanHalf reg.VecVirtual) {
		y, z, m := p.load(1, i), YMM(), YMM()
		VPSRLD(Imm(16), y, z)
		VPAND(one, z, z)
		VPADDD(most, z, z)
		VPADDD(y, z, z)
		VPSRLD(Imm(16), z, z)
		VCMPPS(Imm(3), y, y, m)
		VBLENDVPS(m, nanHalf, z, z)
		p.store(z, i)
	})
}

// packed brings the low half-words of eight words, whose high half-words are 0, into the low half of y.
func packed(y reg.VecVirtual) {
	VPACKUSDW(y, y, y)
	VPERMQ(Imm(0x08), y, y)
}

// comparisons is setp: functions that give the mask of the lanes.
func comparisons() {
	sign := constant("signBits", 0x80000000)
	compare := func(name, doc string, steps int, step func(a, b Mem) reg.Register) {
		TEXT(name+"AVX2", attr.NOSPLIT, "func(a, b *reg) uint32")
		Pragma("noescape")
		Doc(name + "AVX2 is the lanes where " + doc)
		a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
		mask := GP32()
		for i := range steps {
			m := step(Mem{Base: a, Disp: 32 * i}, Mem{Base: b, Disp: 32 * i})
			if i == 0 {
				MOVL(m, mask)
				continue
			}
			SHLL(Imm(uint64(i*32/steps)), m)
			ORL(m, mask)
		}
		VZEROUPPER()
		Store(mask, ReturnIndex(0))
		RET()
	}
	for _, f := range []struct {
		name, doc string
		code      uint64
	}{{"eq", "a = b", 0}, {"lt", "a < b", 0x11}, {"le", "a ≤ b", 0x12}, {"ne", "not a = b", 4}} {
		compare(f.name+"F32", f.doc+", of float32.", 4, func(a, b Mem) reg.Register {
			y, m := YMM(), GP32()
			VMOVUPS(a, y)
			VCMPPS(Imm(f.code), b, y, y)
			VMOVMSKPS(y, m)
			return m
		})
		compare(f.name+"F64", f.doc+", of float64.", 8, func(a, b Mem) reg.Register {
			y, m := YMM(), GP32()
			VMOVUPD(a, y)
			VCMPPD(Imm(f.code), b, y, y)
			VMOVMSKPD(y, m)
			return m
		})
	}
	read := func(m Mem, flip bool) reg.VecVirtual {
		y := YMM()
		VMOVDQU(m, y)
		if flip {
			VPXOR(sign, y, y)
		}
		return y
	}
	compare("eq32", "a = b, of 32 bits.", 4, func(a, b Mem) reg.Register {
		y, m := read(a, false), GP32()
		VPCMPEQD(b, y, y)
		VMOVMSKPS(y, m)
		return m
	})
	compare("eq64", "a = b, of 64 bits.", 8, func(a, b Mem) reg.Register {
		y, m := read(a, false), GP32()
		VPCMPEQQ(b, y, y)
		VMOVMSKPD(y, m)
		return m
	})
	for _, signed := range []bool{true, false} {
		suffix, kind := "S", "signed"
		if !signed {
			suffix, kind = "U", "unsigned"
		}
		compare("lt"+suffix+"32", "a < b, of "+kind+" 32-bit integers.", 4, func(a, b Mem) reg.Register {
			x, y, m := read(a, !signed), read(b, !signed), GP32()
			VPCMPGTD(x, y, y)
			VMOVMSKPS(y, m)
			return m
		})
		flip := GLOBL("signBits64"+suffix, attr.RODATA|attr.NOPTR)
		for i := range 4 {
			DATA(8*i, U64(map[bool]uint64{true: 0, false: 1 << 63}[signed]))
		}
		compare("lt"+suffix+"64", "a < b, of "+kind+" 64-bit integers.", 8, func(a, b Mem) reg.Register {
			x, y, m := read(a, false), read(b, false), GP32()
			if !signed {
				VPXOR(flip, x, x)
				VPXOR(flip, y, y)
			}
			VPCMPGTQ(x, y, y)
			VMOVMSKPD(y, m)
			return m
		})
	}
}
