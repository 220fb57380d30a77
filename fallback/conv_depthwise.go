package fallback

import (
	"palladio/kernels"
)

// depthwiseKernels are the kernels of depthwise convolution with one filter a channel, channels in the lanes.
type depthwiseKernels struct {
	line   func(x, w, y, bias, residual *float32, taps *int, ntaps, n, xstep, ystep, channels int, lo, hi float32)
	filter func(a, b, y *float32, seg *int, segs, astep, bstep, channels, add int)
}

var portableDepthwise = &depthwiseKernels{depthwiseLineGeneric, depthwiseFilterGeneric}

// depthwiseLineGeneric computes n pixels of a depthwise convolution; taps is a list of pairs {xo, wo}:
//
//	t = bias[c] + residual[i·ystep + c] + Σ over taps of x[xo + i·xstep + c] · w[wo + c]
//	y[i·ystep + c] = min(max(t, lo), hi)   for i < n, c < channels
//
// Offsets and steps are in bytes; residual may be nil.
func depthwiseLineGeneric(x, w, y, bias, residual *float32, taps *int, ntaps, n, xstep, ystep, channels int, lo, hi float32) {
	b := floatsAt(bias, 0, channels)
	for i := range n {
		yi := floatsAt(y, i*ystep, channels)
		for c := range yi {
			t := b[c]
			if residual != nil {
				t += *floatAt(residual, i*ystep+4*c)
			}
			for k := range ntaps {
				t += *floatAt(x, intAt(taps, 2*k)+i*xstep+4*c) * *floatAt(w, intAt(taps, 2*k+1)+4*c)
			}
			if t < lo {
				t = lo
			}
			if t > hi {
				t = hi
			}
			yi[c] = t
		}
	}
}

// depthwiseFilterGeneric sums products channel by channel over segments {ao, bo, n} of pixels:
//
//	t = Σ over segments, i < n of a[ao + i·astep + c] · b[bo + i·bstep + c]
//	y[c] = t, or added to it where add is not 0, for c < channels
//
// Offsets and steps are in bytes.
func depthwiseFilterGeneric(a, b, y *float32, seg *int, segs, astep, bstep, channels, add int) {
	t := floatsAt(y, 0, channels)
	if add == 0 {
		clear(t)
	}
	for s := range segs {
		ao, bo, n := intAt(seg, 3*s), intAt(seg, 3*s+1), intAt(seg, 3*s+2)
		for i := range n {
			bi := floatsAt(b, bo+i*bstep, channels)
			for c, v := range floatsAt(a, ao+i*astep, channels) {
				t[c] += v * bi[c]
			}
		}
	}
}

// convDepthwise is depthwise convolution with one filter a channel, forward or backward by data: lines of pixels at a time, all
// their taps summed in registers. Pixels whose filter overhangs the image on either side are done one by one.
type convDepthwise struct {
	device   *Device
	kernels  *depthwiseKernels
	finish   convFinish
	channels int
	src, dst [3]int
	taps     int
	step     [2]int // of the filter's taps
	passes   []gatherPass
	first    []int // the first line of each pass, and the number of all lines
	chunk    int   // lines of a part
	scratch  [][]int
	zeros    []float32 // for an absent bias
	serial   bool

	x, w, y, bias, residual, packed []float32
}

func (d *Device) depthwise(g convDims, passes []gatherPass, e kernels.Epilogue, src, dst [3]int, flops int64) *convDepthwise {
	x := &convDepthwise{device: d, kernels: depthwiseAt(d.level), finish: newConvFinish(e, d.level), channels: g.c, src: src, dst: dst,
		taps: g.tapCount(), step: [2]int{g.taps[1] * g.taps[2], g.taps[2]}, passes: passes, zeros: make([]float32, g.c), serial: flops < smallConv}
	lines := 0
	for i := range passes {
		x.first = append(x.first, lines)
		lines += g.batch * passes[i].count[0] * passes[i].count[1]
	}
	x.first = append(x.first, lines)
	x.chunk = max(lines/(16*d.pool.threads), 1)
	x.scratch = make([][]int, d.pool.threads)
	for i := range x.scratch {
		x.scratch[i] = make([]int, 4*x.taps)
	}
	return x
}

// Workspace holds the filters, [taps, channels].
func (e *convDepthwise) Workspace() int { return 4 * e.taps * e.channels }

