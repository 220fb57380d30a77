package cuda

import (
	"fmt"
	"math"

	"palladio/kernels"
)

// gemmTile is a kernel for tiles of a result; kernels/gemm has its code.
type gemmTile struct {
	m, n, k int
	threads int
	blocks  int     // that share a multiprocessor
	shared  int     // bytes of dynamic shared memory; 0: none
	rate    float64 // multiply-adds a clock and multiprocessor where blocks are as many as that and k is long
	any     bool    // copies of any alignment; else rows of A and B start at multiples of 16 bytes
}

func (t gemmTile) String() string { return fmt.Sprintf("%dx%d", t.m, t.n) }

// The tiles, by type. The rates are what a multiprocessor multiplies in a clock: of what an A100's pipes can do (128 in f32, 64 in f64, 512 in tf32,
// 1024 in halves) the share that the simulated H100 gives these kernels for 2048³; only their proportions count. Smaller tiles read each element
// of A and B from L2 more often, which is what bounds the tensor-core kernels. Their shared memory is the ring of stages or, where that is
// larger, the staged result.
var gemmTiles = map[string][]gemmTile{
	"f32": {
		{m: 128, n: 128, k: 16, threads: 256, blocks: 2, rate: 115, any: true},
		{m: 64, n: 64, k: 16, threads: 64, blocks: 6, rate: 105, any: true},
		{m: 32, n: 32, k: 16, threads: 64, blocks: 8, rate: 60, any: true},
	},
	"f64": {
		{m: 64, n: 64, k: 8, threads: 64, blocks: 4, rate: 55, any: true},
		{m: 32, n: 32, k: 8, threads: 64, blocks: 6, rate: 36, any: true},
	},
	"bf16": halfTiles,
	"f16":  halfTiles,
	"tf32": {
		{m: 128, n: 256, k: 16, threads: 256, blocks: 1, shared: 128 << 10, rate: 450},
		{m: 128, n: 128, k: 16, threads: 128, blocks: 2, shared: 64 << 10, rate: 345},
		{m: 64, n: 64, k: 32, threads: 128, blocks: 4, shared: 48 << 10, rate: 180, any: true},
	},
}

var halfTiles = []gemmTile{
	{m: 128, n: 256, k: 32, threads: 256, blocks: 1, shared: 128 << 10, rate: 900},
	{m: 128, n: 128, k: 32, threads: 128, blocks: 2, shared: 64 << 10, rate: 690},
	{m: 64, n: 64, k: 64, threads: 128, blocks: 4, shared: 48 << 10, rate: 360, any: true},
}

// gemmSplits are the numbers of parts in which a long sum may be cut, to give work to multiprocessors that the tiles alone leave idle.
var gemmSplits = []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32}

// The flags of kernels/include/gemm_problem.cuh and gemm_skinny.cuh.
const (
	gemmWide = 1 << iota
	gemmPacked
	gemmTransA
	gemmTransB
	gemmPackedA
	gemmPackedB
	gemmSwap
)

// skinny is the most rows or columns that the kernels for skinny products take.
const skinny = 8

// gemm lowers a matrix product: to one launch, or to parts of the sums and a launch that adds them up.
func (l *lowering) gemm(k kernels.GEMM) (*Program, error) {
	if k.Batch == 0 || k.M == 0 || k.N == 0 {
		return &Program{}, nil
	}
	if max(k.M, k.N, k.K) > math.MaxInt32-1024 {
		return nil, fmt.Errorf("cuda: %s: extents of more than 2^31-1024: %w", k, kernels.ErrUnsupported)
	}
	return gemmProgram(l.gemmCall(foldBatch(k)), 65535), nil
}

// gemmProgram is the launches of a product, each of at most so many matrices.
func gemmProgram(g *gemmCall, most int) *Program {
	p := &Program{}
	for first := 0; first < g.k.Batch; first += most {
		p.Launches = append(p.Launches, g.launches(first, min(most, g.k.Batch-first))...)
	}
	p.Workspace = g.workspace(min(most, g.k.Batch))
	return p
}

