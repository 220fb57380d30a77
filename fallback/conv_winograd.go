package fallback

import (
	"math"
	"unsafe"

	"palladio/kernels"
)

// winogradKernels are the transforms of F(4x4,3x3), channels in the lanes (Lavin and Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016): Y = A^T [(G g G^T) · (B^T d B)] A.
type winogradKernels struct {
	lanes            int
	input, gradient  func(x, v *float32, off *int, vstep, channels int)
	filter, unfilter func(x, y *float32, xstep, ystep, n int)
	output           func(m, y, bias, residual *float32, out *int, mstep, cols int, lo, hi float32)
}

const (
	winogradTile   = 4  // a tile of the result
	winogradPatch  = 6  // the patch of the image that it sees
	winogradPlanes = 36 // its transformed values
)

// winogradGrid cuts the images of a 3x3 convolution of stride 1 into tiles.
type winogradGrid struct {
	batch, inH, inW, outH, outW int
	loH, loW                    int // padding
	rows, cols                  int // tiles of an image
}

func newWinogradGrid(batch int, in, out, lo [3]int) winogradGrid {
	return winogradGrid{batch, in[1], in[2], out[1], out[2], lo[1], lo[2],
		(out[1] + winogradTile - 1) / winogradTile, (out[2] + winogradTile - 1) / winogradTile}
}

func (g *winogradGrid) tiles() int { return g.batch * g.rows * g.cols }

// place is the image and the first result pixel of tile t.
func (g *winogradGrid) place(t int) (n, h, w int) {
	return t / (g.rows * g.cols), t / g.cols % g.rows * winogradTile, t % g.cols * winogradTile
}

// patch lists the offsets of the pixels that tile t sees in an image of c channels; zero stands for padding.
func (g *winogradGrid) patch(off *[winogradPlanes]int, t, c, zero int) {
	n, h, w := g.place(t)
	h, w = h-g.loH, w-g.loW
	i := 0
	for y := h; y < h+winogradPatch; y++ {
		line := (n*g.inH+y)*g.inW + w
		for x := range winogradPatch {
			off[i] = (line + x) * c * 4
			if uint(y) >= uint(g.inH) || uint(w+x) >= uint(g.inW) {
				off[i] = zero
			}
			i++
		}
	}
}

// pixels lists the offsets of the result pixels of tile t in an image of c channels; none stands for those outside.
func (g *winogradGrid) pixels(off *[winogradTile * winogradTile]int, t, c, none int) {
	n, h, w := g.place(t)
	i := 0
	for y := h; y < h+winogradTile; y++ {
		line := (n*g.outH+y)*g.outW + w
		for x := range winogradTile {
			off[i] = (line + x) * c * 4
			if y >= g.outH || w+x >= g.outW {
				off[i] = none
			}
			i++
		}
	}
}

// planeSet is how 36 planes of one row a tile lie in memory: tile after tile while a block stays in the cache, so that transforms read and write
// in order, or plane after plane. Steps are in floats, odd multiples of a cache line, or rows would compete for few cache sets.
type planeSet struct{ plane, row, len int }

func newPlanes(rows, channels int, planeMajor bool) planeSet {
	n := (channels+15)/16*16 | 16
	if planeMajor {
		return planeSet{rows*n + 16, n, winogradPlanes * (rows*n + 16)}
	}
	return planeSet{n, winogradPlanes * n, rows * winogradPlanes * n}
}

// winogradPays estimates whether the transforms cost less than the multiplications that they save.
func winogradPays(k *winogradKernels, g convDims) bool {
	if k == nil || g.groups != 1 || g.taps != [3]int{1, 3, 3} || g.stride != [3]int{1, 1, 1} || g.dilate[1] != 1 || g.dilate[2] != 1 ||
		g.in[0] != 1 || g.out[0] != 1 || g.lo[0] != 0 || g.c < 16 || g.k < 16 || g.batch == 0 {
		return false
	}
	grid := newWinogradGrid(g.batch, g.in, g.out, g.lo)
	products := float64(g.c) * float64(g.k) / 16
	tiles := float64(grid.tiles())
	transforms := tiles * 16 * float64(g.c+g.k)
	filters := 120 * products
	direct := 9 * products * float64(g.batch*g.out[1]*g.out[2])
	return winogradPlanes*products*tiles+transforms+filters < 0.9*direct
}

// convWinograd is a 3x3 convolution of stride 1 by Winograd's F(4x4,3x3), the forward pass or the backward pass by data.
// Blocks of tiles are transformed, multiplied plane by plane and transformed back while they are in the cache. Where the
// transformed filters are too large for that, the steps run one after the other over many tiles instead, and a panel of filters is transformed
// when its products are due, so that the transformed filters never leave the cache.
type convWinograd struct {
	convPhases[convWinograd]
	tiles      *convTiles
	kernels    *winogradKernels
	finish     convFinish
	grid       winogradGrid
	depth      int // channels read
	cols       int // channels written
	transposed bool
	block      int // tiles of a block
	phased     bool
	mr         int
	v, m       planeSet
	panels     int
	uplane     int // floats of one plane of transformed filters
	off, out   []int
	scratch    []winogradScratch
	zeros      []float32
	span       int // tiles of a part where the steps run one after the other

	x, w, y       []float32
	residual      []float32
	bias, u, work []float32
	packed        []float32
	zero          int
	first, last   int // tiles of the present block, phased
}

type winogradScratch struct {
	patch  [winogradPlanes]int
	pixels [winogradTile * winogradTile]int
}

// winogradFilterLimit is the size of transformed filters, in floats, above which keeping them in the cache is worth the passes.
const winogradFilterLimit = 1 << 20

// winogradBlockBytes is the size of a block's transformed tiles: a little over half of a second-level cache.
const winogradBlockBytes = 600 << 10

func (d *Device) winogradConv(g convDims, e kernels.Epilogue, backward bool, flops int64) *convWinograd {
	x := &convWinograd{convPhases: convPhases[convWinograd]{device: d, serial: flops < smallConv},
		tiles: convTilesAt(d.level), kernels: winogradAt(d.level), finish: newConvFinish(e, d.level), transposed: backward}
	if backward {
		lo := [3]int{0, 2 - g.lo[1], 2 - g.lo[2]}
		x.grid, x.depth, x.cols = newWinogradGrid(g.batch, g.out, g.in, lo), g.k, g.c
	} else {
		x.grid, x.depth, x.cols = newWinogradGrid(g.batch, g.in, g.out, g.lo), g.c, g.k
	}
	total := x.grid.tiles()
	x.mr = x.tiles.maxRows(x.cols)
	x.panels = (x.cols + x.tiles.width - 1) / x.tiles.width
	x.phased = winogradPlanes*x.panels*x.depth*x.tiles.width > winogradFilterLimit
	x.uplane = x.depth*x.tiles.width + 16
	if !x.phased {
		x.uplane = x.panels*x.depth*x.tiles.width + 16
	}
	perTile := 4 * winogradPlanes * (x.depth + x.cols + 32)
	x.block = min(max(winogradBlockBytes/perTile/x.mr, 2), 8) * x.mr
	if 4*winogradPlanes*x.uplane > winogradBlockBytes { // read the filters from afar less often
		x.block = max(x.block, 4*x.mr)
	}
	if x.phased {
		x.block = 512
		x.span = max(min(total, x.block)/(8*d.pool.threads), 1)
	}
	if n := (total + x.block - 1) / x.block; n > 0 { // blocks of equal size, an equal number a thread
		if t := d.pool.threads; !x.phased && t > 1 {
			n = max((n+t-1)/t*t, min(2*t, total))
		}
		x.block = (total + n - 1) / n
	}
	x.v, x.m = newPlanes(x.block, x.depth, x.phased), newPlanes(x.block, x.cols, x.phased)
	for i := range x.block + x.mr { // a tile's kernel also looks at the next tile's offsets
		x.off, x.out = append(x.off, 4*i*x.v.row), append(x.out, 4*i*x.m.row)
	}
	x.scratch = make([]winogradScratch, d.pool.threads)
	x.zeros = make([]float32, x.depth)
	return x
}

