package kernels

import "fmt"

// NormKind says over what a normalisation takes its statistics.
type NormKind uint8

// The kinds. With x[n, s, c] (n sample, s position, c channel), one mean and one variance are taken
const (
	BatchTraining  NormKind = iota // for each c, over n and s (Ioffe & Szegedy 2015, algorithm 1)
	BatchInference                 // never: the running ones are used (algorithm 2)
	LayerNorm                      // for each (n, s), over c (Ba, Kiros & Hinton 2016, eq. 4)
	RMSNorm                        // for each (n, s), over c; the mean is taken as 0 (Zhang & Sennrich 2019, eq. 4)
	GroupNorm                      // for each n and group of C/Groups neighbouring channels, over s and the group (Wu & He 2018, eq. 7)
	InstanceNorm                   // for each (n, c), over s (Ulyanov, Vedaldi & Lempitsky 2016)
)

var normKinds = [...]string{"batch", "batch_inference", "layer", "rms", "group", "instance"}

func (k NormKind) String() string {
	if int(k) >= len(normKinds) {
		return fmt.Sprintf("norm_kind(%d)", uint8(k))
	}
	return normKinds[k]
}

// Norm normalises x, seen as [N, Spatial, C], channels last:
//
//	y = act(scale[c]·(x - mean)·invstd + bias[c]),  invstd = 1/sqrt(variance + Eps)
//
// where the variance is the mean squared distance from the mean (the mean square, for RMSNorm). A layer norm over several
// trailing axes is one with these merged into C.
//
// Operands: x[N, Spatial, C]; scale[C] where Scale; bias[C] where Bias;
// BatchInference: running_mean[C], running_var[C]; BatchTraining with Running: the same two, updated (InOut) as
//
//	running = (1 - Momentum)·running + Momentum·batch
//
// with the unbiased variance (sum of squares over n-1) for running_var; then y, and, but for BatchInference, the statistics that
// NormBackward needs: mean (but for RMSNorm) and invstd, each of shape StatShape. An empty batch has mean 0 and variance
// 0 and leaves the running statistics alone.
//
// F16 and BF16 are the types of x and y alone: parameters and statistics are F32 then, arithmetic too, and y is rounded once.
type Norm struct {
	Type          DType // F32, F64, F16 or BF16
	Kind          NormKind
	N, Spatial, C int
	Groups        int // of GroupNorm; divides C
	Eps           float64
	Momentum      float64 // the weight of the new batch in the running statistics
	Running       bool    // BatchTraining: update running statistics
	Scale, Bias   bool    // which of the affine parameters are present
	Act           EltOp   // NoOp or ReLU
}

// NewNorm is the usual normalisation of a kind: f32, eps 1e-5, momentum 0.1, with scale and bias (scale only for RMSNorm) and, for
// BatchTraining, running statistics. Groups is read for GroupNorm only.
func NewNorm(kind NormKind, n, spatial, c, groups int) Norm {
	k := Norm{Type: F32, Kind: kind, N: n, Spatial: spatial, C: c, Eps: 1e-5, Scale: true, Bias: kind != RMSNorm}
	switch kind {
	case BatchTraining:
		k.Running, k.Momentum = true, 0.1
	case GroupNorm:
		k.Groups = groups
	}
	return k
}

// Family is "norm".
func (k Norm) Family() string { return "norm" }

// StatShape is the shape of the statistics: one for each set that they are taken over.
func (k Norm) StatShape() []int {
	switch k.Kind {
	case LayerNorm, RMSNorm:
		return []int{k.N, k.Spatial}
	case GroupNorm:
		return []int{k.N, k.Groups}
	case InstanceNorm:
		return []int{k.N, k.C}
	}
	return []int{k.C}
}

func (k Norm) shape() []int { return []int{k.N, k.Spatial, k.C} }

// parameters lists the affine parameters that are present.
func (k Norm) parameters(ops []Operand, dir Dir, prefix string) []Operand {
	if k.Scale {
		ops = append(ops, Operand{prefix + "scale", dir, accumulator(k.Type), []int{k.C}})
	}
	if k.Bias {
		ops = append(ops, Operand{prefix + "bias", dir, accumulator(k.Type), []int{k.C}})
	}
	return ops
}

// Operands lists x, scale, bias, running_mean, running_var, y, mean, invstd, each where present.
func (k Norm) Operands() []Operand {
	ops := k.parameters([]Operand{{"x", In, k.Type, k.shape()}}, In, "")
	if k.Kind == BatchInference || k.Kind == BatchTraining && k.Running {
		dir := In
		if k.Kind == BatchTraining {
			dir = InOut
		}
		ops = append(ops, Operand{"running_mean", dir, accumulator(k.Type), []int{k.C}}, Operand{"running_var", dir, accumulator(k.Type), []int{k.C}})
	}
	ops = append(ops, Operand{"y", Out, k.Type, k.shape()})
	if k.Kind == BatchInference {
		return ops
	}
	return k.statistics(ops, Out)
}

// statistics lists the saved ones.
func (k Norm) statistics(ops []Operand, dir Dir) []Operand {
	if k.Kind != RMSNorm {
		ops = append(ops, Operand{"mean", dir, accumulator(k.Type), k.StatShape()})
	}
	return append(ops, Operand{"invstd", dir, accumulator(k.Type), k.StatShape()})
}

