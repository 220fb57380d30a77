package kernels

import "fmt"

// CrossEntropy is the softmax cross-entropy of logits x[N, C] against classes or distributions:
//
//	lse_n = log Σ_c exp(x_nc),  loss_n = Σ_c q'_nc·(lse_n - x_nc),  q' = (1 - Smoothing)·q + Smoothing/C
//
// where q is one at the label and zero elsewhere, or the given distribution (taken as it is, not normalised). Terms with
// q' = 0 count as 0 even where x is -Inf. Samples whose label is IgnoreIndex (where Ignore) have loss 0. The mean is over the
// samples that are not ignored, and 0 if there are none. A label outside 0 … C-1 makes Run fail (Szegedy et al. 2016, section 7).
//
// F16 and BF16 are the types of logits and probabilities alone: losses, mean and lse are F32 then.
//
// Operands: logits[N, C], labels[N] or probabilities[N, C]; losses[N], mean[], lse[N].
type CrossEntropy struct {
	Type        DType // F32, F64, F16 or BF16
	N, C        int
	Labels      DType   // I32 or I64: class numbers; equal to Type: a distribution for each sample
	Smoothing   float64 // in [0, 1)
	Ignore      bool
	IgnoreIndex int64 // with class numbers only; it may lie outside the classes
}

// Family is "cross_entropy".
func (k CrossEntropy) Family() string { return "cross_entropy" }

func (k CrossEntropy) targets() Operand {
	if k.Labels == k.Type {
		return Operand{"probabilities", In, k.Labels, []int{k.N, k.C}}
	}
	return Operand{"labels", In, k.Labels, []int{k.N}}
}

// Operands lists logits, labels (or probabilities), losses, mean, lse.
func (k CrossEntropy) Operands() []Operand {
	t := accumulator(k.Type)
	return []Operand{{"logits", In, k.Type, []int{k.N, k.C}}, k.targets(),
		{"losses", Out, t, []int{k.N}}, {"mean", Out, t, nil}, {"lse", Out, t, []int{k.N}}}
}

// Validate checks types, extents and constants.
func (k CrossEntropy) Validate() error {
	if err := checkFloat("cross_entropy", k.Type); err != nil {
		return err
	}
	if k.Labels != I32 && k.Labels != I64 && k.Labels != k.Type {
		return fmt.Errorf("cross_entropy: labels of type %s, want i32 or i64 (classes) or %s (probabilities)", k.Labels, k.Type)
	}
	if err := CheckShape("cross_entropy", []int{k.N, k.C}, 0); err != nil {
		return err
	}
	if k.C < 1 {
		return fmt.Errorf("cross_entropy: %d classes, want at least 1", k.C)
	}
	if !(k.Smoothing >= 0 && k.Smoothing < 1) {
		return fmt.Errorf("cross_entropy: smoothing %v, want 0 or more and below 1", k.Smoothing)
	}
	if k.Ignore && k.Labels == k.Type {
		return fmt.Errorf("cross_entropy: an ignored index needs class numbers as labels, not probabilities")
	}
	return nil
}

// Cost counts maximum, subtraction, exponential and sum, and two more with distributions or smoothing.
func (k CrossEntropy) Cost() Cost {
	per := int64(4)
	if k.Labels == k.Type || k.Smoothing > 0 {
		per += 2
	}
	return Traffic(k, per*int64(k.N)*int64(k.C))
}

// Tolerance bounds the error by the largest loss: small losses are differences of larger numbers.
func (k CrossEntropy) Tolerance() Tolerance {
	e := accumulator(k.Type).Epsilon()
	return Tolerance{Abs: 32 * e, Rel: 16 * e, Norm: 32 * e}
}

func (k CrossEntropy) String() string { return "cross_entropy " + k.attributes() }

func (k CrossEntropy) attributes() string {
	s := fmt.Sprintf("%s %dx%d labels=%s", k.Type, k.N, k.C, k.Labels)
	if k.Smoothing > 0 {
		s += fmt.Sprintf(" smoothing=%v", k.Smoothing)
	}
	if k.Ignore {
		s += fmt.Sprintf(" ignore=%d", k.IgnoreIndex)
	}
	return s
}

// CrossEntropyBackward is the gradient of a CrossEntropy with respect to the logits:
//
//	dlogits_nc = d_n·(exp(x_nc - lse_n)·Σ_j q'_nj - q'_nc)
//
// with d_n = dlosses_n, or dmean divided by the number of samples that are not ignored; 0 for ignored samples.
//
// Operands: logits[N, C], labels[N] or probabilities[N, C], lse[N], dlosses[N] or dmean[]; dlogits[N, C].
type CrossEntropyBackward struct {
	Of        CrossEntropy
	PerSample bool // the gradient given is that of losses, not of mean
}

// Family is "cross_entropy_backward".
func (k CrossEntropyBackward) Family() string { return "cross_entropy_backward" }

// Operands lists logits, labels (or probabilities), lse, dlosses or dmean, dlogits.
func (k CrossEntropyBackward) Operands() []Operand {
	c, t := k.Of, accumulator(k.Of.Type)
	d := Operand{"dmean", In, t, nil}
	if k.PerSample {
		d = Operand{"dlosses", In, t, []int{c.N}}
	}
	return []Operand{{"logits", In, c.Type, []int{c.N, c.C}}, c.targets(), {"lse", In, t, []int{c.N}}, d,
		{"dlogits", Out, c.Type, []int{c.N, c.C}}}
}

// Validate checks the loss.
func (k CrossEntropyBackward) Validate() error {
	if err := k.Of.Validate(); err != nil {
		return fmt.Errorf("backward of %w", err)
	}
	return nil
}

// Cost counts subtraction, exponential, subtraction and product.
func (k CrossEntropyBackward) Cost() Cost { return Traffic(k, 4*int64(k.Of.N)*int64(k.Of.C)) }

// MayAlias allows dlogits over logits.
func (k CrossEntropyBackward) MayAlias(out, in int) bool { return out == 4 && in == 0 }

// Tolerance bounds the error of a probability that the rounding of x - lse brings.
func (k CrossEntropyBackward) Tolerance() Tolerance {
	e := accumulator(k.Of.Type).Epsilon()
	return roundedTo(k.Of.Type, Tolerance{Abs: e, Rel: 32 * e, Norm: 64 * e})
}

func (k CrossEntropyBackward) String() string {
	s := "cross_entropy_backward " + k.Of.attributes()
	if k.PerSample {
		s += " per_sample"
	}
	return s
}
