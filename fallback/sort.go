package fallback

import (
	"cmp"
	"math"
	"slices"
	"unsafe"

	"palladio/kernels"
)

// Sorting works on ranks: unsigned numbers in the order that is asked for. Elements of 32 bits are packed with their positions into
// 64 bits, the rank above the position, so that no two are equal and every way of sorting is stable.

// rank32 is the place of an element of 32 bits in ascending order: of a float's bits, or of an integer's.
func rank32(bits uint32, float bool) uint32 {
	const sign = 1 << 31
	switch {
	case !float:
		return bits ^ sign
	case bits&^uint32(sign) > 0x7f800000: // NaN
		return math.MaxUint32
	case bits == sign: // -0
		return sign
	case bits&sign != 0:
		return ^bits
	}
	return bits | sign
}

// rank64 is rank32 for elements of 64 bits.
func rank64(bits uint64, float bool) uint64 {
	const sign = 1 << 63
	switch {
	case !float:
		return bits ^ sign
	case bits&^uint64(sign) > 0x7ff<<52:
		return math.MaxUint64
	case bits == sign:
		return sign
	case bits&sign != 0:
		return ^bits
	}
	return bits | sign
}

// ranked is an element of 64 bits with its position.
type ranked struct {
	rank     uint64
	position int64
}

// radixBits is what one pass of the radix sort looks at: three passes for 32 bits.
const radixBits = 11

// sortExec is a call of Sort or TopK: the first n of each row's elements, sorted.
type sortExec struct {
	pool       *pool
	typ, index kernels.DType
	rows, cols int
	n          int
	descending bool
	counts     [][3][1 << radixBits]uint32 // by worker
	in         kernels.Arg
	values     kernels.Arg
	indices    kernels.Arg
	work       []byte
}

func (d *Device) prepareSort(k kernels.Sort) (kernels.Exec, error) {
	return newSort(d, k.Type, k.Index, k.Rows, k.Cols, k.Cols, k.Descending), nil
}

func (d *Device) prepareTopK(k kernels.TopK) (kernels.Exec, error) {
	return newSort(d, k.Type, k.Index, k.Rows, k.Cols, k.K, !k.Smallest), nil
}

func newSort(d *Device, typ, index kernels.DType, rows, cols, n int, descending bool) *sortExec {
	e := &sortExec{pool: d.pool, typ: typ, index: index, rows: rows, cols: cols, n: n, descending: descending}
	if typ.Size() == 4 && cols >= radixMin {
		e.counts = make([][3][1 << radixBits]uint32, d.pool.threads)
	}
	return e
}

// radixMin is the length of a row from which the radix sort is faster than comparing.
const radixMin = 512

// Workspace holds two packed rows, or one of pairs, for each worker.
func (e *sortExec) Workspace() int { return 16 * e.cols * e.pool.threads }

// Run sorts the rows.
func (e *sortExec) Run(args []kernels.Arg, workspace kernels.Arg) error {
	if e.rows*e.n == 0 {
		return nil
	}
	e.in, e.values, e.indices, e.work = args[0], args[1], args[2], workspace.Host
	e.pool.inParts(e.rows, 16*e.rows*e.cols, e)
	e.in, e.values, e.indices, e.work = kernels.Arg{}, kernels.Arg{}, kernels.Arg{}, nil
	return nil
}

func (e *sortExec) part(row, worker int) {
	work := e.work[16*e.cols*worker : 16*e.cols*(worker+1)]
	if e.typ.Size() == 8 {
		e.pairs(row, unsafe.Slice((*ranked)(unsafe.Pointer(&work[0])), e.cols))
		return
	}
	packed := unsafe.Slice((*uint64)(unsafe.Pointer(&work[0])), 2*e.cols)
	in := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(e.in.Host))), e.rows*e.cols)[row*e.cols:][:e.cols]
	var first []uint64
	if e.n <= e.cols/8 {
		first = e.smallest(in, packed[:e.n])
	} else {
		first = e.sorted(in, packed[:e.cols], packed[e.cols:], worker)[:e.n]
	}
	values := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(e.values.Host))), e.rows*e.n)[row*e.n:]
	for j, p := range first {
		values[j] = in[uint32(p)]
		e.setIndex(row*e.n+j, int64(uint32(p)))
	}
}