// foldBatch makes a batch of products with one B a single product with more rows, and single columns that lie densely the rows of transposed matrices.
func foldBatch(k kernels.GEMM) kernels.GEMM {
	if k.Batch > 1 && k.StrideB == 0 && !k.TransA && k.StrideA == k.M*k.LDA && k.StrideC == k.M*k.LDC && k.M*k.Batch < math.MaxInt32-1024 {
		k.M, k.Batch = k.M*k.Batch, 1
	}
	if k.Batch == 1 {
		k.StrideA, k.StrideB, k.StrideC = 0, 0, 0
	}
	if k.M == 1 && k.TransA && k.LDA == 1 {
		k.TransA, k.LDA = false, max(k.K, 1)
	}
	if k.N == 1 && !k.TransB && k.LDB == 1 {
		k.TransB, k.LDB = true, max(k.K, 1)
	}
	return k
}

// gemmCall is how a product is computed.
type gemmCall struct {
	k              kernels.GEMM
	module, entry  string
	grid           Dim // X only
	threads        int
	shared         int
	flags          int
	widthA, widthB int
	splits, length int // parts of k, and the length of each
	real           kernels.DType
	copies         [2]*gemmCopy // of A and B, where the kernel needs rows at multiples of 16 bytes and the operand has none
}

// gemmCopy is a copy of A or B in the workspace, with rows at multiples of 16 bytes.
type gemmCopy struct {
	operand, rows, columns int
	ld, stride             int // of the operand
	width                  int // elements from row to row of the copy
}

// matrices is the number of matrices that are copied for a batch.
func (c *gemmCopy) matrices(batch int) int {
	if c.stride == 0 {
		return 1
	}
	return batch
}

// bytes is the size of the copy for a batch, rounded up to 256.
func (c *gemmCopy) bytes(batch int, t kernels.DType) int {
	if c == nil {
		return 0
	}
	return ceilDiv(c.matrices(batch)*c.rows*c.width*t.Size(), 256) * 256
}

// launch copies the matrices from first on.
func (c *gemmCopy) launch(first, batch int, t kernels.DType, to Slot) Launch {
	n := c.matrices(batch)
	return Launch{
		Module: Shipped("gemm/align"), Entry: fmt.Sprintf("gemm_align_%d", t.Size()),
		Grid:  Dim{min(ceilDiv(c.width*t.Size(), 32*16), 64), min(ceilDiv(n*c.rows, 4), 4096), 1},
		Block: Dim{32, 4, 1},
		Args:  []Slot{Int(c.rows), Int(c.columns), Int(n), OperandAt(c.operand, first*c.stride*t.Size()), Int(c.ld), Int(c.stride), to, Int(c.width)},
	}
}

// gemmCall chooses the kernel.
func (l *lowering) gemmCall(k kernels.GEMM) *gemmCall {
	g := l.newGEMMCall(k)
	if min(k.M, k.N) <= skinny {
		l.skinnyCall(g)
	} else {
		l.tileCall(g, gemmTiles[gemmKind(k)], gemmSplits)
	}
	return g
}

// newGEMMCall is a call without a kernel.
func (l *lowering) newGEMMCall(k kernels.GEMM) *gemmCall {
	rowsA, _ := storedA(k)
	rowsB, _ := storedB(k)
	g := &gemmCall{k: k, real: k.Type, widthA: l.width(k.Type, rowsA, k.LDA, k.StrideA), widthB: l.width(k.Type, rowsB, k.LDB, k.StrideB), splits: 1, length: max(k.K, 1)}
	if k.Type == kernels.F16 || k.Type == kernels.BF16 {
		g.real = kernels.F32
	}
	for _, f := range []struct {
		on  bool
		bit int
	}{
		{k.ResultType() != k.Type, gemmWide}, {l.width(k.ResultType(), k.M, k.LDC, k.StrideC) == 16, gemmPacked}, {k.TransA, gemmTransA}, {k.TransB, gemmTransB},
		{g.widthA == 16, gemmPackedA}, {g.widthB == 16, gemmPackedB},
	} {
		if f.on {
			g.flags |= f.bit
		}
	}
	return g
}

// storedA and storedB are the extents of A and B as they are stored.
func storedA(k kernels.GEMM) (rows, columns int) {
	if k.TransA {
		return k.K, k.M
	}
	return k.M, k.K
}

func storedB(k kernels.GEMM) (rows, columns int) {
	if k.TransB {
		return k.N, k.K
	}
	return k.K, k.N
}

// gemmKind names the arithmetic of a product: its type, or tf32.
func gemmKind(k kernels.GEMM) string {
	if k.TF32 {
		return "tf32"
	}
	return k.Type.String()
}

