package sim

import (
	"math"
	"math/bits"

	"palladio/cuda/sim/ptx"
)

// Matrices in registers. Lane l belongs to row g = l/4 of a tile of 8 rows, of which its register holds the elements from column (l mod 4)·E on, E to a
// register of 32 bits: register after register is an 8 × 4E tile in row-major order. A tile of B is stored by its columns. A of 16 rows alternates between
// the upper and the lower tile. Of the accumulators, a lane holds two neighbours of row g, then of row g + 8.

// mma is one shape of mma: d = a·b + c, with a of m × k, b of k × 8.
type mma struct {
	m, n, k   int
	d, a, b   ptx.Type
	as, bs    int // registers of a and b
	cs        int // registers of c and d
	satfinite bool
	xor       bool // of bits: a xor b is counted, not a and b
}

// Most elements of a and of b.
const (
	maxA = 16 * 64
	maxB = 8 * 64
)

// matrixMultiply is mma.
func matrixMultiply(in *ptx.Instr) alu {
	var s mma
	if s.m, s.n, s.k = mmaShape(in); s.m == 0 || len(in.Types) != 4 || !in.Has("sync") {
		return alu{}
	}
	s.d, s.a, s.b = in.Type(0), in.Type(1), in.Type(2)
	s.satfinite, s.xor = in.Has("satfinite"), in.Has("xor")
	if s.k == 4 && s.a == ptx.F16 {
		return matrixVolta(in)
	}
	if in.Type(3) != s.d || s.a.Bits() != s.b.Bits() || s.n != 8 || !in.Has("row") || !in.Has("col") {
		return alu{}
	}
	width := max(32, s.a.Bits()) * lanes
	s.as, s.bs = s.m*s.k*s.a.Bits()/width, s.n*s.k*s.a.Bits()/width
	s.cs = s.m * s.n / lanes
	if s.d == ptx.F16 {
		s.cs /= 2
	}
	op := alu{multi: s.operation(), allLanes: true}
	if op.multi == nil || s.as == 0 || s.bs == 0 {
		return alu{}
	}
	cell, acc := ptx.B32, s.d
	if s.a == ptx.F64 {
		cell = ptx.F64
	}
	if s.d == ptx.F16 {
		acc = ptx.B32
	}
	op.dst = repeat(nil, acc, s.cs)
	op.src = repeat(repeat(repeat(nil, cell, s.as), cell, s.bs), acc, s.cs)
	return op
}

// repeat appends t to list n times.
func repeat(list []ptx.Type, t ptx.Type, n int) []ptx.Type {
	for range n {
		list = append(list, t)
	}
	return list
}

