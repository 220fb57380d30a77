package ptx

import (
	"fmt"
	"strconv"
	"strings"
)

// body is the state of the function that is being read.
type body struct {
	fn     *Func
	scopes []*scope
	names  map[string]int // names of registers, variables, labels and tables of the function, and the numbers added to keep them unique
	refs   []labelRef     // to labels whose place is not known yet
}

// scope is a level of braces.
type scope struct {
	regs   map[string]int32    // registers that are used
	single map[string]regDecl  // registers declared one by one
	ranges map[string]regRange // ranges, by the name before the number
	vars   map[string]*Var
	labels map[string]int32
	tables map[string]int32
	refs   int // references to labels that were waiting when the scope began
}

type regDecl struct {
	typ    Type
	vector int
}

type regRange struct {
	typ   Type
	count int
}

// labelRef is an operand, or an element of a table, that names a label.
type labelRef struct {
	name         string
	line, column int
	instr, arg   int // the operand; or
	table, elem  int // the element of a table, where instr is -1
}

func newScope() *scope {
	return &scope{
		regs: map[string]int32{}, single: map[string]regDecl{}, ranges: map[string]regRange{},
		vars: map[string]*Var{}, labels: map[string]int32{}, tables: map[string]int32{},
	}
}

// inner is the innermost scope.
func (b *body) inner() *scope { return b.scopes[len(b.scopes)-1] }

// unique is name, or with a number added where another scope of the function uses it.
func (b *body) unique(name string) string {
	out := name
	for b.names[out] > 0 {
		b.names[name]++
		out = name + "__" + strconv.Itoa(b.names[name])
	}
	b.names[out] = 1
	return out
}

// function reads .entry or .func, a declaration or a definition.
func (p *parser) function(linkage Linkage) {
	f := &Func{Entry: p.tok.is(".entry"), Linkage: linkage}
	p.advance()
	p.loc = Loc{}
	p.body = &body{fn: f, scopes: []*scope{newScope()}, names: map[string]int{}}
	for p.tok.is(".attribute") {
		p.attribute()
	}
	if p.tok.is("(") {
		if f.Entry {
			p.want("the name of the entry point, which returns nothing")
		}
		f.Returns = p.params()
	}
	f.Line = p.tok.line
	t := p.tok
	f.Name = p.plainName("the name of the function")
	if p.tok.is("(") {
		f.Params = p.params()
	}
	f = p.merge(f, t)
	p.fn = f
	p.performance(&f.Perf)
	if p.accept(";") {
		return
	}
	if !p.tok.is("{") {
		p.want("'{', ';' or a directive such as .maxntid")
	}
	if f.Defined {
		fail(t.line, t.column, "%s has a body already", f.Name)
	}
	f.Defined = true
	p.advance()
	p.statements()
	p.closeScope()
	p.body = nil
}

// merge adds a function to the module, or lets it complete an earlier declaration.
func (p *parser) merge(f *Func, t token) *Func {
	old := p.funcs[f.Name]
	if p.vars[f.Name] != nil {
		fail(t.line, t.column, "%s is a variable already, of line %d", f.Name, p.vars[f.Name].Line)
	}
	if old == nil {
		p.funcs[f.Name] = f
		p.module.Funcs = append(p.module.Funcs, f)
		return f
	}
	if old.Entry != f.Entry || old.Name != f.Name || len(old.Params) != len(f.Params) || len(old.Returns) != len(f.Returns) {
		fail(t.line, t.column, "%s is declared otherwise in line %d", f.Name, old.Line)
	}
	if !old.Defined { // the names of the parameters are those of the definition
		linkage := f.Linkage
		if linkage == Internal {
			linkage = old.Linkage
		}
		perf := old.Perf
		*old = *f
		old.Linkage, old.Perf = linkage, perf
	}
	return old
}

// params reads a list of parameters in parentheses.
func (p *parser) params() []*Var {
	p.expect("(")
	var list []*Var
	for !p.accept(")") {
		v := &Var{Vector: 1}
		p.varType(v)
		if v.Space != Param && !v.Register {
			p.want("'.param' or '.reg' as the space of a parameter before this")
		}
		p.varName(v, "the name of the parameter")
		if list = append(list, v); len(list) > maxParams {
			p.want(fmt.Sprintf("at most %d parameters", maxParams))
		}
		p.param(v)
		if !p.tok.is(")") {
			p.expect(",")
		}
	}
	return list
}

