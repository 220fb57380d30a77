package fallback

import (
	"cmp"
	"slices"
	"unsafe"

	"palladio/kernels"
)

// maxMoveAxes is how many axes a move may have once axes that run on into each other are merged.
const maxMoveAxes = 12

// movePartBytes is about what one part of a move copies.
const movePartBytes = 128 << 10

// moveAxis is one axis of a move, with strides in bytes.
type moveAxis struct{ n, dst, src int }

// movePlan is a move reduced to its essence: outer axes that are counted through, and a plane of at most two axes that a routine copies.
type movePlan struct {
	size  int // bytes of an element
	outer []moveAxis
	rows  int            // product of the outer extents
	plane func(m *plane) // copies one plane
	shape plane
}

// plane is a copy of n1 × n0 elements: dst[i·d1 + j·d0] = src[i·s1 + j·s0], strides in bytes.
type plane struct {
	dst, src unsafe.Pointer

	n1, d1, s1 int
	n0, d0, s0 int
}

// planMove merges and sorts the axes and chooses the routine; false if there are too many of them.
func planMove(d *Device, k *kernels.Move) (movePlan, bool) {
	p := movePlan{size: k.Type.Size(), rows: 1}
	axes := mergeAxes(k, p.size)
	if len(axes) > maxMoveAxes {
		return p, false
	}
	for len(axes) < 2 {
		axes = slices.Insert(axes, 0, moveAxis{1, 0, 0})
	}
	// The axis that is dense in dst lies last. If another is dense in src, the two make a plane to transpose.
	last := len(axes) - 1
	across := slices.IndexFunc(axes[:last], func(a moveAxis) bool { return a.src == p.size && a.n > 1 })
	inner := axes[last]
	switch {
	case inner.dst == p.size && inner.src == p.size:
		p.plane = copyRows
		if inner.n*p.size <= shortRun {
			p.plane = stridedPlane(p.size)
		}
	case inner.dst == p.size && across >= 0:
		a := axes[across]
		axes = append(slices.Delete(axes, across, across+1)[:last-1], a, inner)
		p.plane = transposePlane(d.level, p.size)
	default:
		p.plane = stridedPlane(p.size)
	}
	p.outer = axes[:last-1]
	a, b := axes[last-1], axes[last]
	p.shape = plane{n1: a.n, d1: a.dst, s1: a.src, n0: b.n, d0: b.dst, s0: b.src}
	for _, x := range p.outer {
		p.rows *= x.n
	}
	p.split()
	return p, true
}

// shortRun is the length in bytes below which a call of copy costs more than the copying.
const shortRun = 32

// split moves part of a large plane's first axis to the outer axes, so that there are enough parts of a good size.
func (p *movePlan) split() {
	const strip = 64
	m := &p.shape
	if p.rows >= 16 || m.n1 < 2*strip || m.n1*m.n0*p.size < 2*movePartBytes {
		return
	}
	if m.n1%strip != 0 { // whole strips only; the rest would need another plan
		for _, s := range []int{48, 56, 40, 32, 36, 50, 60, 30, 24, 20, 16} {
			if m.n1%s == 0 {
				p.splitBy(s)
				return
			}
		}
		return
	}
	p.splitBy(strip)
}

func (p *movePlan) splitBy(strip int) {
	m := &p.shape
	p.outer = append(slices.Clip(p.outer), moveAxis{m.n1 / strip, m.d1 * strip, m.s1 * strip})
	p.rows *= m.n1 / strip
	m.n1 = strip
}

// mergeAxes drops axes of extent 1, sorts the others by dst's strides, the smallest last, and merges those that run on into each other.
func mergeAxes(k *kernels.Move, size int) []moveAxis {
	var axes []moveAxis
	for i, n := range k.Shape {
		if n != 1 {
			axes = append(axes, moveAxis{n, k.Dst.Strides[i] * size, k.Src.Strides[i] * size})
		}
	}
	slices.SortStableFunc(axes, func(a, b moveAxis) int { return -cmp.Compare(abs(a.dst), abs(b.dst)) })
	for i := len(axes) - 2; i >= 0; i-- {
		a, b := axes[i], axes[i+1]
		if a.dst == b.dst*b.n && a.src == b.src*b.n {
			axes[i] = moveAxis{a.n * b.n, b.dst, b.src}
			axes = slices.Delete(axes, i+1, i+2)
		}
	}
	return axes
}

