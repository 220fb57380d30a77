package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// convFilter is the gradient of a convolution by its filters: for each tap a sum of outer products of the result's gradient
// and the image over all pixels. Pixels are cut into fixed ranges whose sums are added in a fixed order.
//
// Where an image has few channels, the roles are exchanged: the filters fill the vector, and taps and channels are the rows.
type convFilter struct {
	convPhases[convFilter]
	tiles   *convTiles
	dims    convDims
	ranges  int // of pixels; range 0 sums into the result itself
	shares  int // of the filters of a group
	rowsOf  bool
	padded  *padRows
	pixels  int
	block   int // pixels whose rows stay in the cache while all tiles are updated
	size    int // floats of one range's sums
	bias    bool
	scratch []filterScratch
	zeros   []float32

	x, dy, dw, dbias []float32
	partial, padTo   []float32
	zero             int
}

// filterScratch is one worker's tables.
type filterScratch struct {
	seg      []int // {offset in dy, offset in x, pixels}
	off, out []int
}

var one = float32(1)

func (d *Device) prepareConvBackwardFilter(k kernels.ConvBackwardFilter) (kernels.Exec, error) {
	switch k.Type {
	case kernels.F16, kernels.BF16:
		wide := k
		wide.Type, wide.OutType = kernels.F32, kernels.F32
		return d.widened(k, wide)
	case kernels.F64:
		return d.ref.Prepare(k)
	}
	g := newConvDims(k.ConvGeometry)
	if g.groups > 1 && g.groups == g.c && g.c == g.k {
		return d.depthwiseFilter(g, k.Bias, k.FLOPs()), nil
	}
	if winogradFilterPays(winogradAt(d.level), g) {
		return d.winogradFilter(g, k.Bias, k.FLOPs()), nil
	}
	return d.outerFilter(g, k.Bias, k.FLOPs()), nil
}

// filterBlock is the number of pixels of a block: a tile's accumulators are loaded and stored once a block.
const filterBlock = 256

func (d *Device) outerFilter(g convDims, bias bool, flops int64) *convFilter {
	e := &convFilter{convPhases: convPhases[convFilter]{device: d, serial: flops < smallConv},
		tiles: convTilesAt(d.level), dims: g, bias: bias, ranges: 1, shares: 1,
		pixels: g.batch * g.out[0] * g.out[1] * g.out[2], block: filterBlock}
	e.size = g.k * g.tapCount() * g.c / g.groups
	e.rowsOf = e.fewChannels()
	mr := len(e.tiles.full.outer) - 1
	if e.size <= 1<<17 {
		e.ranges = min(max(e.pixels/1024, 1), 8)
	} else {
		e.shares = min(8, (g.k/g.groups+mr-1)/mr)
	}
	lines := filterBlock + 1
	if e.rowsOf {
		e.shares = 1
		span := (g.out[2]-1)*g.stride[2] + (g.taps[2]-1)*g.dilate[2] + 1
		if g.lo[2] > 0 || span > g.in[2] {
			e.padded = &padRows{rows: g.batch * g.in[0] * g.in[1], width: g.in[2], c: g.c, lo: g.lo[2], total: span}
		}
		e.zeros = make([]float32, span*g.c)
		lines = max(filterBlock/g.out[2], 1) * mr
	}
	e.scratch = make([]filterScratch, d.pool.threads)
	for i := range e.scratch {
		s := &e.scratch[i]
		if e.rowsOf {
			s.off, s.out = make([]int, lines), make([]int, mr)
		} else {
			s.seg = make([]int, 3*lines)
		}
	}
	return e
}

// fewChannels says whether exchanging the roles saves vector operations.
func (e *convFilter) fewChannels() bool {
	g := &e.dims
	vectors := func(n int) int { return (n + e.tiles.width/2 - 1) / (e.tiles.width / 2) }
	return g.groups == 1 && g.c < 2*e.tiles.width && 10*g.c*vectors(g.k) <= 8*g.k*vectors(g.c)
}

// partialLen is the length of what one range after the first leaves in the workspace: its sums, then its dbias.
func (e *convFilter) partialLen() int { return e.size + e.dims.k }

// Workspace holds the sums of the ranges and the padded image.
func (e *convFilter) Workspace() int {
	n := e.ranges * e.partialLen()
	if e.padded != nil {
		n += e.padded.len()
	}
	return 4 * n
}

