package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// accesses is what loads, stores and partial warps need: addresses, and lanes outside a mask put back.
func accesses() {
	numbers := GLOBL("laneNumbers", attr.RODATA|attr.NOPTR)
	for i := range 4 {
		DATA(8*i, U64(i))
	}
	measureLanes("measureWide", "addr, a *[32]uint64, k, lo, span, size uint64", "addresses of 64 bits", numbers, false)
	measureLanes("measureNarrow", "addr *[32]uint64, a *reg, k uint32, lo, span, size uint64", "addresses of 32 bits", numbers, true)
	shifts32 := GLOBL("maskShifts32", attr.RODATA|attr.NOPTR)
	for i := range 32 {
		DATA(4*i, U32(31-i))
	}
	shifts64 := GLOBL("maskShifts64", attr.RODATA|attr.NOPTR)
	for i := range 32 {
		DATA(8*i, U64(63-i))
	}
	blends(shifts32, shifts64)
	gathers(shifts64)
}

// paramLanes puts a scalar parameter into every 64-bit lane.
func paramLanes(name string) reg.VecVirtual {
	x, y := XMM(), YMM()
	VMOVQ(Load(Param(name), GP64()), x)
	VPBROADCASTQ(x, y)
	return y
}

// orLanes stores the or of the four 64-bit lanes.
func orLanes(y reg.VecVirtual, to Mem) {
	t := XMM()
	VEXTRACTI128(Imm(1), y, t)
	VPOR(y.AsX(), t, t)
	u := XMM()
	VPSHUFD(Imm(0x4e), t, u)
	VPOR(u, t, t)
	VMOVQ(t, to)
}

// measureLanes defines the look at the addresses of an access: see extent.
func measureLanes(name, params, doc string, numbers Mem, narrow bool) {
	TEXT(name+"AVX2", attr.NOSPLIT, "func(e *extent, "+params+")")
	Pragma("noescape")
	Doc(name + "AVX2 is " + name + " on " + doc + ".")
	e, addr, a := Load(Param("e"), GP64()), Load(Param("addr"), GP64()), Load(Param("a"), GP64())
	lo, span, size := paramLanes("lo"), paramLanes("span"), paramLanes("size")
	k := YMM()
	row := YMM()
	first := GP64()
	if narrow {
		k32 := Load(Param("k"), GP32())
		x := XMM()
		VMOVD(k32, x)
		VPBROADCASTD(x, k)
		ADDL(Mem{Base: a}, k32)
		MOVL(k32, first.As32())
	} else {
		k64 := Load(Param("k"), GP64())
		x := XMM()
		VMOVQ(k64, x)
		VPBROADCASTQ(x, k)
		MOVQ(Mem{Base: a}, first)
		ADDQ(k64, first)
	}
	x := XMM()
	VMOVQ(first, x)
	VPBROADCASTQ(x, row)
	steps := YMM()
	VPMULUDQ(numbers, size, steps)
	VPADDQ(steps, row, row)
	VPSLLQ(Imm(2), size, size)
	bits, bad, uneven := YMM(), YMM(), YMM()
	for _, y := range []reg.VecVirtual{bits, bad, uneven} {
		VPXOR(y, y, y)
	}
	for i := range 8 {
		v, t := YMM(), YMM()
		if narrow {
			h := XMM()
			VMOVDQU(Mem{Base: a, Disp: 16 * i}, h)
			VPADDD(k.AsX(), h, h)
			VPMOVZXDQ(h, v)
		} else {
			VPADDQ(Mem{Base: a, Disp: 32 * i}, k, v)
		}
		VMOVDQU(v, Mem{Base: addr, Disp: 32 * i})
		VPOR(v, bits, bits)
		VPXOR(v, row, t)
		VPOR(t, uneven, uneven)
		VPADDQ(size, row, row)
		VPSUBQ(lo, v, v)
		VPSUBQ(v, span, t)
		VPOR(v, t, t)
		VPOR(t, bad, bad)
	}
	orLanes(bits, Mem{Base: e})
	orLanes(bad, Mem{Base: e, Disp: 8})
	orLanes(uneven, Mem{Base: e, Disp: 16})
	VZEROUPPER()
	RET()
}

// blends defines the restoration of the lanes outside a mask.
func blends(shifts32, shifts64 Mem) {
	broadcast := func() reg.VecVirtual {
		y, x := YMM(), XMM()
		VMOVD(Load(Param("mask"), GP32()), x)
		VPBROADCASTD(x, y)
		return y
	}
	blend("blend32", "d, old *reg, mask uint32", 4, broadcast, func(i int, mask, m Op) { VPSLLVD(shifts32.Offset(32*i), mask, m) }, VBLENDVPS)
	blend("blend64", "d, old *[32]uint64, mask uint32", 8, maskLanes, func(i int, mask, m Op) { VPSLLVQ(shifts64.Offset(32*i), mask, m) }, VBLENDVPD)
}

// blend defines one of them: shift brings a lane's bit of the mask to the top.
func blend(name, params string, steps int, spread func() reg.VecVirtual, shift func(i int, mask, m Op), choose func(m, x, y, z Op)) {
	TEXT(name+"AVX2", attr.NOSPLIT, "func("+params+")")
	Pragma("noescape")
	Doc(name + "AVX2 is " + name + ".")
	d, old := Load(Param("d"), GP64()), Load(Param("old"), GP64())
	mask := spread()
	for i := range steps {
		m, y := YMM(), YMM()
		shift(i, mask, m)
		VMOVDQU(Mem{Base: old, Disp: 32 * i}, y)
		choose(m, Mem{Base: d, Disp: 32 * i}, y, y)
		VMOVDQU(y, Mem{Base: d, Disp: 32 * i})
	}
	VZEROUPPER()
	RET()
}

// maskLanes puts the mask into every 64-bit lane.
func maskLanes() reg.VecVirtual {
	m, x, y := GP64(), XMM(), YMM()
	Load(Param("mask"), m.As32())
	VMOVQ(m, x)
	VPBROADCASTQ(x, y)
	return y
}

// gathers defines the addresses of a part of the warp.
func gathers(shifts64 Mem) {
	for _, narrow := range []bool{false, true} {
		name, params := "gatherWide", "addr, a *[32]uint64, other uint64, mask uint32"
		if narrow {
			name, params = "gatherNarrow", "addr *[32]uint64, a *reg, other uint64, k, mask uint32"
		}
		TEXT(name+"AVX2", attr.NOSPLIT, "func("+params+")")
		Pragma("noescape")
		Doc(name + "AVX2 is " + name + ".")
		addr, a := Load(Param("addr"), GP64()), Load(Param("a"), GP64())
		other, mask := paramLanes("other"), maskLanes()
		k := XMM()
		if narrow {
			VMOVD(Load(Param("k"), GP32()), k)
			VPBROADCASTD(k, k)
		}
		for i := range 8 {
			m, y := YMM(), YMM()
			VPSLLVQ(shifts64.Offset(32*i), mask, m)
			if narrow {
				h := XMM()
				VMOVDQU(Mem{Base: a, Disp: 16 * i}, h)
				VPADDD(k, h, h)
				VPMOVZXDQ(h, y)
			} else {
				VMOVDQU(Mem{Base: a, Disp: 32 * i}, y)
			}
			VBLENDVPD(m, y, other, y)
			VMOVDQU(y, Mem{Base: addr, Disp: 32 * i})
		}
		VZEROUPPER()
		RET()
	}
}