// Validate checks types, extents, groups and constants.
func (k Norm) Validate() error {
	if err := checkFloat("norm", k.Type); err != nil {
		return err
	}
	if int(k.Kind) >= len(normKinds) {
		return fmt.Errorf("norm: unknown kind %d", k.Kind)
	}
	if err := CheckShape("norm", k.shape(), 0); err != nil {
		return err
	}
	if k.C < 1 {
		return fmt.Errorf("norm: %d channels, want at least 1", k.C)
	}
	if !(k.Eps > 0) {
		return fmt.Errorf("norm: eps %v, want a positive number", k.Eps)
	}
	if k.Act != NoOp && k.Act != ReLU {
		return fmt.Errorf("norm: activation %s cannot be fused, want none or relu", k.Act)
	}
	if k.Kind == GroupNorm && (k.Groups < 1 || k.C%k.Groups != 0) {
		return fmt.Errorf("norm: %d groups do not divide %d channels", k.Groups, k.C)
	}
	if k.Kind == BatchTraining && k.N*k.Spatial == 1 {
		return fmt.Errorf("norm: batch normalisation in training has one value for each of %d channels, want at least 2: "+
			"use a larger batch or inference mode", k.C)
	}
	if k.Kind == BatchTraining && k.Running && !(k.Momentum >= 0 && k.Momentum <= 1) {
		return fmt.Errorf("norm: momentum %v, want 0 to 1", k.Momentum)
	}
	return nil
}

// Cost counts a subtraction and a multiply-add for the output and, where they are taken, three operations for the statistics.
func (k Norm) Cost() Cost {
	per := int64(7)
	if k.Kind == BatchInference {
		per = 3
	}
	return Traffic(k, per*int64(Elems(k.shape())))
}

// MayAlias allows y over x.
func (k Norm) MayAlias(out, in int) bool {
	return in == 0 && k.Operands()[out].Name == "y"
}

// Tolerance follows the number of values that a statistic sums.
func (k Norm) Tolerance() Tolerance {
	e := accumulator(k.Type).Epsilon()
	return roundedTo(k.Type, Tolerance{Abs: e, Rel: 32 * e, Norm: 64 * e})
}

func (k Norm) String() string { return "norm " + k.attributes() }

func (k Norm) attributes() string {
	s := fmt.Sprintf("%s %s %s eps=%v", k.Kind, k.Type, dims(k.shape()), k.Eps)
	if k.Kind == GroupNorm {
		s += fmt.Sprintf(" groups=%d", k.Groups)
	}
	if k.Kind == BatchTraining && k.Running {
		s += fmt.Sprintf(" momentum=%v", k.Momentum)
	}
	if k.Scale {
		s += " scale"
	}
	if k.Bias {
		s += " bias"
	}
	if k.Act != NoOp {
		s += " " + k.Act.String()
	}
	return s
}

// NormBackward is the gradient of a Norm. With x̂ = (x - mean)·invstd and g = dy where no activation is fused, or
// g = dy·[scale·x̂ + bias > 0] for ReLU (so that neither the output nor a mask need be kept):
//
//	dbias = Σ g,  dscale = Σ g·x̂  over n and s,
//	dx = scale·invstd·(g - E[g] - x̂·E[g·x̂])
//
// with the expectations, of scale·g in place of g where the scale differs within it, over the set that a statistic was
// taken over; RMSNorm has no E[g] term, BatchInference neither.
//
// Operands: x, dy; scale where Scale; bias where Bias and Act is ReLU; mean (but for RMSNorm) and invstd as Norm gave them, or, for
// BatchInference, running_mean and running_var; then dx; dscale[C] where Scale; dbias[C] where Bias.
type NormBackward struct {
	Of Norm
}

// Family is "norm_backward".
func (k NormBackward) Family() string { return "norm_backward" }

// Operands lists x, dy, scale, bias, mean, invstd (or running_mean, running_var), dx, dscale, dbias, each where present.
func (k NormBackward) Operands() []Operand {
	n := k.Of
	ops := []Operand{{"x", In, n.Type, n.shape()}, {"dy", In, n.Type, n.shape()}}
	if n.Scale {
		ops = append(ops, Operand{"scale", In, accumulator(n.Type), []int{n.C}})
	}
	if n.Bias && n.Act == ReLU {
		ops = append(ops, Operand{"bias", In, accumulator(n.Type), []int{n.C}})
	}
	if n.Kind == BatchInference {
		ops = append(ops, Operand{"running_mean", In, accumulator(n.Type), []int{n.C}}, Operand{"running_var", In, accumulator(n.Type), []int{n.C}})
	} else {
		ops = n.statistics(ops, In)
	}
	ops = append(ops, Operand{"dx", Out, n.Type, n.shape()})
	return n.parameters(ops, Out, "d")
}

// Validate checks the normalisation.
func (k NormBackward) Validate() error {
	if err := k.Of.Validate(); err != nil {
		return fmt.Errorf("backward of %w", err)
	}
	return nil
}

// Cost counts five operations for the sums and six for dx.
func (k NormBackward) Cost() Cost {
	return Traffic(k, 11*int64(Elems(k.Of.shape())))
}

// MayAlias allows dx over dy or x.
func (k NormBackward) MayAlias(out, in int) bool {
	return in < 2 && k.Operands()[out].Name == "dx"
}

// Tolerance follows the sums.
func (k NormBackward) Tolerance() Tolerance {
	e := accumulator(k.Of.Type).Epsilon()
	return roundedTo(k.Of.Type, Tolerance{Abs: e, Rel: 32 * e, Norm: 128 * e})
}

func (k NormBackward) String() string { return "norm_backward " + k.Of.attributes() }
