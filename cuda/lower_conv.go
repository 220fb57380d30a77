package cuda

import (
	"palladio/kernels"
)

// conv lowers a convolution. Which way it goes depends on the shape:
//
//	1x1, or filters of the whole map   a matrix product, by the kernels of GEMM (lower_conv_product.go)
//	depthwise                          direct kernels, bound by memory (lower_conv_depthwise.go)
//	f64, depth multipliers, filters    plain kernels, a thread to a result
//	with more than 31 taps along
//	their axes together
//	all else                           implicit matrix products by tiles (conv_tiles.go)
func (l *lowering) conv(k kernels.Conv) (*Program, error) {
	if k.Batch == 0 {
		return &Program{}, nil
	}
	if p, err := l.convProduct(k); p != nil || err != nil {
		return p, err
	}
	return l.gatherConv(forwardGather(k.ConvGeometry), k.Type, k.TF32, k.Epilogue, false)
}

func (l *lowering) convBackwardData(k kernels.ConvBackwardData) (*Program, error) {
	if k.Batch == 0 {
		return &Program{}, nil
	}
	if p, err := l.backwardDataProduct(k); p != nil || err != nil {
		return p, err
	}
	return l.gatherConv(backwardGather(k.ConvGeometry), k.Type, k.TF32, k.Epilogue, true)
}

// convOperands are the slots of bias and residual, null where absent, and of the result.
func convOperands(e kernels.Epilogue) (bias, residual, result Slot) {
	next := 2
	bias, residual = Int(0), Int(0)
	if e.Bias {
		bias = Operand(next)
		next++
	}
	if e.Residual {
		residual = Operand(next)
		next++
	}
	return bias, residual, Operand(next)
}

// gatherConv lowers a gather of operand 0 by the filters in operand 1.
func (l *lowering) gatherConv(g *convGather, t kernels.DType, tf32 bool, e kernels.Epilogue, backward bool) (*Program, error) {
	switch {
	case g.depthwise() && t != kernels.F64:
		if p := l.depthwise(g, t, e); p != nil {
			return p, nil
		}
		return l.plainGather(g, t, e, backward), nil
	case !g.tiled(t):
		return l.plainGather(g, t, e, backward), nil
	}
	return l.tileGather(g, newConvType(t, tf32), t, e, backward), nil
}

// depthwise says whether each channel of the result is made of the same channel of the source.
func (g *convGather) depthwise() bool { return g.groups > 1 && g.depth == 1 && g.columns == 1 }

// tiled says whether the kernels by tiles take the convolution.
func (g *convGather) tiled(t kernels.DType) bool {
	single := g.groups > 1 && (g.depth == 1 || g.columns == 1) // a depth multiplier
	rows := 0
	for i := range g.passes {
		rows = max(rows, g.batch*g.passes[i].pixels())
	}
	return t != kernels.F64 && !single && g.maskBits() <= 31 && rows < 1<<31-1024 && g.groups < 1<<16 &&
		g.filterTaps()*max(g.depth, g.columns) < 1<<31-1024
}

// packed says whether rows of so many elements each are made of whole, aligned chunks of 16 bytes.
func (l *lowering) packed(size int, rows ...int) bool {
	for _, n := range rows {
		if !l.vectorised(n, size) {
			return false
		}
	}
	return true
}

