package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Where philoxArgs keeps its fields, in units of 8 bytes, and where its tables begin, in bytes.
const (
	philoxDst = iota
	philoxGroups
	philoxCounter // block in the low half, stream in the high half
	philoxStep
	philoxKeys = 8 * iota
)

// Where drawArgs keeps its fields, in units of 8 bytes, and where its constants begin, in bytes.
const (
	drawDst = iota
	drawSrc
	drawWords
	drawN
	drawConsts = 8 * iota
)

// philox builds the random generator and what is made of its words.
func philox() {
	for _, s := range isas() {
		philoxWords(s)
		drawUniform(s)
		drawNormal(s)
		drawDropout(s)
	}
}

// table64 is read-only data of 8-byte numbers.
func table64(name string, values ...uint64) Mem {
	t := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i, v := range values {
		DATA(8*i, U64(v))
	}
	return t
}

// philoxWords generates groups of eight blocks. Every 64-bit lane holds one word of one block in its low half (what is in
// the high half does not matter), so that a multiplication of 32-bit words gives both halves of the product in place.
func philoxWords(s *isa) {
	p := s.function("philox", "philoxArgs", "writes groups of 8 blocks of 4 words, counting the blocks up.")
	dst, groups := field(p, philoxDst), field(p, philoxGroups)
	lanes := s.bytes() / 8
	// Lanes take their blocks in the order that the final unpacking undoes.
	order := []uint64{0, 2, 1, 3}
	if s.wide {
		order = []uint64{0, 4, 1, 5, 2, 6, 3, 7}
	}
	block, stream, stepLow, stepHigh := s.vec(), s.vec(), s.vec(), s.vec()
	VPBROADCASTD(Mem{Base: p, Disp: 8 * philoxCounter}, block)
	offsets := s.vec()
	if s.wide {
		VMOVDQU64(table64("philoxOrder"+s.name, order...), offsets)
	} else {
		VMOVDQU(table64("philoxOrder"+s.name, order...), offsets)
	}
	VPADDD(offsets, block, block)
	VPBROADCASTD(Mem{Base: p, Disp: 8*philoxCounter + 4}, stream)
	VPBROADCASTD(Mem{Base: p, Disp: 8 * philoxStep}, stepLow)
	VPBROADCASTD(Mem{Base: p, Disp: 8*philoxStep + 4}, stepHigh)
	m0, m1, step := s.vec(), s.vec(), s.vec()
	VPBROADCASTD(table64("philoxMultiplier0"+s.name, 0xd2511f53), m0)
	VPBROADCASTD(table64("philoxMultiplier1"+s.name, 0xcd9e8d57), m1)
	VPBROADCASTD(table64("philoxLanes"+s.name, uint64(lanes)), step)
	Label("group")
	for range 8 / lanes {
		c := [4]reg.VecVirtual{s.vec(), s.vec(), s.vec(), s.vec()}
		s.philoxRounds(p, &c, [4]reg.VecVirtual{block, stream, stepLow, stepHigh}, m0, m1)
		VPADDD(step, block, block)
		s.philoxStore(c, dst)
	}
	DECQ(groups)
	JNZ(LabelRef("group"))
	s.end()
}

// philoxRounds leaves the words of the counters in c.
func (s *isa) philoxRounds(p reg.Register, c *[4]reg.VecVirtual, counter [4]reg.VecVirtual, m0, m1 reg.VecVirtual) {
	key := func(round, word int) Mem { return Mem{Base: p, Disp: philoxKeys + 32*(2*round+word)} }
	x := counter
	for round := range 10 {
		p0, p1, a, b := s.vec(), s.vec(), s.vec(), s.vec()
		VPMULUDQ(m0, x[0], p0)
		VPMULUDQ(m1, x[2], p1)
		VPSRLQ(Imm(32), p1, a)
		VPSRLQ(Imm(32), p0, b)
		if s.wide { // a ^= x1 ^ key in one instruction
			VPTERNLOGD_BCST(Imm(0x96), key(round, 0), x[1], a)
			VPTERNLOGD_BCST(Imm(0x96), key(round, 1), x[3], b)
		} else {
			VPXOR(x[1], a, a)
			VPXOR(key(round, 0), a, a)
			VPXOR(x[3], b, b)
			VPXOR(key(round, 1), b, b)
		}
		x = [4]reg.VecVirtual{a, p1, b, p0}
	}
	*c = x
}

