package fallback

import (
	"unsafe"

	"palladio/fallback/ref"
	"palladio/kernels"
)

// real is an element type that kernels compute in.
type real interface{ ~float32 | ~float64 }

// The vector routines: each computes n elements. dst may be any of the sources, but must not overlap them otherwise. A scalar source
// is a pointer to one element.
type (
	unaryFn[T real]   func(dst, a *T, n int)
	binaryFn[T real]  func(dst, a, b *T, n int)
	ternaryFn[T real] func(dst, a, b, c *T, n int)
	// rowFn reduces n elements to one number.
	rowFn[T real] func(a *T, n int) T
)

// scalars says which sources of a routine are scalars: bit 0 for a, bit 1 for b, bit 2 for c.
type scalars uint8

const (
	scalarA scalars = 1 << iota
	scalarB
	scalarC
)

// numOps is the number of element operations.
const numOps = int(kernels.Clamp) + 1

// vecmath is the table of the vector routines of one level and type.
type vecmath[T real] struct {
	unary   [numOps]unaryFn[T]
	binary  [numOps][4]binaryFn[T]  // by scalars; [scalarA|scalarB] is nil
	ternary [numOps][8]ternaryFn[T] // by scalars; nil where the scalars must be repeated into a vector first

	reluGrad   binaryFn[T] // a > 0 ? b : 0
	fill       unaryFn[T]  // the single element of a
	streamCopy unaryFn[T]  // a copy whose result is not wanted in the caches; fence must follow
	fence      func()      // makes what streamCopy wrote visible to other threads

	rowSum, rowSumAbs, rowSumSq, rowProd, rowMax, rowMin rowFn[T] // of at most rowBlock elements

	rowDot    func(a, b *T, n int) T        // Σ a b
	rowSqDev  func(a *T, mean T, n int) T   // Σ (a-mean)²
	rowExpSum func(dst, a *T, m T, n int) T // dst = exp(a-m), Σ dst
}

// rowBlock is the number of elements that a row routine reduces in the arithmetic of T. Longer rows are cut into such blocks, whose results are
// added up in float64.
const rowBlock = 2048

var (
	vec32 = [...]*vecmath[float32]{Generic: genericVecmath[float32](), AVX2: nil, AVX512: nil}
	vec64 = [...]*vecmath[float64]{Generic: genericVecmath[float64](), AVX2: nil, AVX512: nil}
)

// init derives each level's table from the one below: what a level does not replace stays.
func init() {
	for l := AVX2; l <= AVX512; l++ {
		v32, v64 := *vec32[l-1], *vec64[l-1]
		setVecmath(l, &v32, &v64)
		vec32[l], vec64[l] = &v32, &v64
	}
}

// vecF32 is the table of a level's float32 routines.
func vecF32(l Level) *vecmath[float32] { return vec32[l] }

// vecF64 is the table of a level's float64 routines.
func vecF64(l Level) *vecmath[float64] { return vec64[l] }

// apply computes dst = op(a).
func (v *vecmath[T]) apply(op kernels.EltOp, dst, a []T) {
	if len(dst) > 0 {
		_ = a[len(dst)-1]
		v.unary[op](&dst[0], &a[0], len(dst))
	}
}

// apply2 computes dst = op(a, b).
func (v *vecmath[T]) apply2(op kernels.EltOp, dst, a, b []T) {
	if len(dst) > 0 {
		_, _ = a[len(dst)-1], b[len(dst)-1]
		v.binary[op][0](&dst[0], &a[0], &b[0], len(dst))
	}
}

// apply2s computes dst = op(a, s) with a scalar s.
func (v *vecmath[T]) apply2s(op kernels.EltOp, dst, a []T, s T) {
	if len(dst) > 0 {
		_ = a[len(dst)-1]
		v.binary[op][scalarB](&dst[0], &a[0], noescape(&s), len(dst))
	}
}

// mulAdd computes dst = a*b + c.
func (v *vecmath[T]) mulAdd(dst, a, b, c []T) {
	if len(dst) > 0 {
		_, _, _ = a[len(dst)-1], b[len(dst)-1], c[len(dst)-1]
		v.ternary[kernels.FMA][0](&dst[0], &a[0], &b[0], &c[0], len(dst))
	}
}

