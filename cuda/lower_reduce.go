package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"palladio/kernels"
)

// reduction is a reduction's fold (kernels/reduce/fold.cuh) and where its results go.
type reduction struct {
	fold, suffix string
	size         int // bytes of an element
	state        int // bytes of the State of a fold
	in           Slot
	out, values  Slot
	divisor      float64
	mode         int
}

func (r *reduction) module() Module { return Shipped("reduce/reduce_" + r.suffix) }

func (r *reduction) entry(kind string) string {
	return "reduce_" + kind + "_" + r.fold + "_" + r.suffix
}

// The bits of a reduction's mode (kernels/reduce/fold.cuh).
const (
	rooted      = 1 // of squares: the root of the sum
	numbers64   = 1 // of positions: as i64
	wideResults = 2 // results of 16-bit elements as f32
)

// output is the parameters that say where results go.
func (r *reduction) output() []Slot {
	return []Slot{r.out, r.values, Float64(r.divisor), Int(r.mode)}
}

// foldOf gives the fold of an operation on elements of a type and the bytes of its State.
func foldOf(op kernels.ReduceOp, t kernels.DType) (name string, state int) {
	switch op {
	case kernels.ReduceMean:
		return "sum", 8
	case kernels.ReduceL2:
		return "sumsq", 8
	case kernels.ReduceMax, kernels.ReduceMin:
		return op.String(), max(t.Size(), 4) // halves are computed in f32
	case kernels.ReduceLogSumExp:
		return op.String(), 16
	}
	return op.String(), 8
}

func (l *lowering) reduce(k kernels.Reduce) (*Program, error) {
	r := &reduction{suffix: k.Type.String(), size: k.Type.Size(), in: Operand(0), out: Operand(1), divisor: 1}
	r.fold, r.state = foldOf(k.Op, k.Type)
	switch k.Op {
	case kernels.ReduceMean:
		r.divisor = float64(k.Count())
	case kernels.ReduceL2:
		r.mode = rooted
	}
	if k.ResultType() != k.Type {
		r.mode |= wideResults
	}
	return l.reduction(r, spansOf(k.Shape, k.Axes), k)
}

func (l *lowering) argReduce(k kernels.ArgReduce) (*Program, error) {
	r := &reduction{fold: "argmax", suffix: k.Type.String(), size: k.Type.Size(), state: 16, in: Operand(0), out: Operand(1)}
	if k.Min {
		r.fold = "argmin"
	}
	if k.Index == kernels.I64 {
		r.mode = numbers64
	}
	return l.reduction(r, spansOf(k.Shape, []int{k.Axis}), k)
}

// span is a run of neighbouring axes that are all kept or all reduced.
type span struct {
	n       int
	reduced bool
	stride  int
}

// spansOf merges neighbouring axes of a kind and leaves out those of extent 1. It gives no spans for a single element.
func spansOf(shape, axes []int) []span {
	var spans []span
	for d, n := range shape {
		reduced := slices.Contains(axes, d)
		switch last := len(spans) - 1; {
		case n == 1:
		case last >= 0 && spans[last].reduced == reduced:
			spans[last].n *= n
		default:
			spans = append(spans, span{n: n, reduced: reduced})
		}
	}
	stride := 1
	for i := len(spans) - 1; i >= 0; i-- {
		spans[i].stride = stride
		stride *= spans[i].n
	}
	return spans
}

// reduction chooses between rows and columns. In the innermost run of axes neighbouring threads read neighbouring elements: along the
// row if it is reduced, across columns if it is kept.
func (l *lowering) reduction(r *reduction, spans []span, k kernels.Kernel) (*Program, error) {
	kept, length := 1, 1
	pattern := ""
	for _, s := range spans {
		if s.reduced {
			length *= s.n
			pattern += "r"
		} else {
			kept *= s.n
			pattern += "k"
		}
	}
	n := make([]int, 4) // extents, aligned to the end
	for i, s := range spans {
		if j := 4 - len(spans) + i; j >= 0 {
			n[j] = s.n
		}
	}
	switch {
	case kept == 0:
		return &Program{}, nil
	case length == 0 || pattern == "" || pattern == "k" || pattern == "r" || pattern == "kr":
		return l.reduceRows(r, kept, length, nil), nil
	case pattern == "rk":
		return l.reduceColumns(r, 1, length, n[3], 1, 0), nil
	case pattern == "krk":
		return l.reduceColumns(r, n[1], length, n[3], 1, 0), nil
	case kept > math.MaxUint32 || length > math.MaxUint32:
		return nil, fmt.Errorf("cuda: %s: more than 2^32 elements over axes that are not neighbours: %w", k, kernels.ErrUnsupported)
	case pattern == "rkrk":
		return l.reduceColumns(r, n[1], length, n[3], n[2], spans[0].stride), nil
	}
	return l.reduceRows(r, kept, length, spans), nil
}

// parts divides a row of the given number of elements, of which blocks blocks take care in one launch, so that the GPU has enough to do: into parts of
// chunk elements, a multiple of unit, and no fewer than least.
func (l *lowering) parts(length, blocks, unit, least int) (count, chunk int) {
	count = min(max(4*l.SMs/blocks, 1), max(length/least, 1), 65535)
	chunk = ceilDiv(ceilDiv(length, count), unit) * unit
	return max(ceilDiv(length, max(chunk, 1)), 1), chunk
}