// width is the largest power of two, up to 16, that the byte offsets of all rows of a matrix are a multiple of.
func (l *lowering) width(t kernels.DType, rows, ld, stride int) int {
	w := 16
	if rows == 1 {
		ld = 0
	}
	for w > t.Size() && (max(l.align, t.Size())%w != 0 || ld*t.Size()%w != 0 || stride*t.Size()%w != 0) {
		w /= 2
	}
	return w
}

// tileCall chooses one of some tiles, in how many parts k is cut, and whether operands are copied for a tile that needs them aligned.
func (l *lowering) tileCall(g *gemmCall, tiles []gemmTile, parts []int) {
	k, kind := g.k, gemmKind(g.k)
	copies, copying := l.alignedCopies(g)
	var best gemmTile
	least := math.Inf(1)
	for _, t := range tiles {
		if t.shared > l.SharedBlock {
			continue
		}
		extra := 0.0
		switch {
		case !t.any:
			extra = copying
		case t.shared > 0: // more copies to shared memory, in smaller pieces
			t.rate /= map[int]float64{2: 2, 4: 1.4, 8: 1.1, 16: 1}[min(g.widthA, g.widthB)]
		}
		for _, splits := range parts {
			length := max(1, ceilDiv(ceilDiv(k.K, splits), t.k)) * t.k
			if splits > 1 && (length < 4*t.k || ceilDiv(k.K, length) != splits) {
				continue
			}
			tiles := ceilDiv(k.M, t.m) * ceilDiv(k.N, t.n) * k.Batch
			if c := extra + l.tileClocks(t, tiles, splits, length, k.Batch*k.M*k.N); c < least {
				least, best, g.splits, g.length = c, t, splits, length
			}
		}
	}
	if !best.any {
		g.copies = copies
	}
	g.module, g.entry = "gemm/"+kind, fmt.Sprintf("gemm_%s_%s", kind, best)
	if best.shared > 0 { // on tensor cores, a module for each tile and an entry point for each layout
		g.module += "_" + best.String()
		g.entry += "_" + map[bool]string{false: "n", true: "t"}[k.TransA] + map[bool]string{false: "n", true: "t"}[k.TransB]
	}
	g.grid, g.threads, g.shared = Dim{ceilDiv(k.M, best.m) * ceilDiv(k.N, best.n), 1, 1}, best.threads, best.shared
}

// alignedCopies are the copies of those of A and B whose rows do not start at multiples of 16 bytes, and the clocks that they take.
func (l *lowering) alignedCopies(g *gemmCall) (copies [2]*gemmCopy, clocks float64) {
	k, size := g.k, g.k.Type.Size()
	make := func(operand, rows, columns, ld, stride int) {
		c := &gemmCopy{operand, rows, columns, ld, stride, ceilDiv(columns*size, 16) * 16 / size}
		copies[operand] = c
		clocks += 5000 + float64(2*c.bytes(k.Batch, k.Type))/float64(12*l.SMs)
	}
	if g.widthA != 16 {
		rows, columns := storedA(k)
		make(0, rows, columns, k.LDA, k.StrideA)
	}
	if g.widthB != 16 {
		rows, columns := storedB(k)
		make(1, rows, columns, k.LDB, k.StrideB)
	}
	return copies, clocks
}

// tileClocks estimates the clocks of a product of so many tiles, in parts of k of a length: the multiprocessor with the most tiles does one after another,
// at a rate that falls where it has fewer than it could hold; each tile costs some steps of k more for its beginning and end. Parts of the sums of
// so many results are written and read again, at 12 bytes a clock and multiprocessor, and cost a launch.
func (l *lowering) tileClocks(t gemmTile, tiles, splits, length, results int) float64 {
	most := ceilDiv(tiles*splits, l.SMs)
	rate := t.rate * (0.4 + 0.6*min(1, float64(most)/float64(t.blocks)))
	clocks := float64(most) * float64(t.m*t.n) * float64(length+3*t.k) / rate
	if splits > 1 {
		clocks += 4000 + float64(2*splits*results*4)/float64(12*l.SMs)
	}
	return clocks
}

