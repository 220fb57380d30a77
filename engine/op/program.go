package op

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"palladio/kernels"
)

// program is a chain of element-wise operations: values 0 … inputs-1 are its inputs, inputs+i the result of step i; out is the
// value it returns.
type program struct {
	inputs int
	code   []kernels.Instr
	out    int
}

// none marks a derivative that is zero everywhere.
const none = -1

// builder writes programs, sharing equal steps and leaving out what changes nothing.
type builder struct {
	program
	memo map[kernels.Instr]int
}

func newBuilder(inputs int) *builder {
	return &builder{program{inputs: inputs}, map[kernels.Instr]int{}}
}

func (b *builder) imm(v float64) int {
	return b.step(kernels.Instr{Op: kernels.Imm, Imm: v})
}

func (b *builder) step(i kernels.Instr) int {
	shared := i.Op != kernels.Imm || i.Imm != 0 || !math.Signbit(i.Imm) // -0 equals 0 as a key; NaN never matches
	if v, ok := b.memo[i]; ok && shared {
		return v
	}
	b.code = append(b.code, i)
	v := b.inputs + len(b.code) - 1
	if shared {
		b.memo[i] = v
	}
	return v
}

// is says whether value v is the constant c.
func (b *builder) is(v int, c float64) bool {
	return v >= b.inputs && b.code[v-b.inputs].Op == kernels.Imm && b.code[v-b.inputs].Imm == c
}

// do appends an operation and returns its value.
func (b *builder) do(o kernels.EltOp, args ...int) int {
	i := kernels.Instr{Op: o}
	for j, p := range []*int{&i.A, &i.B, &i.C}[:len(args)] {
		*p = args[j]
	}
	switch {
	case o == kernels.Copy:
		return i.A
	case o == kernels.Mul && b.is(i.A, 1), o == kernels.Add && b.is(i.A, 0):
		return i.B
	case (o == kernels.Mul || o == kernels.Div) && b.is(i.B, 1), o == kernels.Add && b.is(i.B, 0):
		return i.A
	}
	return b.step(i)
}

// scale multiplies a value by a constant.
func (b *builder) scale(v int, c float64) int { return b.do(kernels.Mul, v, b.imm(c)) }

// shift adds a constant to a value.
func (b *builder) shift(v int, c float64) int { return b.do(kernels.Add, v, b.imm(c)) }

// prune drops the steps that the result does not need, and returns which inputs it needs.
func (p program) prune() (program, []int) {
	live := make([]bool, p.inputs+len(p.code))
	live[p.out] = true
	for i := len(p.code) - 1; i >= 0; i-- {
		if live[p.inputs+i] {
			for _, a := range operands(p.code[i]) {
				live[a] = true
			}
		}
	}
	var used []int
	at := make([]int, len(live))
	for i := range p.inputs {
		if live[i] {
			at[i] = len(used)
			used = append(used, i)
		}
	}
	q := program{inputs: len(used)}
	for i, c := range p.code {
		if !live[p.inputs+i] {
			continue
		}
		n := c.Op.Arity()
		for j, f := range []*int{&c.A, &c.B, &c.C} {
			if j < n {
				*f = at[*f]
			}
		}
		at[p.inputs+i] = q.inputs + len(q.code)
		q.code = append(q.code, c)
	}
	q.out = at[p.out]
	return q, used
}

// operands lists the values that a step reads.
func operands(i kernels.Instr) []int { return []int{i.A, i.B, i.C}[:i.Op.Arity()] }

// varies says for each value whether it changes smoothly with input in, so that a derivative exists.
func (p program) varies(in int) []bool {
	v := make([]bool, p.inputs+len(p.code))
	v[in] = true
	for i, c := range p.code {
		for j, a := range operands(c) {
			if v[a] && smooth(c.Op, j) {
				v[p.inputs+i] = true
			}
		}
	}
	return v
}

// smooth says whether operation o has a derivative other than zero by its operand j.
func smooth(o kernels.EltOp, j int) bool {
	switch o {
	case kernels.Sign, kernels.Floor, kernels.Ceil, kernels.Round, kernels.Not, kernels.Lt, kernels.Le, kernels.Gt, kernels.Ge,
		kernels.Eq, kernels.Ne, kernels.And, kernels.Or:
		return false
	case kernels.Select:
		return j > 0
	}
	return true
}

