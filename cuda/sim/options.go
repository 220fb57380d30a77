package sim

import (
	"io"
	"time"
)

// Options are what a simulated GPU is made with. The zero value is a GPU with the chip's memory that uses all cores and checks the bounds
// and the alignment of every access, and no more.
type Options struct {
	Workers int       // goroutines that run blocks; 0 is one a core. The order in which blocks run follows their numbers
	Memory  int64     // bytes of global memory; 0 is the chip's
	Steps   int64     // most instructions that a warp executes in a block; 0 is DefaultSteps, below 0 is no limit
	Print   io.Writer // where vprintf writes; nil drops it

	// Sanitize runs the checks: Findings has what they find. A faulty access is then left out and does not end its launch.
	Sanitize bool
	// Profile counts what launches do: Report.Profile and Profiles have it.
	Profile bool
	// Sample, with Profile, is the most blocks of a launch that run; 0 is all. Results are then incomplete.
	Sample int
	// Registers gives the registers of a thread of an entry point of a module, 0 where they are not known: for the occupancy of a profile.
	Registers func(module, entry string) int
}

// DefaultSteps is the number of instructions after which a warp is taken to hang.
const DefaultSteps = 1 << 33

// Config is the shape of a launch.
type Config struct {
	Grid   [3]int // in blocks
	Block  [3]int // in threads
	Shared int    // bytes of dynamic shared memory
}

// Blocks is the number of blocks.
func (c Config) Blocks() int { return c.Grid[0] * c.Grid[1] * c.Grid[2] }

// Threads is the number of threads of a block.
func (c Config) Threads() int { return c.Block[0] * c.Block[1] * c.Block[2] }

// Report is what a launch did.
type Report struct {
	Kernel             string
	Config             Config
	WarpInstructions   int64
	ThreadInstructions int64 // each counted for the threads that were active
	Elapsed            time.Duration
	Profile            *Profile // with Options.Profile
}
