package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The fields of the Go structure tapArgs, in order.
const (
	tapDst = iota
	tapSrc
	tapPos
	tapStart
	tapTaps
	tapOutputs
	tapCols
	tapFirst
)

// taps builds the loops of pooling and resizing over feature maps of float32 with channels last. Each output pixel takes a list of
// input pixels (taps: an int32 position and a float32 weight), the same for all channels, which lie in the lanes.
func taps() {
	table := tailTable("tapTail")
	for _, s := range isas() {
		for _, stream := range []bool{false, true} {
			s.stream = stream
			s.tapLoop("tapSum", table, "is for i, c: dst[i][c] = Σ_t weight[t]·src[pos[t]][c] over the taps t of output i.", tapSum)
			s.tapLoop("tapMatch", table, "is for i, c: dst[i][c] = Σ_t src[pos[t]][c] over the taps t of output i with pos[pos[t]][c] = first + i.", tapMatch)
		}
		s.stream = false
		s.tapLoop("tapMax", table, "is for i, c: dst[i][c] = max_t src[pos[t]][c] over the taps t of output i; the first of equal ones, the first NaN.",
			func(g *tapRegs, n int, tail bool) { tapMax(g, n, tail, false) })
		s.tapLoop("tapMaxPos", table, "is tapMax, with the position of the maximum in pos[i][c].",
			func(g *tapRegs, n int, tail bool) { tapMax(g, n, tail, true) })
	}
}

// tapRegs are the registers of a loop over taps.
type tapRegs struct {
	*isa
	dst, src, pos     reg.GPVirtual // of the present output pixel; of the image
	size              reg.GPVirtual // bytes of a pixel
	first             reg.GPVirtual // the present output's number
	tap, tapEnd       reg.GPVirtual // bounds of the present output's taps
	j                 reg.GPVirtual // offset of the present channels
	t, off            reg.GPVirtual // present tap, offset of its pixel's channels
	weight, firstLane reg.VecVirtual
}

// mem is lane group l of a pixel whose channels begin at base+offset.
func (g *tapRegs) mem(base, offset reg.Register, l int) Mem {
	return Mem{Base: base, Index: offset, Scale: 1, Disp: l * g.bytes()}
}

// eachTap runs body for the taps from the present one to the last.
func (g *tapRegs) eachTap(body func()) {
	loop, done := g.unique("tap"), g.unique("taps")
	Label(loop)
	CMPQ(g.t, g.tapEnd)
	JGE(LabelRef(done))
	g.source()
	body()
	ADDQ(Imm(8), g.t)
	JMP(LabelRef(loop))
	Label(done)
}

// source finds the channels of the present tap.
func (g *tapRegs) source() {
	MOVLQSX(Mem{Base: g.t}, g.off)
	IMULQ(g.size, g.off)
	ADDQ(g.j, g.off)
}

// tapLoop is the frame of a loop over taps: over outputs, and over groups of channels of four vectors, two, one, and a masked one.
func (s *isa) tapLoop(name string, table Mem, doc string, body func(g *tapRegs, n int, tail bool)) {
	p := s.function(s.variant(name, false), "tapArgs", doc)
	g := &tapRegs{isa: s, dst: field(p, tapDst), src: field(p, tapSrc), pos: field(p, tapPos), first: field(p, tapFirst)}
	start, taps, outputs := field(p, tapStart), field(p, tapTaps), field(p, tapOutputs)
	var rem reg.GPVirtual
	g.size, rem = s.extent(p, tapCols, table)
	g.tap, g.tapEnd, g.j, g.t, g.off = GP64(), GP64(), GP64(), GP64(), GP64()
	g.weight, g.firstLane = s.vec(), s.vec()
	s.rows(outputs, func() {
		MOVLQSX(Mem{Base: start}, g.tap)
		MOVLQSX(Mem{Base: start, Disp: 4}, g.tapEnd)
		LEAQ(Mem{Base: taps, Index: g.tap, Scale: 8}, g.tap)
		LEAQ(Mem{Base: taps, Index: g.tapEnd, Scale: 8}, g.tapEnd)
		ADDQ(Imm(4), start)
		VMOVD(g.first.As32(), g.firstLane.AsX())
		VPBROADCASTD(g.firstLane.AsX(), g.firstLane)
		INCQ(g.first)
		XORQ(g.j, g.j)
		for _, n := range []int{4, 2, 1} {
			loop, done := s.unique("channels"), s.unique("channelsEnd")
			Label(loop)
			LEAQ(Mem{Base: g.j, Disp: n * s.bytes()}, g.t)
			CMPQ(g.t, g.size)
			JGT(LabelRef(done))
			MOVQ(g.tap, g.t)
			body(g, n, false)
			ADDQ(U32(n*s.bytes()), g.j)
			JMP(LabelRef(loop))
			Label(done)
		}
		whole := s.unique("whole")
		TESTQ(rem, rem)
		JZ(LabelRef(whole))
		MOVQ(g.tap, g.t)
		body(g, 1, true)
		Label(whole)
		ADDQ(g.size, g.dst)
		if name == "tapMaxPos" {
			ADDQ(g.size, g.pos)
		}
	})
	s.end()
}

func tapSum(g *tapRegs, n int, tail bool) {
	acc := g.vecs(n)
	for _, a := range acc {
		zero(a)
	}
	g.eachTap(func() {
		VBROADCASTSS(Mem{Base: g.t, Disp: 4}, g.weight)
		for l, a := range acc {
			if tail {
				v := g.vec()
				g.load(g.mem(g.src, g.off, l), v, true)
				VFMADD231PS(v, g.weight, a)
			} else {
				VFMADD231PS(g.mem(g.src, g.off, l), g.weight, a)
			}
		}
	})
	for l, a := range acc {
		g.result(a, g.mem(g.dst, g.j, l), tail)
	}
}

func tapMatch(g *tapRegs, n int, tail bool) {
	acc := g.vecs(n)
	for _, a := range acc {
		zero(a)
	}
	g.eachTap(func() {
		for l, a := range acc {
			at, v := g.vec(), g.vec()
			g.load(g.mem(g.pos, g.off, l), at, tail)
			g.load(g.mem(g.src, g.off, l), v, tail)
			if g.wide {
				k := K()
				VPCMPEQD(at, g.firstLane, k)
				VADDPS(v, a, k, a)
			} else {
				VPCMPEQD(at, g.firstLane, at)
				VANDPS(at, v, v)
				VADDPS(v, a, a)
			}
		}
	})
	for l, a := range acc {
		g.result(a, g.mem(g.dst, g.j, l), tail)
	}
}

func tapMax(g *tapRegs, n int, tail, positions bool) {
	best, pos := g.vecs(n), g.vecs(n)
	spread := func(v reg.VecVirtual) { VPBROADCASTD(Mem{Base: g.t}, v) }
	g.source()
	for l := range best {
		g.load(g.mem(g.src, g.off, l), best[l], tail)
		if positions {
			spread(pos[l])
		}
	}
	ADDQ(Imm(8), g.t)
	g.eachTap(func() {
		var here reg.VecVirtual
		if positions {
			here = g.vec()
			spread(here)
		}
		for l := range best {
			v := g.vec()
			g.load(g.mem(g.src, g.off, l), v, tail)
			// Better: greater or NaN (not less or equal), as long as the best is not NaN itself.
			if g.wide {
				k := K()
				VCMPPS(Imm(7), best[l], best[l], k)
				VCMPPS(Imm(6), best[l], v, k, k)
				VMOVAPS(v, k, best[l])
				if positions {
					VMOVDQA32(here, k, pos[l])
				}
				continue
			}
			ordered, better := g.vec(), g.vec()
			VCMPPS(Imm(7), best[l], best[l], ordered)
			VCMPPS(Imm(6), best[l], v, better)
			VANDPS(ordered, better, better)
			VBLENDVPS(better, v, best[l], best[l])
			if positions {
				VBLENDVPS(better, here, pos[l], pos[l])
			}
		}
	})
	for l := range best {
		g.store(best[l], g.mem(g.dst, g.j, l), tail)
		if positions {
			g.store(pos[l], g.mem(g.pos, g.j, l), tail)
		}
	}
}
