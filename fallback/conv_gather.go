package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// convGather is a convolution as matrix products that read the image in place: a tile of the result is some pixels by a
// panel of filters, and for each tap a table of offsets tells the micro-kernel where its pixels' channels lie
// (Dukhan, The Indirect Convolution Algorithm, 2019). Taps on padding point at a row of zeros. Only filters are packed.
//
// It serves the forward pass and, with the roles of the channels exchanged, each residue class of the backward pass by data.
type convGather struct {
	convPhases[convGather]
	tiles  *convTiles
	finish convFinish

	batch      int
	src, dst   [3]int // spatial extents of what is read and of what is written
	srcC, dstC int    // their channels
	groups     int
	depth      int  // channels of the source that one filter sees
	cols       int  // filters of a group
	transposed bool // filters are read [K, taps, C] with C as columns
	taps       int  // of the whole filter
	mr         int
	passes     []gatherPass
	parts      []gatherPart
	packs      []gatherPack
	padded     *padRows // non-nil: the taps of the last axis are merged, over rows copied with their padding
	tables     []gatherTables
	zeros      []float32
	packedLen  int // floats of packed filters

	// of the present call
	x, w, y          []float32
	bias, residual   []float32
	packed, paddedTo []float32
	zero             int // offset of zeros from x, in bytes
}

// gatherPass is one dense convolution: along each axis, element j of count reads source element j·step + shift[t] for tap t
// of the filter, and is written to element j·outStep + outFirst.
type gatherPass struct {
	count, step, outStep, outFirst [3]int
	shift, tap                     [3][]int
	packed                         int // where its filters begin in the packed ones
	segs, n                        int // segments of contiguous products and their length
}

func (p *gatherPass) rows(batch int) int { return batch * p.count[0] * p.count[1] * p.count[2] }

// panelLen is the length of one panel of packed filters.
func (p *gatherPass) panelLen(width int) int { return p.segs * p.n * width }

// gatherPart is what one part of the task computes: rows [row0, row1) by panels [panel0, panel1) of a group.
type gatherPart struct{ pass, group, row0, row1, panel0, panel1 int }

// gatherPack is one panel of filters to pack.
type gatherPack struct{ pass, group, panel int }

// gatherTables is one worker's scratch: the offsets of the tiles of one part.
type gatherTables struct{ off, out []int }

// mergeChannels is the number of channels below which the taps of the last axis are merged into one run.
const mergeChannels = 8

// run does a call.
func (e *convGather) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.x, e.w = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1])
	e.bias, e.residual, e.y = e.finish.operands(args)
	if len(e.y) == 0 {
		return nil
	}
	ws := kernels.Slice[float32](workspace)
	e.packed, ws = ws[:e.packedLen], ws[e.packedLen:]
	e.do(e, len(e.packs), (*convGather).pack)
	if e.padded != nil {
		e.paddedTo = ws[:e.padded.len()]
		e.do(e, e.padded.rows, (*convGather).pad)
		e.x = e.paddedTo
	}
	e.zero = int(uintptr(unsafe.Pointer(&e.zeros[0])) - uintptr(unsafe.Pointer(&e.x[0])))
	e.do(e, len(e.parts), (*convGather).compute)
	e.x, e.w, e.y, e.bias, e.residual, e.packed, e.paddedTo = nil, nil, nil, nil, nil, nil, nil
	return nil
}

// Workspace holds the packed filters and the padded image.
func (e *convGather) Workspace() int {
	n := e.packedLen
	if e.padded != nil {
		n += e.padded.len()
	}
	return 4 * n
}

func (e *convGather) pad(i, _ int) { e.padded.copyRow(e.paddedTo, e.x, i) }

// pack copies one panel of filters as the micro-kernel reads it: [segment, depth, width].
func (e *convGather) pack(i, _ int) {
	k := e.packs[i]
	p := &e.passes[k.pass]
	width := e.tiles.width
	panels := (e.cols + width - 1) / width
	to := e.packed[p.packed+(k.group*panels+k.panel)*p.panelLen(width):][:p.panelLen(width)]
	first := k.panel * width
	cols := min(width, e.cols-first)
	if !e.transposed {
		n := e.taps * e.depth
		packColumns(e.tiles, to, e.w[(k.group*e.cols+first)*n:], n, cols, width)
		return
	}
	o := 0
	for _, t0 := range p.tap[0] {
		for _, t1 := range p.tap[1] {
			for _, t2 := range p.tap[2] {
				from := (k.group*e.depth*e.taps+t0*e.tapStep(0)+t1*e.tapStep(1)+t2)*e.cols + first
				for range e.depth {
					copy(to[o:o+cols], e.w[from:])
					o += width
					from += e.taps * e.cols
				}
			}
		}
	}
}

func (e *convGather) tapStep(axis int) int { return e.finish.tapStep[axis] }

// packColumns transposes cols rows of n elements into to, [n, width].
func packColumns(tiles *convTiles, to, w []float32, n, cols, width int) {
	j := 0
	if tiles.pack8 != nil && n >= 8 {
		for ; j+8 <= cols; j += 8 {
			tiles.pack8(&w[j*n], &to[j], 4*n, 4*width, n/8)
			for i := n &^ 7; i < n; i++ {
				for c := j; c < j+8; c++ {
					to[i*width+c] = w[c*n+i]
				}
			}
		}
	}
	for ; j < cols; j++ {
		for i, v := range w[j*n : (j+1)*n] {
			to[i*width+j] = v
		}
	}
}

