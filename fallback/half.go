package fallback

import (
	"math"

	"palladio/kernels"
)

// widenedExec runs a kernel of F16 or BF16 operands as the same kernel of F32 ones: inputs are widened into the workspace, results are
// rounded once, to the nearest.
type widenedExec struct {
	pool   *pool
	inner  kernels.Exec
	narrow []narrowOperand
	args   []kernels.Arg // of the inner kernel
	work   int           // bytes of the inner kernel's own scratch, which comes first

	from, to kernels.Arg // of the conversion under way
	typ      kernels.DType
	widen    bool
	elems    int
}

// narrowOperand is an operand that is F16 or BF16 outside and F32 inside.
type narrowOperand struct {
	index, elems, off int // off: bytes into the workspace
	typ               kernels.DType
	dir               kernels.Dir
}

// isHalf says whether t is a type of 16 bits, which the CPU computes in f32.
func isHalf(t kernels.DType) bool { return t == kernels.F16 || t == kernels.BF16 }

// widened plans k by way of wide, which differs from k in operands of F16 or BF16 that are F32 there.
func (d *Device) widened(k, wide kernels.Kernel) (kernels.Exec, error) {
	inner, err := d.Prepare(wide)
	if err != nil {
		return nil, err
	}
	e := &widenedExec{pool: d.pool, inner: inner, work: (inner.Workspace() + 63) &^ 63}
	ops := wide.Operands()
	e.args = make([]kernels.Arg, len(ops))
	off := e.work
	for i, o := range k.Operands() {
		if o.Type != ops[i].Type {
			e.narrow = append(e.narrow, narrowOperand{i, o.Elems(), off, o.Type, o.Dir})
			off += (4*o.Elems() + 63) &^ 63
		}
	}
	return e, nil
}

// Workspace holds the inner kernel's scratch and the F32 operands.
func (e *widenedExec) Workspace() int {
	n := e.work
	for _, o := range e.narrow {
		n += (4*o.elems + 63) &^ 63
	}
	return n
}

// Run does a call.
func (e *widenedExec) Run(args []kernels.Arg, workspace kernels.Arg) error {
	copy(e.args, args)
	for _, o := range e.narrow {
		e.args[o.index] = kernels.Arg{Host: workspace.Host[o.off : o.off+4*o.elems]}
		if o.dir != kernels.Out {
			e.convert(args[o.index], e.args[o.index], o, true)
		}
	}
	err := e.inner.Run(e.args, kernels.Arg{Host: workspace.Host[:e.work]})
	if err == nil {
		for _, o := range e.narrow {
			if o.dir != kernels.In {
				e.convert(e.args[o.index], args[o.index], o, false)
			}
		}
	}
	clear(e.args)
	e.from, e.to = kernels.Arg{}, kernels.Arg{}
	return err
}

// convertedPart is the number of elements of a part of a conversion.
const convertedPart = 1 << 15

func (e *widenedExec) convert(from, to kernels.Arg, o narrowOperand, widen bool) {
	e.from, e.to, e.typ, e.widen, e.elems = from, to, o.typ, widen, o.elems
	e.pool.run((o.elems+convertedPart-1)/convertedPart, e)
}

func (e *widenedExec) part(i, _ int) {
	lo, hi := i*convertedPart, min((i+1)*convertedPart, e.elems)
	if e.widen {
		widenHalf(kernels.Slice[float32](e.to)[lo:hi], kernels.Slice[uint16](e.from)[lo:hi], e.typ)
	} else {
		roundHalf(kernels.Slice[uint16](e.to)[lo:hi], kernels.Slice[float32](e.from)[lo:hi], e.typ)
	}
}

// widenHalf sees F16 or BF16 patterns as F32, exactly.
func widenHalf(dst []float32, src []uint16, t kernels.DType) {
	dst = dst[:len(src)]
	if t == kernels.BF16 {
		for i, u := range src {
			dst[i] = kernels.BF16Value(u)
		}
		return
	}
	for i, u := range src {
		dst[i] = f16Value(u)
	}
}

// roundHalf rounds to the nearest F16 or BF16 pattern, ties to even.
func roundHalf(dst []uint16, src []float32, t kernels.DType) {
	dst = dst[:len(src)]
	if t == kernels.BF16 {
		for i, v := range src {
			dst[i] = kernels.BF16Bits(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = f16Bits(v)
	}
}

// f16Value is kernels.F16Value in F32: the pattern's exponent and fraction, moved to where F32 has them, are the number times 2^-112.
func f16Value(u uint16) float32 {
	sign := uint32(u&0x8000) << 16
	if u&0x7c00 == 0x7c00 { // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | uint32(u&0x3ff)<<13)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(uint32(u&0x7fff)<<13)*0x1p112))
}

// f16Bits is kernels.F16Bits of an F32.
func f16Bits(v float32) uint16 {
	u := math.Float32bits(v)
	sign, u := uint16(u>>16&0x8000), u&0x7fffffff
	switch {
	case u > 0x7f800000:
		return sign | 0x7e00
	case u >= 0x477ff000: // 65520 and more
		return sign | 0x7c00
	case u < 0x38800000: // below 2^-14: adding 1/2 leaves the fraction, rounded, in the low bits
		return sign | uint16(math.Float32bits(math.Float32frombits(u)+0.5)-0x3f000000)
	}
	return sign | uint16((u-0x38000000+0xfff+u>>13&1)>>13)
}
