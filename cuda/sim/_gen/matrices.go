package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// matrices is mma of m16n8kK with float32 accumulators: products in float64, where they are exact, and sums rounded once at the end.
func matrices() {
	nan := constant("nanMatrix", 0x7fffffff)
	tf32 := constant("tf32Bits", 0xffffe000)
	for _, f := range []struct {
		name string
		k    int
		per  int // elements to a register
	}{{"F16", 8, 2}, {"F16", 16, 2}, {"BF16", 8, 2}, {"BF16", 16, 2}, {"TF32", 4, 1}, {"TF32", 8, 1}} {
		m := matrix{k: f.k, per: f.per, name: f.name, tf32: tf32, nan: nan}
		TEXT(fmt.Sprintf("mma%sK%dAVX2", f.name, f.k), 0, "func(r **reg)")
		Pragma("noescape")
		Doc(fmt.Sprintf("mma%sK%dAVX2 computes mma.m16n8k%d of %s: r is the registers of d (4), a (%d), b (%d) and c (4).",
			f.name, f.k, f.k, f.name, f.k/f.per/2, f.k/f.per/4))
		m.build()
	}
}

type matrix struct {
	k, per    int
	name      string
	tf32, nan Mem
	a, b      Mem // a in row-major order, b by rows of 8, float64
}

// tile is the columns of a register's tile.
func (m *matrix) tile() int { return 4 * m.per }

// row reads row g of a register's tile as float32: 4 numbers in the low half for one element a register, else 8.
func (m *matrix) row(r reg.Register, g int) reg.VecVirtual {
	y := YMM()
	at := Mem{Base: r, Disp: 16 * g}
	switch m.name {
	case "F16":
		VCVTPH2PS(at, y)
	case "BF16":
		VPMOVZXWD(at, y)
		VPSLLD(Imm(16), y, y)
	default:
		VMOVDQU(at, y.AsX())
		VPAND(m.tf32, y.AsX(), y.AsX())
	}
	return y
}

// widen stores the float32s of y as float64 from at on.
func (m *matrix) widen(y reg.VecVirtual, at Mem) {
	lo := YMM()
	VCVTPS2PD(y.AsX(), lo)
	VMOVUPD(lo, at)
	if m.per == 2 {
		hi := YMM()
		VEXTRACTF128(Imm(1), y, hi.AsX())
		VCVTPS2PD(hi.AsX(), hi)
		VMOVUPD(hi, at.Offset(32))
	}
}

func (m *matrix) build() {
	r := Load(Param("r"), GP64())
	m.a, m.b = AllocLocal(16*m.k*8), AllocLocal(m.k*8*8)
	register := func(i int) reg.Register {
		p := GP64()
		MOVQ(Mem{Base: r, Disp: 8 * i}, p)
		return p
	}
	as, bs := m.k/m.per/2, m.k/m.per/4
	for i := range as {
		p := register(4 + i)
		for g := range 8 {
			m.widen(m.row(p, g), m.a.Offset(8*((g+8*(i%2))*m.k+m.tile()*(i/2))))
		}
	}
	for i := range bs {
		m.spreadB(register(4+as+i), m.b.Offset(8*8*m.tile()*i))
	}
	d, c := [4]reg.Register{}, [4]reg.Register{}
	for i := range 4 {
		d[i], c[i] = register(i), register(4+as+bs+i)
	}
	for block := range 4 {
		m.rows(d, c, block)
	}
	VZEROUPPER()
	RET()
}