// matrixShape reads a modifier mMnNkK of the shapes that there are.
func matrixShape(mod string) (m, n, k int, ok bool) {
	var v [3]int
	at := 0
	for i, letter := range []byte("mnk") {
		if at >= len(mod) || mod[at] != letter {
			return 0, 0, 0, false
		}
		for at++; at < len(mod) && isDigit(mod[at]) && v[i] < 1000; at++ {
			v[i] = 10*v[i] + int(mod[at]-'0')
		}
	}
	return v[0], v[1], v[2], at == len(mod) && (v[0] == 8 || v[0] == 16) && v[1] == 8
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// operation finds the function for the types; nil where the shape does not go with them.
func (s *mma) operation() multiOp {
	tall, k := s.m == 16, s.k
	float := s.d == ptx.F32 || s.d == ptx.F16
	switch s.a {
	case ptx.F16:
		if tall && (k == 8 || k == 16) && float && s.b == s.a {
			return s.halves
		}
	case ptx.BF16:
		if tall && (k == 8 || k == 16) && s.d == ptx.F32 && s.b == s.a {
			return s.halves
		}
	case ptx.TF32:
		if tall && (k == 4 || k == 8) && s.d == ptx.F32 && s.b == s.a {
			return s.singles
		}
	case ptx.F64:
		if s.d == ptx.F64 && s.b == s.a && (!tall && k == 4 || tall && (k == 4 || k == 8 || k == 16)) {
			return s.doubles
		}
	case ptx.E4M3, ptx.E5M2:
		if tall && (k == 16 || k == 32) && float && (s.b == ptx.E4M3 || s.b == ptx.E5M2) {
			return s.quarters
		}
	case ptx.S8, ptx.U8:
		if s.d == ptx.S32 && (!tall && k == 16 || tall && (k == 16 || k == 32)) && (s.b == ptx.S8 || s.b == ptx.U8) {
			return s.integers
		}
	case ptx.S4, ptx.U4:
		if s.d == ptx.S32 && (!tall && k == 32 || tall && (k == 32 || k == 64)) && (s.b == ptx.S4 || s.b == ptx.U4) {
			return s.integers
		}
	case ptx.B1:
		if s.d == ptx.S32 && s.b == s.a && (!tall && k == 128 || tall && (k == 128 || k == 256)) {
			return s.bits
		}
	}
	return nil
}

// split cuts the registers into those of d, a, b and c.
func (s *mma) split(r []*reg) (d, a, b, c []*reg) {
	d, r = r[:s.cs], r[s.cs:]
	a, r = r[:s.as], r[s.as:]
	return d, a, r[:s.bs], r[s.bs : s.bs+s.cs]
}

// place is the row and the first column, in units of the columns of a register, of register i of a; of b it is the column and the row.
func place(i int, tall bool) (row, column int) {
	if tall {
		return i & 1 * 8, i >> 1 * 4
	}
	return 0, i * 4
}

// halves multiplies f16 or bf16 matrices.
func (s *mma) halves(r []*reg) {
	var a [16 * 16]float64
	var b [16 * 8]float64
	rd, ra, rb, rc := s.split(r)
	table := s.a == ptx.F16
	unpackHalves(a[:], ra, s.k, 1, true, table)
	unpackHalves(b[:], rb, 1, 8, false, table)
	s.floats(rd, rc, a[:], b[:])
}

// unpackHalves spreads registers of two elements: that of row i, column j goes to dst[i·rows + j·columns].
func unpackHalves(dst []float64, r []*reg, rows, columns int, tall, f16 bool) {
	for i, p := range r {
		row, column := place(i, tall)
		for lane, v := range p {
			at := (row+lane>>2)*rows + (2*column+lane&3*2)*columns
			if f16 {
				dst[at], dst[at+columns] = float64(f16ToF32(v)), float64(f16ToF32(v>>16))
			} else {
				dst[at], dst[at+columns] = float64(math.Float32frombits(v<<16)), float64(math.Float32frombits(v&0xffff0000))
			}
		}
	}
}

// singles multiplies tf32 matrices: the low 13 bits do not count.
func (s *mma) singles(r []*reg) {
	var a [16 * 8]float64
	var b [8 * 8]float64
	rd, ra, rb, rc := s.split(r)
	unpackSingles(a[:], ra, s.k, 1, true)
	unpackSingles(b[:], rb, 1, 8, false)
	s.floats(rd, rc, a[:], b[:])
}

func unpackSingles(dst []float64, r []*reg, rows, columns int, tall bool) {
	for i, p := range r {
		row, column := place(i, tall)
		for lane, v := range p {
			dst[(row+lane>>2)*rows+(column+lane&3)*columns] = float64(math.Float32frombits(v &^ 0x1fff))
		}
	}
}

// quarters multiplies matrices of 8-bit floats.
func (s *mma) quarters(r []*reg) {
	var a [16 * 32]float64
	var b [32 * 8]float64
	rd, ra, rb, rc := s.split(r)
	unpackQuarters(a[:], ra, s.k, 1, true, s.a)
	unpackQuarters(b[:], rb, 1, 8, false, s.b)
	s.floats(rd, rc, a[:], b[:])
}

func unpackQuarters(dst []float64, r []*reg, rows, columns int, tall bool, t ptx.Type) {
	f := formatE4M3
	if t == ptx.E5M2 {
		f = formatE5M2
	}
	for i, p := range r {
		row, column := place(i, tall)
		for lane, v := range p {
			at := (row+lane>>2)*rows + (4*column+lane&3*4)*columns
			for e := range 4 {
				dst[at+e*columns] = f.decode(v >> (8 * e) & 0xff)
			}
		}
	}
}

// floats adds the product of 16 × k and k × 8 matrices to c. The sums are of float64, in which the products are exact, and are rounded once.
func (s *mma) floats(rd, rc []*reg, a, b []float64) {
	var acc [16][8]float64
	for row := range acc {
		s.loadRow(&acc[row], rc, row)
	}
	for row := range acc {
		multiplyRow(&acc[row], a[row*s.k:(row+1)*s.k], b)
		s.storeRow(&acc[row], rd, row)
	}
}

// multiplyRow adds the product of a row of a and b to a row of the accumulators.
func multiplyRow(acc *[8]float64, a, b []float64) {
	s0, s1, s2, s3, s4, s5, s6, s7 := acc[0], acc[1], acc[2], acc[3], acc[4], acc[5], acc[6], acc[7]
	for k, v := range a {
		w := (*[8]float64)(b[8*k:])
		s0 += float64(v * w[0])
		s1 += float64(v * w[1])
		s2 += float64(v * w[2])
		s3 += float64(v * w[3])
		s4 += float64(v * w[4])
		s5 += float64(v * w[5])
		s6 += float64(v * w[6])
		s7 += float64(v * w[7])
	}
	*acc = [8]float64{s0, s1, s2, s3, s4, s5, s6, s7}
}

// loadRow reads a row of the accumulators.
func (s *mma) loadRow(acc *[8]float64, r []*reg, row int) {
	lane := row & 7 * 4
	for t := range 4 {
		if s.d == ptx.F16 {
			v := r[row>>3][lane+t]
			acc[2*t], acc[2*t+1] = float64(f16ToF32(v)), float64(f16ToF32(v>>16))
			continue
		}
		acc[2*t] = float64(math.Float32frombits(r[row>>3*2][lane+t]))
		acc[2*t+1] = float64(math.Float32frombits(r[row>>3*2+1][lane+t]))
	}
}

// storeRow rounds and writes a row of the accumulators.
func (s *mma) storeRow(acc *[8]float64, r []*reg, row int) {
	lane := row & 7 * 4
	for t := range 4 {
		if s.d == ptx.F16 {
			r[row>>3][lane+t] = formatF16.encode(acc[2*t], nearestEven) | formatF16.encode(acc[2*t+1], nearestEven)<<16
			continue
		}
		r[row>>3*2][lane+t] = math.Float32bits(canonical(float32(acc[2*t])))
		r[row>>3*2+1][lane+t] = math.Float32bits(canonical(float32(acc[2*t+1])))
	}
}

// doubles multiplies f64 matrices, one fused multiply-add after the other.
func (s *mma) doubles(r []*reg) {
	var a [16 * 16]float64
	var b [16 * 8]float64
	rd, ra, rb, rc := s.split(r)
	tall := s.m == 16
	for i, p := range ra {
		row, column := place(i, tall)
		for lane, v := range p.f64() {
			a[(row+lane>>2)*s.k+column+lane&3] = v
		}
	}
	for i, p := range rb {
		for lane, v := range p.f64() {
			b[(4*i+lane&3)*8+lane>>2] = v
		}
	}
	var sums [4][lanes]float64
	for reg := range rc {
		sums[reg] = *rc[reg].f64()
		for lane := range lanes {
			row, col := lane>>2+reg>>1*8, lane&3*2+reg&1
			for k, v := range a[row*s.k : (row+1)*s.k] {
				sums[reg][lane] = math.FMA(v, b[8*k+col], sums[reg][lane])
			}
		}
	}
	for reg := range rd {
		*rd[reg].f64() = sums[reg]
	}
}

// integers multiplies matrices of bytes or of half bytes.
func (s *mma) integers(r []*reg) {
	var a [maxA]int32
	var b [maxB]int32
	rd, ra, rb, rc := s.split(r)
	unpackIntegers(a[:], ra, s.k, s.m == 16, s.a)
	unpackIntegers(b[:], rb, s.k, false, s.b)
	var sums [4]reg
	for i := range rc {
		for lane := range lanes {
			row, col := lane>>2+i>>1*8, lane&3*2+i&1
			x := a[row*s.k : (row+1)*s.k]
			y := b[col*s.k : (col+1)*s.k][:len(x)]
			var sum int32
			for k, v := range x {
				sum += v * y[k]
			}
			if c := int32(rc[i][lane]); s.satfinite {
				sums[i][lane] = saturate32(int64(c) + int64(sum))
			} else {
				sums[i][lane] = uint32(c + sum)
			}
		}
	}
	for i := range rd {
		*rd[i] = sums[i]
	}
}

// unpackIntegers spreads registers of 4 bytes or 8 half bytes over rows of k elements.
func unpackIntegers(dst []int32, r []*reg, k int, tall bool, t ptx.Type) {
	width := t.Bits()
	per := 32 / width
	signed := t.Signed()
	for i, p := range r {
		row, column := place(i, tall)
		for lane, v := range p {
			at := dst[(row+lane>>2)*k+(column+lane&3)*per:][:per]
			for e := range at {
				w := v << (32 - width*(e+1))
				if signed {
					at[e] = int32(w) >> (32 - width)
				} else {
					at[e] = int32(w >> (32 - width))
				}
			}
		}
	}
}

// bits counts the ones of a xor b, or of a and b, for matrices of bits.
func (s *mma) bits(r []*reg) {
	var a [16 * 8]uint32
	var b [8 * 8]uint32
	rd, ra, rb, rc := s.split(r)
	words := s.k / 32
	for i, p := range ra {
		row, column := place(i, s.m == 16)
		for lane, v := range p {
			a[(row+lane>>2)*words+column+lane&3] = v
		}
	}
	for i, p := range rb {
		for lane, v := range p {
			b[lane>>2*words+4*i+lane&3] = v
		}
	}
	var sums [4]reg
	for i := range rc {
		for lane := range lanes {
			row, col := lane>>2+i>>1*8, lane&3*2+i&1
			n := 0
			for w, v := range a[row*words : (row+1)*words] {
				if s.xor {
					n += bits.OnesCount32(v ^ b[col*words+w])
				} else {
					n += bits.OnesCount32(v & b[col*words+w])
				}
			}
			sums[i][lane] = rc[i][lane] + uint32(n)
		}
	}
	for i := range rd {
		*rd[i] = sums[i]
	}
}

// moveMatrix is movmatrix: an 8 × 8 matrix of half-words transposed.
func moveMatrix(in *ptx.Instr) alu {
	if !in.Has("trans") || !in.Has("m8n8") || in.Type(0) != ptx.B16 {
		return alu{}
	}
	return alu{allLanes: true, dst: []ptx.Type{ptx.B32}, src: []ptx.Type{ptx.B32}, multi: func(r []*reg) {
		a := *r[1]
		for lane := range r[0] {
			row, column := lane>>2, lane&3*2
			lo := a[column*4+row>>1] >> (row & 1 * 16) & 0xffff
			hi := a[column*4+4+row>>1] >> (row & 1 * 16) & 0xffff
			r[0][lane] = lo | hi<<16
		}
	}}
}
