// Package cuda runs kernels on NVIDIA GPUs and on the simulated one.
//
// A kernel of package kernels is lowered to a Program: launches of entry points of the PTX that ships in kernels/NAME (embedded), or of
// PTX text that is made here, as for chains of element-wise operations. Programs know operands by number only, so the same Program runs on
// every GPU of the same limits. A Device prepares programs and launches them through a driver: NVIDIA's by way of gorgonia.org/cu (in
// builds with the tag gpu), or the simulator of cuda/sim called directly.
//
// Data comes in as kernels and device addresses and goes out to the driver. This package must never compute on the host what a
// kernel means (that is fallback/ref), and never import the engine.
package cuda