// derive writes the program of dy * ∂out/∂in by the chain rule. Its inputs are p's own, then p's result y, then dy.
func (p program) derive(in int) program {
	b := newBuilder(p.inputs + 2)
	y, dy := p.inputs, p.inputs+1
	at := make([]int, p.inputs+len(p.code)) // p's values in b
	for i := range p.inputs {
		at[i] = i
	}
	for i, c := range p.code {
		v := p.inputs + i
		if v == p.out {
			at[v] = y
			continue
		}
		if c.Op == kernels.Imm {
			at[v] = b.imm(c.Imm)
			continue
		}
		args := slices.Clone(operands(c))
		for j := range args {
			args[j] = at[args[j]]
		}
		at[v] = b.do(c.Op, args...)
	}
	varies := p.varies(in)
	d := slices.Repeat([]int{none}, len(at)) // derivatives by p's values
	d[p.out] = dy
	for i := len(p.code) - 1; i >= 0; i-- {
		v, c := p.inputs+i, p.code[i]
		if d[v] == none || !varies[v] {
			continue
		}
		for j, a := range operands(c) {
			if !varies[a] || !smooth(c.Op, j) {
				continue
			}
			t := b.partial(c, j, at, at[v], d[v])
			if d[a] == none {
				d[a] = t
			} else {
				d[a] = b.do(kernels.Add, d[a], t)
			}
		}
	}
	if b.out = d[in]; b.out == none {
		b.out = b.imm(0)
	}
	return b.program
}

// partial writes d * ∂c/∂operand j, where at maps the operands to values and r is the result of c.
func (b *builder) partial(c kernels.Instr, j int, at []int, r, d int) int {
	var x [3]int
	for k, a := range operands(c) {
		x[k] = at[a]
	}
	if len(operands(c)) == 1 {
		return b.partialUnary(c.Op, x[0], r, d)
	}
	mul := func(u, v int) int { return b.do(kernels.Mul, u, v) }
	zero := func() int { return b.imm(0) }
	switch c.Op {
	case kernels.Add:
		return d
	case kernels.Sub:
		if j == 0 {
			return d
		}
		return b.do(kernels.Neg, d)
	case kernels.Mul:
		return mul(d, x[1-j])
	case kernels.Div:
		if j == 0 {
			return b.do(kernels.Div, d, x[1])
		}
		return b.do(kernels.Neg, b.do(kernels.Div, mul(d, r), x[1]))
	case kernels.Pow:
		if j == 0 { // b a^(b-1)
			return mul(d, mul(x[1], b.do(kernels.Pow, x[0], b.shift(x[1], -1))))
		}
		t := mul(d, mul(r, b.do(kernels.Log, x[0]))) // a^b log a, 0 where a is not positive
		return b.do(kernels.Select, b.do(kernels.Gt, x[0], zero()), t, zero())
	case kernels.Max, kernels.Min: // a tie goes to the first operand
		o := kernels.Ge
		if c.Op == kernels.Min {
			o = kernels.Le
		}
		first := b.do(o, x[0], x[1])
		if j == 0 {
			return b.do(kernels.Select, first, d, zero())
		}
		return b.do(kernels.Select, first, zero(), d)
	case kernels.Mod:
		if j == 0 {
			return d
		}
		return b.do(kernels.Neg, mul(d, b.do(kernels.Floor, b.do(kernels.Div, x[0], x[1]))))
	case kernels.FMA:
		if j == 2 {
			return d
		}
		return mul(d, x[1-j])
	case kernels.Select:
		if j == 1 {
			return b.do(kernels.Select, x[0], d, zero())
		}
		return b.do(kernels.Select, x[0], zero(), d)
	case kernels.Clamp:
		var inside int
		switch j {
		case 0:
			inside = b.do(kernels.And, b.do(kernels.Ge, x[0], x[1]), b.do(kernels.Le, x[0], x[2]))
		case 1:
			inside = b.do(kernels.And, b.do(kernels.Lt, x[0], x[1]), b.do(kernels.Le, x[1], x[2]))
		default:
			inside = b.do(kernels.Gt, b.do(kernels.Max, x[0], x[1]), x[2])
		}
		return b.do(kernels.Select, inside, d, zero())
	}
	return b.imm(math.NaN())
}