func (e *sortExec) setIndex(i int, position int64) {
	if e.index == kernels.I32 {
		kernels.Slice[int32](e.indices)[i] = int32(position)
		return
	}
	kernels.Slice[int64](e.indices)[i] = position
}

// pack is the packed form of element i.
func (e *sortExec) pack(bits uint32, i int) uint64 {
	r := rank32(bits, e.typ == kernels.F32)
	if e.descending {
		r = ^r
	}
	return uint64(r)<<32 | uint64(i)
}

// sorted packs a row into a and sorts it, with b as a second buffer.
func (e *sortExec) sorted(in []uint32, a, b []uint64, worker int) []uint64 {
	for i, bits := range in {
		a[i] = e.pack(bits, i)
	}
	if len(a) < radixMin {
		slices.Sort(a)
		return a
	}
	return radixSort(a, b, &e.counts[worker])
}

// radixSort sorts by the upper halves, from the lowest digit on, and returns whichever buffer holds the result. Passes whose digit is the
// same everywhere are left out.
func radixSort(a, b []uint64, counts *[3][1 << radixBits]uint32) []uint64 {
	const mask = 1<<radixBits - 1
	for pass := range counts {
		clear(counts[pass][:])
	}
	for _, x := range a {
		counts[0][x>>32&mask]++
		counts[1][x>>(32+radixBits)&mask]++
		counts[2][x>>(32+2*radixBits)&mask]++
	}
	for pass := range counts {
		shift, c := 32+radixBits*pass, &counts[pass]
		if int(c[a[0]>>shift&mask]) == len(a) {
			continue
		}
		sum := uint32(0)
		for d, n := range c {
			c[d] = sum
			sum += n
		}
		for _, x := range a {
			d := x >> shift & mask
			b[c[d]] = x
			c[d]++
		}
		a, b = b, a
	}
	return a
}

// smallest packs the first len(heap) elements of the sorted row into heap, in order. Elements that the largest of the heap already
// rules out are passed over by comparing floats alone.
func (e *sortExec) smallest(in []uint32, heap []uint64) []uint64 {
	for i := range heap {
		heap[i] = e.pack(in[i], i)
	}
	slices.Sort(heap)
	slices.Reverse(heap) // descending order is a heap with the largest on top
	bound := math.Float32frombits(in[uint32(heap[0])])
	for i := len(heap); ; i++ {
		switch {
		case e.typ != kernels.F32:
		case e.descending:
			i = nextAbove(in, i, bound)
		default:
			i = nextBelow(in, i, bound)
		}
		if i >= len(in) {
			break
		}
		if p := e.pack(in[i], i); p < heap[0] {
			replaceTop(heap, p)
			bound = math.Float32frombits(in[uint32(heap[0])])
		}
	}
	slices.Sort(heap)
	return heap
}

// nextAbove is the first position from i on whose float is not at most bound: greater, or NaN on either side.
func nextAbove(in []uint32, i int, bound float32) int {
	for ; i < len(in); i++ {
		if !(math.Float32frombits(in[i]) <= bound) {
			break
		}
	}
	return i
}

// nextBelow is the first position from i on whose float is not at least bound.
func nextBelow(in []uint32, i int, bound float32) int {
	for ; i < len(in); i++ {
		if !(math.Float32frombits(in[i]) >= bound) {
			break
		}
	}
	return i
}

// replaceTop puts x in the place of a heap's largest element.
func replaceTop(heap []uint64, x uint64) {
	i := 0
	for {
		c := 2*i + 1
		if c >= len(heap) {
			break
		}
		if c+1 < len(heap) && heap[c+1] > heap[c] {
			c++
		}
		if heap[c] <= x {
			break
		}
		heap[i] = heap[c]
		i = c
	}
	heap[i] = x
}

// pairs sorts a row of elements of 64 bits.
func (e *sortExec) pairs(row int, pairs []ranked) {
	in := kernels.Slice[uint64](e.in)[row*e.cols:][:e.cols]
	for i, bits := range in {
		r := rank64(bits, e.typ == kernels.F64)
		if e.descending {
			r = ^r
		}
		pairs[i] = ranked{r, int64(i)}
	}
	slices.SortFunc(pairs, func(a, b ranked) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return cmp.Compare(a.position, b.position)
	})
	values := kernels.Slice[uint64](e.values)[row*e.n:]
	for j, p := range pairs[:e.n] {
		values[j] = in[p.position]
		e.setIndex(row*e.n+j, p.position)
	}
}
