package kernels

import "fmt"

// Activation is the function that ends an epilogue.
type Activation struct {
	Op       EltOp   // NoOp, ReLU, GELU, GELUTanh, SiLU, HardSwish, Tanh, Sigmoid or Clamp
	Min, Max float64 // of Clamp
}

// Epilogue is what a matrix product or a convolution does to its result before storing it:
//
//	y = act(x + bias + residual)
//
// Bias has one element a column (output channel), residual the shape of the output. Present operands follow the
// kernel's own inputs in the order bias, residual.
type Epilogue struct {
	Bias, Residual bool
	Act            Activation
}

// None says whether the epilogue does nothing.
func (e Epilogue) None() bool { return e == Epilogue{} }

// Validate checks the activation.
func (e Epilogue) Validate() error {
	switch e.Act.Op {
	case NoOp, ReLU, GELU, GELUTanh, SiLU, HardSwish, Tanh, Sigmoid:
		return nil
	case Clamp:
		if e.Act.Min > e.Act.Max {
			return fmt.Errorf("epilogue: clamp to [%v, %v] is empty", e.Act.Min, e.Act.Max)
		}
		return nil
	}
	return fmt.Errorf("epilogue: %s is no activation", e.Act.Op)
}

func (e Epilogue) String() string {
	s := ""
	if e.Bias {
		s += " +bias"
	}
	if e.Residual {
		s += " +residual"
	}
	switch e.Act.Op {
	case NoOp:
	case Clamp:
		s += fmt.Sprintf(" clamp[%v,%v]", e.Act.Min, e.Act.Max)
	default:
		s += " " + e.Act.Op.String()
	}
	return s
}