// philoxStore writes the words of a vector of blocks in order, and moves dst on.
func (s *isa) philoxStore(c [4]reg.VecVirtual, dst reg.GPVirtual) {
	merge := func(low, high reg.VecVirtual) { // the low halves of two vectors into the lanes of one, in low
		VPSLLQ(Imm(32), high, high)
		if s.wide {
			k := K()
			m := GP32()
			MOVL(U32(0x5555), m)
			KMOVW(m, k)
			VMOVDQA32(low, k, high)
			VMOVDQA64(high, low)
			return
		}
		VPBLENDD(Imm(0x55), low, high, low)
	}
	merge(c[0], c[1])
	merge(c[2], c[3])
	lo, hi := s.vec(), s.vec()
	VPUNPCKLQDQ(c[2], c[0], lo)
	VPUNPCKHQDQ(c[2], c[0], hi)
	VMOVUPS(lo, Mem{Base: dst})
	VMOVUPS(hi, Mem{Base: dst, Disp: s.bytes()})
	ADDQ(Imm(uint64(2*s.bytes())), dst)
}

// draws begins a loop over whole vectors of n elements; body is given the byte offset. n is a multiple of the vectors that a round takes.
func (s *isa) draws(n reg.GPVirtual, vectors int, body func(j reg.GPVirtual)) {
	SHLQ(Imm(2), n)
	j := GP64()
	XORQ(j, j)
	Label("draw")
	body(j)
	ADDQ(Imm(uint64(vectors*s.bytes())), j)
	CMPQ(j, n)
	JLT(LabelRef("draw"))
	s.end()
}

func (s *isa) constant(p reg.Register, i int) reg.VecVirtual {
	v := s.vec()
	VBROADCASTSS(Mem{Base: p, Disp: drawConsts + 4*i}, v)
	return v
}

// bits32 is a constant pattern in every lane.
func (s *isa) bits32(name string, u uint32) reg.VecVirtual {
	v := s.vec()
	VBROADCASTSS(table64(name+s.name, uint64(u)), v)
	return v
}

func drawUniform(s *isa) {
	p := s.function("drawUniform", "drawArgs", "is dst[i] = Scale·((w[i]>>8)·2^-24) + Base, each operation rounded; n is a positive multiple of 16.")
	dst, words, n := field(p, drawDst), field(p, drawWords), field(p, drawN)
	base, scale := s.constant(p, 0), s.constant(p, 1)
	unit := s.bits32("drawUnit", 0x33800000) // 2^-24
	s.draws(n, 1, func(j reg.GPVirtual) {
		v := s.vec()
		VMOVUPS(at(words, j), v)
		VPSRLD(Imm(8), v, v)
		VCVTDQ2PS(v, v)
		VMULPS(unit, v, v)
		VMULPS(scale, v, v)
		VADDPS(base, v, v)
		VMOVUPS(v, at(dst, j))
	})
}

// drawDropout multiplies the kept elements. The threshold comes with its top bit flipped, for a comparison of signed numbers.
func drawDropout(s *isa) {
	p := s.function("drawDropout", "drawArgs", "is dst[i] = w[i] < Threshold ? 0 : Scale·src[i]; n is a positive multiple of 16.")
	dst, src, words, n := field(p, drawDst), field(p, drawSrc), field(p, drawWords), field(p, drawN)
	threshold, scale := s.constant(p, 0), s.constant(p, 1)
	flip := s.bits32("drawFlip", 1<<31)
	s.draws(n, 1, func(j reg.GPVirtual) {
		w, x := s.vec(), s.vec()
		VMOVUPS(at(src, j), x)
		if s.wide {
			k := K()
			VMOVUPS(at(words, j), w)
			VPXORD(flip, w, w)
			VPCMPD(Imm(5), threshold, w, k) // w >= threshold
			VMULPS_Z(scale, x, k, x)
		} else {
			VPXOR(at(words, j), flip, w)
			VPCMPGTD(w, threshold, w)
			VMULPS(scale, x, x)
			VANDNPS(x, w, x)
		}
		VMOVUPS(x, at(dst, j))
	})
}

