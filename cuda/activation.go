package cuda

import "palladio/kernels"

// activationCodes are the numbers of the activations in kernels/include/epilogue.cuh.
var activationCodes = map[kernels.EltOp]int{
	kernels.NoOp: 0, kernels.ReLU: 1, kernels.GELU: 2, kernels.GELUTanh: 3, kernels.SiLU: 4, kernels.HardSwish: 5, kernels.Tanh: 6, kernels.Sigmoid: 7, kernels.Clamp: 8,
}

// activation is the parameters (u32 act, T low, T high) of activate for an epilogue that computes in t.
func activation(a kernels.Activation, t kernels.DType) []Slot {
	real := Float32
	if t == kernels.F64 {
		real = Float64
	}
	return []Slot{Int(activationCodes[a.Op]), real(a.Min), real(a.Max)}
}
