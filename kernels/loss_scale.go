package kernels

import (
	"fmt"
	"math"
)

// LossScale takes the factor of a scaled loss out of the gradients again and adapts it (Micikevicius et al., Mixed Precision Training, ICLR
// 2018, section 3.2, with a factor that moves by powers of two). From norm, the global norm of the gradients of loss_scale·loss:
//
//	norm finite:  n = norm/loss_scale;  scale = (MaxNorm > 0 && n > MaxNorm ? MaxNorm/n : 1) / loss_scale
//	              steps += 1;  if steps = Interval: loss_scale = min(2·loss_scale, Max), steps = 0
//	otherwise:    scale = 0, so that the optimiser's step is skipped;  loss_scale = max(loss_scale/2, 1), steps = 0
//
// Operands: norm [1], loss_scale [1] (InOut), steps [1] (InOut), scale [1].
type LossScale struct {
	Type     DType   // F32 or F64
	Interval int     // steps without an overflow after which the factor doubles
	Max      float64 // the largest factor
	MaxNorm  float64 // the gradients are clipped to this norm; 0: they are not
}

// NewLossScale is the usual choice: the factor doubles after 2000 steps, up to 2^24.
func NewLossScale(t DType, maxNorm float64) LossScale {
	return LossScale{Type: t, Interval: 2000, Max: 0x1p24, MaxNorm: maxNorm}
}

// Family is "loss_scale".
func (k LossScale) Family() string { return "loss_scale" }

// Operands lists norm, loss_scale, steps and scale.
func (k LossScale) Operands() []Operand {
	one := []int{1}
	return []Operand{{"norm", In, k.Type, one}, {"loss_scale", InOut, k.Type, one}, {"steps", InOut, k.Type, one}, {"scale", Out, k.Type, one}}
}

// Validate checks the constants.
func (k LossScale) Validate() error {
	if k.Interval < 1 || k.Interval > 1<<24 {
		return fmt.Errorf("loss scale: interval of %d steps: want 1 to %d", k.Interval, 1<<24)
	}
	if !(k.Max >= 1) || math.IsInf(k.Max, 0) {
		return fmt.Errorf("loss scale: largest factor %v: want a number of at least 1", k.Max)
	}
	return Step{k.Type, 1}.validate("loss scale", field{"maximum norm", k.MaxNorm, math.Inf(1)})
}

// Cost counts three divisions.
func (k LossScale) Cost() Cost { return Traffic(k, 3) }

// Tolerance allows the roundings of three quotients.
func (k LossScale) Tolerance() Tolerance { return Tolerance{Rel: 4 * k.Type.Epsilon()} }

func (k LossScale) String() string {
	return fmt.Sprintf("loss_scale %s every %d up to %v, norm up to %v", k.Type, k.Interval, k.Max, k.MaxNorm)
}
