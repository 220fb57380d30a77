package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// tap is one input pixel of an output pixel; assembly reads it.
type tap struct {
	pos    int32 // flat position in the image
	weight float32
}

// tapArgs are the operands of a loop over taps over a part of one image; assembly reads the fields by position.
type tapArgs struct {
	dst, src      *float32 // first output pixel; image
	pos           *int32   // positions of maxima: of the first output pixel where they are written, of the image where they are read
	start         *int32   // first tap of each output pixel, and behind the last one's taps
	taps          *tap
	outputs, cols int
	first         int // number of the first output pixel
}

// tapPasses are the loops over taps of one level.
type tapPasses struct {
	weighted, weightedStream, match, matchStream, max, maxPos func(g *tapArgs)
}

func genericTapPasses() tapPasses {
	return tapPasses{tapSum, tapSum, tapMatch, tapMatch,
		func(g *tapArgs) { tapMax(g, false) }, func(g *tapArgs) { tapMax(g, true) }}
}

// of lists the taps of output i.
func (g *tapArgs) of(i int) []tap {
	s := unsafe.Slice(g.start, g.outputs+1)
	return unsafe.Slice(g.taps, s[g.outputs])[s[i]:s[i+1]]
}

func tapSum(g *tapArgs) {
	for i := range g.outputs {
		dst := row(g.dst, i, g.cols)
		clear(dst)
		for _, t := range g.of(i) {
			for c, v := range row(g.src, int(t.pos), g.cols) {
				dst[c] += t.weight * v
			}
		}
	}
}

func tapMatch(g *tapArgs) {
	for i := range g.outputs {
		dst := row(g.dst, i, g.cols)
		clear(dst)
		for _, t := range g.of(i) {
			src := row(g.src, int(t.pos), g.cols)
			for c, p := range rowPos(g.pos, int(t.pos), g.cols) {
				if int(p) == g.first+i {
					dst[c] += src[c]
				}
			}
		}
	}
}

func tapMax(g *tapArgs, positions bool) {
	for i := range g.outputs {
		dst, taps := row(g.dst, i, g.cols), g.of(i)
		copy(dst, row(g.src, int(taps[0].pos), g.cols))
		var pos []int32
		if positions {
			pos = rowPos(g.pos, i, g.cols)
			for c := range pos {
				pos[c] = taps[0].pos
			}
		}
		for _, t := range taps[1:] {
			for c, v := range row(g.src, int(t.pos), g.cols) {
				if best := dst[c]; !(v <= best) && best == best { // greater or NaN
					dst[c] = v
					if positions {
						pos[c] = t.pos
					}
				}
			}
		}
	}
}

// rowPos is row r of a matrix of positions.
func rowPos(p *int32, r, n int) []int32 {
	return unsafe.Slice((*int32)(unsafe.Add(unsafe.Pointer(p), 4*r*n)), n)
}

// tapTable lists the taps of each output pixel of an image: those of output i are taps[start[i]:start[i+1]].
type tapTable struct {
	start []int32
	taps  []tap
}

// maxTaps bounds a table's memory; kernels beyond it (huge overlapping windows) run on the reference.
const maxTaps = 1 << 24

// transposed lists, for each of n input pixels, the output pixels that take it, in ascending order.
func (t tapTable) transposed(n int) tapTable {
	r := tapTable{make([]int32, n+1), make([]tap, len(t.taps))}
	for _, p := range t.taps {
		r.start[p.pos+1]++
	}
	for i := range n {
		r.start[i+1] += r.start[i]
	}
	next := append([]int32(nil), r.start...)
	for out := range len(t.start) - 1 {
		for _, p := range t.taps[t.start[out]:t.start[out+1]] {
			r.taps[next[p.pos]] = tap{int32(out), p.weight}
			next[p.pos]++
		}
	}
	return r
}

// tapExec runs a loop over taps on the images of a batch.
type tapExec struct {
	streaming
	pool       *pool
	pass, past func(g *tapArgs) // past writes past the caches
	table      tapTable
	images, c  int
	ins, outs  int // pixels of an image
	outBlock   int // output pixels in a block
	blocks     int // of an image
	chunk      int // blocks in a part of the pool's work
	bytes      int // of one call
	// Where the operands lie in a call's arguments; -1 for none.
	srcArg, dstArg, readPos, writePos int

	args     []tapArgs // one a thread
	src, dst []float32
	pos      []int32
}

// tapBlockBytes is about what a part of the work moves.
const tapBlockBytes = 64 << 10

func newTapExec(d *Device, table tapTable, images, ins, outs, c int) *tapExec {
	e := &tapExec{streaming: newStreaming(), pool: d.pool, table: table, images: images, c: c, ins: ins, outs: outs, readPos: -1, writePos: -1,
		srcArg: 0, dstArg: 1, args: make([]tapArgs, d.pool.threads)}
	perImage := max(4*c*(ins+outs), 1)
	e.outBlock = min(max(outs*tapBlockBytes/perImage, 1), outs)
	e.blocks = (outs + e.outBlock - 1) / e.outBlock
	e.chunk = max(tapBlockBytes*e.blocks/perImage, 1)
	e.bytes = perImage * images
	return e
}

func (e *tapExec) Workspace() int { return 0 }

func (e *tapExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.src, e.dst = kernels.Slice[float32](args[e.srcArg]), kernels.Slice[float32](args[e.dstArg])
	switch {
	case e.readPos >= 0:
		e.pos = kernels.Slice[int32](args[e.readPos])
	case e.writePos >= 0:
		e.pos = kernels.Slice[int32](args[e.writePos])
	}
	if e.images == 0 || e.c == 0 {
		return nil
	}
	e.decide(args[e.dstArg], 4*e.c)
	e.pool.inParts((e.images*e.blocks+e.chunk-1)/e.chunk, e.bytes, e)
	return nil
}

func (e *tapExec) part(i, worker int) {
	g := &e.args[worker]
	for u := i * e.chunk; u < min((i+1)*e.chunk, e.images*e.blocks); u++ {
		image, first := u/e.blocks, u%e.blocks*e.outBlock
		*g = tapArgs{
			dst: unsafe.SliceData(e.dst[(image*e.outs+first)*e.c:]), src: unsafe.SliceData(e.src[image*e.ins*e.c:]),
			start: &e.table.start[first], taps: unsafe.SliceData(e.table.taps),
			outputs: min(e.outBlock, e.outs-first), cols: e.c, first: first,
		}
		switch {
		case e.readPos >= 0:
			g.pos = unsafe.SliceData(e.pos[image*e.ins*e.c:])
		case e.writePos >= 0:
			g.pos = unsafe.SliceData(e.pos[(image*e.outs+first)*e.c:])
		}
		if e.stream {
			e.past(g)
		} else {
			e.pass(g)
		}
	}
}
