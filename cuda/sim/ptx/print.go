package ptx

import (
	"fmt"
	"math"
	"strings"
)

// String is text that Parse reads as an equal module, but for lines and columns.
func (m *Module) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".version %d.%d\n.target %s\n.address_size %d\n", m.Major, m.Minor, strings.Join(m.Target, ", "), m.AddressSize)
	for _, f := range m.Files {
		fmt.Fprintf(&b, ".file %d %q\n", f.Number, f.Name)
	}
	p, early := &printer{Builder: &b}, m.early()
	for _, f := range m.Funcs { // what initial values refer to comes first
		if !f.Defined || early[f] {
			b.WriteByte('\n')
			p.head(f)
			b.WriteString(";\n")
		}
	}
	b.WriteByte('\n')
	for _, v := range m.Vars {
		b.WriteString(v.String() + ";\n")
	}
	for _, f := range m.Funcs {
		if f.Defined {
			b.WriteByte('\n')
			p.function(f)
		}
	}
	return b.String()
}

// early lists the functions that must be declared before they are defined: a variable or an earlier function refers to them.
func (m *Module) early() map[*Func]bool {
	set := map[*Func]bool{}
	for _, v := range m.Vars {
		for _, r := range v.Relocs {
			set[r.Func] = true
		}
	}
	defined := map[*Func]bool{}
	refer := func(f *Func) {
		if !defined[f] {
			set[f] = true
		}
	}
	for _, f := range m.Funcs {
		for i := range f.Body {
			for _, o := range f.Body[i].Operands {
				refer(o.Func)
			}
		}
		for _, t := range f.Tables {
			for _, g := range t.Funcs {
				refer(g)
			}
		}
		defined[f] = true
	}
	return set
}

func (l Linkage) String() string {
	return [...]string{"", ".visible ", ".extern ", ".weak ", ".common "}[l]
}

// String is the declaration without its semicolon.
func (v *Var) String() string {
	var b strings.Builder
	b.WriteString(v.Linkage.String())
	if v.Register {
		b.WriteString(".reg")
	} else {
		b.WriteString("." + v.Space.String() + fmt.Sprintf(" .align %d", v.Align))
	}
	if v.Vector > 1 {
		fmt.Fprintf(&b, " .v%d", v.Vector)
	}
	fmt.Fprintf(&b, " .%s", v.Type)
	if v.Ptr {
		b.WriteString(" .ptr")
		if v.PtrSpace != Generic {
			b.WriteString(" ." + v.PtrSpace.String())
		}
		if v.PtrAlign != 0 {
			fmt.Fprintf(&b, " .align %d", v.PtrAlign)
		}
	}
	b.WriteString(" " + v.Name)
	for _, d := range v.Dims {
		if d == 0 {
			b.WriteString("[]")
		} else {
			fmt.Fprintf(&b, "[%d]", d)
		}
	}
	if v.Init != nil {
		b.WriteString(" = " + v.initString())
	}
	return b.String()
}

// initString is the initial value, flat.
func (v *Var) initString() string {
	size := v.Type.Size()
	relocs := v.Relocs
	var list []string
	for at := 0; at < len(v.Init); at += size {
		if len(relocs) > 0 && relocs[0].Offset == at {
			list = append(list, relocs[0].String())
			relocs = relocs[1:]
			continue
		}
		var bits uint64
		for i := range min(size, 8) {
			bits |= uint64(v.Init[at+i]) << (8 * i)
		}
		switch v.Type {
		case F32:
			list = append(list, fmt.Sprintf("0f%08X", bits))
		case F64:
			list = append(list, fmt.Sprintf("0d%016X", bits))
		default:
			list = append(list, fmt.Sprint(bits))
		}
	}
	if v.Dims == nil && v.Vector == 1 && len(list) == 1 {
		return list[0]
	}
	return "{" + strings.Join(list, ", ") + "}"
}

func (r Reloc) String() string {
	var name string
	if r.Var != nil {
		name = r.Var.Name
	} else {
		name = r.Func.Name
	}
	if r.Generic {
		name = "generic(" + name + ")"
	}
	name += plus(r.Add)
	if r.Size == 1 {
		name = fmt.Sprintf("0x%X(%s)", uint64(0xff)<<r.Shift, name)
	}
	return name
}

// plus is an offset to be appended.
func plus(n int64) string {
	switch {
	case n == 0:
		return ""
	case n == math.MinInt64:
		return "+0x8000000000000000"
	case n < 0:
		return fmt.Sprintf("+-%d", -n)
	}
	return fmt.Sprintf("+%d", n)
}

// printer writes functions.
type printer struct {
	*strings.Builder
	fn *Func
}

// params is a list of parameters in parentheses.
func params(list []*Var) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// head is all before the body.
func (p *printer) head(f *Func) {
	p.WriteString(f.Linkage.String())
	if f.Entry {
		p.WriteString(".entry ")
	} else {
		p.WriteString(".func ")
	}
	if f.Returns != nil {
		p.WriteString(params(f.Returns) + " ")
	}
	p.WriteString(f.Name)
	if f.Params != nil {
		p.WriteString(params(f.Params))
	}
	triple := func(name string, e [3]int) {
		if e != [3]int{} {
			fmt.Fprintf(p, "\n%s %d, %d, %d", name, e[0], e[1], e[2])
		}
	}
	single := func(name string, n int) {
		if n != 0 {
			fmt.Fprintf(p, "\n%s %d", name, n)
		}
	}
	triple(".maxntid", f.Perf.MaxThreads)
	triple(".reqntid", f.Perf.ReqThreads)
	single(".minnctapersm", f.Perf.MinBlocks)
	single(".maxnctapersm", f.Perf.MaxBlocks)
	single(".maxnreg", f.Perf.MaxRegs)
	if f.Perf.NoReturn {
		p.WriteString("\n.noreturn")
	}
}

