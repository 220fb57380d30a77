package sim

import (
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// kind says how the warp executes an instruction.
type kind uint8

const (
	laneKind    kind = iota // lane
	compareKind             // cmp
	multiKind               // multi
	selfKind                // run, which minds the mask itself
	guardedKind             // any of those, under a guard; what it is else is in inst.under
	jumpKind                // unconditional branch that the decoder made; not counted
	branchKind              // conditional branch
	joinKind                // start of a block that is also reached by falling into it; not counted
	controlKind             // control
)

// shape is the size of a destination.
type shape uint8

const (
	narrow    shape = iota // 32 bits a lane
	wide                   // 64 bits a lane
	predicate              // one bit a lane
)

type combine uint8

const (
	noCombine combine = iota
	combineAnd
	combineOr
	combineXor
)

// maxOperands is the most registers that an instruction names, vectors flattened.
const maxOperands = 64

// inst is a decoded instruction. Operands are offsets into the register file in bytes; constants and special registers have slots there too.
type inst struct {
	kind    kind
	under   kind // of a guarded instruction
	shape   shape
	combine combine // of a comparison with a further predicate
	invert  uint32  // all ones when the guard is negated
	guard   uint32  // offset of the guard, or of a branch's condition

	d, a, b, c uint32
	d2         uint32 // second destination of a comparison, else 0

	target, other int32 // of a branch: where it goes, and where it goes on

	lane laneOp
	run  func(w *warp, in *inst, mask uint32) bool // false: a fault was raised

	// What lies above is a cache line, and all that most instructions need.
	cmp     compareOp
	multi   multiOp
	control func(w *warp, in *inst) status

	imm    uint64
	x      []uint32 // all operands of a multi, the data of an access
	shapes []shape  // of the destinations among x

	members uint32     // offset of the member mask of an instruction that waits for lanes; 0 is all that are alive
	reduces reduction  // of a barrier
	arrives bool       // bar.arrive
	table   bool       // x are blocks, to become pcs
	index   int32      // in the code
	mem     *access    // of an access to memory
	from    *inst      // of an asynchronous copy: the access to its source
	call    *callSite  // of a call
	src     *ptx.Instr // nil where the decoder made it
	fn      *ptx.Func  // that it is in
	_       [8]uint64  // an instruction begins with a cache line
}

// mover does the work of an access for the lanes of mask, whose bytes lie at base + w.addr[lane].
type mover func(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool
