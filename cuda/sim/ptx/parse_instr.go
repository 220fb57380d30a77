package ptx

import (
	"fmt"
	"slices"
	"strings"
)

// labelOrInstr reads a label with its colon, or an instruction.
func (p *parser) labelOrInstr() {
	if p.tok.kind == nameToken {
		t := p.tok
		p.advance()
		if p.accept(":") {
			p.label(t)
			return
		}
		p.instr(t, NoReg, false)
		return
	}
	p.advance() // @
	not := p.accept("!")
	t := p.tok
	r, n := p.lookupReg(p.name("a predicate register"))
	if n != 1 || p.fn.Regs[r].Type != Pred {
		fail(t.line, t.column, "the guard is %s: want a predicate register", t)
	}
	if t = p.tok; t.kind != nameToken {
		p.want("an instruction")
	}
	p.advance()
	p.instr(t, r, not)
}

// label notes a label, or the table that it names.
func (p *parser) label(t token) {
	s := p.inner()
	_, isLabel := s.labels[t.text]
	_, isTable := s.tables[t.text]
	if isLabel || isTable {
		fail(t.line, t.column, "label %s is defined already", t.text)
	}
	if strings.ContainsAny(t.text, ".:") {
		fail(t.line, t.column, "%s is no label: want a name without dots", t)
	}
	switch p.tok.text {
	case ".branchtargets", ".calltargets", ".callprototype":
		p.table(t)
		return
	}
	s.labels[t.text] = int32(len(p.fn.Labels))
	p.fn.Labels = append(p.fn.Labels, Label{p.unique(t.text), len(p.fn.Body)})
}

// table reads .branchtargets, .calltargets or .callprototype.
func (p *parser) table(t token) {
	number := len(p.fn.Tables)
	p.inner().tables[t.text] = int32(number)
	table := Table{Name: p.unique(t.text)}
	directive := p.tok.text
	p.advance()
	switch directive {
	case ".callprototype":
		table.Kind = CallPrototype
		if p.tok.is("(") {
			table.Returns = p.prototype()
		}
		if p.name("'_'") != "_" {
			p.want("'_' before this")
		}
		table.Params = p.prototype()
		for p.tok.kind == directiveToken {
			switch p.tok.text {
			case ".noreturn":
				table.NoReturn = true
			default:
				p.want("'.noreturn' or ';'")
			}
			p.advance()
		}
	case ".calltargets":
		table.Kind = CallTargets
		for {
			f := p.funcs[p.tok.text]
			if p.tok.kind != nameToken || f == nil {
				p.want("the name of a function")
			}
			p.advance()
			table.Funcs = append(table.Funcs, f)
			if !p.accept(",") {
				break
			}
		}
	default:
		for {
			l := p.tok
			name := p.plainName("a label")
			p.refs = append(p.refs, labelRef{name, l.line, l.column, -1, 0, number, len(table.Labels)})
			table.Labels = append(table.Labels, 0)
			if !p.accept(",") {
				break
			}
		}
	}
	p.expect(";")
	p.fn.Tables = append(p.fn.Tables, table)
}

// prototype reads the parameters of a prototype, whose names mean nothing.
func (p *parser) prototype() []*Var {
	save := p.body
	p.body = &body{fn: &Func{}, scopes: []*scope{newScope()}, names: map[string]int{}}
	list := p.params()
	p.body = save
	return list
}

// instr reads an instruction whose name is t, which is passed already.
func (p *parser) instr(t token, guard int32, not bool) {
	if p.instrs++; p.instrs > maxInstructions {
		fail(t.line, t.column, "the module has more than %d instructions", maxInstructions)
	}
	p.fn.Body = append(p.fn.Body, Instr{
		Line: t.line, Column: t.column, Source: p.loc, Guard: guard, GuardNot: not, Name: t.text,
	})
	in := &p.fn.Body[len(p.fn.Body)-1]
	name, ok := p.split[t.text]
	if !ok {
		name = splitName(t)
		p.split[t.text] = name
	}
	in.Op, in.Mods, in.Types = name.op, name.mods, name.types
	if in.Op == "call" {
		p.call(in)
		return
	}
	in.Operands = p.scratch[:0]
	for !p.accept(";") {
		if len(in.Operands) > 0 {
			p.expect(",")
		}
		if len(in.Operands) >= maxOperands {
			p.want(fmt.Sprintf("at most %d operands", maxOperands))
		}
		o, ref := p.operand()
		p.slot(in, o, ref)
	}
	p.scratch = in.Operands
	in.Operands = slices.Clone(in.Operands)
}

// nameParts is the parts of an instruction's name, which all instructions of that name share.
type nameParts struct {
	op    string
	mods  []string
	types []Type
}

// splitName sorts the parts of an instruction's name.
func splitName(t token) nameParts {
	if t.text[0] == '%' {
		fail(t.line, t.column, "%s is no instruction", t)
	}
	parts := strings.Split(t.text, ".")
	n := nameParts{op: parts[0]}
	for _, part := range parts[1:] {
		if t := typesByName[part]; t != NoType {
			n.types = append(n.types, t)
		} else {
			n.mods = append(n.mods, part)
		}
	}
	return n
}

// slot adds an operand; one whose kind is LabelName is resolved when its scope ends.
func (p *parser) slot(in *Instr, o Operand, ref *labelRef) {
	if ref != nil {
		ref.instr, ref.arg = len(p.fn.Body)-1, len(in.Operands)
		p.refs = append(p.refs, *ref)
	}
	in.Operands = append(in.Operands, o)
}

// call reads the operands of a call: (results), callee, (arguments), table, of which all but the callee may be missing.
func (p *parser) call(in *Instr) {
	in.Operands = make([]Operand, 0, 4)
	results := Operand{Kind: List, Reg: NoReg}
	if p.tok.is("(") {
		results = p.list()
		p.expect(",")
	} else if p.tok.kind == nameToken && p.tok.text == "_" {
		p.advance()
		p.expect(",")
	}
	p.slot(in, results, nil)
	t := p.tok
	callee, ref := p.operand()
	if ref != nil || callee.Kind != Function && callee.Kind != Register {
		fail(t.line, t.column, "%s is called: want a function that is declared, or a register", t)
	}
	p.slot(in, callee, nil)
	args := Operand{Kind: List, Reg: NoReg}
	table, ref := Operand{Reg: NoReg}, nil
	if p.accept(",") {
		if p.tok.is("(") {
			args = p.list()
			if p.accept(",") {
				table, ref = p.operand()
			}
		} else if p.tok.kind == nameToken && p.tok.text == "_" {
			p.advance()
			if p.accept(",") {
				table, ref = p.operand()
			}
		} else {
			table, ref = p.operand()
		}
	}
	p.slot(in, args, nil)
	p.slot(in, table, ref)
	p.expect(";")
}

// list reads operands in parentheses.
func (p *parser) list() Operand {
	p.expect("(")
	o := Operand{Kind: List, Reg: NoReg}
	o.Elems = p.elements(")")
	return o
}

// elements reads operands up to the closing mark.
func (p *parser) elements(closing string) []Operand {
	var list []Operand
	for !p.accept(closing) {
		if len(list) > 0 {
			p.expect(",")
		}
		if len(list) >= maxOperands {
			p.want(fmt.Sprintf("at most %d elements", maxOperands))
		}
		t := p.tok
		if t.is("{") && closing == "}" {
			p.want("no vector within a vector")
		}
		if t.is("[") { // its coordinates could have vectors again, without end
			p.want("no address within a vector or a list")
		}
		o, ref := p.operand()
		if ref != nil {
			fail(t.line, t.column, "%s is not declared: want a register, a variable or a number", t)
		}
		list = append(list, o)
	}
	return list
}

// operand reads an operand. A name that may be a label comes back as a reference to be resolved later.
func (p *parser) operand() (Operand, *labelRef) {
	t := p.tok
	switch {
	case t.is("{"):
		p.advance()
		return Operand{Kind: Vector, Reg: NoReg, Elems: p.elements("}")}, nil
	case t.is("["):
		return p.address(), nil
	case t.is("!"):
		p.advance()
		t = p.tok
		r, n := p.lookupReg(p.name("a predicate register"))
		if n != 1 {
			fail(t.line, t.column, "%s is not declared: want a predicate register", t)
		}
		return Operand{Kind: Register, Reg: r, Not: true}, nil
	case t.kind == nameToken:
		o, ref := p.named()
		if p.tok.is("|") && ref == nil {
			if o.Kind != Register && o.Kind != Sink {
				p.want("a register before this")
			}
			p.advance()
			t = p.tok
			if t.kind != nameToken {
				p.want("a register")
			}
			second, ref := p.named()
			if ref != nil || second.Kind != Register && second.Kind != Sink {
				fail(t.line, t.column, "%s is not declared: want a register", t)
			}
			return Operand{Kind: Pair, Reg: NoReg, Elems: []Operand{o, second}}, nil
		}
		return o, ref
	case t.is("-") || t.is("+") || t.is("~") || t.kind == intToken || t.kind == float32Token || t.kind == float64Token:
		return p.literal(), nil
	}
	p.want("an operand")
	return Operand{}, nil
}

// literal reads a number.
func (p *parser) literal() Operand {
	negative, not := false, false
	for p.tok.is("-") || p.tok.is("+") {
		negative = negative != p.tok.is("-")
		p.advance()
	}
	if p.tok.is("~") {
		not = true
		p.advance()
	}
	o := Operand{Reg: NoReg, Bits: p.tok.bits}
	switch p.tok.kind {
	case intToken:
		o.Kind = Immediate
		if not {
			o.Bits = ^o.Bits
		}
		if negative {
			o.Bits = -o.Bits
		}
	case float32Token, float64Token:
		o.Kind = Float64
		sign := uint64(1) << 63
		if p.tok.kind == float32Token {
			o.Kind, sign = Float32, 1<<31
		}
		if not {
			p.want("an integer after '~'")
		}
		if negative {
			o.Bits ^= sign
		}
	default:
		p.want("a number")
	}
	p.advance()
	return o
}

// named reads an operand that is a name.
func (p *parser) named() (Operand, *labelRef) {
	t := p.tok
	p.advance()
	o := Operand{Reg: NoReg}
	if t.text == "_" {
		o.Kind = Sink
		return o, nil
	}
	if r, n := p.lookupReg(t.text); n == 1 {
		o.Kind, o.Reg = Register, r
		return o, nil
	} else if n > 1 {
		o.Kind = Vector
		for i := range n {
			o.Elems = append(o.Elems, Operand{Kind: Register, Reg: p.regElement(t.text, i)})
		}
		return o, nil
	}
	if s := specialNamed(t.text); s != NoSpecial {
		o.Kind, o.Special = SpecialName, s
		return o, nil
	}
	if base, element, ok := strings.Cut(t.text, "."); ok {
		if i := strings.Index("xyzwrgba", element); len(element) == 1 && i >= 0 {
			if r := p.regElement(base, i&3); r != NoReg {
				o.Kind, o.Reg = Register, r
				return o, nil
			}
		}
		fail(t.line, t.column, "%s is no register", t)
	}
	if t.text[0] == '%' {
		fail(t.line, t.column, "register %s is not declared", t)
	}
	if t.text == "WARP_SZ" {
		o.Kind, o.Bits = Immediate, 32
		return o, nil
	}
	if v := p.lookupVar(t.text); v != nil {
		o.Kind, o.Var, o.Offset = Symbol, v, p.offset()
		return o, nil
	}
	if f := p.funcs[t.text]; f != nil {
		o.Kind, o.Func = Function, f
		return o, nil
	}
	o.Kind = LabelName
	return o, &labelRef{name: t.text, line: t.line, column: t.column, table: -1}
}

// specialNamed finds a special register by its name.
func specialNamed(name string) Special {
	if s, ok := specialsByName[name]; ok {
		return s
	}
	switch {
	case strings.HasPrefix(name, "%pm"):
		return PerfCounter
	case strings.HasPrefix(name, "%envreg"):
		return EnvReg
	}
	return NoSpecial
}

// address reads [base+offset, coordinates].
func (p *parser) address() Operand {
	p.expect("[")
	o := Operand{Kind: Address, Reg: NoReg}
	if t := p.tok; t.kind == nameToken {
		base, ref := p.named()
		switch {
		case ref != nil || base.Kind != Register && base.Kind != Symbol:
			fail(t.line, t.column, "%s is no address: want a register, a variable or a number", t)
		case base.Kind == Register:
			o.Reg = base.Reg
		default:
			o.Var, o.Offset = base.Var, base.Offset
		}
	} else if t.kind == intToken {
		o.Offset = int64(t.bits)
		p.advance()
	} else {
		p.want("an address: a register, a variable or a number")
	}
	o.Offset += p.offset()
	for p.accept(",") {
		t := p.tok
		e, ref := p.operand()
		if ref != nil || e.Kind == Address || len(o.Elems) >= maxOperands {
			fail(t.line, t.column, "%s is no coordinate: want a register, a vector or a number", t)
		}
		o.Elems = append(o.Elems, e)
	}
	p.expect("]")
	return o
}
