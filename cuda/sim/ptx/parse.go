package ptx

import (
	"fmt"
	"strings"
)

// The limits on text. What is parsed takes at most some 60 times the bytes of the text.
const (
	maxText         = 16 << 20 // bytes of a module
	maxInstructions = 1 << 20  // of a module
	maxVariable     = 1 << 30  // bytes of a variable
	maxInit         = 64 << 20 // bytes of all initial values
	maxRegisters    = 1 << 24  // in one range of registers
	maxDepth        = 64       // of scopes
	maxOperands     = 256      // of an instruction, of a vector, of a list
	maxParams       = 4096     // of a function
	maxDims         = 8        // of an array
)

// Error is a mistake in the text.
type Error struct {
	Line, Column int
	Message      string
}

func (e *Error) Error() string { return fmt.Sprintf("PTX line %d:%d: %s", e.Line, e.Column, e.Message) }

// parser reads a module.
type parser struct {
	lexer
	tok     token // the current one
	module  *Module
	vars    map[string]*Var
	funcs   map[string]*Func
	init    int // bytes of initial values so far
	instrs  int // instructions so far
	loc     Loc
	split   map[string]nameParts // of the instructions, by name
	scratch []Operand            // where operands are gathered
	*body                        // of the function that is being read
}

// Parse reads a module. An error is an *Error.
func Parse(text string) (m *Module, err error) {
	if len(text) > maxText {
		return nil, &Error{1, 1, fmt.Sprintf("the text has %d bytes: at most %d are allowed", len(text), maxText)}
	}
	p := &parser{
		lexer:  lexer{text: text, line: 1},
		module: &Module{AddressSize: 64},
		vars:   map[string]*Var{},
		funcs:  map[string]*Func{},
		split:  map[string]nameParts{},
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			m, err = nil, e
		default:
			panic(e)
		}
	}()
	p.advance()
	p.header()
	for p.tok.kind != endToken {
		p.topLevel()
	}
	return p.module, nil
}

// advance goes to the next token.
func (p *parser) advance() { p.tok = p.next() }

// want fails: something else was expected at the current token.
func (p *parser) want(what string) {
	fail(p.tok.line, p.tok.column, "want %s, found %s", what, p.tok)
}

// accept passes the token s if it is the current one.
func (p *parser) accept(s string) bool {
	if p.tok.is(s) {
		p.advance()
		return true
	}
	return false
}

// expect passes the token s, which must be there.
func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.want("'" + s + "'")
	}
}

// name passes a name.
func (p *parser) name(what string) string {
	if p.tok.kind != nameToken {
		p.want(what)
	}
	s := p.tok.text
	p.advance()
	return s
}

// plainName passes a name without dots.
func (p *parser) plainName(what string) string {
	if p.tok.kind == nameToken && strings.ContainsAny(p.tok.text, ".:") {
		p.want(what + ", a name without dots")
	}
	return p.name(what)
}

// integer passes an integer from 0 to most.
func (p *parser) integer(what string, most int) int {
	if p.tok.kind != intToken {
		p.want(what)
	}
	if p.tok.bits > uint64(most) {
		fail(p.tok.line, p.tok.column, "%s is %s: at most %d is allowed", what, p.tok.text, most)
	}
	n := int(p.tok.bits)
	p.advance()
	return n
}

// header reads .version, .target and .address_size.
func (p *parser) header() {
	if !p.tok.is(".version") {
		p.want("'.version' first")
	}
	p.advance()
	if p.tok.kind != float64Token {
		p.want("a version such as 7.0")
	}
	if n, err := fmt.Sscanf(p.tok.text, "%d.%d", &p.module.Major, &p.module.Minor); n != 2 || err != nil {
		p.want("a version such as 7.0")
	}
	p.advance()
	p.expect(".target")
	for {
		p.module.Target = append(p.module.Target, p.plainName("a target such as sm_80"))
		if !p.accept(",") {
			break
		}
	}
	if p.accept(".address_size") {
		p.module.AddressSize = p.integer("the address size", 64)
		if p.module.AddressSize != 32 && p.module.AddressSize != 64 {
			p.want("32 or 64 as the address size before this")
		}
	}
}