// Run does a call.
func (e *convDepthwise) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.x, e.w = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1])
	e.bias, e.residual, e.y = e.finish.operands(args)
	if len(e.y) == 0 {
		return nil
	}
	if e.bias == nil {
		e.bias = e.zeros
	}
	e.packed = kernels.Slice[float32](workspace)[:e.taps*e.channels]
	packColumns(convTilesAt(e.device.level), e.packed, e.w, e.taps, e.channels, e.channels)
	lines := e.first[len(e.passes)]
	parts := (lines + e.chunk - 1) / e.chunk
	if e.serial {
		for i := range parts {
			e.part(i, 0)
		}
	} else {
		e.device.pool.run(parts, e)
	}
	e.x, e.w, e.y, e.bias, e.residual, e.packed = nil, nil, nil, nil, nil, nil
	return nil
}

func (e *convDepthwise) part(i, worker int) {
	p := 0
	for line := i * e.chunk; line < min((i+1)*e.chunk, e.first[len(e.passes)]); line++ {
		for line >= e.first[p+1] {
			p++
		}
		e.line(&e.passes[p], line-e.first[p], e.scratch[worker])
	}
}

// line computes one line of the result's pixels, or those of one residue class.
func (e *convDepthwise) line(p *gatherPass, line int, scratch []int) {
	p1 := line % p.count[1]
	p0, n := line/p.count[1]%p.count[0], line/p.count[1]/p.count[0]
	taps := scratch[:0]
	for i0, h0 := range p.shift[0] {
		c0 := p0*p.step[0] + h0
		for i1, h1 := range p.shift[1] {
			c1 := p1*p.step[1] + h1
			if c0 < 0 || c0 >= e.src[0] || c1 < 0 || c1 >= e.src[1] {
				continue
			}
			for i2, h2 := range p.shift[2] {
				x := (((n*e.src[0]+c0)*e.src[1]+c1)*e.src[2] + h2) * e.channels * 4
				w := (p.tap[0][i0]*e.step[0] + p.tap[1][i1]*e.step[1] + p.tap[2][i2]) * e.channels * 4
				taps = append(taps, x, w)
			}
		}
	}
	lo, hi := p.interior(e.src[2])
	to := ((n*e.dst[0]+p0*p.outStep[0]+p.outFirst[0])*e.dst[1]+p1*p.outStep[1]+p.outFirst[1])*e.dst[2] + p.outFirst[2]
	some := scratch[2*e.taps:][:0]
	for j := range p.count[2] {
		if j == lo && lo < hi {
			e.pixels(p, taps, to, j, hi-lo)
		}
		if j < lo || j >= hi {
			e.pixels(p, e.inside(p, some, taps, j), to, j, 1)
		}
	}
}

// interior is the range of elements along the last axis whose taps all lie inside a line of width pixels.
func (p *gatherPass) interior(width int) (lo, hi int) {
	hi = p.count[2]
	for _, h := range p.shift[2] {
		lo = max(lo, (-h+p.step[2]-1)/p.step[2])
		if width-1-h < 0 {
			return 0, 0
		}
		hi = min(hi, (width-1-h)/p.step[2]+1)
	}
	if lo >= hi {
		return 0, 0
	}
	return lo, hi
}

// inside keeps the taps of element j that lie inside the line.
func (e *convDepthwise) inside(p *gatherPass, some, taps []int, j int) []int {
	n := len(p.shift[2])
	for i := 0; i < len(taps); i += 2 {
		if c := j*p.step[2] + p.shift[2][i/2%n]; c >= 0 && c < e.src[2] {
			some = append(some, taps[i], taps[i+1])
		}
	}
	return some
}

// pixels computes n elements of a line from j on.
func (e *convDepthwise) pixels(p *gatherPass, taps []int, to, j, n int) {
	var first *int
	if len(taps) > 0 {
		first = &taps[0]
	}
	y := (to + j*p.outStep[2]) * e.channels
	var residual *float32
	if e.residual != nil {
		residual = &e.residual[y]
	}
	ystep := 4 * p.outStep[2] * e.channels
	e.kernels.line(floatAt(&e.x[0], 4*j*p.step[2]*e.channels), &e.packed[0], &e.y[y], &e.bias[0], residual, first, len(taps)/2, n,
		4*p.step[2]*e.channels, ystep, e.channels, e.finish.lo, e.finish.hi)
	if e.finish.function != nil {
		for i := range n {
			e.finish.function(floatsAt(&e.y[y], i*ystep, e.channels))
		}
	}
}