// tileGather lowers a gather to an implicit matrix product.
func (l *lowering) tileGather(g *convGather, t convType, of kernels.DType, e kernels.Epilogue, backward bool) *Program {
	name := "forward"
	packed := l.packed(t.size, g.depth)
	taps := 0
	for i := range g.passes {
		taps = max(taps, g.passes[i].tapCount())
	}
	depthTiles := ceilDiv(taps*g.depth, t.depth())
	if backward {
		name = "backward"
		packed = l.packed(t.size, g.depth, g.columns)
		depthTiles = taps * ceilDiv(g.depth, t.depth())
	}
	results := g.results()
	c := l.chooseTile(t, packed, g.rowTiles, g.columns, g.groups, depthTiles, results)
	bias, residual, result := convOperands(e)
	columnTiles := ceilDiv(g.columns, c.tile.n)
	wide := l.packed(t.size, g.columns)
	p := &Program{Constants: g.table(c.tile.m, true)}
	args := []Slot{Constant(0), g.passesAt(), g.tapsAt(), Operand(0), Operand(1)}
	tail := []Slot{Int(results), divisor(columnTiles), Int(c.splits), flag(wide)}
	act := activation(e.Act, kernels.F32)
	if c.splits == 1 {
		args = append(args, bias, residual, result, Int(0))
		args = append(append(args, tail...), act...)
	} else {
		p.Workspace = 4 * c.splits * results
		args = append(args, Int(0), Int(0), Int(0), Scratch(0))
		args = append(append(args, tail...), Int(0), Int(0), Int(0))
	}
	p.Launches = []Launch{{
		Module: Shipped("conv/" + t.name), Entry: "conv_" + name + "_" + t.entry(packed, c.tile),
		Grid: Dim{g.rowTiles(c.tile.m) * columnTiles, g.groups, c.splits}, Block: Dim{c.tile.threads, 1, 1},
		Shared: c.tile.shared, Args: args,
	}}
	if c.splits > 1 {
		p.Launches = append(p.Launches, l.convAdd(of, results, g.resultChannels, c.splits, Scratch(0), bias, residual, result, act))
	}
	return p
}

// entry is the part of an entry point's name after the pass.
func (t convType) entry(packed bool, tile gemmTile) string {
	if packed {
		return t.name + "_" + tile.String()
	}
	return t.name + "_narrow_" + tile.String()
}

// convAdd launches out = act(Σ sums + bias + residual) of n results and so many splits, in order.
func (l *lowering) convAdd(t kernels.DType, n, channels, splits int, sums, bias, residual, out Slot, act []Slot) Launch {
	packed := l.packed(t.Size(), channels, n)
	items := n
	if packed {
		items = n / (16 / t.Size())
	}
	return Launch{
		Module: Shipped("conv/sum"), Entry: "conv_add_" + t.String(), Grid: l.grid(items, 256, 8), Block: Dim{256, 1, 1},
		Args: append([]Slot{Int(n), Int(channels), Int(splits), sums, bias, residual, out, flag(packed)}, act...),
	}
}

// noActivation is the activation of a sum without an epilogue.
var noActivation = []Slot{Int(0), Int(0), Int(0)}

// plainGather lowers a gather to one thread a result.
func (l *lowering) plainGather(g *convGather, t kernels.DType, e kernels.Epilogue, backward bool) *Program {
	bias, residual, result := convOperands(e)
	in, out := g.depth, g.columns // elements of a filter are [columns][taps][depth], turned around backward
	perSource, perResult, perTap := 1, g.filterTaps()*in, in
	if backward {
		perSource, perResult, perTap = g.filterTaps()*out, 1, out
	}
	accumulator := kernels.F32
	if t == kernels.F64 {
		accumulator = t
	}
	p := &Program{Constants: g.table(1, false)}
	const most = 1<<16 - 1 // passes of a launch
	for first := 0; first < len(g.passes); first += most {
		passes := g.passes[first:min(first+most, len(g.passes))]
		items := 0
		for i := range passes {
			items = max(items, g.batch*passes[i].pixels()*g.resultChannels)
		}
		grid := l.grid(items, 256, 8)
		grid.Y = len(passes)
		p.Launches = append(p.Launches, Launch{
			Module: Shipped("conv/plain"), Entry: "conv_plain_" + t.String(), Grid: grid, Block: Dim{256, 1, 1},
			Args: append([]Slot{Constant(0), Constant(convPlanBytes + first*convPassBytes), Operand(0), Operand(1), bias, residual, result, Int(g.batch),
				Int(perSource), Int(perResult), Int(perTap), Int(g.filterTaps() * in * out)}, activation(e.Act, accumulator)...),
		})
	}
	return p
}

// convBackwardFilter lowers the gradient by filters and, beside it, that by the bias.
func (l *lowering) convBackwardFilter(k kernels.ConvBackwardFilter) (*Program, error) {
	g := forwardGather(k.ConvGeometry)
	p, err := l.backwardFilterProduct(k)
	if err != nil {
		return nil, err
	}
	switch {
	case p != nil && k.Batch > 0:
	case k.Batch == 0 && k.Type != kernels.F64:
		n := kernels.Elems(k.Filter())
		p = &Program{Launches: []Launch{l.convAdd(k.ResultType(), n, n, 0, Scratch(0), Int(0), Int(0), Operand(2), noActivation)}}
	case g.depthwise() && k.Type != kernels.F64 && g.strips(1) < 1<<31:
		p = l.depthwiseFilter(g, k)
	case !g.tiled(k.Type):
		p = l.plainFilter(g, k)
	default:
		p = l.tileFilter(g, k)
	}
	if k.Bias {
		l.addBiasGradient(p, k)
	}
	return p, nil
}

