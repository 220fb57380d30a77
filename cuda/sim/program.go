package sim

import (
	"encoding/binary"
	"sync"

	"palladio/cuda/sim/ptx"
)

// program is an entry point and the functions that it may call, decoded.
type program struct {
	name  string
	entry *ptx.Func
	code  []inst

	fileBytes      uint32     // of a warp's registers, constants and special registers
	predicateBytes uint32     // of them, predicates, which come first
	unset          []constant // registers that may be read before they are written: a block finds them zeroed
	constants      []constant
	values         []paramValue // parameters
	specials       []special    // the same in every block of a launch
	blockSpecials  []special    // of each block
	accesses       int32        // instructions that access memory

	calls        int32 // call instructions
	params       []param
	paramBytes   int
	sharedStatic int      // bytes from sharedBase to the dynamic part
	sharedGaps   int      // of them, those that the checks put behind variables
	sharedVars   []placed // static shared variables
	localEnd     uint64   // one past the last offset of a thread's local memory
	maxThreads   int
	reqThreads   [3]int

	mu   sync.Mutex
	idle []*block // workers' states between launches
}

// param is a parameter of an entry point.
type param struct {
	name         string
	offset, size uint32
}

// cells is the arguments of 8 bytes that the parameter takes.
func (p param) cells() int { return ceilDiv(int(p.size), 8) }

// placed is a variable at its place.
type placed struct {
	name       string
	addr, size uint64
}

// constant is a value that every lane finds in the register file.
type constant struct {
	off   uint32
	shape shape
	value uint64
}

// fill writes a constant.
func (c constant) fill(w *warp) {
	r := w.at(c.off)
	switch c.shape {
	case narrow:
		for i := range r {
			r[i] = uint32(c.value)
		}
	case wide:
		for i := range r.u64() {
			r.u64()[i] = c.value
		}
	default:
		r[0] = uint32(c.value)
	}
}

// sharedBytes is the bytes of shared memory of the kernel's own variables.
func (p *program) sharedBytes() int { return p.sharedStatic - p.sharedGaps }

// paramValue is a parameter that every lane finds in the register file.
type paramValue struct {
	off   uint32
	shape shape
	at    uint32 // among the parameters
}

// set writes a parameter's value.
func (v paramValue) set(w *warp, l *launch) {
	c := constant{off: v.off, shape: v.shape}
	if v.shape == wide {
		c.value = binary.LittleEndian.Uint64(l.params[v.at:])
	} else {
		c.value = uint64(binary.LittleEndian.Uint32(l.params[v.at:]))
	}
	c.fill(w)
}

// localBytes is the bytes of local memory that a thread uses.
func (p *program) localBytes() int { return int(p.localEnd - localBase) }

// idleKept is the most workers' states that a program keeps.
const idleKept = 16

// take gets the state of a worker.
func (p *program) take() *block {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return b
	}
	return newBlock(p)
}

// give returns it.
func (p *program) give(b *block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < idleKept {
		p.idle = append(p.idle, b)
	}
}
