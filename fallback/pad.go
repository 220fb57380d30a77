package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// padExec is a call of Pad: the rows of the padded tensor (its last axis, with all axes behind it that have no border) are
// made one by one from the rows that they reflect, repeat or wrap.
type padExec struct {
	pool           *pool
	size           int // bytes of an element
	outer          []padAxis
	rows           int
	n, before, all int   // elements of a row in the source; before it; in the padded row
	source         []int // where the elements of the border come from: before, then after
	per            int
	in, out        []byte
}

// padAxis maps the positions of a padded axis to strides in the source, in bytes.
type padAxis struct{ offsets []int }

func (d *Device) preparePad(k kernels.Pad) (kernels.Exec, error) {
	e := &padExec{pool: d.pool, size: k.Type.Size(), rows: 1}
	shape, before, after := k.Shape, k.Before, k.After
	if len(shape) == 0 {
		shape, before, after = []int{1}, []int{0}, []int{0}
	}
	// Trailing axes without borders are one element of their joint size.
	last := len(shape) - 1
	for last > 0 && before[last] == 0 && after[last] == 0 {
		e.size *= shape[last]
		last--
	}
	e.n, e.before, e.all = shape[last], before[last], before[last]+shape[last]+after[last]
	for i := -e.before; i < e.n+after[last]; i++ {
		if i < 0 || i >= e.n {
			e.source = append(e.source, k.Mode.Source(i, e.n)*e.size)
		}
	}
	stride := e.size * shape[last]
	for a := last - 1; a >= 0; a-- {
		var x padAxis
		for i := -before[a]; i < shape[a]+after[a]; i++ {
			x.offsets = append(x.offsets, k.Mode.Source(i, shape[a])*stride)
		}
		stride *= shape[a]
		e.rows *= len(x.offsets)
		e.outer = append(e.outer, x)
	}
	e.per = max(1, movePartBytes/(e.all*e.size))
	return e, nil
}

// Workspace is none.
func (e *padExec) Workspace() int { return 0 }

// Run makes the padded tensor.
func (e *padExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.in, e.out = args[0].Host, args[1].Host
	e.pool.inParts((e.rows+e.per-1)/e.per, 2*e.rows*e.all*e.size, e)
	e.in, e.out = nil, nil
	return nil
}

func (e *padExec) part(i, _ int) {
	for row := i * e.per; row < min((i+1)*e.per, e.rows); row++ {
		from := 0
		for r, x := row, 0; x < len(e.outer); x++ { // innermost axis first
			o := e.outer[x].offsets
			from += o[r%len(o)]
			r /= len(o)
		}
		e.row(e.out[row*e.all*e.size:(row+1)*e.all*e.size], e.in[from:from+e.n*e.size])
	}
}

// row makes one padded row.
func (e *padExec) row(dst, src []byte) {
	s := e.size
	copy(dst[e.before*s:], src)
	for i, from := range e.source {
		if i >= e.before {
			i += e.n
		}
		if s == 4 {
			*(*uint32)(unsafe.Pointer(&dst[i*4])) = *(*uint32)(unsafe.Pointer(&src[from]))
			continue
		}
		copy(dst[i*s:(i+1)*s], src[from:])
	}
}

// padBackwardExec is a call of PadBackward: each element of dx adds up the positions that take their value from it.
type padBackwardExec[T real] struct {
	pool    *pool
	shape   []int
	lists   [][][]int // by axis and position in dx: the positions in dy, ascending
	strides []int     // of dy
	inner   int       // trailing extent without borders
	rows    int
	per     int
	dy, dx  []T
}

func (d *Device) preparePadBackward(k kernels.PadBackward) (kernels.Exec, error) {
	if k.Type == kernels.F64 {
		return newPadBackward[float64](d, k), nil
	}
	return newPadBackward[float32](d, k), nil
}

func newPadBackward[T real](d *Device, k kernels.PadBackward) *padBackwardExec[T] {
	e := &padBackwardExec[T]{pool: d.pool, inner: 1, rows: 1}
	last := len(k.Shape) - 1
	for ; last >= 0 && k.Before[last] == 0 && k.After[last] == 0; last-- {
		e.inner *= k.Shape[last]
	}
	e.shape = k.Shape[:last+1]
	e.lists, e.strides = make([][][]int, last+1), make([]int, last+1)
	stride := e.inner
	for a := last; a >= 0; a-- {
		e.strides[a] = stride
		stride *= k.Before[a] + k.Shape[a] + k.After[a]
		e.rows *= k.Shape[a]
		e.lists[a] = make([][]int, k.Shape[a])
		for i := -k.Before[a]; i < k.Shape[a]+k.After[a]; i++ {
			j := k.Mode.Source(i, k.Shape[a])
			e.lists[a][j] = append(e.lists[a][j], (i+k.Before[a])*e.strides[a])
		}
	}
	e.per = max(1, movePartBytes/(8*e.inner))
	return e
}

// Workspace is none.
func (e *padBackwardExec[T]) Workspace() int { return 0 }

// Run adds up the gradient.
func (e *padBackwardExec[T]) Run(args []kernels.Arg, _ kernels.Arg) error {
	e.dy, e.dx = kernels.Slice[T](args[0]), kernels.Slice[T](args[1])
	e.pool.inParts((e.rows+e.per-1)/e.per, 8*(len(e.dy)+len(e.dx)), e)
	e.dy, e.dx = nil, nil
	return nil
}

func (e *padBackwardExec[T]) part(i, _ int) {
	for row := i * e.per; row < min((i+1)*e.per, e.rows); row++ {
		dst := e.dx[row*e.inner : (row+1)*e.inner]
		clear(dst)
		e.gather(dst, 0, row, e.rows, 0)
	}
}

// gather adds to dst all rows of dy that the axes from a on name: rest is the position in what is left of the shape, of size n.
func (e *padBackwardExec[T]) gather(dst []T, a, rest, n, from int) {
	if a == len(e.shape) {
		for i, v := range e.dy[from : from+e.inner] {
			dst[i] += v
		}
		return
	}
	n /= e.shape[a]
	for _, o := range e.lists[a][rest/n] {
		e.gather(dst, a+1, rest%n, n, from+o)
	}
}
