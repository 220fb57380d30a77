package fallback

import (
	"palladio/kernels"
)

// convDims is a convolution's geometry with three spatial axes, absent ones first and of extent 1.
type convDims struct {
	batch, c, k, groups           int
	in, out, taps, stride, dilate [3]int
	lo                            [3]int
}

func newConvDims(g kernels.ConvGeometry) convDims {
	one := [3]int{1, 1, 1}
	d := convDims{batch: g.Batch, c: g.C, k: g.K, groups: g.Groups, in: one, out: one, taps: one, stride: one, dilate: one}
	out := g.Out()
	for i := range out {
		j := 3 - len(out) + i
		d.in[j], d.out[j], d.taps[j] = g.In[i], out[i], g.Taps[i]
		d.stride[j], d.dilate[j], d.lo[j] = g.Stride[i], g.Dilation[i], g.PadLo[i]
	}
	return d
}

func (d *convDims) tapCount() int { return d.taps[0] * d.taps[1] * d.taps[2] }

// smallConv is the number of operations below which waking the pool costs more than it brings.
const smallConv = 1 << 19

// convPhases runs the phases of a convolution E one after the other over the device's pool, or on the caller's goroutine alone
// where the convolution is small.
type convPhases[E any] struct {
	device *Device
	serial bool
	of     *E
	phase  func(e *E, i, worker int)
}

// do runs the parts of one phase of e.
func (p *convPhases[E]) do(e *E, parts int, phase func(e *E, i, worker int)) {
	if p.serial {
		for i := range parts {
			phase(e, i, 0)
		}
		return
	}
	p.of, p.phase = e, phase
	p.device.pool.run(parts, p)
}

func (p *convPhases[E]) part(i, worker int) { p.phase(p.of, i, worker) }

func (d *Device) prepareConv(k kernels.Conv) (kernels.Exec, error) {
	switch k.Type {
	case kernels.F16, kernels.BF16:
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	case kernels.F64:
		return d.ref.Prepare(k)
	}
	g := newConvDims(k.ConvGeometry)
	if g.groups > 1 && g.groups == g.c && g.c == g.k {
		return d.depthwise(g, []gatherPass{forwardPass(g)}, k.Epilogue, g.in, g.out, k.FLOPs()), nil
	}
	if winogradPays(winogradAt(d.level), g) {
		return d.winogradConv(g, k.Epilogue, false, k.FLOPs()), nil
	}
	return d.gatherForward(g, k.Epilogue, k.FLOPs()), nil
}

func (d *Device) prepareConvBackwardData(k kernels.ConvBackwardData) (kernels.Exec, error) {
	switch k.Type {
	case kernels.F16, kernels.BF16:
		wide := k
		wide.Type = kernels.F32
		return d.widened(k, wide)
	case kernels.F64:
		return d.ref.Prepare(k)
	}
	g := newConvDims(k.ConvGeometry)
	if g.groups > 1 && g.groups == g.c && g.c == g.k {
		return d.depthwise(g, backwardPasses(g), k.Epilogue, g.out, g.in, k.FLOPs()), nil
	}
	if winogradPays(winogradAt(d.level), g) && g.lo[1] <= 2 && g.lo[2] <= 2 {
		return d.winogradConv(g, k.Epilogue, true, k.FLOPs()), nil
	}
	return d.gatherBackward(g, k.Epilogue, k.FLOPs()), nil
}

// gatherForward plans y = x * w.
func (d *Device) gatherForward(g convDims, e kernels.Epilogue, flops int64) *convGather {
	x := &convGather{
		convPhases: convPhases[convGather]{device: d, serial: flops < smallConv},
		tiles:      convTilesAt(d.level), finish: newConvFinish(e, d.level), batch: g.batch, src: g.in, dst: g.out, srcC: g.c, dstC: g.k,
		groups: g.groups, depth: g.c / g.groups, cols: g.k / g.groups, taps: g.tapCount(),
	}
	p := forwardPass(g)
	p.n = x.depth
	if g.groups == 1 && g.c < mergeChannels && g.taps[2] > 1 && g.dilate[2] == 1 {
		x.mergeTaps(&p, g)
	}
	x.passes = []gatherPass{p}
	x.plan(g)
	return x
}

// mergeTaps makes one segment of the taps of the last axis: their channels lie side by side in an image with padded lines.
func (e *convGather) mergeTaps(p *gatherPass, g convDims) {
	span := (g.out[2]-1)*g.stride[2] + g.taps[2] // elements of a padded line that are read
	p.n = g.taps[2] * e.depth
	p.shift[2], p.tap[2] = []int{0}, []int{0}
	if g.lo[2] == 0 && span <= g.in[2] {
		return
	}
	e.padded = &padRows{rows: g.batch * g.in[0] * g.in[1], width: g.in[2], c: g.c, lo: g.lo[2], total: span}
	e.src[2] = span
}

