package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// indices reads indices of either type.
type indices struct {
	i32 []int32
	i64 []int64
}

func indicesOf(t kernels.DType, a kernels.Arg) indices {
	if t == kernels.I32 {
		return indices{i32: kernels.Slice[int32](a)}
	}
	return indices{i64: kernels.Slice[int64](a)}
}

func (x indices) at(i int) int {
	if x.i32 != nil {
		return int(x.i32[i])
	}
	return int(x.i64[i])
}

// bad finds the first index out of range, -1 if there is none.
func (x indices) bad(extent int) int {
	for i, v := range x.i32 {
		if uint(int(v)-kernels.NoIndex) > uint(extent) {
			return i
		}
	}
	for i, v := range x.i64 {
		if uint(v-kernels.NoIndex) > uint(extent) {
			return i
		}
	}
	return -1
}

// gatherExec is a call of Gather.
type gatherExec struct {
	pool     *pool
	k        kernels.Gather
	row      int // bytes of a row
	per      int // rows of a part
	index    indices
	src, out []byte
}

func (d *Device) prepareGather(k kernels.Gather) (kernels.Exec, error) {
	row := k.Inner * k.Type.Size()
	return &gatherExec{pool: d.pool, k: k, row: row, per: max(64, movePartBytes/max(row, 1))}, nil
}

// Workspace is none.
func (e *gatherExec) Workspace() int { return 0 }

// Run copies the rows that the indices name.
func (e *gatherExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.index, e.src, e.out = indicesOf(e.k.Index, args[0]), args[1].Host, args[2].Host
	if i := e.index.bad(e.k.Extent); i >= 0 {
		return kernels.IndexError(e.k, i, e.index.at(i), e.k.Extent)
	}
	rows := e.k.Outer * e.k.Count
	if e.row > 0 {
		e.pool.inParts((rows+e.per-1)/e.per, 2*rows*e.row, e)
	}
	e.index, e.src, e.out = indices{}, nil, nil
	return nil
}

func (e *gatherExec) part(i, _ int) {
	lo, hi := i*e.per, min((i+1)*e.per, e.k.Outer*e.k.Count)
	switch e.row {
	case 4:
		gatherElems[uint32](e, lo, hi)
	case 8:
		gatherElems[uint64](e, lo, hi)
	default:
		e.rows(lo, hi)
	}
}

// at is the row that output row r takes, in rows of src, or NoIndex.
func (e *gatherExec) at(r int) int {
	p, o := r, r/e.k.Count
	if !e.k.Batched {
		p = r % e.k.Count
	}
	if x := e.index.at(p); x != kernels.NoIndex {
		return o*e.k.Extent + x
	}
	return kernels.NoIndex
}

func (e *gatherExec) rows(lo, hi int) {
	for r := lo; r < hi; r++ {
		dst := e.out[r*e.row : (r+1)*e.row]
		if x := e.at(r); x != kernels.NoIndex {
			copy(dst, e.src[x*e.row:])
		} else {
			clear(dst)
		}
	}
}

// gatherElems is rows for rows of one machine word.
func gatherElems[T kernels.Elem](e *gatherExec, lo, hi int) {
	src := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(e.src))), len(e.src)/e.row)
	out := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(e.out))), len(e.out)/e.row)
	for r := lo; r < hi; r++ {
		out[r] = 0
		if x := e.at(r); x != kernels.NoIndex {
			out[r] = src[x]
		}
	}
}

// scatterExec is a call of ScatterAdd. A part owns a range of the output's rows and adds to them in the order of the indices,
// so that the result depends on neither parts nor threads.
type scatterExec[T real] struct {
	pool     *pool
	k        kernels.ScatterAdd
	v        *vecmath[T]
	parts    int // of each outer index
	index    indices
	src, out []T
}

func (d *Device) prepareScatterAdd(k kernels.ScatterAdd) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newScatter(d, k, vecF64(d.level)), nil
	}
	return newScatter(d, k, vecF32(d.level)), nil
}

func newScatter[T real](d *Device, k kernels.ScatterAdd, v *vecmath[T]) *scatterExec[T] {
	e := &scatterExec[T]{pool: d.pool, k: k, v: v, parts: 1}
	if k.Outer < 2*d.pool.threads { // every part reads all indices: no more parts than needed
		e.parts = min(2*d.pool.threads, max(k.Extent, 1))
	}
	return e
}

// Workspace is none.
func (e *scatterExec[T]) Workspace() int { return 0 }

// Run adds the rows.
func (e *scatterExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.index, e.src, e.out = indicesOf(e.k.Index, args[0]), kernels.Slice[T](args[1]), kernels.Slice[T](args[2])
	if i := e.index.bad(e.k.Extent); i >= 0 {
		return kernels.IndexError(e.k, i, e.index.at(i), e.k.Extent)
	}
	if len(e.out) > 0 {
		e.pool.inParts(e.k.Outer*e.parts, 8*len(e.src)+4*len(e.out), e)
	}
	e.index, e.src, e.out = indices{}, nil, nil
	return nil
}

func (e *scatterExec[T]) part(i, _ int) {
	k := &e.k
	o := i / e.parts
	lo, hi := i%e.parts*k.Extent/e.parts, (i%e.parts+1)*k.Extent/e.parts
	out := e.out[o*k.Extent*k.Inner : (o+1)*k.Extent*k.Inner]
	src := e.src[o*k.Count*k.Inner : (o+1)*k.Count*k.Inner]
	if !k.Into {
		clear(out[lo*k.Inner : hi*k.Inner])
	}
	first := 0
	if k.Batched {
		first = o * k.Count
	}
	for n := range k.Count {
		row := e.index.at(first + n)
		if row < lo || row >= hi {
			continue
		}
		dst, x := out[row*k.Inner:(row+1)*k.Inner], src[n*k.Inner:(n+1)*k.Inner]
		if k.Inner >= 16 {
			e.v.apply2(kernels.Add, dst, dst, x)
			continue
		}
		for j, v := range x {
			dst[j] += v
		}
	}
}

// oneHotExec is a call of OneHot.
type oneHotExec struct {
	pool    *pool
	k       kernels.OneHot
	on, off [8]byte
	per     int
	index   indices
	out     []byte
}

func (d *Device) prepareOneHot(k kernels.OneHot) (kernels.Exec, error) {
	e := &oneHotExec{pool: d.pool, k: k}
	k.Type.SetValue(e.on[:], 0, k.On)
	k.Type.SetValue(e.off[:], 0, k.Off)
	e.per = max(1, movePartBytes/max(1, k.Classes*k.Type.Size()))
	return e, nil
}

// Workspace is none.
func (e *oneHotExec) Workspace() int { return 0 }

// Run writes the rows.
func (e *oneHotExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.index, e.out = indicesOf(e.k.Index, args[0]), args[1].Host
	if i := e.index.bad(e.k.Classes); i >= 0 {
		return kernels.IndexError(e.k, i, e.index.at(i), e.k.Classes)
	}
	e.pool.inParts((e.k.Count+e.per-1)/e.per, len(e.out), e)
	e.index, e.out = indices{}, nil
	return nil
}

func (e *oneHotExec) part(i, _ int) {
	size := e.k.Type.Size()
	row := e.k.Classes * size
	lo, hi := i*e.per, min((i+1)*e.per, e.k.Count)
	repeatElem(e.out[lo*row:hi*row], e.off[:size])
	for n := lo; n < hi; n++ {
		if c := e.index.at(n); c != kernels.NoIndex {
			copy(e.out[n*row+c*size:n*row+(c+1)*size], e.on[:size])
		}
	}
}
