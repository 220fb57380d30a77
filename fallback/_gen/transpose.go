package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose builds the tiles of matrix transposition: square tiles of a vector's width, and of two, which read and write whole cache
// lines. A call does a column of tiles. AVX2 serves all levels: the tiles are bound by memory.
func transpose() {
	s := &isa{name: "AVX2"}
	for _, size := range []int{4, 8} {
		for _, tiles := range []int{1, 2} {
			transposeTiles(s, size, tiles)
		}
	}
}

func transposeTiles(s *isa, size, tiles int) {
	lanes := 32 / size
	name := fmt.Sprintf("transpose%dx%d", size, lanes*tiles)
	p := s.function(name, "transposeArgs", fmt.Sprintf("is dst[j·dstStride + i·%d] = src[i·srcStride + j·%d] for i < %d·blocks, j < %d; strides in bytes, blocks > 0.",
		size, size, lanes*tiles, lanes*tiles))
	dst, src := field(p, 0), field(p, 1)
	dstStride, srcStride, blocks := field(p, 2), field(p, 3), field(p, 4)
	Label("block")
	for ti := range tiles {
		for tj := range tiles {
			from, to := GP64(), GP64()
			LEAQ(Mem{Base: src, Disp: 32 * tj}, from)
			row := make([]reg.VecVirtual, lanes)
			for i := range row {
				row[i] = YMM()
				VMOVUPS(Mem{Base: from}, row[i])
				ADDQ(srcStride, from)
			}
			if size == 4 {
				row = transpose8(row)
			} else {
				row = transpose4(row)
			}
			MOVQ(dst, to)
			if tj > 0 {
				skip := GP64()

				IMUL3Q(Imm(uint64(lanes*tj)), dstStride, skip)
				ADDQ(skip, to)
			}
			for _, v := range row {
				VMOVUPS(v, Mem{Base: to, Disp: 32 * ti})
				ADDQ(dstStride, to)
			}
			if tj == tiles-1 {
				MOVQ(from, src)
				if tj > 0 {
					SUBQ(Imm(uint64(32*tj)), src)
				}
			}
		}
	}
	ADDQ(Imm(uint64(32*tiles)), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	s.end()
}
