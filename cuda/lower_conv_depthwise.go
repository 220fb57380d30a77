package cuda

import (
	"math/bits"

	"palladio/kernels"
)

// depthwiseShape is how the direct kernels of a depthwise convolution by any taps cut the channels and the strips (kernels/include/conv_depthwise.cuh).
type depthwiseShape struct {
	name          string
	size          int // channels of a vector
	width, height int // of a block, in vectors and strips
}

// stripLength is the results of a strip.
const stripLength = 4

func (s depthwiseShape) channelBlocks(channels int) int { return ceilDiv(channels, s.size*s.width) }

func (l *lowering) depthwiseShape(g *convGather, t kernels.DType) depthwiseShape {
	s := depthwiseShape{name: t.String() + "_any", size: 16 / t.Size()}
	if !l.packed(t.Size(), g.resultChannels) {
		s.name, s.size = t.String()+"_narrow_any", 1
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
	if g.strips(1) >= 1<<31 {
		return nil
	}
	bias, residual, result := convOperands(e)
	prog := &Program{Constants: g.table(1, false)}
	for i := range g.passes {
		p := &g.passes[i]
		if k, ok := l.squareKernel(g, p, t); ok {
			prog.Launches = append(prog.Launches, l.squareLaunch(k, g, i, t, e))
			continue
		}
		s := l.depthwiseShape(g, t)
		weights := 4 * p.tapCount() * s.size
		for s.width > 1 && weights*s.width > mostWeights {
			s.width, s.height = s.width/2, s.height*2
		}
		if weights*s.width > mostWeights {
			return nil
		}
		perLine := ceilDiv(p.count[2], stripLength)
		count := g.batch * p.count[0] * p.count[1] * perLine
		blocks := s.channelBlocks(g.resultChannels)
		prog.Launches = append(prog.Launches, Launch{
			Module: Shipped("conv/depthwise"), Entry: "conv_depthwise_" + s.name,
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
	if s, ok := l.squareKernel(g, p, k.Type); ok {
		return l.squareFilter(s, g, k)
	}
	s := l.depthwiseShape(g, k.Type)
	rows := g.filterTaps() // blocks of taps
	perLine := ceilDiv(p.count[2], stripLength)
	count := g.batch * p.count[0] * p.count[1] * perLine
	blocks := s.channelBlocks(g.resultChannels)
	splits := max(1, min(ceilDiv(8*l.SMs, rows*blocks), ceilDiv(count, 4*s.height), mostShares))
	share := ceilDiv(count, splits)
	splits = ceilDiv(count, share)
	n := kernels.Elems(k.Filter())
	return &Program{Constants: g.table(1, false), Workspace: 4 * splits * n, Launches: []Launch{
		{
			Module: Shipped("conv/depthwise"), Entry: "conv_depthwise_filter_" + s.name, Grid: Dim{rows, blocks, splits}, Block: Dim{s.width, s.height, 1},
			Args: []Slot{Constant(0), g.passesAt(), Operand(0), Operand(1), Scratch(0), divisor(perLine), Int(count), Int(share)},
		},
		l.convAdd(k.ResultType(), n, n, splits, Scratch(0), Int(0), Int(0), Operand(2), noActivation),
	}}
}