// skinnyCall chooses the kernel for few rows or columns, with more parts of k where the rows of the large operand are too few.
func (l *lowering) skinnyCall(g *gemmCall) {
	k := g.k
	rows, few, alongK := k.M, k.N, !k.TransA
	if k.M < k.N {
		rows, few, alongK = k.N, k.M, k.TransB
		g.flags |= gemmSwap
	}
	g.module, g.threads = "gemm/skinny_"+k.Type.String(), 128
	perBlock, name, unit := 16, "dots", 32*16/k.Type.Size() // 4 rows a warp
	if !alongK {
		perBlock, name, unit = 32*16/k.Type.Size(), "sweep", 4
	}
	g.entry = fmt.Sprintf("gemm_%s_%s%d", k.Type, name, map[bool]int{true: 1, false: skinny}[few == 1])
	g.grid = Dim{ceilDiv(rows, perBlock), 1, 1}
	blocks := g.grid.X * k.Batch
	wanted := 2 * l.SMs / blocks // two blocks keep a multiprocessor's share of the memory busy
	if splits := min(wanted, ceilDiv(k.K, 4*unit), gemmSplits[len(gemmSplits)-1]); splits > 1 && k.K >= 512 {
		g.length = ceilDiv(ceilDiv(k.K, splits), unit) * unit
		g.splits = ceilDiv(k.K, g.length)
	}
}

// partial is the bytes of the parts of the sums of some matrices, rounded up to 256; rows are padded to 16 bytes.
func (g *gemmCall) partial(batch int) int {
	if g.splits == 1 {
		return 0
	}
	return ceilDiv(g.splits*batch*g.k.M*g.partialLD()*g.real.Size(), 256) * 256
}

// workspace is the bytes that some matrices need: parts of the sums, then copies.
func (g *gemmCall) workspace(batch int) int {
	return g.partial(batch) + g.copies[0].bytes(batch, g.k.Type) + g.copies[1].bytes(batch, g.k.Type)
}

func (g *gemmCall) partialLD() int {
	pack := 16 / g.real.Size()
	return ceilDiv(g.k.N, pack) * pack
}

// launches computes batch matrices from first on.
func (g *gemmCall) launches(first, batch int) []Launch {
	args := g.arguments(first, batch)
	var launches []Launch
	off := g.partial(batch)
	for i, c := range g.copies {
		if c != nil {
			launches = append(launches, c.launch(first, batch, g.k.Type, Scratch(off)))
			stride := c.rows * c.width
			if c.stride == 0 {
				stride = 0
			}
			copy(args[4+3*i:], []Slot{Scratch(off), Int(c.width), Int(stride)})
			off += c.bytes(batch, g.k.Type)
		}
	}
	launches = append(launches, Launch{Module: Shipped(g.module), Entry: g.entry, Grid: Dim{g.grid.X, g.splits, batch}, Block: Dim{g.threads, 1, 1}, Shared: g.shared, Args: args})
	if g.splits == 1 {
		return launches
	}
	wide := 16 / g.k.ResultType().Size()
	return append(launches, Launch{
		Module: Shipped("gemm/sums"), Entry: "gemm_" + g.k.Type.String() + "_sums",
		Grid:  Dim{ceilDiv(g.k.N, 32*wide), min(ceilDiv(g.k.M, 4), 4096), batch},
		Block: Dim{32, 4, 1},
		Args:  append(args[:len(args):len(args)], Int(g.splits)),
	})
}

// arguments are GEMM_PARAMETERS of kernels/include/gemm_problem.cuh.
func (g *gemmCall) arguments(first, batch int) []Slot {
	k := g.k
	real := Float32
	if g.real == kernels.F64 {
		real = Float64
	}
	size, sizeC := k.Type.Size(), k.ResultType().Size()
	bias, residual, next := Int(0), Int(0), 2
	if k.Bias {
		bias = Operand(next)
		next++
	}
	if k.Residual {
		residual = OperandAt(next, first*k.StrideC*sizeC)
		next++
	}
	partial := Int(0)
	if g.splits > 1 {
		partial = Scratch(0)
	}
	args := []Slot{
		Int(k.M), Int(k.N), Int(k.K), Int(batch),
		OperandAt(0, first*k.StrideA*size), Int(k.LDA), Int(k.StrideA),
		OperandAt(1, first*k.StrideB*size), Int(k.LDB), Int(k.StrideB),
		OperandAt(next, first*k.StrideC*sizeC), Int(k.LDC), Int(k.StrideC),
		bias, residual, real(k.Alpha), real(k.Beta),
	}
	args = append(args, activation(k.Act, g.real)...)
	return append(args, Int(g.flags), Int(g.widthA), Int(g.widthB), partial, Int(g.length), Int(g.partialLD()))
}