// compute does one part: it tabulates the offsets of its rows, then runs each panel over them.
func (e *convGather) compute(i, worker int) {
	a := e.parts[i]
	p := &e.passes[a.pass]
	t := &e.tables[worker]
	tiles := (a.row1 - a.row0 + e.mr - 1) / e.mr
	e.tabulate(p, a, tiles, t)
	width := e.tiles.width
	panels := (e.cols + width - 1) / width
	var bias, residual *float32
	for panel := a.panel0; panel < a.panel1; panel++ {
		first := panel * width
		cols := min(width, e.cols-first)
		col := a.group*e.cols + first
		run := e.tiles.kernels(cols).rows
		if e.bias != nil {
			bias = &e.bias[col]
		}
		if e.residual != nil {
			residual = &e.residual[col]
		}
		var b *float32
		if p.segs > 0 {
			b = &e.packed[p.packed+(a.group*panels+panel)*p.panelLen(width)]
		}
		for j := range tiles {
			r0, r1 := tileRows(a.row1-a.row0, tiles, j)
			run[r1-r0](floatAt(&e.x[0], 4*a.group*e.depth), b, &e.y[col], bias, residual, &t.off[r0*max(p.segs, 1)], &t.out[r0],
				p.segs, p.n, 8*p.segs*(r1-r0), 4, 4*width, cols, e.finish.lo, e.finish.hi)
		}
		if e.finish.function != nil {
			for _, o := range t.out[:a.row1-a.row0] {
				e.finish.function(floatsAt(&e.y[col], o, cols))
			}
		}
	}
}

// tileRows splits n rows evenly into tiles and returns the range of tile j.
func tileRows(n, tiles, j int) (r0, r1 int) { return j * n / tiles, (j + 1) * n / tiles }

// tabulate fills the tables of a part: off [tile][segment][row of the tile], out [row].
func (e *convGather) tabulate(p *gatherPass, a gatherPart, tiles int, t *gatherTables) {
	for j := range tiles {
		r0, r1 := tileRows(a.row1-a.row0, tiles, j)
		for i := r0; i < r1; {
			// rows i … i+run-1 lie side by side along the last axis
			m := a.row0 + i
			q := m % p.count[2]
			run := min(p.count[2]-q, r1-i)
			m /= p.count[2]
			p1 := m % p.count[1]
			m /= p.count[1]
			p0, n := m%p.count[0], m/p.count[0]
			e.tabulateRun(p, t.off[r0*max(p.segs, 1):], i-r0, run, r1-r0, [4]int{n, p0, p1, q})
			o := (((n*e.dst[0]+p0*p.outStep[0]+p.outFirst[0])*e.dst[1]+p1*p.outStep[1]+p.outFirst[1])*e.dst[2] + q*p.outStep[2] + p.outFirst[2]) * e.dstC * 4
			for k := range run {
				t.out[i+k] = o
				o += p.outStep[2] * e.dstC * 4
			}
			i += run
		}
	}
}

// tabulateRun fills rows first … first+run-1 of every segment of a tile of mr rows.
func (e *convGather) tabulateRun(p *gatherPass, off []int, first, run, mr int, at [4]int) {
	s := 0
	step := p.step[2] * e.srcC * 4
	for _, h0 := range p.shift[0] {
		c0 := at[1]*p.step[0] + h0
		for _, h1 := range p.shift[1] {
			c1 := at[2]*p.step[1] + h1
			inside := c0 >= 0 && c0 < e.src[0] && c1 >= 0 && c1 < e.src[1]
			line := ((at[0]*e.src[0]+c0)*e.src[1] + c1) * e.src[2]
			for _, h2 := range p.shift[2] {
				to := off[s*mr+first:][:run]
				s++
				if !inside {
					for i := range to {
						to[i] = e.zero
					}
					continue
				}
				c2 := at[3]*p.step[2] + h2
				o := (line + c2) * e.srcC * 4
				for i := range to {
					to[i] = o
					if uint(c2) >= uint(e.src[2]) {
						to[i] = e.zero
					}
					c2 += p.step[2]
					o += step
				}
			}
		}
	}
}

// padRows copies the lines of an image with zeros on both sides.
type padRows struct {
	rows, width, c int // lines, their length in elements without padding, channels
	lo, total      int // elements before, and in all
}

func (p *padRows) len() int { return p.rows * p.total * p.c }

func (p *padRows) copyRow(to, from []float32, i int) {
	to = to[i*p.total*p.c:][:p.total*p.c]
	n := min(p.width, p.total-p.lo) * p.c
	clear(to[:p.lo*p.c])
	copy(to[p.lo*p.c:], from[i*p.width*p.c:][:n])
	clear(to[p.lo*p.c+n:])
}

// convFinish is a convolution's epilogue as the kernels see it.
type convFinish struct {
	bias, residual bool
	lo, hi         float32
	function       func(y []float32) // the activation where it is no clamp
	tapStep        [3]int
}

func newConvFinish(e kernels.Epilogue, level Level) convFinish {
	f := convFinish{bias: e.Bias, residual: e.Residual, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
	switch e.Act.Op {
	case kernels.NoOp:
	case kernels.ReLU:
		f.lo = 0
	case kernels.Clamp:
		f.lo, f.hi = float32(e.Act.Min), float32(e.Act.Max)
	default:
		v := vecF32(level)
		f.function = func(y []float32) { v.apply(e.Act.Op, y, y) }
	}
	return f
}

// operands takes [bias], [residual] and the result from a call's arguments.
func (f *convFinish) operands(args []kernels.Arg) (bias, residual, y []float32) {
	i := 2
	if f.bias {
		bias = kernels.Slice[float32](args[i])
		i++
	}
	if f.residual {
		residual = kernels.Slice[float32](args[i])
	}
	return bias, residual, kernels.Slice[float32](args[len(args)-1])
}