// topLevel reads what may stand in a module.
func (p *parser) topLevel() {
	if p.tok.kind != directiveToken {
		p.want("a directive such as .entry, .func or .global")
	}
	linkage := Internal
	switch p.tok.text {
	case ".visible":
		linkage = Visible
	case ".extern":
		linkage = Extern
	case ".weak":
		linkage = Weak
	case ".common":
		linkage = Common
	}
	if linkage != Internal {
		p.advance()
	}
	switch p.tok.text {
	case ".file":
		p.file()
	case ".loc":
		p.location()
	case ".section":
		p.section()
	case ".pragma":
		p.pragma()
	case ".entry", ".func":
		p.function(linkage)
	case ".alias":
		p.alias()
	case ".global", ".const", ".shared":
		for _, v := range p.variables(linkage) {
			p.declare(v)
		}
	default:
		p.want("'.entry', '.func', '.global', '.const', '.shared', '.file', '.section' or '.pragma'")
	}
}

// declare adds a variable to the module. A declaration and its definition are one variable.
func (p *parser) declare(v *Var) {
	if p.funcs[v.Name] != nil {
		fail(v.Line, 1, "%s is a function already, of line %d", v.Name, p.funcs[v.Name].Line)
	}
	old := p.vars[v.Name]
	switch {
	case old == nil:
		p.vars[v.Name] = v
		p.module.Vars = append(p.module.Vars, v)
	case old.Space != v.Space || old.Type != v.Type || old.Linkage != Extern && v.Linkage != Extern:
		fail(v.Line, 1, "%s is declared already, in line %d", v.Name, old.Line)
	case v.Linkage != Extern:
		*old = *v
	}
}

// file reads .file.
func (p *parser) file() {
	p.advance()
	f := File{Number: p.integer("the number of the file", 1<<31-1)}
	if p.tok.kind != stringToken {
		p.want("the name of the file in quotes")
	}
	f.Name = p.tok.text
	p.advance()
	for p.accept(",") { // time and size
		p.integer("the time or size of the file", 1<<62)
	}
	p.module.Files = append(p.module.Files, f)
}

// location reads .loc, which holds for the instructions that follow.
func (p *parser) location() {
	p.advance()
	p.loc.File = int32(p.integer("the number of a file", 1<<31-1))
	p.loc.Line = int32(p.integer("a line", 1<<31-1))
	p.integer("a column", 1<<31-1)
	for p.accept(",") { // function_name label+n, inlined_at file line column
		switch p.name("function_name or inlined_at") {
		case "function_name":
			p.name("a label")
			if p.accept("+") {
				p.integer("an offset", 1<<31-1)
			}
		default:
			for p.tok.kind == intToken {
				p.advance()
			}
		}
	}
}

// section passes a section of debugging information.
func (p *parser) section() {
	p.advance()
	if p.tok.kind != directiveToken && p.tok.kind != nameToken {
		p.want("the name of a section")
	}
	p.advance()
	p.expect("{")
	for !p.tok.is("}") {
		if p.tok.kind == endToken {
			p.want("'}' at the end of the section")
		}
		p.advance()
	}
	p.advance()
}

// pragma reads .pragma.
func (p *parser) pragma() []string {
	p.advance()
	var list []string
	for {
		if p.tok.kind != stringToken {
			p.want("a pragma in quotes")
		}
		list = append(list, p.tok.text)
		p.advance()
		if !p.accept(",") {
			p.expect(";")
			return list
		}
	}
}

// alias reads .alias, another name for a function.
func (p *parser) alias() {
	p.advance()
	line := p.tok.line
	alias := p.plainName("the alias")
	p.expect(",")
	f := p.funcs[p.tok.text]
	if p.tok.kind != nameToken || f == nil {
		p.want("the name of a function")
	}
	p.advance()
	p.expect(";")
	if old := p.funcs[alias]; old != nil && old.Defined || p.vars[alias] != nil {
		fail(line, 1, "%s is declared already", alias)
	} else if old != nil { // the declaration of the alias gives way
		list := p.module.Funcs[:0]
		for _, g := range p.module.Funcs {
			if g != old {
				list = append(list, g)
			}
		}
		p.module.Funcs = list
	}
	p.funcs[alias] = f
}
