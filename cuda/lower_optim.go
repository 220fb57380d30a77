package cuda

import "palladio/kernels"

// step lowers an optimiser's step on the operands hyper, scale, grad, param, then state, to one launch; constants are the entry point's last parameters.
func (l *lowering) step(rule string, s kernels.Step, state []Slot, constants ...Slot) *Program {
	if s.N == 0 {
		return &Program{}
	}
	return &Program{Launches: []Launch{l.stepLaunch(rule, s, state, constants)}}
}

func (l *lowering) stepLaunch(rule string, s kernels.Step, state, constants []Slot) Launch {
	args := append(append(l.elements(s.N), Operand(0), Operand(1), Operand(2), Operand(3)), state...)
	return l.optim(rule, s.Type, l.grid(ceilDiv(s.N, 16/s.Type.Size()), 256, 4), append(args, constants...))
}

// elements is the parameters n and packed.
func (l *lowering) elements(n int) []Slot { return []Slot{Int(n), flag(l.align >= 16)} }

func (l *lowering) optim(entry string, t kernels.DType, grid Dim, args []Slot) Launch {
	return Launch{Module: Shipped("optim/optim"), Entry: entry + "_" + t.String(), Grid: grid, Block: Dim{256, 1, 1}, Args: args}
}

func (l *lowering) sgd(k kernels.SGD) *Program {
	buffer := Int(0)
	if k.Momentum != 0 {
		buffer = Operand(4)
	}
	return l.step("sgd", k.Step, []Slot{buffer}, Float64(k.Momentum), Float64(k.Dampening), Float64(k.WeightDecay), flag(k.Nesterov))
}

func (l *lowering) adam(k kernels.Adam) *Program {
	return l.step("adam", k.Step, []Slot{Operand(4), Operand(5)}, Float64(k.Beta1), Float64(k.Beta2), Float64(k.Eps), Float64(k.WeightDecay), flag(k.Decoupled))
}

// lamb moves the moments and sums squares, divides the norms, and takes the step.
func (l *lowering) lamb(k kernels.LAMB) *Program {
	if k.N == 0 {
		return &Program{}
	}
	state := []Slot{Operand(4), Operand(5)}
	constants := []Slot{Float64(k.Beta1), Float64(k.Beta2), Float64(k.Eps), Float64(k.WeightDecay), Scratch(0)}
	moments := l.stepLaunch("lamb_moments", k.Step, state, constants)
	blocks := moments.Grid.X
	ratio := Launch{Module: moments.Module, Entry: "lamb_ratio", Grid: Dim{1, 1, 1}, Block: moments.Block, Args: []Slot{Int(blocks), Scratch(0)}}
	return &Program{Workspace: 2 * blocks * 8, Launches: []Launch{moments, ratio, l.stepLaunch("lamb_step", k.Step, state, constants)}}
}

func (l *lowering) adaDelta(k kernels.AdaDelta) *Program {
	return l.step("adadelta", k.Step, []Slot{Operand(4), Operand(5)}, Float64(k.Rho), Float64(k.Eps), Float64(k.WeightDecay))
}

func (l *lowering) rmsProp(k kernels.RMSProp) *Program {
	operand := named(k.Operands())
	return l.step("rmsprop", k.Step, []Slot{operand("v"), operand("a"), operand("momentum")},
		Float64(k.Rho), Float64(k.Eps), Float64(k.Momentum), Float64(k.WeightDecay))
}

func (l *lowering) ema(k kernels.EMA) *Program {
	if k.N == 0 {
		return &Program{}
	}
	args := append(l.elements(k.N), Operand(0), Operand(1), Operand(2))
	return &Program{Launches: []Launch{l.optim("ema", k.Type, l.grid(ceilDiv(k.N, 16/k.Type.Size()), 256, 8), args)}}
}

func (l *lowering) lossScale(k kernels.LossScale) *Program {
	launch := l.optim("loss_scale", k.Type, Dim{1, 1, 1}, []Slot{Float64(float64(k.Interval)), Float64(k.Max), Float64(k.MaxNorm),
		Operand(0), Operand(1), Operand(2), Operand(3)})
	launch.Block = Dim{32, 1, 1}
	return &Program{Launches: []Launch{launch}}
}

// clipScale adds sixteen sums a launch; the sum so far is in the workspace.
func (l *lowering) clipScale(k kernels.ClipScale) *Program {
	const most = 16
	p := &Program{Workspace: 8}
	for first := 0; first < k.Count; first += most {
		n := min(k.Count-first, most)
		args := []Slot{Int(n), flag(first == 0), flag(first+n == k.Count), Float64(k.MaxNorm)}
		for j := range most {
			args = append(args, Operand(min(first+j, k.Count-1)))
		}
		launch := l.optim("clip_scale", k.Type, Dim{1, 1, 1}, append(args, Scratch(0), Operand(k.Count), Operand(k.Count+1)))
		launch.Block = Dim{32, 1, 1}
		p.Launches = append(p.Launches, launch)
	}
	return p
}
