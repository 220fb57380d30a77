package cuda

import "palladio/kernels"

// randomThreads is the number of threads of a block of the kernels that draw.
const randomThreads = 256

// random lowers a Random: a thread makes what one Philox block gives, 16 bytes at most.
func (l *lowering) random(k kernels.Random) (*Program, error) {
	if k.N == 0 {
		return &Program{}, nil
	}
	per, t := 4, k.Type // numbers that a thread makes of a block
	if t.Size() == 8 {
		per = 2
	}
	var more []Slot
	switch k.Dist {
	case kernels.DistBernoulli:
		if t == kernels.Bool {
			t = kernels.U8
		}
		more = []Slot{Int(kernels.BernoulliThreshold(k.A))}
	case kernels.DistInteger:
		more = []Slot{Int(int64(k.A)), Int(uint64(k.B - k.A))}
	case kernels.DistUniform:
		more = []Slot{number(t, k.A), number(t, k.B-k.A)}
	case kernels.DistNormal:
		more = []Slot{number(t, k.A), number(t, k.B)}
	}
	return &Program{Launches: []Launch{{
		Module: Shipped("random/random"),
		Entry:  "random_" + k.Dist.String() + "_" + t.String(),
		Grid:   l.grid(ceilDiv(k.N, per), randomThreads, 4),
		Block:  Dim{randomThreads, 1, 1},
		Args:   append([]Slot{Int(k.N), Operand(0), Int(k.Stream), Operand(1), flag(l.align >= 16)}, more...),
	}}}, nil
}

// number is a parameter of a floating-point type.
func number(t kernels.DType, v float64) Slot {
	if t == kernels.F64 {
		return Float64(v)
	}
	return Float32(v)
}

// dropout lowers a Dropout by what shares a word: nothing, the middle axis, or whole rows.
func (l *lowering) dropout(k kernels.Dropout) (*Program, error) {
	n := k.Outer * k.Middle * k.Inner
	if n == 0 {
		return &Program{}, nil
	}
	launch := Launch{Module: Shipped("random/random"), Block: Dim{randomThreads, 1, 1}}
	threshold, scale := Int(k.Threshold()), number(k.Type, k.Scale())
	const rows = 16 // of the middle axis that a thread goes down
	switch {
	case k.Middle == 1:
		launch.Entry = "dropout_flat_"
		launch.Grid = l.grid(ceilDiv(n*k.Type.Size(), 16), randomThreads, 4)
		launch.Args = []Slot{Int(n), Operand(0), Int(k.Stream), Operand(1), Operand(2), flag(l.align >= 16), threshold, scale}
	case k.Inner == 1 && k.Middle >= 64 && k.Outer < 1<<24:
		blocks := max(1, min(ceilDiv(k.Middle*k.Type.Size(), 16*randomThreads), ceilDiv(l.SMs*8, k.Outer)))
		launch.Entry = "dropout_whole_"
		launch.Grid = Dim{k.Outer * blocks, 1, 1}
		launch.Args = []Slot{Int(k.Middle), Int(blocks), Operand(0), Int(k.Stream), Operand(1), Operand(2), flag(l.vectorised(k.Middle, k.Type.Size())), threshold, scale}
	case k.Inner > maxItems:
		return nil, tooLarge(k, "elements of a row")
	default:
		columns := k.Outer * k.Inner
		launch.Entry = "dropout_rows_"
		launch.Grid = l.grid(columns*ceilDiv(k.Middle, rows), randomThreads, 4)
		launch.Args = []Slot{Int(columns), Int(k.Inner), Int(k.Middle), Int(rows), Operand(0), Int(k.Stream), Operand(1), Operand(2), threshold, scale}
	}
	launch.Entry += k.Type.String()
	return &Program{Launches: []Launch{launch}}, nil
}
