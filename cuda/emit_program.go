package cuda

import (
	"fmt"
	"strings"

	"palladio/kernels"
)

// eltStep is an operation that is left of a program after simplification.
type eltStep struct {
	op     kernels.EltOp
	value  int // the value that it computes, numbered as in kernels.Instr
	args   []int
	negate [3]bool // arguments of an FMA whose sign changes
	imm    float64
}

func (s eltStep) String() string {
	if s.op == kernels.Imm {
		return fmt.Sprintf("%%%d = %v", s.value, s.imm)
	}
	var args []string
	for i, a := range s.args {
		sign := ""
		if s.negate[i] {
			sign = "-"
		}
		args = append(args, fmt.Sprintf("%s%%%d", sign, a))
	}
	return fmt.Sprintf("%%%d = %s(%s)", s.value, s.op, strings.Join(args, ", "))
}

// simplify drops copies and unused steps, and joins a product that only a sum or difference reads with it. It returns the steps and, for each
// value of the program, the one that holds it.
func simplify(k kernels.Elementwise) ([]eltStep, []int) {
	inputs := len(k.Inputs)
	value := make([]int, inputs+len(k.Code))
	for i := range inputs {
		value[i] = i
	}
	var steps []eltStep
	at := map[int]int{} // the step that computes a value
	readers := map[int]int{}
	for i, c := range k.Code {
		v := inputs + i
		value[v] = v
		if c.Op == kernels.Copy {
			value[v] = value[c.A]
			continue
		}
		s := eltStep{op: c.Op, value: v, imm: c.Imm}
		for _, a := range []int{c.A, c.B, c.C}[:c.Op.Arity()] {
			s.args = append(s.args, value[a])
			readers[value[a]]++
		}
		at[v] = len(steps)
		steps = append(steps, s)
	}
	for _, o := range k.Outputs {
		readers[value[o.Value]]++
	}
	for i := range steps {
		contract(steps, i, at, readers)
	}
	return live(steps, value, k.Outputs), value
}

// contract turns step i, a sum or difference, into an FMA where one of its terms is a product that nothing else reads.
func contract(steps []eltStep, i int, at, readers map[int]int) {
	s := &steps[i]
	if s.op != kernels.Add && s.op != kernels.Sub {
		return
	}
	for j := range 2 {
		p, ok := at[s.args[j]]
		if !ok || readers[s.args[j]] != 1 || steps[p].op != kernels.Mul && steps[p].op != kernels.Square {
			continue
		}
		a, b := steps[p].args[0], steps[p].args[len(steps[p].args)-1]
		other := s.args[1-j]
		subtract := s.op == kernels.Sub
		*s = eltStep{op: kernels.FMA, value: s.value, args: []int{a, b, other}, negate: [3]bool{subtract && j == 1, false, subtract && j == 0}}
		readers[steps[p].value] = 0
		return
	}
}

// live keeps the steps that outputs depend on.
func live(steps []eltStep, value []int, outputs []kernels.EltOutput) []eltStep {
	wanted := map[int]bool{}
	for _, o := range outputs {
		wanted[value[o.Value]] = true
	}
	keep := make([]bool, len(steps))
	for i := len(steps) - 1; i >= 0; i-- {
		if keep[i] = wanted[steps[i].value]; keep[i] {
			for _, a := range steps[i].args {
				wanted[a] = true
			}
		}
	}
	var out []eltStep
	for i, s := range steps {
		if keep[i] {
			out = append(out, s)
		}
	}
	return out
}