func abs(x int) int { return max(x, -x) }

// moveExec is a call of Move.
type moveExec struct {
	pool     *pool
	k        kernels.Move
	plan     movePlan
	per      int // rows of a part
	fill     [8]byte
	scratch  []plane // by worker
	dst, src unsafe.Pointer
}

func (d *Device) prepareMove(k kernels.Move) (kernels.Exec, error) {
	e := &moveExec{pool: d.pool, k: k, scratch: make([]plane, d.pool.threads)}
	ok := true
	if e.plan, ok = planMove(d, &k); !ok {
		return d.ref.Prepare(k)
	}
	m := &e.plan.shape
	e.per = max(1, movePartBytes/max(1, m.n1*m.n0*e.plan.size))
	k.Type.SetValue(e.fill[:], 0, k.Fill)
	return e, nil
}

// Workspace is none.
func (e *moveExec) Workspace() int { return 0 }

// Run copies.
func (e *moveExec) Run(args []kernels.Arg, _ kernels.Arg) error {
	if !e.k.Keep && !e.k.Covers() {
		repeatElem(args[1].Host, e.fill[:e.plan.size])
	}
	n := kernels.Elems(e.k.Shape) * e.plan.size
	if n == 0 {
		return nil
	}
	e.src = unsafe.Add(unsafe.Pointer(unsafe.SliceData(args[0].Host)), e.k.Src.Offset*e.plan.size)
	e.dst = unsafe.Add(unsafe.Pointer(unsafe.SliceData(args[1].Host)), e.k.Dst.Offset*e.plan.size)
	e.pool.inParts((e.plan.rows+e.per-1)/e.per, 2*n, e)
	e.src, e.dst = nil, nil
	return nil
}

// repeatElem fills b with an element.
func repeatElem(b, elem []byte) {
	if len(b) == 0 {
		return
	}
	if !slices.ContainsFunc(elem, func(x byte) bool { return x != 0 }) {
		clear(b)
		return
	}
	for n := copy(b, elem); n < len(b); {
		n += copy(b[n:], b[:n])
	}
}

// part copies some of the planes.
func (e *moveExec) part(i, worker int) {
	var at [maxMoveAxes]int
	lo, hi := i*e.per, min((i+1)*e.per, e.plan.rows)
	outer, m := e.plan.outer, &e.scratch[worker]
	*m = e.plan.shape
	dst, src := 0, 0
	for x, r := len(outer)-1, lo; x >= 0; x-- {
		at[x], r = r%outer[x].n, r/outer[x].n
		dst += at[x] * outer[x].dst
		src += at[x] * outer[x].src
	}
	for row := lo; ; {
		m.dst, m.src = unsafe.Add(e.dst, dst), unsafe.Add(e.src, src)
		e.plan.plane(m)
		if row++; row == hi {
			break
		}
		for x := len(outer) - 1; ; x-- {
			at[x]++
			dst += outer[x].dst
			src += outer[x].src
			if at[x] < outer[x].n {
				break
			}
			dst -= outer[x].dst * outer[x].n
			src -= outer[x].src * outer[x].n
			at[x] = 0
		}
	}
	m.dst, m.src = nil, nil
}

// copyRows copies a plane of dense rows.
func copyRows(m *plane) {
	size := m.d0
	for i := range m.n1 {
		copy(bytesAt(m.dst, i*m.d1, m.n0*size), bytesAt(m.src, i*m.s1, m.n0*size))
	}
}

func bytesAt(p unsafe.Pointer, off, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p, off)), n)
}

// stridedPlane is the routine for any strides.
func stridedPlane(size int) func(m *plane) {
	switch size {
	case 1:
		return strided[uint8]
	case 2:
		return strided[uint16]
	case 4:
		return strided[uint32]
	}
	return strided[uint64]
}

func strided[T any](m *plane) {
	for i := range m.n1 {
		d, s := unsafe.Add(m.dst, i*m.d1), unsafe.Add(m.src, i*m.s1)
		for j := range m.n0 { // a pointer that steps on would leave the tensor after the last element
			*(*T)(unsafe.Add(d, j*m.d0)) = *(*T)(unsafe.Add(s, j*m.s0))
		}
	}
}