// Run does a call.
func (e *convFilter) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.x, e.dy, e.dw = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1]), kernels.Slice[float32](args[2])
	if e.bias {
		e.dbias = kernels.Slice[float32](args[3])
	}
	if e.pixels == 0 {
		clear(e.dw)
		clear(e.dbias)
		return nil
	}
	ws := kernels.Slice[float32](workspace)
	e.partial, ws = ws[:e.ranges*e.partialLen()], ws[e.ranges*e.partialLen():]
	if e.padded != nil {
		e.padTo = ws[:e.padded.len()]
		e.do(e, e.padded.rows, (*convFilter).pad)
		e.x = e.padTo
	}
	if e.rowsOf {
		e.zero = int(uintptr(unsafe.Pointer(&e.zeros[0])) - uintptr(unsafe.Pointer(&e.x[0])))
		e.do(e, e.ranges, (*convFilter).sumRows)
	} else {
		e.do(e, e.ranges*e.dims.groups*e.shares, (*convFilter).sumOuter)
	}
	e.add()
	e.x, e.dy, e.dw, e.dbias, e.partial, e.padTo = nil, nil, nil, nil, nil, nil
	return nil
}

func (e *convFilter) pad(i, _ int) { e.padded.copyRow(e.padTo, e.x, i) }

// sums is where a range leaves its sums and its dbias.
func (e *convFilter) sums(r int) (dw, dbias []float32) {
	p := e.partial[r*e.partialLen():][:e.partialLen()]
	if r == 0 && !e.rowsOf {
		return e.dw, p[e.size:]
	}
	return p[:e.size], p[e.size:]
}

// pixelRange is range r of the pixels; where blocks must begin at a line, so do ranges.
func (e *convFilter) pixelRange(r int) (m0, m1 int) {
	if e.rowsOf {
		lines := e.pixels / e.dims.out[2]
		return r * lines / e.ranges * e.dims.out[2], (r + 1) * lines / e.ranges * e.dims.out[2]
	}
	return r * e.pixels / e.ranges, (r + 1) * e.pixels / e.ranges
}

// add sums the ranges, in order, and turns exchanged sums around.
func (e *convFilter) add() {
	v := vecF32(e.device.level)
	dw, dbias := e.sums(0)
	for r := 1; r < e.ranges; r++ {
		w, b := e.sums(r)
		v.apply2(kernels.Add, dw, dw, w)
		if e.bias {
			v.apply2(kernels.Add, dbias, dbias, b)
		}
	}
	copy(e.dbias, dbias)
	if e.rowsOf { // [taps·C, K] to [K, taps·C]
		packColumns(e.tiles, e.dw, dw, e.dims.k, e.size/e.dims.k, e.size/e.dims.k)
	}
}

// sumBias adds up the gradients of pixels [m0, m1) for filters [k0, k1).
func (e *convFilter) sumBias(dbias []float32, s []int, m0, m1, k0, k1 int, add int) {
	s[0], s[1], s[2] = 0, 4*m0*e.dims.k, m1-m0
	for k := k0; k < k1; k += e.tiles.width {
		cols := min(e.tiles.width, k1-k)
		e.tiles.kernels(cols).outer[1](&one, &e.dy[k], &dbias[k], &s[0], 1, 0, 4*e.dims.k, 0, cols, add)
	}
}

// sumOuter does one range of pixels for one share of a group's filters.
func (e *convFilter) sumOuter(i, worker int) {
	g := &e.dims
	share, i := i%e.shares, i/e.shares
	group, r := i%g.groups, i/g.groups
	dw, dbias := e.sums(r)
	m0, m1 := e.pixelRange(r)
	cg, kg := g.c/g.groups, g.k/g.groups
	k0, k1 := group*kg+share*kg/e.shares, group*kg+(share+1)*kg/e.shares
	s := &e.scratch[worker]
	for m := m0; m < m1; m += e.block {
		end, add := min(m+e.block, m1), 0
		if m > m0 {
			add = 1
		}
		if e.bias {
			e.sumBias(dbias, s.seg, m, end, k0, k1, add)
		}
		tap := 0
		for t0 := range g.taps[0] {
			for t1 := range g.taps[1] {
				for t2 := range g.taps[2] {
					segs := g.segments(s.seg, m, end, [3]int{t0, t1, t2})
					e.updateTap(dw[tap*cg:], s.seg, segs, k0, k1, group*cg, add)
					tap++
				}
			}
		}
	}
}

// updateTap updates all tiles of one tap.
func (e *convFilter) updateTap(dw []float32, seg []int, segs, k0, k1, c0, add int) {
	g := &e.dims
	cg := g.c / g.groups
	ystep := g.tapCount() * cg
	mr := e.tiles.maxRows(cg)
	n := (k1 - k0 + mr - 1) / mr
	for c := 0; c < cg; c += e.tiles.width {
		cols := min(e.tiles.width, cg-c)
		outer := e.tiles.kernels(cols).outer
		for j := range n {
			r0, r1 := tileRows(k1-k0, n, j)
			outer[r1-r0](&e.dy[k0+r0], &e.x[c0+c], &dw[(k0+r0)*ystep+c], &seg[0], segs, 4*g.k, 4*g.stride[2]*g.c, 4*ystep, cols, add)
		}
	}
}

