package sim

import (
	"fmt"
	"strings"

	"palladio/cuda/sim/ptx"
)

// Fault is what stopped a kernel.
type Fault struct {
	Kernel string
	Line   int     // of the PTX; 0 when there is none
	Source ptx.Loc // of the source, where the PTX has .loc
	Instr  string  // name of the instruction
	Block  [3]int
	Thread [3]int
	Lane   int    // -1 when it is the affair of no one thread
	Addr   uint64 // of a faulty access
	What   string // what is wrong
	Err    error  // the cause, such as the context's error; may be nil
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel %s", f.Kernel)
	if f.Line > 0 {
		fmt.Fprintf(&b, ": PTX line %d (%s)", f.Line, f.Instr)
	}
	if f.Source.Line > 0 {
		fmt.Fprintf(&b, ", source line %d", f.Source.Line)
	}
	if f.Lane >= 0 {
		fmt.Fprintf(&b, ": block %v thread %v", f.Block, f.Thread)
	} else if f.Line > 0 {
		fmt.Fprintf(&b, ": block %v", f.Block)
	}
	fmt.Fprintf(&b, ": %s", f.What)
	if f.Err != nil {
		fmt.Fprintf(&b, ": %v", f.Err)
	}
	return b.String()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }
