package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The fields of the Go structure normArgs, in order.
const (
	normX = iota
	normDY
	normOut
	normMean
	normA
	normB
	normC
	normD
	normSum1
	normSum2
	normRows
	normCols
	normEps
)

// norm builds the passes of normalisations over rows of float32: statistics and scaling by column (batch, group,
// instance) and by row (layer, RMS), forward and backward.
func norm() {
	table := tailTable("normTail")
	for _, s := range isas() {
		columnSums(s, table)
		columnSquares(s, table)
		for _, relu := range []bool{false, true} {
			s.stream = false
			columnBackSums(s, table, relu)
			for _, stream := range []bool{false, true} {
				s.stream = stream
				columnAffine(s, table, relu)
				columnBackX(s, table, relu)
				for _, centred := range []bool{true, false} {
					rowNorm(s, table, relu, centred)
					rowBack(s, table, relu, centred)
				}
			}
		}
	}
}

// variant ends a function's name with what is fused into it and how it stores.
func (s *isa) variant(name string, relu bool) string {
	if relu {
		name += "ReLU"
	}
	if s.stream {
		name += "Stream"
	}
	return name
}

// extent loads the row length: its size in bytes and the elements in its masked tail.
func (s *isa) extent(p reg.Register, cols int, table Mem) (size, rem reg.GPVirtual) {
	size = field(p, cols)
	rem = GP64()
	MOVQ(size, rem)
	ANDQ(Imm(uint64(s.bytes()/4-1)), rem)
	SHLQ(Imm(2), size)
	s.tailMask(rem, table)
	return size, rem
}

func columnSums(s *isa, table Mem) {
	p := s.function("normColumnSums", "normArgs", "is for r, j: sum1[j] += x[r][j].")
	x, sum, rows := field(p, normX), field(p, normSum1), field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	s.rows(rows, func() {
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			v, acc := s.vec(), s.vec()
			s.load(at(x, j), v, tail)
			s.load(at(sum, j), acc, tail)
			VADDPS(v, acc, acc)
			s.store(acc, at(sum, j), tail)
		})
		ADDQ(size, x)
	})
	s.end()
}

func columnSquares(s *isa, table Mem) {
	p := s.function("normColumnSquares", "normArgs", "is for r, j: sum2[j] += (x[r][j] - mean[j])².")
	x, mean, sum, rows := field(p, normX), field(p, normMean), field(p, normSum2), field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	two := GP64()
	MOVQ(rows, two)
	SHRQ(Imm(1), two)
	ANDQ(Imm(1), rows)
	x1 := GP64()
	s.rows(two, func() {
		LEAQ(at(x, size), x1)
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			v, w, m, acc := s.vec(), s.vec(), s.vec(), s.vec()
			s.load(at(x, j), v, tail)
			s.load(at(x1, j), w, tail)
			s.load(at(mean, j), m, tail)
			s.load(at(sum, j), acc, tail)
			VSUBPS(m, v, v)
			VSUBPS(m, w, w)
			VMULPS(v, v, v)
			VFMADD231PS(w, w, v)
			VADDPS(v, acc, acc)
			s.store(acc, at(sum, j), tail)
		})
		LEAQ(at(x1, size), x)
	})
	s.rows(rows, func() {
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			v, m, acc := s.vec(), s.vec(), s.vec()
			s.load(at(x, j), v, tail)
			s.load(at(mean, j), m, tail)
			s.load(at(sum, j), acc, tail)
			VSUBPS(m, v, v)
			VFMADD231PS(v, v, acc)
			s.store(acc, at(sum, j), tail)
		})
		ADDQ(size, x)
	})
	s.end()
}

func columnAffine(s *isa, table Mem, relu bool) {
	p := s.function(s.variant("normColumnAffine", relu), "normArgs", "is for r, j: out[r][j] = act((x[r][j] - mean[j])·a[j] + b[j]).")
	x, out := field(p, normX), field(p, normOut)
	mean, a, b, rows := field(p, normMean), field(p, normA), field(p, normB), field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	floor := s.vec()
	zero(floor)
	s.rows(rows, func() {
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			v, m, k, c := s.vec(), s.vec(), s.vec(), s.vec()
			s.load(at(x, j), v, tail)
			s.load(at(mean, j), m, tail)
			s.load(at(a, j), k, tail)
			s.load(at(b, j), c, tail)
			VSUBPS(m, v, v)
			VFMADD213PS(c, k, v)
			if relu {
				VMAXPS(v, floor, v) // the second source, v, where it is NaN
			}
			s.result(v, at(out, j), tail)
		})
		ADDQ(size, x)
		ADDQ(size, out)
	})
	s.end()
}

// masked clears the lanes of g where z > 0 does not hold.
func (s *isa) masked(z, nought, g reg.VecVirtual) {
	if s.wide {
		k := K()
		VCMPPS(Imm(0x1e), nought, z, k) // z > 0, false for NaN
		VMOVAPS_Z(g, k, g)
		return
	}
	VCMPPS(Imm(0x1e), nought, z, z)
	VANDPS(z, g, g)
}

func columnBackSums(s *isa, table Mem, relu bool) {
	p := s.function(s.variant("normColumnBackSums", relu), "normArgs",
		"is for r, j: sum1[j] += g; sum2[j] += g·h, with h = x[r][j] - mean[j] and g = dy[r][j] (for ReLU where h·a[j] + b[j] > 0).")
	x, dy, mean := field(p, normX), field(p, normDY), field(p, normMean)
	var a, b reg.GPVirtual
	nought := s.vec()
	if relu {
		a, b = field(p, normA), field(p, normB)
		zero(nought)
	}
	sum1, sum2, rows := field(p, normSum1), field(p, normSum2), field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	s.rows(rows, func() {
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			d, g, m, s1, s2 := s.vec(), s.vec(), s.vec(), s.vec(), s.vec()
			s.load(at(x, j), d, tail)
			s.load(at(mean, j), m, tail)
			s.load(at(dy, j), g, tail)
			s.load(at(sum1, j), s1, tail)
			s.load(at(sum2, j), s2, tail)
			VSUBPS(m, d, d)
			if relu {
				k, z := s.vec(), s.vec()
				s.load(at(a, j), k, tail)
				s.load(at(b, j), z, tail)
				VFMADD231PS(d, k, z)
				s.masked(z, nought, g)
			}
			VADDPS(g, s1, s1)
			VFMADD231PS(g, d, s2)
			s.store(s1, at(sum1, j), tail)
			s.store(s2, at(sum2, j), tail)
		})
		ADDQ(size, x)
		ADDQ(size, dy)
	})
	s.end()
}

func columnBackX(s *isa, table Mem, relu bool) {
	p := s.function(s.variant("normColumnBackX", relu), "normArgs",
		"is for r, j: out[r][j] = a[j]·g + c[j]·h + d[j], with h = x[r][j] - mean[j] and g = dy[r][j] (for ReLU where h·a[j] + b[j] > 0).")
	x, dy, out, mean := field(p, normX), field(p, normDY), field(p, normOut), field(p, normMean)
	a, c, e := field(p, normA), field(p, normC), field(p, normD)
	var b reg.GPVirtual
	nought := s.vec()
	if relu {
		b = field(p, normB)
		zero(nought)
	}
	rows := field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	s.rows(rows, func() {
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			d, g, m, k, kd, ke := s.vec(), s.vec(), s.vec(), s.vec(), s.vec(), s.vec()
			s.load(at(x, j), d, tail)
			s.load(at(mean, j), m, tail)
			s.load(at(dy, j), g, tail)
			s.load(at(a, j), k, tail)
			s.load(at(c, j), kd, tail)
			s.load(at(e, j), ke, tail)
			VSUBPS(m, d, d)
			if relu {
				z := s.vec()
				s.load(at(b, j), z, tail)
				VFMADD231PS(d, k, z)
				s.masked(z, nought, g)
			}
			VFMADD231PS(d, kd, ke)
			VFMADD231PS(g, k, ke)
			s.result(ke, at(out, j), tail)
		})
		ADDQ(size, x)
		ADDQ(size, dy)
		ADDQ(size, out)
	})
	s.end()
}

// keep clears the lanes beyond a row's end, which a subtraction may have filled.
func (s *isa) keep(v reg.VecVirtual, tail bool) {
	switch {
	case !tail:
	case s.wide:
		VMOVAPS_Z(v, s.kmask, v)
	default:
		VANDPS(s.mask, v, v)
	}
}

// total adds the lanes of the accumulators of a row, divides by n and spreads the result over a vector.
func (s *isa) average(acc []reg.VecVirtual, n reg.VecVirtual) reg.VecVirtual {
	for len(acc) > 1 {
		for i := 0; i+1 < len(acc); i += 2 {
			VADDPS(acc[i+1], acc[i], acc[i])
			acc[i/2] = acc[i]
		}
		acc = acc[:len(acc)/2]
	}
	v := s.sumLanes(acc[0])
	VDIVSS(n.AsX(), v.AsX(), v.AsX())
	VBROADCASTSS(v.AsX(), v)
	return v
}

// unrolled runs body over a row, four vectors (lane 0 … 3) at a time as long as there are four.
func (s *isa) unrolled(size, rem reg.GPVirtual, body func(m func(base reg.Register) Mem, lane int, tail bool)) {
	loop, single, one, tail, done := s.unique("four"), s.unique("single"), s.unique("one"), s.unique("tail"), s.unique("end")
	j, next := GP64(), GP64()
	XORQ(j, j)
	Label(loop)
	LEAQ(Mem{Base: j, Disp: 4 * s.bytes()}, next)
	CMPQ(next, size)
	JGT(LabelRef(single))
	for lane := range 4 {
		body(func(base reg.Register) Mem {
			return Mem{Base: base, Index: j, Scale: 1, Disp: lane * s.bytes()}
		}, lane, false)
	}
	MOVQ(next, j)
	JMP(LabelRef(loop))
	Label(single)
	m := func(base reg.Register) Mem { return at(base, j) }
	Label(one)
	LEAQ(Mem{Base: j, Disp: s.bytes()}, next)
	CMPQ(next, size)
	JGT(LabelRef(tail))
	body(m, 0, false)
	MOVQ(next, j)
	JMP(LabelRef(one))
	Label(tail)
	TESTQ(rem, rem)
	JZ(LabelRef(done))
	body(m, 1, true)
	Label(done)
}

// length is the row length as a float in lane 0.
func length(p reg.Register, s *isa) reg.VecVirtual {
	cols, n := field(p, normCols), s.vec()
	VXORPS(n.AsX(), n.AsX(), n.AsX())
	VCVTSI2SSQ(cols, n.AsX(), n.AsX())
	return n
}

func rowNorm(s *isa, table Mem, relu, centred bool) {
	name, doc := "normRowCentred", "is for each row r: mean[r] = Σ_j x[r][j]/cols, sum1[r] = 1/sqrt(Σ_j (x[r][j] - mean[r])²/cols + eps), "
	if !centred {
		name, doc = "normRowRMS", "is for each row r: sum1[r] = 1/sqrt(Σ_j x[r][j]²/cols + eps), "
	}
	p := s.function(s.variant(name, relu), "normArgs", doc+"out[r][j] = act((x[r][j] - mean[r])·sum1[r]·a[j] + b[j]).")
	x, out, mean, a, b, invstd := field(p, normX), field(p, normOut), field(p, normMean), field(p, normA), field(p, normB), field(p, normSum1)
	n := length(p, s)
	eps := s.vec()
	VMOVSS(Mem{Base: p, Disp: 8 * normEps}, eps.AsX())
	rows := field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	nought, one := s.vec(), s.vec()
	zero(nought)
	r := GP32()
	MOVL(U32(0x3f800000), r)
	VMOVD(r, one.AsX())
	s.rows(rows, func() {
		m := s.vec()
		zero(m)
		if centred {
			acc := s.vecs(4)
			for _, v := range acc {
				zero(v)
			}
			s.unrolled(size, rem, func(mem func(reg.Register) Mem, lane int, tail bool) {
				v := s.vec()
				s.load(mem(x), v, tail)
				VADDPS(v, acc[lane], acc[lane])
			})
			VMOVAPS(s.average(acc, n), m)
			VMOVSS(m.AsX(), Mem{Base: mean})
			ADDQ(Imm(4), mean)
		}
		acc := s.vecs(4)
		for _, v := range acc {
			zero(v)
		}
		s.unrolled(size, rem, func(mem func(reg.Register) Mem, lane int, tail bool) {
			v := s.vec()
			s.load(mem(x), v, tail)
			if centred {
				VSUBPS(m, v, v)
				s.keep(v, tail)
			}
			VFMADD231PS(v, v, acc[lane])
		})
		inv := s.average(acc, n)
		VADDSS(eps.AsX(), inv.AsX(), inv.AsX())
		VSQRTSS(inv.AsX(), inv.AsX(), inv.AsX())
		VDIVSS(inv.AsX(), one.AsX(), inv.AsX())
		VMOVSS(inv.AsX(), Mem{Base: invstd})
		ADDQ(Imm(4), invstd)
		VBROADCASTSS(inv.AsX(), inv)
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			v, k, c := s.vec(), s.vec(), s.vec()
			s.load(at(x, j), v, tail)
			s.load(at(a, j), k, tail)
			s.load(at(b, j), c, tail)
			if centred {
				VSUBPS(m, v, v)
			}
			VMULPS(inv, v, v)
			VFMADD213PS(c, k, v)
			if relu {
				VMAXPS(v, nought, v)
			}
			s.result(v, at(out, j), tail)
		})
		ADDQ(size, x)
		ADDQ(size, out)
	})
	s.end()
}