func (e *convWinograd) buffers() int {
	if e.phased {
		return 1
	}
	return e.device.pool.threads
}

func (e *convWinograd) paddedCols() int { return (e.cols + 15) / 16 * 16 }
func (e *convWinograd) packLen() int    { return 9 * e.depth * e.tiles.width }
func (e *convWinograd) workLen() int    { return (e.v.len + e.m.len + 15) / 16 * 16 }

// filterLen is the length of the transformed filters: all, or a panel a thread.
func (e *convWinograd) filterLen() int {
	if e.phased {
		return e.device.pool.threads * winogradPlanes * e.uplane
	}
	return winogradPlanes * e.uplane
}

// Workspace holds the bias, the filters packed and transformed, and the planes of a block a thread.
func (e *convWinograd) Workspace() int {
	return 4 * (e.paddedCols() + e.device.pool.threads*e.packLen() + e.filterLen() + e.buffers()*e.workLen())
}

// Run does a call.
func (e *convWinograd) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.x, e.w = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1])
	var bias []float32
	bias, e.residual, e.y = e.finish.operands(args)
	ws := kernels.Slice[float32](workspace)
	take := func(n int) []float32 {
		s := ws[:n]
		ws = ws[n:]
		return s
	}
	e.bias = take(e.paddedCols())
	clear(e.bias[copy(e.bias, bias):])
	e.packed, e.u, e.work = take(e.device.pool.threads*e.packLen()), take(e.filterLen()), take(e.buffers()*e.workLen())
	e.zero = int(uintptr(unsafe.Pointer(&e.zeros[0])) - uintptr(unsafe.Pointer(&e.x[0])))
	total := e.grid.tiles()
	if !e.phased {
		e.do(e, e.panels, (*convWinograd).transformPanel)
		e.do(e, (total+e.block-1)/e.block, (*convWinograd).fused)
	} else {
		for e.first = 0; e.first < total; e.first = e.last {
			e.last = min(e.first+e.block, total)
			spans := (e.last - e.first + e.span - 1) / e.span
			e.do(e, spans, (*convWinograd).inputSpan)
			e.do(e, e.panels, (*convWinograd).multiplyPanel)
			e.do(e, spans, (*convWinograd).outputSpan)
		}
	}
	e.x, e.w, e.y, e.residual, e.bias, e.packed, e.u, e.work = nil, nil, nil, nil, nil, nil, nil, nil
	return nil
}

func (e *convWinograd) transformPanel(panel, worker int) {
	e.transformFilters(e.u[panel*e.depth*e.tiles.width:], panel, worker)
}

// transformFilters makes one panel of U [36][panel][depth][width].
func (e *convWinograd) transformFilters(u []float32, panel, worker int) {
	width := e.tiles.width
	to := e.packed[worker*e.packLen():][:e.packLen()]
	first := panel * width
	cols := min(width, e.cols-first)
	if e.transposed { // w [depth, 9, cols], rotated
		for tap := range 9 {
			for k := range e.depth {
				copy(to[((8-tap)*e.depth+k)*width:][:cols], e.w[(k*9+tap)*e.cols+first:])
			}
		}
	} else {
		packColumns(e.tiles, to, e.w[first*9*e.depth:], 9*e.depth, cols, width)
	}
	if cols < width { // the transform reads whole panels
		for i := range 9 * e.depth {
			clear(to[i*width+cols : (i+1)*width])
		}
	}
	e.kernels.filter(&to[0], &u[0], 4*e.depth*width, 4*e.uplane, e.depth*width)
}

