package sim

import (
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// lanes is the number of threads of a warp.
const lanes = 32

// fullMask is the mask of all lanes.
const fullMask = 1<<lanes - 1

// reg is one register of the 32 lanes of a warp. A 64-bit register takes two regs, a predicate one word: the mask in r[0]. Narrower values lie
// zero-extended in 32 bits.
type reg [lanes]uint32

func (r *reg) u64() *[lanes]uint64  { return (*[lanes]uint64)(unsafe.Pointer(r)) }
func (r *reg) s32() *[lanes]int32   { return (*[lanes]int32)(unsafe.Pointer(r)) }
func (r *reg) s64() *[lanes]int64   { return (*[lanes]int64)(unsafe.Pointer(r)) }
func (r *reg) f32() *[lanes]float32 { return (*[lanes]float32)(unsafe.Pointer(r)) }
func (r *reg) f64() *[lanes]float64 { return (*[lanes]float64)(unsafe.Pointer(r)) }

// laneOp computes all 32 lanes of a result, whatever the mask; the warp puts inactive lanes back. d may be the register of an operand. It never
// faults. Operands that the operation does not have are any register.
type laneOp func(d, a, b, c *reg)

// compareOp compares all 32 lanes and gives the mask of those for which it holds.
type compareOp func(a, b *reg) uint32

// multiOp computes operations of other shapes: r is the destinations, then the sources, as written, vectors flattened; after them the carry flags of the
// lanes (a predicate) for operations that use them.
type multiOp func(r []*reg)

// alu is what an arithmetic instruction does: one of lane, compare and multi.
type alu struct {
	lane    laneOp
	compare compareOp
	multi   multiOp
	// dst and src are the types of the operands, vectors flattened: they say how wide the registers are and what immediates mean.
	dst, src  []ptx.Type
	decoded   int  // last operands that the operation has in itself
	usesCarry bool // a multi that has the carry flags of the lanes as a last operand
	allLanes  bool // a multi that all lanes of the warp execute together
}
