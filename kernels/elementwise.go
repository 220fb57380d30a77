package kernels

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// EltOp is an operation on single elements.
type EltOp uint8

// The element operations. Comparisons, logic and Not give 1 or 0; a NaN counts as true. Unary operations read A, binary A and B,
// ternary A, B and C. Which of two zeros of unlike sign is the larger is left open. The activations that multiply A by a factor that
// vanishes (GELU, GELUTanh, SiLU, HardSwish) give NaN at -Inf, as their formulas do.
const (
	NoOp EltOp = iota // in an epilogue: no activation
	Imm               // the constant Instr.Imm; no operand

	Copy // A
	Neg
	Abs
	Sign // -1, 1; zeros and NaN stay as they are
	Square
	Cube
	Sqrt
	Rsqrt // 1/sqrt(A)
	Recip // 1/A
	Floor
	Ceil
	Round // half to even
	Exp
	Exp2
	Expm1
	Log
	Log2
	Log1p
	Sin
	Cos
	Tan
	Tanh
	Erf
	Sigmoid   // 1/(1+exp(-A))
	Softplus  // log(1+exp(A)), without overflow
	ReLU      // max(A, 0); NaN stays NaN
	GELU      // A/2 (1+erf(A/sqrt 2)), Hendrycks & Gimpel 2016
	GELUTanh  // its tanh form, A/2 (1+tanh(sqrt(2/pi) (A + 0.044715 A³)))
	SiLU      // A sigmoid(A)
	HardSwish // A clamp(A+3, 0, 6)/6, Howard et al. 2019
	Not       // A == 0

	Add
	Sub
	Mul
	Div
	Pow // as C99 and Go
	Max // NaN if either is NaN
	Min
	Mod // A - B trunc(A/B), with the sign of A (fmod)
	Lt
	Le
	Gt
	Ge
	Eq
	Ne
	And // A != 0 && B != 0
	Or

	FMA    // A*B + C
	Select // A != 0 ? B : C
	Clamp  // min(max(A, B), C)

	numEltOps
)

var eltOps = [numEltOps]struct {
	name  string
	arity int
	flops int64 // what one element counts for
}{
	NoOp: {"none", 0, 0}, Imm: {"imm", 0, 0},
	Copy: {"copy", 1, 0}, Neg: {"neg", 1, 1}, Abs: {"abs", 1, 1}, Sign: {"sign", 1, 1}, Square: {"square", 1, 1}, Cube: {"cube", 1, 2},
	Sqrt: {"sqrt", 1, 1}, Rsqrt: {"rsqrt", 1, 1}, Recip: {"recip", 1, 1}, Floor: {"floor", 1, 1}, Ceil: {"ceil", 1, 1}, Round: {"round", 1, 1},
	Exp: {"exp", 1, 1}, Exp2: {"exp2", 1, 1}, Expm1: {"expm1", 1, 1}, Log: {"log", 1, 1}, Log2: {"log2", 1, 1}, Log1p: {"log1p", 1, 1},
	Sin: {"sin", 1, 1}, Cos: {"cos", 1, 1}, Tan: {"tan", 1, 1}, Tanh: {"tanh", 1, 1}, Erf: {"erf", 1, 1},
	Sigmoid: {"sigmoid", 1, 1}, Softplus: {"softplus", 1, 1}, ReLU: {"relu", 1, 1}, GELU: {"gelu", 1, 1}, GELUTanh: {"gelu_tanh", 1, 1},
	SiLU: {"silu", 1, 1}, HardSwish: {"hardswish", 1, 1}, Not: {"not", 1, 1},
	Add: {"add", 2, 1}, Sub: {"sub", 2, 1}, Mul: {"mul", 2, 1}, Div: {"div", 2, 1}, Pow: {"pow", 2, 1}, Max: {"max", 2, 1}, Min: {"min", 2, 1}, Mod: {"mod", 2, 1},
	Lt: {"lt", 2, 1}, Le: {"le", 2, 1}, Gt: {"gt", 2, 1}, Ge: {"ge", 2, 1}, Eq: {"eq", 2, 1}, Ne: {"ne", 2, 1}, And: {"and", 2, 1}, Or: {"or", 2, 1},
	FMA: {"fma", 3, 2}, Select: {"select", 3, 1}, Clamp: {"clamp", 3, 2},
}

