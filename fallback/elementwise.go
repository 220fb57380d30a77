package fallback

import (
	"unsafe"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// eltExec is an element-wise program, compiled to a list of vector steps that run over one block of elements after another. A block is
// small enough for all values of the program to stay in the first-level cache; programs of one step go straight from the inputs to the
// output in large blocks.
//
// Each worker has a table of places, pointers to where the values of the present block lie: in an input, in an output, in scratch, or
// a single number. Some move with the block, some are fixed for the run.
type eltExec[T real] struct {
	d      *Device
	v      *vecmath[T]
	layout eltLayout
	types  []kernels.DType // of all operands
	inputs int
	stream bool // outputs are too large for the caches: they go past them, from scratch

	places       int
	slots        int
	slotPlaces   []int // the place of each slot of scratch
	scalarPlaces []int // the place of each scalar, or -1
	constants    []T   // what each scalar is at first

	moving      []eltMoving      // places that lie in a dense operand
	rowInputs   []eltScalarInput // places that lie in a row of an input
	runInputs   []eltScalarInput // scalars that are read once a run
	blockInputs []eltScalarInput // scalars that are read once a block
	runSteps    []eltScalarStep
	blockSteps  []eltScalarStep
	patterns    []eltGather[T] // inputs that are gathered once a run, because all blocks read the same
	gathers     []eltGather[T] // inputs that are gathered for each block
	tiles       []eltTile[T]   // inputs that are brought in by tiles
	steps       []eltStep[T]
	stores      []eltStore[T]
	weight      float64 // of the steps, see opWeight

	base      []unsafe.Pointer // of the operands of the present run
	loads     []loadFn[T]      // of inputs that are read as scalars
	workers   []eltWorker[T]
	partSize  int // blocks in a part
	workBytes int // scratch of one worker
}

type (
	// eltMoving is a place that lies in a dense operand, one element of the kernel's type for each of the output.
	eltMoving struct{ operand, place int }
	// eltScalarInput brings an input to a place or to a scalar.
	eltScalarInput struct{ input, to int }
	// eltGather brings an input into scratch.
	eltGather[T real] struct {
		input, place int
		load         loadFn[T]
	}
	// eltTile brings an input that lies across the rows into scratch of its own, a tile at a time.
	eltTile[T real] struct {
		input, place int
		load         tileFn[T]
	}
	// eltStore writes a value to an output.
	eltStore[T real] struct {
		output, place int
		fill          bool       // the place has one number
		store         storeFn[T] // nil if the output has the kernel's type
	}
	// eltWorker is what one thread needs.
	eltWorker[T real] struct {
		place   []*T
		scalars []T
		scratch unsafe.Pointer
		tileRow int // the first row and the column of the tiles that are in scratch; -1 if none
		tileCol int
		_       [64]byte
	}
)

// elementwise prepares an element-wise kernel.
func elementwise(d *Device, k kernels.Elementwise) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newEltExec(d, vecF64(d.level), k), nil
	}
	return newEltExec(d, vecF32(d.level), k), nil
}

// eltStreamBytes is the size of an output from which on it is written past the caches.
const eltStreamBytes = 32 << 20

func newEltExec[T real](d *Device, v *vecmath[T], k kernels.Elementwise) *eltExec[T] {
	k.Outputs = append([]kernels.EltOutput(nil), k.Outputs...)
	e := &eltExec[T]{d: d, v: v, layout: newEltLayout(k), inputs: len(k.Inputs), base: make([]unsafe.Pointer, len(k.Inputs)+len(k.Outputs))}
	for _, in := range k.Inputs {
		e.types = append(e.types, in.Type)
		e.loads = append(e.loads, loader[T](in.Type))
	}
	for _, out := range k.Outputs {
		e.types = append(e.types, out.Type)
	}
	size := k.Type.Size()
	e.stream = e.layout.n*size >= eltStreamBytes
	c := &eltCompiler[T]{k: k, e: e}
	c.compile()
	if e.layout.n > 0 {
		e.layout.setBlocks(min(e.blockElements(size), e.layout.n))
	}
	e.workBytes = e.slots*e.slotBytes() + len(e.tiles)*e.tileBytes()
	e.split()
	e.workers = make([]eltWorker[T], d.Threads())
	for i := range e.workers {
		w := &e.workers[i]
		w.place, w.scalars = make([]*T, e.places), append([]T(nil), e.constants...)
		for s, p := range e.scalarPlaces {
			if p >= 0 {
				w.place[p] = &w.scalars[s]
			}
		}
	}
	return e
}

