package cuda

import "palladio/kernels"

// normalisation is a Norm as the kernels of kernels/norm see it: a feature map [n, s, c] whose statistics are over the rows of s and
// the channels of a group, in each of n; or, where rows is set, over c.
type normalisation struct {
	*lowering
	kernels.Norm
	rows         bool
	n, s, groups int
	operand      func(name string) Slot // 0 for an absent one
	wide         int                    // bytes of a statistic or parameter
	p            *Program
}

func (l *lowering) normalisation(k kernels.Norm, ops []kernels.Operand) *normalisation {
	m := &normalisation{lowering: l, Norm: k, n: 1, s: k.N * k.Spatial, groups: k.C, operand: named(ops), wide: 4, p: &Program{}}
	if k.Type == kernels.F64 {
		m.wide = 8
	}
	switch k.Kind {
	case kernels.LayerNorm, kernels.RMSNorm:
		m.rows, m.groups = true, 0
	case kernels.GroupNorm:
		m.n, m.s, m.groups = k.N, k.Spatial, k.Groups
	case kernels.InstanceNorm:
		m.n, m.s = k.N, k.Spatial
	}
	return m
}

// named gives the operand of a name, or a null address where the kernel has none of that name.
func named(ops []kernels.Operand) func(name string) Slot {
	return func(name string) Slot {
		for i, o := range ops {
			if o.Name == name {
				return Operand(i)
			}
		}
		return Int(0)
	}
}

func (m *normalisation) launch(entry string, grid Dim, threads int, args ...Slot) {
	suffix := m.Type.String()
	m.p.Launches = append(m.p.Launches, Launch{
		Module: Shipped("norm/norm_" + suffix), Entry: "norm_" + entry + "_" + suffix,
		Grid: grid, Block: Dim{threads, 1, 1}, Args: args,
	})
}

// scratch reserves workspace for some statistics and gives its address.
func (m *normalisation) scratch(count int) Slot {
	at := m.p.Workspace
	m.p.Workspace += ceilDiv(count*m.wide, 256) * 256
	return Scratch(at)
}

// affine is the parameters that say how x̂ becomes y.
func (m *normalisation) affine() []Slot {
	return []Slot{m.operand("scale"), m.operand("bias"), flag(m.Act == kernels.ReLU)}
}

// tiling is how the blocks of a launch cover the feature map.
type tiling struct {
	kind           string
	tiles, columns int
	chunks, chunk  int // of rows
}

// tiling makes some blocks a multiprocessor, where there are as many rows.
func (m *normalisation) tiling(blocks int) tiling {
	var t tiling
	var unit int
	t.kind, unit = m.units(m.C, m.Type.Size())
	units := m.C / unit
	t.columns = columnsOfTile(units, m.s)
	t.tiles = ceilDiv(units, t.columns)
	height := 256 / t.columns
	t.chunks = max(1, min(blocks*m.SMs/max(t.tiles*m.n, 1), ceilDiv(m.s, 4*height), 65535))
	t.chunk = max(ceilDiv(m.s, t.chunks), 1)
	t.chunks = ceilDiv(m.s, t.chunk)
	return t
}

func (m *normalisation) tiled(entry string, t tiling, args ...Slot) {
	at := []Slot{Int(m.n), Int(m.s), Int(m.C), Int(t.tiles), Int(t.columns), Int(t.chunk)}
	m.launch(entry+"_"+t.kind, Dim{t.tiles * m.n, t.chunks, 1}, 256, append(at, args...)...)
}

// overSets launches a kernel that joins the chunks of each set.
func (m *normalisation) overSets(entry string, chunks int, args ...Slot) {
	sets, threads := m.n*m.groups, 256
	if parts := chunks * (m.C / m.groups); parts <= 512 {
		threads = min(powerOfTwo(parts), 32)
	}
	args = append([]Slot{Int(sets), Int(threads), Int(m.groups), Int(m.s), Int(m.C), Int(chunks)}, args...)
	m.launch(entry, Dim{ceilDiv(sets, 256/threads), 1, 1}, 256, args...)
}