// partialUnary writes d * f'(a), where r = f(a).
func (b *builder) partialUnary(o kernels.EltOp, a, r, d int) int {
	mul := func(u, v int) int { return b.do(kernels.Mul, u, v) }
	oneMinus := func(v int) int { return b.do(kernels.Sub, b.imm(1), v) }
	switch o {
	case kernels.Copy:
		return d
	case kernels.Neg:
		return b.do(kernels.Neg, d)
	case kernels.Abs:
		return mul(d, b.do(kernels.Sign, a))
	case kernels.Square:
		return mul(d, b.scale(a, 2))
	case kernels.Cube:
		return mul(d, b.scale(b.do(kernels.Square, a), 3))
	case kernels.Sqrt:
		return b.do(kernels.Div, b.scale(d, 0.5), r)
	case kernels.Rsqrt:
		return mul(d, b.scale(b.do(kernels.Cube, r), -0.5))
	case kernels.Recip:
		return b.do(kernels.Neg, mul(d, b.do(kernels.Square, r)))
	case kernels.Exp:
		return mul(d, r)
	case kernels.Exp2:
		return mul(d, b.scale(r, math.Ln2))
	case kernels.Expm1:
		return mul(d, b.shift(r, 1))
	case kernels.Log:
		return b.do(kernels.Div, d, a)
	case kernels.Log2:
		return b.do(kernels.Div, b.scale(d, 1/math.Ln2), a)
	case kernels.Log1p:
		return b.do(kernels.Div, d, b.shift(a, 1))
	case kernels.Sin:
		return mul(d, b.do(kernels.Cos, a))
	case kernels.Cos:
		return b.do(kernels.Neg, mul(d, b.do(kernels.Sin, a)))
	case kernels.Tan:
		return mul(d, b.shift(b.do(kernels.Square, r), 1))
	case kernels.Tanh:
		return mul(d, oneMinus(b.do(kernels.Square, r)))
	case kernels.Erf: // 2/sqrt(pi) exp(-a^2)
		return mul(d, b.scale(b.do(kernels.Exp, b.do(kernels.Neg, b.do(kernels.Square, a))), 2/math.Sqrt(math.Pi)))
	case kernels.Sigmoid:
		return mul(d, mul(r, oneMinus(r)))
	case kernels.Softplus:
		return mul(d, b.do(kernels.Sigmoid, a))
	case kernels.ReLU: // by the result, so that the input need not be kept
		return b.do(kernels.Select, b.do(kernels.Gt, r, b.imm(0)), d, b.imm(0))
	case kernels.GELU: // Phi(a) + a phi(a)
		cdf := b.scale(b.shift(b.do(kernels.Erf, b.scale(a, math.Sqrt2/2)), 1), 0.5)
		pdf := b.scale(b.do(kernels.Exp, b.scale(b.do(kernels.Square, a), -0.5)), 1/math.Sqrt(2*math.Pi))
		return mul(d, b.do(kernels.FMA, a, pdf, cdf))
	case kernels.GELUTanh: // a/2 (1 + tanh(u)), u = k (a + 0.044715 a^3)
		k := math.Sqrt(2 / math.Pi)
		a2 := b.do(kernels.Square, a)
		t := b.do(kernels.Tanh, mul(a, b.shift(b.scale(a2, k*0.044715), k)))
		du := b.shift(b.scale(a2, 3*k*0.044715), k)
		s := mul(mul(b.scale(a, 0.5), oneMinus(b.do(kernels.Square, t))), du)
		return mul(d, b.do(kernels.FMA, b.shift(t, 1), b.imm(0.5), s))
	case kernels.SiLU: // s + r (1 - s)
		s := b.do(kernels.Sigmoid, a)
		return mul(d, b.do(kernels.FMA, r, oneMinus(s), s))
	case kernels.HardSwish: // 0 below -3, 1 above 3, (2a+3)/6 between
		mid := b.scale(b.shift(b.scale(a, 2), 3), 1.0/6)
		s := b.do(kernels.Select, b.do(kernels.Ge, a, b.imm(3)), b.imm(1), mid)
		return b.do(kernels.Select, b.do(kernels.Gt, a, b.imm(-3)), mul(d, s), b.imm(0))
	}
	return b.imm(math.NaN())
}

// String spells the program as the kernel's own name does.
func (p program) String() string {
	var s strings.Builder
	for i, c := range p.code {
		if i > 0 {
			s.WriteByte(' ')
		}
		if c.Op == kernels.Imm {
			fmt.Fprintf(&s, "%%%d=%v", p.inputs+i, c.Imm)
			continue
		}
		fmt.Fprintf(&s, "%%%d=%s%v", p.inputs+i, c.Op, operands(c))
	}
	fmt.Fprintf(&s, " ->%%%d", p.out)
	return s.String()
}