// segments lists the runs of pixels in [m, end) for which a tap lies inside the image, adjacent ones joined, and returns their number.
func (g *convDims) segments(seg []int, m, end int, t [3]int) int {
	n := 0
	h2 := t[2]*g.dilate[2] - g.lo[2]
	lo := max(0, (-h2+g.stride[2]-1)/g.stride[2]) // pixels of a line whose tap is inside
	hi := min(g.out[2], (g.in[2]-1-h2+g.stride[2])/g.stride[2])
	if g.in[2]-1-h2 < 0 {
		hi = 0
	}
	for m < end {
		line, q := m/g.out[2], m%g.out[2]
		run := min(g.out[2]-q, end-m)
		p1, p0, b := line%g.out[1], line/g.out[1]%g.out[0], line/g.out[1]/g.out[0]
		c0, c1 := p0*g.stride[0]+t[0]*g.dilate[0]-g.lo[0], p1*g.stride[1]+t[1]*g.dilate[1]-g.lo[1]
		first, last := max(q, lo), min(q+run, hi)
		m += run
		if c0 < 0 || c0 >= g.in[0] || c1 < 0 || c1 >= g.in[1] || first >= last {
			continue
		}
		a := (line*g.out[2] + first) * g.k * 4
		x := (((b*g.in[0]+c0)*g.in[1]+c1)*g.in[2] + first*g.stride[2] + h2) * g.c * 4
		if n > 0 {
			l := seg[3*n-3 : 3*n]
			if l[0]+l[2]*g.k*4 == a && l[1]+l[2]*g.stride[2]*g.c*4 == x {
				l[2] += last - first
				continue
			}
		}
		seg[3*n], seg[3*n+1], seg[3*n+2] = a, x, last-first
		n++
	}
	return n
}

// sumRows does one range of pixels with taps and channels as rows and the filters in the vector: sums [taps·C, K].
func (e *convFilter) sumRows(r, worker int) {
	g := &e.dims
	dw, dbias := e.sums(r)
	m0, m1 := e.pixelRange(r)
	s := &e.scratch[worker]
	all := g.tapCount() * g.c
	mr := e.tiles.maxRows(g.k)
	n := (all + mr - 1) / mr
	step := max(filterBlock/g.out[2], 1) * g.out[2]
	finish := newConvFinish(kernels.Epilogue{}, e.device.level)
	for m := m0; m < m1; m += step {
		end, add := min(m+step, m1), 0
		if m > m0 {
			add = 1
		}
		if e.bias {
			e.sumBias(dbias, s.out[:3], m, end, 0, g.k, add)
		}
		for j := range n {
			r0, r1 := tileRows(all, n, j)
			segs := e.rowOffsets(s, r0, r1, m, end)
			for k := 0; k < g.k; k += e.tiles.width {
				cols := min(e.tiles.width, g.k-k)
				var old *float32
				if add != 0 {
					old = &dw[k]
				}
				e.tiles.kernels(cols).rows[r1-r0](&e.x[0], &e.dy[m*g.k+k], &dw[k], nil, old, &s.off[0], &s.out[0],
					segs, g.out[2], 0, 4*g.stride[2]*g.c, 4*g.k, cols, finish.lo, finish.hi)
			}
		}
	}
}

// rowOffsets tabulates rows [r0, r1) of (tap, channel) for each line of pixels in [m, end).
func (e *convFilter) rowOffsets(s *filterScratch, r0, r1, m, end int) int {
	g := &e.dims
	width := g.in[2]
	if e.padded != nil {
		width = e.padded.total
	}
	segs := (end - m) / g.out[2]
	for r := r0; r < r1; r++ {
		c, tap := r%g.c, r/g.c
		t2, t1, t0 := tap%g.taps[2], tap/g.taps[2]%g.taps[1], tap/g.taps[2]/g.taps[1]
		s.out[r-r0] = 4 * r * g.k
		for l := range segs {
			line := m/g.out[2] + l
			p1, p0, b := line%g.out[1], line/g.out[1]%g.out[0], line/g.out[1]/g.out[0]
			c0, c1 := p0*g.stride[0]+t0*g.dilate[0]-g.lo[0], p1*g.stride[1]+t1*g.dilate[1]-g.lo[1]
			o := e.zero
			if c0 >= 0 && c0 < g.in[0] && c1 >= 0 && c1 < g.in[1] {
				o = ((((b*g.in[0]+c0)*g.in[1]+c1)*width+t2*g.dilate[2])*g.c + c) * 4
			}
			s.off[l*(r1-r0)+r-r0] = o
		}
	}
	return segs
}