// tileFilter lowers the gradient by filters to an implicit matrix product whose depth is the pixels.
func (l *lowering) tileFilter(g *convGather, k kernels.ConvBackwardFilter) *Program {
	t := newConvType(k.Type, k.TF32)
	width := g.filterTaps() * g.depth
	packed := l.packed(t.size, g.depth, g.columns)
	results := kernels.Elems(k.Filter())
	rowTiles := func(rows int) int { return ceilDiv(g.columns, rows) }
	pixels := g.batch * g.passes[0].pixels()
	c := l.chooseTile(t, packed, rowTiles, width, g.groups, ceilDiv(pixels, t.depth()), results)
	columnTiles := ceilDiv(width, c.tile.n)
	p := &Program{Constants: g.table(c.tile.m, true)}
	out, sums := Operand(2), Int(0)
	switch {
	case c.splits > 1:
		out, sums = Int(0), Scratch(0)
		p.Workspace = 4 * c.splits * results
	case k.ResultType() != k.Type:
		out, sums = Int(0), Operand(2)
	}
	p.Launches = []Launch{{
		Module: Shipped("conv/" + t.name), Entry: "conv_filter_" + t.entry(packed, c.tile),
		Grid: Dim{rowTiles(c.tile.m) * columnTiles, g.groups, c.splits}, Block: Dim{c.tile.threads, 1, 1}, Shared: c.tile.shared,
		Args: []Slot{Constant(0), g.passesAt(), g.tapsAt(), Operand(0), Operand(1), out, sums, Int(results), divisor(columnTiles), Int(c.splits),
			flag(l.packed(t.size, width))},
	}}
	if c.splits > 1 {
		p.Launches = append(p.Launches, l.convAdd(k.ResultType(), results, results, c.splits, Scratch(0), Int(0), Int(0), Operand(2), noActivation))
	}
	return p
}

// plainFilter lowers the gradient by filters to one block an element.
func (l *lowering) plainFilter(g *convGather, k kernels.ConvBackwardFilter) *Program {
	entry := "conv_plain_filter_" + k.Type.String()
	if k.ResultType() != k.Type {
		entry += "_f32"
	}
	n := kernels.Elems(k.Filter())
	return &Program{Constants: g.table(1, false), Launches: []Launch{{
		Module: Shipped("conv/plain"), Entry: entry, Grid: Dim{min(n, 64*l.SMs), 1, 1}, Block: Dim{256, 1, 1},
		Args: []Slot{Constant(0), g.passesAt(), Operand(0), Operand(1), Operand(2), Int(g.batch), Int(n)},
	}}}
}

// addBiasGradient appends the launches of dbias, operand 3: sums of shares of the pixels, then their sum.
func (l *lowering) addBiasGradient(p *Program, k kernels.ConvBackwardFilter) {
	pixels := kernels.Elems(k.Result()) / k.K
	shares := max(1, min(pixels/512, 64))
	out := Operand(3)
	accumulator := kernels.F32
	if k.Type == kernels.F64 {
		accumulator, shares = kernels.F64, 1
	}
	if shares > 1 {
		p.Workspace = (p.Workspace + 255) &^ 255
		out = Scratch(p.Workspace)
		p.Workspace += 4 * shares * k.K
	}
	p.Launches = append(p.Launches, Launch{
		Module: Shipped("conv/sum"), Entry: "conv_bias_" + k.Type.String(), Grid: Dim{ceilDiv(k.K, 32), shares, 1}, Block: Dim{256, 1, 1},
		Args: []Slot{Int(pixels), Int(k.K), Operand(1), out, Int(ceilDiv(pixels, shares))},
	})
	if shares > 1 {
		p.Launches = append(p.Launches, l.convAdd(accumulator, k.K, k.K, shares, out, Int(0), Int(0), Operand(3), noActivation))
	}
}
