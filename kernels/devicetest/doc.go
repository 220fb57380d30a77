// Package devicetest is the conformance suite of devices: it runs the table of kernels.Cases on a device and compares with a
// reference device.
//
// Each case runs several times on guarded memory: canaries on both sides of every operand and of the workspace, outputs
// and workspace filled with one pattern and then another, operands at 64-byte boundaries and then at odd element offsets, and
// an output over an input wherever the kernel allows it. The device passes when every result lies within the
// kernel's tolerance of the reference, equal runs give equal bits, and nothing but the outputs has changed.
// Data goes through Memory.Upload and Download only, so devices without host memory run the same suite.
//
// It serves tests (All), the command `palladio check` (Trial), and authors of devices of their own. It must never import a device.
package devicetest
