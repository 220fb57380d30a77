// Package sim is a GPU in software: it executes the PTX that ships, warp by warp, on the CPU's cores.
//
// A Chip says what is simulated (its limits and its rates). New makes a GPU of it, with memory of its own. Load parses a module, places its
// variables and hands out its entry points; Launch runs one over a grid. An entry point is decoded once: registers become slots, each
// instruction an operation over 32 lanes, basic blocks are laid out in an order in which threads that diverge meet again as early
// as possible. Blocks run in parallel, the warps of a block in turn until they wait for each other.
//
// What goes wrong is an error that names the kernel, the line of the PTX, block, thread and address; nothing panics, whatever the PTX is, and a
// kernel that does not end is stopped by its context or by the limit on instructions. Observers see every access, barrier and branch, for the checks
// and for the profile; they cost nothing when they are absent.
//
// This package must never import another package of the project than cuda/sim/ptx.
package sim
