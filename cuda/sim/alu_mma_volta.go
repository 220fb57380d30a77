package sim

import (
	"math"

	"palladio/cuda/sim/ptx"
)

// volta is mma of m8n8k4 with f16: four products at once, each by 8 lanes: four neighbours of the lower half of the warp and those 16 lanes on.
type volta struct {
	rowA, rowB bool // a and b are stored by rows
	d, c       ptx.Type
}

// matrixVolta is mma.m8n8k4 of f16.
func matrixVolta(in *ptx.Instr) alu {
	d, c := in.Type(0), in.Type(3)
	half := func(t ptx.Type) bool { return t == ptx.F16 || t == ptx.F32 }
	var layouts []bool
	for _, m := range in.Mods {
		if m == "row" || m == "col" {
			layouts = append(layouts, m == "row")
		}
	}
	if len(layouts) != 2 || in.Type(2) != ptx.F16 || !half(d) || !half(c) || !in.Has("m8n8k4") {
		return alu{}
	}
	s := &volta{layouts[0], layouts[1], d, c}
	registers := func(list []ptx.Type, t ptx.Type) []ptx.Type {
		if t == ptx.F16 {
			return repeat(list, ptx.B32, 4)
		}
		return repeat(list, ptx.F32, 8)
	}
	return alu{
		multi: s.multiply, allLanes: true,
		dst: registers(nil, d), src: registers(repeat(nil, ptx.B32, 4), c),
	}
}

// lane is the lane of a product that has rank i among its 8.
func (s *volta) lane(product, i int) int { return 4*product + i&3 + i>>2*16 }

// operand reads a matrix of 8 × 4: element (i, k) is the k-th of lane i where the lanes hold rows, else the i-th of lane k of the half that i is in.
func (s *volta) operand(r []*reg, product int, rows bool) (m [8][4]float64) {
	for i := range 8 {
		for k := range 4 {
			lane, e := s.lane(product, i), k
			if !rows {
				lane, e = s.lane(product, k+i&4), i&3
			}
			m[i][k] = float64(f16ToF32(r[e>>1][lane] >> (e & 1 * 16)))
		}
	}
	return m
}

// cell is the lane and the number of the value of an accumulator.
func (s *volta) cell(product, row, col int, t ptx.Type) (lane, i int) {
	if t == ptx.F16 {
		return s.lane(product, row), col
	}
	return s.lane(product, row&5+col&2), col&4 + row&2 + col&1
}

// multiply computes the four products.
func (s *volta) multiply(r []*reg) {
	nd, nc := 4, 4
	if s.d == ptx.F32 {
		nd = 8
	}
	if s.c == ptx.F32 {
		nc = 8
	}
	rd, ra, rb, rc := r[:nd], r[nd:nd+2], r[nd+2:nd+4], r[nd+4:nd+4+nc]
	var sums [4][8][8]float64
	for p := range sums {
		a, b := s.operand(ra, p, s.rowA), s.operand(rb, p, !s.rowB) // b by columns is like a by rows
		for row := range 8 {
			for col := range 8 {
				lane, i := s.cell(p, row, col, s.c)
				var sum float64
				if s.c == ptx.F16 {
					sum = float64(f16ToF32(rc[i>>1][lane] >> (i & 1 * 16)))
				} else {
					sum = float64(math.Float32frombits(rc[i][lane]))
				}
				for k := range 4 {
					sum += a[row][k] * b[col][k]
				}
				sums[p][row][col] = sum
			}
		}
	}
	for p := range sums {
		for row := range 8 {
			for col := range 8 {
				lane, i := s.cell(p, row, col, s.d)
				if s.d == ptx.F32 {
					rd[i][lane] = math.Float32bits(canonical(float32(sums[p][row][col])))
					continue
				}
				v := formatF16.encode(sums[p][row][col], nearestEven)
				shift := i & 1 * 16
				rd[i>>1][lane] = rd[i>>1][lane]&^(0xffff<<shift) | v<<shift
			}
		}
	}
}