// gatherBackward plans dx = dy * rotated w. With a stride, the pixels of each residue class see their own subset of
// the taps, and are a dense convolution.
func (d *Device) gatherBackward(g convDims, e kernels.Epilogue, flops int64) *convGather {
	x := &convGather{
		convPhases: convPhases[convGather]{device: d, serial: flops < smallConv},
		tiles:      convTilesAt(d.level), finish: newConvFinish(e, d.level), batch: g.batch, src: g.out, dst: g.in, srcC: g.k, dstC: g.c,
		groups: g.groups, depth: g.k / g.groups, cols: g.c / g.groups, taps: g.tapCount(), transposed: true,
	}
	x.passes = backwardPasses(g)
	for i := range x.passes {
		x.passes[i].n = x.depth
	}
	x.plan(g)
	return x
}

// forwardPass is the forward pass over all result pixels.
func forwardPass(g convDims) gatherPass {
	p := gatherPass{count: g.out, step: g.stride, outStep: [3]int{1, 1, 1}}
	for a := range 3 {
		for t := range g.taps[a] {
			p.tap[a] = append(p.tap[a], t)
			p.shift[a] = append(p.shift[a], t*g.dilate[a]-g.lo[a])
		}
	}
	return p
}

// backwardPasses are the backward pass by data, one for each residue class of the image's pixels by the stride.
func backwardPasses(g convDims) []gatherPass {
	var passes []gatherPass
	for a0 := range min(g.stride[0], g.in[0]) {
		for a1 := range min(g.stride[1], g.in[1]) {
			for a2 := range min(g.stride[2], g.in[2]) {
				p := gatherPass{step: [3]int{1, 1, 1}, outStep: g.stride, outFirst: [3]int{a0, a1, a2}}
				for a, first := range p.outFirst {
					p.count[a] = (g.in[a] - first + g.stride[a] - 1) / g.stride[a]
					for t := range g.taps[a] {
						if v := first + g.lo[a] - t*g.dilate[a]; v%g.stride[a] == 0 {
							p.tap[a] = append(p.tap[a], t)
							p.shift[a] = append(p.shift[a], v/g.stride[a])
						}
					}
				}
				passes = append(passes, p)
			}
		}
	}
	return passes
}

// sourceBytes is how much of the image a part may span: with the panels that stream past, it stays in the second-level cache.
const sourceBytes = 256 << 10

// plan cuts the passes into parts and sizes the scratch memory.
func (e *convGather) plan(g convDims) {
	e.mr = e.tiles.maxRows(e.cols)
	e.finish.tapStep = [3]int{g.taps[1] * g.taps[2], g.taps[2], 1}
	width := e.tiles.width
	panels := (e.cols + width - 1) / width
	blocks := make([]int, len(e.passes)) // rows of a part
	n, most, mostTables := 0, 0, 0
	for i := range e.passes {
		p := &e.passes[i]
		p.segs = len(p.shift[0]) * len(p.shift[1]) * len(p.shift[2])
		p.packed = e.packedLen
		e.packedLen += e.groups * panels * p.panelLen(width)
		rowBytes := 4 * p.step[0] * p.step[1] * p.step[2] * e.srcC
		tiles := min(max(sourceBytes/rowBytes/e.mr, 1), 32)
		if threads := e.device.pool.threads; threads > 1 { // enough parts to share out
			tiles = min(tiles, max(p.rows(g.batch)/(e.mr*4*threads), 1))
		}
		blocks[i] = tiles * e.mr
		n += e.groups * ((p.rows(g.batch) + blocks[i] - 1) / blocks[i])
		most = max(most, blocks[i])
		mostTables = max(mostTables, blocks[i]*max(p.segs, 1))
	}
	share := panels // panels of a part
	if want := 4 * e.device.pool.threads; e.device.pool.threads > 1 && n < want {
		share = max(panels*n/want, 1)
	}
	for i := range e.passes {
		p := &e.passes[i]
		for group := range e.groups {
			if p.segs > 0 {
				for panel := range panels {
					e.packs = append(e.packs, gatherPack{i, group, panel})
				}
			}
			for row := 0; row < p.rows(g.batch); row += blocks[i] {
				for panel := 0; panel < panels; panel += share {
					e.parts = append(e.parts, gatherPart{i, group, row, min(row+blocks[i], p.rows(g.batch)), panel, min(panel+share, panels)})
				}
			}
		}
	}
	e.zeros = make([]float32, max(e.srcC*max(g.taps[2], 1), 16))
	e.tables = make([]gatherTables, e.device.pool.threads)
	for i := range e.tables {
		e.tables[i] = gatherTables{make([]int, 2*mostTables), make([]int, most)} // a tile's kernel also looks at the next tile's offsets
	}
}