// param makes a parameter known in the body.
func (p *parser) param(v *Var) {
	if v.Name == "_" {
		return
	}
	s := p.inner()
	if p.names[v.Name] > 0 {
		fail(v.Line, 1, "the parameter %s is declared already", v.Name)
	}
	p.names[v.Name] = 1
	if !v.Register {
		s.vars[v.Name] = v
		return
	}
	v.Reg = int32(len(p.fn.Regs))
	p.fn.Regs = append(p.fn.Regs, Reg{v.Name, v.Type})
	s.regs[v.Name] = v.Reg
}

// performance reads the directives between the parameters and the body.
func (p *parser) performance(perf *Perf) {
	const most = 1<<31 - 1
	for p.tok.kind == directiveToken {
		switch p.tok.text {
		case ".maxntid":
			perf.MaxThreads = p.extents(".maxntid")
		case ".reqntid":
			perf.ReqThreads = p.extents(".reqntid")
		case ".reqnctapercluster", ".maxclusterrank":
			p.extents(p.tok.text)
		case ".minnctapersm":
			p.advance()
			perf.MinBlocks = p.integer("the blocks of .minnctapersm", most)
		case ".maxnctapersm":
			p.advance()
			perf.MaxBlocks = p.integer("the blocks of .maxnctapersm", most)
		case ".maxnreg":
			p.advance()
			perf.MaxRegs = p.integer("the registers of .maxnreg", most)
		case ".noreturn":
			p.advance()
			perf.NoReturn = true
		case ".explicitcluster", ".blocksareclusters":
			p.advance()
		case ".pragma":
			perf.Pragmas = append(perf.Pragmas, p.pragma()...)
		case ".attribute":
			p.attribute()
		default:
			p.want("'{', ';' or a directive such as .maxntid")
		}
	}
}

// extents reads up to three extents after a directive.
func (p *parser) extents(what string) [3]int {
	p.advance()
	e := [3]int{1, 1, 1}
	for i := range e {
		if e[i] = p.integer("an extent of "+what, 1<<31-1); !p.accept(",") {
			break
		}
	}
	return e
}

// statements reads a body up to the brace that closes it.
func (p *parser) statements() {
	depth := len(p.scopes)
	for {
		switch t := p.tok; {
		case t.kind == endToken:
			p.want("'}' at the end of the body of " + p.fn.Name)
		case t.is("}"):
			p.advance()
			if len(p.scopes) == depth {
				return
			}
			p.closeScope()
		case t.is("{"):
			if len(p.scopes) >= maxDepth {
				p.want(fmt.Sprintf("at most %d levels of braces", maxDepth))
			}
			p.advance()
			s := newScope()
			s.refs = len(p.refs)
			p.scopes = append(p.scopes, s)
		case t.is(";"):
			p.advance()
		case t.kind == directiveToken:
			p.directive()
		case t.kind == nameToken || t.is("@"):
			p.labelOrInstr()
		default:
			p.want("an instruction, a label, a directive or '}'")
		}
	}
}

// closeScope resolves what the innermost scope's labels resolve, and drops the scope.
func (p *parser) closeScope() {
	s := p.inner()
	depth := len(p.scopes) - 1
	p.scopes = p.scopes[:depth]
	rest := p.refs[:s.refs]
	for _, r := range p.refs[s.refs:] {
		label, isLabel := s.labels[r.name]
		table, isTable := s.tables[r.name]
		switch {
		case isLabel && r.instr < 0:
			p.fn.Tables[r.table].Labels[r.elem] = label
		case isLabel:
			p.fn.Body[r.instr].Operands[r.arg] = Operand{Kind: LabelName, Label: label, Reg: NoReg}
		case isTable && r.instr >= 0:
			p.fn.Body[r.instr].Operands[r.arg] = Operand{Kind: TableName, Table: table, Reg: NoReg}
		case depth == 0:
			fail(r.line, r.column, "%s is not defined in %s: want a label, a register or a variable that is", r.name, p.fn.Name)
		default:
			rest = append(rest, r)
		}
	}
	p.refs = rest
}