// Arity is the number of operands that the operation reads.
func (o EltOp) Arity() int {
	if o >= numEltOps {
		return 0
	}
	return eltOps[o].arity
}

func (o EltOp) String() string {
	if o >= numEltOps {
		return fmt.Sprintf("eltop(%d)", uint8(o))
	}
	return eltOps[o].name
}

// Instr is one step of an element-wise program. A, B and C name values: 0 … len(Inputs)-1 are the inputs,
// len(Inputs)+i is the result of step i.
type Instr struct {
	Op      EltOp
	A, B, C int
	Imm     float64 // the constant of Imm
}

// EltInput is one input of an element-wise program.
type EltInput struct {
	Type DType
	// Strides are the steps in elements along each axis of the kernel's Shape; 0 repeats (broadcasts) the input along the axis.
	Strides []int
}

// EltOutput is one output of an element-wise program: dense, of the kernel's Shape.
type EltOutput struct {
	Type  DType
	Value int // which value, as in Instr
}

// Elementwise computes a program at each element of Shape in one pass: any chain of unary, binary and ternary operations with
// NumPy broadcasting, in the arithmetic of Type: each step is rounded to Type, except that a device may contract a product and a
// sum that follow one another into one FMA.
//
// Inputs of types F32, F64, F16, BF16, I32, I64, U8 and Bool are rounded to Type (so integers are exact up to 2^24 in F32, 2^53 in F64).
// Outputs may have the same types: F16 and BF16 are rounded to the nearest (from F64 by way of F32 for BF16), integers towards zero and
// saturating, with NaN as 0; Bool says whether the value differs from 0.
//
// Operands: the inputs, then the outputs.
type Elementwise struct {
	Type    DType // F32 or F64; inputs are converted to it, outputs from it
	Shape   []int
	Inputs  []EltInput
	Code    []Instr
	Outputs []EltOutput
}

// shape is the shape of the input's memory: the kernel's shape with 1 along repeated axes, or, where the strides leave gaps or
// overlap, the number of elements from the first to the last.
func (in EltInput) shape(full []int) []int {
	shape := slices.Clone(full)
	span := 1
	for d, s := range in.Strides {
		if full[d] == 0 {
			return shape
		}
		if s == 0 {
			shape[d] = 1
		}
		span += (full[d] - 1) * s
	}
	if span != Elems(shape) {
		return []int{span}
	}
	return shape
}

// Family is "elementwise".
func (k Elementwise) Family() string { return "elementwise" }

// Operands lists in0, in1, …, out0, out1, …
func (k Elementwise) Operands() []Operand {
	var ops []Operand
	for i, in := range k.Inputs {
		ops = append(ops, Operand{fmt.Sprintf("in%d", i), In, in.Type, in.shape(k.Shape)})
	}
	for i, out := range k.Outputs {
		ops = append(ops, Operand{fmt.Sprintf("out%d", i), Out, out.Type, k.Shape})
	}
	return ops
}