// blockElements is the number of elements in a block: as many as keep the scratch in about half of a first-level cache of 32 KiB. Stores that
// go past the caches run best in turns with loads of some 2 KiB.
func (e *eltExec[T]) blockElements(size int) int {
	switch slots := e.slots; {
	case len(e.tiles) > 0 || e.stream && slots <= 4:
		return 2048 / size
	case slots == 0:
		return 32768 / size
	case slots <= 2:
		return 8192 / size
	case slots <= 4:
		return 4096 / size
	}
	return max(256, 16384/size/e.slots&^63)
}

// split chooses how many blocks one part of a parallel run has: some 20 µs of work.
func (e *eltExec[T]) split() {
	bytes := 0
	for _, t := range e.types {
		bytes += t.Size()
	}
	perElement := e.weight/16 + float64(bytes)*0.08 + 0.1*float64(len(e.gathers))
	perBlock := perElement * float64(e.layout.block)
	e.partSize = max(1, int(20000/max(perBlock, 1)))
}

func (e *eltExec[T]) slotBytes() int {
	return roundUp(e.layout.block*int(unsafe.Sizeof(T(0))), 64)
}

// tileStride is the distance of a tile's rows: off the powers of two, which fall on few sets of a cache.
func (e *eltExec[T]) tileStride() int { return e.layout.block + 16 }

func (e *eltExec[T]) tileBytes() int {
	return roundUp(eltTileRows*e.tileStride()*int(unsafe.Sizeof(T(0))), 64)
}

func (e *eltExec[T]) newPlace() int { e.places++; return e.places - 1 }

func (e *eltExec[T]) newScalar(v T) int {
	e.constants = append(e.constants, v)
	return len(e.constants) - 1
}

func (e *eltExec[T]) movingInput(i int) int {
	e.moving = append(e.moving, eltMoving{i, e.newPlace()})
	return e.places - 1
}

func (e *eltExec[T]) movingOutput(o int) int { return e.movingInput(e.inputs + o) }

// Workspace is the scratch of all workers.
func (e *eltExec[T]) Workspace() int { return e.workBytes * len(e.workers) }

// Run computes the program.
func (e *eltExec[T]) Run(args []kernels.Arg, workspace kernels.Arg) error {
	if e.layout.n == 0 {
		return nil
	}
	for i, a := range args {
		e.base[i] = unsafe.Pointer(unsafe.SliceData(a.Host))
	}
	parts := (e.layout.blocks + e.partSize - 1) / e.partSize
	active := min(parts, len(e.workers))
	for i := range active {
		e.prepareWorker(i, workspace)
	}
	if parts > 1 {
		e.d.pool.run(parts, e)
		return nil
	}
	e.part(0, 0)
	return nil
}

// prepareWorker sets what stays for the run: the slots, and what is read once.
func (e *eltExec[T]) prepareWorker(i int, workspace kernels.Arg) {
	w := &e.workers[i]
	if e.workBytes > 0 {
		w.scratch = unsafe.Add(unsafe.Pointer(unsafe.SliceData(workspace.Host)), i*e.workBytes)
	}
	for s, p := range e.slotPlaces {
		if p >= 0 {
			w.place[p] = (*T)(unsafe.Add(w.scratch, s*e.slotBytes()))
		}
	}
	w.tileRow = -1
	for _, in := range e.runInputs {
		e.loads[in.input](&w.scalars[in.to], e.base[in.input], 0, 0, 1)
	}
	w.compute(e.runSteps)
	for _, g := range e.patterns {
		for r := 0; r < e.layout.block; r += e.layout.row {
			g.load(next(w.place[g.place], r), e.base[g.input], 0, e.layout.along(g.input), e.layout.row)
		}
	}
}

