package sim

import "fmt"

// Occupancy is how many blocks of a kernel are resident on a multiprocessor of a chip, and what limits them.
type Occupancy struct {
	Registers int     `json:"registers"`     // of a thread
	Shared    int     `json:"shared"`        // bytes of a block
	Threads   int     `json:"threads"`       // of a block
	Blocks    int     `json:"blocks_per_sm"` //
	Warps     int     `json:"warps_per_sm"`  //
	Limiter   string  `json:"limiter"`       // registers, shared memory, warps or blocks
	Share     float64 `json:"occupancy"`     // Warps of the chip's most
	// Estimated says that Registers comes from the PTX and not from the assembler.
	Estimated bool `json:"registers_estimated,omitempty"`
}

// Occupancy is the occupancy of a kernel that needs so many registers a thread, bytes of shared memory a block (static and dynamic) and
// threads a block. No resident block is an error that names the resource. Rules: CUDA's occupancy calculator.
func (c *Chip) Occupancy(registers, shared, threads int) (Occupancy, error) {
	o := Occupancy{Registers: registers, Shared: shared, Threads: threads}
	switch {
	case threads < 1 || threads > c.ThreadsBlock:
		return o, fmt.Errorf("%s: %d threads a block: want 1 to %d", c.Name, threads, c.ThreadsBlock)
	case registers < 0 || registers > c.RegistersMax:
		return o, fmt.Errorf("%s: %d registers a thread: want at most %d", c.Name, registers, c.RegistersMax)
	case shared < 0 || shared > c.SharedBlock:
		return o, fmt.Errorf("%s: %d bytes of shared memory a block: want at most %d", c.Name, shared, c.SharedBlock)
	}
	warps := ceilDiv(threads, 32)
	o.Blocks, o.Limiter = c.Blocks, "blocks"
	limit := func(blocks int, what string) {
		if blocks < o.Blocks {
			o.Blocks, o.Limiter = blocks, what
		}
	}
	limit(c.Warps/warps, "warps")
	if registers > 0 {
		perWarp := roundUp(registers*32, c.RegisterUnit)
		resident := c.Registers / perWarp / c.SubCores * c.SubCores // each sub-core has its part of the registers
		limit(resident/warps, "registers")
	}
	limit(c.SharedSM/(roundUp(shared, c.SharedUnit)+c.SharedReserve), "shared memory")
	if o.Blocks == 0 {
		return o, fmt.Errorf("%s: no block fits a multiprocessor: %s (%d registers a thread, %d bytes of shared memory, %d threads a block)",
			c.Name, o.Limiter, registers, shared, threads)
	}
	o.Warps = o.Blocks * warps
	o.Share = float64(o.Warps) / float64(c.Warps)
	return o, nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func roundUp(a, unit int) int { return ceilDiv(a, unit) * unit }
