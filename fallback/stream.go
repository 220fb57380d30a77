package fallback

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"

	"palladio/kernels"
)

// streamBlock is the unit of the loops that bypass the caches, in bytes.
const streamBlock = 256

// streamFn computes dst = op(x, y, s) over whole blocks, with dst aligned to 64 bytes.
type streamFn[T float] func(dst, x, y, s *T, blocks int)

// streamExec runs one loop of STREAM.
type streamExec[T float] struct {
	k     kernels.Stream
	pool  *pool
	v     *vecmath[T]
	past  streamFn[T] // nil where the vectors fit the caches
	chunk int         // elements of a part
	s     T
	edges []streamEdge[T] // of each thread

	dst, x, y *T
}

// streamEdge is a block of each vector: of float32, 64 elements, and room to align the result.
type streamEdge[T float] struct{ x, y, out [streamBlock/4 + 16]T }

// prepareStream plans a loop.
func prepareStream(d *Device, k kernels.Stream) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newStream(d, k, streamLoops64(d.level)), nil
	}
	return newStream(d, k, streamLoops32(d.level)), nil
}

// newStream plans a loop; loops are the level's loops past the caches, by operation, nil where it has none.
func newStream[T float](d *Device, k kernels.Stream, loops *[4]streamFn[T]) *streamExec[T] {
	e := &streamExec[T]{k: k, pool: d.pool, v: vecmathOf[T](d.level), s: T(k.Scalar), chunk: k.N, edges: make([]streamEdge[T], d.pool.threads)}
	traffic := int(k.Cost().Bytes())
	if loops != nil && traffic > streamCacheBytes() {
		e.past = loops[k.Op]
	}
	if traffic > 1<<20 && d.pool.threads > 1 { // parts of whole blocks, a few for each thread
		e.chunk = max(roundUp(ceilDiv(k.N, 4*d.pool.threads), 4096), 1<<15)
	}
	return e
}

// streamCacheBytes is the traffic past which a loop bypasses the caches: half of the last one.
func streamCacheBytes() int {
	if c := cpuid.CPU.Cache.L3; c > 0 {
		return c / 2
	}
	return 8 << 20
}

// Workspace is 0.
func (e *streamExec[T]) Workspace() int { return 0 }

// Run computes the loop.
func (e *streamExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	if e.k.N == 0 {
		return nil
	}
	e.x, e.y, e.dst = data[T](args[0]), data[T](args[len(args)-2]), data[T](args[len(args)-1])
	e.pool.run(ceilDiv(e.k.N, e.chunk), e)
	e.x, e.y, e.dst = nil, nil, nil
	return nil
}

func (e *streamExec[T]) part(i, worker int) {
	from := i * e.chunk
	n := min(e.chunk, e.k.N-from)
	dst, x, y := at(e.dst, from), at(e.x, from), at(e.y, from)
	if e.past == nil {
		e.cached(dst, x, y, n)
		return
	}
	size := int(unsafe.Sizeof(*dst))
	head := min(int(-uintptr(unsafe.Pointer(dst))%64)/size, n)
	blocks := (n - head) * size / streamBlock
	done := head + blocks*streamBlock/size
	e.edge(worker, 0, head, dst, x, y)
	if blocks > 0 {
		e.past(at(dst, head), at(x, head), at(y, head), &e.s, blocks)
	}
	e.edge(worker, done, n, dst, x, y)
}

// edge computes the elements from … to-1, less than a block, through a block of scratch: by the same instructions as the others, so that
// the result does not depend on where vectors lie.
func (e *streamExec[T]) edge(worker, from, to int, dst, x, y *T) {
	if from == to {
		return
	}
	n := to - from
	b := &e.edges[worker]
	copy(b.x[:], unsafe.Slice(at(x, from), n))
	copy(b.y[:], unsafe.Slice(at(y, from), n))
	out := b.out[int(-uintptr(unsafe.Pointer(&b.out[0]))%64)/int(unsafe.Sizeof(*dst)):]
	e.past(&out[0], &b.x[0], &b.y[0], &e.s, 1)
	copy(unsafe.Slice(at(dst, from), n), out)
}

// cached computes n elements through the caches.
func (e *streamExec[T]) cached(dst, x, y *T, n int) {
	switch e.k.Op {
	case kernels.StreamCopy:
		e.v.unary[kernels.Copy](dst, x, n)
	case kernels.StreamScale:
		e.v.binary[kernels.Mul][scalarB](dst, x, &e.s, n)
	case kernels.StreamAdd:
		e.v.binary[kernels.Add][0](dst, x, y, n)
	case kernels.StreamTriad:
		e.v.ternary[kernels.FMA][scalarB](dst, y, &e.s, x, n)
	}
}