// fused does all steps for one block of tiles.
func (e *convWinograd) fused(i, worker int) {
	work := e.work[worker*e.workLen():][:e.workLen()]
	t0, t1 := i*e.block, min((i+1)*e.block, e.grid.tiles())
	e.input(work, t0, t1, t0, worker)
	for plane := range winogradPlanes {
		for panel := range e.panels {
			e.multiply(work, e.u[plane*e.uplane+panel*e.depth*e.tiles.width:], panel, plane, t1-t0)
		}
	}
	e.output(work, t0, t1, t0, worker)
}

func (e *convWinograd) inputSpan(i, worker int) {
	t0 := e.first + i*e.span
	e.input(e.work, t0, min(t0+e.span, e.last), e.first, worker)
}

// multiplyPanel transforms a panel of filters and makes its columns of all planes.
func (e *convWinograd) multiplyPanel(panel, worker int) {
	u := e.u[worker*winogradPlanes*e.uplane:][:winogradPlanes*e.uplane]
	e.transformFilters(u, panel, worker)
	for plane := range winogradPlanes {
		e.multiply(e.work, u[plane*e.uplane:], panel, plane, e.last-e.first)
	}
}

func (e *convWinograd) outputSpan(i, worker int) {
	t0 := e.first + i*e.span
	e.output(e.work, t0, min(t0+e.span, e.last), e.first, worker)
}

// input transforms the patches of tiles [t0, t1) of a block that begins with tile base.
func (e *convWinograd) input(work []float32, t0, t1, base, worker int) {
	s := &e.scratch[worker]
	for t := t0; t < t1; t++ {
		e.grid.patch(&s.patch, t, e.depth, e.zero)
		transformChannels(e.kernels.input, e.kernels.lanes, e.x, work[(t-base)*e.v.row:], &s.patch[0], 4*e.v.plane, e.depth)
	}
}

// transformChannels runs a transform over all channels; a last partial vector overlaps the one before.
func transformChannels(f func(x, v *float32, off *int, vstep, channels int), lanes int, x, v []float32, off *int, vstep, channels int) {
	n := channels / lanes * lanes
	f(&x[0], &v[0], off, vstep, n)
	if n < channels {
		f(&x[channels-lanes], &v[channels-lanes], off, vstep, lanes)
	}
}

// multiply makes one panel of one plane of M for n tiles.
func (e *convWinograd) multiply(work, u []float32, panel, plane, n int) {
	width := e.tiles.width
	v, m := &work[plane*e.v.plane], &work[e.v.len+plane*e.m.plane+panel*width]
	cols := min(width, e.cols-panel*width)
	run := e.tiles.kernels(cols).rows
	tiles := (n + e.mr - 1) / e.mr
	for j := range tiles {
		r0, r1 := tileRows(n, tiles, j)
		run[r1-r0](v, &u[0], m, nil, nil, &e.off[r0], &e.out[r0], 1, e.depth, 8*(r1-r0), 4, 4*width, cols, float32(math.Inf(-1)), float32(math.Inf(1)))
	}
}

// output transforms tiles [t0, t1) back and applies the epilogue.
func (e *convWinograd) output(work []float32, t0, t1, base, worker int) {
	s := &e.scratch[worker]
	var residual *float32
	if e.residual != nil {
		residual = &e.residual[0]
	}
	for t := t0; t < t1; t++ {
		e.grid.pixels(&s.pixels, t, e.cols, -1)
		e.kernels.output(&work[e.v.len+(t-base)*e.m.row], &e.y[0], &e.bias[0], residual, &s.pixels[0], 4*e.m.plane, e.cols, e.finish.lo, e.finish.hi)
		if e.finish.function != nil {
			for _, o := range s.pixels {
				if o >= 0 {
					e.finish.function(floatsAt(&e.y[0], o, e.cols))
				}
			}
		}
	}
}
