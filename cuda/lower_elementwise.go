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
	if kernels.Elems(k.Shape) == 0 {
		return &Program{}, nil
	}
	return l.emitted(k, l.eltLayout(k))
}

// maxParameterBytes is what an entry point may take on every GPU; each parameter has 8 bytes.
const maxParameterBytes = 4096

// emitted is the launch of the kernel that is made for a program in a layout.
func (l *lowering) emitted(k kernels.Elementwise, layout *eltLayout) (*Program, error) {
	text, args, err := emitElementwise(k, layout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	if n := 8 * len(args); n > maxParameterBytes {
		return nil, fmt.Errorf("cuda: %s: %d bytes of parameters, more than %d: %w", k, n, maxParameterBytes, kernels.ErrUnsupported)
	}
	sum := sha256.Sum256([]byte(text))
	return &Program{Launches: []Launch{{
		Module: Module{Name: fmt.Sprintf("elementwise/%x", sum[:6]), Text: text}, // a name for people: caches go by the text
		Entry:  "elementwise",
		Grid:   l.grid(ceilDiv(kernels.Elems(k.Shape), layout.lanes), eltThreads, 8),
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
	count := n // what numbers go up to: elements, where some are done one by one or have coordinates of their own
	if e.joint {
		count /= e.lanes
	}
	e.wide = count > math.MaxInt32
	for i, s := range e.strides {
		for _, x := range s {
			e.wide = e.wide || x*k.Inputs[i].Type.Size()*e.lanes > math.MaxUint32
		}
	}
	return e
}

// anyOf says whether the size of an operand's elements has a property.
func anyOf(k kernels.Elementwise, has func(size int) bool) bool {
	return slices.ContainsFunc(k.Inputs, func(in kernels.EltInput) bool { return has(in.Type.Size()) }) ||
		slices.ContainsFunc(k.Outputs, func(o kernels.EltOutput) bool { return has(o.Type.Size()) })
}

// eltLanes is the number of elements that a thread computes together: 16 bytes of them, fewer where the program has many
// functions, so that its loop stays in the instruction cache.
func eltLanes(k kernels.Elementwise) int {
	lanes := 4
	switch {
	case k.Type == kernels.F64 || anyOf(k, func(size int) bool { return size == 8 }):
		lanes = 2 // so that neighbouring threads read neighbouring 16 bytes
	case !anyOf(k, func(size int) bool { return size != 2 }):
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