const reduceThreads = 256

// reduceRows gives each row to a group of threads. scattered lists the axes where the rows are not contiguous.
func (l *lowering) reduceRows(r *reduction, kept, length int, scattered []span) *Program {
	unit, place := 16/r.size, 1
	p := &Program{}
	axes, keptAxes, reducedAxes := Int(0), 0, 0
	switch {
	case scattered != nil:
		unit, place, axes = 1, 2, Constant(0)
		p.Constants, keptAxes, reducedAxes = axisTables(scattered)
	case !l.vectorised(length, r.size):
		unit, place = 1, 0
	}
	if scattered == nil && length > 0 && l.short(kept, length*max(r.size, 4), 128) {
		args := append([]Slot{Int(kept), Int(length), r.in}, r.output()...)
		p.Launches = []Launch{{Module: r.module(), Entry: r.entry("short"), Grid: Dim{ceilDiv(kept, 256), 1, 1}, Block: Dim{256, 1, 1}, Args: args}}
		return p
	}
	threads := reduceThreads
	if wide := ceilDiv(length, unit); wide <= 1024 {
		threads = min(powerOfTwo(wide), 32)
	}
	blocks := ceilDiv(kept, reduceThreads/threads)
	count, chunk := l.parts(length, blocks, unit, 16*reduceThreads*unit)
	r.launch(p, l, "rows", Dim{blocks, count, 1}, kept, count, func(out []Slot, parts Slot) []Slot {
		args := []Slot{Int(kept), Int(length), Int(chunk), Int(threads), Int(place), r.in, axes, Int(keptAxes), Int(reducedAxes)}
		return append(append(args, out...), parts)
	})
	return p
}

// short says whether rows of the given bytes, in the type that they are computed in, are so short, and so many, that each is best given to a thread
// (kernels/include/stage.cuh).
func (l *lowering) short(rows, bytes, most int) bool { return bytes <= most && rows >= 64*l.SMs }

// reduceColumns reduces the middle axis of [outer, length, inner], or the axes length/near and near of [length/near, outer, near, inner], whose first has the
// stride far; that is 0 where there is one axis only.
func (l *lowering) reduceColumns(r *reduction, outer, length, inner, near, far int) *Program {
	kind, unit := "columns", 1
	if l.vectorised(inner, r.size) {
		kind, unit = "packs", 16/r.size
	}
	units := inner / unit
	columns := columnsOfTile(units, length)
	tiles := ceilDiv(units, columns)
	rows := reduceThreads / columns
	count, chunk := l.parts(length, outer*tiles, 1, 16*rows)
	p := &Program{}
	kept := outer * inner
	r.launch(p, l, kind, Dim{outer * tiles, count, 1}, kept, count, func(out []Slot, parts Slot) []Slot {
		args := []Slot{Int(length), Int(inner), Int(chunk), Int(tiles), Int(columns), divisor(near), Int(far), r.in}
		return append(append(args, out...), Int(kept), parts)
	})
	return p
}

// columnsOfTile is the width of a block's tile over rows of the given number of units: as wide as the rows and no wider than leaves each thread
// eight rows or so, but 32, so that a warp reads neighbouring units.
func columnsOfTile(units, rows int) int {
	height := min(powerOfTwo(ceilDiv(rows, 8)), reduceThreads/32)
	return min(powerOfTwo(units), reduceThreads/height)
}

// launch adds the launch of a reduction in count parts and, where there is more than one, of their joining.
func (r *reduction) launch(p *Program, l *lowering, kind string, grid Dim, kept, count int, args func(out []Slot, parts Slot) []Slot) {
	block := Dim{reduceThreads, 1, 1}
	if count == 1 {
		p.Launches = append(p.Launches, Launch{Module: r.module(), Entry: r.entry(kind), Grid: grid, Block: block, Args: args(r.output(), Int(0))})
		return
	}
	columns := min(powerOfTwo(kept), 8) // few, for many threads a column
	p.Workspace = count * kept * r.state
	p.Launches = append(p.Launches,
		Launch{Module: r.module(), Entry: r.entry(kind), Grid: grid, Block: block, Args: args(r.output(), Scratch(0))},
		Launch{Module: r.module(), Entry: r.entry("finish"), Grid: Dim{ceilDiv(kept, columns), 1, 1}, Block: block,
			Args: append([]Slot{Int(kept), Int(count), Int(columns), Scratch(0)}, r.output()...)})
}

// axisTables is the table of an Axis (kernels/reduce/reduce.cuh) for each kept span, the last first, then for each reduced one.
func axisTables(spans []span) (table []byte, kept, reduced int) {
	for _, want := range []bool{false, true} {
		for _, s := range slices.Backward(spans) {
			if s.reduced != want {
				continue
			}
			table = binary.LittleEndian.AppendUint64(table, divisor(s.n).value)
			table = binary.LittleEndian.AppendUint64(table, uint64(s.stride))
			if want {
				reduced++
			} else {
				kept++
			}
		}
	}
	return table, kept, reduced
}

// powerOfTwo is the smallest power of two that is at least n; 1 for less.
func powerOfTwo(n int) int {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len(uint(n-1))
}