// drawNormal makes two vectors of normal variates of two vectors of words, by single roundings in the order of the portable
// version, so that both give the same bits.
func drawNormal(s *isa) {
	p := s.function("drawNormal", "drawArgs", "is Box and Muller's transformation, as normalPair computes it; n is a positive multiple of 32.")
	dst, words, n := field(p, drawDst), field(p, drawWords), field(p, drawN)
	c := func(i int) Mem { return Mem{Base: p, Disp: drawConsts + 4*i} }
	load := func(i int) reg.VecVirtual {
		v := s.vec()
		VBROADCASTSS(c(i), v)
		return v
	}
	// Constants are loaded where they are needed: there are more of them than registers.
	mulc := func(v reg.VecVirtual, i int) { VMULPS(load(i), v, v) }
	addc := func(v reg.VecVirtual, i int) { VADDPS(load(i), v, v) }
	poly := func(x reg.VecVirtual, first, last int) reg.VecVirtual {
		y := load(first)
		for i := first + 1; i <= last; i++ {
			VMULPS(x, y, y)
			addc(y, i)
		}
		return y
	}
	xor := func(a, b, dst reg.VecVirtual) {
		if s.wide {
			VPXORD(a, b, dst)
		} else {
			VPXOR(a, b, dst)
		}
	}
	s.draws(n, 2, func(j reg.GPVirtual) {
		x, y := s.vec(), s.vec()
		VMOVUPS(at(words, j), x)
		VMOVUPS(Mem{Base: words, Index: j, Scale: 1, Disp: s.bytes()}, y)
		u, v := s.vec(), s.vec()
		VSHUFPS(Imm(0x88), y, x, u)
		VSHUFPS(Imm(0xdd), y, x, v)

		// t = float(u+1), the halves converted apart because only signed numbers convert.
		t, low := s.vec(), s.vec()
		VPSRLD(Imm(16), u, t)
		VCVTDQ2PS(t, t)
		mulc(t, nTwo16)
		VPSLLD(Imm(16), u, low)
		VPSRLD(Imm(16), low, low)
		VCVTDQ2PS(low, low)
		addc(low, nOne)
		VADDPS(low, t, t)
		// t = m·2^e, m in [sqrt(1/2), sqrt(2)).
		e := s.vec()
		VPSUBD(load(nSqrtHalf), t, e)
		VPSRAD(Imm(23), e, e)
		shifted := s.vec()
		VPSLLD(Imm(23), e, shifted)
		VPSUBD(shifted, t, t)
		VCVTDQ2PS(e, e)
		addc(e, nMinus32)
		// log m = 2 artanh(f), f = (m-1)/(m+1).
		num := s.vec()
		VSUBPS(load(nOne), t, num)
		addc(t, nOne)
		VDIVPS(t, num, num)
		sq := s.vec()
		VMULPS(num, num, sq)
		q := poly(sq, nLog, nLogEnd)
		VMULPS(sq, q, q)
		VMULPS(num, q, q)
		VADDPS(num, num, num)
		VADDPS(q, num, q)
		low2 := s.vec()
		VMULPS(load(nLn2Low), e, low2)
		VADDPS(q, low2, q)
		mulc(e, nLn2High)
		VADDPS(e, q, q)
		mulc(q, nMinus2)
		VSQRTPS(q, q) // the radius

		// The angle: quadrant and the rest, from -1/8 to 1/8 of a turn.
		quad, rest := s.vec(), s.vec()
		VPADDD(load(nEighth), v, quad)
		VPSRLD(Imm(30), quad, quad)
		VPSLLD(Imm(30), quad, rest)
		VPSUBD(rest, v, rest)
		VCVTDQ2PS(rest, rest)
		mulc(rest, nTurn)
		VMULPS(rest, rest, sq)
		sin := poly(sq, nSin, nSinEnd)
		VMULPS(sq, sin, sin)
		VMULPS(rest, sin, sin)
		VADDPS(rest, sin, sin)
		cos := poly(sq, nCos, nCosEnd)
		VMULPS(sq, cos, cos)
		addc(cos, nOne)

		// Quadrants 1 and 3 swap sine and cosine; 1 and 2 negate the cosine, 2 and 3 the sine.
		odd := s.vec()
		VPSLLD(Imm(31), quad, odd)
		a, b := s.vec(), s.vec()
		if s.wide {
			k := K()
			VPMOVD2M(odd, k)
			VBLENDMPS(sin, cos, k, a)
			VBLENDMPS(cos, sin, k, b)
		} else {
			VBLENDVPS(odd, sin, cos, a)
			VBLENDVPS(odd, cos, sin, b)
		}
		signSin, signCos := s.vec(), s.vec()
		VPSRLD(Imm(1), quad, signSin)
		VPSLLD(Imm(31), signSin, signSin)
		xor(odd, signSin, signCos)
		xor(signCos, a, a)
		xor(signSin, b, b)
		for _, z := range []reg.VecVirtual{a, b} {
			VMULPS(q, z, z)
			VMULPS(load(nStd), z, z)
			addc(z, nMean)
		}
		VUNPCKLPS(b, a, x)
		VUNPCKHPS(b, a, y)
		VMOVUPS(x, at(dst, j))
		VMOVUPS(y, Mem{Base: dst, Index: j, Scale: 1, Disp: s.bytes()})
	})
}

// The constants of drawNormal, as fallback/random.go lists them.
const (
	nMean = iota
	nStd
	nOne
	nTwo16
	nSqrtHalf // bits
	nMinus32
	nMinus2
	nLn2High
	nLn2Low
	nEighth // bits
	nTurn
	nLog
	nLogEnd = nLog + 3
	nSin    = nLogEnd + 1
	nSinEnd = nSin + 3
	nCos    = nSinEnd + 1
	nCosEnd = nCos + 4
)
