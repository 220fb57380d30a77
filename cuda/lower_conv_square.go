package cuda

import (
	"palladio/kernels"
)

// squareKernel is a kernel of depthwise convolution by square filters whose taps are neighbours (kernels/include/conv_depthwise_square.cuh).
type squareKernel struct {
	taps, step    int
	size, columns int // of a thread: channels, and neighbouring columns of results
	blocks        int // of 128 threads that its launch bounds let a multiprocessor hold
	filterThreads int // of a block of the gradient by filters, one of which fills a multiprocessor
}

var squareKernels = []squareKernel{{3, 1, 4, 2, 4, 384}, {5, 1, 2, 2, 4, 384}, {7, 1, 2, 2, 2, 256}, {3, 2, 2, 2, 4, 512}, {5, 2, 2, 2, 3, 256}}

func (k squareKernel) name(t kernels.DType) string {
	name := t.String() + "_" + map[int]string{3: "3x3", 5: "5x5", 7: "7x7"}[k.taps]
	if k.step == 2 {
		name += "_stride2"
	}
	return name
}

// behind is the rows of results that a thread has begun and not done when it has read a row.
func (k squareKernel) behind() int { return (k.taps - 1) / k.step }

// squareKernel finds the kernel for a pass. Pixels along the first axis have to be as good as images of their own.
func (l *lowering) squareKernel(g *convGather, p *convPass, t kernels.DType) (squareKernel, bool) {
	for _, k := range squareKernels {
		if p.taps[1] == k.taps && p.taps[2] == k.taps && p.step[1] == k.step && p.step[2] == k.step && p.shiftStep[1] == 1 && p.shiftStep[2] == 1 &&
			g.extent[0] == 1 && p.shift[0] == 0 && p.count[0] == g.source[0] && p.count[0] == g.result[0] &&
			l.align >= 16 && g.resultChannels%k.size == 0 && 4*k.size*g.filterTaps() <= mostWeights {
			return k, true
		}
	}
	return squareKernel{}, false
}

// squareWork is how the work of a pass is shared out.
type squareWork struct {
	width, height int // of a block: threads along the channels, and pieces
	channelBlocks int
	wide, high    int // pieces of an image beside each other, and below each other
	rows          int // of a piece
	count         int // pieces in all
	blocks        int // along the pieces
}

// share cuts channels into blocks of at most so many threads, and columns into pieces so that as many blocks as are resident have the least to do: a thread
// reads rows that it needs twice for each further piece.
func (k squareKernel) share(g *convGather, p *convPass, threads, resident int) squareWork {
	vectors := g.resultChannels / k.size
	widest := max(1, min(32, mostWeights/(4*k.size*g.filterTaps())))
	w := squareWork{channelBlocks: ceilDiv(vectors, widest)}
	w.width = ceilDiv(vectors, w.channelBlocks)
	w.height = threads / w.width
	w.wide = ceilDiv(p.count[2], k.columns)
	most := max(1, resident/w.channelBlocks)
	least := 0
	for high := 1; high <= p.count[1]; high++ {
		rows := ceilDiv(p.count[1], high)
		if ceilDiv(p.count[1], rows) != high {
			continue
		}
		count := g.batch * p.count[0] * high * w.wide
		blocks := min(most, ceilDiv(count, w.height))
		if time := ceilDiv(count, blocks*w.height) * (rows + k.behind() + 1); least == 0 || time < least {
			least, w.high, w.rows, w.count, w.blocks = time, high, rows, count, blocks
		}
	}
	return w
}

// squareLaunch lowers pass i of a depthwise gather.
func (l *lowering) squareLaunch(k squareKernel, g *convGather, i int, t kernels.DType, e kernels.Epilogue) Launch {
	w := k.share(g, &g.passes[i], 128, l.SMs*k.blocks)
	bias, residual, result := convOperands(e)
	return Launch{
		Module: Shipped("conv/depthwise"), Entry: "conv_depthwise_" + k.name(t),
		Grid: Dim{w.blocks, w.channelBlocks, 1}, Block: Dim{w.width, w.height, 1}, Shared: 4 * w.width * k.size * g.filterTaps(),
		Args: append([]Slot{Constant(0), Constant(convPlanBytes + i*convPassBytes), Operand(0), Operand(1), bias, residual, result,
			divisor(w.wide), divisor(w.high), Int(w.count), Int(w.rows)}, activation(e.Act, kernels.F32)...),
	}
}

// squareFilter lowers the gradient by filters: sums of shares of the columns, then their sum.
func (l *lowering) squareFilter(s squareKernel, g *convGather, k kernels.ConvBackwardFilter) *Program {
	w := s.share(g, &g.passes[0], s.filterThreads, l.SMs)
	share := ceilDiv(ceilDiv(w.count, w.height), w.blocks) * w.height
	splits := ceilDiv(w.count, share)
	n := kernels.Elems(k.Filter())
	return &Program{Constants: g.table(1, false), Workspace: 4 * splits * n, Launches: []Launch{
		{
			Module: Shipped("conv/depthwise"), Entry: "conv_depthwise_filter_" + s.name(k.Type), Grid: Dim{1, w.channelBlocks, splits}, Block: Dim{w.width, w.height, 1},
			Args: []Slot{Constant(0), g.passesAt(), Operand(0), Operand(1), Scratch(0), divisor(w.wide), divisor(w.high), Int(w.count), Int(share), Int(w.rows)},
		},
		l.convAdd(k.ResultType(), n, n, splits, Scratch(0), Int(0), Int(0), Operand(2), noActivation),
	}}
}
