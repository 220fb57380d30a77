package cuda

import (
	"fmt"
	"strings"
)

// emitter writes the text of a PTX module with one entry point. Registers are declared where their scope begins; names are given in the order
// in which they are asked for, so that equal kernels make equal text.
type emitter struct {
	entry     string
	comments  []string
	params    []string // declarations
	variables []string // of the module, such as tables of constants
	scopes    []*emitScope
	labels    int
}

// emitScope is a level of braces: its registers, by type in order of appearance, and its instructions.
type emitScope struct {
	types []string
	regs  map[string][]string
	code  strings.Builder
}

func newEmitter(entry string) *emitter {
	return &emitter{entry: entry, scopes: []*emitScope{newEmitScope()}}
}

func newEmitScope() *emitScope { return &emitScope{regs: map[string][]string{}} }

func (e *emitter) top() *emitScope { return e.scopes[len(e.scopes)-1] }

// reg declares a register in the innermost scope: b32, u64, f32, pred, …
func (e *emitter) reg(typ, name string) string {
	s := e.top()
	if s.regs[typ] == nil {
		s.types = append(s.types, typ)
	}
	name = "%" + name
	s.regs[typ] = append(s.regs[typ], name)
	return name
}

// temp declares a register with a name that no open scope has.
func (e *emitter) temp(typ string) string {
	n := 0
	for _, s := range e.scopes {
		n += len(s.regs[typ])
	}
	return e.reg(typ, fmt.Sprintf("%s_%d", typ, n))
}

// op writes one instruction.
func (e *emitter) op(opcode string, operands ...string) {
	fmt.Fprintf(&e.top().code, "%s%s %s;\n", e.indent(), opcode, strings.Join(operands, ", "))
}

// guarded writes an instruction that runs where a predicate holds.
func (e *emitter) guarded(pred, opcode string, operands ...string) {
	e.op("@"+pred+" "+opcode, operands...)
}

func (e *emitter) comment(format string, args ...any) {
	fmt.Fprintf(&e.top().code, "%s// %s\n", e.indent(), fmt.Sprintf(format, args...))
}

func (e *emitter) label(name string) { fmt.Fprintf(&e.top().code, "%s:\n", name) }

// newLabel makes a label that no other place of the text has.
func (e *emitter) newLabel(name string) string {
	e.labels++
	return fmt.Sprintf("$%s_%d", name, e.labels)
}

// param declares a parameter and returns its name.
func (e *emitter) param(typ, name string) string {
	e.params = append(e.params, fmt.Sprintf("\t.param .%s %s", typ, name))
	return name
}

// variable puts a declaration before the entry point, once.
func (e *emitter) variable(text string) {
	for _, v := range e.variables {
		if v == text {
			return
		}
	}
	e.variables = append(e.variables, text)
}

func (e *emitter) indent() string { return strings.Repeat("\t", len(e.scopes)) }

// begin opens a scope, end closes it and puts its text into the outer one.
func (e *emitter) begin() { e.scopes = append(e.scopes, newEmitScope()) }

func (e *emitter) end() {
	s := e.top()
	indent := e.indent()
	e.scopes = e.scopes[:len(e.scopes)-1]
	out := &e.top().code
	fmt.Fprintf(out, "%s{\n%s%s%s}\n", indent[1:], s.declarations(indent), s.code.String(), indent[1:])
}

// declarations lists the registers of a scope, at most so many a line.
func (s *emitScope) declarations(indent string) string {
	const perLine = 12
	var b strings.Builder
	for _, t := range s.types {
		for regs := s.regs[t]; len(regs) > 0; {
			n := min(perLine, len(regs))
			fmt.Fprintf(&b, "%s.reg .%s %s;\n", indent, t, strings.Join(regs[:n], ", "))
			regs = regs[n:]
		}
	}
	return b.String()
}

// text is the module for blocks of the given number of threads.
func (e *emitter) text(threads int) string {
	var b strings.Builder
	for _, c := range e.comments {
		fmt.Fprintf(&b, "// %s\n", c)
	}
	b.WriteString(".version 7.4\n.target sm_80\n.address_size 64\n\n")
	for _, v := range e.variables {
		b.WriteString(v + "\n\n")
	}
	fmt.Fprintf(&b, ".visible .entry %s(\n%s\n)\n.maxntid %d, 1, 1\n{\n", e.entry, strings.Join(e.params, ",\n"), threads)
	s := e.scopes[0]
	b.WriteString(s.declarations("\t"))
	b.WriteString(s.code.String())
	b.WriteString("\tret;\n}\n")
	return b.String()
}
