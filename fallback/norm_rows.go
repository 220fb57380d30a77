package fallback

import (
	"unsafe"

	"palladio/kernels"
)

// rowNorm is a normalisation of each row by itself: layer and RMS norm. A row stays in cache from its statistics to its result.
type rowNorm struct {
	streaming
	pool     *pool
	passes   [4]func(p *normArgs)
	k        kernels.Norm
	backward bool

	rows, blockRows, blocks int
	ones, zeros             []float32 // stand for an absent scale and bias

	o       normOperands
	args    []normArgs // one a thread
	partial []float32  // workspace, backward: [blocks, 2, C], each block's dbias and dscale
}

func newRowNorm(d *Device, k kernels.Norm, backward bool) *rowNorm {
	passes := newNormPasses(d.level)
	e := &rowNorm{streaming: newStreaming(), pool: d.pool, k: k, backward: backward, rows: k.N * k.Spatial, args: make([]normArgs, d.pool.threads)}
	switch {
	case backward && k.Kind == kernels.RMSNorm:
		e.passes = passes.rowBackRMS
	case backward:
		e.passes = passes.rowBackCentred
	case k.Kind == kernels.RMSNorm:
		e.passes = passes.rowNormRMS
	default:
		e.passes = passes.rowNormCentred
	}
	e.blockRows = max(normBlockBytes/(4*k.C), 1)
	if backward {
		e.blockRows = max(e.blockRows, 16)
	}
	e.blocks = (e.rows + e.blockRows - 1) / e.blockRows
	e.ones, e.zeros = make([]float32, k.C), make([]float32, k.C)
	for j := range e.ones {
		e.ones[j] = 1
	}
	return e
}

func (e *rowNorm) Workspace() int {
	if !e.backward {
		return 0
	}
	return 4 * e.blocks * 2 * e.k.C
}

func (e *rowNorm) Run(args []kernels.Arg, w kernels.Arg) error {
	e.o.bind(&e.k, e.backward, args)
	if e.backward {
		e.partial = carve[float32](&w, e.blocks*2*e.k.C)
		clear(e.partial)
	}
	e.decide(resultOf(args, &e.k, e.backward), 4*e.k.C)
	e.pool.inParts(e.blocks, 4*e.rows*e.k.C, e)
	if e.backward {
		e.parameterGradients()
	}
	return nil
}

func (e *rowNorm) part(block, worker int) {
	a := &e.args[worker]
	lo, hi := block*e.blockRows, min((block+1)*e.blockRows, e.rows)
	*a = normArgs{x: unsafe.SliceData(e.o.x[lo*e.k.C:]), rows: hi - lo, cols: e.k.C, eps: float32(e.k.Eps),
		a: unsafe.SliceData(e.ones), b: unsafe.SliceData(e.zeros)}
	if e.o.scale != nil {
		a.a = unsafe.SliceData(e.o.scale)
	}
	if e.o.bias != nil {
		a.b = unsafe.SliceData(e.o.bias)
	}
	if e.o.mean != nil {
		a.mean = unsafe.SliceData(e.o.mean[lo:])
	}
	invstd := unsafe.SliceData(e.o.invstd[lo:])
	if e.backward {
		p := rowOf(e.partial, block, 2*e.k.C)
		a.dy, a.out = unsafe.SliceData(e.o.dy[lo*e.k.C:]), unsafe.SliceData(e.o.dx[lo*e.k.C:])
		a.c, a.sum1, a.sum2 = invstd, unsafe.SliceData(p), unsafe.SliceData(p[e.k.C:])
	} else {
		a.out, a.sum1 = unsafe.SliceData(e.o.y[lo*e.k.C:]), invstd
	}
	e.passes[normVariant(e.k.Act == kernels.ReLU, e.stream)](a)
}

// parameterGradients adds up the blocks' sums, in their order.
func (e *rowNorm) parameterGradients() {
	for i, out := range [][]float32{e.o.dbias, e.o.dscale} {
		for j := range out {
			sum := 0.0
			for block := range e.blocks {
				sum += float64(e.partial[(2*block+i)*e.k.C+j])
			}
			out[j] = float32(sum)
		}
	}
}
