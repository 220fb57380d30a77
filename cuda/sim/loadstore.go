package sim

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"

	"palladio/cuda/sim/ptx"
)

// spaceOf is the space that an access names; a parameter of a function lies in local memory.
func (d *decoder) spaceOf(in *ptx.Instr) space {
	switch in.Space() {
	case ptx.Global:
		return globalSpace
	case ptx.Shared:
		return sharedSpace
	case ptx.Local:
		return localSpace
	case ptx.Const:
		return constSpace
	case ptx.Param:
		if !d.fn.Entry {
			return localSpace
		}
		return paramSpace
	}
	return genericSpace
}

// accessTo makes an instruction that accesses memory at an address operand.
func (d *decoder) accessTo(in *ptx.Instr, o *ptx.Operand, kind accessKind, size int) (*inst, error) {
	if o.Kind != ptx.Address {
		return nil, errors.New("want an address in brackets")
	}
	out := &inst{kind: selfKind, run: runAccess}
	m := &access{space: d.spaceOf(in), kind: kind, size: uint64(size), number: d.prog.accesses}
	d.prog.accesses++
	switch {
	case in.Has("cas") || in.Has("exch"):
		m.polls = lockCost
	case kind == loadAccess && (in.Has("volatile") || in.Has("relaxed") || in.Has("acquire") || in.Has("mmio")):
		m.polls = pollCost
	}
	out.mem, out.imm = m, uint64(o.Offset)
	switch {
	case o.Var != nil:
		s, a, err := d.locate(o.Var)
		if err != nil {
			return nil, err
		}
		out.imm += a
		switch {
		case m.space == genericSpace:
			m.space = s
		case m.space != s && !(m.space == paramSpace && s == localSpace):
			return nil, fmt.Errorf("variable %s is in %s memory, not in %s memory", o.Var.Name, s, m.space)
		default:
			m.space = s
		}
	case o.Reg != ptx.NoReg:
		m.based, m.wide = true, d.regShape(o.Reg) == wide
		if d.regShape(o.Reg) == predicate {
			return nil, errors.New("a predicate as an address")
		}
		out.a = d.regs[d.fn][o.Reg]
	}
	return out, nil
}

// vectorOf lists the elements of a vector operand, or the operand.
func vectorOf(o *ptx.Operand) []ptx.Operand {
	if o.Kind == ptx.Vector {
		return o.Elems
	}
	return []ptx.Operand{*o}
}

// checkVector checks the number of elements against .v2 and so on, and their size.
func checkVector(in *ptx.Instr, elems []ptx.Operand) (ptx.Type, error) {
	t := in.Type(0)
	switch {
	case len(in.Types) != 1 || t == ptx.Pred || t.Size() == 0 || t.Bits() > 64 || t.Bits() < 8:
		return t, errors.New("want one type of 8 to 64 bits")
	case len(elems) != in.Width():
		return t, fmt.Errorf("%d registers for a vector of %d", len(elems), in.Width())
	case t.Size()*len(elems) > 32:
		return t, errors.New("a vector of more than 32 bytes")
	}
	return t, nil
}

// load decodes ld and ldu.
func (d *decoder) load(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) < 2 {
		return nil, errOperands
	}
	elems := vectorOf(&in.Operands[0])
	t, err := checkVector(in, elems)
	if err != nil {
		return nil, err
	}
	if p := d.parameter(in, t, elems); p != nil {
		return p, nil
	}
	out, err := d.accessTo(in, &in.Operands[1], loadAccess, t.Size()*len(elems))
	if err != nil {
		return nil, err
	}
	width := 0 // of the registers
	for i := range elems {
		e := &elems[i]
		switch {
		case e.Kind == ptx.Register && !e.Not && d.regShape(e.Reg) != predicate:
			n := d.fn.Regs[e.Reg].Type.Bits()
			if n < t.Bits() && !(n == 16 && t.Bits() == 8) {
				return nil, fmt.Errorf("register %s is %s: too narrow for %s", d.fn.Regs[e.Reg].Name, d.fn.Regs[e.Reg].Type, t)
			}
			if width != 0 && width != n {
				return nil, errors.New("registers of different widths")
			}
			width = n
		case e.Kind != ptx.Sink:
			return nil, errors.New("the destination is no register")
		}
	}
	if width == 0 {
		width = max(32, t.Bits())
	}
	s := narrow
	if width == 64 {
		s = wide
	}
	for i := range elems {
		off := d.sinks[s]
		if elems[i].Kind == ptx.Register {
			off = d.regs[d.fn][elems[i].Reg]
		}
		out.x = append(out.x, off)
		out.shapes = append(out.shapes, s)
	}
	out.mem.move, out.mem.row = loader(t, width), rowLoader(t.Size(), len(elems), s)
	d.hasten(out)
	return out, nil
}

// parameter makes a copy of a load of a whole parameter of the entry point: its value lies in the register file of every warp. nil where it is
// another load.
func (d *decoder) parameter(in *ptx.Instr, t ptx.Type, elems []ptx.Operand) *inst {
	o := &in.Operands[1]
	if o.Kind != ptx.Address || o.Var == nil || o.Offset != 0 || d.spaceOf(in) != paramSpace || len(elems) != 1 || elems[0].Kind != ptx.Register {
		return nil
	}
	at, ok := d.params[o.Var]
	s := d.regShape(elems[0].Reg)
	if !ok || o.Var.Size != t.Size() || t.Bits() < 32 || s != shapeOf(t) || elems[0].Not {
		return nil
	}
	key := paramValue{0, s, uint32(at)}
	off, ok := d.values[key]
	if !ok {
		d.next = uint32(alignUp(uint64(d.next), 64))
		off = d.take([...]uint32{narrow: 4 * lanes, wide: 8 * lanes}[s])
		d.values[key] = off
		key.off = off
		d.prog.values = append(d.prog.values, key)
	}
	return &inst{kind: laneKind, lane: copyOf(s), d: d.regs[d.fn][elems[0].Reg], a: off, shape: s}
}

