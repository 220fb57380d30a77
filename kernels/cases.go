package kernels

import "math"

// Fill says how the conformance table makes an input.
type Fill struct {
	Kind   FillKind
	Lo, Hi float64   // of Uniform and Ints: values in [Lo, Hi)
	Values []float64 // of Cycle: repeated over the tensor
}

// FillKind is a way to make an input.
type FillKind uint8

// The ways to make an input; the zero value is Normal.
const (
	Normal  FillKind = iota // standard normal
	Uniform                 // uniform in [Lo, Hi)
	Ints                    // integers in [Lo, Hi), such as labels and indices
	Cycle                   // Values over and over
	Special                 // normal, with ±0, denormals, ±Inf, NaN, huge and tiny values mixed in
)

// Case is one row of the conformance table: a kernel, and how its inputs are made (by operand name; Normal where absent).
type Case struct {
	Name   string
	Kernel Kernel
	Inputs map[string]Fill
}

// Cases is the conformance table: every family, with its edges (empty, one, odd, huge, strided, NaN and infinity).
func Cases() []Case {
	var cs []Case
	for _, family := range []func() []Case{ // a line a family
		gemmCases,
		streamCases,
		convCases,
		elementwiseCases,
		reduceCases,
		moveCases,
		indexCases,
		sortCases,
		randomCases,
		optimCases,
		normCases,
		softmaxCases,
		crossEntropyCases,
		poolCases,
		resizeCases,
	} {
		cs = append(cs, family()...)
	}
	return cs
}

// everyType is what kernels take that move elements whatever they mean.
var everyType = []DType{F32, F64, F16, BF16, I32, I64, U64, U8, Bool}

// Values that Go's constants cannot spell.
var (
	infinity     = math.Inf(1)
	quietNaN     = math.NaN()
	negativeZero = math.Copysign(0, -1)
)
