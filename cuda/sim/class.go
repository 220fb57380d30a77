package sim

import (
	"fmt"
	"slices"
	"strings"

	"palladio/cuda/sim/ptx"
)

// Class groups instructions that share a pipe and a rate.
type Class uint8

// The classes. Rates in a chip's table "instructions" are by class; tensor and memory instructions are priced by what they move or multiply.
const (
	Move       Class = iota // copies, addresses of parameters: the assembler removes nearly all
	FP32                    //
	Half                    // f16, bf16; packed ones count two results a lane
	FP64                    //
	SFU                     // reciprocal, square root, exponential, logarithm, sine, cosine, hyperbolic tangent
	Int                     // add, minimum, compare, select
	IntMul                  // multiply, multiply-add, dot product, shift
	Logic                   // and, or, xor, lop3, permute
	Bits                    // count, find and reverse bits
	Convert                 // between types of up to 32 bits
	Convert8                // from 8 or 16 bits to 32
	Convert64               // to or from 64-bit types
	Shuffle                 //
	Vote                    // vote, match, elect
	Redux                   // redux.sync
	Tensor                  // mma
	Memory                  // loads, stores, atomics, asynchronous copies, ldmatrix
	Control                 // branches, calls, returns
	Barrier                 // barriers, fences, waits for asynchronous copies
	NumClasses = iota
)

var classNames = [NumClasses]string{"move", "f32", "half", "f64", "sfu", "int", "int_mul", "logic", "bits", "convert", "convert_8", "convert_64",
	"shuffle", "vote", "redux", "tensor", "memory", "control", "barrier"}

func (c Class) String() string { return classNames[c] }

// MarshalText makes classes keys of JSON objects.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *Class) UnmarshalText(text []byte) error {
	i := slices.Index(classNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("no class of instructions %q: want %s", text, strings.Join(classNames[:], ", "))
	}
	*c = Class(i)
	return nil
}

// rateClasses lists the classes that a chip gives a rate for.
func rateClasses() []string {
	return slices.DeleteFunc(slices.Clone(classNames[:]), func(s string) bool { return s == Tensor.String() || s == Barrier.String() })
}

// work is what an instruction becomes on the machine: about so many instructions of a class and, for some, of a second one.
type work struct {
	class       Class
	count       float64
	second      Class
	secondCount float64
}

// classify says how the assembler is expected to implement an instruction. The counts are those of typical machine code, not exact.
func classify(in *ptx.Instr) work {
	t := in.Type(0)
	wide := t.Bits() == 64
	switch in.Op {
	case "mov", "cvta", "isspacep":
		for _, o := range in.Operands {
			if o.Kind == ptx.SpecialName {
				return work{class: Move, count: 1}
			}
		}
		return work{class: Move}
	case "ld", "ldu", "st", "atom", "red", "cp", "ldmatrix", "stmatrix", "prefetch", "prefetchu", "movmatrix":
		switch {
		case in.Space() == ptx.Param || in.Space() == ptx.Const:
			return work{class: Move} // an operand from the constant bank
		case in.Op == "cp" && (in.Has("commit_group") || in.Has("wait_group") || in.Has("wait_all")):
			return work{class: Barrier, count: 1}
		}
		return work{class: Memory, count: 1}
	case "mma", "wmma":
		return work{class: Tensor, count: 1}
	case "bra", "brx", "call", "ret", "exit", "trap", "brkpt", "nanosleep":
		return work{class: Control, count: 1}
	case "bar", "barrier", "membar", "fence":
		return work{class: Barrier, count: 1}
	case "shfl":
		return work{class: Shuffle, count: 1}
	case "vote", "match", "elect", "activemask":
		return work{class: Vote, count: 1}
	case "redux":
		return work{class: Redux, count: 1}
	case "cvt":
		return classifyCvt(in)
	}
	if t.Float() || in.Op == "testp" || in.Op == "copysign" {
		return classifyFloat(in, t)
	}
	return classifyInt(in, wide)
}

func classifyCvt(in *ptx.Instr) work {
	to, from := in.Type(0), in.Type(1)
	switch {
	case !to.Float() && !from.Float() && to.Bits() == 64:
		if from.Bits() == 64 {
			return work{class: Move}
		}
		return work{class: Move, count: 0.5} // the upper half: zero, or a shift
	case !to.Float() && !from.Float() && to.Bits() == 32 && from.Bits() < 32:
		return work{class: Convert8, count: 1}
	case !to.Float() && !from.Float():
		return work{class: Move, count: 0.5} // truncation
	case from == ptx.BF16 && to == ptx.F32:
		return work{class: Logic, count: 1} // a shift
	case to.Bits() == 64 || from.Bits() == 64:
		return work{class: Convert64, count: 1}
	}
	return work{class: Convert, count: 1}
}