// axpy computes dst = a*s + c with a scalar s.
func (v *vecmath[T]) axpy(dst, a []T, s T, c []T) {
	if len(dst) > 0 {
		_, _ = a[len(dst)-1], c[len(dst)-1]
		v.ternary[kernels.FMA][scalarB](&dst[0], &a[0], noescape(&s), &c[0], len(dst))
	}
}

// scaleShift computes dst = a*s + t with scalars s and t.
func (v *vecmath[T]) scaleShift(dst, a []T, s, t T) {
	if len(dst) > 0 {
		_ = a[len(dst)-1]
		v.ternary[kernels.FMA][scalarB|scalarC](&dst[0], &a[0], noescape(&s), noescape(&t), len(dst))
	}
}

// blocks adds up f over blocks of a row in float64.
func blocks[T real](a []T, f rowFn[T]) float64 {
	s := 0.0
	for len(a) > 0 {
		n := min(len(a), rowBlock)
		s += float64(f(&a[0], n))
		a = a[n:]
	}
	return s
}

// sum is Σ a.
func (v *vecmath[T]) sum(a []T) float64 { return blocks(a, v.rowSum) }

// sumSq is Σ a².
func (v *vecmath[T]) sumSq(a []T) float64 { return blocks(a, v.rowSumSq) }

// dot is Σ a b.
func (v *vecmath[T]) dot(a, b []T) float64 {
	s := 0.0
	for len(a) > 0 {
		n := min(len(a), rowBlock)
		_ = b[n-1]
		s += float64(v.rowDot(&a[0], &b[0], n))
		a, b = a[n:], b[n:]
	}
	return s
}

// sqDev is Σ (a-mean)².
func (v *vecmath[T]) sqDev(a []T, mean T) float64 {
	s := 0.0
	for len(a) > 0 {
		n := min(len(a), rowBlock)
		s += float64(v.rowSqDev(&a[0], mean, n))
		a = a[n:]
	}
	return s
}

// expSum computes dst = exp(a-m) and returns Σ dst. dst may be a.
func (v *vecmath[T]) expSum(dst, a []T, m T) float64 {
	s := 0.0
	for len(a) > 0 {
		n := min(len(a), rowBlock)
		_ = dst[n-1]
		s += float64(v.rowExpSum(&dst[0], &a[0], m, n))
		dst, a = dst[n:], a[n:]
	}
	return s
}

// max is the largest element, NaN if any is NaN; a must not be empty.
func (v *vecmath[T]) max(a []T) T { return v.rowMax(&a[0], len(a)) }

// min is the smallest element, NaN if any is NaN; a must not be empty.
func (v *vecmath[T]) min(a []T) T { return v.rowMin(&a[0], len(a)) }

// vector sees n elements at p; scalar sources are seen as one.
func vector[T any](p *T, n int) []T { return unsafe.Slice(p, n) }

// next is the pointer k elements on.
func next[T any](p *T, k int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), uintptr(k)*unsafe.Sizeof(*p)))
}

// source is element i of a source, or its only one.
func source[T any](p *T, i int, scalar bool) T {
	if scalar {
		return *p
	}
	return *(*T)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*unsafe.Sizeof(*p)))
}

// noescape hides a pointer from escape analysis: the routines keep none.
func noescape[T any](p *T) *T {
	x := uintptr(unsafe.Pointer(p))
	return *(**T)(unsafe.Pointer(&x))
}

// genericVecmath is the portable table.
func genericVecmath[T real]() *vecmath[T] {
	v := &vecmath[T]{}
	for o := range numOps {
		op := kernels.EltOp(o)
		switch op.Arity() {
		case 1:
			v.unary[op] = genericUnary[T](op)
		case 2:
			for s := range v.binary[op] {
				v.binary[op][s] = genericBinary[T](op, scalars(s))
			}
		case 3:
			for s := range v.ternary[op] {
				v.ternary[op][s] = genericTernary[T](op, scalars(s))
			}
		}
	}
	v.reluGrad = func(dst, a, b *T, n int) {
		d, x, y := vector(dst, n), vector(a, n), vector(b, n)
		for i := range d {
			if x[i] > 0 {
				d[i] = y[i]
			} else {
				d[i] = 0
			}
		}
	}
	v.fill = func(dst, a *T, n int) {
		x := *a
		for i := range n {
			vector(dst, n)[i] = x
		}
	}
	v.streamCopy, v.fence = v.unary[kernels.Copy], func() {}
	v.genericRows()
	return v
}