// Validate checks types, strides and the program.
func (k Elementwise) Validate() error {
	if k.Type != F32 && k.Type != F64 {
		return fmt.Errorf("elementwise: computes in f32 or f64, not %s", k.Type)
	}
	if err := CheckShape("elementwise", k.Shape, 0); err != nil {
		return err
	}
	for i, in := range k.Inputs {
		if len(in.Strides) != len(k.Shape) {
			return fmt.Errorf("elementwise: input %d has %d strides for %d axes", i, len(in.Strides), len(k.Shape))
		}
		span := 1.0
		for d, s := range in.Strides {
			if s < 0 {
				return fmt.Errorf("elementwise: input %d has stride %d along axis %d, want 0 or more", i, s, d)
			}
			span += float64(s) * float64(k.Shape[d])
		}
		if span > math.MaxInt/16 {
			return fmt.Errorf("elementwise: input %d with strides %v over shape %v has too many elements", i, in.Strides, k.Shape)
		}
		if !eltType(in.Type) {
			return fmt.Errorf("elementwise: input %d has type %s, want f32, f64, f16, bf16, i32, i64, u8 or bool", i, in.Type)
		}
	}
	for i, c := range k.Code {
		args := [3]int{c.A, c.B, c.C}
		if c.Op == NoOp || c.Op >= numEltOps {
			return fmt.Errorf("elementwise: step %d has operation %s", i, c.Op)
		}
		for j := range c.Op.Arity() {
			if args[j] < 0 || args[j] >= len(k.Inputs)+i {
				return fmt.Errorf("elementwise: step %d (%s) reads value %d, want 0 to %d", i, c.Op, args[j], len(k.Inputs)+i-1)
			}
		}
	}
	if len(k.Outputs) == 0 {
		return fmt.Errorf("elementwise: no output")
	}
	for i, out := range k.Outputs {
		if out.Value < 0 || out.Value >= len(k.Inputs)+len(k.Code) {
			return fmt.Errorf("elementwise: output %d is value %d, want 0 to %d", i, out.Value, len(k.Inputs)+len(k.Code)-1)
		}
		if !eltType(out.Type) {
			return fmt.Errorf("elementwise: output %d has type %s, want f32, f64, f16, bf16, i32, i64, u8 or bool", i, out.Type)
		}
	}
	return nil
}

// eltType says whether element-wise programs read and write a type.
func eltType(t DType) bool {
	switch t {
	case F32, F64, F16, BF16, I32, I64, U8, Bool:
		return true
	}
	return false
}

// Cost counts one operation for each arithmetic step and element.
func (k Elementwise) Cost() Cost {
	var per int64
	for _, c := range k.Code {
		per += eltOps[c.Op].flops
	}
	return Traffic(k, per*int64(Elems(k.Shape)))
}

// MayAlias allows an output over a dense input of its own type.
func (k Elementwise) MayAlias(out, in int) bool {
	out -= len(k.Inputs)
	return in < len(k.Inputs) && out >= 0 && k.Outputs[out].Type == k.Inputs[in].Type &&
		slices.Equal(k.Inputs[in].Strides, DenseStrides(k.Shape))
}

// Tolerance allows a few units in the last place a step, and one more of a half-precision output, whose rounding may fall to either side;
// docs/vector-math.md has each function's bound on the CPU.
func (k Elementwise) Tolerance() Tolerance {
	e := k.Type.Epsilon() * float64(8+4*len(k.Code))
	t := Tolerance{Abs: e * 0x1p-20, Rel: e, Norm: e / 4}
	for _, o := range k.Outputs {
		if o.Type == F16 || o.Type == BF16 {
			t.Rel = max(t.Rel, 2.01*o.Type.Epsilon())
		}
		if o.Type == F16 {
			t.Abs = max(t.Abs, 0x1p-24) // its smallest denormal number
		}
	}
	return t
}

func (k Elementwise) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "elementwise %s %s", k.Type, dims(k.Shape))
	for _, in := range k.Inputs {
		fmt.Fprintf(&b, " %s%v", in.Type, in.Strides)
	}
	b.WriteString(":")
	for i, c := range k.Code {
		fmt.Fprintf(&b, " %%%d=%s", len(k.Inputs)+i, c.Op)
		switch c.Op.Arity() {
		case 0:
			fmt.Fprintf(&b, "(%v)", c.Imm)
		case 1:
			fmt.Fprintf(&b, "(%d)", c.A)
		case 2:
			fmt.Fprintf(&b, "(%d,%d)", c.A, c.B)
		case 3:
			fmt.Fprintf(&b, "(%d,%d,%d)", c.A, c.B, c.C)
		}
	}
	b.WriteString(" ->")
	for _, o := range k.Outputs {
		fmt.Fprintf(&b, " %s%%%d", o.Type, o.Value)
	}
	return b.String()
}

// DenseStrides are the strides of a contiguous row-major tensor; axes of extent 1 get stride 0, so that equal layouts compare equal.
func DenseStrides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 {
			s[i] = n
		}
		n *= shape[i]
	}
	return s
}
