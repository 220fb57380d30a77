package ptx

import (
	"math"
	"math/bits"
)

// varSpaces are the directives that declare variables.
var varSpaces = map[string]Space{".global": Global, ".const": Const, ".shared": Shared, ".local": Local, ".param": Param}

// variables reads a declaration of one or more variables up to its semicolon.
func (p *parser) variables(linkage Linkage) []*Var {
	common := Var{Linkage: linkage, Vector: 1}
	p.varType(&common)
	var list []*Var
	for {
		v := common
		list = append(list, &v)
		p.varName(&v, "the name of a variable")
		if p.accept("=") {
			p.initialiser(&v)
		}
		if p.accept(",") {
			continue
		}
		p.expect(";")
		return list
	}
}

// varType reads the space and the attributes of a variable.
func (p *parser) varType(v *Var) {
	space, ok := varSpaces[p.tok.text]
	switch {
	case p.tok.is(".reg"):
		v.Register = true
	case !ok || p.tok.kind != directiveToken:
		p.want("'.param', '.global', '.const', '.shared', '.local' or '.reg'")
	}
	v.Space = space
	p.advance()
	for p.tok.kind == directiveToken {
		switch word := p.tok.text; word {
		case ".align":
			p.advance()
			n := p.alignment()
			if v.Ptr {
				v.PtrAlign = n
			} else {
				v.Align = n
			}
		case ".v2", ".v4":
			v.Vector = int(word[2] - '0')
			p.advance()
		case ".ptr":
			v.Ptr = true
			p.advance()
		case ".attribute":
			p.attribute()
		default:
			if s, ok := varSpaces[word]; ok && v.Ptr && s != Param {
				v.PtrSpace = s
			} else if t := typesByName[word[1:]]; t != NoType && v.Type == NoType {
				v.Type = t
			} else {
				p.want("a type, '.align', '.v2', '.v4' or a name")
			}
			p.advance()
		}
	}
	if v.Type == NoType {
		p.want("a type")
	}
	if v.Align == 0 {
		v.Align = max(1, v.Type.Size()*v.Vector)
	}
}

// attribute passes .attribute(...).
func (p *parser) attribute() {
	p.advance()
	p.expect("(")
	for !p.accept(")") {
		if p.tok.kind == endToken {
			p.want("')'")
		}
		p.advance()
	}
}

// alignment reads a power of two.
func (p *parser) alignment() int {
	t := p.tok
	n := p.integer("the alignment", 1<<16)
	if bits.OnesCount(uint(n)) != 1 {
		fail(t.line, t.column, "the alignment is %d: want a power of two", n)
	}
	return n
}

// varName reads a name and the extents of an array.
func (p *parser) varName(v *Var, what string) {
	v.Line = p.tok.line
	v.Name = p.plainName(what)
	for p.tok.is("[") {
		t := p.tok
		p.advance()
		n := 0
		if p.tok.is("]") {
			if len(v.Dims) > 0 {
				p.want("an extent: only the first one may be left out")
			}
		} else if n = p.integer("the extent of the array", maxVariable); n == 0 && len(v.Dims) > 0 {
			fail(t.line, t.column, "an inner extent of the array is 0")
		}
		p.expect("]")
		if v.Dims = append(v.Dims, n); len(v.Dims) > maxDims {
			fail(t.line, t.column, "the array has more than %d extents", maxDims)
		}
		p.resize(v, t)
	}
	p.resize(v, p.tok)
}

// resize computes the variable's size. An extent that is left out counts as 1 in the limit, so that a row of the array is within it as well.
func (p *parser) resize(v *Var, t token) {
	size := uint64(v.Type.Size() * v.Vector)
	for _, d := range v.Dims {
		hi, lo := bits.Mul64(size, uint64(max(d, 1)))
		if hi != 0 || lo > maxVariable {
			fail(t.line, t.column, "variable %s has more than %d bytes", v.Name, maxVariable)
		}
		size = lo
	}
	if v.Elements() == 0 {
		size = 0
	}
	v.Size = int(size)
}

// initialiser reads an initial value.
func (p *parser) initialiser(v *Var) {
	if v.Space != Global && v.Space != Const {
		p.want("no initial value: only .global and .const variables have one")
	}
	v.Init = []byte{}
	inner := v.Dims
	if v.Vector > 1 {
		inner = append(append([]int(nil), v.Dims...), v.Vector)
	}
	unsized := len(v.Dims) > 0 && v.Dims[0] == 0
	end := p.initValue(v, inner, 0)
	if unsized {
		row := v.Type.Size() * v.Vector
		for _, d := range v.Dims[1:] {
			row *= d
		}
		v.Dims = append([]int{(end + row - 1) / row}, v.Dims[1:]...)
		p.resize(v, p.tok)
	}
}