func rowBack(s *isa, table Mem, relu, centred bool) {
	name := "normRowBackCentred"
	if !centred {
		name = "normRowBackRMS"
	}
	p := s.function(s.variant(name, relu), "normArgs", "is for each row r, with h = (x[r][j] - mean[r])·c[r] (mean 0 for RMS), g = dy[r][j] (for ReLU where h·a[j] + b[j] > 0): "+
		"sum1[j] += g, sum2[j] += g·h, out[r][j] = c[r]·(a[j]·g - Σ_j a[j]·g/cols - h·Σ_j a[j]·g·h/cols), without the first sum for RMS.")
	x, dy, out, mean, a := field(p, normX), field(p, normDY), field(p, normOut), field(p, normMean), field(p, normA)
	var b reg.GPVirtual
	if relu {
		b = field(p, normB)
	}
	invstd, sum1, sum2 := field(p, normC), field(p, normSum1), field(p, normSum2)
	n := length(p, s)
	rows := field(p, normRows)
	size, rem := s.extent(p, normCols, table)
	nought := s.vec()
	zero(nought)
	s.rows(rows, func() {
		m, inv := s.vec(), s.vec()
		if centred {
			VBROADCASTSS(Mem{Base: mean}, m)
			ADDQ(Imm(4), mean)
		}
		VBROADCASTSS(Mem{Base: invstd}, inv)
		ADDQ(Imm(4), invstd)
		// terms gives h and a·g of a vector, and g where it is asked for.
		terms := func(j reg.GPVirtual, tail bool) (h, g, ag reg.VecVirtual) {
			h, g, ag = s.vec(), s.vec(), s.vec()
			s.load(at(x, j), h, tail)
			s.load(at(dy, j), g, tail)
			s.load(at(a, j), ag, tail)
			if centred {
				VSUBPS(m, h, h)
			}
			VMULPS(inv, h, h)
			if relu {
				z := s.vec()
				s.load(at(b, j), z, tail)
				VFMADD231PS(h, ag, z)
				s.masked(z, nought, g)
			}
			VMULPS(g, ag, ag)
			return h, g, ag
		}
		t1, t2 := s.vec(), s.vec()
		zero(t1)
		zero(t2)
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			h, g, ag := terms(j, tail)
			s.keep(h, tail)
			if centred {
				VADDPS(ag, t1, t1)
			}
			VFMADD231PS(ag, h, t2)
			s1, s2 := s.vec(), s.vec()
			s.load(at(sum1, j), s1, tail)
			s.load(at(sum2, j), s2, tail)
			VADDPS(g, s1, s1)
			VFMADD231PS(g, h, s2)
			s.store(s1, at(sum1, j), tail)
			s.store(s2, at(sum2, j), tail)
		})
		if centred {
			t1 = s.average([]reg.VecVirtual{t1}, n)
		}
		t2 = s.average([]reg.VecVirtual{t2}, n)
		s.columns(size, rem, func(j reg.GPVirtual, tail bool) {
			h, _, ag := terms(j, tail)
			if centred {
				VSUBPS(t1, ag, ag)
			}
			VFNMADD231PS(h, t2, ag)
			VMULPS(inv, ag, ag)
			s.result(ag, at(out, j), tail)
		})
		ADDQ(size, x)
		ADDQ(size, dy)
		ADDQ(size, out)
	})
	s.end()
}