func classifyFloat(in *ptx.Instr, t ptx.Type) work {
	c := FP32
	switch {
	case t == ptx.F64:
		c = FP64
	case t.Bits() == 16 || t == ptx.F16x2 || t == ptx.BF16x2:
		c = Half
	}
	approx := in.Has("approx")
	switch in.Op {
	case "setp", "set", "min", "max", "abs", "neg", "copysign", "testp", "selp", "slct":
		if c == FP32 {
			return work{class: Int, count: 1} // on the integer pipe
		}
		return work{class: c, count: 1}
	case "div":
		switch {
		case c == FP64:
			return work{FP64, 12, SFU, 1}
		case approx:
			return work{FP32, 2, SFU, 1}
		case in.Has("full"):
			return work{FP32, 4, SFU, 1}
		}
		return work{FP32, 9, SFU, 1}
	case "rcp", "sqrt", "rsqrt":
		switch {
		case c == FP64:
			return work{FP64, 10, SFU, 1}
		case approx:
			return work{class: SFU, count: 1}
		}
		return work{FP32, 7, SFU, 1}
	case "ex2", "lg2":
		if in.Has("ftz") || c == Half {
			return work{class: SFU, count: 1}
		}
		return work{FP32, 2, SFU, 1} // scaling of subnormal numbers
	case "sin", "cos":
		return work{FP32, 1, SFU, 1}
	case "tanh":
		return work{class: SFU, count: 1}
	}
	return work{class: c, count: 1}
}

func classifyInt(in *ptx.Instr, wide bool) work {
	n := 1.0
	if wide {
		n = 2
	}
	switch in.Op {
	case "mul", "mad", "mul24", "mad24", "madc":
		switch {
		case in.Has("wide"):
			return work{class: IntMul, count: 1}
		case wide:
			return work{class: IntMul, count: 4}
		}
		return work{class: IntMul, count: 1}
	case "dp2a", "dp4a", "shf":
		return work{class: IntMul, count: 1}
	case "shl", "shr":
		return work{class: IntMul, count: n}
	case "div", "rem":
		return work{class: Int, count: 25 * n * n, second: SFU, secondCount: 1}
	case "popc", "clz", "brev", "bfind", "fns":
		return work{class: Bits, count: n}
	case "bfe", "bfi", "szext", "bmsk":
		return work{class: IntMul, count: 2 * n}
	case "and", "or", "xor", "not", "cnot", "lop3", "prmt":
		if in.Type(0) == ptx.Pred {
			return work{class: Logic, count: 0.5} // often merged into the comparison
		}
		return work{class: Logic, count: n}
	}
	return work{class: Int, count: n}
}

// flops is the number of floating-point operations of one lane (a multiply-add is two), or of the whole warp for mma.
func flops(in *ptx.Instr) (count int, warp bool) {
	if in.Op == "mma" {
		m, n, k := mmaShape(in)
		return 2 * m * n * k, true
	}
	t := in.Type(0)
	if !t.Float() {
		return 0, false
	}
	per := 1
	if t == ptx.F16x2 || t == ptx.BF16x2 {
		per = 2
	}
	switch in.Op {
	case "fma", "mad":
		return 2 * per, false
	case "add", "sub", "mul", "div", "sqrt", "rsqrt", "rcp", "ex2", "lg2", "sin", "cos", "tanh":
		return per, false
	}
	return 0, false
}

// mmaShape is the shape of an mma instruction, 0 when its name has none.
func mmaShape(in *ptx.Instr) (m, n, k int) {
	for _, mod := range in.Mods {
		if m, n, k, ok := matrixShape(mod); ok {
			return m, n, k
		}
	}
	return 0, 0, 0
}

// tensorType is the key in a chip's table "tensor" of the factors of an mma instruction.
func tensorType(in *ptx.Instr) string {
	switch in.Type(1) { // D, A, B, C
	case ptx.F16:
		return "f16"
	case ptx.BF16:
		return "bf16"
	case ptx.TF32:
		return "tf32"
	case ptx.F64:
		return "f64"
	case ptx.B1:
		return "b1"
	}
	return "s8"
}
