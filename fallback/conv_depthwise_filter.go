package fallback

import "palladio/kernels"

// convDepthwiseFilter is the gradient of depthwise convolution by its filters: products of the result's gradient and the image summed
// channel by channel, over fixed ranges of lines whose sums are added in order.
type convDepthwiseFilter struct {
	device  *Device
	kernels *depthwiseKernels
	dims    convDims
	lines   int
	ranges  int
	block   int // lines whose pixels stay in the cache for all taps
	bias    bool
	scratch [][]int
	serial  bool

	x, dy, dw, dbias, partial []float32
}

func (d *Device) depthwiseFilter(g convDims, bias bool, flops int64) *convDepthwiseFilter {
	e := &convDepthwiseFilter{device: d, kernels: depthwiseAt(d.level), dims: g, lines: g.batch * g.out[0] * g.out[1], bias: bias, serial: flops < smallConv}
	e.ranges = max(min(e.lines/8, 16), 1)
	e.block = max(1, min(64, (64<<10)/(4*g.c*(g.out[2]+g.in[2]))))
	e.scratch = make([][]int, d.pool.threads)
	for i := range e.scratch {
		e.scratch[i] = make([]int, 3*e.block)
	}
	return e
}

// size is the length of a range's sums, [taps, channels], dbias after them.
func (e *convDepthwiseFilter) size() int { return (e.dims.tapCount() + 1) * e.dims.c }

// Workspace holds the sums of the ranges.
func (e *convDepthwiseFilter) Workspace() int { return 4 * e.ranges * e.size() }

// Run does a call.
func (e *convDepthwiseFilter) Run(args []kernels.Arg, workspace kernels.Arg) error {
	e.x, e.dy, e.dw = kernels.Slice[float32](args[0]), kernels.Slice[float32](args[1]), kernels.Slice[float32](args[2])
	if e.bias {
		e.dbias = kernels.Slice[float32](args[3])
	}
	if e.lines == 0 {
		clear(e.dw)
		clear(e.dbias)
		return nil
	}
	e.partial = kernels.Slice[float32](workspace)[:e.ranges*e.size()]
	if e.serial {
		for i := range e.ranges {
			e.part(i, 0)
		}
	} else {
		e.device.pool.run(e.ranges, e)
	}
	sum := e.partial[:e.size()]
	v := vecF32(e.device.level)
	for r := 1; r < e.ranges; r++ {
		v.apply2(kernels.Add, sum, sum, e.partial[r*e.size():(r+1)*e.size()])
	}
	c, taps := e.dims.c, e.dims.tapCount()
	packColumns(convTilesAt(e.device.level), e.dw, sum, c, taps, taps) // [taps, C] to [C, taps]
	copy(e.dbias, sum[taps*c:])
	e.x, e.dy, e.dw, e.dbias, e.partial = nil, nil, nil, nil, nil
	return nil
}

// part sums one range of lines.
func (e *convDepthwiseFilter) part(r, worker int) {
	g := &e.dims
	sums := e.partial[r*e.size():][:e.size()]
	seg := e.scratch[worker]
	l1 := (r + 1) * e.lines / e.ranges
	for l := r * e.lines / e.ranges; l < l1; l += e.block {
		end, add := min(l+e.block, l1), 0
		if l > r*e.lines/e.ranges {
			add = 1
		}
		tap := 0
		for t0 := range g.taps[0] {
			for t1 := range g.taps[1] {
				for t2 := range g.taps[2] {
					n := g.segments(seg, l*g.out[2], end*g.out[2], [3]int{t0, t1, t2})
					e.kernels.filter(&e.dy[0], &e.x[0], &sums[tap*g.c], &seg[0], n, 4*g.c, 4*g.stride[2]*g.c, g.c, add)
					tap++
				}
			}
		}
		if e.bias {
			e.sumBias(sums[tap*g.c:], l*g.out[2], end*g.out[2], add)
		}
	}
}

// sumBias adds up the gradients of pixels [m, end).
func (e *convDepthwiseFilter) sumBias(sum []float32, m, end, add int) {
	v := vecF32(e.device.level)
	c := e.dims.c
	if add == 0 {
		clear(sum)
	}
	for ; m < end; m++ {
		v.apply2(kernels.Add, sum, sum, e.dy[m*c:(m+1)*c])
	}
}
