package cuda

import "palladio/kernels"

// stream lowers a loop of STREAM to one launch.
func (l *lowering) stream(k kernels.Stream) *Program {
	if k.N == 0 {
		return &Program{}
	}
	inputs := len(k.Operands()) - 1
	args := []Slot{Int(k.N)}
	for i := range inputs + 1 {
		args = append(args, Operand(i))
	}
	args = append(args, flag(l.align >= 16))
	switch {
	case k.Op != kernels.StreamScale && k.Op != kernels.StreamTriad:
	case k.Type == kernels.F64:
		args = append(args, Float64(k.Scalar))
	default:
		args = append(args, Float32(k.Scalar))
	}
	const threads = 256
	elements := 16 / k.Type.Size()
	return &Program{Launches: []Launch{{
		Module: Shipped("stream/stream"),
		Entry:  "stream_" + k.Op.String() + "_" + k.Type.String(),
		Grid:   l.grid(ceilDiv(k.N, elements), threads, 8),
		Block:  Dim{threads, 1, 1},
		Args:   args,
	}}}
}