func genericUnary[T real](op kernels.EltOp) unaryFn[T] {
	switch op {
	case kernels.Copy:
		return func(dst, a *T, n int) { copy(vector(dst, n), vector(a, n)) }
	case kernels.Neg:
		return func(dst, a *T, n int) {
			d, x := vector(dst, n), vector(a, n)
			for i := range d {
				d[i] = -x[i]
			}
		}
	case kernels.Square:
		return func(dst, a *T, n int) {
			d, x := vector(dst, n), vector(a, n)
			for i := range d {
				d[i] = x[i] * x[i]
			}
		}
	case kernels.ReLU:
		return func(dst, a *T, n int) {
			d, x := vector(dst, n), vector(a, n)
			for i := range d {
				d[i] = max(x[i], 0)
			}
		}
	}
	return func(dst, a *T, n int) {
		d, x := vector(dst, n), vector(a, n)
		for i := range d {
			d[i] = T(ref.Apply(op, float64(x[i]), 0, 0))
		}
	}
}

func genericBinary[T real](op kernels.EltOp, s scalars) binaryFn[T] {
	sa, sb := s&scalarA != 0, s&scalarB != 0
	if s == 0 {
		switch op {
		case kernels.Add:
			return func(dst, a, b *T, n int) {
				d, x, y := vector(dst, n), vector(a, n), vector(b, n)
				for i := range d {
					d[i] = x[i] + y[i]
				}
			}
		case kernels.Sub:
			return func(dst, a, b *T, n int) {
				d, x, y := vector(dst, n), vector(a, n), vector(b, n)
				for i := range d {
					d[i] = x[i] - y[i]
				}
			}
		case kernels.Mul:
			return func(dst, a, b *T, n int) {
				d, x, y := vector(dst, n), vector(a, n), vector(b, n)
				for i := range d {
					d[i] = x[i] * y[i]
				}
			}
		}
	}
	switch op {
	case kernels.Add:
		return func(dst, a, b *T, n int) {
			for i := range n {
				vector(dst, n)[i] = source(a, i, sa) + source(b, i, sb)
			}
		}
	case kernels.Sub:
		return func(dst, a, b *T, n int) {
			for i := range n {
				vector(dst, n)[i] = source(a, i, sa) - source(b, i, sb)
			}
		}
	case kernels.Mul:
		return func(dst, a, b *T, n int) {
			for i := range n {
				vector(dst, n)[i] = source(a, i, sa) * source(b, i, sb)
			}
		}
	case kernels.Div:
		return func(dst, a, b *T, n int) {
			for i := range n {
				vector(dst, n)[i] = source(a, i, sa) / source(b, i, sb)
			}
		}
	case kernels.Max:
		return func(dst, a, b *T, n int) {
			for i := range n {
				vector(dst, n)[i] = max(source(a, i, sa), source(b, i, sb))
			}
		}
	}
	return func(dst, a, b *T, n int) {
		for i := range n {
			vector(dst, n)[i] = T(ref.Apply(op, float64(source(a, i, sa)), float64(source(b, i, sb)), 0))
		}
	}
}

func genericTernary[T real](op kernels.EltOp, s scalars) ternaryFn[T] {
	sa, sb, sc := s&scalarA != 0, s&scalarB != 0, s&scalarC != 0
	if op == kernels.FMA { // rounded twice: without the instruction, the exact one is slow
		return func(dst, a, b, c *T, n int) {
			for i := range n {
				vector(dst, n)[i] = T(source(a, i, sa)*source(b, i, sb)) + source(c, i, sc)
			}
		}
	}
	return func(dst, a, b, c *T, n int) {
		for i := range n {
			vector(dst, n)[i] = T(ref.Apply(op, float64(source(a, i, sa)), float64(source(b, i, sb)), float64(source(c, i, sc))))
		}
	}
}
