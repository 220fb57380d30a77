package cuda

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"palladio/kernels"
)

// elementwise lowers a program to one launch of a kernel that is made for it.
func (l *lowering) elementwise(k kernels.Elementwise) (*Program, error) {
	n := kernels.Elems(k.Shape)
	if n == 0 {
		return &Program{}, nil
	}
	layout := l.eltLayout(k)
	text, args, err := emitElementwise(k, layout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	sum := sha256.Sum256([]byte(text))
	return &Program{Launches: []Launch{{
		Module: Module{Name: fmt.Sprintf("elementwise/%x", sum[:6]), Text: text},
		Entry:  "elementwise",
		Grid:   l.grid(ceilDiv(n, layout.lanes), eltThreads, 8),
		Block:  Dim{eltThreads, 1, 1},
		Args:   args,
	}}}, nil
}

// eltLayout chooses how a program walks memory.
func (l *lowering) eltLayout(k kernels.Elementwise) *eltLayout {
	strides := make([][]int, len(k.Inputs)+1)
	for i, in := range k.Inputs {
		strides[i] = in.Strides
	}
	strides[len(k.Inputs)] = kernels.DenseStrides(k.Shape) // the outputs
	e := &eltLayout{lanes: 1}
	e.shape, strides = collapse(k.Shape, strides)
	e.strides = strides[:len(k.Inputs)]
	n := kernels.Elems(k.Shape)
	if lanes := eltLanes(k); l.align >= 16 && n >= lanes {
		e.lanes, e.packed = lanes, true
	}
	if last := len(e.shape) - 1; last >= 0 {
		e.joint = e.shape[last]%e.lanes == 0
	}
	e.wide = n/e.lanes > math.MaxInt32
	for i, s := range e.strides {
		for _, x := range s {
			e.wide = e.wide || x*k.Inputs[i].Type.Size()*e.lanes > math.MaxUint32
		}
	}
	return e
}

// allHalves says whether all operands have elements of two bytes.
func allHalves(k kernels.Elementwise) bool {
	return !slices.ContainsFunc(k.Inputs, func(in kernels.EltInput) bool { return in.Type.Size() != 2 }) &&
		!slices.ContainsFunc(k.Outputs, func(o kernels.EltOutput) bool { return o.Type.Size() != 2 })
}

// eltLanes is the number of elements that a thread computes together: 16 bytes of them, fewer where the program has many
// functions, so that its loop stays in the instruction cache.
func eltLanes(k kernels.Elementwise) int {
	lanes := 4
	switch {
	case k.Type == kernels.F64:
		lanes = 2
	case allHalves(k):
		lanes = 8
	}
	calls := 0
	for _, c := range k.Code {
		if _, ok := mathCalls[c.Op]; ok {
			calls++
		}
	}
	switch {
	case calls > 16:
		return 1
	case calls > 8:
		return min(lanes, 2)
	}
	return lanes
}
