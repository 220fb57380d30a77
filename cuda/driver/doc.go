// Package driver is the loader of NVIDIA's driver beneath gorgonia.org/cu, and the rest of the driver's interface.
//
// It defines the functions that gorgonia.org/cu links against itself, finds libcuda.so.1 when the program runs and forwards each call to it. So one
// binary runs on machines with a GPU and without, and nothing of the CUDA toolkit is needed to build it. What gorgonia.org/cu does not wrap (attributes
// of functions, stream capture and graphs, stream-ordered and pinned memory, launches without copies of their arguments, the compiler's log) are Go
// functions here. Simulate adds devices that the calls reach in the same way, executed by package cuda/sim.
//
// All this needs the build tag gpu, cgo, and a compiler and linker that find this package's include folder and an empty libcuda.a: make sets them. In
// other builds the package has only Open, which says so.
//
// This package must never import the kernels or anything above them.
package driver
