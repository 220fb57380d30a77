package sim

import (
	"os"
	"strings"

	"palladio/cuda/sim/ptx"
)

// useAVX2 says whether lanes are computed by assembly; PALLADIO_CPU=generic turns it off, as it does for the CPU's own kernels.
var useAVX2 = haveAVX2() && os.Getenv("PALLADIO_CPU") != "generic"

// vectorised puts assembly in the place of an operation's Go loop, where there is some of the same meaning.
func vectorised(in *ptx.Instr, a *alu) {
	if !useAVX2 {
		return
	}
	if op := vectorLanes[in.Name]; op.lane != nil && a.lane != nil && sameShapes(a, op.shapes) {
		a.lane = op.lane
	}
	if op := vectorMatrices[in.Name]; op != nil && a.multi != nil {
		a.multi = op
	}
	if a.compare != nil {
		if op := vectorComparison(in, a); op != nil {
			a.compare = op
		}
	}
}

// vectorLane is assembly for an operation on registers of the given shapes, the destination's first: n narrow, w wide, p predicate.
type vectorLane struct {
	lane   laneOp
	shapes string
}

// sameShapes says whether the operands have the shapes.
func sameShapes(a *alu, shapes string) bool {
	if len(a.dst)+len(a.src) != len(shapes) {
		return false
	}
	for i, t := range append(append([]ptx.Type(nil), a.dst...), a.src...) {
		if "nwp"[shapeOf(t)] != shapes[i] {
			return false
		}
	}
	return true
}

// vectorLanes is the operations in assembly by the instruction's whole name.
var vectorLanes = func() map[string]vectorLane {
	m := map[string]vectorLane{}
	for _, f := range assembly() {
		for _, name := range strings.Fields(f.names) {
			m[name] = vectorLane{f.lane, f.shapes}
		}
	}
	return m
}()

// vectorMatrices is the matrix products in assembly by the instruction's whole name.
var vectorMatrices = assemblyMatrices()

// assemblyLane is a vectorLane and the names of the instructions that it computes.
type assemblyLane struct {
	names, shapes string
	lane          laneOp
}

// vectorComparison is assembly for a setp of registers of 32 or 64 bits, or nil.
func vectorComparison(in *ptx.Instr, a *alu) compareOp {
	if len(in.Types) != 1 || in.Has("ftz") || len(in.Mods) == 0 || len(a.src) != 2 || a.src[0] != a.src[1] {
		return nil
	}
	t := in.Types[0]
	if t.Bits() != 32 && t.Bits() != 64 || a.src[0].Bits() != t.Bits() {
		return nil
	}
	class := "u"
	switch {
	case t == ptx.F32 || t == ptx.F64:
		class = "f"
	case t.Float():
		return nil
	case t.Signed():
		class = "s"
	}
	if t.Bits() == 64 {
		class += "64"
	}
	return assemblyComparison(class, in.Mods[0])
}