// directive reads what starts with a dot within a body.
func (p *parser) directive() {
	switch p.tok.text {
	case ".reg":
		p.registers()
	case ".loc":
		p.location()
	case ".pragma":
		p.fn.Perf.Pragmas = append(p.fn.Perf.Pragmas, p.pragma()...)
	case ".file":
		p.file()
	case ".section":
		p.section()
	case ".local", ".shared", ".param", ".global", ".const":
		for _, v := range p.variables(Internal) {
			s := p.inner()
			if s.vars[v.Name] != nil {
				fail(v.Line, 1, "%s is declared already, in line %d", v.Name, s.vars[v.Name].Line)
			}
			s.vars[v.Name] = v
			v.Name = p.unique(v.Name)
			p.fn.Vars = append(p.fn.Vars, v)
		}
	default:
		p.want("'.reg', '.local', '.shared', '.param', '.loc', '.pragma', an instruction or a label")
	}
}

// registers reads .reg.
func (p *parser) registers() {
	p.advance()
	d := regDecl{vector: 1}
	for p.tok.kind == directiveToken {
		switch t := typesByName[p.tok.text[1:]]; {
		case p.tok.is(".v2"), p.tok.is(".v4"):
			d.vector = int(p.tok.text[2] - '0')
		case p.tok.is(".align"):
			p.advance()
			p.alignment()
			continue
		case t != NoType && d.typ == NoType:
			d.typ = t
		default:
			p.want("the type of the register")
		}
		p.advance()
	}
	if d.typ == NoType {
		p.want("the type of the register")
	}
	s := p.inner()
	for {
		t := p.tok
		name := p.plainName("the name of a register")
		if p.accept("<") {
			if d.vector > 1 {
				fail(t.line, t.column, "a range of vector registers: want them one by one")
			}
			s.ranges[name] = regRange{d.typ, p.integer("the number of registers", maxRegisters)}
			p.expect(">")
		} else {
			if old, ok := s.single[name]; ok && old != d {
				fail(t.line, t.column, "register %s is declared already with another type", name)
			}
			s.single[name] = d
		}
		if !p.accept(",") {
			p.expect(";")
			return
		}
	}
}

// lookupReg finds a register by its name, and the number of its elements where it is a vector register.
func (p *parser) lookupReg(name string) (index int32, vector int) {
	prefix := strings.TrimRight(name, "0123456789")
	digits := name[len(prefix):]
	number, err := strconv.Atoi(digits)
	numbered := err == nil && (digits == "0" || digits[0] != '0')
	for i := len(p.scopes) - 1; i >= 0; i-- {
		s := p.scopes[i]
		if r, ok := s.regs[name]; ok {
			return r, 1
		}
		d, ok := s.single[name]
		if !ok && numbered {
			if r, found := s.ranges[prefix]; found && number < r.count {
				d, ok = regDecl{r.typ, 1}, true
			}
		}
		switch {
		case !ok:
		case d.vector > 1:
			return NoReg, d.vector
		default:
			return p.addReg(s, name, name, d.typ), 1
		}
	}
	return NoReg, 0
}

// addReg makes a register of the function, known as key in the scope.
func (p *parser) addReg(s *scope, key, name string, t Type) int32 {
	r := int32(len(p.fn.Regs))
	p.fn.Regs = append(p.fn.Regs, Reg{p.unique(name), t})
	s.regs[key] = r
	return r
}

// regElement finds element i of the vector register called name.
func (p *parser) regElement(name string, i int) int32 {
	for j := len(p.scopes) - 1; j >= 0; j-- {
		s := p.scopes[j]
		d, ok := s.single[name]
		if !ok {
			continue
		}
		if i >= d.vector || d.vector == 1 {
			return NoReg
		}
		key := name + "." + "xyzw"[i:i+1]
		if r, ok := s.regs[key]; ok {
			return r
		}
		return p.addReg(s, key, name+"__"+"xyzw"[i:i+1], d.typ)
	}
	return NoReg
}

// lookupVar finds a variable by its name.
func (p *parser) lookupVar(name string) *Var {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if v := p.scopes[i].vars[name]; v != nil {
			return v
		}
	}
	return p.vars[name]
}
