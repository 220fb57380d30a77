package ptx

import "slices"

// Instr is an instruction.
type Instr struct {
	Line, Column int
	Source       Loc   // from .loc, zero when there is none
	Guard        int32 // number of the predicate register of @%p, or NoReg
	GuardNot     bool  // @!%p

	Name  string   // the whole name as written: "fma.rn.ftz.f32"
	Op    string   // "fma"
	Mods  []string // what follows Op but is no type, in order: "rn", "ftz"; "global", "v4"; "m16n8k16", "row", "col"; "L2::128B"
	Types []Type   // the types, in order; "cvt.rn.f16.f32" has F16, F32

	// Operands in the order written. A call has always four: list of results, callee (function or register), list of arguments,
	// and the table with the targets or prototype (kind None where absent).
	Operands []Operand
}

// Loc is a place in a source file.
type Loc struct{ File, Line int32 }

// NoReg is the number of no register.
const NoReg = -1

// Has says whether the name has the modifier mod.
func (in *Instr) Has(mod string) bool { return slices.Contains(in.Mods, mod) }

// Type is the i-th type, or NoType.
func (in *Instr) Type(i int) Type {
	if i < len(in.Types) {
		return in.Types[i]
	}
	return NoType
}

// Space is the state space named first among the modifiers; Generic when there is none.
func (in *Instr) Space() Space {
	for _, m := range in.Mods {
		if s, ok := spaceNames[m]; ok {
			return s
		}
	}
	return Generic
}

// Width is the number of elements of a vector access (.v2, .v4, .v8), else 1.
func (in *Instr) Width() int {
	for _, m := range in.Mods {
		switch m {
		case "v2":
			return 2
		case "v4":
			return 4
		case "v8":
			return 8
		}
	}
	return 1
}

// Kind is the kind of an operand.
type Kind uint8

// The kinds of operands.
const (
	None        Kind = iota
	Register         // Reg; Not for !%p
	Immediate        // Bits: integers in two's complement, 64 bits wide
	Float32          // Bits: the 32 bits of 0f...
	Float64          // Bits: the 64 bits of 0d..., or of a decimal literal
	Address          // [base+Offset]: Reg, or Var, or neither (absolute, in Offset); Elems are further coordinates if any
	Symbol           // Var, plus Offset: its address
	Function         // Func
	LabelName        // Label
	SpecialName      // Special
	Vector           // {Elems}
	Pair             // %p|%q: Elems has the two
	List             // (Elems) of a call
	TableName        // Table
	Sink             // _
)

// Operand is an operand; Kind says which fields count.
type Operand struct {
	Kind    Kind
	Not     bool  // !%p
	Reg     int32 // number of the register, or NoReg
	Label   int32 // number of the label
	Table   int32 // number of the table
	Special Special
	Bits    uint64
	Offset  int64
	Var     *Var
	Func    *Func
	Elems   []Operand
}