// spreadB transposes the tile of a register of b, whose rows are columns of b.
func (m *matrix) spreadB(p reg.Register, at Mem) {
	var y [8]reg.VecVirtual
	if m.per == 1 {
		// Four words of each of eight columns: two transpositions of 4 × 4.
		for h := range 2 {
			for g := range 4 {
				y[g] = m.row(p, 4*h+g)
			}
			t0, t1, t2, t3 := XMM(), XMM(), XMM(), XMM()
			VUNPCKLPS(y[1].AsX(), y[0].AsX(), t0)
			VUNPCKHPS(y[1].AsX(), y[0].AsX(), t1)
			VUNPCKLPS(y[3].AsX(), y[2].AsX(), t2)
			VUNPCKHPS(y[3].AsX(), y[2].AsX(), t3)
			for k, pair := range [4][2]reg.VecVirtual{{t0, t2}, {t0, t2}, {t1, t3}, {t1, t3}} {
				x, wide := XMM(), YMM()
				if k%2 == 0 {
					VMOVLHPS(pair[1], pair[0], x)
				} else {
					VMOVHLPS(pair[0], pair[1], x)
				}
				VCVTPS2PD(x, wide)
				VMOVUPD(wide, at.Offset(64*k+32*h))
			}
		}
		return
	}
	for g := range 8 {
		y[g] = m.row(p, g)
	}
	// Transpose 8 × 8: pairs, fours, halves.
	var t, u [8]reg.VecVirtual
	for i := range 4 {
		t[2*i], t[2*i+1] = YMM(), YMM()
		VUNPCKLPS(y[2*i+1], y[2*i], t[2*i])
		VUNPCKHPS(y[2*i+1], y[2*i], t[2*i+1])
	}
	for i := range 2 {
		for j := range 2 {
			x, z := t[4*i+j], t[4*i+2+j]
			lo, hi := YMM(), YMM()
			VSHUFPS(Imm(0x44), z, x, lo)
			VSHUFPS(Imm(0xee), z, x, hi)
			u[4*i+2*j], u[4*i+2*j+1] = lo, hi
		}
	}
	for k := range 4 {
		lo, hi := YMM(), YMM()
		VPERM2F128(Imm(0x20), u[4+k], u[k], lo)
		VPERM2F128(Imm(0x31), u[4+k], u[k], hi)
		m.widen(lo, at.Offset(64*k))
		m.widen(hi, at.Offset(64*(k+4)))
	}
}

// rows computes four rows of d.
func (m *matrix) rows(d, c [4]reg.Register, block int) {
	var acc [4][2]reg.VecVirtual
	even, odd := block/2*2, block/2*2+1
	for i := range 4 {
		at := 16 * (block%2*4 + i)
		x, y, lo, hi := XMM(), XMM(), XMM(), XMM()
		VMOVUPS(Mem{Base: c[even], Disp: at}, x)
		VMOVUPS(Mem{Base: c[odd], Disp: at}, y)
		VUNPCKLPS(y, x, lo)
		VUNPCKHPS(y, x, hi)
		acc[i] = [2]reg.VecVirtual{YMM(), YMM()}
		VCVTPS2PD(lo, acc[i][0])
		VCVTPS2PD(hi, acc[i][1])
	}
	for k := range m.k {
		b0, b1 := YMM(), YMM()
		VMOVUPD(m.b.Offset(64*k), b0)
		VMOVUPD(m.b.Offset(64*k+32), b1)
		for i := range 4 {
			a := YMM()
			VBROADCASTSD(m.a.Offset(8*((4*block+i)*m.k+k)), a)
			VFMADD231PD(b0, a, acc[i][0])
			VFMADD231PD(b1, a, acc[i][1])
		}
	}
	nan := XMM()
	VMOVDQU(m.nan, nan)
	for i := range 4 {
		at := 16 * (block%2*4 + i)
		lo, hi := XMM(), XMM()
		VCVTPD2PSY(acc[i][0], lo)
		VCVTPD2PSY(acc[i][1], hi)
		for j, r := range []reg.Register{d[even], d[odd]} {
			z, un := XMM(), XMM()
			VSHUFPS(Imm([]uint64{0x88, 0xdd}[j]), hi, lo, z)
			VCMPPS(Imm(3), z, z, un)
			VBLENDVPS(un, nan, z, z)
			VMOVUPS(z, Mem{Base: r, Disp: at})
		}
	}
}
