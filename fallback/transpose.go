package fallback

import "unsafe"

// transposeArgs is a column of tiles. The assembly knows its layout.
type transposeArgs struct {
	dst, src             unsafe.Pointer
	dstStride, srcStride int // bytes
	blocks               int // tiles of the column
}

// transposeTile is a routine that transposes square tiles of width × width elements.
type transposeTile struct {
	width int
	run   func(dst, src unsafe.Pointer, dstStride, srcStride, blocks int)
}

// transposeChunk is the number of rows of src that are gone through at a time, so that few pages are in use at once.
const transposeChunk = 128

// transposePlane is the routine for a plane whose first axis is dense in src and whose second is dense in dst.
func transposePlane(l Level, size int) func(m *plane) {
	if tiles := transposeTiles(l, size); tiles != nil {
		large, small := tiles[0], tiles[1]
		return func(m *plane) {
			for j := 0; j < m.n0; j += transposeChunk {
				part := *m
				part.n0 = min(transposeChunk, m.n0-j)
				part.dst, part.src = unsafe.Add(m.dst, j*m.d0), unsafe.Add(m.src, j*m.s0)
				transposeByTiles(&part, size, large, small)
			}
		}
	}
	return func(m *plane) { transposeBlocked(m, size) }
}

// transposeByTiles does as much as fits in large tiles, then in small ones, and the edges one by one.
func transposeByTiles(m *plane, size int, large, small transposeTile) {
	rows := 0 // of dst that are done
	for _, t := range [2]transposeTile{large, small} {
		for ; rows+t.width <= m.n1; rows += t.width {
			dst, src := unsafe.Add(m.dst, rows*m.d1), unsafe.Add(m.src, rows*m.s1)
			cols := 0
			for _, u := range [2]transposeTile{t, small} {
				blocks := (m.n0 - cols) / u.width
				if blocks == 0 {
					continue
				}
				for r := 0; r < t.width; r += u.width {
					u.run(unsafe.Add(dst, cols*m.d0+r*m.d1), unsafe.Add(src, cols*m.s0+r*m.s1), m.d1, m.s0, blocks)
				}
				cols += blocks * u.width
			}
			edge(m, size, rows, rows+t.width, cols, m.n0)
		}
	}
	edge(m, size, rows, m.n1, 0, m.n0)
}

// edge copies rows lo1 … hi1-1 and columns lo0 … hi0-1 of a plane.
func edge(m *plane, size, lo1, hi1, lo0, hi0 int) {
	if lo1 == hi1 || lo0 == hi0 {
		return
	}
	p := *m
	p.dst, p.src = unsafe.Add(m.dst, lo1*m.d1+lo0*m.d0), unsafe.Add(m.src, lo1*m.s1+lo0*m.s0)
	p.n1, p.n0 = hi1-lo1, hi0-lo0
	switch size { // spelled out, so that p stays on the stack
	case 1:
		strided[uint8](&p)
	case 2:
		strided[uint16](&p)
	case 4:
		strided[uint32](&p)
	default:
		strided[uint64](&p)
	}
}

// transposeBlocked copies block after block, so that the cache lines of a block are still there when their next element is read.
func transposeBlocked(m *plane, size int) {
	const block = 32
	for i := 0; i < m.n1; i += block {
		for j := 0; j < m.n0; j += block {
			edge(m, size, i, min(i+block, m.n1), j, min(j+block, m.n0))
		}
	}
}