// function writes a definition.
func (p *printer) function(f *Func) {
	p.fn = f
	p.head(f)
	p.WriteString("\n{\n")
	for _, text := range f.Perf.Pragmas {
		fmt.Fprintf(p, "\t.pragma \"%s\";\n", text)
	}
	params := map[int32]bool{}
	for _, list := range [][]*Var{f.Returns, f.Params} {
		for _, v := range list {
			if v.Register {
				params[v.Reg] = true
			}
		}
	}
	for i, r := range f.Regs {
		if !params[int32(i)] {
			fmt.Fprintf(p, "\t.reg .%s %s;\n", r.Type, r.Name)
		}
	}
	for _, v := range f.Vars {
		fmt.Fprintf(p, "\t%s;\n", v)
	}
	for _, t := range f.Tables {
		p.table(t)
	}
	labels := f.Labels
	for i := range f.Body {
		for ; len(labels) > 0 && labels[0].At == i; labels = labels[1:] {
			p.WriteString(labels[0].Name + ":\n")
		}
		in := &f.Body[i]
		if i > 0 && in.Source != f.Body[i-1].Source || i == 0 && in.Source != (Loc{}) {
			fmt.Fprintf(p, "\t.loc %d %d 0\n", in.Source.File, in.Source.Line)
		}
		p.WriteString("\t" + f.InstrString(in) + "\n")
	}
	for _, l := range labels {
		p.WriteString(l.Name + ":\n")
	}
	p.WriteString("}\n")
}

// table writes a table.
func (p *printer) table(t Table) {
	words := []string{}
	for _, l := range t.Labels {
		words = append(words, p.fn.Labels[l].Name)
	}
	for _, f := range t.Funcs {
		words = append(words, f.Name)
	}
	list := strings.Join(words, ", ")
	switch t.Kind {
	case BranchTargets:
		fmt.Fprintf(p, "%s: .branchtargets %s;\n", t.Name, list)
	case CallTargets:
		fmt.Fprintf(p, "%s: .calltargets %s;\n", t.Name, list)
	default:
		fmt.Fprintf(p, "%s: .callprototype ", t.Name)
		if t.Returns != nil {
			p.WriteString(params(t.Returns) + " ")
		}
		p.WriteString("_ " + params(t.Params))
		if t.NoReturn {
			p.WriteString(" .noreturn")
		}
		p.WriteString(";\n")
	}
}

// InstrString is the text of an instruction of f, with its guard and its semicolon.
func (f *Func) InstrString(in *Instr) string {
	var b strings.Builder
	if in.Guard != NoReg {
		not := ""
		if in.GuardNot {
			not = "!"
		}
		fmt.Fprintf(&b, "@%s%s ", not, f.Regs[in.Guard].Name)
	}
	b.WriteString(in.Name)
	sep := " "
	for i, o := range in.Operands {
		if in.Op == "call" && (o.Kind == None || o.Kind == List && o.Elems == nil) {
			switch {
			case i == 2 && in.Operands[3].Kind != None:
				b.WriteString(", ()")
			}
			continue
		}
		b.WriteString(sep)
		f.operand(&b, &o)
		sep = ", "
	}
	b.WriteByte(';')
	return b.String()
}

// operand writes an operand.
func (f *Func) operand(b *strings.Builder, o *Operand) {
	list := func(open, sep, end string) {
		b.WriteString(open)
		for i := range o.Elems {
			if i > 0 {
				b.WriteString(sep)
			}
			f.operand(b, &o.Elems[i])
		}
		b.WriteString(end)
	}
	switch o.Kind {
	case Register:
		if o.Not {
			b.WriteByte('!')
		}
		b.WriteString(f.Regs[o.Reg].Name)
	case Immediate:
		if v := int64(o.Bits); v < 0 && v > -1<<31 {
			fmt.Fprint(b, v)
		} else {
			fmt.Fprint(b, o.Bits)
		}
	case Float32:
		fmt.Fprintf(b, "0f%08X", o.Bits)
	case Float64:
		fmt.Fprintf(b, "0d%016X", o.Bits)
	case Address:
		b.WriteByte('[')
		switch {
		case o.Reg != NoReg:
			b.WriteString(f.Regs[o.Reg].Name + plus(o.Offset))
		case o.Var != nil:
			b.WriteString(o.Var.Name + plus(o.Offset))
		default:
			fmt.Fprint(b, uint64(o.Offset))
		}
		for i := range o.Elems {
			b.WriteString(", ")
			f.operand(b, &o.Elems[i])
		}
		b.WriteByte(']')
	case Symbol:
		b.WriteString(o.Var.Name + plus(o.Offset))
	case Function:
		b.WriteString(o.Func.Name)
	case LabelName:
		b.WriteString(f.Labels[o.Label].Name)
	case SpecialName:
		b.WriteString(o.Special.String())
	case Vector:
		list("{", ", ", "}")
	case Pair:
		list("", "|", "")
	case List:
		list("(", ", ", ")")
	case TableName:
		b.WriteString(f.Tables[o.Table].Name)
	case Sink:
		b.WriteByte('_')
	}
}