// compute runs scalar steps.
func (w *eltWorker[T]) compute(steps []eltScalarStep) {
	for _, s := range steps {
		w.scalars[s.dst] = T(ref.Apply(s.op, float64(w.scalars[s.a]), float64(w.scalars[s.b]), float64(w.scalars[s.c])))
	}
}

// part runs some consecutive blocks.
func (e *eltExec[T]) part(i, worker int) {
	w := &e.workers[worker]
	for b := i * e.partSize; b < min((i+1)*e.partSize, e.layout.blocks); b++ {
		e.runBlock(w, b)
	}
	if e.stream {
		e.v.fence()
	}
}

func (e *eltExec[T]) runBlock(w *eltWorker[T], block int) {
	row, col, n := e.layout.bounds(block)
	flat := row*e.layout.row + col
	for _, m := range e.moving {
		w.place[m.place] = next((*T)(e.base[m.operand]), flat)
	}
	e.readInputs(w, row, col, n)
	for i := range e.steps {
		switch s := &e.steps[i]; {
		case s.binary != nil:
			s.binary(w.place[s.dst], w.place[s.a], w.place[s.b], n)
		case s.unary != nil:
			s.unary(w.place[s.dst], w.place[s.a], n)
		default:
			s.ternary(w.place[s.dst], w.place[s.a], w.place[s.b], w.place[s.c], n)
		}
	}
	for i := range e.stores {
		e.write(w, &e.stores[i], flat, n)
	}
}

// readInputs brings the inputs that do not lie like the output to their places.
func (e *eltExec[T]) readInputs(w *eltWorker[T], row, col, n int) {
	l := &e.layout
	for _, in := range e.rowInputs {
		w.place[in.to] = next((*T)(e.base[in.input]), l.rowStart(in.input, row)+col)
	}
	for _, in := range e.blockInputs {
		e.loads[in.input](&w.scalars[in.to], e.base[in.input], l.rowStart(in.input, row), 0, 1)
	}
	w.compute(e.blockSteps)
	if len(e.tiles) > 0 {
		e.readTiles(w, row, col, n)
	}
	for _, g := range e.gathers {
		stride := l.along(g.input)
		if l.perBlock == 0 {
			g.load(w.place[g.place], e.base[g.input], l.rowStart(g.input, row)+col*stride, stride, n)
			continue
		}
		for r := 0; r*l.row < n; r++ {
			g.load(next(w.place[g.place], r*l.row), e.base[g.input], l.rowStart(g.input, row+r), stride, l.row)
		}
	}
}

// readTiles brings in the tiles that hold a block, unless they are there, and points to the block's row.
func (e *eltExec[T]) readTiles(w *eltWorker[T], row, col, n int) {
	l := &e.layout
	first, height := l.tileOf(row)
	fresh := w.tileRow != first || w.tileCol != col
	w.tileRow, w.tileCol = first, col
	for i, t := range e.tiles {
		tile := (*T)(unsafe.Add(w.scratch, e.slots*e.slotBytes()+i*e.tileBytes()))
		if fresh {
			step := l.along(t.input)
			t.load(tile, e.tileStride(), e.base[t.input], l.rowStart(t.input, first)+col*step, step, height, n)
		}
		w.place[t.place] = next(tile, (row-first)*e.tileStride())
	}
}

// write stores one output of a block.
func (e *eltExec[T]) write(w *eltWorker[T], s *eltStore[T], flat, n int) {
	base := e.base[e.inputs+s.output]
	if s.store != nil {
		s.store(base, flat, w.place[s.place], n)
		return
	}
	dst := next((*T)(base), flat)
	switch {
	case s.fill:
		e.v.fill(dst, w.place[s.place], n)
	case e.stream:
		e.v.streamCopy(dst, w.place[s.place], n)
	default:
		copy(vector(dst, n), vector(w.place[s.place], n))
	}
}
