package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// winogradFilter is the gradient of a 3x3 convolution of stride 1 by its filters, as the transpose of Winograd's F(4x4,3x3):
// dw = G^T [ Σ over tiles of (A dy A^T) · (B^T x B) ] G.
//
// The tiles are cut into fixed ranges whose sums are added in order; where the sums are large there is one range, and the planes
// are shared out instead.
type winogradFilter struct {
	convPhases[winogradFilter]
	tiles   *convTiles
	kernels *winogradKernels
	dims    convDims
	x, dy   winogradGrid // the grid of patches of the image, and of tiles of the result's gradient
	ranges  int
	block   int
	phased  bool
	span    int
	v, z    planeSet // transformed image and gradient of a block
	u       planeSet // sums: planes of [K, C]
	bias    bool
	scratch []winogradScratch
	zeros   []float32

	image, grad, dw, dbias     []float32
	work, sums, biases         []float32
	zeroX, zeroDY, first, last int
}

// biasRanges is the number of fixed ranges of pixels whose bias gradients are summed apart.
const biasRanges = 8

// winogradFilterPays estimates whether the transforms cost less than the multiplications that they save.
func winogradFilterPays(k *winogradKernels, g convDims) bool {
	if !winogradPays(k, g) {
		return false
	}
	grid := newWinogradGrid(g.batch, g.in, g.out, g.lo)
	products := float64(g.c) * float64(g.k) / 16
	tiles := float64(grid.tiles())
	ranges := min(tiles/128, 8)
	return winogradPlanes*products*(tiles+tiles/16+4*ranges)+tiles*20*float64(g.c+g.k) < 0.9*9*products*float64(g.batch*g.out[1]*g.out[2])
}

func (d *Device) winogradFilter(g convDims, bias bool, flops int64) *winogradFilter {
	e := &winogradFilter{convPhases: convPhases[winogradFilter]{device: d, serial: flops < smallConv},
		tiles: convTilesAt(d.level), kernels: winogradAt(d.level), dims: g, bias: bias,
		x: newWinogradGrid(g.batch, g.in, g.out, g.lo), dy: newWinogradGrid(g.batch, g.out, g.out, [3]int{}), ranges: 1}
	total := e.x.tiles()
	e.phased = winogradPlanes*g.c*g.k > winogradFilterLimit
	if e.phased {
		e.block = 1024
		e.span = max(min(total, e.block)/(8*d.pool.threads), 1)
	} else {
		e.block = min(max(winogradBlockBytes/(4*winogradPlanes*(g.c+g.k+32)), 32), 128)
		e.ranges = min(max(total/128, 1), 8)
	}
	share := (total + e.ranges - 1) / e.ranges
	n := (share + e.block - 1) / e.block
	e.block = (share + n - 1) / n
	e.v, e.z, e.u = newPlanes(e.block, g.c, e.phased), newPlanes(e.block, g.k, e.phased), newPlanes(g.k, g.c, true)
	e.scratch = make([]winogradScratch, d.pool.threads)
	e.zeros = make([]float32, max(g.c, g.k))
	return e
}

func (e *winogradFilter) workLen() int { return (e.v.len + e.z.len + 15) / 16 * 16 }

func (e *winogradFilter) buffers() int {
	if e.phased {
		return 1
	}
	return e.device.pool.threads
}

// Workspace holds the sums of the ranges and the planes of a block a thread.
func (e *winogradFilter) Workspace() int {
	return 4 * (e.ranges*e.u.len + biasRanges*e.dims.k + e.buffers()*e.workLen() + 16)
}

// Run does a call.
func (e *winogradFilter) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.image, e.grad, e.dw = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1]), kernels.Slice[float32](args[2])
	ws := kernels.Slice[float32](workspace)
	e.sums, ws = ws[:e.ranges*e.u.len], ws[e.ranges*e.u.len:]
	e.work, ws = ws[:e.buffers()*e.workLen()], ws[e.buffers()*e.workLen():]
	zero := uintptr(unsafe.Pointer(&e.zeros[0]))
	e.zeroX, e.zeroDY = int(zero-uintptr(unsafe.Pointer(&e.image[0]))), int(zero-uintptr(unsafe.Pointer(&e.grad[0])))
	if e.phased {
		total := e.x.tiles()
		for e.first = 0; e.first < total; e.first = e.last {
			e.last = min(e.first+e.block, total)
			e.do(e, (e.last-e.first+e.span-1)/e.span, (*winogradFilter).transformSpan)
			e.do(e, winogradPlanes, (*winogradFilter).sumPlane)
		}
	} else {
		e.do(e, e.ranges, (*winogradFilter).fused)
	}
	e.do(e, e.dims.k, (*winogradFilter).unfilter)
	if e.bias {
		e.biases, e.dbias = ws[:biasRanges*e.dims.k], kernels.Slice[float32](args[3])
		e.do(e, biasRanges, (*winogradFilter).sumBias)
		v := vecF32(e.device.level)
		copy(e.dbias, e.biases)
		for r := 1; r < biasRanges; r++ {
			v.apply2(kernels.Add, e.dbias, e.dbias, e.biases[r*e.dims.k:(r+1)*e.dims.k])
		}
	}
	e.image, e.grad, e.dw, e.dbias, e.work, e.sums, e.biases = nil, nil, nil, nil, nil, nil, nil
	return nil
}