// hasten lets an access take the fast way when it may: within what it accesses there is room for it.
func (d *decoder) hasten(in *inst) {
	m := in.mem
	switch {
	case !m.based || m.space == paramSpace || !m.wide && m.space != sharedSpace && m.space != localSpace:
	case m.space == localSpace && d.prog.localEnd < localBase+m.size:
	default:
		in.run = runFast
	}
}

// loader is what moves elements of type t into registers of a width.
func loader(t ptx.Type, width int) mover {
	signed := t.Signed()
	switch {
	case t.Size() == 1 && signed && width <= 16:
		return moveLoadS8
	case width <= 32:
		switch {
		case t.Size() == 1 && signed:
			return moveLoad[int8, uint32]
		case t.Size() == 1:
			return moveLoad[uint8, uint32]
		case t.Size() == 2 && signed && width == 32:
			return moveLoad[int16, uint32]
		case t.Size() == 2:
			return moveLoad[uint16, uint32]
		}
		return moveLoad[uint32, uint32]
	case t.Size() == 1 && signed:
		return moveLoad[int8, uint64]
	case t.Size() == 1:
		return moveLoad[uint8, uint64]
	case t.Size() == 2 && signed:
		return moveLoad[int16, uint64]
	case t.Size() == 2:
		return moveLoad[uint16, uint64]
	case t.Size() == 4 && signed:
		return moveLoad[int32, uint64]
	case t.Size() == 4:
		return moveLoad[uint32, uint64]
	}
	return moveLoad[uint64, uint64]
}

// store decodes st.
func (d *decoder) store(in *ptx.Instr) (*inst, error) {
	if len(in.Operands) < 2 {
		return nil, errOperands
	}
	elems := vectorOf(&in.Operands[1])
	t, err := checkVector(in, elems)
	if err != nil {
		return nil, err
	}
	out, err := d.accessTo(in, &in.Operands[0], storeAccess, t.Size()*len(elems))
	if err != nil {
		return nil, err
	}
	s := shapeOf(t)
	for i := range elems {
		e := &elems[i]
		if e.Kind == ptx.Register && d.regShape(e.Reg) == wide {
			s = wide
		}
	}
	as := ptx.B32 // immediates of narrow types keep their low bits
	if s == wide {
		as = ptx.B64
	}
	if t.Float() {
		as = t
	}
	for i := range elems {
		e := &elems[i]
		off := uint32(0)
		if e.Kind == ptx.Register {
			if e.Not || d.regShape(e.Reg) != s {
				return nil, fmt.Errorf("register %s does not fit the vector", d.fn.Regs[e.Reg].Name)
			}
			off = d.regs[d.fn][e.Reg]
		} else if off, err = d.source(e, as); err != nil {
			return nil, err
		}
		out.x = append(out.x, off)
	}
	out.mem.move, out.mem.row = storer(t.Size(), s), rowStorer(t.Size(), len(elems), s)
	d.hasten(out)
	return out, nil
}

// storer is what moves the low bytes of registers to memory.
func storer(size int, s shape) mover {
	if s == wide {
		switch size {
		case 1:
			return moveStore[uint8, uint64]
		case 2:
			return moveStore[uint16, uint64]
		case 4:
			return moveStore[uint32, uint64]
		}
		return moveStore[uint64, uint64]
	}
	switch size {
	case 1:
		return moveStore[uint8, uint32]
	case 2:
		return moveStore[uint16, uint32]
	}
	return moveStore[uint32, uint32]
}

// stored is what memory holds; signed types extend their sign.
type stored interface {
	uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32
}

// moveLoad reads elements of type E into registers of lanes of type R.
func moveLoad[E stored, R uint32 | uint64](w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	var e E
	for i, off := range in.x {
		d := (*[lanes]R)(unsafe.Add(w.file, uintptr(off)))
		from := unsafe.Add(base, uintptr(i)*unsafe.Sizeof(e))
		if mask == fullMask {
			for l := range d {
				d[l] = R(*(*E)(unsafe.Add(from, w.addr[l])))
			}
			continue
		}
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			d[l] = R(*(*E)(unsafe.Add(from, w.addr[l])))
		}
	}
	return true
}

// moveLoadS8 reads signed bytes into 16-bit registers.
func moveLoadS8(w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	for i, off := range in.x {
		d := w.at(off)
		from := unsafe.Add(base, i)
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			d[l] = uint32(uint16(*(*int8)(unsafe.Add(from, w.addr[l]))))
		}
	}
	return true
}

// moveStore writes the low part of registers as elements of type E.
func moveStore[E stored, R uint32 | uint64](w *warp, in *inst, base unsafe.Pointer, mask uint32) bool {
	var e E
	for i, off := range in.x {
		s := (*[lanes]R)(unsafe.Add(w.file, uintptr(off)))
		to := unsafe.Add(base, uintptr(i)*unsafe.Sizeof(e))
		if mask == fullMask {
			for l := range s {
				*(*E)(unsafe.Add(to, w.addr[l])) = E(s[l])
			}
			continue
		}
		for rest := mask; rest != 0; rest &= rest - 1 {
			l := bits.TrailingZeros32(rest)
			*(*E)(unsafe.Add(to, w.addr[l])) = E(s[l])
		}
	}
	return true
}
