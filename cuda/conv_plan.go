package cuda

import (
	"encoding/binary"

	"palladio/kernels"
)

// convGather is a convolution as a gather: each pixel of the result is a sum over taps of pixels of the source. See
// kernels/include/conv_plan.cuh, whose structures table writes.
type convGather struct {
	batch                          int
	source, result                 [3]int // spatial extents, absent axes first and of extent 1
	extent                         [3]int // taps of the filter
	sourceChannels, resultChannels int
	groups                         int
	depth, columns                 int // channels of a group: of the source, of the result
	passes                         []convPass
}

// convPass is one residue class of the result's pixels. Along each axis, pixel i of count lies at first + i·stride of the result and sees taps tap + j·tapStep
// of the filter, j < taps, at i·step + shift + j·shiftStep of the source.
type convPass struct {
	count, first, stride, step [3]int
	taps, tap, tapStep         [3]int
	shift, shiftStep           [3]int
}

func (p *convPass) tapCount() int { return p.taps[0] * p.taps[1] * p.taps[2] }
func (p *convPass) pixels() int   { return p.count[0] * p.count[1] * p.count[2] }

// forwardGather is y = x * w.
func forwardGather(k kernels.ConvGeometry) *convGather {
	one := [3]int{1, 1, 1}
	g := &convGather{batch: k.Batch, source: one, result: one, extent: one, sourceChannels: k.C, resultChannels: k.K,
		groups: k.Groups, depth: k.C / k.Groups, columns: k.K / k.Groups}
	p := convPass{count: one, stride: one, step: one, taps: one, tapStep: one, shiftStep: one}
	out := k.Out()
	for i := range out {
		a := 3 - len(out) + i
		g.source[a], g.result[a], g.extent[a] = k.In[i], out[i], k.Taps[i]
		p.count[a], p.step[a], p.taps[a] = out[i], k.Stride[i], k.Taps[i]
		p.shift[a], p.shiftStep[a] = -k.PadLo[i], k.Dilation[i]
	}
	g.passes = []convPass{p}
	return g
}

// backwardGather is dx = dy * w, the filters turned around. Pixel h of dx gets tap t of pixel p of dy where p·stride = h + lo - t·dilation: the pixels of each
// residue class by the stride see their own taps, and no product with a zero is made.
func backwardGather(k kernels.ConvGeometry) *convGather {
	f := forwardGather(k)
	g := &convGather{batch: f.batch, source: f.result, result: f.source, extent: f.extent, sourceChannels: k.K, resultChannels: k.C,
		groups: k.Groups, depth: f.columns, columns: f.depth}
	p := f.passes[0]
	for a0 := range min(p.step[0], f.source[0]) {
		for a1 := range min(p.step[1], f.source[1]) {
			for a2 := range min(p.step[2], f.source[2]) {
				g.passes = append(g.passes, backwardPass(f, [3]int{a0, a1, a2}))
			}
		}
	}
	return g
}

// backwardPass is the class of pixels first + i·stride. Taps are listed from the last to the first, so that the source's places ascend.
func backwardPass(f *convGather, first [3]int) convPass {
	forward := f.passes[0]
	p := convPass{first: first, stride: forward.step, step: [3]int{1, 1, 1}}
	for a := range 3 {
		stride, dilation := forward.step[a], forward.shiftStep[a]
		p.count[a] = ceilDiv(f.source[a]-first[a], stride)
		for t := forward.taps[a] - 1; t >= 0; t-- {
			at := first[a] - forward.shift[a] - t*dilation
			if at%stride != 0 {
				continue
			}
			switch p.taps[a]++; p.taps[a] {
			case 1:
				p.tap[a], p.shift[a] = t, at/stride
			case 2:
				p.tapStep[a], p.shiftStep[a] = t-p.tap[a], at/stride-p.shift[a]
			}
		}
	}
	return p
}

// filterTaps is the number of taps of a whole filter.
func (g *convGather) filterTaps() int { return g.extent[0] * g.extent[1] * g.extent[2] }

// results is the number of elements of the result.
func (g *convGather) results() int {
	return g.batch * g.result[0] * g.result[1] * g.result[2] * g.resultChannels
}

// maskBits is the most bits that a pixel's mask needs.
func (g *convGather) maskBits() int {
	most := 0
	for i := range g.passes {
		t := g.passes[i].taps
		most = max(most, t[0]+t[1]+t[2])
	}
	return most
}

// rowTiles is the number of tiles of so many rows that the passes have.
func (g *convGather) rowTiles(rows int) int {
	n := 0
	for i := range g.passes {
		n += ceilDiv(g.batch*g.passes[i].pixels(), rows)
	}
	return n
}

// The sizes of the structures of conv_plan.cuh.
const (
	convPlanBytes = 48
	convPassBytes = 160
	outsideTest   = 1 << 31
)

// passesAt and tapsAt are where table has the passes and the taps.
func (g *convGather) passesAt() Slot { return Constant(convPlanBytes) }
func (g *convGather) tapsAt() Slot   { return Constant(convPlanBytes + convPassBytes*len(g.passes)) }

// table writes the plan, the passes for tiles of so many rows and, where masked, the lists of taps.
func (g *convGather) table(rows int, masked bool) []byte {
	var b tableWriter
	b.u32(g.source[:]...)
	b.u32(g.result[:]...)
	b.u32(g.sourceChannels, g.resultChannels, g.depth, g.columns, g.filterTaps(), len(g.passes))
	var taps tableWriter
	tile, listed := 0, 0
	for i := range g.passes {
		p := &g.passes[i]
		pixels := g.batch * p.pixels()
		b.u32(tile, pixels)
		b.u32(p.count[:]...)
		b.u32(p.tapCount())
		for _, n := range p.count {
			b.u64(divisor(n).value)
		}
		for _, v := range [][3]int{p.step, p.first, p.stride, p.taps, p.shift, p.shiftStep, p.tap, p.tapStep} {
			b.u32(v[:]...)
		}
		b.u32(listed)
		b.u32(g.extent[:]...)
		tile += ceilDiv(pixels, rows)
		if masked {
			listed += g.listTaps(&taps, p)
		}
	}
	return append(b, taps...)
}

// listTaps writes a pass' taps and the one that ends the list, and returns how many.
func (g *convGather) listTaps(b *tableWriter, p *convPass) int {
	for t0 := range p.taps[0] {
		for t1 := range p.taps[1] {
			for t2 := range p.taps[2] {
				delta, tap, bit, test := 0, 0, 0, 0
				for a, t := range [3]int{t0, t1, t2} {
					delta = delta*g.source[a] + p.shift[a] + t*p.shiftStep[a]
					tap = tap*g.extent[a] + p.tap[a] + t*p.tapStep[a]
					test |= 1 << (bit + t)
					bit += p.taps[a]
				}
				b.u64(uint64(delta * g.sourceChannels))
				b.u32(test, tap)
			}
		}
	}
	b.u64(0)
	b.u32(outsideTest, 0)
	return p.tapCount() + 1
}

// tableWriter appends numbers as the device reads them.
type tableWriter []byte

func (b *tableWriter) u32(v ...int) {
	for _, x := range v {
		*b = binary.LittleEndian.AppendUint32(*b, uint32(x))
	}
}

func (b *tableWriter) u64(x uint64) { *b = binary.LittleEndian.AppendUint64(*b, x) }