// sets says whether a block can hold a set of a group norm in registers, and then the units of channels of a group. held is the number of tensors
// that are held.
func (m *normalisation) sets(held int) (units int, ok bool) {
	size := m.Type.Size()
	if m.Kind != kernels.GroupNorm || m.n*m.s == 0 {
		return 0, false
	}
	width := m.C / m.groups
	units = width * size / 16
	rows := 16 // that a thread holds
	if size == 2 {
		rows = 8
	}
	ok = m.vectorised(width, size) && width*size >= 32 && units <= 32 && units == powerOfTwo(units) && ceilDiv(m.s*units, 256) <= rows/held
	return units, ok
}

func (l *lowering) norm(k kernels.Norm) *Program {
	m := l.normalisation(k, k.Operands())
	mean, invstd := m.operand("mean"), m.operand("invstd")
	x, y := m.operand("x"), m.operand("y")
	empty := k.N*k.Spatial == 0
	if m.rows {
		if !empty {
			m.forwardRows(x, y, mean, invstd)
		}
		return m.p
	}
	if units, ok := m.sets(1); ok {
		args := append([]Slot{Int(m.s), Int(m.C), Int(m.groups), Int(units), Float64(k.Eps)}, m.affine()...)
		m.launch("sets", Dim{m.n * m.groups, 1, 1}, 256, append(args, x, y, mean, invstd)...)
		return m.p
	}
	eps := 0.0
	if k.Kind == kernels.BatchInference {
		mean, invstd, eps = m.operand("running_mean"), m.operand("running_var"), k.Eps
	} else if m.n > 0 {
		var means, squares Slot
		t := m.tiling(4)
		if !empty {
			means, squares = m.scratch(m.n*t.chunks*m.C), m.scratch(m.n*t.chunks*m.C)
			m.tiled("statistics", t, x, means, squares)
		}
		m.overSets("join", t.chunks, Int(t.chunk), Float64(k.Eps), Float64(k.Momentum), means, squares, mean, invstd,
			m.operand("running_mean"), m.operand("running_var"))
	}
	if !empty {
		args := append([]Slot{Int(m.groups), Float64(eps), mean, invstd}, m.affine()...)
		m.tiled("apply", m.tiling(8), append(args, x, y)...)
	}
	return m.p
}

// forwardRows launches the normalisation of rows that fit into a block's registers, or of longer ones.
func (m *normalisation) forwardRows(x, y, mean, invstd Slot) {
	rows := m.s
	args := append([]Slot{Float64(m.Eps)}, m.affine()...)
	args = append(args, x, y, mean, invstd)
	if r, ok := m.registerRows(m.C, m.Type, 512, 8); ok {
		m.launch(r.kind("rows"), Dim{r.blocks(rows), 1, 1}, r.block, append([]Slot{Int(rows), Int(m.C), Int(r.threads), flag(r.packed)}, args...)...)
		return
	}
	kind, _ := m.units(m.C, m.Type.Size())
	m.launch("long_"+kind, Dim{rows, 1, 1}, 1024, append([]Slot{Int(m.C)}, args...)...)
}

