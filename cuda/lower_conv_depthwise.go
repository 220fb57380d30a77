package cuda

import (
	"math/bits"

	"palladio/kernels"
)

// depthwiseShape is how the direct kernels of a depthwise convolution cut the channels and the strips (kernels/include/conv_depthwise.cuh).
type depthwiseShape struct {
	module, name  string
	size          int // channels of a vector
	strip         int // results of a strip
	width, height int // of a block, in vectors and strips
}

func (s depthwiseShape) channelBlocks(channels int) int { return ceilDiv(channels, s.size*s.width) }

// depthwiseShape chooses the kernel for a pass: 3 or 5 taps one apart along the last axis, or any.
func (l *lowering) depthwiseShape(g *convGather, p *convPass, t kernels.DType) depthwiseShape {
	s := depthwiseShape{module: "conv/depthwise", name: t.String(), size: 16 / t.Size(), strip: 4}
	taps, step := p.taps[2], p.step[2]
	switch {
	case !l.packed(t.Size(), g.resultChannels):
		s.name, s.size = s.name+"_narrow_any", 1
	case p.shiftStep[2] == 1 && step == 1 && (taps == 3 || taps == 5):
		s.name += map[int]string{3: "_3", 5: "_5"}[taps]
		if taps == 5 && s.size == 8 {
			s.strip = 2
		}
	case p.shiftStep[2] == 1 && step == 2 && taps == 3:
		s.name += "_3_stride2"
		if s.size == 8 {
			s.strip = 2
		}
	default:
		s.name += "_any"
	}
	s.width = 1 << min(5, bits.Len(uint(ceilDiv(g.resultChannels, s.size)-1)))
	s.height = 256 / s.width
	return s
}

// strips is the number of strips of so many results in the largest pass.
func (g *convGather) strips(length int) int {
	most := 0
	for i := range g.passes {
		c := g.passes[i].count
		most = max(most, g.batch*c[0]*c[1]*ceilDiv(c[2], length))
	}
	return most
}

// mostWeights is the bytes of shared memory that a block's weights may take.
const mostWeights = 48 << 10

// depthwise lowers a depthwise gather to a launch a pass; nil where the filters do not fit in shared memory.
func (l *lowering) depthwise(g *convGather, t kernels.DType, e kernels.Epilogue) *Program {
	if g.strips(2) >= 1<<31 {
		return nil
	}
	bias, residual, result := convOperands(e)
	prog := &Program{Constants: g.table(1, false)}
	for i := range g.passes {
		p := &g.passes[i]
		s := l.depthwiseShape(g, p, t)
		weights := 4 * p.tapCount() * s.size
		for s.width > 1 && weights*s.width > mostWeights {
			s.width, s.height = s.width/2, s.height*2
		}
		if weights*s.width > mostWeights {
			return nil
		}
		perLine := ceilDiv(p.count[2], s.strip)
		count := g.batch * p.count[0] * p.count[1] * perLine
		blocks := s.channelBlocks(g.resultChannels)
		prog.Launches = append(prog.Launches, Launch{
			Module: Shipped(s.module), Entry: "conv_depthwise_" + s.name,
			Grid:  Dim{min(ceilDiv(count, s.height), max(1, 16*l.SMs/blocks)), blocks, 1},
			Block: Dim{s.width, s.height, 1}, Shared: weights * s.width,
			Args: append([]Slot{Constant(0), Constant(convPlanBytes + i*convPassBytes), Operand(0), Operand(1), bias, residual, result, divisor(perLine), Int(count)},
				activation(e.Act, kernels.F32)...),
		})
	}
	return prog
}

// mostShares is the most parts of the strips that are summed apart.
const mostShares = 64

// depthwiseFilter lowers the gradient by filters of a depthwise convolution: sums of shares of the strips, then their sum.
func (l *lowering) depthwiseFilter(g *convGather, k kernels.ConvBackwardFilter) *Program {
	p := &g.passes[0]
	s := l.depthwiseShape(g, p, k.Type)
	rows := g.filterTaps() // blocks of taps
	switch s.name {
	case k.Type.String() + "_3", k.Type.String() + "_3_stride2":
		rows /= 3
	case k.Type.String() + "_5":
		rows /= 5
	}
	perLine := ceilDiv(p.count[2], s.strip)
	count := g.batch * p.count[0] * p.count[1] * perLine
	blocks := s.channelBlocks(g.resultChannels)
	splits := max(1, min(ceilDiv(8*l.SMs, rows*blocks), ceilDiv(count, 4*s.height), mostShares))
	share := ceilDiv(count, splits)
	splits = ceilDiv(count, share)
	n := kernels.Elems(k.Filter())
	return &Program{Constants: g.table(1, false), Workspace: 4 * splits * n, Launches: []Launch{
		{
			Module: Shipped(s.module), Entry: "conv_depthwise_filter_" + s.name, Grid: Dim{rows, blocks, splits}, Block: Dim{s.width, s.height, 1},
			Args: []Slot{Constant(0), g.passesAt(), Operand(0), Operand(1), Scratch(0), divisor(perLine), Int(count), Int(share)},
		},
		l.convAdd(k.ResultType(), n, n, splits, Scratch(0), Int(0), Int(0), Operand(2), noActivation),
	}}
}