// fused sums one range of tiles, a block at a time.
func (e *winogradFilter) fused(r, worker int) {
	work := e.work[worker*e.workLen():][:e.workLen()]
	sums := e.sums[r*e.u.len:][:e.u.len]
	total := e.x.tiles()
	t1 := (r + 1) * total / e.ranges
	for t := r * total / e.ranges; t < t1; t += e.block {
		end, add := min(t+e.block, t1), 0
		if t > r*total/e.ranges {
			add = 1
		}
		e.transform(work, t, end, t, worker)
		s := &e.scratch[worker]
		s.patch[0], s.patch[1], s.patch[2] = 0, 0, end-t
		for plane := range winogradPlanes {
			e.sum(sums, work, plane, s, add)
		}
	}
}

func (e *winogradFilter) transformSpan(i, worker int) {
	t0 := e.first + i*e.span
	e.transform(e.work, t0, min(t0+e.span, e.last), e.first, worker)
}

func (e *winogradFilter) sumPlane(plane, worker int) {
	s := &e.scratch[worker]
	s.patch[0], s.patch[1], s.patch[2] = 0, 0, e.last-e.first
	add := 0
	if e.first > 0 {
		add = 1
	}
	e.sum(e.sums, e.work, plane, s, add)
}

// transform makes the planes of tiles [t0, t1) of a block that begins with tile base.
func (e *winogradFilter) transform(work []float32, t0, t1, base, worker int) {
	s := &e.scratch[worker]
	g := &e.dims
	for t := t0; t < t1; t++ {
		e.x.patch(&s.patch, t, g.c, e.zeroX)
		transformChannels(e.kernels.input, e.kernels.lanes, e.image, work[(t-base)*e.v.row:], &s.patch[0], 4*e.v.plane, g.c)
		e.dy.pixels(&s.pixels, t, g.k, e.zeroDY)
		transformChannels(e.kernels.gradient, e.kernels.lanes, e.grad, work[e.v.len+(t-base)*e.z.row:], &s.pixels[0], 4*e.z.plane, g.k)
	}
}

// sum adds the outer products of a block's tiles to one plane; the scratch begins with the segment {0, 0, tiles}.
func (e *winogradFilter) sum(sums, work []float32, plane int, s *winogradScratch, add int) {
	g := &e.dims
	v, z, u := work[plane*e.v.plane:], work[e.v.len+plane*e.z.plane:], sums[plane*e.u.plane:]
	mr := e.tiles.maxRows(g.c)
	rows := (g.k + mr - 1) / mr
	for c := 0; c < g.c; c += e.tiles.width {
		cols := min(e.tiles.width, g.c-c)
		outer := e.tiles.kernels(cols).outer
		for j := range rows {
			r0, r1 := tileRows(g.k, rows, j)
			outer[r1-r0](&z[r0], &v[c], &u[r0*e.u.row+c], &s.patch[0], 1, 4*e.z.row, 4*e.v.row, 4*e.u.row, cols, add)
		}
	}
}

// unfilter adds the ranges of one filter's sums, in order, and transforms them back.
func (e *winogradFilter) unfilter(k, _ int) {
	g := &e.dims
	add := vecF32(e.device.level)
	for r := 1; r < e.ranges; r++ {
		for plane := range winogradPlanes {
			o := plane*e.u.plane + k*e.u.row
			to := e.sums[o : o+g.c]
			add.apply2(kernels.Add, to, to, e.sums[r*e.u.len+o:][:g.c])
		}
	}
	u, dw := e.sums[k*e.u.row:], e.dw[k*9*g.c:(k+1)*9*g.c]
	n := g.c / e.kernels.lanes * e.kernels.lanes
	e.kernels.unfilter(&u[0], &dw[0], 4*e.u.plane, 4*g.c, n)
	if n < g.c { // a last partial vector overlaps the one before
		e.kernels.unfilter(&u[g.c-e.kernels.lanes], &dw[g.c-e.kernels.lanes], 4*e.u.plane, 4*g.c, e.kernels.lanes)
	}
}

// sumBias adds up one range of pixels.
func (e *winogradFilter) sumBias(r, worker int) {
	k := e.dims.k
	pixels := len(e.grad) / k
	m0, m1 := r*pixels/biasRanges, (r+1)*pixels/biasRanges
	to := e.biases[r*k : (r+1)*k]
	clear(to)
	const block = 512
	for m := m0; m < m1; m += block {
		sumRowsOf(e.tiles, to, e.grad[m*k:min(m+block, m1)*k], e.scratch[worker].patch[:3], k)
	}
}

// sumRowsOf adds the rows of a matrix of k columns to a vector.
func sumRowsOf(t *convTiles, to, rows []float32, seg []int, k int) {
	if len(rows) == 0 {
		return
	}
	seg[0], seg[1], seg[2] = 0, 0, len(rows)/k
	for c := 0; c < k; c += t.width {
		cols := min(t.width, k-c)
		t.kernels(cols).outer[1](&one, &rows[c], &to[c], &seg[0], 1, 0, 4*k, 0, cols, 1)
	}
}
