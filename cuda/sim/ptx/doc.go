// Package ptx reads and writes NVIDIA's PTX assembly, ISA 7.x and 8.x, as clang and nvcc emit it.
//
// Parse turns text into a Module: variables with their initial bytes, and functions whose bodies are flat lists of instructions. Names are
// resolved: registers, variables, labels and functions are indices and pointers, and what nested scopes hide is renamed. The
// instructions themselves are parsed by their shape alone; which opcodes exist, and what they mean, is the affair of the reader. An opcode that
// nobody knows is therefore no syntax error: Unknown lists them all, with their lines, for one report at load.
//
// Text comes from files that may be broken or hostile: every error has its line and column, sizes are limited, and nothing here panics.
// This package must never import another package of the project.
package ptx