// initValue reads the initial value of a (sub)array with the given extents from byte offset at and returns where it ends.
func (p *parser) initValue(v *Var, dims []int, at int) int {
	if !p.tok.is("{") {
		p.initElement(v, at)
		return at + v.Type.Size()
	}
	if len(dims) == 0 {
		p.want("a number or a symbol: there are more braces than extents")
	}
	p.advance()
	row := v.Type.Size()
	for _, d := range dims[1:] {
		row *= d
	}
	next := at
	for !p.accept("}") {
		if p.tok.is("{") {
			next = at + (next-at+row-1)/row*row
			p.initValue(v, dims[1:], next)
			next += row
		} else {
			p.initElement(v, next)
			next += v.Type.Size()
		}
		if dims[0] > 0 && next-at > row*dims[0] {
			p.want("'}': there are more values than elements")
		}
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	return next
}

// initElement reads one element at byte offset at.
func (p *parser) initElement(v *Var, at int) {
	size := v.Type.Size()
	t := p.tok
	if v.Size > 0 && at+size > v.Size || at+size > maxVariable {
		p.want("no more values: the variable is full")
	}
	if t.kind == nameToken {
		p.reloc(v, at, 0)
		p.fill(v, at, 0, size)
		return
	}
	if t.kind == intToken && t.bits >= 0xff {
		// A mask in front of a symbol: one byte of its address.
		save, word := p.lexer, t
		if p.advance(); p.accept("(") {
			p.reloc(v, at, word.bits)
			p.expect(")")
			p.fill(v, at, 0, size)
			return
		}
		p.lexer, p.tok = save, word
	}
	p.fill(v, at, p.constant(v.Type), size)
}

// fill writes the low bytes of an element, growing the initial value as needed.
func (p *parser) fill(v *Var, at int, bits uint64, size int) {
	if grow := at + size - len(v.Init); grow > 0 {
		if p.init += grow; p.init > maxInit {
			fail(p.tok.line, p.tok.column, "the initial values have more than %d bytes", maxInit)
		}
		v.Init = append(v.Init, make([]byte, grow)...)
	}
	for i := range min(size, 8) {
		v.Init[at+i] = byte(bits >> (8 * i))
	}
}

// constant reads a literal as a value of type t.
func (p *parser) constant(t Type) uint64 {
	negative := false
	for p.tok.is("-") || p.tok.is("+") {
		negative = negative != p.tok.is("-")
		p.advance()
	}
	word := p.tok
	bits := word.bits
	switch word.kind {
	case intToken:
		if t.Float() {
			v := float64(bits)
			if negative {
				v = -v
			}
			bits, negative = floatBits(v, t), false
		}
		if negative {
			bits = -bits
		}
	case float32Token:
		if negative {
			bits ^= 1 << 31
		}
		if t == F64 {
			bits = math.Float64bits(float64(math.Float32frombits(uint32(bits))))
		}
	case float64Token:
		if negative {
			bits ^= 1 << 63
		}
		if t == F32 {
			bits = floatBits(math.Float64frombits(bits), t)
		}
	default:
		p.want("a number")
	}
	p.advance()
	return bits
}

// floatBits is v in type t, F32 or F64.
func floatBits(v float64, t Type) uint64 {
	if t == F32 {
		return uint64(math.Float32bits(float32(v)))
	}
	return math.Float64bits(v)
}

// reloc reads a symbol, generic(symbol), and what is added, as an element at byte offset at. A mask chooses one byte of the address.
func (p *parser) reloc(v *Var, at int, mask uint64) {
	r := Reloc{Offset: at, Size: uint8(v.Type.Size())}
	if mask != 0 {
		r.Shift = uint8(bits.TrailingZeros64(mask))
		if mask != 0xff<<r.Shift || r.Shift%8 != 0 || r.Size != 1 {
			p.want("a mask of one byte for an element of one byte before this")
		}
	}
	if p.tok.text == "generic" {
		p.advance()
		p.expect("(")
		r.Generic = true
	}
	t := p.tok
	name := p.plainName("a symbol")
	r.Var, r.Func = p.vars[name], p.funcs[name]
	if r.Var == nil && name == v.Name {
		r.Var = v
	}
	if r.Var == nil && r.Func == nil {
		fail(t.line, t.column, "%s is not declared: want a variable or a function that is", name)
	}
	if r.Generic {
		p.expect(")")
	}
	r.Add = p.offset()
	v.Relocs = append(v.Relocs, r)
}

// offset reads +n and -n as often as they come.
func (p *parser) offset() int64 {
	var sum int64
	for p.tok.is("+") || p.tok.is("-") {
		sign := int64(1)
		for p.tok.is("+") || p.tok.is("-") {
			if p.tok.is("-") {
				sign = -sign
			}
			p.advance()
		}
		if p.tok.kind != intToken {
			p.want("an integer offset")
		}
		sum += sign * int64(p.tok.bits)
		p.advance()
	}
	return sum
}
