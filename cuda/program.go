package cuda

import (
	"math"

	"palladio/kernels"
)

// Program is what a kernel becomes on a GPU: launches in the order of one stream.
type Program struct {
	Launches  []Launch
	Workspace int    // bytes of scratch, at an address that is a multiple of 256
	Constants []byte // a table that the launches read; it is uploaded once, when the kernel is prepared

	// Fault makes the error of what a launch raised (kernels/include/fault.cuh) at a position of its data; Sync returns it. Programs
	// that pass no Fault slot leave it nil.
	Fault func(position, value int64) error
}

// Launch is one launch of an entry point.
type Launch struct {
	Module      Module
	Entry       string
	Grid, Block Dim
	Shared      int // bytes of dynamic shared memory
	Args        []Slot
}

// Dim is the extent of a grid in blocks, or of a block in threads. No extent is 0.
type Dim struct{ X, Y, Z int }

// Threads is the number of elements of the box.
func (d Dim) Threads() int { return d.X * d.Y * d.Z }

// Module is PTX text and a name for messages and caches.
type Module struct {
	Name string // such as "gemm/gemm" for the embedded kernels/gemm/gemm.ptx
	Text string // of a generated module; empty for an embedded one
}

// Shipped is the embedded module kernels/NAME.ptx.
func Shipped(name string) Module { return Module{Name: name} }

// PTX is the module's text.
func (m Module) PTX() (string, error) {
	if m.Text != "" {
		return m.Text, nil
	}
	return kernels.PTX(m.Name)
}

// Slot is one argument of an entry point: an address or a scalar in the low bytes of an 8-byte cell, which is all that
// gorgonia.org/cu can pass.
type Slot struct {
	kind  slotKind
	index int    // of the operand
	value uint64 // of a scalar; else bytes from the start of the operand, scratch or table
}

type slotKind uint8

const (
	scalarSlot slotKind = iota
	operandSlot
	scratchSlot
	constantSlot
	faultSlot
	callSlot
)

// Operand is the address of operand i of the kernel.
func Operand(i int) Slot { return Slot{kind: operandSlot, index: i} }

// OperandAt is the address off bytes into operand i.
func OperandAt(i, off int) Slot { return Slot{kind: operandSlot, index: i, value: uint64(off)} }

// Scratch is the address off bytes into the workspace.
func Scratch(off int) Slot { return Slot{kind: scratchSlot, value: uint64(off)} }

// Constant is the address off bytes into the program's table of constants.
func Constant(off int) Slot { return Slot{kind: constantSlot, value: uint64(off)} }

// FaultRecord is the address of the device's record of data-dependent errors, a parameter Fault* of kernels/include/fault.cuh.
func FaultRecord() Slot { return Slot{kind: faultSlot} }

// CallNumber is the u64 that tells in the record which call raised the error.
func CallNumber() Slot { return Slot{kind: callSlot} }

// Int is an integer parameter, .s32, .u32, .s64 or .u64.
func Int[T ~int | ~int32 | ~int64 | ~uint32 | ~uint64](v T) Slot { return Slot{value: uint64(v)} }

// Float32 is an .f32 parameter.
func Float32(v float64) Slot { return Slot{value: uint64(math.Float32bits(float32(v)))} }

// Float64 is an .f64 parameter.
func Float64(v float64) Slot { return Slot{value: math.Float64bits(v)} }

// binding is what the slots of a prepared program refer to, apart from the call's operands.
type binding struct {
	constants uint64 // address of the table
	fault     uint64 // address of the device's fault record
	call      uint64 // number of the prepared call, from 1
}

// resolve is the cell that a launch passes for the slot.
func (s Slot) resolve(args []kernels.Arg, workspace kernels.Arg, b binding) uint64 {
	switch s.kind {
	case operandSlot:
		return args[s.index].Addr + s.value
	case scratchSlot:
		return workspace.Addr + s.value
	case constantSlot:
		return b.constants + s.value
	case faultSlot:
		return b.fault
	case callSlot:
		return b.call
	}
	return s.value
}