func (l *lowering) normBackward(b kernels.NormBackward) *Program {
	m := l.normalisation(b.Of, b.Operands())
	if m.rows {
		m.backwardRows()
		return m.p
	}
	k := b.Of
	mean, deviation, eps := m.operand("mean"), m.operand("invstd"), 0.0
	if k.Kind == kernels.BatchInference {
		mean, deviation, eps = m.operand("running_mean"), m.operand("running_var"), k.Eps
	}
	empty, parts := k.N*k.Spatial == 0, 0
	x, dy := m.operand("x"), m.operand("dy")
	if units, ok := m.sets(2); ok {
		var sums Slot
		if k.Scale || k.Bias {
			sums = m.scratch(2 * m.n * m.C)
		}
		args := append([]Slot{Int(m.s), Int(m.C), Int(m.groups), Int(units)}, m.affine()...)
		m.launch("backward_sets", Dim{m.n * m.groups, 1, 1}, 256, append(args, x, dy, mean, deviation, m.operand("dx"), sums)...)
		m.parameters(m.n, sums)
		return m.p
	}
	statistics := append([]Slot{Int(m.groups), Float64(eps), mean, deviation}, m.affine()...)
	var sums, expectations Slot
	t := m.tiling(4)
	needed := k.Kind != kernels.BatchInference || k.Scale || k.Bias
	if needed && !empty {
		parts = m.n * t.chunks
		sums = m.scratch(2 * parts * k.C)
		m.tiled("sums", t, with(statistics, x, dy, sums)...)
	}
	m.parameters(parts, sums)
	if empty {
		return m.p
	}
	if k.Kind != kernels.BatchInference {
		expectations = m.scratch(2 * m.n * m.groups)
		m.overSets("expectations", t.chunks, sums, m.operand("scale"), expectations)
	}
	m.tiled("backward_apply", m.tiling(8), with(statistics, x, dy, expectations, m.operand("dx"))...)
	return m.p
}

// parameters launches the sum of the parts of dscale and dbias, if there are any to give.
func (m *normalisation) parameters(parts int, sums Slot) {
	if !m.Scale && !m.Bias {
		return
	}
	columns := min(powerOfTwo(2*m.C), 8) // few, for many threads a column: the parts are long and there is little else
	m.launch("parameters", Dim{ceilDiv(2*m.C, columns), 1, 1}, 256, Int(parts), Int(m.C), Int(columns), sums, m.operand("dscale"), m.operand("dbias"))
}

// backwardRows launches the gradients of statistics over rows. Blocks that hold rows in registers sum the parameters' gradients on the way; longer
// rows are summed by a pass of their own, before dx may overwrite x or dy.
func (m *normalisation) backwardRows() {
	rows, parts := m.s, 0
	x, dy, mean, invstd, dx := m.operand("x"), m.operand("dy"), m.operand("mean"), m.operand("invstd"), m.operand("dx")
	var sums Slot
	r, ok := m.registerRows(m.C, m.Type, 256, 4)
	if wide := powerOfTwo(ceilDiv(m.C, 8)); m.Type.Size() == 2 && wide <= r.block { // one pack is as many numbers as two of f32
		r.packs, r.threads = 1, wide
	}
	switch {
	case rows == 0:
	case ok:
		blocks := min(r.blocks(rows), 4*m.SMs)
		if m.Scale || m.Bias {
			parts = blocks
			sums = m.scratch(2 * parts * m.C)
		}
		args := append([]Slot{Int(rows), Int(m.C), Int(r.threads), flag(r.packed)}, m.affine()...)
		m.launch(r.kind("backward_rows"), Dim{blocks, 1, 1}, r.block, append(args, x, dy, mean, invstd, dx, sums)...)
	default:
		if m.Scale || m.Bias {
			t := m.tiling(4)
			parts = t.chunks
			sums = m.scratch(2 * parts * m.C)
			args := append([]Slot{Int(0), Float64(0), mean, invstd}, m.affine()...)
			m.tiled("sums", t, append(args, x, dy, sums)...)
		}
		kind, _ := m.units(m.C, m.Type.Size())
		args := append([]Slot{Int(m.C)}, m.affine()...)
		m.launch("backward_long_"+kind, Dim{rows, 1, 1}, 1024, append(args, x, dy, mean, invstd, dx)...)
	}
	m.parameters(parts, sums)
}

// with is a copy of some slots and more.
func with(slots []Slot, more ...Slot) []Slot {
	return append(append([]Slot(nil), slots...), more...)
}
