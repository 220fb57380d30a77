package cuda

import (
	"fmt"

	"palladio/kernels"
)

// peak is multiply-adds on registers alone (kernels/peak/peak.cu). It is no part of the vocabulary: it computes nothing that anybody needs.
type peak struct {
	precision string // of the factors: f32, tf32, bf16 or f16
	blocks    int
	steps     int // that each thread or warp does
}

const (
	peakThreads = 256 // of a block
	peakBlocks  = 2   // of a multiprocessor
)

// Family is the kernel's name in messages.
func (p peak) Family() string { return "peak" }

func (p peak) String() string {
	return fmt.Sprintf("peak %s, %d blocks, %d steps", p.precision, p.blocks, p.steps)
}

// Operands is a sum of each thread, so that the compiler keeps the work.
func (p peak) Operands() []kernels.Operand {
	return []kernels.Operand{{Name: "out", Dir: kernels.Out, Type: kernels.F32, Shape: []int{p.blocks * peakThreads}}}
}

// Validate accepts all that Measure makes.
func (p peak) Validate() error { return nil }

// Cost counts two operations a multiply-add.
func (p peak) Cost() kernels.Cost {
	each := int64(2 * 32) // sums of a thread
	switch p.precision {
	case "tf32":
		each = 2 * 8 * 16 * 8 * 8 / 32 // products of a warp, of 16×8 by 8 deep
	case "bf16", "f16":
		each = 2 * 8 * 16 * 8 * 16 / 32
	}
	return kernels.Traffic(p, each*int64(p.blocks*peakThreads*p.steps))
}

// Tolerance is that of any f32 sum; nobody compares it.
func (p peak) Tolerance() kernels.Tolerance { return kernels.Tolerance{Rel: 1e-5} }

// peak lowers to one launch that fills the GPU.
func (l *lowering) peak(p peak) *Program {
	args := []Slot{Int(p.steps)}
	switch p.precision { // one, twice in a register where two fit, and the highest bit of the significand
	case "f32":
		args = append(args, Float32(0.999))
	case "tf32":
		args = append(args, Int(0x3f800000), Int(0x00400000))
	case "bf16":
		args = append(args, Int(0x3f803f80), Int(0x00400040))
	case "f16":
		args = append(args, Int(0x3c003c00), Int(0x02000200))
	}
	return &Program{Launches: []Launch{{
		Module: Shipped("peak/peak"), Entry: "peak_" + p.precision, Grid: Dim{p.blocks, 1, 1}, Block: Dim{peakThreads, 1, 1}, Args: append(args, Operand(0)),
	}}}
}
