package ptx

// Module is a translation unit.
type Module struct {
	Major, Minor int      // of .version
	Target       []string // such as sm_80, and options such as debug
	AddressSize  int      // 32 or 64 bits
	Vars         []*Var   // of the module, in order
	Funcs        []*Func  // entry points and device functions, in order; a declaration and its definition are one Func
	Files        []File   // of .file
}

// File is a source that .loc refers to.
type File struct {
	Number int
	Name   string
}

// Func finds the function or entry point called name; nil when there is none.
func (m *Module) Func(name string) *Func {
	for _, f := range m.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Entries lists the entry points.
func (m *Module) Entries() []*Func {
	var list []*Func
	for _, f := range m.Funcs {
		if f.Entry {
			list = append(list, f)
		}
	}
	return list
}

// Linkage is how a symbol is seen from other modules.
type Linkage uint8

// The linkages.
const (
	Internal Linkage = iota
	Visible
	Extern
	Weak
	Common
)

// Space is a state space.
type Space uint8

// The spaces. Generic is what an access without a space addresses.
const (
	Generic Space = iota
	Global
	Shared
	Local
	Const
	Param
)

// Var is a variable, or a parameter of a function.
type Var struct {
	Name    string
	Line    int
	Space   Space
	Linkage Linkage
	Align   int // bytes, a power of two: as declared, or the natural one
	Type    Type
	Vector  int   // 1, or 2 or 4 for .v2 and .v4
	Dims    []int // of an array, outermost first; nil for a scalar; the first is 0 where it is declared without a size: [ ]
	Size    int   // bytes; 0 for an array without a size (dynamic shared memory when Space is Shared)

	Init   []byte  // first bytes of the initial value, little-endian; the rest is 0. nil without an initialiser
	Relocs []Reloc // addresses to put into Init

	// Ptr says that a parameter is a pointer: into PtrSpace, aligned to PtrAlign bytes (0 when not said).
	Ptr      bool
	PtrSpace Space
	PtrAlign int
	// Register says that a parameter of a device function is declared with .reg: its value is in the register Reg of the function.
	Register bool
	Reg      int32
}

// Elements is the number of elements of type Type: 1 for a scalar, 0 for an array without a size.
func (v *Var) Elements() int {
	n := v.Vector
	for _, d := range v.Dims {
		n *= d
	}
	return n
}

// Reloc is an address within an initial value: that of Var or of Func, whichever is not nil, plus Add.
type Reloc struct {
	Offset  int // in Init, bytes
	Var     *Var
	Func    *Func
	Add     int64
	Generic bool  // the generic address, not the one within the variable's space
	Shift   uint8 // with a size of 1 byte: which byte of the address, in bits (the form 0xFF00(symbol))
	Size    uint8 // bytes written
}

// Func is an entry point (a kernel) or a device function.
type Func struct {
	Name    string
	Line    int
	Entry   bool
	Linkage Linkage
	Returns []*Var // of a device function
	Params  []*Var
	Perf    Perf

	Defined bool    // there is a body; otherwise a mere declaration
	Regs    []Reg   // registers that are used, each once
	Vars    []*Var  // declared in the body: .local, .shared, and .param for calls
	Labels  []Label // by number
	Tables  []Table // .branchtargets, .calltargets and .callprototype, by number
	Body    []Instr
}

// Perf is the performance directives of an entry point; 0 where not said.
type Perf struct {
	MaxThreads [3]int // .maxntid
	ReqThreads [3]int // .reqntid
	MinBlocks  int    // .minnctapersm
	MaxBlocks  int    // .maxnctapersm
	MaxRegs    int    // .maxnreg
	NoReturn   bool
	Pragmas    []string
}

// Reg is a register. Its type says no more than its width: operations take the type from the opcode.
type Reg struct {
	Name string // with its %, unique within the function
	Type Type
}

// Label is a place in a body: before Body[At], or at its end.
type Label struct {
	Name string
	At   int
}

// TableKind tells what a Table lists.
type TableKind uint8

// The kinds of tables.
const (
	BranchTargets TableKind = iota
	CallTargets
	CallPrototype
)

// Table is the targets of an indirect branch or call, or the prototype of an indirect call.
type Table struct {
	Name     string
	Kind     TableKind
	Labels   []int32 // of BranchTargets: numbers of labels
	Funcs    []*Func // of CallTargets
	Returns  []*Var  // of CallPrototype
	Params   []*Var
	NoReturn bool
}
