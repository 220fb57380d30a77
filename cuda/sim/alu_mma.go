package sim

import "palladio/cuda/sim/ptx"

func matrixMultiply(in *ptx.Instr) alu { return alu{} }
func moveMatrix(in *ptx.Instr) alu     { return alu{} }
